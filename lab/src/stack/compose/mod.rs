//! A contestant as a compose project, in podman or docker.
//!
//! The lab lays a file of its own over the contestant's: the limits of each service, and the environment of
//! the mode. Containers are found by the labels that compose gives them, so a contestant may name them as it
//! likes, and one that it did not declare is seen as well. What compose says about its success is not
//! believed: podman's passes over most failures.

mod engine;
mod killed;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;

pub(crate) use self::engine::find_program;
use self::engine::{ASK_LIMIT, Container, Engine};
use self::killed::Process;
use super::session::Program;
use super::{Replica, STOP_LIMIT, Session, Stack, api_environment, port, shares};
use crate::command;
use crate::contest::Contest;
use crate::contestant::{Contestant, Role};
use crate::meters::{Cgroup, Target};
use crate::view;

/// Images are built from package registries, the first time.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);
/// Starting, stopping and removing a project.
const PROJECT_LIMIT: Duration = Duration::from_secs(180);
/// A statement in the database; the rows of a run are the longest answer.
const SQL_LIMIT: Duration = Duration::from_secs(120);
/// Of each container's log.
const LOG_LINES: &str = "50";
/// Rows that Postgres sends, and its client keeps, at once.
const ROWS_AT_ONCE: &str = "FETCH_COUNT=1000";
/// Between two tries to start what was killed.
const RETRY: Duration = Duration::from_millis(200);
/// A container on which others depend may be removed after them only.
const REMOVALS: u32 = 3;

/// What a project leaves behind: its name, how it is listed, and how it is removed.
const KINDS: [(&str, &[&str], &[&str]); 3] = [
    ("container", &["ps", "--all", "--quiet", "--no-trunc"], &["rm", "--force", "--volumes"]),
    ("volume", &["volume", "ls", "--quiet"], &["volume", "rm", "--force"]),
    ("network", &["network", "ls", "--quiet"], &["network", "rm"]),
];

/// A compose project.
pub struct Compose {
    engine: Engine,
    project: String,
    files: Vec<PathBuf>,
    shares: Vec<(String, Role)>,
    /// Of the replicas, by their services.
    addresses: BTreeMap<String, String>,
    /// Service and name of its database, if it has one.
    database: Option<(String, String)>,
    /// The database's container, once it is known: it stays the same from [`Stack::up`] on, and each question
    /// to the engine takes time.
    postgres: OnceCell<String>,
    /// Where the contest expects it to serve.
    address: String,
    /// The override file lives here for as long as the project does.
    _folder: tempfile::TempDir,
    up: bool,
    /// What Postgres must load at its start, for compose files that leave a place for it.
    preload: &'static str,
    /// It is taken down, which goes on though the lab is to end.
    ending: bool,
    /// The containers that ran before [`Stack::kill`], each with its first process.
    killed: Vec<(String, Option<Process>)>,
}

impl Compose {
    /// # Errors
    /// No engine is there, or the override file cannot be written.
    pub fn new(contest: &Contest, contestant: &Contestant, mode: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("pouco-lab-").tempdir()?;
        let engine = Engine::find(folder.path())?;
        Self::with(engine, folder, contest, contestant, mode)
    }

    fn with(
        engine: Engine,
        folder: tempfile::TempDir,
        contest: &Contest,
        contestant: &Contestant,
        mode: &str,
    ) -> Result<Self> {
        let database = match &contestant.database {
            None => None,
            Some(it) => {
                let service = it.service.clone().ok_or_else(|| anyhow!("database.service is missing"))?;
                Some((service, it.name.clone()))
            }
        };
        let limits = folder.path().join("limits.yml");
        std::fs::write(&limits, override_file(contest, contestant, mode))?;
        let mut files = Vec::new();
        for file in &contestant.compose {
            let path = contestant.folder.join(file);
            files.push(path.canonicalize().with_context(|| path.display().to_string())?);
        }
        files.push(limits);
        Ok(Self {
            engine,
            project: format!("pouco-lab-{}", contestant.name),
            files,
            shares: shares(contestant).into_iter().map(|(name, role, _)| (name, role)).collect(),
            addresses: contestant
                .services
                .iter()
                .filter_map(|(name, service)| Some((name.clone(), service.address.clone()?)))
                .collect(),
            database,
            postgres: OnceCell::new(),
            address: contest.address().to_owned(),
            _folder: folder,
            up: false,
            preload: if contest.load.optional { "pg_stat_statements" } else { "" },
            ending: false,
            killed: Vec::new(),
        })
    }

    fn compose_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.engine.compose();
        command.env("POUCO_LAB_PRELOAD", self.preload);
        for file in &self.files {
            command.arg("-f").arg(file);
        }
        command.args(["-p", &self.project]).args(arguments);
        command
    }

    fn compose(&self, arguments: &[&str], limit: Duration) -> Result<()> {
        self.run(&mut self.compose_command(arguments), limit).map(drop)
    }

    /// podman-compose passes over a service that cannot be made, as where its image is missing: without this
    /// it would be waited for until it serves. What it `said` tells why.
    fn all_there(&self, said: &str) -> Result<()> {
        let there = self.containers()?;
        let missing = |name: &&String| !there.iter().any(|container| container.service == **name);
        let missing: Vec<&str> =
            self.shares.iter().map(|(name, _)| name).filter(missing).map(String::as_str).collect();
        ensure!(
            missing.is_empty(),
            "{}: no container was made for {}, whose image may be missing: {}",
            self.project,
            missing.join(", "),
            command::tail(said)
        );
        Ok(())
    }

    fn run(&self, command: &mut Command, limit: Duration) -> Result<String> {
        if self.ending { command::unstopped(command, limit) } else { command::output(command, limit) }
    }

    fn ask(&self, arguments: &[&str]) -> Result<String> {
        self.run(self.engine.command().args(arguments), ASK_LIMIT)
    }

    /// Whatever `list` shows of the project, a line each.
    fn listed(&self, list: &[&str]) -> Result<Vec<String>> {
        let filter = format!("label=com.docker.compose.project={}", self.project);
        let lines = self.ask(&[list, &["--filter", &filter]].concat())?;
        Ok(lines.split_whitespace().map(str::to_owned).collect())
    }

    /// Removes everything of the project, whoever started it.
    fn clear(&self) -> Result<()> {
        let mut lists = KINDS.iter().map(|(_, list, _)| self.listed(list));
        let nothing = lists.all(|listed| listed.is_ok_and(|listed| listed.is_empty()));
        if nothing {
            return Ok(());
        }
        // Its error says no more than that there is nothing, or else what is found below.
        let said = self.compose(&["down", "--volumes"], PROJECT_LIMIT).err();
        for (kind, list, remove) in KINDS {
            let mut left = self.listed(list)?;
            let mut refused = None;
            for _ in 0..REMOVALS {
                if left.is_empty() {
                    break;
                }
                refused = self.run(self.engine.command().args(remove).args(&left), PROJECT_LIMIT).err();
                left = self.listed(list)?;
            }
            if !left.is_empty() {
                let why = refused.or(said).map(|error| format!(": {error:#}")).unwrap_or_default();
                bail!("{}: a {kind} cannot be removed: {}{why}", self.project, left.join(", "));
            }
        }
        Ok(())
    }

    /// A volume that is not the project's is not removed with it, and would bring the former run's data into
    /// this one. podman-compose makes such a one where the volume's name is the beginning of another one's:
    /// `podman volume inspect` takes that for it.
    fn own_volumes_only(&self) -> Result<()> {
        let own = self.listed(KINDS[1].1)?;
        for container in self.containers()? {
            if let Some(name) = container.volumes.iter().find(|name| !own.contains(name)) {
                bail!(
                    "{}: the volume {name} of the service {} has not the project's label, and may hold what another run left; \
                     no volume's name may be the beginning of another one's",
                    self.project,
                    container.service
                );
            }
        }
        Ok(())
    }

    fn containers(&self) -> Result<Vec<Container>> {
        let ids = self.listed(KINDS[0].1)?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = self.engine.command();
        engine::containers(&self.run(command.args(["container", "inspect"]).args(&ids), ASK_LIMIT)?)
    }

    fn running(&self) -> Result<Vec<Container>> {
        Ok(self.containers()?.into_iter().filter(|container| container.pid > 0).collect())
    }

    fn each<'i>(&self, verb: &[&str], ids: impl IntoIterator<Item = &'i String>) -> Result<()> {
        self.run(self.engine.command().args(verb).args(ids), PROJECT_LIMIT).map(drop)
    }

    fn target(&self, container: &Container) -> Target {
        Target {
            role: self.shares.iter().find(|(name, _)| *name == container.service).map(|(_, role)| *role),
            service: container.service.clone(),
            pid: container.pid,
            container_id: Some(container.id.clone()),
            root: PathBuf::from("/"),
        }
    }

    fn postgres_container(&self, service: &str) -> Result<String> {
        let of_service = self.containers()?.into_iter().filter(|container| container.service == service);
        let found = of_service.max_by_key(|container| container.pid > 0);
        let found =
            found.ok_or_else(|| anyhow!("{}: no container of the service {service}", self.project))?;
        Ok(found.id)
    }

    /// `psql` as the database's superuser, which the options `of_engine` of its container's `exec` precede.
    fn psql_command(&self, of_engine: &[&str], options: &[&str]) -> Result<Command> {
        let (service, name) =
            self.database.as_ref().ok_or_else(|| anyhow!("{}: no database is at hand", self.project))?;
        let postgres = match self.postgres.get() {
            Some(id) => id,
            None => {
                let container = self.postgres_container(service)?;
                self.postgres.get_or_init(|| container)
            }
        };
        let mut command = self.engine.command();
        command.arg("exec").args(of_engine).args(["--user", "postgres", postgres]);
        command.args(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1"]);
        command.args(options).args(["-U", "postgres", "-d", name]);
        Ok(command)
    }

    /// Runs `statements` in one session of the database's superuser.
    fn psql(&self, options: &[&str], statements: &[&str]) -> Result<String> {
        let mut command = self.psql_command(&[], options)?;
        for statement in statements {
            command.args(["-c", statement]);
        }
        self.run(&mut command, SQL_LIMIT)
    }

    /// Whether each container that was killed runs again, with another first process: right after a kill an
    /// engine may still show the former one.
    fn revived(&self) -> Result<bool> {
        let now = self.containers()?;
        Ok(self.killed.iter().all(|(id, former)| {
            let container = now.iter().find(|container| container.id == *id);
            let process = container.and_then(|container| Process::of(container.pid));
            process.is_some() && process != *former
        }))
    }
}

impl Stack for Compose {
    fn build(&mut self) -> Result<()> {
        self.compose(&["build"], BUILD_LIMIT)
    }

    fn up(&mut self) -> Result<()> {
        // What a run that was cut short has left.
        self.clear().context("what a former run has left")?;
        port::free(&self.address)?;
        self.up = true;
        self.postgres = OnceCell::new();
        let mut up = self.compose_command(&["up", "--detach", "--no-build"]);
        let (_, said) = command::both(&mut up, PROJECT_LIMIT)?;
        self.all_there(&said)?;
        self.own_volumes_only()
    }

    fn restart(&mut self) -> Result<()> {
        let seconds = STOP_LIMIT.as_secs().to_string();
        let ids = self.listed(KINDS[0].1)?;
        ensure!(!ids.is_empty(), "{}: no container is there", self.project);
        self.each(&["stop", "--time", &seconds], &ids)?;
        self.each(&["start"], &ids)
    }

    fn kill(&mut self) -> Result<()> {
        let running = self.running()?;
        let mut pids = Vec::new();
        for container in &running {
            pids.extend(Cgroup::open(&self.target(container))?.pids()?);
        }
        ensure!(!pids.is_empty(), "{}: nothing runs that could be killed", self.project);
        let ids = running.iter().map(|container| (container.id.clone(), Process::of(container.pid)));
        self.killed = ids.collect();
        // By the kernel where we may, which is all at once; otherwise one by one through the engine, which
        // refuses those that have ended by the kernel's hand. What counts is that all are gone.
        let processes: Vec<Process> = pids.into_iter().filter_map(Process::of).collect();
        let allowed = killed::kill(&processes);
        let refused = match allowed {
            true => None,
            false => self.each(&["kill", "--signal", "KILL"], self.killed.iter().map(|(id, _)| id)).err(),
        };
        killed::wait(&processes).with_context(|| {
            let why = refused.map(|error| format!(": {error:#}")).unwrap_or_default();
            format!("{}{why}", self.project)
        })
    }

    fn revive(&mut self) -> Result<()> {
        // Each container has its own restart policy, which may have been faster; starting what runs is not an
        // error. One that the engine is just restarting may refuse, and one of which it does not know yet
        // that it has ended is passed over, so this is repeated until all run.
        ensure!(!self.killed.is_empty(), "{}: nothing was killed", self.project);
        let deadline = Instant::now() + PROJECT_LIMIT;
        loop {
            let started = self.each(&["start"], self.killed.iter().map(|(id, _)| id));
            let revived = self.revived();
            if matches!(revived, Ok(true)) {
                return Ok(());
            }
            if Instant::now() > deadline || command::interrupted() {
                started?;
                revived?;
                bail!("{}: not all containers run again after the kill", self.project);
            }
            std::thread::sleep(RETRY);
        }
    }

    fn targets(&self) -> Result<Vec<Target>> {
        Ok(self.running()?.iter().map(|container| self.target(container)).collect())
    }

    fn replicas(&self) -> Result<Vec<Replica>> {
        if self.addresses.is_empty() {
            return Ok(Vec::new());
        }
        let named = |container: Container| {
            let address = self.addresses.get(&container.service)?;
            // A socket is a file in the container's root.
            let root = if address.starts_with('/') {
                format!("/proc/{}/root", container.pid)
            } else {
                String::new()
            };
            Some(Replica { service: container.service, address: root + address })
        };
        let mut replicas: Vec<Replica> = self.running()?.into_iter().filter_map(named).collect();
        ensure!(replicas.len() == self.addresses.len(), "{}: not all replicas run", self.project);
        replicas.sort_by(|a, b| a.service.cmp(&b.service));
        Ok(replicas)
    }

    fn sql(&self, statement: &str) -> Result<String> {
        self.psql(&[], &[statement])
    }

    fn session(&self) -> Result<Box<dyn Session>> {
        Ok(Box::new(Program::start(&mut self.psql_command(&["--interactive"], &[])?)?))
    }

    fn script(&self, statements: &[String]) -> Result<()> {
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        self.psql(&[], &statements).map(drop)
    }

    fn rows(&self, query: &str) -> Result<String> {
        // The client runs within the contestant's limits, and would otherwise hold all rows at once. In one
        // transaction, so that the number is that of these rows.
        let count = format!("SELECT count(*) FROM ({query}) AS rows");
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let answer = self.psql(&["-v", ROWS_AT_ONCE], &[begin, &count, query, "COMMIT"])?;
        counted(&answer).with_context(|| format!("{}: the database's rows", self.project))
    }

    fn database(&self) -> Option<&str> {
        self.database.as_ref().map(|(service, _)| service.as_str())
    }

    fn logs(&self) -> String {
        let mut text = String::new();
        for container in self.containers().unwrap_or_default() {
            let lines = self.engine.logs(&container.id, LOG_LINES);
            let _ = writeln!(
                text,
                "--- {}\n{}",
                container.service,
                lines.unwrap_or_else(|error| format!("{error:#}"))
            );
        }
        text
    }

    fn log_lines(&self) -> Result<u64> {
        let mut lines = 0;
        let is_api = |service: &String| self.shares.iter().any(|it| it.0 == *service && it.1 == Role::Api);
        for container in self.containers()?.iter().filter(|container| is_api(&container.service)) {
            lines += self.engine.log_lines(&container.id)?;
        }
        Ok(lines)
    }

    fn down(&mut self) -> Result<()> {
        if self.up {
            self.ending = true;
            let cleared = self.clear();
            self.ending = false;
            cleared?;
            self.up = false;
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        self.up = false;
        Ok(())
    }

    fn adopt(&mut self) {
        self.up = true;
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        if let Err(error) = self.down() {
            view::say(&format!("pouco-lab: {} may still run: {error:#}", self.project));
        }
    }
}

/// The rows below their number, if that is it: an answer that breaks off in the middle is not an error to the
/// engine.
fn counted(answer: &str) -> Result<String> {
    let (number, rows) = answer.split_once('\n').unwrap_or((answer, ""));
    let number: usize = number.trim().parse().with_context(|| format!("{number:?} is no number of rows"))?;
    let lines = rows.lines().count();
    ensure!(lines == number, "{lines} lines came, of {number} rows");
    Ok(rows.to_owned())
}

/// The limits of every declared service, and the environment of the APIs. YAML is a superset of JSON, so JSON
/// it is.
fn override_file(contest: &Contest, contestant: &Contestant, mode: &str) -> String {
    let mut services = serde_json::Map::new();
    for (name, role, limits) in shares(contestant) {
        let mut service = serde_json::json!({
            "deploy": { "resources": { "limits": {
                "cpus": limits.cpus.unwrap_or_default().to_string(),
                "memory": format!("{}b", limits.memory_bytes.unwrap_or_default()),
            }}},
            // The sum of memory and swap: none of the latter. podman's compose does not know it.
            "memswap_limit": format!("{}b", limits.memory_bytes.unwrap_or_default()),
        });
        if role == Role::Api {
            let environment = api_environment(contest, contestant, mode).into_iter();
            service["environment"] = environment.map(|(key, value)| (key, Value::String(value))).collect();
        }
        services.insert(name, service);
    }
    serde_json::json!({ "services": services }).to_string()
}
