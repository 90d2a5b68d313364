//! Every limit and every time-out of the engine: the answer on the wire, the close, and its own counter.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::client::request_text;
use crate::support::{Connection, Database, Engine, RaisedAtEnd, Replica, eventually, open_tempdir};
use pouco::http::{Limit, Limits, Method, Router, Timeout};

/// Small bounds, each hit without coming near another one; time-outs that no test waits for.
const LIMITS: Limits = Limits {
    connections: 1_000,
    connections_per_address: 0,
    requests_per_second_per_address: 0,
    request_burst_per_address: 100,
    head_bytes: 4_096,
    header_count: 20,
    target_bytes: 1_024,
    body_bytes: 8_192,
    requests_per_connection: 1_000,
    head_timeout_ms: 600_000,
    body_timeout_ms: 600_000,
    idle_timeout_ms: 600_000,
    write_timeout_ms: 600_000,
    min_bytes_per_s: 1,
    rate_grace_ms: 600_000,
    stream_timeout_ms: 600_000,
    buffer_bytes: 1_024,
    pooled_buffers: 16,
    request_bytes: 1 << 20,
    answer_bytes: 32 << 20,
};

/// Short enough to wait for, and longer than the sweeper's interval.
const SHORT_MS: u64 = 500;

/// Pause of a client that drips its bytes: many of them fit into [`SHORT_MS`].
const DRIP: Duration = Duration::from_millis(20);

const BIG: usize = 4 << 20;

fn start(limits: Limits) -> Engine {
    let mut router = Router::new();
    router.route(Method::Get, "/hello/{name}", |request, response| {
        response.text(request.raw_path_parameter("name"));
    });
    router.route(Method::Get, "/big", |_, response| response.body("text/plain", &vec![b'x'; BIG]));
    router.route(Method::Post, "/echo", |request, response| {
        let body = request.body().to_vec();
        response.body("application/octet-stream", &body);
    });
    Engine::start(router, limits)
}

fn hits(engine: &Engine) -> Vec<(&'static str, u64)> {
    let hits = Limit::ALL.iter().map(|limit| (limit.label(), engine.hits(*limit)));
    hits.filter(|(_, count)| *count > 0).collect()
}

fn timeouts(engine: &Engine) -> Vec<(&'static str, u64)> {
    let timeouts = Timeout::ALL.iter().map(|timeout| (timeout.label(), engine.timeouts(*timeout)));
    timeouts.filter(|(_, count)| *count > 0).collect()
}

fn fields(count: usize) -> String {
    (0..count).map(|number| format!("X-{number}: a\r\n")).collect()
}

fn get(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

fn post(fields: &str, body: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")
}

/// `/hello/aa…` of so many bytes.
fn target_of(bytes: usize) -> String {
    format!("/hello/{}", "a".repeat(bytes - "/hello/".len()))
}

/// `GET /hello/a` with a head of so many bytes.
fn head_of(bytes: usize) -> String {
    let rest = get("/hello/a", "X: \r\n").len();
    get("/hello/a", &format!("X: {}\r\n", "b".repeat(bytes - rest)))
}

/// Many large bodies at once: those that find room are served, the others are told to come back, and the room
/// comes back with the end of those that had it.
#[test]
fn the_buffers_of_all_requests_together_are_bounded() {
    let engine = start(Limits { request_bytes: 16_000, ..LIMITS });
    let body = "x".repeat(8_000);
    let head = format!("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", body.len());
    for target in &engine.targets {
        let before = engine.hits(Limit::RequestBytes);
        let mut waiting: Vec<_> = (0..2).map(|_| target.connect()).collect();
        for (count, connection) in waiting.iter_mut().enumerate() {
            connection.send(format!("{head}{}", &body[1..]));
            eventually("its buffer has grown", || engine.server.request_bytes() >= 7_000 * (count + 1));
        }
        let mut refused = target.connect();
        refused.send(&head);
        // Refused while it sends: the rest may not be taken any more.
        let _ = refused.try_send(&body);
        let answer = refused.answer();
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
        assert_eq!(engine.hits(Limit::RequestBytes), before + 1);
        assert_eq!(target.get("/").status, 404, "what needs no more room is served");
        for connection in &mut waiting {
            connection.send("x");
            assert_eq!(connection.answer().body.len(), body.len());
        }
        drop(waiting);
        eventually("the room is free again", || target.post("/echo", &body).status == 200);
    }
}

#[test]
fn each_limit_is_answered_closed_and_counted() {
    let long_body = "a".repeat(8_193);
    let chunk = format!("2001\r\n{long_body}\r\n0\r\n\r\n");
    let cases = [
        (431, "head_bytes", head_of(4_097)),
        (431, "head_bytes", format!("GET /hello/a HTTP/1.1\r\nHost: a\r\nX: {}", "b".repeat(4_096))),
        (400, "head_bytes", "G".repeat(4_096)),
        (431, "header_count", get("/hello/a", &fields(20))),
        (431, "header_count", get("/hello/a", &fields(150))),
        (414, "target", get(&target_of(1_025), "")),
        (414, "target", get(&format!("http://a{}", target_of(1_017)), "")),
        // Refused as soon as it is too long: the rest of the head never comes.
        (414, "target", format!("GET {}", target_of(1_025))),
        (501, "target", format!("BREW {}", target_of(1_025))),
        (413, "body_bytes", post("Content-Length: 8193\r\n", &long_body)),
        // Refused before it is read: the rest of the body never comes.
        (413, "body_bytes", post("Content-Length: 1000000000000\r\n", "a")),
        (413, "body_bytes", post("Content-Length: 8193\r\nExpect: 100-continue\r\n", "")),
        (413, "body_bytes", post("Transfer-Encoding: chunked\r\n", "2001\r\n")),
        (413, "body_bytes", post("Transfer-Encoding: chunked\r\n", &chunk)),
        (
            431,
            "trailer_bytes",
            post("Transfer-Encoding: chunked\r\n", &format!("0\r\n{}\r\n", fields(1_000))),
        ),
    ];
    for (status, limit, request) in &cases {
        let engine = start(LIMITS);
        for (count, target) in (1..).zip(&engine.targets) {
            let shown = &request[..request.len().min(80)];
            let mut connection = target.connect();
            // The server may close before it has taken everything.
            let _ = connection.try_send(request);
            let answer = connection.answer();
            assert_eq!(answer.status, *status, "{shown}");
            assert_eq!(answer.header("connection"), Some("close"), "{shown}");
            assert!(connection.is_closed(), "{shown}");
            assert_eq!(hits(&engine), [(*limit, count)], "{shown}");
            assert_eq!(target.get("/hello/b").text(), "b");
        }
    }
}

#[test]
fn what_just_fits_is_served_and_not_counted() {
    let engine = start(LIMITS);
    for target in &engine.targets {
        let mut connection = target.connect();
        for request in [
            head_of(4_096),
            // With Host it is the twentieth.
            get("/hello/a", &fields(19)),
            get(&target_of(1_024), ""),
            get(&format!("http://a{}", target_of(1_016)), ""),
            post("Content-Length: 8192\r\n", &"a".repeat(8_192)),
            post("Transfer-Encoding: chunked\r\n", &format!("2000\r\n{}\r\n0\r\n\r\n", "a".repeat(8_192))),
        ] {
            connection.send(&request);
            assert_eq!(connection.answer().status, 200, "{}", &request[..request.len().min(80)]);
        }
    }
    assert_eq!(hits(&engine), []);
}

#[test]
fn the_last_request_of_a_connection_says_so() {
    let engine = start(Limits { requests_per_connection: 3, ..LIMITS });
    for (count, target) in (1..).zip(&engine.targets) {
        let mut connection = target.connect();
        for _ in 0..2 {
            assert_eq!(connection.request("GET", "/hello/a", "").header("connection"), None);
        }
        let last = connection.request("GET", "/hello/a", "");
        assert_eq!((last.status, last.header("connection")), (200, Some("close")));
        assert!(connection.is_closed());
        assert_eq!(hits(&engine), [("requests_per_connection", count)]);
    }
}

fn served(connection: &mut Connection) {
    assert_eq!(connection.request("GET", "/hello/a", "").text(), "a");
}

/// As [`served`], and the first byte of the next request comes along: the connection is never idle, and stays
/// where others need a place.
fn served_and_begun(connection: &mut Connection, begun: &str) {
    let request = request_text("GET", "/hello/a", "");
    connection.send(format!("{}G", request.strip_prefix(begun).unwrap()));
    assert_eq!(connection.answer().text(), "a");
}

fn assert_refused(connection: &mut Connection) {
    let answer = connection.answer();
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(connection.is_closed());
}

#[test]
fn past_the_connection_limit_every_client_is_refused_and_the_others_are_served() {
    const BURST: usize = 200;
    let engine = start(Limits { connections: 4, ..LIMITS });
    let mut held: Vec<Connection> = (0..4).map(|at| engine.targets[at % 2].connect()).collect();
    held.iter_mut().for_each(|held| served_and_begun(held, ""));
    for (count, target) in (1..).zip(&engine.targets) {
        let mut burst: Vec<Connection> = (0..BURST).map(|_| target.connect()).collect();
        for connection in &mut burst {
            // A client sends before it knows; the server may have closed by then.
            let _ = connection.try_send(request_text("GET", "/hello/b", ""));
        }
        held.iter_mut().for_each(|held| served_and_begun(held, "G"));
        burst.iter_mut().for_each(assert_refused);
        assert_eq!(hits(&engine), [("connections", BURST as u64 * count)]);
        assert_eq!(engine.server.metrics().open_connections.load(Ordering::Relaxed), 4);
    }
    drop(held);
    for target in &engine.targets {
        eventually("a place became free", || target.get("/hello/a").status == 200);
    }
}

/// The flood comes faster than it can be refused: nobody in it waits for an answer. (On a Unix socket only,
/// since a flood over TCP leaves the machine without ports for a minute.)
#[test]
fn a_flood_of_clients_past_the_limit_does_not_starve_the_others() {
    let engine = start(Limits { connections: 1, ..LIMITS });
    let target = &engine.targets[1];
    let mut held = target.connect();
    served_and_begun(&mut held, "");
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _ends = RaisedAtEnd(&enough);
        for _ in 0..4 {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    drop(target.try_connect());
                }
            });
        }
        eventually("the flood is refused", || engine.hits(Limit::Connections) > 1_000);
        let before = engine.hits(Limit::Connections);
        (0..100).for_each(|_| served_and_begun(&mut held, "G"));
        let refused = engine.hits(Limit::Connections) - before;
        // One or two for each; where accepting only yielded they were thousands.
        assert!(refused < 100 * 100, "{refused} refused beside 100 requests");
    });
}

#[test]
fn a_head_that_does_not_end_is_a_408() {
    let engine = start(Limits { head_timeout_ms: SHORT_MS, ..LIMITS });
    for (count, target) in (1..).zip(&engine.targets) {
        let mut stuck = target.connect();
        stuck.send("GET /hello/a HTTP/1.1\r\nHost: a\r\nX: ");
        // The slow-loris attack: there is always another byte, never an end.
        let mut dripping = target.connect();
        dripping.send("GET /hello/a HTTP/1.1\r\nHost: a\r\nX: ");
        let dripped = dripping.drip(b'a', DRIP);
        let answers = [dripped, stuck.answer()];
        for (connection, answer) in [dripping, stuck].iter_mut().zip(answers) {
            assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
            assert!(connection.is_closed());
        }
        assert_eq!(timeouts(&engine), [("head", 2 * count)]);
    }
}

#[test]
fn a_body_that_does_not_end_is_a_408() {
    let engine = start(Limits { body_timeout_ms: SHORT_MS, ..LIMITS });
    for (count, target) in (1..).zip(&engine.targets) {
        let mut stuck = target.connect();
        stuck.send(post("Content-Length: 3\r\n", "a"));
        let mut dripping = target.connect();
        dripping.send(post("Content-Length: 8000\r\n", "a"));
        let mut chunked = target.connect();
        chunked.send(post("Transfer-Encoding: chunked\r\n", "1f40\r\n"));
        // At the same time: the second of them would else have been waiting for its own end already.
        let answers = std::thread::scope(|scope| {
            let first = scope.spawn(|| dripping.drip(b'a', DRIP));
            let second = scope.spawn(|| chunked.drip(b'a', DRIP));
            [first.join().unwrap(), second.join().unwrap(), stuck.answer()]
        });
        for (connection, answer) in [dripping, chunked, stuck].iter_mut().zip(answers) {
            assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
            assert!(connection.is_closed());
        }
        assert_eq!(timeouts(&engine), [("body", 3 * count)]);
    }
}

#[test]
fn a_connection_without_requests_is_closed_without_a_word() {
    // Time enough between a connection and its request, however busy the machine is.
    let engine = start(Limits { idle_timeout_ms: 2_000, ..LIMITS });
    for (count, target) in (1..).zip(&engine.targets) {
        let mut silent = target.connect();
        let mut kept = target.connect();
        served(&mut kept);
        assert!(silent.is_closed());
        assert!(kept.is_closed());
        assert_eq!(timeouts(&engine), [("idle", 2 * count)]);
    }
}

#[test]
fn a_client_that_stops_reading_is_given_up_while_others_are_served() {
    let engine = start(Limits { write_timeout_ms: SHORT_MS, ..LIMITS });
    for (count, target) in (1..).zip(&engine.targets) {
        let mut deaf = target.connect();
        deaf.send(request_text("GET", "/big", "").repeat(4));
        let mut other = target.connect();
        eventually("the deaf client is given up", || {
            served(&mut other);
            engine.timeouts(Timeout::Write) == count
        });
        // It reads only now: what the kernel had taken is there, the rest is not.
        assert!(deaf.bytes_until_closed() < 4 * BIG);
        served(&mut other);
        assert_eq!(timeouts(&engine), [("write", count)]);
    }
}

/// What its kernel has taken at first is no progress of its own.
#[test]
fn a_client_that_reads_nothing_is_cut_after_one_write_time_out() {
    // So long that once and twice are far apart, however busy the machine is.
    const WRITE_TIMEOUT: Duration = Duration::from_secs(8);
    let engine = start(Limits { write_timeout_ms: 8_000, ..LIMITS });
    let mut deaf: Vec<Connection> = engine.targets.iter().map(|target| target.connect()).collect();
    let begun = Instant::now();
    deaf.iter_mut().for_each(|deaf| deaf.send(request_text("GET", "/big", "").repeat(4)));
    eventually("both are cut", || engine.timeouts(Timeout::Write) == 2);
    let took = begun.elapsed();
    assert!(took >= WRITE_TIMEOUT && took < WRITE_TIMEOUT * 2, "{took:?}");
}

/// The same through the program: settings from the environment, counters from `/metrics`.
#[test]
fn each_limit_and_time_out_is_a_setting_and_a_sample() {
    let database = Database::create();
    let folder = open_tempdir();
    let listen = format!("unix:{}", folder.path().join("api.sock").display());
    let settings = [
        ("POUCO_LISTEN", listen.as_str()),
        ("POUCO_MAX_HEADER_BYTES", "2048"),
        ("POUCO_MAX_HEADER_COUNT", "5"),
        ("POUCO_MAX_TARGET_BYTES", "64"),
        ("POUCO_MAX_BODY_BYTES", "1024"),
        ("POUCO_HEADER_TIMEOUT_MS", "500"),
        ("POUCO_BODY_TIMEOUT_MS", "500"),
        ("POUCO_IDLE_TIMEOUT_MS", "3000"),
        ("POUCO_WRITE_TIMEOUT_MS", "500"),
    ];
    let replica = Replica::start_with(&database, &settings);
    let hits = |limit: &str| replica.metric(&format!("pouco_http_limit_hits_total{{limit=\"{limit}\"}} "));
    let ended = |kind: &str| replica.metric(&format!("pouco_http_timeouts_total{{kind=\"{kind}\"}} "));
    let status = |request: &str| {
        let mut connection = replica.api.connect();
        let _ = connection.try_send(request);
        connection.answer().status
    };
    assert_eq!((status(&head_of(2_049)), hits("head_bytes")), (431, 1));
    assert_eq!((status(&get("/x", &fields(5))), hits("header_count")), (431, 1));
    assert_eq!((status(&get(&target_of(65), "")), hits("target")), (414, 1));
    assert_eq!((status(&post("Content-Length: 1025\r\n", "a")), hits("body_bytes")), (413, 1));
    assert_eq!((status("GET / HT"), ended("head")), (408, 1));
    assert_eq!((status(&post("Content-Length: 9\r\n", "a")), ended("body")), (408, 1));
    assert!(replica.api.connect().is_closed());
    assert_eq!(ended("idle"), 1);
    replica.api.connect().send_until_cut(&request_text("GET", "/x", "").repeat(100));
    eventually("the deaf client is given up", || ended("write") == 1);
    // Bounds so tight that the other cases would meet them.
    let settings = [
        ("POUCO_MAX_CONNECTIONS", "1"),
        ("POUCO_MAX_CONNECTIONS_PER_ADDRESS", "0"),
        ("POUCO_MAX_REQUESTS_PER_CONNECTION", "2"),
    ];
    let replica = Replica::start_with(&database, &settings);
    let mut only = replica.api.connect();
    let request = request_text("GET", "/x", "");
    only.send(format!("{request}G"));
    assert_eq!(only.answer().header("connection"), None);
    assert_refused(&mut replica.api.connect());
    only.send(&request[1..]);
    assert_eq!(only.answer().header("connection"), Some("close"));
    for limit in ["connections", "requests_per_connection"] {
        let sample = format!("pouco_http_limit_hits_total{{limit=\"{limit}\"}} ");
        // The admin address has the same bound, and may not have noticed yet that the last look has ended.
        eventually(limit, || replica.metric(&sample) == 1);
    }
}

/// Of one address. The admin address has none of these bounds, or nobody could look.
#[test]
fn each_limit_of_an_address_is_a_setting_and_a_sample() {
    let database = Database::create();
    let settings = [
        ("POUCO_MAX_CONNECTIONS_PER_ADDRESS", "1"),
        ("POUCO_MAX_REQUESTS_PER_SECOND_PER_ADDRESS", "1"),
        ("POUCO_REQUEST_BURST_PER_ADDRESS", "2"),
        ("POUCO_TRUSTED_HOPS", "127.0.0.2"),
        ("POUCO_PROXY_PROTOCOL", "on"),
    ];
    let replica = Replica::start_with(&database, &settings);
    let request = request_text("GET", "/x", "");
    let mut only = replica.api.connect_from("127.0.0.3");
    only.send(request.repeat(3) + "G");
    assert_eq!([(); 3].map(|()| only.answer().status), [404, 404, 429]);
    let answer = replica.api.connect_from("127.0.0.3").answer();
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    let mut hop = replica.api.connect_from("127.0.0.2");
    hop.send(format!("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n{request}"));
    assert_eq!(hop.answer().status, 404);
    let mut hop = replica.api.connect_from("127.0.0.2");
    hop.send(&request);
    assert!(hop.is_closed());
    let mut idle = replica.api.connect_from("127.0.0.4");
    assert_eq!(idle.request("GET", "/x", "").status, 404);
    assert_eq!(replica.api.connect_from("127.0.0.4").request("GET", "/x", "").status, 404);
    assert!(idle.is_closed());
    for sample in [
        "pouco_http_limit_hits_total{limit=\"connections_per_address\"} ",
        "pouco_http_limit_hits_total{limit=\"requests_per_second_per_address\"} ",
        "pouco_proxy_header_failures_total ",
        "pouco_connections_evicted_total ",
    ] {
        assert_eq!(replica.metric(sample), 1, "{sample}");
    }
}
