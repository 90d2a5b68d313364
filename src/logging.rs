//! Log lines on standard error, as text for people or as JSON for machines, one write each.
//!
//! Standard error may be a pipe that nobody empties, and a write to it then waits for ever. So whoever logs
//! only puts a line into a bounded queue, and one thread writes. Past the bound lines are dropped; how many
//! is a metric, and a line of its own once the queue is empty again.
//!
//! What is logged may hold what a client, a file or a server has said. So a line is one line, whatever is in
//! it: what controls a terminal, ends a line or turns the direction of writing is written as its code.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use log::{Level, LevelFilter, Log, Metadata, Record};
use parking_lot::{Condvar, Mutex};

use crate::dates::{Fraction, moment};
use crate::limits::{LOG_FLUSH_MS, LOG_MESSAGE_BYTES, LOG_QUEUE_BYTES};
use crate::waiting::life::keep;

/// Memory of a queued line beside its message, about.
const LINE_OVERHEAD_BYTES: usize = 128;

/// How long a coroutine that panics waits for its message to be written: the process may be about to abort.
const PANIC_FLUSH: Duration = Duration::from_millis(10);

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `2026-01-31T12:00:00.000Z INFO text`
    Text,
    /// One JSON object a line: `time`, `level`, `target`, `message`.
    Json,
}

/// What was logged and is not yet a line.
enum Line {
    Logged {
        at: SystemTime,
        level: Level,
        target: String,
        message: String,
    },
    /// Written without time and level.
    Plain(String),
    /// A panic with its frames, which are named here, since that takes more of a stack than a coroutine has.
    Panicked {
        at: SystemTime,
        message: String,
        frames: Backtrace,
    },
}

impl Line {
    fn bytes(&self) -> usize {
        LINE_OVERHEAD_BYTES
            + match self {
                Self::Logged { target, message, .. } => target.len() + message.len(),
                Self::Plain(text) => text.len(),
                Self::Panicked { .. } => LOG_MESSAGE_BYTES,
            }
    }

    fn render(self, format: Format) -> String {
        match (self, format) {
            (Self::Plain(text), _) => format!("{}\n", Escaped(&text)),
            (Self::Logged { at, level, message, .. }, Format::Text) => {
                format!("{} {level:5} {}\n", moment(at, Fraction::Milliseconds), Escaped(&message))
            }
            (Self::Panicked { at, message, frames }, Format::Text) => {
                let first = Self::panic(at, message).render(Format::Text);
                // No line of ours begins with a blank.
                let frames =
                    cut(&frames).lines().map(|frame| format!("    {}\n", Escaped(frame))).collect::<String>();
                first + &frames
            }
            (Self::Panicked { at, message, frames }, Format::Json) => {
                Self::panic(at, format!("{message}\n{}", cut(&frames))).render(Format::Json)
            }
            (Self::Logged { at, level, target, message }, Format::Json) => {
                let line = serde_json::json!({
                    "time": moment(at, Fraction::Milliseconds),
                    "level": level.as_str(),
                    "target": target,
                    "message": message,
                });
                format!("{}\n", in_json(line.to_string()))
            }
        }
    }

    fn panic(at: SystemTime, message: String) -> Self {
        Self::Logged { at, level: Level::Error, target: module_path!().to_owned(), message }
    }
}

/// A text as a part of one line.
struct Escaped<'t>(&'t str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(controls) {
            f.write_str(&rest[..at])?;
            let mut after = rest[at..].chars();
            after.next().map_or(Ok(()), |control| write!(f, "{}", control.escape_default()))?;
            rest = after.as_str();
        }
        f.write_str(rest)
    }
}

/// Whether a character does something to a terminal, a line, or the direction of writing.
fn controls(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// JSON with the same meaning. Its own escapes end below the blank, and outside of its strings there is no
/// such character.
fn in_json(line: String) -> String {
    if !line.contains(controls) {
        return line;
    }
    let mut out = String::with_capacity(line.len() + 16);
    for char in line.chars() {
        match controls(char) {
            // All of them are of the first plane. A String takes everything.
            true => drop(write!(out, "\\u{:04x}", u32::from(char))),
            false => out.push(char),
        }
    }
    out
}

/// A text no longer than a message may be.
fn cut(text: &dyn std::fmt::Display) -> String {
    let mut cut = Bounded(String::new());
    // It fails only where it is cut.
    let _ = write!(cut, "{text}");
    cut.0
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Line>,
    bytes: usize,
    /// Whether a line was taken that is not written yet.
    writing: bool,
    /// Lines dropped since that was last said.
    dropped: u64,
}

impl Queue {
    fn is_written(&self) -> bool {
        self.lines.is_empty() && !self.writing && self.dropped == 0
    }
}

struct QueuedLog {
    /// Locked to move a line, never to write one.
    queue: Mutex<Queue>,
    /// Rung when a line comes.
    came: Condvar,
    /// Rung when all lines are written.
    written: Condvar,
    dropped: AtomicU64,
    format: Format,
}

static LOG: OnceLock<QueuedLog> = OnceLock::new();

/// Sends all log records of this crate, and warnings of others, to standard error; panics too. [`flush`] has
/// to follow before the process ends.
///
/// # Errors
/// If there is no thread to be had.
pub fn install(level: LevelFilter, format: Format) -> io::Result<()> {
    let log = LOG.get_or_init(|| QueuedLog::new(format));
    // A second call (in tests) keeps the first logger.
    if log::set_logger(log).is_ok() {
        log::set_max_level(level);
        // Without a bound: a standard error that nobody reads holds up nothing else.
        keep("pouco-log", None, || log.write_forever(|line| io::stderr().write_all(line)))?;
        std::panic::set_hook(Box::new(log_panic));
    }
    Ok(())
}

/// Waits until all that was logged is written, but not for a standard error that takes nothing.
pub fn flush() {
    if let Some(log) = LOG.get() {
        log.flush_within(Duration::from_millis(LOG_FLUSH_MS));
    }
}

/// Writes a line without level and time behind all that was logged, and waits as [`flush`] does: for the
/// process's last words to its user.
pub fn say(line: &str) {
    match LOG.get() {
        Some(log) => {
            // A queue that is full would drop it.
            flush();
            log.push(Line::Plain(line.to_owned()));
            flush();
        }
        // Nothing is left to tell anybody if standard error is closed.
        None => drop(io::stderr().write_all(format!("{}\n", Escaped(line)).as_bytes())),
    }
}

/// How many lines were dropped because standard error was too slow.
#[must_use]
pub fn dropped_lines() -> u64 {
    LOG.get().map_or(0, |log| log.dropped.load(Ordering::Relaxed))
}

impl QueuedLog {
    fn new(format: Format) -> Self {
        let (came, written) = (Condvar::new(), Condvar::new());
        Self { queue: Mutex::default(), came, written, dropped: AtomicU64::new(0), format }
    }

    fn push(&self, line: Line) {
        let bytes = line.bytes();
        let mut queue = self.queue.lock();
        // Until it is said how many were dropped, no later line shall come before that.
        if queue.dropped > 0 || queue.bytes + bytes > LOG_QUEUE_BYTES {
            queue.dropped += 1;
            self.dropped.fetch_add(1, Ordering::Relaxed);
            // With nothing in the queue the writer would sleep over it.
            self.came.notify_one();
            return;
        }
        queue.bytes += bytes;
        queue.lines.push_back(line);
        drop(queue);
        self.came.notify_one();
    }

    /// The writing thread.
    fn write_forever(&self, mut write: impl FnMut(&[u8]) -> io::Result<()>) {
        loop {
            let line = self.next_line().render(self.format);
            // Nothing is left to tell anybody if standard error is closed.
            let _ = write(line.as_bytes());
        }
    }

    fn next_line(&self) -> Line {
        let mut queue = self.queue.lock();
        queue.writing = false;
        loop {
            if let Some(line) = queue.lines.pop_front() {
                queue.bytes -= line.bytes();
                queue.writing = true;
                return line;
            }
            if queue.dropped > 0 {
                queue.writing = true;
                let dropped = std::mem::take(&mut queue.dropped);
                return Line::Logged {
                    at: SystemTime::now(),
                    level: Level::Warn,
                    target: module_path!().to_owned(),
                    message: format!("{dropped} log lines were dropped: standard error was too slow"),
                };
            }
            self.written.notify_all();
            self.came.wait(&mut queue);
        }
    }

    fn flush_within(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut queue = self.queue.lock();
        while !queue.is_written() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            self.written.wait_for(&mut queue, left);
        }
    }
}

impl Log for QueuedLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("pouco") || metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.push(Line::Logged {
                at: SystemTime::now(),
                level: record.level(),
                target: record.target().to_owned(),
                message: cut(record.args()),
            });
        }
    }

    fn flush(&self) {
        flush();
    }
}

/// A message that is cut where it is too long.
struct Bounded(String);

impl std::fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = LOG_MESSAGE_BYTES - self.0.len();
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        let cut = (0..=room).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        self.0.push_str(&text[..cut]);
        Err(std::fmt::Error)
    }
}

/// A panic is a line as any other. Its frames are noted where it happens, which takes no more of the stack
/// than the panic itself does, and named by the thread that writes: a coroutine's stack is too small for
/// that. Its thread waits for it to be written, since the process may end with the thread; a coroutine, whose
/// panic ends a connection, waits a moment, and not at all behind lines that are stuck.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let frames = Backtrace::capture();
    let thread = thread::current();
    let name = thread.name().unwrap_or("unnamed");
    let in_coroutine = may::coroutine::is_coroutine();
    if !in_coroutine {
        // A queue that is full would drop it.
        flush();
    }
    let Some(log) = LOG.get() else { return };
    let message = cut(&format_args!("thread {name}: {panic}"));
    match frames.status() {
        BacktraceStatus::Captured => log.push(Line::Panicked { at: SystemTime::now(), message, frames }),
        _ => log.push(Line::panic(SystemTime::now(), message)),
    }
    if !in_coroutine {
        return flush();
    }
    let stuck = {
        let queue = log.queue.lock();
        queue.lines.len() > 1 || queue.dropped > 0
    };
    if !stuck {
        log.flush_within(PANIC_FLUSH);
    }
}

#[cfg(test)]
mod tests {
    use super::{Format, Line, QueuedLog};
    use crate::limits::{LOG_MESSAGE_BYTES, LOG_QUEUE_BYTES};
    use log::{Level, Log, Record};
    use std::sync::atomic::Ordering;
    use std::sync::mpsc;
    use std::time::Duration;

    fn record(log: &QueuedLog, message: &str) {
        log.log(
            &Record::builder().level(Level::Info).target("pouco").args(format_args!("{message}")).build(),
        );
    }

    /// A log whose standard error takes a line when the test takes it.
    fn start() -> (&'static QueuedLog, mpsc::Receiver<String>) {
        let log: &'static QueuedLog = Box::leak(Box::new(QueuedLog::new(Format::Text)));
        let (sender, lines) = mpsc::sync_channel(0);
        let write = move |line: &[u8]| {
            sender.send(String::from_utf8_lossy(line).into_owned()).map_err(std::io::Error::other)
        };
        std::thread::spawn(move || log.write_forever(write));
        (log, lines)
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_said() {
        let (log, lines) = start();
        let message = "x".repeat(1_000);
        let mut logged = 0;
        while log.dropped.load(Ordering::Relaxed) < 3 {
            record(log, &message);
            logged += 1;
            assert!(log.queue.lock().bytes <= LOG_QUEUE_BYTES);
        }
        log.flush_within(Duration::from_millis(1));
        for _ in 0..logged - 3 {
            assert!(lines.recv().unwrap().ends_with(&format!("INFO  {message}\n")));
        }
        let said = lines.recv().unwrap();
        assert!(said.ends_with("WARN  3 log lines were dropped: standard error was too slow\n"), "{said}");
        log.flush_within(Duration::from_secs(20));
        assert!(log.queue.lock().is_written());
        record(log, "again");
        assert!(lines.recv().unwrap().ends_with("again\n"));
    }

    /// Whatever is logged, it is one line, and nothing in it reaches a terminal as anything but text.
    #[test]
    fn nothing_that_is_logged_makes_a_line_of_its_own() {
        let forged = "a\n2026-01-31T12:00:00.000Z ERROR forged\r\x1b[2J\u{9b}\u{7f}\u{2028}\u{202e}é\\\"";
        for format in [Format::Text, Format::Json] {
            let logged = || Line::Logged {
                at: std::time::SystemTime::UNIX_EPOCH,
                level: Level::Info,
                target: "pouco".into(),
                message: forged.into(),
            };
            let lines = [logged().render(format), Line::Plain(forged.into()).render(format)];
            for line in &lines {
                let text = line.strip_suffix('\n').unwrap();
                assert!(!text.contains(super::controls), "{line}");
                assert!(text.contains('é'), "{line}");
            }
            if format == Format::Json {
                let value: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
                assert_eq!(value["message"], forged);
            }
        }
    }

    #[test]
    fn frames_of_a_panic_are_told_from_lines() {
        let line = Line::Panicked {
            at: std::time::SystemTime::UNIX_EPOCH,
            message: "first\nsecond".into(),
            frames: std::backtrace::Backtrace::force_capture(),
        };
        let text = line.render(Format::Text);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("1970-01-01T00:00:00.000Z ERROR first\\nsecond"));
        assert!(lines.all(|line| line.starts_with("    ")), "{text}");
        assert!(text.contains("frames_of_a_panic_are_told_from_lines"), "{text}");
    }

    #[test]
    fn a_long_message_is_cut_between_two_characters() {
        let log = QueuedLog::new(Format::Text);
        record(&log, &format!("a{}", "é".repeat(LOG_MESSAGE_BYTES)));
        let Some(Line::Logged { message, .. }) = log.queue.lock().lines.pop_front() else { panic!("a line") };
        assert_eq!(message.len(), LOG_MESSAGE_BYTES - 1);
    }
}
