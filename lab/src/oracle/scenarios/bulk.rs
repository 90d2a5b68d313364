//! Many rows at once: one client inserts them, adds 1 to each, and removes them again, so that each answer
//! says what is stored then.

use serde::Deserialize;
use serde_json::Value;

use super::answers::Asked;
use super::{must, read};
use crate::record::Proven;

/// What is left at the end.
pub(super) const QUERY: &str = "SELECT json_build_object('rows', count(*)) FROM {schema}bulk_items";

/// What is done with the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bulk {
    /// They come, with the values from 1 to this.
    Insert(u64),
    /// Each value grows by 1.
    Update(u64),
    /// They go.
    Remove,
}

impl Bulk {
    /// By the last part of its path.
    pub(super) fn new(operation: &str, count: Option<u64>) -> Option<Self> {
        Some(match operation {
            "cleanup" => Self::Remove,
            _ if operation.starts_with("insert-") => Self::Insert(count?),
            _ if operation.starts_with("update-") => Self::Update(count?),
            _ => return None,
        })
    }
}

/// Rows that are there now, as far as answers tell.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    there: u64,
    sent: u64,
    acknowledged: u64,
}

impl Rows {
    pub(super) fn ask(&mut self) {
        self.sent += 1;
    }

    pub(super) fn judge(&mut self, bulk: Bulk, _: Asked, body: &[u8]) -> Result<(), &'static str> {
        self.acknowledged += 1;
        let answer: Answer = read(body, "the body is no count in JSON")?;
        let (count, sum) = match bulk {
            Bulk::Insert(count) => (count, Some(count * (count + 1) / 2)),
            Bulk::Update(count) => (count, Some(count * (count + 1) / 2 + count)),
            Bulk::Remove => (self.there, None),
        };
        self.there = if bulk == Bulk::Remove { 0 } else { count };
        must(answer.count == count, "the count is not that of the rows")?;
        must(sum.is_none() || answer.sum == sum, "the sum is not that of the values")
    }

    /// What `after` says of what was acknowledged.
    pub(super) fn prove(&self, after: &Value) -> Vec<Proven> {
        let rows = after["rows"].as_u64().unwrap_or_default();
        let known = self.sent == self.acknowledged;
        let wrong = if known { rows.abs_diff(self.there) } else { 0 };
        let found = format!("{} of {} operations were acknowledged", self.acknowledged, self.sent);
        vec![Proven { what: "rows left over or gone".to_owned(), count: rows, wrong, found }]
    }
}

#[derive(Deserialize)]
struct Answer {
    count: u64,
    sum: Option<u64>,
}
