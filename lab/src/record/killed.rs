//! What was found after a SIGKILL.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Stored;

/// After a SIGKILL of all processes under load.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct Killed {
    /// Rows after the restart.
    pub stored: Stored,
    /// From the kill to the first answer 200 after it.
    pub unavailable_seconds: Option<f64>,
    /// People (in a shop: orders) who were acknowledged in this load and are stored, but whom one of
    /// [`Killed::asked`] did not answer by id, or did not find by search, when the wait for it was over.
    /// Absent in a record of an earlier version: nobody was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invisible: Option<u64>,
    /// The replica that was asked for these people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<Asked>,
}

impl Killed {
    /// Whatever was acknowledged is there, is found, and is counted.
    #[must_use]
    pub fn kept(&self) -> bool {
        let counts = |asked: &Asked| {
            asked.counted.is_none_or(|counted| counted == asked.rows) && asked.wrong_stocks.unwrap_or(0) == 0
        };
        self.stored.exact() && self.invisible.unwrap_or(0) == 0 && self.asked.iter().all(counts)
    }
}

/// A replica that was asked, after a kill and a restart, for people who were acknowledged and are stored.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct Asked {
    /// Its service, asked at an address of its own; absent: several new connections to the contest's address,
    /// which a balancer shares out.
    pub replica: Option<String>,
    /// Whom it was asked for: each by id, and by the nick in a search; in a shop orders, by id alone.
    pub people: u64,
    /// Of these, answered with another status than 200 or as another person, by id.
    pub missing_by_id: u64,
    /// Of these, not found by search.
    pub missing_in_search: u64,
    /// Rows in the table, and what its own count says of them; the latter is absent where it gave none, or
    /// the contest has none.
    pub rows: u64,
    #[allow(missing_docs)]
    pub counted: Option<u64>,
    /// In a shop: products of which its list says another stock than is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrong_stocks: Option<u64>,
    /// Until everybody was found and the count was right, or the wait was over.
    pub seconds: f64,
}
