//! The rules that a history and what Postgres holds at the end must obey together.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use super::history::{Attempt, LostTail, Outcome};
use super::person::Stored;
use super::promised;

/// How long after a lost tail a replica may still take a nickname of it for taken.
const FORGETTING: Duration = promised(5_000);

/// The ways to break a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Broken {
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
    /// A row that a search through a replica does not find.
    Invisible,
    /// Somebody whom a replica knows, by id, by a search or as taken, and whom the table does not have.
    Ghost,
    /// An order whose total is not what its lines cost.
    WrongTotal,
    /// Stock that is not what was put there, without what was ordered.
    WrongStock,
    /// Less than nothing in stock.
    BelowZero,
    /// Two answers to one idempotency key.
    OtherAnswer,
    /// Refused for a reason that cannot be.
    FalseRefusal,
    /// Transactions that waited for each other.
    Deadlock,
    /// Not back in time after a fault.
    SlowRecovery,
    /// More memory than a fault may cost.
    Memory,
    /// Others waited for too long meanwhile.
    Latency,
    /// Others were not served at all.
    Starved,
    /// Refusals and cuts that no counter tells of.
    Uncounted,
    /// Ready or not, and `/readyz` said otherwise.
    Readiness,
    /// An index that is neither complete within its bytes nor given up and told of.
    IndexLost,
    /// A process that ended although nobody ended it.
    Died,
    /// What one test asks for beside all these.
    Other,
}

/// One broken promise.
#[derive(Clone, Debug)]
pub struct Violation {
    pub broken: Broken,
    pub what: String,
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
    tails: &'h [LostTail],
    /// Those that may have been stored once, and are gone with a tail, by nickname.
    gone: HashMap<&'h str, Vec<&'h Attempt>>,
    violations: Vec<Violation>,
}

/// Every violation of every attempt and of every row. What a lost tail held may be gone, and is then held
/// against nobody.
pub fn check(attempts: &[Attempt], rows: &[Stored], tails: &[LostTail]) -> Vec<Violation> {
    let mut checker = Checker {
        by_number: attempts.iter().map(|attempt| (attempt.number, attempt)).collect(),
        rows_by_number: HashMap::new(),
        rows_by_nick: HashMap::new(),
        tails,
        gone: HashMap::new(),
        violations: Vec::new(),
    };
    for row in rows {
        checker.row(row);
    }
    checker.doubles();
    for attempt in attempts.iter().filter(|attempt| attempt.may_be_stored()) {
        if !checker.rows_by_number.contains_key(&attempt.number) && checker.tail_of(attempt).is_some() {
            checker.gone.entry(&attempt.nick).or_default().push(attempt);
        }
    }
    let mut acknowledged: BTreeMap<&str, u32> = BTreeMap::new();
    for attempt in attempts {
        checker.attempt(attempt);
        if attempt.status() == Some(201) && !checker.is_gone(attempt) {
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

    fn tail_of(&self, attempt: &Attempt) -> Option<&'h LostTail> {
        self.tails.iter().find(|tail| tail.may_hold(attempt))
    }

    fn is_gone(&self, attempt: &Attempt) -> bool {
        let gone = self.gone.get(attempt.nick.as_str());
        gone.is_some_and(|gone| gone.iter().any(|one| one.number == attempt.number))
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
                None if self.is_gone(attempt) => {}
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
            holder => {
                let what = format!("{refused:?}, held by {holder:?}");
                match self.gone_holder_of(refused) {
                    None => self.add(Broken::FalseDuplicate, what),
                    Some(tail) if refused.began > tail.over + FORGETTING => self.add(Broken::Ghost, what),
                    Some(_) => {}
                }
            }
        }
    }

    /// The last tail with which somebody went who may have had the nickname.
    fn gone_holder_of(&self, refused: &Attempt) -> Option<&'h LostTail> {
        let gone = self.gone.get(refused.nick.as_str())?;
        let held = gone.iter().filter(|one| one.began <= refused.ended);
        held.filter_map(|one| self.tail_of(one)).max_by_key(|tail| tail.over)
    }
}
