//! What an oracle has found in the rows and answers of an attempt.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rows in the database against what was acknowledged; of a contest that only reads, against the data from
/// before the load.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct Stored {
    /// Creations that were sent.
    pub sent: u64,
    /// Creations answered with 201.
    pub acknowledged: u64,
    /// Rows that must be there at least and may be there at most; they differ where answers are missing.
    pub expected_low: u64,
    #[allow(missing_docs)]
    pub expected_high: u64,
    /// Rows that are there, but for those of the conformance pass.
    pub rows: u64,
    /// What the API's own count says, less those of the conformance pass.
    pub counted: Option<u64>,
    /// Acknowledged and not there. This includes creations that were refused too late: 201 for a nick that
    /// was taken.
    pub lost: u64,
    /// Of these, 201 for a nick that had one already.
    pub acknowledged_twice: u64,
    /// More than one row with the same nick.
    pub duplicated: u64,
    /// Rows that differ from what was sent.
    pub altered: u64,
    /// Rows that nobody sent.
    pub foreign: u64,
    /// Valid, sent, refused with 4xx though the nick was free.
    #[serde(default)]
    pub wrongly_refused: u64,
    /// How long after the load the contestant was still at work, by its CPU; the two seconds in which its
    /// rest is seen are not in it.
    pub settled_seconds: Option<f64>,
    /// Of a shop: its rows above are orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stock: Option<StockFigures>,
    /// Of a shop: what a second session saw of its stock while the load ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watched: Option<super::Watched>,
    /// A few of what is wrong, in words.
    #[serde(default)]
    pub examples: Vec<String>,
}

/// The stock of a shop after a load, against what was acknowledged.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, Serialize, PartialEq, Eq)]
pub struct StockFigures {
    /// Products that were there.
    pub products: u64,
    /// Of these, with as many pieces as they must have.
    pub exact: u64,
    /// Pieces that were sold and are still for sale, or never were there.
    pub oversold: u64,
    /// Pieces that are gone, and that nobody has.
    pub vanished: u64,
    /// Products with less than nothing.
    pub below_zero: u64,
}

impl Stored {
    /// Nothing lost, duplicated, altered or foreign, and the number of rows is what it must be, and so is the
    /// stock of a shop, at any time.
    #[must_use]
    pub fn exact(&self) -> bool {
        self.lost + self.duplicated + self.altered + self.foreign + self.wrongly_refused == 0
            && (self.expected_low..=self.expected_high).contains(&self.rows)
            && self.stock.is_none_or(|stock| stock.exact == stock.products)
            && self.watched.is_none_or(|watched| watched.wrong() == 0)
    }

    /// How many rows are not as they must be; 0 exactly where [`Stored::exact`] holds.
    #[must_use]
    pub fn wrong(&self) -> u64 {
        let named = self.lost + self.duplicated + self.altered + self.foreign + self.wrongly_refused;
        let missing = self.expected_low.saturating_sub(self.rows);
        let surplus = self.rows.saturating_sub(self.expected_high);
        let inexact = self.stock.map_or(0, |stock| stock.products - stock.exact);
        let seen = self.watched.map_or(0, |watched| watched.wrong());
        named.max(missing + surplus).max(inexact).max(seen)
    }

    /// In a sentence.
    #[must_use]
    pub fn told(&self) -> String {
        if self.exact() {
            return format!("{} rows, exact", self.rows);
        }
        let stock = self.stock.map_or_else(String::new, |stock| {
            let inexact = stock.products - stock.exact;
            format!(
                "; {inexact} stocks wrong: {} pieces oversold, {} vanished",
                stock.oversold, stock.vanished
            )
        });
        let watched =
            self.watched.filter(|watched| watched.wrong() > 0).map_or_else(String::new, |watched| {
                format!(
                    "; seen under load: {} stocks below zero, {} above all, {} in several rows",
                    watched.below_zero, watched.above, watched.doubled
                )
            });
        format!(
            "{} rows, {} to {} expected; {} lost, {} duplicated, {} altered, {} foreign, {} wrongly refused\
            {stock}{watched}",
            self.rows,
            self.expected_low,
            self.expected_high,
            self.lost,
            self.duplicated,
            self.altered,
            self.foreign,
            self.wrongly_refused
        )
    }
}

/// What the oracle found in the answers of the load, in a contest that judges these.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize, PartialEq)]
pub struct Answers {
    /// Answers that were looked at; which is each one with an allowed status, and of scenarios each one.
    pub checked: u64,
    /// Of these, other than the contest asks; they are among the failed requests too.
    pub wrong: u64,
    /// Of the right ones, by what the contestant said of its cache.
    #[serde(default)]
    pub by_cache: BTreeMap<String, u64>,
    /// The largest age of an answer that shows when it was made.
    pub oldest_seconds: Option<f64>,
    /// As [`Stored::settled_seconds`].
    pub settled_seconds: Option<f64>,
}

impl Answers {
    /// All were looked at and right; where there was none, nothing is known.
    #[must_use]
    pub fn right(&self) -> bool {
        self.checked > 0 && self.wrong == 0
    }

    /// In a sentence.
    #[must_use]
    pub fn told(&self) -> String {
        let by_cache: String =
            self.by_cache.iter().map(|(word, count)| format!(", {count} {word}")).collect();
        let oldest = self.oldest_seconds.map(|age| format!("; the oldest was of {age:.1} s before"));
        format!(
            "{} answers checked, {} wrong{by_cache}{}",
            self.checked,
            self.wrong,
            oldest.unwrap_or_default()
        )
    }
}
