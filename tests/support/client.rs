//! A client on raw sockets: it sends the very bytes that a test wants to send.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// Nothing in a test takes this long unless it hangs.
const TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Clone, Debug)]
pub enum Target {
    Tcp(String),
    Unix(PathBuf),
}

trait Stream: Read + Write + Send {
    /// Says that nothing more will be sent; answers can still be read.
    fn end(&self) -> std::io::Result<()>;
    /// How long a read and a write may wait.
    fn set_timeout(&self, timeout: Duration) -> std::io::Result<()>;
}

impl Stream for TcpStream {
    fn end(&self) -> std::io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn set_timeout(&self, timeout: Duration) -> std::io::Result<()> {
        self.set_read_timeout(Some(timeout))?;
        self.set_write_timeout(Some(timeout))
    }
}

impl Stream for UnixStream {
    fn end(&self) -> std::io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn set_timeout(&self, timeout: Duration) -> std::io::Result<()> {
        self.set_read_timeout(Some(timeout))?;
        self.set_write_timeout(Some(timeout))
    }
}

/// An open connection with what was read and not yet used.
pub struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

/// One response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }
}

impl Target {
    pub fn connect(&self) -> Connection {
        self.try_connect().unwrap_or_else(|error| panic!("{self:?}: {error}"))
    }

    pub fn try_connect(&self) -> std::io::Result<Connection> {
        let stream: Box<dyn Stream> = match self {
            Self::Tcp(host_port) => {
                let stream = TcpStream::connect(host_port)?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Unix(path) => Box::new(UnixStream::connect(path)?),
        };
        stream.set_timeout(TIMEOUT)?;
        Ok(Connection { stream, buffer: Vec::new() })
    }

    /// As [`Target::connect`], from another address of this machine, as another client. Over TCP only.
    pub fn connect_from(&self, address: &str) -> Connection {
        let Self::Tcp(host_port) = self else { panic!("{self:?} knows no addresses") };
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(address.parse().unwrap(), 0).into()).unwrap();
        socket.connect(&host_port.parse::<SocketAddr>().unwrap().into()).unwrap();
        let stream: TcpStream = socket.into();
        stream.set_nodelay(true).unwrap();
        stream.set_timeout(TIMEOUT).unwrap();
        Connection { stream: Box::new(stream), buffer: Vec::new() }
    }

    /// One request as it is written, on a connection of its own.
    pub fn ask(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut connection = self.connect();
        connection.send(request);
        connection.answer()
    }

    /// One request on a connection of its own.
    pub fn get(&self, path: &str) -> Answer {
        self.connect().request("GET", path, "")
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.connect().request("POST", path, body)
    }
}

impl Connection {
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// As [`Connection::send`], for bytes that the server may refuse to take.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends the same bytes again and again, as a client does that reads nothing, until the server cuts it.
    pub fn send_until_cut(&mut self, bytes: &str) {
        while self.try_send(bytes).is_ok() {}
    }

    /// Sends one byte at a time, with `pause` between them, until the server answers.
    pub fn drip(&mut self, byte: u8, pause: Duration) -> Answer {
        self.stream.set_timeout(pause).unwrap();
        loop {
            // After the server's last words a byte more may be refused; the answer is there nevertheless.
            let _ = self.try_send([byte]);
            let mut chunk = [0; 4 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(count) => {
                    assert!(count > 0, "closed without an answer");
                    self.buffer.extend_from_slice(&chunk[..count]);
                    break;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => panic!("no answer: {error}"),
            }
        }
        self.stream.set_timeout(TIMEOUT).unwrap();
        self.answer()
    }

    /// Reads at most so many bytes, which stay for the answer; how many there were, none at the end.
    pub fn sip(&mut self, most: usize) -> usize {
        let before = self.buffer.len();
        self.read_at_most(most);
        self.buffer.len() - before
    }

    /// Reads and drops so many bytes.
    pub fn skip(&mut self, bytes: u64) {
        let skipped = std::io::copy(&mut Read::take(&mut self.stream, bytes), &mut std::io::sink()).unwrap();
        assert_eq!(skipped, bytes);
    }

    /// How many bytes the server still sends before it closes.
    pub fn bytes_until_closed(&mut self) -> usize {
        let mut bytes = std::mem::take(&mut self.buffer).len();
        while self.read_more() {
            bytes += std::mem::take(&mut self.buffer).len();
        }
        bytes
    }

    /// Closes the sending side only.
    pub fn half_close(&mut self) {
        self.stream.end().unwrap();
    }

    pub fn request(&mut self, method: &str, path: &str, body: &str) -> Answer {
        self.send(request_text(method, path, body));
        self.answer_to(method)
    }

    /// The next response; panics if there is none.
    pub fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    pub fn answer_to(&mut self, method: &str) -> Answer {
        self.try_answer_to(method).expect("an answer before the end of the connection")
    }

    /// The next response, or `None` at the end of the connection.
    pub fn try_answer_to(&mut self, method: &str) -> Option<Answer> {
        let head_end = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.read_more() {
                assert!(self.buffer.is_empty(), "cut off: {}", self.buffer.escape_ascii());
                return None;
            }
        };
        let head = String::from_utf8(self.buffer.drain(..head_end).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').unwrap())
            // One blank, as every recipient expects it (RFC 9110 section 5.6.3).
            .map(|(name, value)| (name, value.strip_prefix(' ').unwrap_or(value)))
            .map(|(name, value)| (name.to_owned(), value.trim_end().to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        if method == "HEAD" || status < 200 || status == 204 {
            return Some(answer);
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = self.read_chunks()?;
        } else if answer.header("content-length").is_none() && answer.header("connection") == Some("close") {
            while self.read_more() {}
            answer.body = std::mem::take(&mut self.buffer);
        } else {
            let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
            while self.buffer.len() < length {
                assert!(self.read_more(), "the body is cut off");
            }
            answer.body = self.buffer.drain(..length).collect();
        }
        Some(answer)
    }

    /// A chunked body without trailers; `None` if the connection ends before it does.
    fn read_chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                match self.buffer.windows(2).position(|window| window == b"\r\n") {
                    Some(at) => break self.buffer.drain(..at + 2).collect::<Vec<u8>>(),
                    None if self.read_more() => {}
                    None => return None,
                }
            };
            let digits = std::str::from_utf8(&line[..line.len() - 2]).unwrap();
            let size = usize::from_str_radix(digits, 16).unwrap();
            while self.buffer.len() < size + 2 {
                if !self.read_more() {
                    return None;
                }
            }
            body.extend(self.buffer.drain(..size));
            assert_eq!(self.buffer.drain(..2).collect::<Vec<u8>>(), b"\r\n");
            if size == 0 {
                return Some(body);
            }
        }
    }

    /// Whether the server has closed, and sent nothing more before.
    pub fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.read_more()
    }

    fn read_more(&mut self) -> bool {
        self.read_at_most(16 * 1024)
    }

    fn read_at_most(&mut self, most: usize) -> bool {
        let mut chunk = vec![0; most];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("no answer: {error}"),
        }
    }
}

pub fn request_text(method: &str, path: &str, body: &str) -> String {
    if body.is_empty() {
        format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n")
    } else {
        format!("{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }
}
