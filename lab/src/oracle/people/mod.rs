//! What must be stored after a load of the contest `people`, compared with what is.
//!
//! The rules of the contest are written down here a second time, independent of every contestant: a payload
//! is valid or not, and of the valid ones each nick is stored once. What a generator knows decides how much
//! can be said: one that remembers each answer ([`Creations::Each`]) gives exact figures; one that only
//! counts them ([`Creations::Counted`]) gives the least number that explains the counts.
//!
//! What may not enter: how rows are fetched. They come as [`Row`]s; see [`rows_from_json_lines`].

mod answer;
mod counted;
mod each;
mod findings;
pub mod oracle;
mod payload;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use anyhow::Result;

pub use self::payload::{MAX_FOUND, Person, nick_of, valid_person};
pub use self::rows::{Row, rows_from_json_lines};
use super::sent::Creations;
use crate::lines::Lines;
use crate::record::Stored;

/// Nicks that are not of the load: whatever the conformance pass has left behind.
#[derive(Clone, Debug, Default)]
pub struct Excluded {
    prefixes: Vec<String>,
    nicks: HashSet<String>,
}

impl Excluded {
    /// As [`Excluded::add`], from nothing.
    pub fn new<'b>(prefix: &str, bodies: impl IntoIterator<Item = &'b [u8]>) -> Self {
        let mut excluded = Self::default();
        excluded.add(prefix, bodies);
        excluded
    }

    /// Nicks that begin with `prefix` (unless it is empty), and those in `bodies` of creations, valid or not:
    /// a contestant may have stored what it should have refused.
    pub fn add<'b>(&mut self, prefix: &str, bodies: impl IntoIterator<Item = &'b [u8]>) {
        self.prefixes.extend((!prefix.is_empty()).then(|| prefix.to_owned()));
        self.nicks.extend(bodies.into_iter().filter_map(nick_of));
    }

    /// Whether a person of this nick is left out of account.
    #[must_use]
    pub fn contains(&self, nick: &str) -> bool {
        self.nicks.contains(nick) || self.prefixes.iter().any(|prefix| nick.starts_with(prefix))
    }
}

/// Nicks of the rows that an earlier load has left, and whether a row of that load still holds them. No
/// creation of this load may have them: a 201 is a promise that is not kept, and a further row is one too
/// many.
#[derive(Debug, Default)]
struct Taken<'f>(HashMap<&'f str, bool>);

impl<'f> Taken<'f> {
    fn new(former: &'f [Row], rows: &[Row]) -> Self {
        let held: HashSet<(&str, &str)> =
            rows.iter().map(|row| (row.id.as_str(), row.apelido.as_str())).collect();
        let mut taken = HashMap::with_capacity(former.len());
        for row in former {
            *taken.entry(row.apelido.as_str()).or_default() |=
                held.contains(&(row.id.as_str(), row.apelido.as_str()));
        }
        Self(taken)
    }

    fn contains(&self, nick: &str) -> bool {
        self.0.contains_key(nick)
    }

    fn is_held(&self, nick: &str) -> bool {
        self.0.get(nick).copied().unwrap_or(false)
    }
}

/// Compares rows with creations. `payloads` is the file that the creations were taken from, `counted` what
/// the API's own count says. `former` are the rows that were there before the load: they are left out,
/// whatever became of them, and their nicks are taken.
///
/// # Errors
/// A row cannot be read.
pub fn judge(
    creations: &Creations,
    payloads: &Lines,
    rows: impl Iterator<Item = Result<Row>>,
    excluded: &Excluded,
    former: &[Row],
    counted: Option<u64>,
) -> Result<Stored> {
    let all = rows.collect::<Result<Vec<_>>>()?;
    let before = all.len();
    let taken = Taken::new(former, &all);
    let former: HashSet<&str> = former.iter().map(|row| row.id.as_str()).collect();
    let is_of_the_load = |row: &Row| !excluded.contains(&row.apelido) && !former.contains(row.id.as_str());
    let rows: Vec<Row> = all.into_iter().filter(is_of_the_load).collect();
    let left_out = (before - rows.len()) as u64;
    let mut stored = match creations {
        Creations::Each(creations) => each::judge(creations, payloads, &rows, excluded, &taken),
        Creations::Counted { sent, acknowledged, failed } => {
            counted::judge(*sent, *acknowledged, *failed, payloads, &rows, excluded, &taken)
        }
    };
    stored.counted = counted.map(|count| count.saturating_sub(left_out));
    Ok(stored)
}
