//! The page and its events over HTTP: one request a connection, a thread for each of a few connections.

use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::Shared;
use crate::exporter::{Request, accept_while, read_request, reply, send};
use crate::report;

/// Connections at a time; one more is closed at once.
const CONNECTIONS: usize = 32;
/// Of these, told of changes; one more is refused, and its page tries again.
const VIEWERS: usize = 16;
/// No frame is as large, and no viewer has more than one under way.
pub(super) const MOST_BYTES: usize = 384 * 1024;
/// In the kernel, in addition to it.
const SEND_BUFFER: usize = 64 * 1024;
/// A viewer who does not take a frame in this time is left.
pub(super) const STALLED: Duration = Duration::from_secs(5);
/// Without a change something is sent all the same, to detect a viewer that has gone.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Then the page comes again.
const LONGEST: Duration = Duration::from_secs(3_600);
/// Of a connection's thread.
const STACK: usize = 256 * 1024;

/// Nothing from elsewhere, whatever is in a record.
const PAGE_FIELDS: &str = "Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n\
    Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n";
const TEXT_FIELDS: &str = "Content-Type: text/plain; charset=utf-8\r\n";
/// An hour is the longest that a stream lasts; the page comes back after a second.
const EVENTS_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\
    Connection: close\r\n\r\nretry: 1000\n\n";

/// Answers until the run is over.
pub(super) fn run(listener: &TcpListener, shared: &Arc<Shared>) {
    let page: Arc<str> = page().into();
    let goes_on = || !shared.held().over;
    accept_while(listener, &goes_on, &mut |stream| {
        let mut held = shared.held();
        if held.connections == CONNECTIONS {
            return;
        }
        held.connections += 1;
        drop(held);
        let (page, of_thread) = (Arc::clone(&page), Arc::clone(shared));
        let answer = move || {
            let mut stream = stream;
            // Whoever goes, or stands still, is his own loss.
            let _ = answer(&mut stream, &page, &of_thread);
            of_thread.held().connections -= 1;
        };
        let thread = thread::Builder::new().name("live-viewer".into()).stack_size(STACK);
        if thread.spawn(answer).is_err() {
            shared.held().connections -= 1;
        }
    });
}

/// The page, with its style and its script in it.
fn page() -> String {
    let (style, script) = (report::live::STYLE, include_str!("page.js"));
    include_str!("page.html").replace("/* style */", style).replace("/* script */", script)
}

fn answer(stream: &mut TcpStream, page: &str, shared: &Shared) -> std::io::Result<()> {
    let Some(Request { method, path }) = read_request(stream)? else {
        return reply(stream, "400 Bad Request", TEXT_FIELDS, "no request of HTTP/1.1\n", false);
    };
    let head_only = method == "HEAD";
    match (method.as_str(), path.as_str()) {
        ("GET" | "HEAD", "/") => reply(stream, "200 OK", PAGE_FIELDS, page, head_only),
        ("GET", "/events") => events(stream, shared),
        ("GET" | "HEAD", _) => {
            reply(stream, "404 Not Found", TEXT_FIELDS, "there are / and /events\n", head_only)
        }
        _ => reply(stream, "405 Method Not Allowed", TEXT_FIELDS, "GET or HEAD\n", false),
    }
}

fn events(stream: &mut TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut held = shared.held();
    if held.viewers == VIEWERS {
        drop(held);
        let fields = format!("{TEXT_FIELDS}Retry-After: 5\r\n");
        return reply(stream, "503 Service Unavailable", &fields, "too many viewers\n", false);
    }
    held.viewers += 1;
    drop(held);
    let told = tell(stream, shared);
    shared.held().viewers -= 1;
    shared.changed.notify_all();
    told
}

/// Sends what is new until all is over.
fn tell(stream: &mut TcpStream, shared: &Shared) -> std::io::Result<()> {
    SockRef::from(&*stream).set_send_buffer_size(SEND_BUFFER)?;
    send(stream, EVENTS_HEAD.as_bytes(), Instant::now() + STALLED)?;
    let (began, mut seen) = (Instant::now(), 0);
    while began.elapsed() < LONGEST {
        let held = shared.held();
        let waits = |held: &mut super::Held| held.frame.version == seen && !held.over;
        let (held, _) =
            shared.changed.wait_timeout_while(held, HEARTBEAT, waits).unwrap_or_else(PoisonError::into_inner);
        let (frame, over) = (Arc::clone(&held.frame), held.over);
        drop(held);
        let events = frame.since(seen);
        debug_assert!(events.len() <= MOST_BYTES, "{} bytes", events.len());
        // A comment, where there is nothing.
        let bytes = if events.is_empty() { ":\n\n" } else { &events };
        send(stream, bytes.as_bytes(), Instant::now() + STALLED)?;
        seen = frame.version;
        if over {
            break;
        }
    }
    Ok(())
}
