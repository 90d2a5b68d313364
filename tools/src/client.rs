//! The client of all tests and tools: it sends the very bytes that its caller wants to send, and reads
//! answers as strictly as they must be written.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use socket2::{Domain, Socket, Type};

pub use crate::answer::Answer;
use crate::answer::{Framing, content, framing, head};

/// Nothing in a test takes this long unless it hangs.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Where a server listens.
#[derive(Clone, Debug)]
pub enum Target {
    Tcp(String),
    Unix(PathBuf),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("tcp", address)) => Ok(Self::Tcp(address.to_owned())),
            Some(("unix", path)) => Ok(Self::Unix(path.into())),
            _ => Err(format!("{text}: tcp:HOST:PORT or unix:/PATH is allowed")),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An open connection with what was read and not yet used.
pub struct Connection {
    socket: Socket,
    pub buffer: Vec<u8>,
    /// When all that is waited for must be there.
    deadline: Option<Instant>,
}

impl Target {
    /// What a client of this address writes into its Host field.
    pub fn host(&self) -> &str {
        match self {
            Self::Tcp(address) => address,
            Self::Unix(_) => "localhost",
        }
    }

    pub fn connect(&self) -> Connection {
        self.try_connect().unwrap_or_else(|error| panic!("{self:?}: {error}"))
    }

    pub fn try_connect(&self) -> io::Result<Connection> {
        match self {
            Self::Tcp(host_port) => {
                let stream = TcpStream::connect(host_port)?;
                // A write of its own is to be a segment of its own.
                stream.set_nodelay(true)?;
                Connection::of(stream)
            }
            Self::Unix(path) => Connection::of(UnixStream::connect(path)?),
        }
    }

    /// As [`Target::connect`], from another address of this machine, as another client. Over TCP only.
    pub fn connect_from(&self, address: &str) -> Connection {
        let Self::Tcp(host_port) = self else { panic!("{self:?} knows no addresses") };
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(address.parse().unwrap(), 0).into()).unwrap();
        socket.connect(&host_port.parse::<SocketAddr>().unwrap().into()).unwrap();
        socket.set_tcp_nodelay(true).unwrap();
        Connection::of(socket).unwrap()
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
    pub fn of(socket: impl Into<Socket>) -> io::Result<Self> {
        let connection = Self { socket: socket.into(), buffer: Vec::new(), deadline: None };
        connection.set_timeout(TIMEOUT)?;
        Ok(connection)
    }

    pub fn into_socket(self) -> Socket {
        self.socket
    }

    /// How long a read and a write may wait.
    pub fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.socket.set_read_timeout(Some(timeout))?;
        self.socket.set_write_timeout(Some(timeout))
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    /// As [`Connection::send`], for bytes that the server may refuse to take.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.socket.write_all(bytes.as_ref())
    }

    /// Sends the same bytes again and again, as a client does that reads nothing, until the server cuts it.
    pub fn send_until_cut(&mut self, bytes: &str) {
        while self.try_send(bytes).is_ok() {}
    }

    /// Sends one byte at a time, with `pause` between them, until the server answers.
    pub fn drip(&mut self, byte: u8, pause: Duration) -> Answer {
        self.set_timeout(pause).unwrap();
        loop {
            // After the server's last words a byte more may be refused; the answer is there nevertheless.
            let _ = self.try_send([byte]);
            match self.read_more() {
                Ok(more) => break assert!(more, "closed without an answer"),
                Err(error) if is_silence(&error) => {}
                Err(error) => panic!("no answer: {error}"),
            }
        }
        self.set_timeout(TIMEOUT).unwrap();
        self.answer()
    }

    /// Reads at most so many bytes, which stay for the answer; how many there were, none at the end.
    pub fn sip(&mut self, most: usize) -> usize {
        let before = self.buffer.len();
        self.read_at_most(most).unwrap_or_else(|error| panic!("no answer: {error}"));
        self.buffer.len() - before
    }

    /// Reads and drops so many bytes.
    pub fn skip(&mut self, bytes: u64) {
        let skipped = io::copy(&mut Read::take(&mut self.socket, bytes), &mut io::sink()).unwrap();
        assert_eq!(skipped, bytes);
    }

    /// How many bytes the server still sends before it closes.
    pub fn bytes_until_closed(&mut self) -> usize {
        let mut bytes = std::mem::take(&mut self.buffer).len();
        loop {
            match self.sip(16 * 1024) {
                0 => return bytes,
                more => bytes += more,
            }
            self.buffer.clear();
        }
    }

    /// Closes the sending side only.
    pub fn half_close(&mut self) {
        self.end().unwrap();
    }

    pub(crate) fn end(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)
    }

    /// Whether the server has neither closed nor sent anything.
    pub fn is_quiet(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        recv(&self.socket, &mut [0_u8; 1][..], flags) == Err(Errno::WOULDBLOCK)
    }

    pub fn request(&mut self, method: &str, path: &str, body: &str) -> Answer {
        self.send(request_text(method, path, body));
        self.answer_to(method)
    }

    /// One request and its answer, which must be there by then.
    pub fn exchange(&mut self, text: &str, deadline: Instant) -> io::Result<Answer> {
        self.deadline = Some(deadline);
        self.socket.set_write_timeout(Some(left(deadline)?))?;
        self.try_send(text)?;
        self.read_answer(false)?.ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }

    /// The next response; panics if there is none.
    pub fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    pub fn answer_to(&mut self, method: &str) -> Answer {
        self.try_answer_to(method).expect("an answer before the end of the connection")
    }

    /// The next response, or `None` at the end of the connection and of chunks without an end.
    pub fn try_answer_to(&mut self, method: &str) -> Option<Answer> {
        match self.read_answer(method == "HEAD") {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => None,
            answer => answer.unwrap_or_else(|error| panic!("no answer: {error}")),
        }
    }

    /// The next response, or `None` where the connection ends before it begins.
    pub fn read_answer(&mut self, to_head: bool) -> io::Result<Option<Answer>> {
        let (mut answer, length) = loop {
            if let Some(found) = head(&self.buffer)? {
                break found;
            }
            if !self.read_more()? {
                return if self.buffer.is_empty() { Ok(None) } else { Err(self.cut()) };
            }
        };
        self.buffer.drain(..length);
        let (framing, mut closed) = (framing(&answer, to_head)?, false);
        loop {
            let (taken, whole) = content(framing, &self.buffer, closed, &mut answer.body)?;
            self.buffer.drain(..taken);
            match whole {
                true => return Ok(Some(answer)),
                false if closed && framing == Framing::Chunks => return Err(ErrorKind::UnexpectedEof.into()),
                false if closed => return Err(self.cut()),
                false => closed = !self.read_more()?,
            }
        }
    }

    fn cut(&self) -> io::Error {
        let rest = &self.buffer[..self.buffer.len().min(400)];
        io::Error::new(ErrorKind::InvalidData, format!("an answer is cut off: {}", rest.escape_ascii()))
    }

    /// Whether the server has closed, and sent nothing more before.
    pub fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && self.sip(16 * 1024) == 0
    }

    /// Whether there was more before the end.
    pub fn read_more(&mut self) -> io::Result<bool> {
        self.read_at_most(16 * 1024)
    }

    fn read_at_most(&mut self, most: usize) -> io::Result<bool> {
        if let Some(deadline) = self.deadline {
            self.socket.set_read_timeout(Some(left(deadline)?))?;
        }
        let mut chunk = vec![0; most];
        loop {
            match self.socket.read(&mut chunk) {
                Ok(count) => {
                    self.buffer.extend_from_slice(&chunk[..count]);
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether nothing came for as long as it was waited for.
pub fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

pub fn request_text(method: &str, path: &str, body: &str) -> String {
    if body.is_empty() {
        format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n")
    } else {
        format!("{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }
}
