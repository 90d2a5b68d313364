//! What a case is: bytes to send, and what may come back.

use std::fmt;

/// How strongly the RFC words the rule that a case is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    Must,
    Should,
    May,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
        })
    }
}

/// What a case can ask of the answers beyond their statuses.
pub type Check = fn(&super::wire::Seen) -> Result<(), String>;

/// A row of the tables in `cases/`. `sends` is written in the language of `template.rs`, the outcomes in that
/// of `outcome.rs`. It has two readers: the probe asks any server, and takes what is allowed;
/// `tests/conformance/` asks our engine, and takes what is exact.
#[derive(Clone, Copy)]
pub struct Case {
    pub id: &'static str,
    pub category: &'static str,
    /// RFC and section, as "9112 3.2".
    pub section: &'static str,
    pub level: Level,
    pub sends: &'static str,
    /// Anything else is a failure. Empty where other servers are not asked.
    pub allowed: &'static str,
    /// Anything else that is allowed is a warning. Empty where the RFC has no preference.
    pub preferred: &'static str,
    /// The place of the answer to a HEAD request, which has no content whatever its fields say.
    pub head_at: Option<usize>,
    pub check: Option<Check>,
    /// The one outcome of our engine. Empty where it is not asked.
    pub exact: &'static str,
    /// What the last answer of our engine has as its content, and which fields; an empty one must not be
    /// there.
    pub body: Option<&'static str>,
    pub says: &'static [(&'static str, &'static str)],
    /// `tcp` or `unix`, where our engine tells them apart.
    pub only_on: &'static str,
    /// The rows of the public dashboard that it answers.
    pub rows: &'static [&'static str],
}

impl Case {
    const fn new(level: Level, id: &'static str, section: &'static str, sends: &'static str) -> Self {
        Self {
            id,
            category: "",
            section,
            level,
            sends,
            allowed: "",
            preferred: "",
            head_at: None,
            check: None,
            exact: "",
            body: None,
            says: &[],
            only_on: "",
            rows: &[],
        }
    }

    pub const fn head(mut self, at: usize) -> Self {
        self.head_at = Some(at);
        self
    }

    pub const fn check(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }

    pub const fn exact(mut self, outcome: &'static str) -> Self {
        self.exact = outcome;
        self
    }

    pub const fn body(mut self, body: &'static str) -> Self {
        self.body = Some(body);
        self
    }

    pub const fn says(mut self, fields: &'static [(&'static str, &'static str)]) -> Self {
        self.says = fields;
        self
    }

    pub const fn only_on(mut self, kind: &'static str) -> Self {
        self.only_on = kind;
        self
    }

    pub const fn rows(mut self, rows: &'static [&'static str]) -> Self {
        self.rows = rows;
        self
    }
}

/// Our engine alone is held to it.
pub const fn ours(id: &'static str, section: &'static str, sends: &'static str, exact: &'static str) -> Case {
    Case::new(Level::May, id, section, sends).exact(exact)
}

/// The RFC leaves no choice but `allowed`.
pub const fn must(
    id: &'static str,
    section: &'static str,
    sends: &'static str,
    allowed: &'static str,
) -> Case {
    let mut case = Case::new(Level::Must, id, section, sends);
    case.allowed = allowed;
    case
}

/// The RFC asks for `preferred`, and takes `allowed` from a server that has its reasons.
pub const fn should(
    id: &'static str,
    section: &'static str,
    sends: &'static str,
    preferred: &'static str,
    allowed: &'static str,
) -> Case {
    let mut case = Case::new(Level::Should, id, section, sends);
    case.preferred = preferred;
    case.allowed = allowed;
    case
}

/// The RFC leaves it to the server, within `allowed`.
pub const fn may(
    id: &'static str,
    section: &'static str,
    sends: &'static str,
    allowed: &'static str,
) -> Case {
    let mut case = Case::new(Level::May, id, section, sends);
    case.allowed = allowed;
    case
}
