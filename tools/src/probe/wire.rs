//! A conversation with the server, and what was seen of it.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use super::answer;
use super::template::Step;
use crate::client::{Answer, Connection, Target, is_silence};

/// No answer in these tests is longer; one that is would be a fault of its own.
const MAX_BYTES: usize = 4 << 20;

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
pub fn talk(target: &Target, steps: &[Step], head_at: Option<usize>, timeout: Duration) -> io::Result<Seen> {
    let connection = target.try_connect()?;
    // A server that has heard enough reads no more; what it said is then the result, not our blocked write.
    connection.set_timeout(timeout)?;
    let mut talk = Talk { connection, closed: false, head_at, timeout, broken: false };
    let mut each = None;
    for step in steps {
        match step {
            Step::Send(bytes) => talk.send(bytes, each),
            Step::Pause(ms) => std::thread::sleep(Duration::from_millis(*ms)),
            Step::Each(ms) => each = Some(Duration::from_millis(*ms)),
            Step::Await => talk.read_until_answered(),
            // Fails where the server has closed already, which the reader sees too.
            Step::End => drop(talk.connection.end()),
        }
    }
    while talk.read_once() {}
    let (answers, faults) = answer::parse(&talk.connection.buffer, head_at, talk.closed);
    Ok(Seen { answers, closed: talk.closed, faults, raw: talk.connection.buffer })
}

struct Talk {
    /// What came stays in its buffer.
    connection: Connection,
    closed: bool,
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
            self.broken = self.connection.try_send(piece).is_err();
            std::thread::sleep(each.unwrap_or_default());
        }
    }

    /// False when there is nothing more to come.
    fn read_once(&mut self) -> bool {
        if self.closed || self.connection.buffer.len() > MAX_BYTES {
            return false;
        }
        match self.connection.read_more() {
            Ok(more) => self.closed = !more,
            Err(error) if is_silence(&error) => return false,
            Err(_) => self.closed = true,
        }
        !self.closed
    }

    fn read_until_answered(&mut self) {
        let started = Instant::now();
        let before = self.answered();
        while started.elapsed() < self.timeout && self.read_once() && self.answered() == before {}
    }

    fn answered(&self) -> usize {
        answer::parse(&self.connection.buffer, self.head_at, self.closed).0.len()
    }
}
