//! The meters as a service: what the kernel knows of running containers, as Prometheus text under cAdvisor's
//! names, for machines on which cAdvisor cannot be had. Dashboards made for cAdvisor keep working.
//!
//! What may not enter: contests, and a container engine. Names come from [`crate::meters::containers`].

mod command;
mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use pouco_exposition::Exposition;

use crate::meters::{Cgroup, Limits, Named, Periods, Sample, containers};

pub use command::{Serving, run};
#[cfg(feature = "contests")]
pub(crate) use server::{Request, accept_while, read_request, reply, send};
pub use server::{serve, serve_while};

/// The kernel's own period, by which a share of a CPU is told where only the share is known.
const PERIOD_US: f64 = 100_000.0;

/// The containers that were there at the last look.
#[derive(Debug)]
pub struct Exporter {
    /// `/`, or a recorded file tree.
    root: PathBuf,
    project: Option<String>,
    known: BTreeMap<Named, Cgroup>,
}

/// The metrics of one container.
struct Seen {
    id: String,
    name: String,
    sample: Sample,
    periods: Option<Periods>,
    limits: Limits,
    processes: usize,
    at: Duration,
}

/// A name with how its value is computed.
struct Family {
    name: &'static str,
    help: &'static str,
    /// `None` where a container has no such figure.
    value: fn(&Seen) -> Option<f64>,
}

/// Everything that is exported of a container. cAdvisor has these names with these meanings.
const FAMILIES: &[Family] = &[
    Family {
        name: "container_cpu_usage_seconds_total",
        help: "CPU time of user and system.",
        value: |it| Some(seconds(it.sample.cpu_ns)),
    },
    Family {
        name: "container_cpu_cfs_periods_total",
        help: "Periods of the CPU quota in which something ran.",
        value: |it| Some(number(it.periods?.all)),
    },
    Family {
        name: "container_cpu_cfs_throttled_periods_total",
        help: "Periods in which the quota was used up.",
        value: |it| Some(number(it.periods?.throttled)),
    },
    Family {
        name: "container_cpu_cfs_throttled_seconds_total",
        help: "Time spent waiting for the next period.",
        value: |it| it.sample.throttled_ns.map(seconds),
    },
    Family {
        name: "container_spec_cpu_quota",
        help: "Microseconds of CPU time in a period; absent without a limit.",
        value: |it| it.limits.cpus.map(|cpus| (cpus * PERIOD_US).round()),
    },
    Family {
        name: "container_spec_cpu_period",
        help: "Microseconds of a period; absent without a limit.",
        value: |it| it.limits.cpus.map(|_| PERIOD_US),
    },
    Family {
        name: "container_memory_usage_bytes",
        help: "Memory with page cache.",
        value: |it| Some(number(it.sample.memory_bytes)),
    },
    Family {
        name: "container_memory_working_set_bytes",
        help: "Memory without the page cache that the kernel takes back first.",
        value: |it| Some(number(it.sample.working_bytes())),
    },
    Family {
        name: "container_memory_max_usage_bytes",
        help: "The kernel's own peak of the memory with page cache.",
        value: |it| it.sample.peak_bytes.map(number),
    },
    Family {
        name: "container_spec_memory_limit_bytes",
        help: "The limit of the memory; 0 without one.",
        value: |it| Some(number(it.limits.memory_bytes.unwrap_or(0))),
    },
    Family {
        name: "container_oom_events_total",
        help: "Processes killed for want of memory.",
        value: |it| it.sample.oom_kills.map(number),
    },
    Family {
        name: "container_processes",
        help: "Processes in it.",
        value: |it| Some(number(it.processes as u64)),
    },
    Family {
        name: "container_last_seen",
        help: "When it was seen, in seconds since 1970.",
        value: |it| Some(number(it.at.as_secs())),
    },
];

fn seconds(ns: u64) -> f64 {
    Duration::from_nanos(ns).as_secs_f64()
}

#[allow(clippy::cast_precision_loss)] // bytes and counts far below 2^53
fn number(count: u64) -> f64 {
    count as f64
}

impl Exporter {
    /// Over the containers that `root` shows: all, or those whose names begin with the project's.
    #[must_use]
    pub fn new(root: PathBuf, project: Option<String>) -> Self {
        Self { root, project, known: BTreeMap::new() }
    }

    /// Looks at every container, and writes it all down.
    ///
    /// # Errors
    /// There is no `proc` to read.
    pub fn text(&mut self) -> Result<String> {
        let mut errors = self.refresh()?;
        let mut seen = Vec::new();
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        for (container, cgroup) in &mut self.known {
            match look(container, cgroup, at) {
                Ok(one) => seen.push(one),
                // It ended since it was found, or its files are not as the kernel documents them.
                Err(_) => errors += 1,
            }
        }
        let mut exposition = Exposition::default();
        for Family { name, help, value } in FAMILIES {
            for one in &seen {
                let labels = [("cpu", "total"), ("id", &one.id), ("name", &one.name)];
                // cAdvisor can tell each CPU apart, and says so where it does not.
                let labels = &labels[usize::from(*name != "container_cpu_usage_seconds_total")..];
                if let Some(value) = value(one) {
                    exposition.sample(name, help, labels, value);
                }
            }
        }
        let help = "Containers whose figures could not be read.";
        exposition.sample("container_scrape_error", help, &[], errors);
        Ok(exposition.into_text())
    }

    /// Finds those that are new and forgets those that have ended; how many have no cgroup that can be read.
    fn refresh(&mut self) -> Result<usize> {
        let mut failed = 0;
        let mut former = std::mem::take(&mut self.known);
        for container in containers(&self.root)? {
            if !self.is_wanted(&container.name) {
                continue;
            }
            // One that is started again has the same folder.
            let known = former.remove(&container);
            match known.map_or_else(|| Cgroup::of_container(&self.root, &container.id), Ok) {
                Ok(cgroup) => {
                    self.known.insert(container, cgroup);
                }
                Err(_) => failed += 1,
            }
        }
        Ok(failed)
    }

    fn is_wanted(&self, name: &str) -> bool {
        let Some(project) = &self.project else { return true };
        name.strip_prefix(project.as_str()).is_some_and(|rest| rest.starts_with(['-', '_']))
    }
}

fn look(container: &Named, cgroup: &mut Cgroup, at: Duration) -> Result<Seen> {
    Ok(Seen {
        id: cgroup.path().unwrap_or_default(),
        name: container.name.clone(),
        sample: cgroup.sample()?,
        periods: cgroup.periods(),
        limits: cgroup.limits()?,
        processes: cgroup.pids()?.len(),
        at,
    })
}
