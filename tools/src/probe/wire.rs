//! A connection to the server, and what was seen on it.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::answer::{self, Answer};
use super::template::Step;

/// No answer in these tests is longer; one that is would be a fault of its own.
const MAX_BYTES: usize = 4 << 20;

#[derive(Clone, Debug)]
pub enum Endpoint {
    Tcp(String),
    Unix(PathBuf),
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("tcp", address)) => Ok(Self::Tcp(address.to_owned())),
            Some(("unix", path)) => Ok(Self::Unix(path.into())),
            _ => Err(format!("{text}: tcp:HOST:PORT or unix:/PATH is allowed")),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Endpoint {
    /// What a client of this endpoint writes into its Host field.
    pub fn host(&self) -> String {
        match self {
            Self::Tcp(address) => address.clone(),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }

    fn connect(&self, timeout: Duration) -> io::Result<Stream> {
        let stream = match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                // A write of its own is to be a segment of its own.
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
            Self::Unix(path) => Stream::Unix(UnixStream::connect(path)?),
        };
        // A server that has heard enough reads no more; what it said is then the result, not our blocked
        // write.
        match &stream {
            Stream::Tcp(stream) => stream.set_write_timeout(Some(timeout))?,
            Stream::Unix(stream) => stream.set_write_timeout(Some(timeout))?,
        }
        Ok(stream)
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
        }
    }

    fn read(&mut self, into: &mut [u8], wait: Duration) -> io::Result<usize> {
        let wait = Some(wait.max(Duration::from_millis(1)));
        match self {
            Self::Tcp(stream) => {
                stream.set_read_timeout(wait)?;
                stream.read(into)
            }
            Self::Unix(stream) => {
                stream.set_read_timeout(wait)?;
                stream.read(into)
            }
        }
    }

    fn end(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

/// All that came back on one connection.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub answers: Vec<Answer>,
    /// By the server, in whichever way. False is silence.
    pub closed: bool,
    /// What is wrong with the answers themselves.
    pub faults: Vec<String>,
    pub raw: Vec<u8>,
}

impl Seen {
    pub fn finals(&self) -> usize {
        self.answers.iter().filter(|answer| answer.status >= 200).count()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.answers.is_empty() {
            f.write_str("none ")?;
        }
        for answer in &self.answers {
            write!(f, "{} ", answer.status)?;
        }
        f.write_str(if self.closed { "close" } else { "open" })
    }
}

/// Does the steps on a fresh connection and reads until the server closes or has been silent for `timeout`.
pub fn talk(
    endpoint: &Endpoint,
    steps: &[Step],
    head_at: Option<usize>,
    timeout: Duration,
) -> io::Result<Seen> {
    let mut talk =
        Talk { stream: endpoint.connect(timeout)?, seen: Seen::default(), head_at, timeout, broken: false };
    let mut each = None;
    for step in steps {
        match step {
            Step::Send(bytes) => talk.send(bytes, each),
            Step::Pause(ms) => std::thread::sleep(Duration::from_millis(*ms)),
            Step::Each(ms) => each = Some(Duration::from_millis(*ms)),
            Step::Await => talk.read_until_answered(),
            // Fails where the server has closed already, which the reader sees too.
            Step::End => drop(talk.stream.end()),
        }
    }
    while talk.read_once() {}
    let Talk { mut seen, .. } = talk;
    answer::parse(&mut seen, head_at);
    Ok(seen)
}

struct Talk {
    stream: Stream,
    seen: Seen,
    head_at: Option<usize>,
    timeout: Duration,
    /// A write failed: nothing more can be sent, but what the server said before is still to be read.
    broken: bool,
}

impl Talk {
    fn send(&mut self, bytes: &[u8], each: Option<Duration>) {
        let pieces = if each.is_some() { 1 } else { bytes.len().max(1) };
        for piece in bytes.chunks(pieces) {
            if self.broken {
                return;
            }
            self.broken = self.stream.write(piece).is_err();
            std::thread::sleep(each.unwrap_or_default());
        }
    }

    /// False when there is nothing more to come.
    fn read_once(&mut self) -> bool {
        let mut buffer = [0; 16384];
        if self.seen.closed || self.seen.raw.len() > MAX_BYTES {
            return false;
        }
        match self.stream.read(&mut buffer, self.timeout) {
            Ok(0) => self.seen.closed = true,
            Ok(count) => self.seen.raw.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return false;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.seen.closed = true,
        }
        !self.seen.closed
    }

    fn read_until_answered(&mut self) {
        let started = Instant::now();
        let before = self.answered();
        while started.elapsed() < self.timeout && self.read_once() && self.answered() == before {}
    }

    fn answered(&self) -> usize {
        let mut seen = self.seen.clone();
        answer::parse(&mut seen, self.head_at);
        seen.answers.len()
    }
}
