//! What an idle connection costs a server, any server:
//! `cargo run --release -p pouco-tools --bin idle -- tcp:127.0.0.1:9999 --connections 4000 --pid PID
//! [--path /] [--hold SECONDS]`.
//!
//! (pouco gives one address half of its connections: more than 4,000 over TCP want
//! `POUCO_MAX_CONNECTIONS_PER_ADDRESS=0`.)
//!
//! It opens the connections with one GET each, compares the process's memory before and after, and holds them
//! with a request each 50 s. It ends after `--hold` seconds or with Ctrl-C; the exit code is 1 if any
//! connection was lost.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pouco_tools::client::{Connection, Target};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};

/// Shorter than common servers keep an idle connection (60 s and more).
const ROUND: Duration = Duration::from_secs(50);

/// An answer that takes longer counts as a lost connection.
const TIMEOUT: Duration = Duration::from_secs(10);

const USAGE: &str = "usage: idle ADDRESS --pid PID [--connections N] [--path PATH] [--hold SECONDS]";

type Failure = Box<dyn std::error::Error>;

struct Options {
    target: Target,
    connections: usize,
    pid: u32,
    path: String,
    hold: Option<Duration>,
}

impl Options {
    fn parse() -> Result<Self, Failure> {
        let mut words = std::env::args().skip(1);
        let target = words.next().ok_or(USAGE)?.parse()?;
        let path = "/pessoas?t=idle".to_owned();
        let mut options = Self { target, connections: 10_000, pid: 0, path, hold: None };
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            match name.as_str() {
                "--connections" => options.connections = value.parse()?,
                "--pid" => options.pid = value.parse()?,
                "--path" => options.path = value,
                "--hold" => options.hold = Some(Duration::from_secs(value.parse()?)),
                _ => return Err(format!("{name} is no option; {USAGE}").into()),
            }
        }
        if options.pid == 0 { Err(USAGE.into()) } else { Ok(options) }
    }
}

/// One request; an error if the answer is not a whole 200.
fn ask(connection: &mut Connection, request: &str) -> io::Result<()> {
    let answer = connection.exchange(request, Instant::now() + TIMEOUT)?;
    if answer.status == 200 { Ok(()) } else { Err(io::Error::other(format!("{answer:?}"))) }
}

/// The number behind `name` in a file of /proc, where it stands first.
fn number(file: &str, name: &str) -> Result<u64, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let rest = text.split_once(name).ok_or_else(|| format!("{file} has no {name}"))?.1;
    Ok(rest.split_whitespace().next().unwrap_or_default().parse()?)
}

/// Bytes of a process: resident, and its share of what it shares; and of the whole machine's TCP buffers.
fn memory(pid: u32) -> Result<[u64; 3], Failure> {
    let rss = number(&format!("/proc/{pid}/status"), "VmRSS:")? * 1_024;
    let pss = number(&format!("/proc/{pid}/smaps_rollup"), "\nPss:")? * 1_024;
    Ok([rss, pss, number("/proc/net/sockstat", " mem ")? * rustix::param::page_size() as u64])
}

fn main() -> Result<(), Failure> {
    let options = Options::parse()?;
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGINT, stop.clone())?;
    signal_hook::flag::register(SIGTERM, stop.clone())?;
    let request = format!("GET {} HTTP/1.1\r\nHost: idle\r\n\r\n", options.path);
    // What the first request of all needs is no connection's.
    ask(&mut options.target.try_connect()?, &request)?;
    let before = memory(options.pid)?;
    println!("before, bytes: {before:?} (rss, pss, TCP buffers of the machine)");
    let mut held: Vec<Connection> = Vec::new();
    for _ in 0..options.connections {
        let mut connection = options.target.try_connect()?;
        ask(&mut connection, &request)?;
        held.push(connection);
    }
    let after = memory(options.pid)?;
    println!("after, bytes: {after:?}");
    let each = |at: usize| after[at].saturating_sub(before[at]) / options.connections.max(1) as u64;
    println!("per connection, bytes: rss {}, pss {}, TCP buffers {}", each(0), each(1), each(2));

    let (begun, mut round) = (Instant::now(), Instant::now());
    while !stop.load(Ordering::Relaxed) && options.hold.is_none_or(|hold| begun.elapsed() < hold) {
        std::thread::sleep(Duration::from_millis(100));
        if round.elapsed() >= ROUND {
            round = Instant::now();
            held.retain_mut(|connection| ask(connection, &request).is_ok());
            println!("after {} s: {} held", begun.elapsed().as_secs(), held.len());
        }
    }
    // Once more, so that what was lost since the last round is counted too.
    held.retain_mut(|connection| ask(connection, &request).is_ok());
    let lost = options.connections - held.len();
    println!("idle: {} held, {lost} lost, rss {}", held.len(), memory(options.pid)?[0]);
    if lost == 0 { Ok(()) } else { Err("connections were lost".into()) }
}
