//! A contestant as a compose project, in podman or docker.
//!
//! The lab lays a file of its own over the contestant's: the limits of each service, and the environment of the mode. Containers
//! are found by the labels that compose gives them, so a contestant may name them as it likes, and one that it did not declare
//! is seen as well.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{STOP_LIMIT, Stack, api_environment, shares};
use crate::command;
use crate::contest::Contest;
use crate::contestant::{Contestant, Role};
use crate::meters::{Cgroup, Target};
use crate::view;

/// Images are built from package registries, the first time.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);
/// Starting, stopping and removing a project.
const PROJECT_LIMIT: Duration = Duration::from_secs(180);
/// A question to the engine.
const ASK_LIMIT: Duration = Duration::from_secs(30);
/// A statement in the database; the rows of a run are the longest answer.
const SQL_LIMIT: Duration = Duration::from_secs(120);
/// Of each container's log.
const LOG_LINES: &str = "50";

/// A compose project.
pub struct Compose {
    engine: Engine,
    project: String,
    files: Vec<PathBuf>,
    shares: Vec<(String, Role)>,
    database: String,
    database_name: String,
    /// The override file lives here for as long as the project does.
    _folder: tempfile::TempDir,
    up: bool,
}

/// A container of the project.
struct Container {
    service: String,
    id: String,
    /// 0 where it does not run.
    pid: i32,
}

impl Compose {
    /// # Errors
    /// No engine is there, or the override file cannot be written.
    pub fn new(contest: &Contest, contestant: &Contestant, mode: &str) -> Result<Self> {
        let service =
            contestant.database.service.clone().ok_or_else(|| anyhow!("database.service is missing"))?;
        let folder = tempfile::Builder::new().prefix("pouco-lab-").tempdir()?;
        let limits = folder.path().join("limits.yml");
        std::fs::write(&limits, override_file(contest, contestant, mode))?;
        let mut files = Vec::new();
        for file in &contestant.compose {
            let path = contestant.folder.join(file);
            files.push(path.canonicalize().with_context(|| path.display().to_string())?);
        }
        files.push(limits);
        Ok(Self {
            engine: Engine::find()?,
            project: format!("pouco-lab-{}", contestant.name),
            files,
            shares: shares(contestant).into_iter().map(|(name, role, _)| (name, role)).collect(),
            database: service,
            database_name: contestant.database.name.clone(),
            _folder: folder,
            up: false,
        })
    }

    fn compose(&self, arguments: &[&str], limit: Duration) -> Result<()> {
        let mut command = self.engine.compose();
        for file in &self.files {
            command.arg("-f").arg(file);
        }
        command::output(command.args(["-p", &self.project]).args(arguments), limit)?;
        Ok(())
    }

    fn containers(&self) -> Result<Vec<Container>> {
        let filter = format!("label=com.docker.compose.project={}", self.project);
        let ids = self.engine.ask(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter])?;
        let ids: Vec<&str> = ids.split_whitespace().collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let inspected = self.engine.ask(&[&["container", "inspect"], ids.as_slice()].concat())?;
        let inspected: Vec<Value> = serde_json::from_str(&inspected).context("container inspect")?;
        inspected.iter().map(container).collect()
    }

    fn names(&self) -> Result<Vec<String>> {
        Ok(self.containers()?.into_iter().map(|container| container.id).collect())
    }

    fn each(&self, verb: &[&str], limit: Duration) -> Result<()> {
        let names = self.names()?;
        ensure!(!names.is_empty(), "{}: no container is there", self.project);
        let mut command = self.engine.command();
        command::output(command.args(verb).args(&names), limit)?;
        Ok(())
    }
}

impl Stack for Compose {
    fn build(&mut self) -> Result<()> {
        self.compose(&["build"], BUILD_LIMIT)
    }

    fn up(&mut self) -> Result<()> {
        // What a run that was cut short has left; an error here says no more than that there is nothing.
        let _ = self.compose(&["down", "--volumes"], PROJECT_LIMIT);
        self.up = true;
        self.compose(&["up", "--detach", "--no-build"], PROJECT_LIMIT)
    }

    fn restart(&mut self) -> Result<()> {
        let seconds = STOP_LIMIT.as_secs().to_string();
        self.each(&["stop", "--time", &seconds], PROJECT_LIMIT)?;
        self.each(&["start"], PROJECT_LIMIT)
    }

    fn kill(&mut self) -> Result<()> {
        // By the kernel where we may, which is all at once; else one by one through the engine.
        let mut pids = Vec::new();
        for target in self.targets()? {
            pids.extend(Cgroup::open(&target)?.pids()?);
        }
        ensure!(!pids.is_empty(), "{}: nothing runs that could be killed", self.project);
        let mut allowed = true;
        for pid in pids.into_iter().filter_map(Pid::from_raw) {
            // One that has ended since is as dead as it should be.
            allowed &= kill_process(pid, Signal::KILL) != Err(rustix::io::Errno::PERM);
        }
        if allowed { Ok(()) } else { self.each(&["kill", "--signal", "KILL"], PROJECT_LIMIT) }
    }

    fn revive(&mut self) -> Result<()> {
        // Each container has its own restart policy, which may have been faster; starting what runs is no error. One that
        // the engine is just restarting may refuse, so this is repeated until all run.
        let deadline = Instant::now() + PROJECT_LIMIT;
        loop {
            let started = self.each(&["start"], PROJECT_LIMIT);
            if self.containers()?.iter().all(|container| container.pid > 0) {
                return Ok(());
            }
            if Instant::now() > deadline {
                started?;
                bail!("{}: not all containers run again after the kill", self.project);
            }
        }
    }

    fn targets(&self) -> Result<Vec<Target>> {
        let running = self.containers()?.into_iter().filter(|container| container.pid > 0);
        Ok(running
            .map(|container| Target {
                role: self.shares.iter().find(|(name, _)| *name == container.service).map(|(_, role)| *role),
                service: container.service,
                pid: container.pid,
                container_id: Some(container.id),
                root: PathBuf::from("/"),
            })
            .collect())
    }

    fn sql(&self, statement: &str) -> Result<String> {
        let containers = self.containers()?;
        let postgres = containers
            .iter()
            .find(|container| container.service == self.database)
            .ok_or_else(|| anyhow!("{}: no container of the service {}", self.project, self.database))?;
        let mut command = self.engine.command();
        command.args(["exec", "--user", "postgres", &postgres.id, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1"]);
        command::output(
            command.args(["-U", "postgres", "-d", &self.database_name, "-c", statement]),
            SQL_LIMIT,
        )
    }

    fn database(&self) -> Option<&str> {
        Some(&self.database)
    }

    fn logs(&self) -> String {
        let mut text = String::new();
        for container in self.containers().unwrap_or_default() {
            // Engines write a container's error channel to their own.
            let script = format!("{} logs --tail {LOG_LINES} {} 2>&1", self.engine.program, container.id);
            let lines = command::output(Command::new("sh").args(["-c", &script]), ASK_LIMIT);
            let _ = writeln!(
                text,
                "--- {}\n{}",
                container.service,
                lines.unwrap_or_else(|error| format!("{error:#}"))
            );
        }
        text
    }

    fn down(&mut self) -> Result<()> {
        if self.up {
            self.compose(&["down", "--volumes"], PROJECT_LIMIT)?;
            self.up = false;
        }
        Ok(())
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        if let Err(error) = self.down() {
            view::say(&format!("pouco-lab: {} may still run: {error:#}", self.project));
        }
    }
}

fn container(item: &Value) -> Result<Container> {
    let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let pid = item.pointer("/State/Pid").and_then(Value::as_i64).unwrap_or(0);
    Ok(Container {
        service: text("/Config/Labels/com.docker.compose.service").unwrap_or_else(|| "undeclared".into()),
        id: text("/Id").ok_or_else(|| anyhow!("container inspect: an item without Id"))?,
        pid: i32::try_from(pid)?,
    })
}

/// The limits of every declared service, and the environment of the APIs. YAML is a superset of JSON, so JSON it is.
fn override_file(contest: &Contest, contestant: &Contestant, mode: &str) -> String {
    let mut services = serde_json::Map::new();
    for (name, role, limits) in shares(contestant) {
        let mut service = serde_json::json!({
            "deploy": { "resources": { "limits": {
                "cpus": limits.cpus.unwrap_or_default().to_string(),
                "memory": format!("{}b", limits.memory_bytes.unwrap_or_default()),
            }}}
        });
        if role == Role::Api {
            let environment = api_environment(contest, contestant, mode).into_iter();
            service["environment"] = environment.map(|(key, value)| (key, Value::String(value))).collect();
        }
        services.insert(name, service);
    }
    serde_json::json!({ "services": services }).to_string()
}

/// podman or docker, with its compose.
struct Engine {
    program: String,
}

impl Engine {
    /// `CONTAINER_ENGINE`, or the first that answers.
    fn find() -> Result<Self> {
        let chosen = std::env::var("CONTAINER_ENGINE").ok().filter(|name| !name.is_empty());
        let candidates =
            chosen.map_or_else(|| vec!["podman".to_owned(), "docker".to_owned()], |name| vec![name]);
        for program in candidates {
            if command::succeeds(Command::new(&program).arg("info"), ASK_LIMIT).unwrap_or(false) {
                return Ok(Self { program });
            }
        }
        bail!("neither podman nor docker answers; deploy/install-podman.sh installs podman")
    }

    fn command(&self) -> Command {
        Command::new(&self.program)
    }

    fn compose(&self) -> Command {
        if self.program.ends_with("docker") {
            let mut command = self.command();
            command.arg("compose");
            return command;
        }
        Command::new("podman-compose")
    }

    fn ask(&self, arguments: &[&str]) -> Result<String> {
        command::output(self.command().args(arguments), ASK_LIMIT)
    }
}
