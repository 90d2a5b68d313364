//! How late answers are that a server has to wait for, any server's: `GET /external` of the API bench, in an
//! open loop. `cargo run --release -p pouco-tools --bin late -- 127.0.0.1:9999 [--rate 10000] [--seconds 10]
//! [--connections 2000] [--wait-ms 100] [--burst 0] [--pid PID]`.
//!
//! A request is due whatever has become of those before it, and its time counts from then, so a server that
//! stands still is late for all that were due meanwhile. Those that find no connection free are counted, and
//! make the exit code 1. With `--burst N` that many are sent at once instead, each on a connection of its
//! own. One thread that never sleeps: give it a core. (pouco gives one address half of its connections: see
//! `idle.rs`.)

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use pouco_tools::answer::all;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const USAGE: &str = "usage: late HOST:PORT [--rate N] [--seconds S] [--connections N] [--wait-ms N] [--burst N] \
                     [--pid PID]";
const REQUEST: &[u8] = b"GET /external HTTP/1.1\r\nHost: late\r\n\r\n";
/// Events that are taken from the kernel at once.
const EVENTS: usize = 256;
/// An answer that takes longer than it has to, by this, is none.
const PATIENCE: Duration = Duration::from_secs(20);

type Failure = Box<dyn std::error::Error>;

struct Options {
    address: String,
    rate: f64,
    seconds: f64,
    connections: usize,
    wait: Duration,
    burst: usize,
    pid: Option<u32>,
}

impl Options {
    fn parse() -> Result<Self, Failure> {
        let mut words = std::env::args().skip(1);
        let address = words.next().ok_or(USAGE)?;
        let (rate, seconds, wait) = (10_000.0, 10.0, Duration::from_millis(100));
        let mut options = Self { address, rate, seconds, connections: 2_000, wait, burst: 0, pid: None };
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            match name.as_str() {
                "--rate" => options.rate = value.parse()?,
                "--seconds" => options.seconds = value.parse()?,
                "--connections" => options.connections = value.parse()?,
                "--wait-ms" => options.wait = Duration::from_millis(value.parse()?),
                "--burst" => options.burst = value.parse()?,
                "--pid" => options.pid = Some(value.parse()?),
                _ => return Err(format!("{name} is no option; {USAGE}").into()),
            }
        }
        options.connections = options.connections.max(options.burst);
        Ok(options)
    }

    /// When each request is due, from the beginning.
    fn due(&self) -> Vec<Duration> {
        if self.burst > 0 {
            return vec![Duration::ZERO; self.burst];
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // what somebody has typed
        let count = (self.rate * self.seconds) as u32;
        (0..count).map(|number| Duration::from_secs_f64(f64::from(number) / self.rate)).collect()
    }
}

struct Connection {
    stream: TcpStream,
    due: Instant,
    answer: Vec<u8>,
}

/// What came of it.
#[derive(Default)]
struct Seen {
    /// From when it was due to its answer, less what it has to wait.
    late: Vec<Duration>,
    /// The same by the server's own clock, from the request's arrival.
    own: Vec<Duration>,
    /// From when it was due to its being sent.
    sent_late: Vec<Duration>,
    most_asleep: usize,
    without_connection: usize,
}

struct Load {
    epoll: rustix::fd::OwnedFd,
    connections: Vec<Connection>,
    idle: Vec<usize>,
    seen: Seen,
    wait: Duration,
}

impl Load {
    fn open(options: &Options) -> Result<Self, Failure> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::new();
        for number in 0..options.connections {
            let stream = TcpStream::connect(&options.address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            epoll::add(&epoll, &stream, epoll::EventData::new_u64(number as u64), epoll::EventFlags::IN)?;
            connections.push(Connection { stream, due: Instant::now(), answer: Vec::new() });
        }
        let idle = (0..connections.len()).collect();
        Ok(Self { epoll, connections, idle, seen: Seen::default(), wait: options.wait })
    }

    fn run(&mut self, due: &[Duration]) -> Result<(), Failure> {
        let begin = Instant::now() + Duration::from_millis(50);
        let mut next = 0;
        let last = begin + due.last().copied().unwrap_or_default() + self.wait + PATIENCE;
        while next < due.len() || self.idle.len() < self.connections.len() {
            let now = Instant::now();
            if now > last {
                return Err("some were not answered".into());
            }
            while let Some(at) = due.get(next).map(|at| begin + *at).filter(|at| *at <= now) {
                self.send(at)?;
                next += 1;
                if next % 64 == 0 {
                    break;
                }
            }
            self.take_answers()?;
        }
        Ok(())
    }

    fn send(&mut self, due: Instant) -> Result<(), Failure> {
        let Some(number) = self.idle.pop() else {
            self.seen.without_connection += 1;
            return Ok(());
        };
        let connection = &mut self.connections[number];
        connection.due = due;
        connection.stream.write_all(REQUEST)?;
        self.seen.sent_late.push(due.elapsed());
        self.seen.most_asleep = self.seen.most_asleep.max(self.connections.len() - self.idle.len());
        Ok(())
    }

    fn take_answers(&mut self) -> Result<(), Failure> {
        let mut events = Vec::with_capacity(EVENTS);
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&at_once))?;
        for event in events {
            let number = usize::try_from(event.data.u64())?;
            let connection = &mut self.connections[number];
            let mut chunk = [0; 2_048];
            match connection.stream.read(&mut chunk) {
                Ok(0) => return Err("the server has closed a connection".into()),
                Ok(count) => connection.answer.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            }
            let Some(own) = latency(&connection.answer)? else { continue };
            self.seen.late.push(connection.due.elapsed().saturating_sub(self.wait));
            self.seen.own.push(own.saturating_sub(self.wait));
            connection.answer.clear();
            self.idle.push(number);
        }
        Ok(())
    }
}

/// What a whole answer says of itself; an error if it is no 200.
fn latency(raw: &[u8]) -> Result<Option<Duration>, Failure> {
    if !raw.ends_with(b"}") {
        return Ok(None);
    }
    let (answers, fault) = all(raw, false, |_| false);
    let millis = match &answers[..] {
        [answer] if answer.status == 200 => answer.json()["latency_ms"].as_f64(),
        _ => None,
    };
    let millis = millis.ok_or_else(|| fault.unwrap_or_else(|| raw.escape_ascii().to_string()))?;
    Ok(Some(Duration::from_secs_f64(millis / 1_000.0)))
}

/// Microseconds at the median, 99 and 99.9 of 100, and the most.
fn show(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |part: usize| times.get((times.len() * part / 1_000).min(times.len().max(1) - 1));
    let micros = |part: usize| at(part).map_or(0, Duration::as_micros);
    println!("{what}: {} / {} / {} / {}", micros(500), micros(990), micros(999), micros(1_000));
}

/// CPU seconds and threads of a process.
fn used(pid: u32) -> Result<(f64, usize), Failure> {
    let (mut total, mut threads) = (Duration::ZERO, 0);
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        total += Duration::from_nanos(text.split(' ').next().unwrap_or_default().parse()?);
        threads += 1;
    }
    Ok((total.as_secs_f64(), threads))
}

fn main() -> Result<(), Failure> {
    let options = Options::parse()?;
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let due = options.due();
    let mut load = Load::open(&options)?;
    let before = options.pid.map(used).transpose()?;
    let begun = Instant::now();
    load.run(&due)?;
    let took = begun.elapsed();
    let seen = &mut load.seen;
    let answered = seen.late.len();
    println!(
        "{answered} of {} answered in {:.2} s, at most {} under way",
        due.len(),
        took.as_secs_f64(),
        seen.most_asleep
    );
    println!("microseconds at p50 / p99 / p99.9 / max");
    show("  the generator sent late by", &mut seen.sent_late);
    show("  answers were late by, from when they were due", &mut seen.late);
    show("  by the server's own clock", &mut seen.own);
    if let (Some(pid), Some(before)) = (options.pid, before) {
        let (cpu, threads) = used(pid)?;
        #[allow(clippy::cast_precision_loss)] // counts far below 2^52
        let each = (cpu - before.0) / answered as f64 * 1e6;
        println!("CPU of the server: {each:.1} us a request; threads: {} before, {threads} after", before.1);
    }
    match seen.without_connection {
        0 => Ok(()),
        missed => Err(format!("{missed} found no connection free: --connections").into()),
    }
}
