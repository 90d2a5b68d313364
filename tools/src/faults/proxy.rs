//! A proxy between a replica and Postgres that cuts the connection at the worst moment, or falls silent.
//!
//! It knows as much of Postgres's protocol as it needs: messages are a letter and a length; `Parse` names a
//! statement, `Bind` uses it, `Sync` ends what a client sends, `ReadyForQuery` what the server answers. Where
//! an INSERT is part of a transaction it is the COMMIT that counts, which is a simple `Query`.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{Failure, lock};

/// Where a connection is cut when the next INSERT comes by, or the COMMIT that makes it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Postgres never gets the statement.
    Before,
    /// Postgres gets it, and nobody waits for it: the replica's next try meets it under way.
    During,
    /// Postgres has committed and said so, but the replica does not hear it.
    After,
}

/// `ReadyForQuery`, idle: what an answer ends with.
const READY: &[u8] = b"Z\0\0\0\x05I";

#[derive(Default)]
struct Orders {
    /// Nothing is passed on.
    silent: bool,
    cut: Option<Cut>,
    left: u32,
    done: u32,
}

struct Shared {
    upstream: PathBuf,
    /// How the INSERTs that count begin.
    insert: String,
    orders: Mutex<Orders>,
    changed: Condvar,
    ending: AtomicBool,
    pairs: Mutex<HashMap<u64, Arc<Pair>>>,
    next_pair: AtomicU64,
}

struct Pair {
    client: UnixStream,
    server: UnixStream,
    /// The answer is to be kept from the client, and then the connection cut.
    swallow: AtomicBool,
}

impl Pair {
    fn cut(&self) {
        // Either may be gone already.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

/// The proxy. Its connections end with it.
pub struct Proxy {
    folder: PathBuf,
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

const SOCKET: &str = ".s.PGSQL.5432";

impl Proxy {
    /// Listens in `folder` as Postgres would, and connects to the Postgres whose socket is in `upstream`.
    /// What counts is what is inserted into `table`.
    pub fn start(folder: &Path, upstream: &Path, table: &str) -> Result<Self, Failure> {
        std::fs::create_dir_all(folder)?;
        let listener = UnixListener::bind(folder.join(SOCKET))?;
        let shared = Arc::new(Shared {
            upstream: upstream.join(SOCKET),
            insert: format!("INSERT INTO {table} ("),
            orders: Mutex::default(),
            changed: Condvar::new(),
            ending: AtomicBool::new(false),
            pairs: Mutex::default(),
            next_pair: AtomicU64::new(0),
        });
        let accepting = shared.clone();
        let thread =
            thread::Builder::new().name("proxy".into()).spawn(move || accepting.accept(&listener))?;
        Ok(Self { folder: folder.to_owned(), shared, thread: Some(thread) })
    }

    /// What goes into `DATABASE_URL` as the host.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// As a frozen host whose kernel lives: it accepts, keeps what it is given, and passes nothing on either
    /// way until the silence ends.
    pub fn be_silent(&self, silent: bool) {
        lock(&self.shared.orders).silent = silent;
        self.shared.changed.notify_all();
    }

    /// Cuts the next `times` INSERTs and returns how many that were within `patience`.
    pub fn cut(&self, cut: Cut, times: u32, patience: Duration) -> u32 {
        let deadline = Instant::now() + patience;
        let mut orders = lock(&self.shared.orders);
        (orders.cut, orders.left, orders.done) = (Some(cut), times, 0);
        while orders.done < times {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            orders = self.shared.changed.wait_timeout(orders, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        orders.cut = None;
        orders.done
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Release);
        self.be_silent(false);
        lock(&self.shared.pairs).values().for_each(|pair| pair.cut());
        // Wakes the thread that accepts.
        let _ = UnixStream::connect(self.folder.join(SOCKET));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &UnixListener) {
        for client in listener.incoming() {
            if self.ending.load(Ordering::Acquire) {
                return;
            }
            // Without Postgres the client sees its connection end, and tries again.
            if let Ok(client) = client
                && let Ok(server) = UnixStream::connect(&self.upstream)
            {
                let _ = self.join(client, server);
            }
        }
    }

    fn join(self: &Arc<Self>, client: UnixStream, server: UnixStream) -> io::Result<()> {
        let pair = Arc::new(Pair { client, server, swallow: AtomicBool::new(false) });
        let number = self.next_pair.fetch_add(1, Ordering::Relaxed);
        lock(&self.pairs).insert(number, pair.clone());
        let (shared, joined) = (self.clone(), pair.clone());
        thread::Builder::new().name("proxy-up".into()).spawn(move || {
            // However it ended, both sides learn of it.
            let _ = shared.forward_statements(&joined);
            joined.cut();
            lock(&shared.pairs).remove(&number);
        })?;
        let shared = self.clone();
        thread::Builder::new().name("proxy-down".into()).spawn(move || {
            let _ = shared.forward_answers(&pair);
            pair.cut();
        })?;
        Ok(())
    }

    fn forward_answers(&self, pair: &Pair) -> io::Result<()> {
        let mut chunk = vec![0; 64 * 1024];
        let mut tail = Vec::new();
        loop {
            let count = (&pair.server).read(&mut chunk)?;
            if count == 0 {
                return Ok(());
            }
            self.wait_while_silent();
            if !pair.swallow.load(Ordering::Acquire) {
                (&pair.client).write_all(&chunk[..count])?;
                continue;
            }
            tail.extend_from_slice(&chunk[..count]);
            if tail.ends_with(READY) {
                self.note_done();
                return Ok(());
            }
        }
    }

    fn forward_statements(&self, pair: &Pair) -> io::Result<()> {
        let mut messages = Messages { stream: &pair.client, buffer: Vec::new() };
        // The first message of a connection has no letter.
        let first = messages.next(0)?;
        self.wait_while_silent();
        (&pair.server).write_all(&first)?;
        let mut inserts = HashSet::new();
        let mut group = Vec::new();
        let mut cut = None;
        let mut transaction = Open::Not;
        loop {
            let message = messages.next(1)?;
            let letter = message[0];
            match letter {
                b'P' if contains(&message, self.insert.as_bytes()) => {
                    inserts.insert(text(&message, 5).to_vec());
                }
                // A portal's name comes first.
                b'B' if inserts.contains(text(&message, 6 + text(&message, 5).len())) => match transaction {
                    Open::Not => cut = self.take_order(),
                    Open::Begun | Open::Written => transaction = Open::Written,
                },
                b'Q' => match text(&message, 5) {
                    b"BEGIN" => transaction = Open::Begun,
                    b"COMMIT" if std::mem::take(&mut transaction) == Open::Written => cut = self.take_order(),
                    _ => transaction = Open::Not,
                },
                _ => {}
            }
            group.extend_from_slice(&message);
            // What a client sends in one piece ends with Sync, Flush, a simple query, or its farewell.
            if !matches!(letter, b'S' | b'H' | b'Q' | b'X' | b'p') {
                continue;
            }
            self.wait_while_silent();
            match cut.take() {
                None => (&pair.server).write_all(&group)?,
                Some(Cut::Before) => {
                    self.note_done();
                    return Ok(());
                }
                Some(Cut::During) => {
                    (&pair.server).write_all(&group)?;
                    self.note_done();
                    return Ok(());
                }
                Some(Cut::After) => {
                    pair.swallow.store(true, Ordering::Release);
                    (&pair.server).write_all(&group)?;
                }
            }
            group.clear();
        }
    }

    fn wait_while_silent(&self) {
        let mut orders = lock(&self.orders);
        while orders.silent {
            orders = self.changed.wait(orders).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn take_order(&self) -> Option<Cut> {
        let mut orders = lock(&self.orders);
        if orders.left == 0 {
            return None;
        }
        orders.left -= u32::from(orders.cut.is_some());
        orders.cut
    }

    fn note_done(&self) {
        lock(&self.orders).done += 1;
        self.changed.notify_all();
    }
}

/// What a connection's transaction has come to.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Open {
    /// There is none, or none that matters.
    #[default]
    Not,
    Begun,
    /// An INSERT that counts is part of it.
    Written,
}

/// Whole messages out of a stream.
struct Messages<'s> {
    stream: &'s UnixStream,
    buffer: Vec<u8>,
}

impl Messages<'_> {
    /// The next message, whose length stands after `letters` bytes.
    fn next(&mut self, letters: usize) -> io::Result<Vec<u8>> {
        self.fill(letters + 4)?;
        let mut length = [0; 4];
        length.copy_from_slice(&self.buffer[letters..letters + 4]);
        let length = letters + u32::from_be_bytes(length) as usize;
        self.fill(length)?;
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    fn fill(&mut self, length: usize) -> io::Result<()> {
        let mut chunk = [0; 16 * 1024];
        while self.buffer.len() < length {
            let count = (&mut self.stream).read(&mut chunk)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.buffer.extend_from_slice(&chunk[..count]);
        }
        Ok(())
    }
}

/// The text from `start` to its NUL.
fn text(message: &[u8], start: usize) -> &[u8] {
    let rest = message.get(start..).unwrap_or_default();
    &rest[..rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len())]
}

fn contains(message: &[u8], wanted: &[u8]) -> bool {
    message.windows(wanted.len()).any(|window| window == wanted)
}
