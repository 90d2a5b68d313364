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

/// Answers `/metrics` with what `text` gives, for ever.
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
    while goes_on() {
        match poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&LOOK)) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(_) => thread::sleep(REST),
        }
        match listener.accept() {
            // A client that goes away, or never asks, is its own loss.
            Ok((mut stream, _)) => {
                let _ = answer(&mut stream, text);
            }
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
    let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\
         {allow}Connection: close\r\n\r\n",
        body.len()
    );
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(head.as_bytes())?;
    if !head_only {
        stream.write_all(body.as_bytes())?;
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

struct Request {
    method: String,
    path: String,
}

/// None if what came is no request, or too large for one.
fn read_request(stream: &mut TcpStream) -> std::io::Result<Option<Request>> {
    let deadline = Instant::now() + PATIENCE;
    let mut bytes = Vec::new();
    let mut piece = [0; 2048];
    while bytes.len() < MAX_REQUEST_BYTES {
        // A time-out of nothing would mean none at all.
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
