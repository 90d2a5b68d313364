//! What a failed statement means for what was asked, and how an error is reported.

use std::fmt;

use postgres::error::{DbError, Severity, SqlState};

/// An error with its causes: the `postgres` crate's own text is only "db error". Every error of Postgres is
/// told by this.
///
/// Of what Postgres said only message and code are shown: the detail, the hint and the context repeat rows.
pub struct Chain<'e>(pub &'e (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut next = Some(self.0);
        let mut between = "";
        while let Some(error) = next {
            f.write_str(std::mem::replace(&mut between, ": "))?;
            match error.downcast_ref::<DbError>() {
                Some(said) => {
                    let (severity, code) = (said.severity(), said.code().code());
                    write!(f, "{severity}: {} ({code})", said.message())?;
                }
                None => write!(f, "{error}")?,
            }
            next = error.source();
        }
        Ok(())
    }
}

/// What a failed statement means for what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connection is gone, or Postgres itself does not know; what was sent may or may not have been done.
    Lost,
    /// Undone because of another transaction; the same again will work.
    Conflict,
    /// Undone, and this session will not do it, but another may: it forgot its statements, or its server
    /// became a standby.
    Stale,
    /// The data itself was refused.
    Data,
    /// Undone for a reason of the server's (disk full, out of memory, a missing table, cancelled, …).
    Server,
    /// Our own code does not understand the answer: done or not, and the same again will end alike.
    Broken,
}

impl Failure {
    pub(crate) fn of(error: &postgres::Error) -> Self {
        match error.as_db_error() {
            Some(said) => Self::said(said.parsed_severity(), said.code()),
            None => Self::unsaid(&error.to_string()),
        }
    }

    /// By what Postgres said. An ERROR undoes the statement and keeps the session, whatever its code;
    /// anything worse ends the session, and the statement may have been committed before.
    fn said(severity: Option<Severity>, state: &SqlState) -> Self {
        if matches!(severity, Some(Severity::Fatal | Severity::Panic)) {
            return Self::Lost;
        }
        match state.code() {
            "40001" | "40P01" => Self::Conflict,
            // "Statement completion unknown": how a distributed engine says that a commit may have been done.
            "40003" => Self::Lost,
            // Cancelled by hand or by statement_timeout; the session lives.
            "57014" => Self::Server,
            code => match &code[..2] {
                "57" | "08" => Self::Lost,
                // Data, constraints, views' checks, what exceeds a limit (an index entry too long), what a
                // trigger raises.
                "22" | "23" | "44" | "54" | "P0" => Self::Data,
                // "Cached plan must not change result type"; a read-only or broken transaction; an unknown
                // statement.
                "0A" | "25" | "26" => Self::Stale,
                _ => Self::Server,
            },
        }
    }

    /// By what the client library says where Postgres said nothing. It has no predicates, only texts; a test
    /// holds them.
    fn unsaid(text: &str) -> Self {
        let starts = |starts: &[&str]| starts.iter().any(|start| text.starts_with(start));
        if starts(&["error serializing parameter", "error encoding message"]) {
            return Self::Data;
        }
        if starts(&["error deserializing", "invalid column", "query returned", "expected "]) {
            return Self::Broken;
        }
        Self::Lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_what_became_of_the_statement() {
        let of = |severity, code| Failure::said(Some(severity), &SqlState::from_code(code));
        for (code, failure) in [
            ("40001", Failure::Conflict),
            ("40P01", Failure::Conflict),
            ("40003", Failure::Lost),
            ("08007", Failure::Lost),
            ("57P01", Failure::Lost),
            ("57014", Failure::Server),
            ("53100", Failure::Server),
            ("53200", Failure::Server),
            ("55P03", Failure::Server),
            ("42P01", Failure::Server),
            ("XX000", Failure::Server),
            ("25006", Failure::Stale),
            ("26000", Failure::Stale),
            ("0A000", Failure::Stale),
            ("22021", Failure::Data),
            ("23514", Failure::Data),
            ("54000", Failure::Data),
            ("P0001", Failure::Data),
        ] {
            assert_eq!(of(Severity::Error, code), failure, "{code}");
            assert_eq!(of(Severity::Fatal, code), Failure::Lost, "{code}");
            assert_eq!(of(Severity::Panic, code), Failure::Lost, "{code}");
        }
    }
}
