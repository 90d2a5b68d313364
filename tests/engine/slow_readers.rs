//! Clients that take large answers slowly or not at all: what is kept for them is bounded, and costs nobody
//! else.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::client::{Connection, Target, request_text};
use crate::support::{Engine, RaisedAtEnd, eventually};
use pouco::http::{Limit, Limits, Method, Router, Timeout};

/// More than a kernel takes for a client that reads nothing.
const BIG: usize = 16 << 20;

/// More than any test takes.
const ENDLESS: u64 = 1 << 50;

/// Room for two large answers and a half.
const ROOM: usize = 5 * BIG / 2;

fn routes() -> Router {
    let mut router = Router::new();
    router.route(Method::Get, "/small", |_, response| response.text("small"));
    router.route(Method::Get, "/big", |_, response| response.body("text/plain", &vec![b'x'; BIG]));
    router.route(Method::Get, "/big/json", |_, response| response.json_of(&"x".repeat(BIG)));
    router.route(Method::Get, "/bytes/{count}", |request, response| {
        let count: usize = request.path_parameter("count")?;
        response.body_with("text/plain", |out| out.resize(out.len() + count, b'x'));
        Ok::<(), pouco::http::ParameterError>(())
    });
    router.route(Method::Post, "/changes", |_, response| response.body("text/plain", &vec![b'x'; ROOM / 16]));
    router.route(Method::Get, "/stream", |_, response| {
        response.stream("text/plain", Some(ENDLESS), |out| {
            io::copy(&mut io::repeat(b'x').take(ENDLESS), out).map(drop)
        });
    });
    router
}

fn start(limits: Limits) -> Engine {
    Engine::start(routes(), limits)
}

/// A bound for bytes, and none for time that a busy machine could meet.
fn bounded() -> Limits {
    Limits { answer_bytes: ROOM, min_bytes_per_s: 0, write_timeout_ms: 600_000, ..Limits::default() }
}

fn ask(target: &Target, path: &str) -> Connection {
    let mut connection = target.connect();
    connection.send(request_text("GET", path, ""));
    connection
}

/// Clients that have asked for a large answer and read nothing of it, as many as find room.
fn fill(engine: &Engine, target: &Target) -> Vec<Connection> {
    let mut readers = Vec::new();
    while engine.server.answer_bytes() + BIG < ROOM {
        let before = engine.server.answer_bytes();
        readers.push(ask(target, "/big"));
        eventually("the answer is held", || engine.server.answer_bytes() > before);
    }
    readers
}

#[test]
fn the_buffers_of_all_answers_together_are_bounded() {
    let engine = start(bounded());
    for (target, round) in engine.targets.iter().zip(1..) {
        let mut readers = fill(&engine, target);
        assert_eq!(readers.len(), 2);
        let mut refused = target.connect();
        for path in ["/big", "/big/json"] {
            let answer = refused.request("GET", path, "");
            assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{path}");
        }
        assert_eq!(engine.hits(Limit::AnswerBytes), 2 * round);
        assert!((BIG..=ROOM).contains(&engine.server.answer_bytes()));
        // The connection goes on, and what needs no room is served.
        assert_eq!(refused.request("GET", "/small", "").text(), "small");
        assert_eq!(refused.request("HEAD", "/big", "").status, 200);
        // What has changed something finds the room that is spared for it.
        assert_eq!(refused.request("POST", "/changes", "").body.len(), ROOM / 16);
        assert_eq!(engine.hits(Limit::AnswerBytes), 2 * round);
        for reader in &mut readers {
            assert_eq!(reader.answer().body.len(), BIG, "nothing was lost");
        }
        eventually("the room is free again", || engine.server.answer_bytes() == 0);
        assert_eq!(refused.request("GET", "/big", "").body.len(), BIG);
    }
    let counts = engine.server.router().counts().filter(|count| count.route == "/big");
    let counts: Vec<_> = counts.map(|count| (count.status.code(), count.count)).collect();
    assert_eq!(counts, [(200, 8), (503, 2)], "a refused answer counts as what the client got");
}

/// Readers that are fast enough as long as there is room are too slow when they have it all.
#[test]
fn who_is_slow_gives_way_while_there_is_no_room() {
    let limits =
        Limits { min_bytes_per_s: 50_000, rate_grace_ms: 2_000, write_timeout_ms: 5_000, ..bounded() };
    let engine = start(limits);
    for target in &engine.targets {
        let before = engine.hits(Limit::AnswerRate);
        let mut readers = fill(&engine, target);
        // At 80 KB a second by the clock: what a busy machine has held up is made good for.
        let sip = |readers: &mut [Connection], begun: Instant, taken: &mut u128| {
            while *taken < begun.elapsed().as_millis() * 80 {
                readers.iter_mut().for_each(|reader| assert!(reader.sip(4 * 1024) <= 4 * 1024));
                *taken += 4 * 1024;
            }
        };
        let (begun, mut taken) = (Instant::now(), 0);
        eventually("one gives way", || {
            sip(&mut readers, begun, &mut taken);
            engine.hits(Limit::AnswerRate) > before
        });
        assert_eq!(target.get("/big").body.len(), BIG, "there is room again");
        drop(readers);
        eventually("the room is free again", || engine.server.answer_bytes() == 0);
        // Alone it may be as slow.
        let mut alone = ask(target, "/big");
        let (hits, begun, mut taken) = (engine.hits(Limit::AnswerRate), Instant::now(), 0);
        while begun.elapsed() < Duration::from_secs(5) {
            sip(std::slice::from_mut(&mut alone), begun, &mut taken);
            std::thread::park_timeout(Duration::from_millis(5));
        }
        assert_eq!(engine.hits(Limit::AnswerRate), hits);
        assert_eq!(alone.answer().body.len(), BIG);
    }
    assert!(Timeout::ALL.iter().all(|timeout| engine.timeouts(*timeout) == 0));
}

/// Who leaves without reading leaves nothing behind.
#[test]
fn the_room_of_a_client_that_has_gone_is_free() {
    let engine = start(bounded());
    for target in &engine.targets {
        let readers = fill(&engine, target);
        assert!(!readers.is_empty());
        drop(readers);
        eventually("the room is free again", || engine.server.answer_bytes() == 0);
    }
}

/// There will never be room for it: to come back does not help.
#[test]
fn an_answer_that_is_larger_than_all_may_be_is_a_500() {
    let engine = start(Limits { answer_bytes: BIG / 2, ..Limits::default() });
    for (target, hits) in engine.targets.iter().zip(1..) {
        let mut connection = target.connect();
        let answer = connection.request("GET", "/big", "");
        assert_eq!((answer.status, answer.header("retry-after")), (500, None));
        assert_eq!(engine.hits(Limit::AnswerBytes), hits);
        assert_eq!(connection.request("GET", "/small", "").text(), "small");
        assert_eq!(engine.server.answer_bytes(), 0);
    }
}

/// Answers that fit a buffer of the first size are never refused, however many are collected, and keep their
/// order.
#[test]
fn pipelined_answers_leave_before_they_need_room_that_is_not_there() {
    const SIZES: [usize; 7] = [1, 700, 5_000, 100, 7_900, 7_900, 2];
    let engine = start(Limits { answer_bytes: 0, ..Limits::default() });
    let requests: String = SIZES.map(|size| request_text("GET", &format!("/bytes/{size}"), "")).concat();
    for target in &engine.targets {
        let mut connection = target.connect();
        connection.send(requests.repeat(5));
        for size in [SIZES; 5].concat() {
            let answer = connection.answer();
            assert_eq!((answer.status, answer.body.len()), (200, size));
        }
        let answer = connection.request("GET", "/bytes/9000", "");
        assert_eq!(answer.status, 500, "more than all may hold");
    }
}

/// The memory of an answer goes as the answer does, and not at its end.
#[test]
fn what_has_left_is_given_back() {
    let engine = start(bounded());
    for target in &engine.targets {
        let mut reader = ask(target, "/big");
        eventually("the answer is held", || engine.server.answer_bytes() >= BIG - 8 * 1024);
        let mut left = BIG;
        while left > BIG / 4 {
            left -= reader.sip(64 * 1024);
            // Half of what was to be sent may have left before its room is given back.
            eventually("the room is given back", || engine.server.answer_bytes() <= 2 * left);
        }
        assert_eq!(reader.answer().body.len(), BIG);
    }
}

/// A streamed answer is made in the memory of one buffer.
#[test]
fn streams_need_no_room() {
    let engine = start(Limits { answer_bytes: 0, ..Limits::default() });
    for target in &engine.targets {
        let mut readers = [(); 10].map(|()| ask(target, "/stream"));
        readers.iter_mut().for_each(|reader| assert!(reader.sip(1 << 20) > 0));
        assert_eq!(target.get("/small").text(), "small");
    }
    assert_eq!((engine.hits(Limit::AnswerBytes), engine.server.answer_bytes()), (0, 0));
}

/// A reader that keeps up never makes the server wait; others have their turn nevertheless.
#[test]
fn a_large_answer_to_a_fast_reader_does_not_starve_the_others() {
    let engine = start(Limits::default());
    for target in &engine.targets {
        let enough = AtomicBool::new(false);
        let (mut other, mut fast) = (target.connect(), ask(target, "/stream"));
        std::thread::scope(|scope| {
            let _ends = RaisedAtEnd(&enough);
            assert!(fast.sip(1) > 0, "it has begun");
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    fast.skip(1 << 20);
                }
            });
            // It has no end of its own: whoever had to wait for that would give up.
            for _ in 0..20 {
                assert_eq!(other.request("GET", "/small", "").text(), "small");
            }
        });
    }
}
