//! Users who are searched for: by a whole e-mail address, by a first name, by a number in the name, and by
//! what nobody has. For these a part of a text and a word of it are the same users, so that each way of
//! searching must find them.

use serde::Deserialize;

use super::answers::{Asked, Row};
use super::{FIRST_NAMES, must, read};

/// Of [`FIRST_NAMES`], one without a letter that a locale might know otherwise.
const NAME: u64 = 6;

/// A search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Search {
    /// At most so many are answered.
    pub limit: u64,
}

impl Search {
    /// Whom the request of this number is about: anybody whose number no other one contains.
    pub(super) fn place(number: u64, users: u64) -> u64 {
        let least = 10_u64.pow(users.saturating_sub(1).checked_ilog10().unwrap_or(0));
        let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        least + 1 + random % users.saturating_sub(least + 1).max(1)
    }

    /// What is searched for.
    pub(super) fn term(asked: Asked) -> String {
        match asked.number % 4 {
            0 => format!("user{}@example.com", asked.place),
            1 => FIRST_NAMES[usize::try_from(NAME).unwrap_or_default()].to_lowercase(),
            2 => asked.place.to_string(),
            _ => format!("nobody{}", asked.place),
        }
    }

    pub(super) fn judge(self, asked: Asked, users: u64, body: &[u8]) -> Result<(), &'static str> {
        let answer: Answer<'_> = read(body, "the body is no list of users in JSON")?;
        let ids = answer.users.iter().map(|row| row.id);
        let first = (1..=users).filter(|id| id % FIRST_NAMES.len() as u64 == NAME);
        let right = match asked.number % 4 {
            1 => ids.eq(first.take(usize::try_from(self.limit).unwrap_or(usize::MAX))),
            3 => ids.len() == 0,
            _ => ids.eq([asked.place]),
        };
        must(right, "the users are not those whom the search must find")?;
        answer.users.iter().try_for_each(|row| row.check(true, 0))
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    users: Vec<Row<'a>>,
}
