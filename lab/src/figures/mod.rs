//! Which number of an attempt is meant by a name: the one place that reads figures out of a record.
//!
//! [`crate::compare`] and [`crate::report`] both read through it, so that they cannot mean different things
//! by one word. What may not enter: how a figure is shown.

pub mod shop;
mod standing;

pub use standing::{Correctness, Standing, standings};

use crate::meters::Role;
use crate::record::{Attempt, RequestFigures, Status, Usage};

/// A point of a distribution of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Percentile {
    /// Half of the requests were faster.
    P50,
    #[allow(missing_docs)]
    P75,
    #[allow(missing_docs)]
    P90,
    #[allow(missing_docs)]
    P95,
    #[allow(missing_docs)]
    P99,
    #[allow(missing_docs)]
    P999,
    /// The slowest.
    Max,
}

impl Percentile {
    /// From the fast to the slow end.
    pub const ALL: [Self; 7] = [Self::P50, Self::P75, Self::P90, Self::P95, Self::P99, Self::P999, Self::Max];

    /// As in `p99`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P75 => "p75",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
            Self::Max => "max",
        }
    }

    fn of(self, figures: &RequestFigures) -> Option<f64> {
        match self {
            Self::P50 => figures.p50_ms,
            Self::P75 => figures.p75_ms,
            Self::P90 => figures.p90_ms,
            Self::P95 => figures.p95_ms,
            Self::P99 => figures.p99_ms,
            Self::P999 => figures.p999_ms,
            Self::Max => figures.max_ms,
        }
    }
}

/// A figure of an attempt, or of a capacity search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metric {
    /// CPU seconds of the whole stack for each 1,000 requests.
    CpuPerThousand,
    /// CPU seconds of the whole stack.
    Cpu,
    /// CPU seconds of the whole stack for each one of the generator's in the same attempt. The generator does
    /// the same work for everybody, on the same cores at the same time: what the machine's speed adds to both
    /// goes out.
    CpuByGenerator,
    /// Requests for each CPU second of the whole stack.
    RequestsPerCpu,
    /// Requests for each CPU second of the services with this role.
    RequestsPerRoleCpu(Role),
    /// Requests a second, allowed or not.
    RequestsPerSecond,
    /// Statements in the database for each request.
    StatementsPerRequest,
    /// Commits in the database for each request.
    CommitsPerRequest,
    /// CPU seconds of the services with this role.
    RoleCpu(Role),
    /// Seconds that threads waited for the CPU quota.
    Throttled,
    /// Largest `usage − inactive_file` of all services together, in bytes.
    Memory,
    /// The kernel's own peaks, in bytes.
    MemoryRaw,
    /// Times in ms: of the requests with this name, or of all.
    Time(Option<String>, Percentile),
    /// Requests without an allowed answer.
    Failed,
    /// Rows that are not as they must be after the load.
    WrongRows,
    /// Answers that an oracle without rows found wrong.
    WrongAnswers,
    /// What else must hold after a load of scenarios, and does not.
    Disproved,
    /// Acknowledged rows that were gone after a SIGKILL.
    LostKilled,
    /// Acknowledged people who were stored after it and not found through each replica.
    InvisibleKilled,
    /// Seconds without an answer after it.
    Unavailable,
    /// Rules of the API that were not kept.
    BrokenRules,
    /// Largest multiple of the contest's peak rates; 0 where none was passed.
    Capacity,
    /// Acknowledged orders of a shop, a second of its load.
    OrdersPerSecond,
    /// Pieces that a shop sold and still has, or never had.
    Oversold,
    /// CPU seconds of the services with this role, or of the whole stack, less what the load's logins cost.
    WithoutLogins(Option<Role>),
    /// CPU milliseconds of a login, of the whole stack.
    Login,
    /// Largest `usage − inactive_file` of each service with this role, added up.
    RoleMemory(Role),
}

impl Metric {
    /// In words.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::CpuPerThousand => "CPU per 1,000 requests".to_owned(),
            Self::Cpu => "CPU of the stack".to_owned(),
            Self::CpuByGenerator => "CPU by the generator's".to_owned(),
            Self::RequestsPerCpu => "requests per CPU second".to_owned(),
            Self::RequestsPerRoleCpu(role) => format!("requests per CPU second, {}", role_name(*role)),
            Self::RequestsPerSecond => "requests a second".to_owned(),
            Self::StatementsPerRequest => "statements a request".to_owned(),
            Self::CommitsPerRequest => "commits a request".to_owned(),
            Self::RoleCpu(role) => format!("CPU, {}", role_name(*role)),
            Self::Throttled => "throttled".to_owned(),
            Self::Memory => "memory".to_owned(),
            Self::MemoryRaw => "memory, raw peak".to_owned(),
            Self::Time(None, percentile) => format!("{} of all", percentile.name()),
            Self::Time(Some(request), percentile) => format!("{} of {request}", percentile.name()),
            Self::Failed => "failed requests".to_owned(),
            Self::WrongRows => "rows lost or wrong".to_owned(),
            Self::WrongAnswers => "wrong answers".to_owned(),
            Self::Disproved => "what was proven wrong".to_owned(),
            Self::LostKilled => "rows lost after a kill".to_owned(),
            Self::InvisibleKilled => "people not found after a kill".to_owned(),
            Self::Unavailable => "unavailable after a kill".to_owned(),
            Self::BrokenRules => "rules not kept".to_owned(),
            Self::Capacity => "capacity".to_owned(),
            Self::OrdersPerSecond => "orders a second".to_owned(),
            Self::Oversold => "pieces oversold".to_owned(),
            Self::WithoutLogins(None) => "CPU without logins".to_owned(),
            Self::WithoutLogins(Some(role)) => format!("CPU without logins, {}", role_name(*role)),
            Self::Login => "CPU of a login".to_owned(),
            Self::RoleMemory(role) => format!("memory, {}", role_name(*role)),
        }
    }

    /// The unit in which [`Metric::of`] gives it, as text; `""` for a plain number.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        match self {
            Self::CpuPerThousand
            | Self::Cpu
            | Self::RoleCpu(_)
            | Self::WithoutLogins(_)
            | Self::Throttled
            | Self::Unavailable => "s",
            Self::Memory | Self::MemoryRaw | Self::RoleMemory(_) => "MB",
            Self::Time(..) | Self::Login => "ms",
            Self::CpuByGenerator => "× its",
            Self::Capacity => "× the rates",
            Self::RequestsPerCpu
            | Self::RequestsPerRoleCpu(_)
            | Self::RequestsPerSecond
            | Self::StatementsPerRequest
            | Self::CommitsPerRequest
            | Self::Failed
            | Self::WrongRows
            | Self::WrongAnswers
            | Self::Disproved
            | Self::LostKilled
            | Self::InvisibleKilled
            | Self::BrokenRules
            | Self::OrdersPerSecond
            | Self::Oversold => "",
        }
    }

    /// Less of it is better, which is so of all but the capacity and what is done in a second, or with one of
    /// CPU.
    #[must_use]
    pub fn less_is_better(&self) -> bool {
        !matches!(
            self,
            Self::Capacity
                | Self::OrdersPerSecond
                | Self::RequestsPerCpu
                | Self::RequestsPerRoleCpu(_)
                | Self::RequestsPerSecond
        )
    }

    /// Its value in one attempt; absent if it was not measured. Never found for [`Metric::Capacity`], which
    /// [`Standing::values`] reads from the searches.
    #[must_use]
    pub fn of(&self, attempt: &Attempt) -> Option<f64> {
        let total = attempt.resources.as_ref().map(|resources| &resources.total);
        let load = attempt.load.as_ref();
        match self {
            Self::CpuPerThousand => {
                let requests = load?.total.count;
                (requests > 0).then_some(total?.cpu_seconds * 1_000.0 / requests as f64)
            }
            Self::Cpu => Some(total?.cpu_seconds),
            Self::CpuByGenerator => {
                let generator = attempt.generator.as_ref()?.cpu_seconds;
                (generator > 0.0).then_some(total?.cpu_seconds / generator)
            }
            Self::RequestsPerCpu => per_second(load?.total.count, total?.cpu_seconds),
            Self::RequestsPerRoleCpu(role) => per_second(load?.total.count, role_cpu(attempt, *role)?),
            Self::RequestsPerSecond => per_second(load?.total.count, load?.seconds),
            Self::StatementsPerRequest => per_request(attempt, attempt.database?.statements?),
            Self::CommitsPerRequest => per_request(attempt, attempt.database?.commits),
            Self::RoleCpu(role) => role_cpu(attempt, *role),
            Self::Throttled => total?.throttled_seconds,
            Self::Memory => Some(total?.memory_bytes as f64 / 1e6),
            Self::MemoryRaw => Some(total?.memory_raw_peak_bytes? as f64 / 1e6),
            Self::Time(None, percentile) => percentile.of(&load?.total),
            Self::Time(Some(request), percentile) => percentile.of(load?.requests.get(request)?),
            Self::Failed => Some(load?.total.failed as f64),
            Self::WrongRows => Some(attempt.stored.as_ref()?.wrong() as f64),
            Self::WrongAnswers => Some(attempt.answers.as_ref()?.wrong as f64),
            Self::Disproved => {
                let wrong = attempt.proofs.iter().map(|proven| proven.wrong).sum::<u64>();
                (!attempt.proofs.is_empty()).then_some(wrong as f64)
            }
            Self::LostKilled => Some(attempt.killed.as_ref()?.stored.lost as f64),
            Self::InvisibleKilled => Some(attempt.killed.as_ref()?.invisible? as f64),
            Self::Unavailable => attempt.killed.as_ref()?.unavailable_seconds,
            Self::BrokenRules => Some(attempt.conformance.as_ref()?.failures.len() as f64),
            Self::Capacity => None,
            Self::OrdersPerSecond => shop::orders_per_second(attempt),
            Self::Oversold => Some(attempt.stored.as_ref()?.stock?.oversold as f64),
            Self::WithoutLogins(role) => shop::without_logins(attempt, *role),
            Self::Login => Some(attempt.logins?.cpu_seconds * 1_000.0),
            Self::RoleMemory(role) => of_role(attempt, *role, &|usage| usage.memory_bytes as f64 / 1e6),
        }
    }
}

/// Absent where either is nothing.
fn per_second(requests: u64, cpu_seconds: f64) -> Option<f64> {
    (requests > 0 && cpu_seconds > 0.0).then(|| requests as f64 / cpu_seconds)
}

/// Absent where there was no request.
fn per_request(attempt: &Attempt, count: u64) -> Option<f64> {
    let requests = attempt.load.as_ref()?.total.count;
    (requests > 0).then(|| count as f64 / requests as f64)
}

fn role_cpu(attempt: &Attempt, role: Role) -> Option<f64> {
    of_role(attempt, role, &|usage| usage.cpu_seconds)
}

/// Sum over the services with `role`; absent where there are none.
fn of_role(attempt: &Attempt, role: Role, of: &dyn Fn(&Usage) -> f64) -> Option<f64> {
    let services = attempt.resources.as_ref()?.services.values();
    let of_role: Vec<f64> = services.filter(|usage| usage.role == Some(role)).map(of).collect();
    (!of_role.is_empty()).then(|| of_role.iter().sum())
}

/// A role in words.
#[must_use]
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Api => "APIs",
        Role::Balancer => "balancer",
        Role::Database => "database",
        Role::Cache => "cache",
    }
}

/// A status in words.
#[must_use]
pub fn status_name(status: Status) -> &'static str {
    match status {
        Status::Valid => "valid",
        Status::Disqualified => "disqualified",
        Status::Failed => "failed",
    }
}
