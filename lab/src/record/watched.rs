//! What a second session saw of a shop's stock while a load ran.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The stock of a shop, read a few times a second while a load runs: what is wrong in the middle may be right
/// again at its end.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, Serialize, PartialEq)]
pub struct Watched {
    /// How often it was read.
    pub looks: u64,
    /// The longest time between two looks, in seconds: what came and went within it may have been missed.
    pub longest_gap_seconds: f64,
    /// Products that were seen with less than nothing.
    pub below_zero: u64,
    /// Products that were seen with more than there ever can have been.
    pub above: u64,
    /// Products that were seen with several rows of stock.
    pub doubled: u64,
}

impl Watched {
    /// Products with which something was wrong; one counts for each kind.
    #[must_use]
    pub fn wrong(&self) -> u64 {
        self.below_zero + self.above + self.doubled
    }
}
