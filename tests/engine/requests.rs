//! The HTTP engine over real sockets, TCP and Unix, with routes of the test's own.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::support::client::request_text;
use crate::support::{Engine, Target};
use log::{LevelFilter, Log, Metadata, Record};
use pouco::http::{Limits, Method, Request, Response, Router, Status, Timeout};

const LIMITS: Limits = Limits {
    connections: 64,
    connections_per_address: 0,
    requests_per_second_per_address: 0,
    request_burst_per_address: 100,
    head_bytes: 4_096,
    header_count: 100,
    target_bytes: 4_096,
    body_bytes: 8_192,
    requests_per_connection: 1_000,
    head_timeout_ms: 10_000,
    body_timeout_ms: 10_000,
    idle_timeout_ms: 10_000,
    write_timeout_ms: 10_000,
    min_bytes_per_s: 1,
    rate_grace_ms: 600_000,
    stream_timeout_ms: 600_000,
    buffer_bytes: 1_024,
    pooled_buffers: 16,
    request_bytes: 1 << 20,
    answer_bytes: 32 << 20,
};

fn routes() -> Router {
    let mut router = Router::new();
    router.route(Method::Get, "/hello/{name}", |request, response| {
        response.text(request.raw_path_parameter("name"));
    });
    router.route(Method::Get, "/big", |_, response| response.body("text/plain", &vec![b'x'; 4 << 20]));
    router.route(Method::Get, "/panic/{how}", panic_on_purpose);
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

/// The thread that keeps the time rests while nobody is connected, and the first to come is not told of the
/// past.
#[test]
fn the_date_is_that_of_the_request_after_a_rest() {
    let engine = Engine::start(routes(), LIMITS);
    for target in &engine.targets {
        std::thread::sleep(Duration::from_millis(2_500));
        let before = SystemTime::now();
        let answer = target.get("/hello/you");
        let date = httpdate::parse_http_date(answer.header("date").unwrap()).unwrap();
        // The field has whole seconds.
        let oldest = before - Duration::from_millis(1_500);
        assert!((oldest..=SystemTime::now()).contains(&date), "{date:?}, asked at {before:?}");
    }
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

/// After some requests a Unix connection is watched for input alone. A full socket must still be told when it
/// has room again, and then the connection must go on as before; and its time-out and the drain must still
/// find it.
#[test]
fn a_lasting_connection_takes_large_answers_times_out_and_drains() {
    let limits = Limits { idle_timeout_ms: 3_000, ..LIMITS };
    let running = start(limits);
    for target in &running.targets {
        let mut connection = target.connect();
        for round in 0..3 {
            for number in 0..40 {
                let answer = connection.request("GET", &format!("/hello/{round}-{number}"), "");
                assert_eq!(answer.text(), format!("{round}-{number}"));
            }
            assert_eq!(connection.request("GET", "/big", "").body.len(), 4 << 20);
        }
        assert!(connection.is_closed(), "idle for longer than allowed");
    }
    assert_eq!(running.timeouts(Timeout::Idle), 2);
    let running = start(LIMITS);
    let mut lasting: Vec<_> = running.targets.iter().map(Target::connect).collect();
    for connection in &mut lasting {
        (0..40).for_each(|_| assert_eq!(connection.request("GET", "/hello/x", "").status, 200));
    }
    assert!(running.server.shutdown(Duration::from_secs(10)));
    lasting.iter_mut().for_each(|connection| assert!(connection.is_closed()));
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
            // What follows must not be taken for a request of its own. The server may close before it is all
            // sent.
            let _ = connection.try_send(format!("{request}{}", request_text("GET", "/hello/smuggled", "")));
            let answer = connection.answer();
            assert_eq!(answer.status, *status, "{}", request.escape_debug());
            assert_eq!(answer.header("connection"), Some("close"));
            assert!(connection.is_closed(), "{}", request.escape_debug());
        }
    }
    let refused: Vec<u16> = running
        .server
        .router()
        .counts()
        .filter(|count| count.route == "other")
        .flat_map(|count| std::iter::repeat_n(count.status.code(), usize::try_from(count.count).unwrap()))
        .collect();
    let mut expected: Vec<u16> = cases.iter().flat_map(|(status, _)| [*status; 2]).collect();
    expected.sort_unstable();
    assert_eq!(refused, expected, "each is counted by its status");
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

/// RFC 9110 section 10.1.1: the last answer comes in place of the invitation, and no byte of the body before
/// it.
#[test]
fn what_is_refused_anyhow_is_answered_without_its_body() {
    let running = start(LIMITS);
    for target in &running.targets {
        for (line, status) in [("POST /nowhere", 404), ("PUT /echo", 405)] {
            let mut connection = target.connect();
            let fields = "Host: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n";
            connection.send(format!("{line} HTTP/1.1\r\n{fields}\r\n"));
            let answer = connection.answer();
            assert_eq!((answer.status, answer.header("connection")), (status, Some("close")));
            assert!(connection.is_closed());
        }
    }
}

#[test]
fn a_panic_or_a_missing_answer_is_a_500_and_the_process_goes_on() {
    log::set_logger(&LOG).unwrap();
    log::set_max_level(LevelFilter::Error);
    let running = start(LIMITS);
    for target in &running.targets {
        for path in ["/panic/loudly", "/silent"] {
            let mut connection = target.connect();
            assert_eq!(connection.request("GET", path, "").status, 500);
            assert!(connection.is_closed());
        }
        assert_eq!(target.get("/hello/a").status, 200);
    }
    let panics = running.server.metrics().panics.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(panics, 4);
    // By its template: a path is the client's, and a log line is no place for what a client sends.
    let panicked = "the handler of GET /panic/{how} panicked".to_owned();
    let silent = "the handler of GET /silent wrote no answer".to_owned();
    let lines = LOG.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(lines, [panicked.clone(), silent.clone(), panicked, silent]);
}

/// Keeps what the engine says of its handlers.
struct HandlerLog(Mutex<Vec<String>>);

static LOG: HandlerLog = HandlerLog(Mutex::new(Vec::new()));

/// Other tests of this process have handlers that fail, too.
const OURS: [&str; 2] = ["the handler of GET /panic/", "the handler of GET /silent "];

impl Log for HandlerLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("pouco")
    }

    fn log(&self, record: &Record<'_>) {
        let line = record.args().to_string();
        if self.enabled(record.metadata()) && OURS.iter().any(|ours| line.starts_with(ours)) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    fn flush(&self) {}
}
