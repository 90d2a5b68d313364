//! The containers of the stack, in podman or docker.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use super::{AGAIN, READY};
use crate::command;
use crate::meters::{Limits, Target};

pub(super) const STACK: [&str; 4] = ["pouco-nginx", REPLICAS[0], REPLICAS[1], POSTGRES];
pub(super) const REPLICAS: [&str; 2] = ["pouco-api1", "pouco-api2"];
pub(super) const POSTGRES: &str = "pouco-postgres";

/// A question to the engine.
const ASK_LIMIT: Duration = Duration::from_secs(30);
/// A replica drains before it stops.
const STOP_LIMIT: Duration = Duration::from_secs(120);

/// podman or docker.
pub(super) struct Engine(pub(super) String);

pub(super) struct Container {
    pub(super) target: Target,
    /// What was set; the kernel may enforce something else.
    pub(super) configured: Limits,
}

impl Engine {
    /// The one that runs at least one of `names`, if there is one. CONTAINER_ENGINE overrides.
    pub(super) fn find(names: &[String]) -> Result<Option<Self>> {
        let chosen = std::env::var("CONTAINER_ENGINE").ok().filter(|name| !name.is_empty());
        let known = || vec!["podman".to_owned(), "docker".to_owned()];
        for program in chosen.clone().map_or_else(known, |one| vec![one]) {
            let engine = Self(program);
            match engine.running(names) {
                Ok(found) if !found.is_empty() => return Ok(Some(engine)),
                // Not installed, or a client without an engine behind it.
                Err(error) if chosen.is_some() => return Err(error),
                _ => {}
            }
        }
        Ok(None)
    }

    /// The one that runs the stack.
    pub(super) fn of_stack() -> Result<Option<Self>> {
        Self::find(&STACK.map(str::to_owned))
    }

    pub(super) fn running_stack() -> Result<Self> {
        Self::of_stack()?.context("no container of the stack is running")
    }

    /// Those of `names` that run, in their order.
    pub(super) fn running(&self, names: &[String]) -> Result<Vec<Container>> {
        let up = self.ask(&["ps", "--format", "{{.Names}}"])?;
        let up: HashSet<&str> = up.split_whitespace().collect();
        let mut wanted: Vec<&str> = names.iter().map(String::as_str).filter(|it| up.contains(it)).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        wanted.splice(0..0, ["container", "inspect"]);
        let inspected: Vec<Value> = serde_json::from_str(&self.ask(&wanted)?).context("container inspect")?;
        inspected.iter().map(container).collect()
    }

    pub(super) fn ask(&self, arguments: &[&str]) -> Result<String> {
        command::output(Command::new(&self.0).args(arguments), ASK_LIMIT)
    }

    /// `stop` or `start` of both replicas.
    pub(super) fn replicas(&self, verb: &str) -> Result<()> {
        command::unstopped(Command::new(&self.0).arg(verb).args(REPLICAS), STOP_LIMIT).map(drop)
    }

    /// True once it passes its own health check, or has none.
    fn is_healthy(&self, name: &str) -> Result<bool> {
        let inspect = |format| self.ask(&["container", "inspect", "-f", format, name]);
        if inspect("{{if .Config.Healthcheck}}yes{{end}}")?.trim() != "yes" {
            return Ok(true);
        }
        let program = Path::new(&self.0).file_name().unwrap_or_default().to_string_lossy();
        if program.starts_with("docker") {
            return Ok(inspect("{{.State.Health.Status}}")?.trim() == "healthy");
        }
        // podman keeps the status with the help of systemd timers, which not every machine has: run it.
        command::succeeds(Command::new(&self.0).args(["healthcheck", "run", name]), ASK_LIMIT)
    }
}

/// Both replicas, not only the one that the balancer asks first.
pub(super) fn healthy(engine: &Engine) -> Result<()> {
    let begun = Instant::now();
    for name in REPLICAS {
        while !engine.is_healthy(name)? {
            ensure!(begun.elapsed() < READY, "{name} is not healthy within {} s", READY.as_secs());
            // No engine offers to wait for health in all its versions.
            std::thread::sleep(AGAIN);
        }
    }
    Ok(())
}

fn container(item: &Value) -> Result<Container> {
    let text =
        |key: &str| item[key].as_str().ok_or_else(|| anyhow!("container inspect: an item without {key}"));
    let host = &item["HostConfig"];
    let number = |key: &str| host[key].as_f64().filter(|value| *value > 0.0);
    let quota = || Some(number("CpuQuota")? / number("CpuPeriod").unwrap_or(100_000.0));
    Ok(Container {
        target: Target {
            // docker puts a slash before it.
            service: text("Name")?.trim_start_matches('/').to_owned(),
            role: None,
            pid: i32::try_from(item["State"]["Pid"].as_i64().unwrap_or(0))?,
            container_id: Some(text("Id")?.to_owned()),
            root: "/".into(),
        },
        configured: Limits {
            cpus: number("NanoCpus").map(|nano| nano / 1e9).or_else(quota),
            memory_bytes: host["Memory"].as_u64().filter(|bytes| *bytes > 0),
        },
    })
}
