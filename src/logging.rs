//! Log lines on standard error, as text for people or as JSON for machines, one write each.

use std::io::Write;
use std::time::SystemTime;

use log::{LevelFilter, Log, Metadata, Record};
use time::OffsetDateTime;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `2026-01-31T12:00:00.000Z INFO text`
    Text,
    /// One JSON object a line: `time`, `level`, `target`, `message`.
    Json,
}

struct StderrLog {
    format: Format,
}

/// Sends all log records of this crate, and warnings of others, to standard error.
pub fn install(level: LevelFilter, format: Format) {
    // A second call (in tests) keeps the first logger.
    if log::set_boxed_logger(Box::new(StderrLog { format })).is_ok() {
        log::set_max_level(level);
    }
}

impl Log for StderrLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("pouco") || metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let line = match self.format {
            Format::Text => format!("{} {:5} {}\n", timestamp(), record.level(), record.args()),
            Format::Json => {
                let line = serde_json::json!({
                    "time": timestamp(),
                    "level": record.level().as_str(),
                    "target": record.target(),
                    "message": record.args().to_string(),
                });
                format!("{line}\n")
            }
        };
        // Nothing is left to tell anybody if standard error is closed.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}

/// RFC 3339 in UTC, to the millisecond.
fn timestamp() -> String {
    let now = OffsetDateTime::from(SystemTime::now());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        now.year(),
        u8::from(now.month()),
        now.day(),
        now.hour(),
        now.minute(),
        now.second(),
        now.millisecond()
    )
}
