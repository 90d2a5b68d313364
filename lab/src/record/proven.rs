//! What a scenario's own proof has found, and what its load has cost the database.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that must hold after a load, besides each answer and each row of users.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize, PartialEq, Eq)]
pub struct Proven {
    /// What was looked at, as in "lost updates".
    pub what: String,
    /// How many there are.
    pub count: u64,
    /// Of these, that must not be.
    pub wrong: u64,
    /// What was found, in words.
    pub found: String,
}

/// Of the contestant's role alone, between the beginning of the load and the rest after it.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, Serialize, PartialEq, Eq)]
pub struct DatabaseWork {
    /// Statements but those that begin and end transactions, or set something, from `pg_stat_statements`;
    /// absent where Postgres has not loaded it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statements: Option<u64>,
    /// Transactions that were committed, from `pg_stat_database`.
    pub commits: u64,
}
