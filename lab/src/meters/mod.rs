//! CPU, throttling, memory and context switches of containers and processes, read where the kernel keeps
//! them: cgroups of version 1, of version 2 and of both at once, and `/proc`. What is below `/proc` is read
//! by `procfs`, unless a module says why not; what is below a cgroup is read here, since `procfs` knows none
//! of it.
//!
//! The engine's own `stats` is not used: it costs a process a second, hides throttling, and each engine
//! subtracts something else from the memory. What is configured is not believed either: limits can show in
//! `inspect` and not hold.
//!
//! What may not enter: a container engine, a contestant, a query to a database. Here files are read, and
//! nothing is run.

mod cgroup;
mod connections;
mod generator;
mod hierarchy;
mod limits;
mod meter;
mod names;
mod processes;
mod switches;
mod used;

use std::path::{Path, PathBuf};

pub use cgroup::{Cgroup, Periods, Sample};
pub use connections::{Database, is_client};
pub use generator::{ProcessMeter, ProcessUsage};
pub use hierarchy::layout;
pub use limits::limits_hold;
pub use meter::{ApiPoint, Meter, MeterReport, SeriesPoint};
pub use names::{Named, containers};
pub use processes::{alive, family};
pub use used::{Limits, Resources, Role, Usage};

/// What is measured: a container, or a plain process with its descendants.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name in the contestant's file.
    pub service: String,
    /// What it is for; absent for a container that the contestant did not declare.
    pub role: Option<Role>,
    /// A process of the container as this machine numbers it, or the plain process.
    pub pid: i32,
    /// As the engine gives it; absent for a plain process.
    pub container_id: Option<String>,
    /// `/`, or a recorded file tree with `proc` and `sys` in it. A plain process has the id 1 in a recorded
    /// tree.
    pub root: PathBuf,
}

impl Target {
    /// Read from this machine, and not from a recorded tree, which nobody may write to.
    fn is_live(&self) -> bool {
        self.root == Path::new("/")
    }
}

/// Reads a small file of the kernel's. The error names the file.
fn read_text(path: &Path) -> anyhow::Result<String> {
    use anyhow::Context;
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}
