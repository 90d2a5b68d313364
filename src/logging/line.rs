//! What a log line is made of, and how it is written: as text or as JSON, and as one line whatever is in it.

use std::backtrace::Backtrace;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use log::Level;

use crate::dates::{Fraction, moment};
use crate::identity::Identity;
use crate::limits::{LOG_MESSAGE_BYTES, LOG_TEXT_BYTES};

/// Memory of a queued line besides its message, about.
const LINE_OVERHEAD_BYTES: usize = 128;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `2026-01-31T12:00:00.000Z INFO text`
    Text,
    /// One JSON object a line: `time`, `level`, `target`, `message`; of a request its name too.
    Json,
}

/// A line about one request, of which machines read the parts.
#[derive(Debug)]
pub struct Event {
    /// Whose it is, as the module of another line.
    pub target: &'static str,
    /// For people.
    pub message: String,
    /// The parts; texts are cut at [`LOG_TEXT_BYTES`].
    pub members: Vec<(&'static str, Value)>,
    /// The request's name.
    pub identity: Option<Arc<Identity>>,
}

/// A part of an [`Event`].
#[derive(Debug)]
#[allow(missing_docs)] // the names say it
pub enum Value {
    Number(u64),
    Text(String),
}

impl Value {
    /// A text, cut where it is too long.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text[..text.floor_char_boundary(LOG_TEXT_BYTES)].to_owned())
    }

    fn json(self) -> serde_json::Value {
        match self {
            Self::Number(number) => number.into(),
            Self::Text(text) => text.into(),
        }
    }
}

/// In quotes where a reader could take a blank in it for its end.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) if text.is_empty() || text.contains([' ', '"', '=', '\\']) => {
                write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
            }
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// What was logged and is not yet a line.
pub(super) enum LogEntry {
    Logged {
        at: SystemTime,
        level: Level,
        target: String,
        message: String,
        identity: Option<Arc<Identity>>,
    },
    Event {
        at: SystemTime,
        event: Event,
    },
    /// Written without time and level.
    Plain(String),
    /// A panic with its frames, which are named here, since that takes more of a stack than a coroutine has.
    Panicked {
        at: SystemTime,
        message: String,
        frames: Backtrace,
        identity: Option<Arc<Identity>>,
    },
}

impl LogEntry {
    pub(super) fn bytes(&self) -> usize {
        LINE_OVERHEAD_BYTES
            + match self {
                Self::Logged { target, message, .. } => target.len() + message.len(),
                Self::Event { event, .. } => event.bytes(),
                Self::Plain(text) => text.len(),
                Self::Panicked { .. } => LOG_MESSAGE_BYTES,
            }
    }

    pub(super) fn render(self, format: Format) -> String {
        match (self, format) {
            (Self::Plain(text), _) => format!("{}\n", Escaped(&text)),
            (Self::Logged { at, level, message, identity, .. }, Format::Text) => {
                in_text(at, level, &message, named(identity.as_deref()))
            }
            (Self::Event { at, event }, Format::Text) => {
                let named = named(event.identity.as_deref());
                in_text(at, Level::Info, &event.message, event.members.into_iter().chain(named))
            }
            (Self::Panicked { at, message, frames, identity }, Format::Text) => {
                let first = Self::panic(at, message, identity).render(Format::Text);
                // No line of ours begins with a blank.
                let frames =
                    cut(&frames).lines().map(|frame| format!("    {}\n", Escaped(frame))).collect::<String>();
                first + &frames
            }
            (Self::Panicked { at, message, frames, identity }, Format::Json) => {
                Self::panic(at, format!("{message}\n{}", cut(&frames)), identity).render(Format::Json)
            }
            (Self::Logged { at, level, target, message, identity }, Format::Json) => {
                as_json(at, level, &target, message, named(identity.as_deref()))
            }
            (Self::Event { at, event }, Format::Json) => {
                let named = named(event.identity.as_deref());
                let members = event.members.into_iter().chain(named);
                as_json(at, Level::Info, event.target, event.message, members)
            }
        }
    }

    pub(super) fn panic(at: SystemTime, message: String, identity: Option<Arc<Identity>>) -> Self {
        Self::Logged { at, level: Level::Error, target: super::TARGET.to_owned(), message, identity }
    }
}

impl Event {
    fn bytes(&self) -> usize {
        let of = |(_, value): &(&'static str, Value)| {
            size_of::<(&str, Value)>()
                + match value {
                    Value::Number(_) => 0,
                    Value::Text(text) => text.len(),
                }
        };
        self.message.len() + self.members.iter().map(of).sum::<usize>()
    }
}

/// What a request's name adds to a line.
fn named(identity: Option<&Identity>) -> Vec<(&'static str, Value)> {
    let Some(identity) = identity else { return Vec::new() };
    let mut members = vec![("request_id", Value::text(identity.id()))];
    if let Some((trace, span)) = identity.trace() {
        members.extend([("trace_id", Value::text(trace)), ("span_id", Value::text(span))]);
    }
    members
}

fn in_text(
    at: SystemTime,
    level: Level,
    message: &str,
    members: impl IntoIterator<Item = (&'static str, Value)>,
) -> String {
    let mut line = format!("{} {level:5} {}", moment(at, Fraction::Milliseconds), Escaped(message));
    for (name, value) in members {
        // A String takes everything.
        let _ = write!(line, " {name}={}", Escaped(&value.to_string()));
    }
    line.push('\n');
    line
}

fn as_json(
    at: SystemTime,
    level: Level,
    target: &str,
    message: String,
    members: impl IntoIterator<Item = (&'static str, Value)>,
) -> String {
    let mut line = serde_json::Map::new();
    line.insert("time".into(), moment(at, Fraction::Milliseconds).into());
    line.insert("level".into(), level.as_str().into());
    line.insert("target".into(), target.into());
    line.insert("message".into(), message.into());
    line.extend(members.into_iter().map(|(name, value)| (name.to_owned(), value.json())));
    format!("{}\n", in_json(serde_json::Value::Object(line).to_string()))
}

/// A text as a part of one line.
pub(super) struct Escaped<'t>(pub(super) &'t str);

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
pub(super) fn cut(text: &dyn std::fmt::Display) -> String {
    let mut cut = Bounded(String::new());
    // It fails only where it is cut.
    let _ = write!(cut, "{text}");
    cut.0
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

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(message: &str, identity: Option<Arc<Identity>>) -> LogEntry {
        LogEntry::Logged {
            at: SystemTime::UNIX_EPOCH,
            level: Level::Info,
            target: "pouco".into(),
            message: message.into(),
            identity,
        }
    }

    /// Whatever is logged, it is one line, and nothing in it reaches a terminal as anything but text.
    #[test]
    fn nothing_that_is_logged_makes_a_line_of_its_own() {
        let forged = "a\n2026-01-31T12:00:00.000Z ERROR forged\r\x1b[2J\u{9b}\u{7f}\u{2028}\u{202e}é\\\"";
        for format in [Format::Text, Format::Json] {
            let event = Event {
                target: "pouco::access",
                message: forged.into(),
                members: vec![("path", Value::text(forged))],
                identity: None,
            };
            let lines = [
                logged(forged, None).render(format),
                LogEntry::Event { at: SystemTime::UNIX_EPOCH, event }.render(format),
                LogEntry::Plain(forged.into()).render(format),
            ];
            for line in &lines {
                let text = line.strip_suffix('\n').unwrap();
                assert!(!text.contains(controls), "{line}");
                assert!(text.contains('é'), "{line}");
            }
            if format == Format::Json {
                let [first, second] = [&lines[0], &lines[1]]
                    .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
                assert_eq!((&first["message"], &second["path"]), (&forged.into(), &forged.into()));
            }
        }
    }

    #[test]
    fn frames_of_a_panic_are_told_from_lines() {
        let line = LogEntry::Panicked {
            at: SystemTime::UNIX_EPOCH,
            message: "first\nsecond".into(),
            frames: Backtrace::force_capture(),
            identity: None,
        };
        let text = line.render(Format::Text);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("1970-01-01T00:00:00.000Z ERROR first\\nsecond"));
        assert!(lines.all(|line| line.starts_with("    ")), "{text}");
        assert!(text.contains("frames_of_a_panic_are_told_from_lines"), "{text}");
    }

    #[test]
    fn a_request_s_name_is_in_its_lines() {
        let parent = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let identity = Arc::new(Identity::new(Some(b"a-1"), Some(parent)));
        let (trace, span) = identity.trace().unwrap();
        let (trace, span) = (trace.to_owned(), span.to_owned());
        let text = logged("no", Some(identity.clone())).render(Format::Text);
        let name = format!("request_id=a-1 trace_id={trace} span_id={span}");
        assert_eq!(text, format!("1970-01-01T00:00:00.000Z INFO  no {name}\n"));
        let json = logged("no", Some(identity)).render(Format::Json);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["request_id"], &json["trace_id"]), (&"a-1".into(), &trace.into()));
    }

    #[test]
    fn the_parts_of_an_event_can_be_told_apart() {
        let members = vec![
            ("status", Value::Number(200)),
            ("path", Value::text("/a")),
            ("query", Value::text("t=a b\"c\\")),
            ("agent", Value::text("")),
            ("long", Value::text(&"é".repeat(LOG_TEXT_BYTES))),
        ];
        let event = Event { target: "t", message: "access".into(), members, identity: None };
        let line = LogEntry::Event { at: SystemTime::UNIX_EPOCH, event };
        assert!(line.bytes() > LOG_TEXT_BYTES);
        let long = "é".repeat(LOG_TEXT_BYTES / 2);
        assert_eq!(
            line.render(Format::Text),
            format!(
                "1970-01-01T00:00:00.000Z INFO  access status=200 path=/a query=\"t=a b\\\"c\\\\\" agent=\"\" long={long}\n"
            )
        );
    }
}
