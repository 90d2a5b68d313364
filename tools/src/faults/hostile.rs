//! Clients that want it all: over TCP, from an address of their own, at one replica, while all others go on.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};
use serde_json::json;
use socket2::{Domain, Socket, Type};

use super::stack::Stack;
use super::{Failure, lock, promised};
use crate::client::Connection;

/// How the nicknames of hostile people begin.
pub const PREFIX: &str = "hostile-";

/// A word that all people of the largest answer share, and the request for it.
const SHARED: &str = "zqxj";
/// People of one answer.
const ANSWER_PEOPLE: u64 = 50;
/// Elements and bytes of the largest stack that is taken.
const ELEMENTS: usize = 128;
const STACK_BYTES: usize = 4 * 1024;

const SLOW_READERS: usize = 300;
/// What every second one of them takes, and how often: more than the least rate, so that the account alone
/// bounds it. The others take nothing.
const SIP_BYTES: usize = 700;
const SIP_INTERVAL: Duration = Duration::from_millis(500);

/// Files that are open beside idle connections, those of other tests too.
pub const OTHER_DESCRIPTORS: u64 = 3_000;

/// Threads that connect at the same time.
const CONNECTORS: usize = 8;

/// Connections that create at the same time.
const CREATORS: u64 = 8;

/// Connections that pipeline without an end, and how many of them read what they get.
const PIPELINES: usize = 8;
const READING_PIPELINES: usize = 2;
/// Requests that one of them writes at once.
const PIPELINED: usize = 200;

/// By how much the threads of hostile clients are nicer than others (nice(2) is a thread's own on Linux).
const YIELDING: i32 = 10;

/// How long a connection or an answer is waited for.
const PATIENCE: Duration = promised(20_000);

/// What hostile clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hostile {
    /// 300 ask for the largest answer; half take it slowly, half not at all.
    SlowReaders(Duration),
    /// So many of the largest people that are taken.
    LargeCreations(u64),
    /// So many connections, of which every second one has sent a request; they stay so long.
    Idle(usize, Duration),
    /// Requests without an end on a few connections; most read nothing.
    Pipelining(Duration),
}

/// What hostile clients have met. All only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections or creations.
    pub tried: u64,
    pub served: u64,
    /// Told no, in a clear answer.
    pub refused: u64,
    /// Ended by the server without one, or in the middle of one.
    pub cut: u64,
    /// Answered 201, whose rows must be there.
    pub created: u64,
    /// Answered with what no refusal may be.
    pub odd: u64,
}

impl Tally {
    pub fn since(&self, before: &Self) -> Self {
        Self {
            tried: self.tried - before.tried,
            served: self.served - before.served,
            refused: self.refused - before.refused,
            cut: self.cut - before.cut,
            created: self.created - before.created,
            odd: self.odd - before.odd,
        }
    }

    fn note(&mut self, status: u16) {
        match status {
            200..=299 | 401 => self.served += 1,
            408 | 413 | 422 | 429 | 503 => self.refused += 1,
            _ => self.odd += 1,
        }
        self.created += u64::from(status == 201);
    }
}

/// Where they come from, where they go, and what they ask for.
#[derive(Clone, Copy)]
struct Place<'s> {
    from: Ipv4Addr,
    to: SocketAddr,
    path: &'s str,
    tally: &'s Mutex<Tally>,
}

impl Hostile {
    /// Does it all, and returns when its clients are gone. Clients elsewhere take none of the server's CPU
    /// time; these give way to it, in a thread whose own threads inherit that.
    pub fn attack(self, stack: &Stack, replica: usize) -> Result<(), Failure> {
        let (to, path) = (stack.tcp(replica)?, stack.subject.in_memory.0);
        let place = Place { from: next_address(), to, path, tally: &stack.hostile };
        let attack = || {
            nice(YIELDING)?;
            match self {
                Self::SlowReaders(lasts) => place.read_slowly(lasts),
                Self::LargeCreations(count) => place.create_large(count),
                Self::Idle(count, lasts) => place.stay_idle(count, lasts),
                Self::Pipelining(lasts) => place.pipeline(lasts),
            }
        };
        let ended = thread::scope(|scope| scope.spawn(attack).join());
        ended.map_err(|_| "a hostile client has panicked")?
    }
}

/// How many files this process may have open, after that was raised as far as it goes. The replicas do so
/// themselves.
pub fn descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // Where it may not be raised it is as it was.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Another one each time: the kernel keeps the ports of an address for a while.
fn next_address() -> Ipv4Addr {
    static USED: AtomicU32 = AtomicU32::new(0);
    let [.., low] = USED.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let [.., high, own] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 66 + (high & 0x3f), own, low.max(1))
}

/// A connection from one address. It is reset at its end, so that the kernel keeps nothing of it.
pub fn connect(from: Ipv4Addr, to: SocketAddr, receive: Option<usize>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    if let Some(bytes) = receive {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    socket.set_linger(Some(Duration::ZERO))?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: hostile\r\n\r\n")
}

impl Place<'_> {
    fn connect(&self) -> io::Result<TcpStream> {
        connect(self.from, self.to, None)
    }

    fn note(&self, note: impl FnOnce(&mut Tally)) {
        note(&mut lock(self.tally));
    }

    /// Creates a person. A connection that was cut is replaced the next time.
    fn create(&self, kept: &mut Option<Connection>, person: &str) {
        self.note(|tally| tally.tried += 1);
        let text = format!(
            "POST /pessoas HTTP/1.1\r\nHost: hostile\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{person}",
            person.len()
        );
        let mut ask = || {
            let mut used = kept.take().map_or_else(|| Connection::of(self.connect()?), Ok)?;
            let answer = used.exchange(&text, Instant::now() + PATIENCE)?;
            if !answer.has_option("connection", "close") {
                *kept = Some(used);
            }
            Ok::<_, io::Error>(answer.status)
        };
        match ask() {
            Ok(status) => self.note(|tally| tally.note(status)),
            Err(_) => self.note(|tally| tally.cut += 1),
        }
    }

    fn read_slowly(&self, lasts: Duration) -> Result<(), Failure> {
        let mut stream = None;
        for _ in 0..ANSWER_PEOPLE {
            self.create(&mut stream, &person(&long_answer()));
        }
        let request = get(&format!("/pessoas?t={SHARED}"));
        let mut readers = Vec::new();
        for _ in 0..SLOW_READERS {
            let mut stream = connect(self.from, self.to, Some(4_096))?;
            self.note(|tally| tally.tried += 1);
            // Who is refused at once may be gone by now.
            let _ = stream.write_all(request.as_bytes());
            readers.push(Reader::new(stream)?);
        }
        let until = Instant::now() + lasts;
        while Instant::now() < until {
            for reader in readers.iter_mut().step_by(2) {
                reader.sip(SIP_BYTES);
            }
            thread::sleep(SIP_INTERVAL);
        }
        for mut reader in readers {
            // What is in the kernel's buffers; behind it is the end, if there is one.
            while reader.sip(64 * 1024) > 0 {}
            reader.tell(self, true);
        }
        Ok(())
    }

    fn create_large(&self, count: u64) -> Result<(), Failure> {
        thread::scope(|scope| {
            for creator in 0..CREATORS {
                scope.spawn(move || {
                    let mut stream = None;
                    for number in (creator..count).step_by(usize::try_from(CREATORS).unwrap_or(1)) {
                        self.create(&mut stream, &person(&varied(number)));
                    }
                });
            }
        });
        Ok(())
    }

    fn stay_idle(&self, count: usize, lasts: Duration) -> Result<(), Failure> {
        let allowed = usize::try_from(descriptors().saturating_sub(OTHER_DESCRIPTORS)).unwrap_or(usize::MAX);
        let each = count.min(allowed).div_ceil(CONNECTORS);
        let parts: Vec<_> = thread::scope(|scope| {
            let connect = || {
                let mut readers: Vec<_> = (0..each).filter_map(|number| self.idle(number % 2 == 1)).collect();
                // Until the server has taken all of them: those that ask have an answer then, or their end.
                readers.iter_mut().filter(|reader| reader.asked).for_each(Reader::hear);
                readers
            };
            let threads: Vec<_> = (0..CONNECTORS).map(|_| scope.spawn(connect)).collect();
            threads.into_iter().map(thread::ScopedJoinHandle::join).collect()
        });
        thread::sleep(lasts);
        for part in parts {
            for mut reader in part.map_err(|_| "a thread that connects has panicked")? {
                while reader.sip(4_096) > 0 {}
                reader.tell(self, false);
            }
        }
        Ok(())
    }

    /// A connection that may send a request, and does not wait for the answer.
    fn idle(&self, asks: bool) -> Option<Reader> {
        self.note(|tally| tally.tried += 1);
        let connect = || -> io::Result<Reader> {
            let mut stream = self.connect()?;
            if asks {
                stream.write_all(get(self.path).as_bytes())?;
            }
            Ok(Reader { asked: asks, ..Reader::new(stream)? })
        };
        // Who is turned away may find it closed by now.
        let reader = connect();
        self.note(|tally| tally.cut += u64::from(reader.is_err()));
        reader.ok()
    }

    /// For so long, or until so many have been cut as read nothing.
    fn pipeline(&self, lasts: Duration) -> Result<(), Failure> {
        let until = Instant::now() + lasts;
        let cut = AtomicUsize::new(0);
        let goes_on =
            || Instant::now() < until && cut.load(Ordering::Relaxed) < PIPELINES - READING_PIPELINES;
        let (cut, goes_on) = (&cut, &goes_on);
        thread::scope(|scope| {
            for number in 0..PIPELINES {
                scope.spawn(move || {
                    while goes_on() {
                        self.note(|tally| tally.tried += 1);
                        if self.pipeline_once(number < READING_PIPELINES, goes_on).is_err() {
                            self.note(|tally| tally.cut += 1);
                            cut.fetch_add(1, Ordering::Relaxed);
                            // Or clients that are turned away at once would do nothing but connect.
                            thread::sleep(Duration::from_millis(50));
                        }
                    }
                });
            }
        });
        Ok(())
    }

    /// Until the connection ends, which is an error, or there is no need to go on.
    fn pipeline_once(&self, reads: bool, goes_on: impl Fn() -> bool) -> io::Result<()> {
        // Who reads nothing has no more room than it needs, so that it is full soon.
        let mut stream = connect(self.from, self.to, if reads { None } else { Some(4_096) })?;
        stream.set_nonblocking(true)?;
        let block = get(self.path).repeat(PIPELINED);
        let (mut written, mut chunk) = (0, vec![0; 64 * 1024]);
        while goes_on() {
            let mut moved = false;
            match stream.write(&block.as_bytes()[written..]) {
                Ok(count) => (written, moved) = ((written + count) % block.len(), true),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            match if reads { stream.read(&mut chunk) } else { Err(ErrorKind::WouldBlock.into()) } {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => moved = true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if !moved {
                thread::sleep(Duration::from_millis(1));
            }
        }
        self.note(|tally| tally.served += 1);
        Ok(())
    }
}

/// A connection whose answer is taken in sips, if at all.
struct Reader {
    stream: TcpStream,
    /// Whether an answer will come.
    asked: bool,
    /// The first of what came.
    head: Vec<u8>,
    bytes: usize,
    ended: bool,
}

impl Reader {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, asked: false, head: Vec::new(), bytes: 0, ended: false })
    }

    /// Waits until something comes, or the end does.
    fn hear(&mut self) {
        let stream = &self.stream;
        if stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_nonblocking(false)).is_ok() {
            self.sip(4_096);
        }
        self.ended |= self.stream.set_nonblocking(true).is_err();
    }

    /// Takes what is there, up to so much; how much it was.
    fn sip(&mut self, most: usize) -> usize {
        let mut chunk = vec![0; most];
        match self.stream.read(&mut chunk) {
            Ok(0) => self.ended = true,
            Ok(count) => {
                let room = 1_024_usize.saturating_sub(self.head.len());
                self.head.extend_from_slice(&chunk[..count.min(room)]);
                self.bytes += count;
                return count;
            }
            Err(error) => self.ended |= error.kind() != ErrorKind::WouldBlock,
        }
        0
    }

    /// Counts what has become of it. It may be that a whole answer is all that was wanted.
    fn tell(&self, place: &Place<'_>, once: bool) {
        let head = String::from_utf8_lossy(&self.head);
        let status = head.split(' ').nth(1).and_then(|word| word.parse::<u16>().ok());
        let length = head.to_ascii_lowercase().split_once("content-length: ").and_then(|(_, rest)| {
            let digits = rest.split("\r\n").next()?;
            digits.parse::<usize>().ok()
        });
        let is_whole = length.is_some_and(|length| self.bytes >= length);
        place.note(|tally| match status {
            Some(status) if status >= 400 => tally.note(status),
            _ if self.ended && !(once && is_whole) => tally.cut += 1,
            _ => tally.served += 1,
        });
    }
}

fn person(stack: &[String]) -> String {
    let nick = format!("{PREFIX}{:016x}", fastrand::u64(..));
    json!({"apelido": nick, "nome": "x", "nascimento": "2000-02-28", "stack": stack}).to_string()
}

/// The stack whose JSON is the longest: each character is six there, and one byte in the table.
fn long_answer() -> Vec<String> {
    let mut stack = vec!["\u{1}".repeat(STACK_BYTES / ELEMENTS); ELEMENTS];
    stack[0].replace_range(..SHARED.len(), SHARED);
    stack
}

/// A stack of as many different trigrams as there can be: of Latin letters, or of characters of four bytes.
fn varied(number: u64) -> Vec<String> {
    let mut random = fastrand::Rng::new();
    let (bytes, range) =
        if number.is_multiple_of(2) { (1, ' '..='~') } else { (4, '\u{10000}'..='\u{3ffff}') };
    let elements = STACK_BYTES / (32 * bytes);
    (0..elements).map(|_| (0..32).map(|_| random.char(range.clone())).collect()).collect()
}
