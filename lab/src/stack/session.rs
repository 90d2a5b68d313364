//! A session with a contestant's database that stays open: a process for each question would cost more than
//! the questions.
//!
//! In a container it is `psql`, which runs within the limits of the database's service, as does the session's
//! own process there: its part of the CPU is the same for everybody who has the same Postgres.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use postgres::{Client, SimpleQueryMessage};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::command;

/// A question and its answer. The database may have other things to do.
const LIMIT: Duration = Duration::from_secs(10);
/// A session whose end nobody reads ends by itself within this time.
const END_LIMIT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(5);
/// Far beyond any answer of a line.
const MAX_LINE_BYTES: usize = 16 << 20;
/// Of what it says when it ends, this much.
const ERROR_BYTES: u64 = 600;

/// A session that stays open.
pub trait Session: Send {
    /// The answer to a query that gives one row of one column; empty where it is NULL.
    ///
    /// # Errors
    /// The session has ended, the query is refused, or there is no answer within ten seconds.
    fn line(&mut self, query: &str) -> Result<String>;
}

impl Session for Client {
    fn line(&mut self, query: &str) -> Result<String> {
        for message in self.simple_query(query)? {
            if let SimpleQueryMessage::Row(row) = message {
                return Ok(row.get(0).unwrap_or_default().to_owned());
            }
        }
        bail!("no row came")
    }
}

/// A program that reads statements and writes a line for each.
pub(super) struct Program {
    child: Child,
    questions: Option<ChildStdin>,
    answers: ChildStdout,
    buffer: Vec<u8>,
}

impl Program {
    /// Starts `command`, in a process group of its own.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.process_group(0).spawn().with_context(|| name.clone())?;
        let (questions, answers) = (child.stdin.take(), child.stdout.take().context(name)?);
        Ok(Self { child, questions, answers, buffer: Vec::new() })
    }

    /// A line that has come whole.
    fn next(&mut self) -> Option<String> {
        let end = self.buffer.iter().position(|byte| *byte == b'\n')?;
        let line: Vec<u8> = self.buffer.drain(..=end).collect();
        Some(String::from_utf8_lossy(&line[..end]).into_owned())
    }

    /// Waits for more, until `deadline`. False at the end of its output.
    fn read(&mut self, deadline: Instant) -> Result<bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).context("a time to wait")?;
        let ready = poll(&mut [PollFd::new(&self.answers, PollFlags::IN)], Some(&left))?;
        ensure!(ready > 0, "no answer within {} s", LIMIT.as_secs());
        let mut piece = [0; 16 << 10];
        let count = self.answers.read(&mut piece)?;
        self.buffer.extend_from_slice(&piece[..count]);
        ensure!(self.buffer.len() <= MAX_LINE_BYTES, "an answer of more than {MAX_LINE_BYTES} bytes");
        Ok(count > 0)
    }

    /// What it said when it ended.
    fn last_words(&mut self) -> String {
        self.end();
        let mut said = Vec::new();
        if let Some(errors) = self.child.stderr.take() {
            // Whoever else holds the pipe has been killed with it.
            let _ = errors.take(ERROR_BYTES).read_to_end(&mut said);
        }
        String::from_utf8_lossy(&said).trim().to_owned()
    }

    /// Without questions it ends, and takes what it started in the container with it; otherwise it is made
    /// to.
    fn end(&mut self) {
        self.questions = None;
        let deadline = Instant::now() + END_LIMIT;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(POLL);
        }
        command::kill_group(&self.child);
        let _ = self.child.wait();
    }
}

impl Session for Program {
    fn line(&mut self, query: &str) -> Result<String> {
        let deadline = Instant::now() + LIMIT;
        let asked = match &mut self.questions {
            Some(questions) => questions.write_all(format!("{query};\n").as_bytes()),
            None => bail!("the session has ended"),
        };
        while asked.is_ok() {
            if let Some(line) = self.next() {
                return Ok(line);
            }
            if !self.read(deadline)? {
                break;
            }
        }
        bail!("the session has ended: {}", self.last_words())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program::start(Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn a_session_answers_line_by_line_until_it_ends() {
        let mut session = shell("read one; echo \"<$one>\"; read two; echo; echo why >&2; exit 3");
        assert_eq!(session.line("SELECT 1").unwrap(), "<SELECT 1;>");
        assert_eq!(session.line("SELECT 2").unwrap(), "");
        let error = session.line("SELECT 3").unwrap_err().to_string();
        assert_eq!(error, "the session has ended: why");
        assert!(session.line("SELECT 4").unwrap_err().to_string().contains("has ended"));
    }

    #[test]
    fn a_session_that_is_dropped_leaves_nothing() {
        let mut session = shell("echo $$; trap '' TERM; while :; do sleep 1; done");
        let pid: i32 = session.line("").unwrap().parse().unwrap();
        assert!(crate::meters::alive(pid).is_some());
        drop(session);
        assert!(crate::meters::alive(pid).is_none());
    }
}
