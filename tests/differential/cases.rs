//! What the two servers are asked.

/// Follows every request.
pub(crate) const NEXT: &[u8] = b"GET /echo HTTP/1.1\r\nHost: next\r\n\r\n";

/// Requests of our own, each after a rule of RFC 9110 or RFC 9112.
pub(crate) fn handmade() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = valid();
    all.extend(REQUEST_LINES.iter().map(|line| format!("{line}\r\nHost: a\r\n\r\n").into_bytes()));
    all.extend(FIELDS.iter().map(|fields| [b"GET /echo HTTP/1.1\r\n", *fields, b"\r\n"].concat()));
    let bodies = BODIES.iter();
    all.extend(bodies.map(|rest| format!("POST /echo HTTP/1.1\r\nHost: a\r\n{rest}").into_bytes()));
    all.extend(WHOLE.iter().map(|text| text.as_bytes().to_vec()));
    all
}

/// What mutations start from.
fn valid() -> Vec<Vec<u8>> {
    [
        "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /echo?t=ana%20b+c HTTP/1.1\r\nHost: a:80\r\nAccept: */*\r\n\r\n",
        "GET http://a/echo HTTP/1.1\r\nHost: a\r\n\r\n",
        "HEAD /echo HTTP/1.1\r\nHost: a\r\nUser-Agent: x/1 (y; z)\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /echo HTTP/1.0\r\n\r\n",
        "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\n5\r\npedia\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
        "PUT /nowhere HTTP/1.1\r\nHost: [::1]:9\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab",
        "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        "DELETE /echo/1 HTTP/1.1\r\nHost: a\r\nX: \t\"quoted, text\" \r\n\r\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

const REQUEST_LINES: [&str; 27] = [
    "BREW /echo HTTP/1.1",
    "get /echo HTTP/1.1",
    "G(T /echo HTTP/1.1",
    "CONNECT a:80 HTTP/1.1",
    "GET /echo HTTP/1.2",
    "GET /echo HTTP/2.0",
    "GET /echo HTTP/0.9",
    "GET /echo http/1.1",
    "GET /echo HTTP/1.10",
    "GET /echo",
    "GET  /echo HTTP/1.1",
    "GET /echo  HTTP/1.1",
    "GET\t/echo HTTP/1.1",
    " GET /echo HTTP/1.1",
    "GET /echo HTTP/1.1 ",
    "GET * HTTP/1.1",
    "GET echo HTTP/1.1",
    "GET ftp://a/echo HTTP/1.1",
    "GET http:///echo HTTP/1.1",
    "GET http://u@a/echo HTTP/1.1",
    "GET /echo#part HTTP/1.1",
    "GET /ec\\ho HTTP/1.1",
    "GET /a<b>c HTTP/1.1",
    "GET /a`b?c`d HTTP/1.1",
    "GET /a%zz HTTP/1.1",
    "GET /a?%4 HTTP/1.1",
    "GET https://a/echo HTTP/1.1",
];

const FIELDS: [&[u8]; 28] = [
    b"",
    b"Host:\r\n",
    b"Host: a\r\nHost: a\r\n",
    b"Host: a b\r\n",
    b"Host: a/b\r\n",
    b"Host: u@a\r\n",
    b"Host: a\r\nX : b\r\n",
    b"Host: a\r\n X: b\r\n",
    b"Host: a\r\nX: b\r\n c\r\n",
    b"Host: a\r\nX\r\n",
    b"Host: a\r\n: b\r\n",
    b"Host: a\r\nX[: b\r\n",
    b"Host: a\r\nX: b\0c\r\n",
    b"Host: a\r\nX: b\rc\r\n",
    b"Host: a\r\nX: \xe9\r\n",
    b"Host: a\r\nX: \x7f\r\n",
    b"Host: a\nX: b\r\n",
    b"Host: a\r\nContent-Type: a/b\r\nContent-Type: a/c\r\n",
    b"Host: a\r\nExpect: miracles\r\n",
    b"Host: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n",
    b"Host: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    b"Host: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n",
    b"Host: a\r\nExpect: 100-continue, 100-continue\r\n",
    b"Host: :80\r\n",
    b"Host: [a]\r\n",
    b"Host: [::1]:80\r\n",
    b"Host: [fe80::1%25a]\r\n",
    b"Host: a\r\nX-Forwarded-Proto: https\r\n",
];

const BODIES: [&str; 28] = [
    "Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "Content-Length: 1, 1\r\n\r\na",
    "Content-Length: +1\r\n\r\na",
    "Content-Length: -1\r\n\r\na",
    "Content-Length: 0x1\r\n\r\na",
    "Content-Length: 01\r\n\r\na",
    "Content-Length:  1\r\n\r\na",
    "Content-Length: 1 \r\n\r\na",
    "Content-Length:\r\n\r\n",
    "Content-Length: 99999999999999999999\r\n\r\na",
    "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "Transfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked, gzip\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "Transfer-Encoding: xchunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "Transfer-Encoding: \x0bchunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "Transfer-Encoding:\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n",
    "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n1;\r\na\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n1;a\nb\r\na\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n1;a=\"b\r\na\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nno colon\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\na\r\n",
];

const WHOLE: [&str; 6] = [
    "\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\n\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n",
    "\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "PUT /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

/// Pieces that a mutation puts somewhere.
const PIECES: [&str; 34] = [
    "\r\n",
    "\n",
    "\r",
    "\0",
    " ",
    "\t",
    ":",
    ",",
    ";",
    "\"",
    "/",
    "?",
    "#",
    "%",
    "\\",
    "*",
    "0",
    "1",
    "a",
    "\x7f",
    "\r\n ",
    "\r\n\r\n",
    "é",
    "<",
    "`",
    "HTTP/1.",
    "http://",
    "chunked",
    "gzip",
    "close",
    "Host: b\r\n",
    "Content-Length: 1\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Expect: 100-continue\r\n",
];

/// Mutations in an order that the seed decides.
pub(crate) struct Seeded {
    random: fastrand::Rng,
    bases: Vec<Vec<u8>>,
}

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), bases: valid() }
    }

    /// A valid request with one or two changes.
    pub(crate) fn mutation(&mut self) -> Vec<u8> {
        let mut bytes = self.bases[self.random.usize(..self.bases.len())].clone();
        for _ in 0..self.random.usize(1..=2) {
            self.mutate(&mut bytes);
        }
        bytes
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let random = &mut self.random;
        let at = random.usize(..bytes.len());
        let piece = PIECES[random.usize(..PIECES.len())].as_bytes();
        match random.u32(..7) {
            0 => bytes[at] = random.u8(..),
            1 => drop(bytes.remove(at)),
            2 => drop(bytes.splice(at..at, piece.iter().copied())),
            3 => drop(bytes.splice(at..=at, piece.iter().copied())),
            4 => bytes[at] ^= 0x20,
            5 => {
                // A line once more: field, chunk or request line.
                let from = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
                let to = bytes[at..]
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .map_or(bytes.len(), |end| at + end + 1);
                let line = bytes[from..to].to_vec();
                bytes.splice(from..from, line);
            }
            _ => {
                // At the start of a line, where a field or a piece of framing means most.
                let line = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(0, |end| at + end + 1);
                bytes.splice(line..line, piece.iter().copied());
            }
        }
    }
}
