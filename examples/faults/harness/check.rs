//! The rules that a history and what Postgres holds at the end must obey together.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::history::{Attempt, Outcome};
use super::person::Stored;

/// The ways to break a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Broken {
    /// A 201 whose row is not there.
    Lost,
    /// A 201 whose `Location` is not the row's id.
    WrongId,
    /// A row with other content than what was sent.
    Altered,
    /// Two 201 for one nickname.
    AcknowledgedTwice,
    /// Two rows of one nickname, or of one request.
    StoredTwice,
    /// A row that nobody sent.
    NeverSent,
    /// Stored, though the client was told that it is not (422, 503), or could not even send it.
    RefusedButStored,
    /// 422 for a nickname that nobody had when the answer came.
    FalseDuplicate,
    /// A 503 that does not say when to come back.
    NoRetryAfter,
    /// No answer in any bearable time.
    Hung,
    /// A status that a valid creation cannot have.
    UnexpectedStatus,
    /// A read that contradicts what was acknowledged.
    WrongRead,
    /// Not back in time after a fault.
    SlowRecovery,
    /// A process that ended although nobody ended it.
    Died,
    /// What one test asks for beside all these.
    Other,
}

/// One broken promise.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) broken: Broken,
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.broken, self.what)
    }
}

struct Checker<'h> {
    by_number: HashMap<u64, &'h Attempt>,
    rows_by_number: HashMap<u64, Vec<&'h Stored>>,
    rows_by_nick: HashMap<&'h str, Vec<&'h Stored>>,
    violations: Vec<Violation>,
}

/// Every violation of every attempt and of every row.
pub(crate) fn check(attempts: &[Attempt], rows: &[Stored]) -> Vec<Violation> {
    let mut checker = Checker {
        by_number: attempts.iter().map(|attempt| (attempt.number, attempt)).collect(),
        rows_by_number: HashMap::new(),
        rows_by_nick: HashMap::new(),
        violations: Vec::new(),
    };
    for row in rows {
        checker.row(row);
    }
    checker.doubles();
    let mut acknowledged: BTreeMap<&str, u32> = BTreeMap::new();
    for attempt in attempts {
        checker.attempt(attempt);
        if attempt.status() == Some(201) {
            *acknowledged.entry(&attempt.nick).or_default() += 1;
        }
    }
    for (nick, times) in acknowledged.into_iter().filter(|(_, times)| *times > 1) {
        checker.add(Broken::AcknowledgedTwice, format!("{nick} has {times} answers 201"));
    }
    checker.violations
}

impl<'h> Checker<'h> {
    fn add(&mut self, broken: Broken, what: String) {
        self.violations.push(Violation { broken, what });
    }

    fn row(&mut self, row: &'h Stored) {
        self.rows_by_nick.entry(&row.person.apelido).or_default().push(row);
        let Some((number, attempt)) =
            row.person.attempt().and_then(|number| Some((number, *self.by_number.get(&number)?)))
        else {
            return self.add(Broken::NeverSent, format!("{row:?}"));
        };
        self.rows_by_number.entry(number).or_default().push(row);
        if row.person != attempt.person() {
            self.add(Broken::Altered, format!("{row:?} was sent as {:?}", attempt.person()));
        }
    }

    fn doubles(&mut self) {
        let by_number = self.rows_by_number.iter().map(|(number, rows)| (format!("attempt {number}"), rows));
        let by_nick = self.rows_by_nick.iter().map(|(nick, rows)| (format!("nickname {nick}"), rows));
        let doubles: Vec<String> = by_number
            .chain(by_nick)
            .filter(|(_, rows)| rows.len() > 1)
            .map(|(what, rows)| format!("{what} has {} rows", rows.len()))
            .collect();
        doubles.into_iter().for_each(|what| self.add(Broken::StoredTwice, what));
    }

    fn attempt(&mut self, attempt: &Attempt) {
        let own = self.rows_by_number.get(&attempt.number).and_then(|rows| rows.first()).copied();
        match attempt.outcome {
            Outcome::Answered { status: 201, id, .. } => match own {
                None => self.add(Broken::Lost, format!("{attempt:?}")),
                Some(row) if Some(row.id) != id => {
                    self.add(Broken::WrongId, format!("{attempt:?} is stored as {}", row.id));
                }
                Some(_) => {}
            },
            Outcome::Answered { status: 422, .. } => {
                self.not_stored(attempt, own);
                self.holder_of(attempt);
            }
            Outcome::Answered { status: 503, retry_after, .. } => {
                self.not_stored(attempt, own);
                if !retry_after {
                    self.add(Broken::NoRetryAfter, format!("{attempt:?}"));
                }
            }
            // nginx's own: the replica went away, or did not answer in time.
            Outcome::Answered { status: 502 | 504, .. } | Outcome::Unknown => {}
            Outcome::Answered { status, .. } => {
                self.add(Broken::UnexpectedStatus, format!("{status}: {attempt:?}"));
            }
            Outcome::NotSent => self.not_stored(attempt, own),
            Outcome::Hung => self.add(Broken::Hung, format!("{attempt:?}")),
        }
    }

    fn not_stored(&mut self, attempt: &Attempt, own: Option<&Stored>) {
        if own.is_some() {
            self.add(Broken::RefusedButStored, format!("{attempt:?}"));
        }
    }

    /// All creations here are valid, so a 422 means that another request's row had the nickname at that time.
    fn holder_of(&mut self, refused: &Attempt) {
        let row = self.rows_by_nick.get(refused.nick.as_str()).and_then(|rows| rows.first());
        let holder = row.and_then(|row| row.person.attempt()).and_then(|number| self.by_number.get(&number));
        match holder {
            Some(holder) if holder.began <= refused.ended => {}
            holder => self.add(Broken::FalseDuplicate, format!("{refused:?}, held by {holder:?}")),
        }
    }
}
