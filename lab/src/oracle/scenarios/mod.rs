//! What must be stored in a contest of scenarios: the rows of `lab/contests/scenarios/seed.sql`, made here a
//! second time, and one for each creation of the load that was acknowledged.
//!
//! What is sent, and what a right answer is: [`task`], and [`answers`] for all that the answers of a load say
//! together. Of the advanced scenarios each family has a file, from [`pages`] to [`flow`]. What may not
//! enter: how rows are fetched and answers are read.

mod access;
mod answers;
mod bulk;
mod cached;
pub mod course;
mod documents;
mod flow;
pub mod oracle;
mod pages;
mod sales;
mod search;
mod task;

use std::collections::HashMap;
use std::io::BufRead;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use self::access::{Access, LOGINS, token};
pub use self::answers::{Answers, Asked, Given, Tally};
pub use self::bulk::Bulk;
pub use self::cached::Cache;
pub use self::course::Course;
pub use self::documents::Document;
pub use self::pages::Page;
pub use self::sales::Decrement;
pub use self::search::Search;
pub use self::task::Task;
use super::sent::{Creation, Creations, MAX_EXAMPLES, quoted};
use super::users::{EPOCH, FIRST_NAMES, STEP, moment};
use crate::record::Stored;

/// How many rows there are before a load, where it does not say so.
pub const ROWS: u64 = 1_000;

/// Of a row in JSON.
const MAX_ROW_BYTES: usize = 1 << 16;

/// A row.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct User {
    /// From 1.
    pub id: u64,
    #[allow(missing_docs)]
    pub name: String,
    #[allow(missing_docs)]
    pub email: String,
    /// RFC 3339, in any zone.
    pub created_at: String,
}

/// The row of this number, from 1 on.
#[must_use]
pub fn seeded(number: u64) -> User {
    // Both are far below the ends of their ranges.
    let place = usize::try_from(number).unwrap_or_default();
    let steps = i32::try_from(number).unwrap_or_default();
    User {
        id: number,
        name: format!("{} {number}", FIRST_NAMES[place % FIRST_NAMES.len()]),
        email: format!("user{number}@example.com"),
        created_at: moment(EPOCH + STEP * steps),
    }
}

/// Whom the creation of this number makes, from 0: name and e-mail address.
#[must_use]
pub fn created(number: u64) -> (String, String) {
    (format!("Zoë {number}"), format!("made{number}@example.com"))
}

/// The number of the creation that sent this e-mail address.
fn number_of(email: &str) -> Option<u64> {
    email.strip_prefix("made")?.strip_suffix("@example.com")?.parse().ok()
}

/// A moment in the one spelling that [`seeded`] has.
fn in_utc(text: &str) -> Option<String> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(moment)
}

/// Compares rows, a JSON object a line, with the data, of `users` rows, and with what `creations` and the
/// changes of `tally` have made of them.
///
/// # Errors
/// A row cannot be read, or a generator that only counts its creations has sent them.
pub fn judge(rows: impl BufRead, creations: &Creations, users: u64, tally: &Tally) -> Result<Stored> {
    let creations = match creations {
        Creations::Each(each) => each.as_slice(),
        Creations::Counted { sent: 0, .. } => &[],
        Creations::Counted { .. } => bail!("a generator that only counts creations cannot be judged here"),
    };
    let mut judge = Judge::new(creations, users, tally);
    for (line, number) in rows.lines().zip(1..) {
        let line = line?;
        if !line.trim().is_empty() {
            judge.row(&parsed(&line).with_context(|| format!("line {number} of the rows"))?);
        }
    }
    Ok(judge.ended())
}

fn parsed(line: &str) -> Result<User> {
    ensure!(line.len() < MAX_ROW_BYTES, "a row of {} bytes", line.len());
    let shown = || format!("no row with id, name, email, created_at: {}", quoted(line));
    let mut user: User = serde_json::from_str(line).with_context(shown)?;
    user.created_at = in_utc(&user.created_at).with_context(shown)?;
    Ok(user)
}

struct Judge<'c> {
    /// By their numbers, with how often each is stored.
    creations: HashMap<u64, (&'c Creation, u64)>,
    /// How often each row of the data is stored, by its number less 1.
    data: Vec<u64>,
    tally: &'c Tally,
    stored: Stored,
}

impl<'c> Judge<'c> {
    fn new(creations: &'c [Creation], users: u64, tally: &'c Tally) -> Self {
        let of = |yes: &dyn Fn(u16) -> bool| creations.iter().filter(|it| yes(it.status)).count() as u64;
        let (acknowledged, unknown) = (of(&|it| it == 201), of(&|it| it == 0 || it >= 500));
        let removed = |sure: bool| {
            creations.iter().filter(|creation| tally.is_removed(creation.id) == Some(sure)).count() as u64
        };
        let (gone, unsure) = (removed(true), removed(false));
        let stored = Stored {
            sent: creations.len() as u64,
            acknowledged,
            expected_low: users + acknowledged - gone - unsure,
            expected_high: users + acknowledged + unknown - gone,
            // Each of them is valid, and its address is its own.
            wrongly_refused: of(&|it| (400..500).contains(&it)),
            ..Stored::default()
        };
        Self {
            tally,
            creations: creations.iter().map(|creation| (creation.payload, (creation, 0))).collect(),
            data: vec![0; usize::try_from(users).unwrap_or_default()],
            stored,
        }
    }

    fn row(&mut self, row: &User) {
        self.stored.rows += 1;
        if let Some(times) = place(row.id).and_then(|place| self.data.get_mut(place)) {
            *times += 1;
            let (times, mut expected) = (*times, seeded(row.id));
            match self.tally.may_be(row.id, &row.name) {
                Some(true) => expected.name.clone_from(&row.name),
                // Not as it was acknowledged last.
                Some(false) => expected.name.clear(),
                None => {}
            }
            return match times {
                1 if *row == expected => {}
                1 => {
                    self.stored.altered += 1;
                    self.say(format!("{} is stored as {}", shown(&expected), shown(row)));
                }
                _ => self.is_twice(row, times),
            };
        }
        let creation = number_of(&row.email).and_then(|number| self.creations.get_mut(&number));
        let Some((creation, times)) = creation.filter(|(creation, _)| self.tally.may_be_stored(creation))
        else {
            self.stored.foreign += 1;
            return self
                .say(format!("{} is stored, and is neither of the data nor acknowledged", shown(row)));
        };
        *times += 1;
        let (creation, times) = (*creation, *times);
        let (name, _) = created(creation.payload);
        if times > 1 {
            self.is_twice(row, times);
        } else if row.name != name {
            self.stored.altered += 1;
            self.say(format!("{} was sent with the name {}", shown(row), quoted(&name)));
        } else if creation.id.is_some_and(|id| id != u128::from(row.id)) {
            self.stored.altered += 1;
            let id = creation.id.unwrap_or_default();
            self.say(format!("{} was acknowledged with the id {id}", shown(row)));
        }
    }

    fn is_twice(&mut self, row: &User, times: u64) {
        self.stored.duplicated += 1;
        self.say(format!("{} is stored {times} times", shown(row)));
    }

    fn ended(mut self) -> Stored {
        let gone: Vec<u64> = (1..).zip(&self.data).filter(|(_, times)| **times == 0).map(|it| it.0).collect();
        for number in gone {
            self.stored.lost += 1;
            self.say(format!("{} is gone", shown(&seeded(number))));
        }
        let tally = self.tally;
        let lost = |(creation, times): &&(&Creation, u64)| {
            creation.status == 201 && *times == 0 && tally.is_removed(creation.id).is_none()
        };
        let mut lost: Vec<u64> = self.creations.values().filter(lost).map(|(it, _)| it.payload).collect();
        lost.sort_unstable();
        self.stored.lost += lost.len() as u64;
        for number in lost {
            self.say(format!("{} was acknowledged and is not stored", quoted(&created(number).1)));
        }
        self.stored.examples.truncate(MAX_EXAMPLES);
        self.stored
    }

    fn say(&mut self, sentence: String) {
        if self.stored.examples.len() < MAX_EXAMPLES {
            self.stored.examples.push(sentence);
        }
    }
}

/// Of a row of the data among them.
fn place(id: u64) -> Option<usize> {
    usize::try_from(id.checked_sub(1)?).ok()
}

impl Tally {
    /// It was acknowledged and is not removed, or nobody knows what became of it.
    fn may_be_stored(&self, creation: &Creation) -> bool {
        let status = creation.status;
        (status == 201 || status == 0 || status >= 500) && self.is_removed(creation.id) != Some(true)
    }
}

fn shown(row: &User) -> String {
    format!("{} {} of {}", row.id, quoted(&row.email), row.created_at)
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8], message: &'static str) -> Result<T, &'static str> {
    serde_json::from_slice(body).map_err(|_| message)
}

fn must(holds: bool, message: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(message) }
}

#[cfg(test)]
mod tests;
