//! One request a connection, one connection at a time, each bounded in bytes and time: whoever scrapes is one
//! program that comes once in a few seconds.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// For a request to come whole, and again for its answer to be taken.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of a request; Prometheus sends some 300.
const MAX_REQUEST_BYTES: usize = 8 * 1024;
const MAX_FIELDS: usize = 64;
/// Before the next try when a connection cannot be accepted, for want of descriptors for one.
const REST: Duration = Duration::from_millis(100);

/// Between two looks at whether it goes on.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Answers `/metrics` with what `text` gives, forever.
pub fn serve(listener: &TcpListener, text: &mut dyn FnMut() -> Result<String>) -> ! {
    loop {
        serve_while(listener, &|| true, text);
    }
}

/// The same while `goes_on`.
pub fn serve_while(
    listener: &TcpListener,
    goes_on: &dyn Fn() -> bool,
    text: &mut dyn FnMut() -> Result<String>,
) {
    accept_while(listener, goes_on, &mut |mut stream| {
        // A client that goes away, or never asks, is its own loss.
        let _ = answer(&mut stream, text);
    });
}

/// Hands on each connection that comes while `goes_on`.
pub(crate) fn accept_while(
    listener: &TcpListener,
    goes_on: &dyn Fn() -> bool,
    each: &mut dyn FnMut(TcpStream),
) {
    while goes_on() {
        match poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&LOOK)) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(_) => thread::sleep(REST),
        }
        match listener.accept() {
            Ok((stream, _)) => each(stream),
            Err(_) => thread::sleep(REST),
        }
    }
}

fn answer(stream: &mut TcpStream, text: &mut dyn FnMut() -> Result<String>) -> std::io::Result<()> {
    let (status, body, head_only) = match read_request(stream)? {
        Some(Request { path, method }) => {
            let (status, body) = respond(&method, &path, text);
            (status, body, method == "HEAD")
        }
        None => ("400 Bad Request", "no request of HTTP/1.1\n".to_owned(), false),
    };
    let fields = "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n";
    reply(stream, status, fields, &body, head_only)
}

/// A whole answer, after which the connection ends. `fields` are lines of the head.
pub(crate) fn reply(
    stream: &mut TcpStream,
    status: &str,
    fields: &str,
    body: &str,
    head_only: bool,
) -> std::io::Result<()> {
    let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n{allow}Connection: close\r\n\r\n",
        body.len()
    );
    let deadline = Instant::now() + PATIENCE;
    send(stream, head.as_bytes(), deadline)?;
    if head_only { Ok(()) } else { send(stream, body.as_bytes(), deadline) }
}

/// Writes all of `bytes` before the deadline, or fails: a reader that takes a byte occasionally holds nobody
/// up.
pub(crate) fn send(stream: &mut TcpStream, mut bytes: &[u8], deadline: Instant) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left))?;
        match stream.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn respond(method: &str, path: &str, text: &mut dyn FnMut() -> Result<String>) -> (&'static str, String) {
    match (method, path) {
        ("GET" | "HEAD", "/metrics") => match text() {
            Ok(text) => ("200 OK", text),
            Err(error) => ("503 Service Unavailable", format!("{error:#}\n")),
        },
        ("GET" | "HEAD", "/healthz") => ("200 OK", "ok\n".to_owned()),
        ("GET" | "HEAD", _) => ("404 Not Found", "there are /metrics and /healthz\n".to_owned()),
        _ => ("405 Method Not Allowed", "GET or HEAD\n".to_owned()),
    }
}

/// What of a request is looked at; `path` is without a query.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
}

/// None if what came is not a request, or too large for one.
pub(crate) fn read_request(stream: &mut TcpStream) -> std::io::Result<Option<Request>> {
    let deadline = Instant::now() + PATIENCE;
    let mut bytes = Vec::new();
    let mut piece = [0; 2048];
    while bytes.len() < MAX_REQUEST_BYTES {
        // A timeout of nothing would mean none at all.
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left))?;
        let count = stream.read(&mut piece)?;
        if count == 0 || Instant::now() >= deadline {
            return Err(ErrorKind::TimedOut.into());
        }
        bytes.extend_from_slice(&piece[..count]);
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(&bytes) {
            Ok(httparse::Status::Partial) => {}
            Ok(httparse::Status::Complete(_)) => {
                let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
                let path = target.split('?').next().unwrap_or_default();
                return Ok(Some(Request { method: method.to_owned(), path: path.to_owned() }));
            }
            Err(_) => return Ok(None),
        }
    }
    Ok(None)
}
