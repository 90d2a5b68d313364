//! Users behind a cache: where an answer came from must be where it can have come from. After a warm-up that
//! is the cache, each time; right after a user was forgotten it is the database.

use std::collections::HashMap;

use serde::Deserialize;

use super::answers::{Asked, Row};
use super::{ROWS, must, read};

/// Through which cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cache {
    /// Through none.
    Without,
    /// Through one that processes share, or have each.
    With,
}

/// Whom each client has had forgotten, and not asked for since.
#[derive(Debug, Default)]
pub(super) struct Caches {
    cold: HashMap<u64, u64>,
}

impl Caches {
    /// Whom the client has forgotten: its number among all that are forgotten says whom.
    pub(super) fn forget(&mut self, client: u64, number: u64) -> u64 {
        let id = one_of(number);
        self.cold.insert(client, id);
        id
    }

    /// Whom the client asks for, and whether that is cold.
    pub(super) fn ask(&mut self, client: u64, number: u64) -> (u64, bool) {
        self.cold.remove(&client).map_or((one_of(number), false), |id| (id, true))
    }

    pub(super) fn judge(cache: Cache, asked: Asked, body: &[u8]) -> Result<(), &'static str> {
        let answer: Answer<'_> = read(body, "the body is no user with its source in JSON")?;
        let (cold, user) = (asked.earlier == 1, &answer.user);
        match (cache, cold) {
            (Cache::Without, _) => must(answer.source == "database", "the source is not the database")?,
            (Cache::With, true) => must(answer.source == "database", "who was forgotten is still cached")?,
            (Cache::With, false) => must(answer.source == "cache", "the source is not the cache")?,
        }
        must(user.id == asked.place, "the user is not the one who was asked for")?;
        user.check(true, 0)
    }
}

/// Of those that a warm-up holds.
fn one_of(number: u64) -> u64 {
    1 + number % ROWS
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    source: &'a str,
    #[serde(borrow)]
    user: Row<'a>,
}
