//! Plain HTTP/1.1 over one connection, blocking, with a bound on everything that a contestant may send. It
//! goes to the address itself, whatever proxy the environment names.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use socket2::{Domain, SockAddr, Socket, Type};

/// From the first byte sent to the last one received. No request of a conformance pass is heavy.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
const MAX_HEADERS: usize = 100;
const READ_BYTES: usize = 16 * 1024;

/// One GET over a connection of its own.
///
/// # Errors
/// No connection, or no whole answer in time.
pub(crate) fn get(address: &str, path: &str) -> Result<Answer> {
    Connection::open(address)?.ask(&Request { method: "GET", path, headers: &[], body: None })
}

/// What is asked.
pub(crate) struct Request<'r> {
    pub(crate) method: &'r str,
    pub(crate) path: &'r str,
    pub(crate) headers: &'r [(String, String)],
    /// Absent: no `Content-Length` either, but for methods that should carry a body.
    pub(crate) body: Option<&'r [u8]>,
}

/// What came.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let named = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }
}

pub(crate) struct Connection {
    stream: Socket,
    host: String,
    buffer: Vec<u8>,
    deadline: Instant,
}

impl Connection {
    /// To a host and a port, or to the path of a Unix socket.
    pub(crate) fn open(address: &str) -> Result<Self> {
        let (stream, host) = if address.starts_with('/') {
            let to = || format!("no connection to {address}");
            (to_socket(address).with_context(to)?, "localhost")
        } else {
            (to_port(address)?, address)
        };
        Ok(Self { stream, host: host.to_owned(), buffer: Vec::new(), deadline: Instant::now() })
    }

    /// Sends one request and reads its whole answer.
    pub(crate) fn ask(&mut self, request: &Request<'_>) -> Result<Answer> {
        self.deadline = Instant::now() + ANSWER_TIMEOUT;
        self.stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        let sent = self.stream.write_all(&self.bytes_of(request)?);
        // A server may answer and close before it has read all of a body that it does not want.
        match (self.answer(request.method), sent) {
            (Err(_), Err(error)) => Err(error).context("the request was not taken"),
            (answer, _) => answer,
        }
    }

    fn bytes_of(&self, request: &Request<'_>) -> Result<Vec<u8>> {
        ensure!(
            request.path.starts_with('/') && request.path.bytes().all(|byte| byte.is_ascii_graphic()),
            "`{}` is not a path",
            request.path
        );
        let mut head = format!("{} {} HTTP/1.1\r\nhost: {}\r\n", request.method, request.path, self.host);
        for (name, value) in request.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let body = request.body.unwrap_or_default();
        if request.body.is_some() || matches!(request.method, "POST" | "PUT" | "PATCH") {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        Ok([head.as_bytes(), body].concat())
    }

    fn answer(&mut self, method: &str) -> Result<Answer> {
        loop {
            let mut answer = self.head()?;
            if (100..200).contains(&answer.status) {
                continue;
            }
            if method != "HEAD" && !matches!(answer.status, 204 | 304) {
                answer.body = self.body(&answer)?;
            }
            return Ok(answer);
        }
    }

    fn head(&mut self) -> Result<Answer> {
        loop {
            if let Some((answer, length)) = parse_head(&self.buffer)? {
                self.buffer.drain(..length);
                return Ok(answer);
            }
            ensure!(
                self.buffer.len() < MAX_HEAD_BYTES,
                "the head of the answer is over {MAX_HEAD_BYTES} bytes"
            );
            if !self.read_more()? {
                ensure!(self.buffer.is_empty(), "the connection ended within the head of the answer");
                bail!("the connection ended without an answer");
            }
        }
    }

    fn body(&mut self, answer: &Answer) -> Result<Vec<u8>> {
        if let Some(coding) = answer.header("transfer-encoding") {
            ensure!(coding.eq_ignore_ascii_case("chunked"), "transfer-encoding: {coding} is not known");
            return self.chunks();
        }
        if let Some(length) = answer.header("content-length") {
            let length: usize = length.parse().with_context(|| format!("content-length: {length}"))?;
            return self.take(length);
        }
        while self.read_more()? {
            check_body_bytes(self.buffer.len())?;
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16).with_context(|| format!("chunk size `{digits}`"))?;
            if size == 0 {
                // Trailers end with an empty line.
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            check_body_bytes(body.len().saturating_add(size))?;
            body.extend(self.take(size)?);
            ensure!(self.line()?.is_empty(), "a chunk is longer than its size");
        }
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>> {
        check_body_bytes(length)?;
        while self.buffer.len() < length {
            ensure!(self.read_more()?, "the body ended after {} of {length} bytes", self.buffer.len());
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn line(&mut self) -> Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).take(end).collect();
                return String::from_utf8(line).context("a chunk's line is not text");
            }
            ensure!(self.buffer.len() < MAX_HEAD_BYTES, "a chunk's line is over {MAX_HEAD_BYTES} bytes");
            ensure!(self.read_more()?, "the connection ended within a chunk");
        }
    }

    /// `false` at the end of the connection.
    fn read_more(&mut self) -> Result<bool> {
        let mut piece = [0; READ_BYTES];
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "no whole answer within {ANSWER_TIMEOUT:?}");
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut piece) {
                Ok(count) => {
                    self.buffer.extend_from_slice(&piece[..count]);
                    return Ok(count > 0);
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut
                    ) => {}
                Err(error) => return Err(error).context("no answer"),
            }
        }
    }
}

fn to_port(address: &str) -> Result<Socket> {
    let resolved = address.to_socket_addrs().with_context(|| format!("no such address: {address}"))?;
    let mut refused = None;
    for one in resolved {
        match TcpStream::connect_timeout(&one, ANSWER_TIMEOUT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream.into());
            }
            Err(error) => refused = Some(error),
        }
    }
    match refused {
        Some(error) => Err(error).with_context(|| format!("no connection to {address}")),
        None => bail!("{address} is not an address"),
    }
}

fn to_socket(path: &str) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A full queue of a Unix socket makes its clients wait, for as long as they may for a write.
    socket.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(socket)
}

fn check_body_bytes(length: usize) -> Result<()> {
    ensure!(length <= MAX_BODY_BYTES, "the body of the answer is over {MAX_BODY_BYTES} bytes");
    Ok(())
}

/// The head with its length, once all of it is there.
fn parse_head(bytes: &[u8]) -> Result<Option<(Answer, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = response.parse(bytes).context("the answer is no HTTP")? else {
        return Ok(None);
    };
    let text = |value: &[u8]| String::from_utf8_lossy(value).trim().to_owned();
    let headers = response.headers.iter().map(|field| (field.name.to_owned(), text(field.value))).collect();
    Ok(Some((Answer { status: response.code.unwrap_or_default(), headers, body: Vec::new() }, length)))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_path_is_that_of_a_unix_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.sock");
        let path = path.to_str().unwrap();
        let error = format!("{:#}", get(path, "/x").unwrap_err());
        assert!(error.contains(path), "{error}");
        let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut seen = [0; 1024];
                let count = stream.read(&mut seen).unwrap();
                assert!(seen[..count].starts_with(b"GET /x HTTP/1.1\r\nhost: localhost\r\n"), "{seen:?}");
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").unwrap();
            });
            assert_eq!(get(path, "/x").unwrap().body, b"hi");
        });
    }

    /// Asks a server that answers each request with the next of `answers` and then closes.
    fn ask_one_that_says(answers: &[&str], method: &str) -> Vec<Result<Answer>> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                for answer in answers {
                    let mut seen = Vec::new();
                    while !seen.ends_with(b"\r\n\r\n") {
                        let mut byte = [0];
                        stream.read_exact(&mut byte).unwrap();
                        seen.push(byte[0]);
                    }
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            });
            let mut connection = Connection::open(&address).unwrap();
            let request = Request { method, path: "/x", headers: &[], body: None };
            answers.iter().map(|_| connection.ask(&request)).collect()
        })
    }

    #[test]
    fn every_framing_of_a_body_is_read_and_the_next_answer_begins_after_it() {
        let chunked = "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nLocation:  /y \r\n\r\n\
                       3;x=1\r\nabc\r\n0A\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n";
        let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        let empty = "HTTP/1.1 204 No Content\r\n\r\n";
        let until_end = "HTTP/1.1 422 No\r\n\r\nall of it";
        let answers = ask_one_that_says(&[chunked, interim, empty, until_end], "GET");
        let answers: Vec<Answer> = answers.into_iter().map(Result::unwrap).collect();
        let seen: Vec<(u16, &[u8])> = answers.iter().map(|one| (one.status, one.body.as_slice())).collect();
        let expected: [(u16, &[u8]); 4] =
            [(201, b"abc0123456789"), (200, b"hi"), (204, b""), (422, b"all of it")];
        assert_eq!(seen, expected);
        assert_eq!(answers[0].header("location"), Some("/y"));
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(ask_one_that_says(&[head], "HEAD").remove(0).unwrap().body, b"");
    }

    #[test]
    fn what_is_no_whole_answer_is_an_error_that_says_so() {
        for (answer, said) in [
            ("", "without an answer"),
            ("HTTP/1.1 200", "within the head"),
            ("SSH-2.0-x\r\n\r\n", "no HTTP"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "after 5 of 9 bytes"),
            ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "content-length: x"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "is over"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", "longer than its size"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", "after 2 of 3"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "not known"),
        ] {
            let error = format!("{:#}", ask_one_that_says(&[answer], "GET").remove(0).unwrap_err());
            assert!(error.contains(said), "{answer:?}: {error}");
        }
    }
}
