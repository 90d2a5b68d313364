//! Streams of valid requests, made at random: whatever the pieces in which one comes, over TCP or a Unix
//! socket, the answers are those that the generator expects, and those to the stream in one piece.

use std::fmt::Write;

use crate::support::{Answer, Engine, Target};
use fastrand::Rng;
use pouco::http::{Limits, Method, Router, Status};

/// Streams; each is sent four times.
const CASES: usize = 300;

const SEED: u64 = 0x9112;

/// What is expected of one request.
struct Expected {
    method: &'static str,
    status: u16,
    body: Vec<u8>,
}

fn routes() -> Router {
    let mut router = Router::new();
    router.route(Method::Get, "/hello/{name}", |request, response| {
        response.text(request.raw_path_parameter("name"));
    });
    router.route(Method::Get, "/query", |request, response| match request.query_text("t") {
        Ok(Some(text)) => response.text(&text),
        _ => response.status(Status::BadRequest).text("no t"),
    });
    router.route(Method::Post, "/echo", |request, response| {
        let body = request.body().to_vec();
        response.status(Status::Created).body("application/octet-stream", &body);
    });
    router
}

/// Up to eight requests, and what is expected of each.
fn stream(random: &mut Rng) -> (Vec<u8>, Vec<Expected>) {
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    for _ in 0..random.usize(1..=8) {
        if random.u8(..8) == 0 {
            bytes.extend_from_slice(b"\r\n");
        }
        expected.push(match random.u8(..6) {
            0 | 1 => get(random, &mut bytes),
            2 | 3 => post(random, &mut bytes),
            _ => post_chunked(random, &mut bytes),
        });
    }
    (bytes, expected)
}

fn get(random: &mut Rng, bytes: &mut Vec<u8>) -> Expected {
    let name = token(random, 12);
    let (method, target, status, body) = match random.u8(..6) {
        0 => ("GET", format!("/query?a=1&t={}+%C3%A9", name), 200, format!("{name} é")),
        1 => ("GET", format!("http://h/hello/{name}"), 200, name),
        2 => ("HEAD", format!("/hello/{name}"), 200, String::new()),
        3 => ("GET", "/query?t=%ff".to_owned(), 400, "no t".to_owned()),
        _ => ("GET", format!("/hello/{name}?{}", token(random, 9)), 200, name),
    };
    bytes.extend_from_slice(format!("{method} {target} HTTP/1.1\r\n{}\r\n", fields(random)).as_bytes());
    Expected { method, status, body: body.into_bytes() }
}

fn post(random: &mut Rng, bytes: &mut Vec<u8>) -> Expected {
    let body = body(random, 300);
    let fields = fields(random);
    let head = format!("POST /echo HTTP/1.1\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(&body);
    Expected { method: "POST", status: 201, body }
}

fn post_chunked(random: &mut Rng, bytes: &mut Vec<u8>) -> Expected {
    let fields = fields(random);
    let head = format!("POST /echo HTTP/1.1\r\n{fields}Transfer-Encoding: chunked\r\n\r\n");
    bytes.extend_from_slice(head.as_bytes());
    let mut whole = Vec::new();
    for _ in 0..random.usize(..6) {
        let mut chunk = body(random, 60);
        chunk.push(b'.'); // an empty one would end the body
        let size = match random.u8(..3) {
            0 => format!("{:X}", chunk.len()),
            1 => format!("{:04x}", chunk.len()),
            _ => format!("{:x}", chunk.len()),
        };
        bytes.extend_from_slice(format!("{size}{}\r\n", extension(random)).as_bytes());
        bytes.extend_from_slice(&chunk);
        bytes.extend_from_slice(b"\r\n");
        whole.extend_from_slice(&chunk);
    }
    bytes.extend_from_slice(format!("0{}\r\n", extension(random)).as_bytes());
    for _ in 0..random.usize(..3) {
        bytes.extend_from_slice(format!("{}: {}\r\n", token(random, 8), token(random, 20)).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    Expected { method: "POST", status: 201, body: whole }
}

/// Host, and some that the engine has no use for.
fn fields(random: &mut Rng) -> String {
    let mut fields = String::from(if random.bool() { "Host: h\r\n" } else { "hOST:h:80\r\n" });
    for _ in 0..random.usize(..4) {
        let blanks = ["", " ", "\t ", "  "][random.usize(..4)];
        write!(fields, "x-{}:{blanks}{}{blanks}\r\n", token(random, 6), token(random, 30)).unwrap();
    }
    fields
}

/// Chunk extensions (RFC 9112 section 7.1.1), mostly none.
fn extension(random: &mut Rng) -> String {
    match random.u8(..8) {
        0 => format!(";{}", token(random, 5)),
        1 => format!(";{}={}", token(random, 5), token(random, 5)),
        2 => format!(" ; {} = \"{};\\\"\"", token(random, 5), token(random, 5)),
        _ => String::new(),
    }
}

fn token(random: &mut Rng, most: usize) -> String {
    (0..random.usize(1..=most)).map(|_| random.alphanumeric()).collect()
}

/// Any bytes, and often those that look like framing.
fn body(random: &mut Rng, most: usize) -> Vec<u8> {
    (0..random.usize(..=most))
        .map(|_| if random.bool() { random.u8(..) } else { b"\r\n0"[random.usize(..3)] })
        .collect()
}

/// Cuts the stream: into single bytes, into small pieces, or at a few places.
fn pieces<'s>(random: &mut Rng, mut stream: &'s [u8]) -> Vec<&'s [u8]> {
    let most = [1, 7, 100, stream.len()][random.usize(..4)];
    let mut pieces = Vec::new();
    while !stream.is_empty() {
        let (piece, rest) = stream.split_at(random.usize(1..=most.min(stream.len())));
        pieces.push(piece);
        stream = rest;
    }
    pieces
}

/// Sends the pieces and reads an answer to each request, and the connection's end.
fn answers(target: &Target, pieces: &[&[u8]], expected: &[Expected]) -> Vec<Answer> {
    let mut connection = target.connect();
    for piece in pieces {
        connection.send(piece);
    }
    connection.half_close();
    let mut answers: Vec<Answer> = expected.iter().map(|one| connection.answer_to(one.method)).collect();
    assert!(connection.is_closed(), "more answers than requests");
    for answer in &mut answers {
        answer.headers.retain(|(name, _)| name != "date");
    }
    answers
}

#[test]
fn any_split_of_any_valid_stream_is_answered_alike() {
    // Buffers so small that they grow, move and are refilled in the middle of a request.
    let limits = Limits { buffer_bytes: 128, ..Limits::default() };
    let engine = Engine::start(routes(), limits);
    for case in 0..CASES {
        let mut random = Rng::with_seed(SEED + case as u64);
        let (stream, expected) = stream(&mut random);
        for target in &engine.targets {
            let whole = answers(target, &[&stream], &expected);
            for (answer, wanted) in whole.iter().zip(&expected) {
                assert_eq!((answer.status, &answer.body), (wanted.status, &wanted.body), "case {case}");
            }
            let pieces = pieces(&mut random, &stream);
            assert_eq!(answers(target, &pieces, &expected), whole, "case {case}, {target:?}: {pieces:?}");
        }
    }
}
