//! The HTTP engine over real sockets, TCP and Unix, with routes of the test's own.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pouco::http::{Limits, Method, Request, Response, Router, Status};
use support::client::request_text;
use support::{Engine, Target};

const LIMITS: Limits = Limits {
    connections: 64,
    head_bytes: 4_096,
    body_bytes: 8_192,
    requests_per_connection: 1_000,
    head_timeout_ms: 10_000,
    body_timeout_ms: 10_000,
    idle_timeout_ms: 10_000,
    write_timeout_ms: 10_000,
    buffer_bytes: 1_024,
    pooled_buffers: 16,
};

fn routes() -> Router {
    let mut router = Router::new();
    router.route(Method::Get, "/hello/{name}", |request, response| {
        response.text(request.raw_path_parameter("name"));
    });
    router.route(Method::Get, "/big", |_, response| response.body("text/plain", &vec![b'x'; 4 << 20]));
    router.route(Method::Get, "/panic", panic_on_purpose);
    router.route(Method::Get, "/silent", |_, _| {});
    router.route(Method::Post, "/echo", |request, response| {
        let body = request.body().to_vec();
        response
            .status(Status::Created)
            .header("x-length", body.len())
            .body("application/octet-stream", &body);
    });
    router
}

fn start(limits: Limits) -> Engine {
    Engine::start(routes(), limits)
}

fn panic_on_purpose(_: &mut Request<'_>, _: &mut Response<'_>) {
    panic!("on purpose")
}

#[test]
fn requests_are_answered_on_both_kinds_of_sockets() {
    let running = start(LIMITS);
    for target in &running.targets {
        let answer = target.get("/hello/ana?x=1");
        assert_eq!((answer.status, answer.text()), (200, "ana"));
        assert!(answer.header("date").is_some());
        let answer = target.post("/echo", "abc");
        assert_eq!((answer.status, answer.text(), answer.header("x-length")), (201, "abc", Some("3")));
        assert_eq!(target.get("/nowhere").status, 404);
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let running = start(LIMITS);
    for target in &running.targets {
        let mut connection = target.connect();
        let stream: String =
            (0..100).map(|number| request_text("GET", &format!("/hello/{number}"), "")).collect();
        connection.send(stream);
        for number in 0..100 {
            assert_eq!(connection.answer().text(), number.to_string());
        }
    }
}

#[test]
fn every_split_of_a_stream_gives_the_same_answers() {
    let running = start(LIMITS);
    let chunked =
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\n0\r\n\r\n";
    let stream = format!(
        "\r\n{}{}{chunked}",
        request_text("POST", "/echo", "hello"),
        request_text("GET", "/hello/x", "")
    );
    for target in &running.targets {
        for at in 1..stream.len() {
            let mut connection = target.connect();
            connection.send(&stream.as_bytes()[..at]);
            connection.send(&stream.as_bytes()[at..]);
            let bodies: Vec<String> = (0..3).map(|_| connection.answer().text().to_owned()).collect();
            assert_eq!(bodies, ["hello", "x", "Wiki"], "split at {at}");
        }
        let mut connection = target.connect();
        for byte in stream.as_bytes() {
            connection.send([*byte]);
        }
        let bodies: Vec<String> = (0..3).map(|_| connection.answer().text().to_owned()).collect();
        assert_eq!(bodies, ["hello", "x", "Wiki"], "byte by byte");
    }
}

#[test]
fn a_refused_request_is_answered_and_the_connection_ends() {
    let running = start(LIMITS);
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(5_000));
    let long_fields = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(5_000));
    let many_fields = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "a: b\r\n".repeat(150));
    let cases: [(u16, &str); 14] = [
        (400, "GET / HTTP/1.1\r\n\r\n"),
        (400, "GET / HTTP/1.1\nHost: a\n\n"),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nX: b\0\r\n\r\n"),
        (400, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: abc\r\n\r\n"),
        (
            400,
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (413, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"),
        (417, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\na"),
        (501, "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
        (414, &long_target),
        (431, &long_fields),
        (431, &many_fields),
    ];
    for target in &running.targets {
        for (status, request) in &cases {
            let mut connection = target.connect();
            // What follows must not be taken for a request of its own. The server may close before it is all sent.
            let _ = connection.try_send(format!("{request}{}", request_text("GET", "/hello/smuggled", "")));
            let answer = connection.answer();
            assert_eq!(answer.status, *status, "{}", request.escape_debug());
            assert_eq!(answer.header("connection"), Some("close"));
            assert!(connection.is_closed(), "{}", request.escape_debug());
        }
    }
    assert!(running.server.metrics().rejected_requests.load(Ordering::Relaxed) >= 28);
}

#[test]
fn the_client_decides_how_long_the_connection_lives() {
    let running = start(LIMITS);
    for target in &running.targets {
        let mut connection = target.connect();
        connection.send("GET /hello/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(connection.answer().header("connection"), Some("close"));
        assert!(connection.is_closed());

        let mut connection = target.connect();
        connection.send("GET /hello/a HTTP/1.0\r\n\r\n");
        assert_eq!(connection.answer().status, 200);
        assert!(connection.is_closed());

        let mut connection = target.connect();
        for _ in 0..2 {
            connection.send("GET /hello/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
            assert_eq!(connection.answer().header("connection"), Some("keep-alive"));
        }
    }
}

#[test]
fn head_options_and_other_methods() {
    let running = start(LIMITS);
    for target in &running.targets {
        let mut connection = target.connect();
        let head = connection.request("HEAD", "/hello/ana", "");
        assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("3"), 0));
        let options = connection.request("OPTIONS", "/hello/ana", "");
        assert_eq!((options.status, options.header("allow")), (204, Some("GET, HEAD, OPTIONS")));
        assert_eq!(connection.request("OPTIONS", "*", "").status, 204);
        let delete = connection.request("DELETE", "/echo", "");
        assert_eq!((delete.status, delete.header("allow")), (405, Some("POST, OPTIONS")));
        assert_eq!(connection.request("GET", "http://other/hello/x", "").text(), "x");
    }
}

#[test]
fn a_body_is_invited_when_the_client_waits_for_it() {
    let running = start(LIMITS);
    for target in &running.targets {
        let mut connection = target.connect();
        connection
            .send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(connection.answer().status, 100);
        connection.send("abc");
        assert_eq!(connection.answer().text(), "abc");
    }
}

#[test]
fn a_panic_or_a_missing_answer_is_a_500_and_the_process_goes_on() {
    let running = start(LIMITS);
    for target in &running.targets {
        for path in ["/panic", "/silent"] {
            let mut connection = target.connect();
            assert_eq!(connection.request("GET", path, "").status, 500);
            assert!(connection.is_closed());
        }
        assert_eq!(target.get("/hello/a").status, 200);
    }
}

#[test]
fn an_answer_larger_than_every_buffer_arrives_whole() {
    let running = start(LIMITS);
    for target in &running.targets {
        assert_eq!(target.get("/big").body.len(), 4 << 20);
    }
}

#[test]
fn time_outs_end_what_waits_too_long() {
    let limits = Limits {
        head_timeout_ms: 500,
        body_timeout_ms: 500,
        idle_timeout_ms: 500,
        write_timeout_ms: 500,
        ..LIMITS
    };
    let running = start(limits);
    for (round, target) in (0..).zip(&running.targets) {
        let mut idle = target.connect();
        let mut slow_head = target.connect();
        slow_head.send("GET / HT");
        let mut slow_body = target.connect();
        slow_body.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
        let mut deaf = target.connect();
        deaf.send(request_text("GET", "/big", "").repeat(4));
        assert!(idle.is_closed());
        assert_eq!(slow_head.answer().status, 408);
        assert_eq!(slow_body.answer().status, 408);
        // The deaf client reads only after its time-out: what the server still had to write is gone.
        let timed_out = &running.server.metrics().timed_out;
        let deadline = Instant::now() + Duration::from_secs(10);
        while timed_out.load(Ordering::Relaxed) < 4 * (round + 1) {
            assert!(Instant::now() < deadline, "{timed_out:?} connections timed out");
            std::thread::yield_now();
        }
        let closed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (0..4).for_each(|_| drop(deaf.answer()));
        }));
        assert!(closed.is_err(), "the answers are cut off");
    }
}

#[test]
fn connections_past_the_limit_are_refused_and_counted() {
    let running = start(Limits { connections: 4, ..LIMITS });
    let target = &running.targets[0];
    let mut held: Vec<_> = (0..4).map(|_| target.connect()).collect();
    for connection in &mut held {
        assert_eq!(connection.request("GET", "/hello/a", "").status, 200);
    }
    let mut refused = target.connect();
    let answer = refused.answer();
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert!(refused.is_closed());
    drop(held);
    // The server notices the ends in its own time; each try is a connection of its own.
    let deadline = Instant::now() + Duration::from_secs(10);
    while target.connect().request("GET", "/hello/a", "").status != 200 {
        assert!(Instant::now() < deadline, "no place became free");
    }
}

#[test]
fn requests_on_one_connection_are_bounded() {
    let running = start(Limits { requests_per_connection: 3, ..LIMITS });
    for target in &running.targets {
        let mut connection = target.connect();
        for _ in 0..2 {
            assert_eq!(connection.request("GET", "/hello/a", "").header("connection"), None);
        }
        assert_eq!(connection.request("GET", "/hello/a", "").header("connection"), Some("close"));
        assert!(connection.is_closed());
    }
}

#[test]
fn a_drain_closes_idle_connections_and_refuses_new_ones() {
    let running = start(LIMITS);
    let mut idle: Vec<_> = running.targets.iter().map(Target::connect).collect();
    for connection in &mut idle {
        assert_eq!(connection.request("GET", "/hello/a", "").status, 200);
    }
    assert!(running.server.shutdown(Duration::from_secs(10)));
    for connection in &mut idle {
        assert!(connection.is_closed());
    }
    for target in &running.targets {
        assert!(target.try_connect().is_err());
    }
}
