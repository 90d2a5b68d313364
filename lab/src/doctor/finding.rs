//! The outcome of one check, and its line.

use std::fmt;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// As it should be.
    Ok,
    /// A contest runs, and something of it is in question.
    Warning,
    /// Not here, and only some of what the lab can do needs it.
    Optional,
    /// No contest runs without it.
    Missing,
}

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it ended.
    pub mark: Mark,
    /// What was looked at.
    pub name: &'static str,
    /// What was found, in words.
    pub found: String,
    /// What to do about it; empty where nothing is to be done.
    pub remedy: String,
}

impl Finding {
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { mark: Mark::Ok, name, found: found.into(), remedy: String::new() }
    }

    pub(super) fn new(
        mark: Mark,
        name: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { mark, name, found: found.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.mark {
            Mark::Ok => "ok",
            Mark::Warning => "warning",
            Mark::Optional => "optional",
            Mark::Missing => "missing",
        };
        write!(f, "{mark:8}  {}: {}", self.name, self.found)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, " -> {}", self.remedy) }
    }
}
