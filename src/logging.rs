//! Log lines on standard error, as text for people or as JSON for machines, one write each.
//!
//! Standard error may be a pipe that nobody empties, and a write to it then waits forever. So the caller only
//! puts a line into a bounded queue, and one thread writes. Past the bound lines are dropped; how many is a
//! metric, and a line of its own once the queue is empty again. Lines about single requests have half of the
//! queue, so that there is always room for the others.
//!
//! A line that is logged while a request is served has its name ([`crate::identity`]).
//!
//! What is logged may hold what a client, a file or a server has said. So a line is one line, whatever is in
//! it: what controls a terminal, ends a line or turns the direction of writing is written as its code.

mod line;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use log::{Level, LevelFilter, Log, Metadata, Record};
use parking_lot::{Condvar, Mutex};

use crate::identity;
use crate::limits::{LOG_FLUSH_MS, LOG_QUEUE_BYTES};
use crate::waiting::life::keep;
use line::{Escaped, LogEntry, cut};
pub use line::{Event, Format, Value};

/// The target of what this room itself says.
const TARGET: &str = module_path!();

/// How long a coroutine that panics waits for its message to be written: the process may be about to abort.
const PANIC_FLUSH: Duration = Duration::from_millis(10);

#[derive(Default)]
struct Backlog {
    lines: VecDeque<LogEntry>,
    bytes: usize,
    /// Whether a line was taken that is not written yet.
    writing: bool,
    /// Lines dropped since that was last said.
    dropped: u64,
}

impl Backlog {
    fn is_written(&self) -> bool {
        self.lines.is_empty() && !self.writing && self.dropped == 0
    }
}

struct QueuedLog {
    /// Locked to move a line, never to write one.
    queue: Mutex<Backlog>,
    /// Rung when a line comes.
    came: Condvar,
    /// Rung when all lines are written.
    written: Condvar,
    dropped: AtomicU64,
    dropped_events: AtomicU64,
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
            log.push(LogEntry::Plain(line.to_owned()));
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

/// How many [`Event`]s were dropped for the same reason.
#[must_use]
pub fn dropped_events() -> u64 {
    LOG.get().map_or(0, |log| log.dropped_events.load(Ordering::Relaxed))
}

/// Writes a line about a request, whatever the level is. Without [`install`] nobody reads it.
pub fn tell(event: Event) {
    if let Some(log) = LOG.get() {
        log.push_event(LogEntry::Event { at: SystemTime::now(), event });
    }
}

impl QueuedLog {
    fn new(format: Format) -> Self {
        let (came, written) = (Condvar::new(), Condvar::new());
        let (dropped, dropped_events) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { queue: Mutex::default(), came, written, dropped, dropped_events, format }
    }

    fn push_event(&self, line: LogEntry) {
        let bytes = line.bytes();
        let mut queue = self.queue.lock();
        if queue.dropped > 0 || queue.bytes + bytes > LOG_QUEUE_BYTES / 2 {
            self.dropped_events.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queue.bytes += bytes;
        queue.lines.push_back(line);
        drop(queue);
        self.came.notify_one();
    }

    fn push(&self, line: LogEntry) {
        let bytes = line.bytes();
        let mut queue = self.queue.lock();
        // Until it is said how many were dropped, no later line must come before that.
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

    fn next_line(&self) -> LogEntry {
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
                return LogEntry::Logged {
                    at: SystemTime::now(),
                    level: Level::Warn,
                    target: TARGET.to_owned(),
                    message: format!("{dropped} log lines were dropped: standard error was too slow"),
                    identity: None,
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
            self.push(LogEntry::Logged {
                at: SystemTime::now(),
                level: record.level(),
                target: record.target().to_owned(),
                message: cut(record.args()),
                identity: identity::current(),
            });
        }
    }

    fn flush(&self) {
        flush();
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
    let (at, identity) = (SystemTime::now(), identity::current());
    match frames.status() {
        BacktraceStatus::Captured => log.push(LogEntry::Panicked { at, message, frames, identity }),
        _ => log.push(LogEntry::panic(at, message, identity)),
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
    use super::line::{Format, LogEntry};
    use super::{Event, QueuedLog};
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

    #[test]
    fn a_long_message_is_cut_between_two_characters() {
        let log = QueuedLog::new(Format::Text);
        record(&log, &format!("a{}", "é".repeat(LOG_MESSAGE_BYTES)));
        let Some(LogEntry::Logged { message, .. }) = log.queue.lock().lines.pop_front() else {
            panic!("a line")
        };
        assert_eq!(message.len(), LOG_MESSAGE_BYTES - 1);
    }
    /// Lines of requests leave room for those that somebody waits for.
    #[test]
    fn lines_of_requests_have_half_of_the_queue() {
        let log = QueuedLog::new(Format::Text);
        let event = || Event { target: "t", message: "x".repeat(1_000), members: Vec::new(), identity: None };
        while log.dropped_events.load(Ordering::Relaxed) < 3 {
            log.push_event(LogEntry::Event { at: std::time::SystemTime::UNIX_EPOCH, event: event() });
            assert!(log.queue.lock().bytes <= LOG_QUEUE_BYTES / 2);
        }
        record(&log, "there is room");
        assert_eq!((log.dropped.load(Ordering::Relaxed), log.queue.lock().dropped), (0, 0));
        let last = log.queue.lock().lines.pop_back();
        assert!(matches!(last, Some(LogEntry::Logged { message, .. }) if message == "there is room"));
    }
}
