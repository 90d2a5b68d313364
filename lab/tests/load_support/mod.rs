//! A small HTTP server whose answers are what a test says, and loads against it.
#![allow(dead_code, clippy::unwrap_used)] // each test file uses a part of it

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pouco_lab::contest::{Load, Phase, Request, Scenario};
use pouco_lab::lines::Lines;
use pouco_lab::load::{Connections, Ending, Outcome, Plan, Snapshot};
use pouco_lab::oracle;

/// What came.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: String,
    pub(crate) body: String,
    /// The number of the connection, from 0.
    pub(crate) connection: usize,
}

/// What goes back: bytes as they are, and whether the connection ends then.
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    pub(crate) close: bool,
}

impl Reply {
    /// An answer with a stated length.
    pub(crate) fn new(status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        let bytes =
            format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes();
        Self { bytes, close: false }
    }

    pub(crate) fn raw(text: &str, close: bool) -> Self {
        Self { bytes: text.as_bytes().to_vec(), close }
    }

    /// A creation's answer.
    pub(crate) fn created(id: &str) -> Self {
        Self::new("201 Created", &format!("Location: /pessoas/{id}\r\n"), "")
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Server {
    /// Serves on a port of its own until the test's process ends, each connection on a thread.
    pub(crate) fn start(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let handler = Arc::new(handler);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let handler = Arc::clone(&handler);
                std::thread::spawn(move || serve(&stream, number, &*handler));
            }
        });
        Self { address, connections }
    }

    pub(crate) fn opened(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn serve(stream: &TcpStream, connection: usize, handler: &dyn Fn(&Asked) -> Reply) {
    let mut input = BufReader::new(stream);
    while let Some(asked) = read_request(&mut input, connection) {
        let reply = handler(&asked);
        let mut output = stream;
        if output.write_all(&reply.bytes).is_err() || reply.close {
            return;
        }
    }
}

fn read_request(input: &mut impl BufRead, connection: usize) -> Option<Asked> {
    let mut first = String::new();
    input.read_line(&mut first).ok().filter(|&length| length > 0)?;
    let mut words = first.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let (mut headers, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        headers.push_str(&line);
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body).ok()?;
    Some(Asked { method, target, headers, body: String::from_utf8(body).unwrap(), connection })
}

/// Users at a constant rate.
pub(crate) fn constant(rate: f64, seconds: f64) -> Vec<Phase> {
    vec![Phase { from: rate, to: rate, seconds, randomized: false }]
}

pub(crate) fn request(name: &str, method: &str, path: &str, accept: &[u16]) -> Request {
    let body = (method == "POST").then(|| "payload".to_owned());
    Request {
        name: name.into(),
        method: method.into(),
        path: path.into(),
        body,
        accept: accept.to_vec(),
        pause_ms: None,
        share: None,
    }
}

/// Creates, waits for 1 to 10 ms, looks up.
pub(crate) fn create_then_look_up(phases: Vec<Phase>) -> Scenario {
    let mut lookup = request("lookup", "GET", "{location}", &[200]);
    lookup.pause_ms = Some((1.0, 10.0));
    let creation = request("creation", "POST", "/pessoas", &[201, 400, 422]);
    Scenario { name: "create then look up".into(), phases, clients: None, requests: vec![creation, lookup] }
}

pub(crate) fn search(phases: Vec<Phase>) -> Scenario {
    Scenario {
        name: "search".into(),
        phases,
        clients: None,
        requests: vec![request("search", "GET", "/pessoas?t={term}", &[200])],
    }
}

/// The people that [`payloads`] holds: each knows its line by its nick.
pub(crate) fn person(line: usize) -> String {
    format!(r#"{{"apelido":"nick{line}","nome":"Zoë","nascimento":"2000-10-01","stack":["C#","Node"]}}"#)
}

/// What looking up a person answers.
pub(crate) fn stored(id: &str, line: usize) -> String {
    format!(r#"{{"id":"{id}",{}"#, &person(line)[1..])
}

/// These lines.
pub(crate) fn lines<L: AsRef<str>>(all: &[L]) -> Arc<Lines> {
    Arc::new(all.iter().map(|line| line.as_ref().as_bytes()).collect())
}

/// The id under which the server of these tests knows the person of a line.
pub(crate) fn id(line: usize) -> String {
    format!("00000000-0000-4000-8000-{line:012x}")
}

/// The line of an id.
pub(crate) fn line_of(id: &str) -> usize {
    usize::from_str_radix(&id[24..], 16).unwrap()
}

/// `count` people.
pub(crate) fn payloads(count: usize) -> Arc<Lines> {
    lines(&(0..count).map(person).collect::<Vec<_>>())
}

/// A people contest's answer.
pub(crate) fn people(asked: &Asked) -> Reply {
    if asked.method == "POST" {
        let nick = asked.body.split('"').nth(3).unwrap();
        return Reply::created(&id(nick[4..].parse().unwrap()));
    }
    match asked.target.strip_prefix("/pessoas/") {
        Some(id) => Reply::new("200 OK", "", &stored(id, line_of(id))),
        None => Reply::new("200 OK", "", "[]"),
    }
}

pub(crate) fn plan(target: SocketAddr, scenarios: Vec<Scenario>) -> Plan {
    Plan {
        load: Load {
            seed: 1,
            headers: vec![("user-agent".into(), "a test".into())],
            timeout_seconds: 20.0,
            scenarios,
            ..Load::default()
        },
        host: target.to_string(),
        target,
        scale: 1.0,
        seed: 1,
        shop: None,
        payloads: payloads(1000),
        payload_offset: 0,
        terms: lines(&["ana", "b c"]),
        term_offset: 0,
        connections: Connections::PerUser,
        ending: Ending::Reset,
        oracle: oracle::named("people"),
        warm_up_seconds: 0,
        rule: None,
    }
}

/// Runs it to its end.
pub(crate) fn run(plan: &Plan) -> Outcome {
    pouco_lab::load::run(plan, &AtomicBool::new(false), &mut |_: &Snapshot| {}).unwrap()
}

/// How often a message was counted.
pub(crate) fn errors(outcome: &Outcome, message: &str) -> u64 {
    let matching = |error: &&pouco_lab::record::ErrorCount| error.message == message;
    outcome.figures.errors.iter().find(matching).map_or(0, |error| error.count)
}
