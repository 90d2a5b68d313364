//! What was asked and what came of it, in the order in which it ended.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::lock;
use super::person::Person;

/// One request of a history, whatever was asked.
pub trait Attempted: Clone + Send {
    /// What requests are called in reports.
    const NAME: &'static str;
    /// The columns of the archive.
    const COLUMNS: &'static str;

    fn began(&self) -> Duration;

    fn ended(&self) -> Duration;

    fn status(&self) -> Option<u16>;

    /// Whether the client cannot know what became of it.
    fn is_unknown(&self) -> bool;

    /// Whether it was done and acknowledged.
    fn is_done(&self) -> bool;

    /// As [`Attempted::is_done`], by this replica for certain.
    fn is_done_by(&self, replica: usize) -> bool;

    /// The outcome in a word.
    fn word(&self) -> String;

    /// A line of the archive.
    fn line(&self) -> String;
}

/// What the client knows of a creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The id is that of a 201's `Location`.
    Answered { status: u16, id: Option<Uuid>, retry_after: bool },
    /// Nobody listened: it cannot be stored.
    NotSent,
    /// The connection broke: it may be stored or not.
    Unknown,
    /// No answer within the client's patience. It may be stored or not, but nothing may hang.
    Hung,
}

/// One creation. Times are since the history's start.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub number: u64,
    pub nick: String,
    pub target: usize,
    pub began: Duration,
    pub ended: Duration,
    pub outcome: Outcome,
}

impl Attempt {
    pub fn person(&self) -> Person {
        Person::of_attempt(self.number, &self.nick)
    }

    pub fn status(&self) -> Option<u16> {
        match self.outcome {
            Outcome::Answered { status, .. } => Some(status),
            _ => None,
        }
    }

    /// The id of an acknowledged person.
    pub fn acknowledged(&self) -> Option<Uuid> {
        match self.outcome {
            Outcome::Answered { status: 201, id, .. } => id,
            _ => None,
        }
    }

    /// Whether the client cannot know if it is stored. 502 and 504 are nginx's.
    pub fn is_unknown(&self) -> bool {
        matches!(self.outcome, Outcome::Unknown | Outcome::Hung) || matches!(self.status(), Some(502 | 504))
    }

    /// Whether nobody was told that it is not stored.
    pub fn may_be_stored(&self) -> bool {
        self.status() == Some(201) || self.is_unknown()
    }
}

impl Attempted for Attempt {
    const NAME: &'static str = "creations";
    const COLUMNS: &'static str = "number\tnickname\ttarget\tbegan_ms\ttook_ms\toutcome";

    fn began(&self) -> Duration {
        self.began
    }

    fn ended(&self) -> Duration {
        self.ended
    }

    fn status(&self) -> Option<u16> {
        self.status()
    }

    fn is_unknown(&self) -> bool {
        self.is_unknown()
    }

    fn is_done(&self) -> bool {
        self.acknowledged().is_some()
    }

    /// The last digit of the id is the number of the replica that made it.
    fn is_done_by(&self, replica: usize) -> bool {
        self.acknowledged().is_some_and(|id| usize::from(id.as_bytes()[15] & 0x0f) == replica + 1)
    }

    fn word(&self) -> String {
        match self.outcome {
            Outcome::Answered { status, .. } => status.to_string(),
            Outcome::NotSent => "refused".into(),
            Outcome::Unknown => "unknown".into(),
            Outcome::Hung => "hung".into(),
        }
    }

    fn line(&self) -> String {
        let (began, took) = (self.began.as_millis(), (self.ended - self.began).as_millis());
        let (number, nick, target) = (self.number, &self.nick, self.target);
        format!("{number}\t{nick}\t{target}\t{began}\t{took}\t{}", self.word())
    }
}

/// A time whose commits the database does not have any more: it came back as what it had been before.
#[derive(Clone, Copy, Debug)]
pub struct LostTail {
    since: Duration,
    until: Duration,
    /// When the database that lacks them answered.
    pub over: Duration,
}

impl LostTail {
    pub fn new(since: Duration, until: Duration, over: Duration) -> Self {
        Self { since, until, over }
    }

    /// Whether what this attempt committed may be gone.
    pub fn may_hold(&self, attempt: &Attempt) -> bool {
        attempt.ended >= self.since && attempt.began <= self.until
    }
}

/// A read whose answer cannot be right, unless the person that it is of was lost with a tail.
#[derive(Clone, Debug)]
pub struct WrongRead {
    pub attempt: Option<u64>,
    pub what: String,
}

/// Reads by what came of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reads {
    pub answered: u64,
    pub unavailable: u64,
    pub broken: u64,
}

struct Inner<A> {
    attempts: Vec<A>,
    reads: BTreeMap<&'static str, Reads>,
    wrong_reads: Vec<WrongRead>,
    lost_tails: Vec<LostTail>,
}

pub struct History<A = Attempt> {
    start: Instant,
    inner: Mutex<Inner<A>>,
    changed: Condvar,
}

impl<A: Attempted> History<A> {
    pub fn start() -> Self {
        let inner = Inner {
            attempts: Vec::new(),
            reads: BTreeMap::new(),
            wrong_reads: Vec::new(),
            lost_tails: Vec::new(),
        };
        Self { start: Instant::now(), inner: Mutex::new(inner), changed: Condvar::new() }
    }

    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    pub fn record(&self, attempt: A) {
        lock(&self.inner).attempts.push(attempt);
        self.changed.notify_all();
    }

    pub fn record_read(&self, route: &'static str, add: impl FnOnce(&mut Reads)) {
        add(lock(&self.inner).reads.entry(route).or_default());
    }

    /// A read whose answer cannot be right; `attempt` if it is of that one's person.
    pub fn record_wrong_read(&self, attempt: Option<u64>, what: String) {
        lock(&self.inner).wrong_reads.push(WrongRead { attempt, what });
    }

    /// What ended between the two times may be gone from now on.
    pub fn note_lost_tail(&self, since: Duration, until: Duration) {
        let over = self.now();
        lock(&self.inner).lost_tails.push(LostTail::new(since, until, over));
    }

    pub fn lost_tails(&self) -> Vec<LostTail> {
        lock(&self.inner).lost_tails.clone()
    }

    pub fn attempts(&self) -> Vec<A> {
        lock(&self.inner).attempts.clone()
    }

    /// How many attempts have ended.
    pub fn count(&self) -> usize {
        lock(&self.inner).attempts.len()
    }

    /// Those that had ended in this window.
    pub fn ended_in(&self, began: Duration, ended: Duration) -> Vec<A> {
        let inner = lock(&self.inner);
        inner.attempts.iter().filter(|one| one.ended() >= began && one.began() <= ended).cloned().collect()
    }

    pub fn reads(&self) -> BTreeMap<&'static str, Reads> {
        lock(&self.inner).reads.clone()
    }

    pub fn wrong_reads(&self) -> Vec<WrongRead> {
        lock(&self.inner).wrong_reads.clone()
    }

    /// How long after `since` the first attempt ended that this replica has done and that had begun after it.
    pub fn wait_for_success(&self, replica: usize, since: Duration, patience: Duration) -> Option<Duration> {
        self.wait_for(patience, |attempts| {
            // Newest first: what is of interest is at the end of a long history.
            let recent = attempts.iter().rev().take_while(|one| one.ended() >= since);
            let first = recent.filter(|one| one.began() >= since && one.is_done_by(replica)).last();
            first.map(|one| one.ended() - since)
        })
    }

    /// Waits until `look` finds something in the attempts.
    pub fn wait_for<T>(&self, patience: Duration, mut look: impl FnMut(&[A]) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut inner = lock(&self.inner);
        loop {
            if let Some(found) = look(&inner.attempts) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            inner = self.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
