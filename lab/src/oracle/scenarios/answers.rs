//! What the answers of a load say together: a list must have all rows of the data, and all users whose
//! creation had been acknowledged when it was asked for.
//!
//! **Cost.** A list of 1,000 rows costs the generator half a millisecond to read. One that is, byte by byte,
//! the last one that was found right is right too, while nothing was created; so in a load that only reads
//! each list is compared whole, and hardly any is read. Where a load creates, each list differs: of all of
//! them the rows are counted, and of one in [`WHOLE_EVERY`] each row is compared.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use super::bulk::{self, Rows};
use super::cached::Caches;
use super::documents::Documents;
use super::flow::Flow;
use super::pages::{Known, Pages};
use super::sales::{self, Sales};
use super::{Search, Task, created, in_utc, must, number_of, place, seeded};
use crate::record::Proven;

/// One list in so many is compared row by row where a load creates.
pub(super) const WHOLE_EVERY: u64 = 10;

/// What must be known of a request when its answer comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Among the requests of its kind, from 0.
    pub number: u64,
    /// Creations that had been acknowledged when it was sent.
    pub(super) acknowledged: usize,
    /// Who asks.
    pub(super) client: u64,
    /// For what: a product, a user, the users before a page.
    pub place: u64,
    /// What had been acknowledged of that.
    pub(super) earlier: u64,
}

/// An answer with an allowed status.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    #[allow(missing_docs)]
    pub status: u16,
    /// It has a `Retry-After`.
    pub retry_after: bool,
    /// How long it took.
    pub millis: f64,
    #[allow(missing_docs)]
    pub body: &'a [u8],
}

/// What a load has done to what is stored beside the users, as far as its answers tell.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    sales: Sales,
    rows: Rows,
    flow: Flow,
    /// Users whom the load made and had removed; by their ids, with whether that was acknowledged.
    removed: HashMap<u64, bool>,
}

impl Tally {
    /// Whether a user who was made must be gone; nothing where nobody has asked for that.
    pub(super) fn is_removed(&self, id: Option<u128>) -> Option<bool> {
        let id = u64::try_from(id?).ok()?;
        self.removed.get(&id).copied()
    }

    /// Whether a user of the data may have this name now; nothing where nobody has changed it.
    pub(super) fn may_be(&self, user: u64, name: &str) -> Option<bool> {
        self.flow.may_be(user, name)
    }

    /// What must hold where `task` was asked for, by what its query ([`Task::looks_at`]) said before the load
    /// and after it. Where updates are known to be lost they are counted, and not wrong.
    #[must_use]
    pub fn prove(&self, task: Task, before: &Value, after: &Value, known_to_lose: bool) -> Vec<Proven> {
        match task {
            Task::Decrement(_) => self.sales.prove(before, after, known_to_lose),
            Task::Bulk(_) => self.rows.prove(after),
            _ => Vec::new(),
        }
    }
}

impl Task {
    /// What the lab looks at before the load and after it: a query whose one row is a JSON document. Tables
    /// stand behind `{schema}`.
    #[must_use]
    pub fn looks_at(self) -> Option<&'static str> {
        match self {
            Self::Decrement(_) => Some(sales::QUERY),
            Self::Bulk(_) => Some(bulk::QUERY),
            _ => None,
        }
    }
}

/// All that is known of what was asked and answered.
#[derive(Debug)]
pub struct Answers {
    /// Users that were there before.
    users: u64,
    /// Requests by their kind.
    sent: HashMap<Task, u64>,
    /// Ids of creations, in the order of their acknowledgements.
    acknowledged: Vec<u64>,
    /// The last list that was read and found right, before anything was created.
    right: Vec<u8>,
    lists: u64,
    pages: Pages,
    caches: Caches,
    documents: Documents,
    /// Of those who logged in before the load.
    tokens: Vec<String>,
    /// Whom each client has made.
    made: HashMap<u64, u64>,
    tally: Tally,
}

impl Answers {
    /// Of a load with so many users before it, of whom those from the first on have `tokens`, and in which
    /// `documents` are what must be answered to some tasks.
    #[must_use]
    pub fn new(users: u64, tokens: Vec<String>, documents: &[(Task, Value)]) -> Self {
        Self {
            users,
            tokens,
            documents: Documents::new(documents),
            caches: Caches::default(),
            made: HashMap::new(),
            sent: HashMap::new(),
            acknowledged: Vec::new(),
            right: Vec::new(),
            lists: 0,
            pages: Pages::default(),
            tally: Tally::default(),
        }
    }

    /// A request of `client` is sent; what stands for `{asked}` in its path is put into `text`.
    pub fn ask(&mut self, task: Task, client: u64, text: &mut String) -> Asked {
        let sent = self.sent.entry(task).or_default();
        *sent += 1;
        let mut asked =
            Asked { number: *sent - 1, acknowledged: self.acknowledged.len(), client, ..Asked::default() };
        let shown = match task {
            Task::Page(page) => {
                let (shown, before) = self.pages.ask(page, client, self.users);
                asked.place = before;
                shown
            }
            Task::Decrement(how) => {
                (asked.place, asked.earlier) = self.tally.sales.ask(how, asked.number);
                asked.place
            }
            Task::Forget => {
                asked.place = self.caches.forget(client, asked.number);
                asked.place
            }
            Task::Cached(_) => {
                let (user, cold) = self.caches.ask(client, asked.number);
                (asked.place, asked.earlier) = (user, u64::from(cold));
                user
            }
            Task::Access(access) => {
                let own = self.tally.flow.token(client).map(|_| Flow::user(client));
                asked.place = own.unwrap_or_else(|| access.user(asked.number));
                return asked;
            }
            Task::Search(_) => {
                asked.place = Search::place(asked.number, self.users);
                text.clear();
                text.push_str(&Search::term(asked));
                return asked;
            }
            Task::LogIn | Task::Look => {
                asked.place = Flow::user(client);
                asked.place
            }
            Task::Change => {
                asked.place = Flow::user(client);
                self.tally.flow.change(asked.place, asked.number);
                asked.place
            }
            Task::Remove => {
                asked.place = self.made.remove(&client).unwrap_or_default();
                self.tally.removed.insert(asked.place, false);
                asked.place
            }
            Task::Bulk(_) => {
                self.tally.rows.ask();
                return asked;
            }
            _ => return asked,
        };
        text.clear();
        // A string takes all that is written to it.
        let _ = write!(text, "{shown}");
        asked
    }

    /// The token that is sent with a request.
    #[must_use]
    pub fn token(&self, task: Task, asked: Asked) -> Option<&str> {
        if !matches!(task, Task::Access(_)) {
            return None;
        }
        let place = usize::try_from(asked.place).ok()?.checked_sub(1)?;
        let own = self.tally.flow.token(asked.client);
        own.or_else(|| self.tokens.get(place).map(String::as_str))
    }

    /// Judges an answer with an allowed status. Of a creation it gives the id.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn judge(
        &mut self,
        task: Task,
        asked: Asked,
        given: &Given<'_>,
    ) -> Result<Option<u64>, &'static str> {
        if given.status == 503 {
            // Where that is allowed.
            return must(given.retry_after, "503 without a Retry-After").map(|()| None);
        }
        match task {
            Task::List => self.list(asked, given.body)?,
            Task::Remove => drop(self.tally.removed.insert(asked.place, true)),
            Task::Page(page) => {
                let known = Known { users: self.users, sent: self.created(), flow: &self.tally.flow };
                self.pages.judge(page, asked, given.body, known)?;
            }
            Task::Decrement(how) => self.tally.sales.judge(how, asked, given)?,
            Task::Cached(cache) => Caches::judge(cache, asked, given.body)?,
            Task::Access(access) => access.judge(asked, given.body, &self.tally.flow)?,
            Task::Document(_) => self.documents.judge(task, given.body)?,
            Task::Bulk(bulk) => self.tally.rows.judge(bulk, asked, given.body)?,
            Task::Search(search) => search.judge(asked, self.users, given.body)?,
            Task::LogIn => self.tally.flow.logged_in(asked, given.body)?,
            Task::Change => self.tally.flow.judge_change(asked, given.body)?,
            Task::Look => self.tally.flow.judge_look(asked, given.body)?,
            _ => {
                let id = task.check(asked.number, given.millis, given.body)?;
                self.acknowledged.extend(id);
                if let Some(id) = id {
                    self.made.insert(asked.client, id);
                }
                return Ok(id);
            }
        }
        Ok(None)
    }

    /// What it has come to.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally.clone()
    }

    /// Creations that were sent.
    fn created(&self) -> u64 {
        self.sent.get(&Task::Create).copied().unwrap_or(0)
    }

    fn list(&mut self, asked: Asked, body: &[u8]) -> Result<(), &'static str> {
        let created = self.created();
        self.lists += 1;
        if created == 0 && !body.is_empty() && body == self.right {
            return Ok(());
        }
        // A name or an address has no brace.
        let rows = body.iter().filter(|byte| **byte == b'{').count() as u64;
        // Where users go again, nobody knows who of those who were made is there.
        let acknowledged = if self.tally.removed.is_empty() { asked.acknowledged } else { 0 };
        let least = self.users + acknowledged as u64;
        if rows < least {
            return Err("the list has not all rows");
        }
        if rows > self.users + created {
            return Err("the list has more rows than there are");
        }
        if created > 0 && !self.lists.is_multiple_of(WHOLE_EVERY) {
            return Ok(());
        }
        self.compare(acknowledged, body)?;
        if created == 0 {
            self.right.clear();
            self.right.extend_from_slice(body);
        }
        Ok(())
    }

    /// Row by row.
    fn compare(&self, acknowledged: usize, body: &[u8]) -> Result<(), &'static str> {
        let rows: Vec<Row<'_>> =
            serde_json::from_slice(body).map_err(|_| "the body is no array of users in JSON")?;
        let mut ids = HashSet::with_capacity(rows.len());
        for row in &rows {
            if !ids.insert(row.id) {
                return Err("a user is twice in the list");
            }
            let is_of_the_data = place(row.id).is_some_and(|place| (place as u64) < self.users);
            row.check(is_of_the_data, self.created())?;
        }
        let mut known = (1..=self.users).chain(self.acknowledged[..acknowledged].iter().copied());
        if known.all(|id| ids.contains(&id)) { Ok(()) } else { Err("the list has not all rows") }
    }
}

#[derive(Deserialize)]
pub(super) struct Row<'a> {
    pub(super) id: u64,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    email: Cow<'a, str>,
    #[serde(borrow)]
    created_at: Cow<'a, str>,
}

impl Row<'_> {
    pub(super) fn check(&self, is_of_the_data: bool, sent: u64) -> Result<(), &'static str> {
        let at = in_utc(&self.created_at).ok_or("a created_at is no moment with its zone")?;
        if is_of_the_data {
            let row = seeded(self.id);
            let same = self.name == row.name && self.email == row.email && at == row.created_at;
            return if same { Ok(()) } else { Err("a user of the list is not as it is stored") };
        }
        match number_of(&self.email).filter(|number| *number < sent) {
            Some(number) if self.name == created(number).0 => Ok(()),
            Some(_) => Err("a user of the list is not as it was sent"),
            None => Err("the list has a user whom nobody sent"),
        }
    }
}
