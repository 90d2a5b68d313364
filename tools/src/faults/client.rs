//! A client on a raw socket that tells what it knows of a request's fate: answered, never sent, or unknown.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};

/// An answer that has come completely.
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum NoAnswer {
    /// There was no connection, so nobody has the request.
    NotSent,
    /// The connection broke after the request had begun to leave.
    Broken,
    /// Nothing came for as long as the client has patience: something hangs.
    Hung,
}

/// Keeps its connection for the next request, as nginx does.
pub struct Client {
    socket: PathBuf,
    patience: Duration,
    stream: Option<UnixStream>,
}

impl Answer {
    /// A header field, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

impl Client {
    pub fn new(socket: &Path, patience: Duration) -> Self {
        Self { socket: socket.to_owned(), patience, stream: None }
    }

    pub fn get(&mut self, path: &str) -> Result<Answer, NoAnswer> {
        self.request(&format!("GET {path} HTTP/1.1\r\nHost: faults\r\n\r\n"))
    }

    pub fn post(&mut self, path: &str, body: &str) -> Result<Answer, NoAnswer> {
        self.request(&format!(
            "POST {path} HTTP/1.1\r\nHost: faults\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    /// With more header fields, each with its line end.
    pub fn ask(&mut self, method: &str, path: &str, fields: &str, body: &str) -> Result<Answer, NoAnswer> {
        self.request(&request(method, path, fields, body))
    }

    /// As [`Client::ask`], but goes away after so long without having listened.
    pub fn ask_and_leave(
        &self,
        method: &str,
        path: &str,
        fields: &str,
        body: &str,
        stay: Duration,
    ) -> NoAnswer {
        let Ok(mut stream) = UnixStream::connect(&self.socket) else { return NoAnswer::NotSent };
        // Whether all of it went out makes no difference to somebody who does not listen.
        let _ = stream.set_write_timeout(Some(self.patience));
        let _ = stream.write_all(request(method, path, fields, body).as_bytes());
        std::thread::sleep(stay);
        NoAnswer::Broken
    }

    fn request(&mut self, text: &str) -> Result<Answer, NoAnswer> {
        // As nginx does, an idle connection is looked at before it is used: a server that stops has closed
        // it.
        let mut stream = match self.stream.take().filter(is_open) {
            Some(stream) => stream,
            None => UnixStream::connect(&self.socket).map_err(|_| NoAnswer::NotSent)?,
        };
        let exchange = exchange(&mut stream, text, Instant::now() + self.patience);
        let answer = exchange.map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => NoAnswer::Hung,
            _ => NoAnswer::Broken,
        })?;
        if answer.header("connection") != Some("close") {
            self.stream = Some(stream);
        }
        Ok(answer)
    }
}

fn request(method: &str, path: &str, fields: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: faults\r\n{fields}Content-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn is_open(stream: &UnixStream) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    recv(stream, &mut [0_u8; 1][..], flags) == Err(rustix::io::Errno::WOULDBLOCK)
}

/// A stream of bytes that waits no longer than it is told to.
pub trait Timed: Read + Write {
    /// For each write, or else for each read.
    fn wait_at_most(&self, writes: bool, patience: Duration) -> io::Result<()>;
}

impl Timed for UnixStream {
    fn wait_at_most(&self, writes: bool, patience: Duration) -> io::Result<()> {
        if writes { self.set_write_timeout(Some(patience)) } else { self.set_read_timeout(Some(patience)) }
    }
}

impl Timed for TcpStream {
    fn wait_at_most(&self, writes: bool, patience: Duration) -> io::Result<()> {
        if writes { self.set_write_timeout(Some(patience)) } else { self.set_read_timeout(Some(patience)) }
    }
}

/// One request and its answer.
pub fn exchange(stream: &mut impl Timed, text: &str, deadline: Instant) -> io::Result<Answer> {
    stream.wait_at_most(true, left(deadline)?)?;
    stream.write_all(text.as_bytes())?;
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        read_more(stream, &mut bytes, deadline)?;
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or(ErrorKind::InvalidData)?;
    let mut answer = Answer { status, head, body: bytes.split_off(head_end) };
    let length = answer.header("content-length").map(str::parse).transpose();
    let length: usize = length.map_err(|_| ErrorKind::InvalidData)?.unwrap_or(0);
    while answer.body.len() < length {
        read_more(stream, &mut answer.body, deadline)?;
    }
    Ok(answer)
}

fn read_more(stream: &mut impl Timed, bytes: &mut Vec<u8>, deadline: Instant) -> io::Result<()> {
    stream.wait_at_most(false, left(deadline)?)?;
    let mut chunk = [0; 16 * 1024];
    match stream.read(&mut chunk)? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        count => {
            bytes.extend_from_slice(&chunk[..count]);
            Ok(())
        }
    }
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}
