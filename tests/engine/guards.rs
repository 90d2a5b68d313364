//! Guards: they answer before a body is asked for or read, and what follows on the connection stays in its
//! place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::client::request_text;
use crate::support::{Engine, Target};
use pouco::http::{
    BodyReader, IntoAnswer, Limits, Method, Rejection, Request, RequestHead, Response, Router, Status,
};

#[derive(Default)]
struct Counts {
    guarded: AtomicU64,
    handled: AtomicU64,
}

/// What the guard hands over.
struct User(u32);

/// 401 with its challenge (RFC 9110 section 15.5.2).
struct Unauthorized;

impl IntoAnswer for Unauthorized {
    fn into_answer(self, response: &mut Response<'_>) {
        response.header("www-authenticate", "Bearer");
        Rejection::new(Status::Unauthorized, "who are you?").into_answer(response);
    }
}

impl Counts {
    fn user(&self, head: &RequestHead<'_>) -> Result<User, Unauthorized> {
        self.guarded.fetch_add(1, Ordering::Relaxed);
        let token = head.header("authorization").and_then(|value| value.strip_prefix(b"Bearer "));
        let id = token.and_then(|token| std::str::from_utf8(token).ok()?.parse().ok());
        id.map(User).ok_or(Unauthorized)
    }

    /// Only one's own.
    fn owner(&self, user: User, head: &RequestHead<'_>) -> Result<User, Rejection> {
        let owner: u32 = head.path_parameter("user")?;
        if owner == user.0 { Ok(user) } else { Err(Rejection::new(Status::Forbidden, "not yours")) }
    }

    fn put(&self, user: &User, request: &mut Request<'_>, response: &mut Response<'_>) {
        self.handled.fetch_add(1, Ordering::Relaxed);
        response.text(format_args!("{} sent {}", user.0, request.body().len()));
    }

    fn stream(
        &self,
        user: &User,
        _: &mut Request<'_>,
        body: &mut BodyReader<'_>,
        response: &mut Response<'_>,
    ) {
        self.handled.fetch_add(1, Ordering::Relaxed);
        let bytes = std::io::copy(body, &mut std::io::sink()).unwrap_or_default();
        response.text(format_args!("{} streamed {bytes}", user.0));
    }
}

fn start() -> (Engine, Arc<Counts>) {
    let counts = Arc::new(Counts::default());
    let mut router = Router::new();
    router.route(Method::Get, "/open", |_, response| response.text("open"));
    router.route(Method::Post, "/open", |request, response| response.text(request.body().len()));
    let mut scope = router.scope("things", counts.clone());
    let mut private = scope.guard(Counts::user);
    private.route(Method::Put, "/things", Counts::put);
    private.route(Method::Get, "/things", |_, user, _, response| response.text(user.0));
    private.route_stream(Method::Put, "/streams", 1 << 30, Counts::stream);
    private.guard(Counts::owner).route(Method::Put, "/users/{user}", Counts::put);
    let mut small = scope.guard(|_, head| match head.content_length() {
        Some(0..=10) => Ok(()),
        Some(_) => Err(Rejection::new(Status::ContentTooLarge, "10 bytes at most")),
        None => Err(Rejection {
            retry_after_s: Some(3),
            ..Rejection::new(Status::TooManyRequests, "no chunks now")
        }),
    });
    small.route(Method::Put, "/small", |_, (), request, response| response.text(request.body().len()));
    let mut faulty = scope.guard(|_, head| match head.query() {
        "panic" => panic!("on purpose"),
        _ => Err::<(), _>(std::io::Error::other("no answer")),
    });
    faulty.route(Method::Put, "/faulty", |_, (), _, response| response.empty());
    let limits = Limits { body_bytes: 1 << 20, ..Limits::default() };
    (Engine::start(router, limits), counts)
}

fn put(path: &str, fields: &str, body: &str) -> String {
    format!("PUT {path} HTTP/1.1\r\nHost: test\r\n{fields}\r\n{body}")
}

fn length(bytes: usize) -> String {
    format!("Content-Length: {bytes}\r\n")
}

const AS_7: &str = "Authorization: Bearer 7\r\n";

#[test]
fn what_a_guard_hands_over_reaches_the_handler_however_the_body_comes() {
    let (engine, counts) = start();
    let chunks = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    for target in &engine.targets {
        let mut connection = target.connect();
        connection.send(put("/things", &format!("{AS_7}{}", length(5)), "abcde"));
        assert_eq!(connection.answer().text(), "7 sent 5", "with the head");
        connection.send(put("/things", &format!("{AS_7}Transfer-Encoding: chunked\r\n"), chunks));
        assert_eq!(connection.answer().text(), "7 sent 5", "in chunks");
        connection.send(put("/users/7", &format!("{AS_7}{}Expect: 100-continue\r\n", length(5)), ""));
        assert_eq!(connection.answer().status, 100, "after the guard");
        connection.send("abcde");
        assert_eq!(connection.answer().text(), "7 sent 5", "once it was asked for");
        connection.send(put("/streams", &format!("{AS_7}{}", length(5)), "abcde"));
        assert_eq!(connection.answer().text(), "7 streamed 5");
        connection.send(format!("GET /things HTTP/1.1\r\nHost: test\r\n{AS_7}\r\n"));
        assert_eq!(connection.answer().text(), "7", "without a body");
    }
    assert_eq!(counts.guarded.load(Ordering::Relaxed), 10, "once for each request");
    assert_eq!(counts.handled.load(Ordering::Relaxed), 8);
}

/// Sends what is refused with pipelined requests behind it: they are answered in their order.
#[track_caller]
fn assert_goes_on(target: &Target, request: &str, status: u16) {
    let mut connection = target.connect();
    let behind = [request_text("POST", "/open", "abc"), request_text("GET", "/open", "")].concat();
    connection.send([&request_text("GET", "/open", ""), request, &behind].concat());
    assert_eq!(connection.answer().text(), "open");
    let refused = connection.answer();
    assert_eq!((refused.status, refused.header("connection")), (status, None));
    assert_eq!(connection.answer().text(), "3");
    assert_eq!(connection.answer().text(), "open");
}

#[test]
fn the_body_of_a_refused_request_is_dropped_and_those_behind_it_are_served() {
    let (engine, counts) = start();
    let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", 100_000, "x".repeat(100_000));
    for target in &engine.targets {
        for bytes in [0, 5, 20_000, 200_000] {
            assert_goes_on(target, &put("/things", &length(bytes), &"x".repeat(bytes)), 401);
        }
        assert_goes_on(target, &put("/things", "Transfer-Encoding: chunked\r\n", &chunk), 401);
        assert_goes_on(target, &put("/streams", &length(100_000), &"x".repeat(100_000)), 401);
        assert_goes_on(
            target,
            &put("/users/8", &format!("{AS_7}{}", length(9_000)), &"x".repeat(9_000)),
            403,
        );
    }
    assert_eq!(counts.handled.load(Ordering::Relaxed), 0, "no handler saw them");
    assert_eq!(counts.guarded.load(Ordering::Relaxed), 14);
}

#[test]
fn a_refusal_comes_before_the_body() {
    let (engine, _) = start();
    for target in &engine.targets {
        let mut connection = target.connect();
        connection.send(put("/things", &length(5), ""));
        let refused = connection.answer();
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")));
        connection.send(["abcde", &request_text("GET", "/open", "")].concat());
        assert_eq!(connection.answer().text(), "open", "the late body is dropped");
    }
}

/// RFC 9110 section 10.1.1: a final status in place of the 100; whether the body follows cannot be known.
#[test]
fn rfc_9110_10_1_1_who_is_refused_is_not_asked_for_the_body() {
    let (engine, counts) = start();
    for target in &engine.targets {
        for framing in [length(5), "Transfer-Encoding: chunked\r\n".to_owned()] {
            for path in ["/things", "/users/7"] {
                let mut connection = target.connect();
                let expecting = put(path, &format!("{framing}Expect: 100-continue\r\n"), "");
                connection.send([request_text("GET", "/open", ""), expecting].concat());
                assert_eq!(connection.answer().text(), "open");
                let refused = connection.answer();
                assert_eq!((refused.status, refused.header("connection")), (401, Some("close")), "{path}");
                assert!(connection.is_closed(), "{path}");
            }
        }
        // Bytes that have come need no invitation, and are what follows the head.
        let begun =
            put("/things", &format!("{}Expect: 100-continue\r\n", length(20_000)), &"x".repeat(20_000));
        assert_goes_on(target, &begun, 401);
    }
    assert_eq!(counts.handled.load(Ordering::Relaxed), 0);
}

#[test]
fn more_than_is_dropped_ends_the_connection_with_the_answer() {
    let (engine, _) = start();
    for target in &engine.targets {
        let mut connection = target.connect();
        connection.send(put("/things", &length(300_000), ""));
        let refused = connection.answer();
        assert_eq!((refused.status, refused.header("connection")), (401, Some("close")));
        assert!(connection.is_closed());
        let mut connection = target.connect();
        connection.send(put("/things", "Transfer-Encoding: chunked\r\n", ""));
        assert_eq!(connection.answer().status, 401);
        let _ = connection.try_send(format!("{:x}\r\n{}", 1 << 20, "x".repeat(1 << 19)));
        assert!(connection.is_closed(), "its end is too far away");
    }
}

#[test]
fn a_guard_bounds_what_its_routes_take() {
    let (engine, _) = start();
    for target in &engine.targets {
        let mut connection = target.connect();
        connection.send(put("/small", &length(10), "0123456789"));
        assert_eq!(connection.answer().text(), "10");
        connection.send(put("/small", &length(11), ""));
        assert_eq!(connection.answer().json()["error"], "10 bytes at most");
        connection.send("01234567890");
        connection.send(put("/small", "Transfer-Encoding: chunked\r\n", "1\r\na\r\n0\r\n\r\n"));
        let refused = connection.answer();
        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("3")));
        assert_eq!(connection.request("GET", "/open", "").text(), "open");
        // What no route takes is refused whatever the guard says.
        connection.send(put("/small", &format!("{}Expect: 100-continue\r\n", length(2 << 20)), ""));
        assert_eq!(connection.answer().json()["error"], "content too large");
        assert!(connection.is_closed());
    }
}

#[test]
fn a_faulty_guard_is_a_500_and_ends_the_connection() {
    let (engine, _) = start();
    for target in &engine.targets {
        for query in ["panic", "nothing"] {
            for body in ["", "abcde"] {
                let mut connection = target.connect();
                connection.send(put(&format!("/faulty?{query}"), &length(5), body));
                let answer = connection.answer();
                assert_eq!((answer.status, answer.header("connection")), (500, Some("close")), "{query}");
                assert!(connection.is_closed(), "{query}");
            }
        }
    }
    assert_eq!(engine.server.metrics().panics.load(Ordering::Relaxed), 8);
}

#[test]
fn a_refusal_is_counted_under_its_route() {
    let (engine, _) = start();
    let target = &engine.targets[0];
    for body in ["", "abcde"] {
        assert_eq!(target.ask(put("/users/7", &length(5), body)).status, 401);
    }
    let mut counts = engine.server.router().counts();
    let refused = counts.find(|count| count.status == Status::Unauthorized).unwrap();
    assert_eq!((refused.route, refused.method, refused.count), ("/users/{user}", "PUT", 2));
}
