//! What a contest is judged by: an [`Oracle`] each, in a folder of its own with all that is known of the
//! contest: the rows that must be stored, what an answer must be, and what a report says of both.
//!
//! Nothing outside of this folder asks which contest it is. How a contest is added: docs/add-a-contest.md.
//!
//! What may not enter: how rows are fetched, and how a generator sends.

mod answers;
pub mod edge;
pub mod inventory;
mod judge;
pub mod people;
pub mod scenarios;
mod sent;
pub mod users;
pub mod words;

use std::sync::{PoisonError, RwLock};

use serde::Deserialize;
use serde::de::{Deserializer, Error};

pub use self::answers::{Answer, Check, Right, on_200};
pub use self::judge::{Evidence, Feeds, Needs, Oracle};
pub use self::people::{
    Excluded, MAX_FOUND, Person, Row, judge, nick_of, rows_from_json_lines, valid_person,
};
pub use self::sent::{Creation, Creations, id_of, id_of_location};

/// Those of the lab's own contests.
const ALL: &[&dyn Oracle] = &[
    &people::oracle::People,
    &users::oracle::Users,
    &edge::oracle::Edge,
    &inventory::oracle::Inventory,
    &scenarios::oracle::Scenarios,
];

/// Those of another crate.
static OTHERS: RwLock<Vec<&dyn Oracle>> = RwLock::new(Vec::new());

/// Makes the oracle of a contest known that is not of this crate.
pub fn add(oracle: &'static dyn Oracle) {
    OTHERS.write().unwrap_or_else(PoisonError::into_inner).push(oracle);
}

/// The oracle of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static dyn Oracle> {
    let others = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    ALL.iter().chain(others.iter()).copied().find(|oracle| oracle.name() == name)
}

/// The oracle of a record ([`crate::record::Record::oracle`]); of one that is not known here any more, that
/// of people, whose words fit any rows.
#[must_use]
pub fn of_record(name: &str) -> &'static dyn Oracle {
    named(name).unwrap_or(ALL[0])
}

/// `oracle = "…"` of a contest's file.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<&'static dyn Oracle, D::Error> {
    let name = String::deserialize(from)?;
    let known = || ALL.iter().map(|oracle| oracle.name()).collect::<Vec<_>>().join(", ");
    named(&name).ok_or_else(|| D::Error::custom(format!("no oracle `{name}`; there are: {}", known())))
}
