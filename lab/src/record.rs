//! What the lab writes down: the types behind `record.json`, whose version is [`SCHEMA`].
//!
//! Units are in the names. Times of answers are milliseconds from the intended start of the request, or, for
//! a generator that does not know intended starts, from its actual start. Bytes are bytes. A figure that
//! could not be had is absent, never 0.
//!
//! What may not enter: anything computed over several attempts. That is [`crate::stats`] and
//! [`crate::report`], which read this.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meters::Role;

mod budget;
mod killed;
mod logins;
mod proven;
mod stored;
mod watched;

pub use self::budget::{Acknowledges, Budget};
pub use self::killed::{Asked, Killed};
pub use self::logins::Logins;
pub use self::proven::{DatabaseWork, Proven};
pub use self::stored::{Answers, StockFigures, Stored};
pub use self::watched::Watched;
pub use crate::meters::{Limits, Resources, Usage};

/// The version of the format: raised when a reader of the former one would misread this one.
pub const SCHEMA: &str = "pouco-lab/1";

/// All of a run of `pouco-lab run`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Record {
    /// The version of the format.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: String,
    /// The contest's name.
    pub contest: String,
    /// The contest's oracle; absent in a record of an earlier version, whose contest had the oracle's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oracle: Option<String>,
    /// The contest's title.
    pub title: String,
    /// What was typed.
    pub command: String,
    /// Of the repository; ends with `-dirty` where files were changed.
    pub commit: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC; absent while it goes on, and where it was cut short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// `gatling`, `k6` or `native`.
    pub tool: String,
    /// Multiple of the contest's rates.
    pub scale: f64,
    /// Of payloads, terms and pauses.
    pub seed: u64,
    /// A form of another length with the same rates; absent for the contest's own.
    pub seconds: Option<u32>,
    /// Tells files of payloads and terms apart: a hash of both; absent in a record of an earlier version.
    pub feeds: Option<String>,
    /// Each attempt ends with a kill; absent in a record of an earlier version.
    pub kill: Option<bool>,
    /// What each contestant had.
    pub budget: Budget,
    /// Which of the contest's budgets that is; absent where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_name: Option<String>,
    /// Which of the contest's loads that is, where it has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_name: Option<String>,
    /// Where it ran.
    pub machine: Machine,
    /// Of tools, by name: podman, the generator, the lab.
    pub versions: BTreeMap<String, String>,
    /// In the order of their starts.
    pub contestants: Vec<Entry>,
    /// In the order in which they ran: rounds of all contestants.
    pub attempts: Vec<Attempt>,
    /// Searches for the largest scale, in the order in which they ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capacities: Vec<Capacity>,
}

impl Record {
    /// The JSON schema of `record.json`, as it is committed in `lab/schema/record.schema.json`.
    #[must_use]
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }

    /// The name of its contest's oracle.
    #[must_use]
    pub fn oracle(&self) -> &str {
        self.oracle.as_deref().unwrap_or(&self.contest)
    }
}

/// Where a run took place.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct Machine {
    /// As the kernel names it.
    pub cpu_model: String,
    /// That may be used here.
    pub cores: u32,
    /// Of the machine.
    pub memory_bytes: u64,
    /// Kernel release.
    pub kernel: String,
    /// Distribution.
    pub os: String,
    /// `v1` (hybrid too) or `v2`.
    pub cgroups: String,
}

/// A contestant in a mode.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Entry {
    /// `NAME` or `NAME:MODE`, of a variant `…@VARIANT`, unique in the record: what attempts refer to.
    pub id: String,
    /// The folder's name.
    pub name: String,
    /// The mode's name.
    pub mode: String,
    /// In which of the load's variants it took part, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// That variant is known to lose what it acknowledges, and has no place.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unranked: bool,
    /// When it answers a creation with 201; `read-only` where there are none.
    pub acknowledges: Acknowledges,
    /// Shown in reports.
    pub title: String,
    /// What its API is written in.
    pub language: String,
    /// One or two sentences.
    pub about: String,
    /// What it is made of.
    pub versions: BTreeMap<String, String>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde asks for it
fn is_false(value: &bool) -> bool {
    !value
}

/// One contestant in one round.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct Attempt {
    /// [`Entry::id`].
    pub contestant: String,
    /// From 1.
    pub round: u32,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// Whether its figures may be compared, and why not.
    pub verdict: Verdict,
    /// Limits as set and as found in the kernel.
    pub proof: Option<Proof>,
    /// The pass over the rules before the load.
    pub conformance: Option<Conformance>,
    /// What the generator saw.
    pub load: Option<LoadFigures>,
    /// What the contestant used during the load.
    pub resources: Option<Resources>,
    /// What a login cost, in a shop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logins: Option<Logins>,
    /// What the generator used.
    pub generator: Option<Generator>,
    /// Rows after the load.
    pub stored: Option<Stored>,
    /// What was answered, where it is that, by itself or together with the rows, by which a contestant is
    /// judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<Answers>,
    /// What else must hold after a load of scenarios, and whether it does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proofs: Vec<Proven>,
    /// What the load has cost the database, where that was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseWork>,
    /// Rows after a SIGKILL of everything in the middle of a second, short load.
    pub killed: Option<Killed>,
    /// One entry a second of the load.
    #[serde(default)]
    pub series: Vec<Second>,
}

/// Whether an attempt's figures may be compared.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct Verdict {
    /// The outcome.
    pub status: Status,
    /// Why it is not [`Status::Valid`]; one sentence each.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// What a reader should know as well: the generator was the bottleneck, rules that are not kept.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The figures stand.
    Valid,
    /// The budget did not hold, or durability was switched off: its figures cannot be compared.
    Disqualified,
    /// It did not start, or the generator could not run.
    #[default]
    Failed,
}

/// Limits as set and as the kernel has them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct Proof {
    /// Every container or process of the contestant.
    pub services: Vec<ServiceProof>,
    /// The limit that was set.
    pub database_connections_limit: u32,
    /// The most that were seen at any time.
    pub database_connections_peak: Option<u32>,
    /// `fsync`, `full_page_writes`, `synchronous_commit` as Postgres has them before the load; what was found
    /// otherwise after it is there a second time.
    #[serde(default)]
    pub durability: BTreeMap<String, String>,
    /// The API's role in Postgres is a superuser, before the load or after it: no limit of connections holds
    /// for it. Absent where there is no such role.
    pub superuser: Option<bool>,
    /// All limits were found as set, before and after the load.
    pub holds: bool,
}

/// Limits of one service.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct ServiceProof {
    /// Its name in the compose file.
    pub service: String,
    /// What it is for; absent for a container that the contestant did not declare.
    pub role: Option<Role>,
    /// What the lab set.
    pub set: Option<Limits>,
    /// What the kernel enforces when the load begins.
    pub before: Limits,
    /// What the kernel enforces when it has ended; absent for what no longer runs then.
    pub after: Option<Limits>,
}

/// The pass over the rules.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct Conformance {
    /// Requests that were answered as the rules ask.
    pub passed: u32,
    /// All requests.
    pub total: u32,
    /// Rules that were not kept, each with what came instead.
    pub failures: Vec<Failure>,
}

/// A rule that was not kept.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Failure {
    /// The rule.
    pub rule: String,
    /// What was expected and what came.
    pub detail: String,
}

/// What a generator saw.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct LoadFigures {
    /// From the first intended start to the last answer.
    pub seconds: f64,
    /// Users that should have started.
    pub users_asked: u64,
    /// Users that did.
    pub users_started: u64,
    /// Of all requests.
    pub total: RequestFigures,
    /// By the requests' names.
    pub requests: BTreeMap<String, RequestFigures>,
    /// The most frequent failures.
    #[serde(default)]
    pub errors: Vec<ErrorCount>,
}

/// Of all requests of one name.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct RequestFigures {
    /// With an answer or without.
    pub count: u64,
    /// Without an allowed answer.
    pub failed: u64,
    /// By status; 0 stands for none.
    #[serde(default)]
    pub statuses: BTreeMap<u16, u64>,
    /// Percentiles and extremes of the time to the whole answer, in ms; failures are in them.
    pub p50_ms: Option<f64>,
    #[allow(missing_docs)]
    pub p75_ms: Option<f64>,
    #[allow(missing_docs)]
    pub p90_ms: Option<f64>,
    #[allow(missing_docs)]
    pub p95_ms: Option<f64>,
    #[allow(missing_docs)]
    pub p99_ms: Option<f64>,
    #[allow(missing_docs)]
    pub p999_ms: Option<f64>,
    #[allow(missing_docs)]
    pub max_ms: Option<f64>,
}

/// How often something went wrong.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct ErrorCount {
    /// Request name and what happened.
    pub message: String,
    /// How often.
    pub count: u64,
}

/// What the generator used.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct Generator {
    /// Of all its processes.
    pub cpu_seconds: f64,
    /// Largest resident set.
    pub memory_bytes: Option<u64>,
    /// Reasons to believe that it, and not the server, was the bottleneck.
    #[serde(default)]
    pub bottleneck: Vec<String>,
}

/// One second of a load.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct Second {
    /// From the load's beginning.
    pub second: u32,
    /// Users that should start in it.
    pub asked: f64,
    /// Users that did.
    pub started: u64,
    /// Answers, allowed or not.
    pub answers: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Of the answers of this second.
    pub p50_ms: Option<f64>,
    #[allow(missing_docs)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95_ms: Option<f64>,
    #[allow(missing_docs)]
    pub p99_ms: Option<f64>,
    /// Cores that all services used.
    pub cpus: Option<f64>,
    /// Sum of `usage − inactive_file` of all services.
    pub memory_bytes: Option<u64>,
}

/// The search for the largest multiple of the contest's peak rates that a contestant takes.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct Capacity {
    /// [`Entry::id`].
    pub contestant: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// The largest scale that was passed; absent if none was.
    pub scale: Option<f64>,
    /// The limit may be above `scale`: no step failed, or the generator was a bottleneck in the one that
    /// decided.
    #[serde(default)]
    pub at_least: bool,
    /// Requests a second at that scale.
    pub requests_per_second: Option<f64>,
    /// What limits a step.
    pub rule: String,
    /// In the order in which they were tried.
    pub steps: Vec<Step>,
    /// Acknowledged in any of the steps, and not stored at the end.
    pub lost: Option<u64>,
    /// What a reader should know: the generator set the limit, the steps or the time ran out.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Why it cannot be compared, if it cannot.
    #[serde(default)]
    pub reasons: Vec<String>,
}

/// One load of a capacity search.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Step {
    /// Multiple of the contest's peak rates.
    pub scale: f64,
    /// How long.
    pub seconds: f64,
    /// Answers a second.
    pub requests_per_second: f64,
    /// Requests without an allowed answer.
    pub failed: u64,
    /// Of all requests.
    pub p99_ms: Option<f64>,
    /// Of all services, until they came to rest.
    pub cpu_seconds: f64,
    /// From the last answer until all services were seen at rest; absent if they were not within the rule's
    /// time.
    pub settled_seconds: Option<f64>,
    /// Creations that were acknowledged in the search before this step: about as many rows were in the table.
    #[serde(default)]
    pub acknowledged_before: u64,
    /// Kept the rule.
    pub passed: bool,
    /// The most frequent failures.
    #[serde(default)]
    pub errors: Vec<ErrorCount>,
    /// The generator was the bottleneck, with the reason.
    #[serde(default)]
    pub bottleneck: Vec<String>,
}
