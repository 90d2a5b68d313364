//! What a contestant may use, and what it promises.

use anyhow::{Result, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What all services of a contestant may use together.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// CPU cores.
    pub cpus: f64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Connections to the database at any time, over all processes; 0 where the contest has none.
    pub database_connections: u32,
    /// Of these, as many as must always be open; absent where that is the contestant's business.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_connections_min: Option<u32>,
    /// Processes that serve the API, all together; absent where that is the contestant's business.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u32>,
}

impl Budget {
    pub(crate) fn check(&self) -> Result<()> {
        ensure!(self.cpus > 0.0 && self.memory_bytes > 0, "budget: cpus and memory_bytes must be above 0");
        ensure!(
            self.database_connections_min.is_none_or(|least| least <= self.database_connections),
            "budget.database_connections_min must not be above database_connections"
        );
        ensure!(self.processes != Some(0), "budget.processes must be above 0");
        Ok(())
    }
}

/// When a creation is answered with 201.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Acknowledges {
    /// It is in memory, and will be written.
    BeforeCommit,
    /// Postgres has committed it.
    AfterCommit,
    /// There are no creations.
    ReadOnly,
}
