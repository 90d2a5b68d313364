//! Clients that are slow but never silent, both ways: a least rate, and an end for what has no length.

use std::io::{self, Read, Write};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use crate::support::client::request_text;
use crate::support::{Connection, Engine};
use pouco::http::{BodyReader, Limit, Limits, Method, Request, Response, Router, Timeout, sleep};

/// More than a kernel takes for a client that reads nothing.
const BIG: usize = 16 << 20;
/// For all answers.
const ROOM: usize = 2 * BIG;

/// Pause of a client that is slow: many of them fit into any time-out.
const PAUSE: Duration = Duration::from_millis(20);

/// Longer than any of these clients is waited for.
const LONG: Duration = Duration::from_secs(15);

fn count(_: &mut Request<'_>, body: &mut BodyReader<'_>, response: &mut Response<'_>) -> io::Result<()> {
    let bytes = io::copy(body, &mut io::sink())?;
    response.text(bytes);
    Ok(())
}

fn start(limits: Limits) -> Engine {
    let mut router = Router::new();
    router.route(Method::Get, "/small", |_, response| response.text("small"));
    router.route(Method::Get, "/big", |_, response| response.body("text/plain", &vec![b'x'; BIG]));
    router.route(Method::Get, "/stream", |_, response| {
        response.stream("text/plain", Some(BIG as u64), |out| {
            io::copy(&mut io::repeat(b'x').take(BIG as u64), out).map(drop)
        });
    });
    router.route(Method::Get, "/endless/{pause_ms}", |request, response| {
        let pause = Duration::from_millis(request.path_parameter("pause_ms")?);
        response.stream("text/plain", None, |out| {
            loop {
                out.write_all(&[b'x'; 4_096])?;
                out.flush()?;
                if !pause.is_zero() {
                    sleep(pause);
                }
            }
        });
        Ok::<(), pouco::http::ParameterError>(())
    });
    router.route_stream(Method::Post, "/count", 1 << 40, count);
    Engine::start(router, limits)
}

/// Counted as what it was, and as nothing else.
fn assert_only(engine: &Engine, limit: Limit, hits: u64) {
    for other in Limit::ALL {
        assert_eq!(engine.hits(*other), if *other == limit { hits } else { 0 }, "{}", other.label());
    }
    for timeout in Timeout::ALL {
        assert_eq!(engine.timeouts(*timeout), 0, "{}", timeout.label());
    }
}

/// Each look of the server at the client finds some progress.
#[test]
fn a_reader_at_a_trickle_is_cut_in_bounded_time() {
    let limits =
        Limits { min_bytes_per_s: 10 << 20, rate_grace_ms: 1_000, answer_bytes: ROOM, ..Limits::default() };
    for path in ["/big", "/stream"] {
        let engine = start(limits);
        for (target, hits) in engine.targets.iter().zip(1..) {
            let mut slow = target.connect();
            slow.send(request_text("GET", path, ""));
            let begun = Instant::now();
            let mut taken = 0;
            while engine.hits(Limit::AnswerRate) < hits {
                taken += slow.sip(4 * 1024);
                assert!(begun.elapsed() < LONG, "{path} is still written to");
                park_timeout(PAUSE);
            }
            assert!(begun.elapsed() >= Duration::from_millis(750), "{path}: there is a grace");
            assert!(taken + slow.bytes_until_closed() < BIG, "{path} came as a whole");
            assert_eq!(target.get("/small").text(), "small");
            assert_only(&engine, Limit::AnswerRate, hits);
            assert_eq!(engine.server.answer_bytes(), 0);
        }
    }
}

#[test]
fn a_reader_that_is_slow_but_keeps_the_rate_gets_all() {
    let limits =
        Limits { min_bytes_per_s: 1 << 20, rate_grace_ms: 250, answer_bytes: ROOM, ..Limits::default() };
    let engine = start(limits);
    for target in &engine.targets {
        for path in ["/big", "/stream"] {
            let mut slow = target.connect();
            slow.send(request_text("GET", path, ""));
            let mut left = BIG;
            while left > 0 {
                left = left.saturating_sub(slow.sip(256 * 1024));
                park_timeout(PAUSE);
            }
            assert_eq!(slow.answer().body.len(), BIG, "{path}");
        }
    }
    assert_only(&engine, Limit::AnswerRate, 0);
}

/// Also where the client takes everything at once, and the server never waits for it.
#[test]
fn a_streamed_answer_that_does_not_end_is_cut() {
    for pause_ms in [0, 10] {
        let engine = start(Limits { stream_timeout_ms: 500, ..Limits::default() });
        for (target, hits) in engine.targets.iter().zip(1..) {
            let mut reader = target.connect();
            let begun = Instant::now();
            reader.send(request_text("GET", &format!("/endless/{pause_ms}"), ""));
            assert!(reader.bytes_until_closed() > 4_096);
            let took = begun.elapsed();
            assert!(took >= Duration::from_millis(250) && took < LONG, "{took:?}");
            assert_only(&engine, Limit::AnswerTime, hits);
        }
    }
}

/// The beginning of a body by its length and of one in chunks, of which much is still to come.
const BEGINNINGS: [&str; 2] =
    ["Content-Length: 100000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n186a0\r\n"];

fn drip(engine: &Engine, target: usize, beginning: &str) {
    let mut dripping = engine.targets[target].connect();
    let begun = Instant::now();
    dripping.send(format!("POST /count HTTP/1.1\r\nHost: a\r\n{beginning}"));
    let answer = dripping.drip(b'a', PAUSE);
    assert!(begun.elapsed() < LONG);
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert!(dripping.is_closed());
}

#[test]
fn a_streamed_body_at_a_trickle_is_a_408() {
    let engine = start(Limits { min_bytes_per_s: 10_000, rate_grace_ms: 500, ..Limits::default() });
    for target in [0, 1] {
        for (beginning, hits) in BEGINNINGS.iter().zip(1..) {
            drip(&engine, target, beginning);
            assert_only(&engine, Limit::BodyRate, 2 * target as u64 + hits);
        }
    }
}

/// Who keeps the rate cannot go on for ever without having said for how long.
#[test]
fn a_chunked_body_that_does_not_end_is_a_408() {
    let engine = start(Limits { min_bytes_per_s: 0, stream_timeout_ms: 500, ..Limits::default() });
    for target in [0, 1] {
        drip(&engine, target, BEGINNINGS[1]);
        assert_only(&engine, Limit::BodyTime, target as u64 + 1);
    }
}

fn send_slowly(connection: &mut Connection, body: &[u8]) {
    for piece in body.chunks(8 * 1024) {
        connection.send(piece);
        park_timeout(PAUSE);
    }
}

#[test]
fn a_streamed_body_that_is_slow_but_keeps_the_rate_is_read() {
    const BODY: usize = 512 * 1024;
    let engine = start(Limits { min_bytes_per_s: 5_000, rate_grace_ms: 2_500, ..Limits::default() });
    for target in &engine.targets {
        let mut connection = target.connect();
        connection.send(format!("POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: {BODY}\r\n\r\n"));
        send_slowly(&mut connection, &vec![b'a'; BODY]);
        assert_eq!(connection.answer().text(), BODY.to_string());
    }
    assert_only(&engine, Limit::BodyRate, 0);
}
