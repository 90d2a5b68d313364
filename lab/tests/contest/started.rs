//! The lab while it runs: what it says, line by line.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// For a line to come, or for the end.
const WAIT: Duration = Duration::from_secs(90);

/// A run of which all that it says is read as it comes. It ends with the test.
pub(crate) struct Started {
    child: Child,
    lines: Receiver<String>,
    said: String,
}

impl Started {
    pub(crate) fn new(lab: &mut Command) -> Self {
        let mut child = lab.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            // Nobody listens any more once the test has failed.
            for line in errors.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines, said: String::new() }
    }

    /// The next line in which there is this.
    pub(crate) fn until(&mut self, wanted: &str) -> String {
        let deadline = Instant::now() + WAIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else { panic!("no {wanted}\n{}", self.said) };
            self.said += &format!("{line}\n");
            if line.contains(wanted) {
                return line;
            }
        }
    }

    /// As a terminal does after Ctrl-C.
    pub(crate) fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
    }

    /// Its exit code, and all that it said.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + WAIT;
        let left = || deadline.saturating_duration_since(Instant::now());
        // The channel ends with the program.
        while let Ok(line) = self.lines.recv_timeout(left()) {
            self.said += &format!("{line}\n");
        }
        assert!(!left().is_zero(), "it does not end\n{}", self.said);
        (self.child.wait().unwrap().code(), std::mem::take(&mut self.said))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It has ended, unless the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
