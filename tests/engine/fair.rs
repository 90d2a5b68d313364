//! A client that always has more to send gets its turn as all others do, and no more.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::client::request_text;
use crate::support::{Engine, RaisedAtEnd, Target, eventually};
use pouco::http::{Limits, Method, Router, Timeout};

/// Work of a handler: so that the client is faster than the server, and its socket never empty.
const WORK: Duration = Duration::from_micros(20);

fn start(limits: Limits) -> Engine {
    let mut router = Router::new();
    router.route(Method::Get, "/work", |_, response| {
        let begun = Instant::now();
        while begun.elapsed() < WORK {
            std::hint::spin_loop();
        }
        response.text("done");
    });
    router.route(Method::Get, "/hello", |_, response| response.text("hello"));
    router.route_stream(Method::Post, "/upload", usize::MAX, |_, body, response| {
        let mut chunk = [0; 1_024];
        while body.read(&mut chunk).is_ok_and(|count| count > 0) {
            let begun = Instant::now();
            while begun.elapsed() < WORK {
                std::hint::spin_loop();
            }
        }
        response.text("taken");
    });
    Engine::start(router, limits)
}

/// Sends `first` and then `again` without end, and takes whatever is answered, until it is told to stop.
fn flood(target: &Target, first: &str, again: &str, sent: &AtomicU64, enough: &AtomicBool) {
    let Target::Tcp(host_port) = target else { panic!("over TCP") };
    let mut stream = TcpStream::connect(host_port).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut reading = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut scrap = [0; 64 * 1024];
            while reading.read(&mut scrap).is_ok_and(|count| count > 0) {}
        });
        stream.write_all(first.as_bytes()).unwrap();
        let mut left = again.as_bytes();
        while !enough.load(Ordering::Relaxed) {
            match stream.write(left) {
                Ok(count) => {
                    sent.fetch_add(count as u64, Ordering::Relaxed);
                    left = if count == left.len() { again.as_bytes() } else { &left[count..] };
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
    });
}

/// Without turns the first request waits for the end of the flood, which is that of the test: until the
/// client gives up.
fn assert_others_are_served(first: &str, again: &str) {
    let engine = start(Limits::default());
    let (enough, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _ends = RaisedAtEnd(&enough);
        for _ in 0..2 {
            scope.spawn(|| flood(&engine.targets[0], first, again, &sent, &enough));
        }
        let much = 4 << 20;
        eventually("the sockets are full", || sent.load(Ordering::Relaxed) > much);
        for target in &engine.targets {
            let mut other = target.connect();
            for _ in 0..10 {
                assert_eq!(other.request("GET", "/hello", "").text(), "hello");
            }
        }
    });
}

#[test]
fn a_client_that_pipelines_without_end_does_not_starve_the_others() {
    assert_others_are_served("", &request_text("GET", "/work", "").repeat(1_000));
}

#[test]
fn nor_does_one_that_streams_a_body_without_end() {
    let head = "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_others_are_served(head, &format!("2000\r\n{}\r\n", "a".repeat(0x2000)).repeat(16));
}

/// It is the write deadline that ends it, and meanwhile nobody waits for it.
#[test]
fn a_client_that_pipelines_and_does_not_read_is_cut() {
    let engine = start(Limits { write_timeout_ms: 500, ..Limits::default() });
    for (count, target) in (1..).zip(&engine.targets) {
        let (mut deaf, mut other) = (target.connect(), target.connect());
        std::thread::scope(|scope| {
            scope.spawn(|| deaf.send_until_cut(&request_text("GET", "/hello", "").repeat(1_000)));
            eventually("it is cut", || {
                assert_eq!(other.request("GET", "/hello", "").text(), "hello");
                engine.timeouts(Timeout::Write) == count
            });
        });
    }
}

/// More than a turn's worth at once is answered in order and in full.
#[test]
fn what_takes_several_turns_is_answered_in_order() {
    let mut router = Router::new();
    router.route(Method::Get, "/echo/{number}", |request, response| {
        response.text(request.raw_path_parameter("number"));
    });
    let engine = Engine::start(router, Limits::default());
    for target in &engine.targets {
        let mut connection = target.connect();
        let all: String =
            (0..2_000).map(|number| request_text("GET", &format!("/echo/{number}"), "")).collect();
        connection.send(all);
        for number in 0..2_000 {
            assert_eq!(connection.answer().text(), number.to_string());
        }
    }
}
