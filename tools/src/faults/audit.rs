//! What somebody who follows the table in memory knows of it, held against the table: nobody missing, nobody
//! too many.

use std::collections::HashSet;
use std::time::Instant;

use serde_json::Value;
use uuid::Uuid;

use super::Failure;
use super::check::{Broken, Violation};
use super::history::Attempt;
use super::person::Stored;

/// An answer.
pub struct Told {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Somebody who follows the table: a replica, or the feed that is planted to be caught.
pub trait Follows {
    fn name(&self) -> String;

    /// Waits until it has read everything that was committed before `since`; otherwise says what it lacks.
    fn catch_up(&mut self, since: Instant) -> Result<Option<String>, Failure>;

    fn by_id(&mut self, id: Uuid) -> Result<Told, Failure>;

    fn search(&mut self, term: &str) -> Result<Told, Failure>;

    /// How many people it has in memory; `None` if it need not have all.
    fn people(&mut self) -> Result<Option<usize>, Failure>;
}

/// What is true at the end of a run.
pub struct Truth<'h> {
    attempts: &'h [Attempt],
    /// The rows of the history's people.
    rows: &'h [Stored],
    /// Rows of others in the same table.
    others: usize,
    ids: HashSet<Uuid>,
    nicks: HashSet<&'h str>,
    /// When the table was read: later than every commit in it.
    read_at: Instant,
}

/// What was looked up through somebody, and what came of it.
#[derive(Clone, Debug, Default)]
pub struct Looked {
    pub name: String,
    pub by_id: usize,
    pub by_search: usize,
    /// Nicknames of lost people that were created again.
    pub taken: usize,
    pub invisible: usize,
    pub ghosts: usize,
}

impl Looked {
    /// Counts the violations and hands them on.
    pub fn violate(&mut self, broken: Broken, what: &str, violations: &mut Vec<Violation>) {
        match broken {
            Broken::Invisible => self.invisible += 1,
            Broken::Ghost => self.ghosts += 1,
            _ => {}
        }
        violations.push(Violation { broken, what: format!("{}: {what}", self.name) });
    }
}

impl<'h> Truth<'h> {
    pub fn new(attempts: &'h [Attempt], rows: &'h [Stored], others: usize, read_at: Instant) -> Self {
        let ids = rows.iter().map(|row| row.id).collect();
        let nicks = rows.iter().map(|row| row.person.apelido.as_str()).collect();
        Self { attempts, rows, others, ids, nicks, read_at }
    }

    /// How many rows the table has.
    pub fn count(&self) -> usize {
        self.rows.len() + self.others
    }

    /// Whether the table has the very person that this attempt sent.
    pub fn holds(&self, attempt: &Attempt) -> bool {
        attempt.acknowledged().is_some_and(|id| self.ids.contains(&id))
    }

    /// Those that were acknowledged and are not in the table, with their ids.
    fn gone(&self) -> impl Iterator<Item = (&'h Attempt, Uuid)> {
        let acknowledged =
            self.attempts.iter().filter_map(|attempt| Some((attempt, attempt.acknowledged()?)));
        acknowledged.filter(|(_, id)| !self.ids.contains(id))
    }

    /// One of each nickname that was tried and that nobody in the table has.
    fn free(&self) -> Vec<&'h Attempt> {
        let mut seen = HashSet::new();
        let free = self.attempts.iter().filter(|attempt| !self.nicks.contains(attempt.nick.as_str()));
        free.filter(|attempt| seen.insert(attempt.nick.as_str())).collect()
    }

    /// One of each nickname that was acknowledged and that nobody in the table has: it can be created again.
    pub fn free_again(&self) -> Vec<&'h Attempt> {
        let mut seen = HashSet::new();
        let gone = self.gone().map(|(attempt, _)| attempt);
        let free = gone.filter(|attempt| !self.nicks.contains(attempt.nick.as_str()));
        free.filter(|attempt| seen.insert(attempt.nick.as_str())).collect()
    }
}

/// Looks up everybody who must be known and everybody who must not.
pub fn audit(follower: &mut dyn Follows, truth: &Truth<'_>) -> Result<(Looked, Vec<Violation>), Failure> {
    let looked = Looked { name: follower.name(), ..Looked::default() };
    let mut audit = Audit { follower, truth, looked, violations: Vec::new() };
    if let Some(lacks) = audit.follower.catch_up(truth.read_at)? {
        audit.violate(Broken::Invisible, &format!("has not caught up: {lacks}"));
    }
    audit.size()?;
    for row in truth.rows {
        audit.known(row)?;
    }
    for (attempt, id) in truth.gone() {
        audit.unknown(attempt, id)?;
    }
    for attempt in truth.free() {
        audit.found(&attempt.nick)?;
    }
    Ok((audit.looked, audit.violations))
}

struct Audit<'a, 'h> {
    follower: &'a mut dyn Follows,
    truth: &'a Truth<'h>,
    looked: Looked,
    violations: Vec<Violation>,
}

impl Audit<'_, '_> {
    fn violate(&mut self, broken: Broken, what: &str) {
        self.looked.violate(broken, what, &mut self.violations);
    }

    fn size(&mut self) -> Result<(), Failure> {
        let rows = self.truth.count();
        let Some(people) = self.follower.people()? else { return Ok(()) };
        let broken = match people.cmp(&rows) {
            std::cmp::Ordering::Less => Broken::Invisible,
            std::cmp::Ordering::Equal => return Ok(()),
            std::cmp::Ordering::Greater => Broken::Ghost,
        };
        self.violate(broken, &format!("{people} people in memory, {rows} rows in the table"));
        Ok(())
    }

    /// A row of the table.
    fn known(&mut self, row: &Stored) -> Result<(), Failure> {
        let Told { status, body } = self.follower.by_id(row.id)?;
        self.looked.by_id += 1;
        if status != 200 || !row.person.is_in(&body, row.id) {
            let body = String::from_utf8_lossy(&body);
            self.violate(Broken::WrongRead, &format!("{row:?} by its id: {status} {body}"));
        }
        if !self.found(&row.person.apelido)?.contains(&row.id) {
            self.violate(Broken::Invisible, &format!("{row:?} is not found by a search"));
        }
        Ok(())
    }

    /// Somebody who was acknowledged and is not in the table.
    fn unknown(&mut self, attempt: &Attempt, id: Uuid) -> Result<(), Failure> {
        let status = self.follower.by_id(id)?.status;
        self.looked.by_id += 1;
        match status {
            404 => {}
            200 => self.violate(Broken::Ghost, &format!("{attempt:?} by its id, but not in the table")),
            _ => self.violate(Broken::WrongRead, &format!("{attempt:?} by its id: {status}")),
        }
        Ok(())
    }

    /// Whom a search for a nickname finds, who must all be in the table.
    fn found(&mut self, nick: &str) -> Result<Vec<Uuid>, Failure> {
        let Told { status, body } = self.follower.search(nick)?;
        self.looked.by_search += 1;
        let people = serde_json::from_slice::<Vec<Value>>(&body).unwrap_or_default();
        if status != 200 || (people.is_empty() && body != b"[]") {
            let body = String::from_utf8_lossy(&body);
            self.violate(Broken::WrongRead, &format!("a search for {nick}: {status} {body}"));
        }
        let ids: Vec<Uuid> = people.iter().filter_map(|person| person["id"].as_str()?.parse().ok()).collect();
        for id in ids.iter().filter(|id| !self.truth.ids.contains(id)) {
            let what = format!("a search for {nick} finds {id}, who is not in the table");
            self.looked.violate(Broken::Ghost, &what, &mut self.violations);
        }
        Ok(ids)
    }
}
