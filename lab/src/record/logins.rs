//! What logins cost, apart from everything else.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The CPU of a login, measured alone before the load. The hash of a password is made slow on purpose, costs
/// everybody the same, and says nothing about a server; so reports show what was used without it, and this
/// alongside it.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, Serialize, PartialEq)]
pub struct Logins {
    /// Logins that were measured, one after the other, while nothing else was asked.
    pub measured: u64,
    /// CPU seconds of one of them, of all services, less what these use when nothing is asked.
    pub cpu_seconds: f64,
    /// The same of the services that serve the API.
    pub api_cpu_seconds: f64,
    /// Logins of the load that were answered with a token. A failed one is not taken off: nobody knows what
    /// it cost.
    pub in_load: u64,
}
