//! Whether an allowed answer says what it must. Every answer is checked, none is sampled, but for the rows
//! within a list of users.
//!
//! A file for each contest's rules: [`people`], [`users`]; what a page must be is the oracle's matter
//! ([`crate::oracle::edge`]), and so is what a scenario's answer must ([`crate::oracle::scenarios`]).

mod people;
mod users;

use std::time::SystemTime;

use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::Whole;
use super::user::User;
use crate::lines::Lines;
use crate::oracle::edge::{Page, Right};
use crate::oracle::scenarios::Task;

/// What an allowed answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Nothing,
    /// The person that was sent.
    Person,
    /// An array of people.
    People,
    /// The user whose id was asked for.
    User,
    /// So many rows of the data, from the offset on.
    List {
        limit: usize,
    },
    /// That there is no such user.
    NotFound,
    /// A page, and what its cache says.
    Page(Page),
    /// What a scenario asks for; judged with all that was answered before.
    Task(Task),
}

/// Judges an answer to `user`; `payloads` are what was sent, or the data. Of a page it says what was right
/// about it.
pub(super) fn check(
    whole: &Whole<'_>,
    check: Check,
    user: &User,
    payloads: &Lines,
) -> Result<Option<Right>, &'static str> {
    let body = whole.body;
    match check {
        Check::Nothing | Check::Task(_) => Ok(()),
        Check::People => people::people(body),
        Check::Person => {
            let payload = user.payload.map_or(&b""[..], |number| payloads.get(number));
            people::person(body, payload, user.location.as_deref().unwrap_or_default())
        }
        Check::User => users::user(body, payloads.get(user.row)),
        Check::List { limit } => {
            let whole = user.number.is_multiple_of(users::WHOLE_EVERY);
            users::page(body, payloads, user.row, limit, whole)
        }
        Check::NotFound => users::not_found(body),
        Check::Page(page) => return page.judge(body, whole.cache, SystemTime::now()).map(Some),
    }
    .map(|()| None)
}

/// The same value, as it was written or else as it reads. An absent one is null.
fn same(got: Option<&RawValue>, sent: Option<&RawValue>) -> bool {
    let (got, sent) = (got.map_or("null", RawValue::get), sent.map_or("null", RawValue::get));
    got == sent
        || match (serde_json::from_str::<Value>(got), serde_json::from_str::<Value>(sent)) {
            (Ok(got), Ok(sent)) => got == sent,
            _ => false,
        }
}
