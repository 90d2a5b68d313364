//! What the meters tell, as it stands in records and in contestants' files too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a service of a contestant is for.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[cfg_attr(feature = "contests", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Serves the contest's API; gets the mode's environment, `DATABASE_CONNECTIONS`, and what the budget
    /// says alongside.
    Api,
    /// Stands before the APIs.
    Balancer,
    /// Postgres.
    Database,
    /// Redis and the like.
    Cache,
}

/// Absent: no limit.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq)]
#[cfg_attr(feature = "contests", derive(schemars::JsonSchema))]
pub struct Limits {
    /// Cores.
    pub cpus: Option<f64>,
    /// Bytes.
    pub memory_bytes: Option<u64>,
}

/// What a contestant used during the load.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "contests", derive(schemars::JsonSchema))]
pub struct Resources {
    /// By service.
    pub services: BTreeMap<String, Usage>,
    /// Sums; the memory's is the largest sum at any one time.
    pub total: Usage,
}

/// What one service used during the load.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "contests", derive(schemars::JsonSchema))]
pub struct Usage {
    /// What it is for; absent for the sum.
    pub role: Option<Role>,
    /// User and system.
    pub cpu_seconds: f64,
    /// Waited for the next period of its CPU quota.
    pub throttled_seconds: Option<f64>,
    /// The largest `usage − inactive_file` of one sample a second.
    pub memory_bytes: u64,
    /// The kernel's own peak, which counts page cache that any limit would reclaim.
    pub memory_raw_peak_bytes: Option<u64>,
    /// A thread waited for something.
    pub voluntary_switches: Option<u64>,
    /// A thread was made to wait.
    pub involuntary_switches: Option<u64>,
    /// Processes that the kernel killed because the memory's limit was reached.
    pub oom_kills: Option<u64>,
}
