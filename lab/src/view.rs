//! What the lab prints: [`Output`], and to the error channel what one sees while a contest runs, one line
//! that is drawn again each second on a terminal, plain lines elsewhere. Everything is printed through here:
//! `println!` and `eprintln!` panic where nobody reads.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::time::{Duration, Instant};

#[cfg(feature = "contests")]
use crate::live::{Event, Teller};

/// Elsewhere than on a terminal a line this often is enough.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// One second of a load, as shown.
#[derive(Clone, Debug, Default)]
pub struct Tick {
    /// Users a second that should start now.
    pub asked: f64,
    /// Users that started in the last second.
    pub achieved: f64,
    /// Requests that were answered in it.
    pub answers: f64,
    /// Of the last second's answers.
    pub p99_ms: Option<f64>,
    /// Failed requests so far.
    pub failed: u64,
    /// Cores in use.
    pub cpus: Option<f64>,
    /// Of all services.
    pub memory_bytes: Option<u64>,
    /// Until the load's end.
    pub left: Duration,
}

/// The output channel. A reader that has seen enough, such as `head`, ends nothing: the rest goes nowhere,
/// and the exit code is what it is otherwise. Other errors are errors: a full disk has taken something that
/// somebody wanted.
pub struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unread(io::stdout().write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        unread(io::stdout().flush(), ())
    }
}

fn unread<T>(written: io::Result<T>, all: T) -> io::Result<T> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(all),
        other => other,
    }
}

/// Writes a line to the error channel. Where nobody reads it any more, as after the end of a terminal, that
/// is no reason to stop, and least of all in the middle of taking something down.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes progress to the error channel, so that output can be piped.
pub struct View {
    terminal: bool,
    /// What every line begins with: the contestant and the round.
    heading: String,
    drawn: bool,
    last_plain: Option<Instant>,
    /// The page on which the same is shown.
    #[cfg(feature = "contests")]
    page: Option<Teller>,
}

impl Default for View {
    fn default() -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
            heading: String::new(),
            drawn: false,
            last_plain: None,
            #[cfg(feature = "contests")]
            page: None,
        }
    }
}

impl View {
    /// From now on a page shows the same.
    #[cfg(feature = "contests")]
    pub fn show_on(&mut self, page: Teller) {
        self.page = Some(page);
    }

    /// What only a page shows.
    #[cfg(feature = "contests")]
    pub fn tell(&self, event: impl FnOnce() -> Event) {
        if let Some(page) = &self.page {
            page.tell(event());
        }
    }

    /// What follows is about this.
    pub fn heading(&mut self, text: &str) {
        text.clone_into(&mut self.heading);
        self.last_plain = None;
    }

    /// A step of the procedure.
    pub fn step(&mut self, text: &str) {
        self.clear();
        say(&format!("[{}] {text}", self.heading));
        #[cfg(feature = "contests")]
        self.tell(|| Event::Step(text.to_owned()));
    }

    /// A second of the load.
    pub fn tick(&mut self, tick: &Tick) {
        #[cfg(feature = "contests")]
        self.tell(|| Event::Tick(tick.clone()));
        let line = format!("[{}] {}", self.heading, shown(tick));
        if self.terminal {
            // Back to the line's beginning, and away with what a longer line has left.
            let mut terminal = io::stderr();
            let _ = write!(terminal, "\r\x1b[2K{line}").and_then(|()| terminal.flush());
            self.drawn = true;
        } else if self.last_plain.is_none_or(|last| last.elapsed() >= PLAIN_EVERY) {
            say(&line);
            self.last_plain = Some(Instant::now());
        }
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            say("");
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.clear();
    }
}

fn shown(tick: &Tick) -> String {
    let mut text = format!("asked {:.0}/s, achieved {:.0}/s", tick.asked, tick.achieved);
    if tick.answers > 0.0 {
        text.push_str(&format!(", answers {:.0}/s", tick.answers));
    }
    if let Some(p99_ms) = tick.p99_ms {
        text.push_str(&format!(", p99 {p99_ms:.1} ms"));
    }
    text.push_str(&format!(", failed {}", tick.failed));
    if let Some(cpus) = tick.cpus {
        text.push_str(&format!(", CPU {cpus:.2}"));
    }
    if let Some(bytes) = tick.memory_bytes {
        text.push_str(&format!(", memory {} MiB", bytes >> 20));
    }
    let left = tick.left.as_secs();
    text.push_str(&format!(", {}:{:02} left", left / 60, left % 60));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_all_that_is_known_and_nothing_else() {
        let tick = Tick {
            asked: 600.0,
            achieved: 598.0,
            failed: 2,
            left: Duration::from_secs(65),
            ..Tick::default()
        };
        assert_eq!(shown(&tick), "asked 600/s, achieved 598/s, failed 2, 1:05 left");
        let (p99_ms, cpus, memory_bytes) = (Some(1.25), Some(0.5), Some(3 << 20));
        let tick = Tick { answers: 1_200.0, p99_ms, cpus, memory_bytes, ..tick };
        assert!(shown(&tick).contains("answers 1200/s, p99 1.2 ms, failed 2, CPU 0.50, memory 3 MiB"));
    }
}
