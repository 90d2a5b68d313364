//! Bodies past every buffer, both ways, over TCP and Unix sockets.

use std::io::{self, Read, Write};
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::support::client::{Connection, request_text};
use crate::support::{Engine, eventually};
use pouco::http::{BodyReader, Limits, Method, Request, Response, Router, Status, Timeout};

/// Small buffers, and a body limit that every streamed body of these tests exceeds.
fn limits() -> Limits {
    Limits { body_bytes: 1_024, buffer_bytes: 1_024, ..Limits::default() }
}

const MAX_UPLOAD: usize = 4 << 20;

/// Reads everything and answers with the length and a sum over position and byte.
fn digest(_: &mut Request<'_>, body: &mut BodyReader<'_>, response: &mut Response<'_>) -> io::Result<()> {
    let mut sum = Digest::default();
    io::copy(body, &mut sum)?;
    response.text(format_args!("{} {}", sum.length, sum.sum));
    Ok(())
}

#[derive(Default)]
struct Digest {
    length: u64,
    sum: u64,
}

impl Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            self.length += 1;
            self.sum = self.sum.wrapping_mul(31).wrapping_add(u64::from(*byte));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn digest_of(bytes: &[u8]) -> String {
    let mut sum = Digest::default();
    sum.write_all(bytes).unwrap();
    format!("{} {}", sum.length, sum.sum)
}

fn routes() -> Router {
    let mut router = Router::new();
    router.route_stream(Method::Post, "/digest", MAX_UPLOAD, digest);
    router.route_stream(Method::Post, "/echo/{name}", MAX_UPLOAD, |request, body, response| {
        response.header("x-name", request.raw_path_parameter("name"));
        response.stream("application/octet-stream", None, |out| io::copy(body, out).map(drop));
    });
    router.route_stream(Method::Post, "/ignore", MAX_UPLOAD, |_, _, response| response.text("ignored"));
    router.route_stream(Method::Post, "/late", MAX_UPLOAD, |_, body, response| {
        response.stream("text/plain", None, |out| {
            out.write_all(b"prefix, ")?;
            out.flush()?;
            assert!(body.read(&mut [0; 5]).is_err());
            out.write_all(b"and no body")
        });
    });
    router.route_stream(Method::Post, "/first", MAX_UPLOAD, |_, body, response| {
        let mut first = [0; 1];
        match body.read_exact(&mut first) {
            Ok(()) => response.text(first[0]),
            Err(error) => response.status(Status::BadRequest).text(error),
        }
    });
    router.route(Method::Get, "/numbers/{count}", |request, response| {
        let count: u32 = request.path_parameter("count")?;
        response
            .stream("text/plain", None, |out| (0..count).try_for_each(|number| writeln!(out, "{number}")));
        Ok::<(), pouco::http::ParameterError>(())
    });
    router.route(Method::Get, "/sized/{length}", |request, response| {
        let length: u64 = request.path_parameter("length")?;
        response.stream("text/plain", Some(length), |out| {
            io::copy(&mut io::repeat(b'x').take(1 << 20), out).map(drop)
        });
        Ok::<(), pouco::http::ParameterError>(())
    });
    router.route(Method::Get, "/fails/{after}", |request, response| {
        let after: usize = request.path_parameter("after")?;
        response.stream("text/plain", None, |out| {
            out.write_all(&vec![b'x'; after])?;
            Err(io::Error::other("on purpose"))
        });
        Ok::<(), pouco::http::ParameterError>(())
    });
    router.route_stream(Method::Post, "/panics", MAX_UPLOAD, |_, _, response| {
        response.stream("text/plain", None, |out| {
            out.write_all(&[b'x'; 100_000])?;
            panic!("on purpose")
        });
    });
    router.route(Method::Get, "/panics", |_, response| {
        response.stream("text/plain", None, |out| {
            out.write_all(&[b'x'; 100_000])?;
            panic!("on purpose")
        });
    });
    router
}

fn bytes(length: usize) -> Vec<u8> {
    (0..=250).cycle().step_by(7).take(length).collect()
}

fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn post_chunked(path: &str, body: &[u8], chunk: usize) -> Vec<u8> {
    let mut text =
        format!("POST {path} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
    for (number, piece) in body.chunks(chunk).enumerate() {
        // Extensions are bounded over the whole body.
        let extension = if number < 100 { ";a=b" } else { "" };
        text.extend(format!("{:x}{extension}\r\n", piece.len()).bytes());
        text.extend(piece);
        text.extend(b"\r\n");
    }
    text.extend(b"0\r\nX-Trailer: y\r\n\r\n");
    text
}

/// The connection goes on after the answer.
fn assert_alive(connection: &mut Connection) {
    let answer = connection.request("GET", "/numbers/2", "");
    assert_eq!((answer.status, answer.text()), (200, "0\n1\n"));
}

#[test]
fn a_body_past_the_buffers_is_read_in_pieces() {
    let engine = Engine::start(routes(), limits());
    for target in &engine.targets {
        let mut connection = target.connect();
        for length in [0, 1, 1_023, 1_024, 1_025, 100_000, MAX_UPLOAD] {
            let body = bytes(length);
            connection.send(post("/digest", &body));
            let answer = connection.answer();
            assert_eq!((answer.status, answer.text()), (200, &*digest_of(&body)), "{length}");
        }
        for (length, chunk) in [(0, 1), (1, 1), (5_000, 1), (100_000, 999), (1_000_000, 65_536)] {
            let body = bytes(length);
            connection.send(post_chunked("/digest", &body, chunk));
            let answer = connection.answer();
            assert_eq!((answer.status, answer.text()), (200, &*digest_of(&body)), "{length} by {chunk}");
        }
        assert_alive(&mut connection);
    }
}

#[test]
fn pipelined_streams_are_answered_in_order() {
    let engine = Engine::start(routes(), limits());
    let (one, two) = (bytes(3_000), bytes(10_000));
    let all = [
        request_text("GET", "/numbers/1", "").into_bytes(),
        post("/digest", &one),
        post_chunked("/echo/two", &two, 700),
        request_text("GET", "/numbers/3", "").into_bytes(),
    ]
    .concat();
    for target in &engine.targets {
        let mut connection = target.connect();
        connection.send(&all);
        assert_eq!(connection.answer().text(), "0\n");
        assert_eq!(connection.answer().text(), digest_of(&one));
        let echo = connection.answer();
        assert_eq!((echo.header("x-name"), &echo.body), (Some("two"), &two));
        assert_eq!(connection.answer().text(), "0\n1\n2\n");
    }
}

/// RFC 9110 section 15.5.14: by the length announced, or as soon as the chunks exceed the limit.
#[test]
fn a_body_past_the_routes_limit_is_a_413() {
    let engine = Engine::start(routes(), limits());
    for target in &engine.targets {
        assert_eq!(target.ask(&post("/digest", &bytes(MAX_UPLOAD + 1))[..2_000]).status, 413);
        let mut connection = target.connect();
        let chunked = post_chunked("/digest", &bytes(MAX_UPLOAD + 1), 60_000);
        // The server may stop reading before all is sent.
        let _ = connection.try_send(chunked);
        let answer = connection.answer();
        assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    }
}

/// RFC 9110 section 10.1.1: the invitation comes with the first read, and not at all where nothing is read.
#[test]
fn the_first_read_invites_the_body() {
    let engine = Engine::start(routes(), limits());
    let head = |path: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    };
    for target in &engine.targets {
        let mut connection = target.connect();
        connection.send(head("/digest"));
        assert_eq!(connection.answer().status, 100);
        connection.send("hello");
        assert_eq!(connection.answer().text(), digest_of(b"hello"));
        assert_alive(&mut connection);
        connection.send(head("/ignore"));
        assert_eq!(connection.answer().text(), "ignored");
        assert!(connection.is_closed(), "the body may still come, and would be read as a request");
    }
}

#[test]
fn what_a_handler_leaves_unread_is_no_request() {
    let engine = Engine::start(routes(), limits());
    let hidden = request_text("GET", "/numbers/7", "").repeat(100);
    for target in &engine.targets {
        let mut connection = target.connect();
        connection.send(post("/first", hidden.as_bytes()));
        assert_eq!(connection.answer().text(), b'G'.to_string());
        connection.send(post_chunked("/ignore", hidden.as_bytes(), 33));
        assert_eq!(connection.answer().text(), "ignored");
        assert_alive(&mut connection);
        // Too much to be dropped: the connection ends instead.
        let mut connection = target.connect();
        let _ = connection.try_send(post("/ignore", &bytes(MAX_UPLOAD)));
        assert_eq!(connection.answer().text(), "ignored");
        assert!(connection.is_closed());
    }
}

#[test]
fn broken_late_and_cut_off_bodies_end_the_connection() {
    let engine = Engine::start(routes(), Limits { body_timeout_ms: 2_000, ..limits() });
    for target in &engine.targets {
        let mut connection = target.connect();
        connection
            .send("POST /digest HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n");
        assert_eq!(connection.answer().status, 400, "RFC 9112 section 7.1: no line end behind the data");
        assert!(connection.is_closed());
        let began = Instant::now();
        let mut connection = target.connect();
        connection.send(&post("/digest", &bytes(5_000))[..3_000]);
        assert_eq!(connection.answer().status, 408);
        assert!(connection.is_closed());
        // The clock behind the deadlines moves every 250 ms.
        assert!(began.elapsed().as_millis() >= 250);
        let mut connection = target.connect();
        connection.send(&post("/digest", &bytes(5_000))[..3_000]);
        connection.half_close();
        assert!(connection.is_closed(), "an incomplete message gets no answer");
    }
    assert_eq!(engine.server.metrics().panics.load(Ordering::Relaxed), 0);
    let answered: Vec<_> = engine.server.router().counts().map(|count| (count.route, count.status)).collect();
    assert!(!answered.contains(&("/digest", Status::Ok)), "what failed counts as what it was: {answered:?}");
}

/// RFC 9110 section 15.2: nothing but the rest of it follows the beginning of a final answer.
#[test]
fn a_body_is_not_invited_within_its_answer() {
    let engine = Engine::start(routes(), limits());
    for target in &engine.targets {
        let mut connection = target.connect();
        connection
            .send("POST /late HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
        let answer = connection.answer();
        assert_eq!((answer.status, answer.text()), (200, "prefix, and no body"));
        assert!(connection.is_closed());
    }
}

/// The client of an early answer may be waiting for it before it sends the rest.
#[test]
fn an_early_answer_does_not_wait_for_the_rest_of_its_body() {
    let engine = Engine::start(routes(), limits());
    for target in &engine.targets {
        let mut connection = target.connect();
        let request = post("/ignore", &bytes(5_000));
        connection.send(&request[..3_000]);
        assert_eq!(connection.answer().text(), "ignored");
        connection.send(&request[3_000..]);
        assert_alive(&mut connection);
    }
}

#[test]
fn an_answer_is_streamed_by_its_length_in_chunks_or_to_the_end() {
    let engine = Engine::start(routes(), limits());
    let numbers: String = (0..100_000).map(|number| format!("{number}\n")).collect();
    for target in &engine.targets {
        let mut connection = target.connect();
        let chunked = connection.request("GET", "/numbers/100000", "");
        assert_eq!((chunked.header("transfer-encoding"), chunked.text()), (Some("chunked"), &*numbers));
        let sized = connection.request("GET", "/sized/1048576", "");
        assert_eq!((sized.header("content-length"), sized.body.len()), (Some("1048576"), 1 << 20));
        let head = connection.request("HEAD", "/numbers/100000", "");
        assert_eq!((head.status, head.header("transfer-encoding")), (200, Some("chunked")));
        assert_alive(&mut connection);
        // HTTP/1.0 knows no chunks (RFC 9112 section 7.1).
        connection.send("GET /numbers/100000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let old = connection.answer();
        assert_eq!((old.header("connection"), old.text()), (Some("close"), &*numbers));
        assert!(connection.is_closed());
    }
}

#[test]
fn an_answer_that_fails_is_a_500_or_is_cut_off() {
    let engine = Engine::start(routes(), limits());
    for target in &engine.targets {
        let mut connection = target.connect();
        let early = connection.request("GET", "/fails/100", "");
        assert_eq!((early.status, early.header("connection")), (500, Some("close")));
        for path in ["/fails/100000", "/panics"] {
            let mut connection = target.connect();
            connection.send(request_text("GET", path, ""));
            assert_eq!(connection.try_answer_to("GET"), None, "{path}: no last chunk");
        }
        let mut connection = target.connect();
        connection.send(post("/panics", b"unread"));
        assert_eq!(connection.try_answer_to("POST"), None, "no last chunk behind a streamed body either");
        for length in [100, 2 << 20] {
            let cut = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                target.ask(request_text("GET", &format!("/sized/{length}"), "")).status
            }));
            assert!(!matches!(cut, Ok(200)), "more or less than the length announced");
        }
    }
}

/// A client that reads nothing is given up after the write time-out, and holds nobody up meanwhile.
#[test]
fn a_client_that_stops_reading_ends_a_stream() {
    let engine = Engine::start(routes(), Limits { write_timeout_ms: 500, ..limits() });
    for (target, ended) in engine.targets.iter().zip(1..) {
        let mut slow = target.connect();
        slow.send(request_text("GET", "/numbers/4000000", ""));
        let mut other = target.connect();
        eventually("it is given up", || {
            assert_alive(&mut other);
            engine.timeouts(Timeout::Write) == ended
        });
    }
}
