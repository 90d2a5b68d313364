//! A contestant as plain processes: for tests, and for a look at a server without containers.
//!
//! Nothing limits plain processes, so such a contestant is disqualified, unless it names a recorded file tree
//! from which its limits are read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use postgres::{Client, NoTls, SimpleQueryMessage};
use rustix::process::{Pid, Signal, kill_process_group};

use super::{Replica, STOP_LIMIT, Session, Stack, api_environment};
use crate::command;
use crate::contest::Contest;
use crate::contestant::{Contestant, Database, Process, Role};
use crate::meters::Target;
use crate::view;

/// Of each process's log.
const LOG_LINES: usize = 50;
/// How long sessions of others may be there before a start.
const SESSIONS_LIMIT: Duration = Duration::from_secs(10);
/// Between two looks at them.
const RETRY: Duration = Duration::from_millis(50);
/// Those of the server's own workers have no user.
const OTHER_SESSIONS: &str =
    "SELECT format('a session of %s, %s', usename, coalesce(nullif(application_name, ''), 'without a name'))
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename IS NOT NULL";
/// The process id in a recorded tree.
const RECORDED_PID: i32 = 1;

/// Plain processes.
pub struct Processes {
    folder: PathBuf,
    port: String,
    specifications: BTreeMap<String, Process>,
    environment: Vec<(String, String)>,
    /// Of its database, if it has one.
    database_url: Option<String>,
    /// What has to be emptied before a contest.
    reset: Vec<String>,
    logs: tempfile::TempDir,
    running: BTreeMap<String, Child>,
}

impl Processes {
    /// # Errors
    /// The variable with the connection string is not set, or a log folder cannot be made.
    pub fn new(contest: &Contest, contestant: &Contestant, mode: &str) -> Result<Self> {
        let url = |database: &Database| {
            let variable = database.url_variable.as_deref().unwrap_or_default();
            std::env::var(variable)
                .with_context(|| format!("{}: {variable} must hold a connection string", contestant.name))
        };
        let database = contestant.database.as_ref();
        Ok(Self {
            folder: contestant.folder.clone(),
            port: contest.address().rsplit(':').next().unwrap_or_default().to_owned(),
            specifications: contestant.processes.clone(),
            environment: api_environment(contest, contestant, mode),
            database_url: database.map(url).transpose()?,
            reset: database.map(|database| database.reset.clone()).unwrap_or_default(),
            logs: tempfile::Builder::new().prefix("pouco-lab-").tempdir()?,
            running: BTreeMap::new(),
        })
    }

    fn connect(&self) -> Result<Client> {
        let url = self.database_url.as_deref().context("no database is at hand")?;
        Client::connect(url, NoTls).context("the contestant's database")
    }

    /// What is emptied and loaded must be nobody's. Sessions of a contestant that has just ended may take a
    /// moment to go.
    fn nobody_else(&self) -> Result<()> {
        let deadline = Instant::now() + SESSIONS_LIMIT;
        loop {
            let others = self.sql(OTHER_SESSIONS)?;
            let Some(first) = others.lines().next() else { return Ok(()) };
            ensure!(
                Instant::now() < deadline && !command::interrupted(),
                "the contestant's database is used by others, and would be emptied: {first}"
            );
            std::thread::sleep(RETRY);
        }
    }

    fn start(&mut self) -> Result<()> {
        for (name, process) in &self.specifications {
            let mut words = process.command.iter().map(|word| self.filled(word));
            let program = words.next().ok_or_else(|| anyhow!("processes.{name}.command is empty"))?;
            let log = File::options().create(true).append(true).open(self.log(name))?;
            let child = Command::new(&program)
                .args(words)
                .envs(
                    self.environment
                        .iter()
                        .filter(|_| process.role == Role::Api)
                        .map(|(key, value)| (key, value)),
                )
                .env("POUCO_LAB_PORT", &self.port)
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .process_group(0)
                .spawn()
                .with_context(|| program.clone())?;
            self.running.insert(name.clone(), child);
        }
        Ok(())
    }

    /// Replaces `{folder}`, `{port}` and `{variable:NAME}`.
    fn filled(&self, word: &str) -> String {
        let mut word = word.replace("{folder}", &self.folder.to_string_lossy()).replace("{port}", &self.port);
        while let Some(start) = word.find("{variable:") {
            let Some(length) = word[start..].find('}') else { break };
            let name = word[start + "{variable:".len()..start + length].to_owned();
            word.replace_range(start..=start + length, &std::env::var(name).unwrap_or_default());
        }
        word
    }

    fn log(&self, name: &str) -> PathBuf {
        self.logs.path().join(format!("{name}.log"))
    }

    fn signal(&self, signal: Signal) {
        for child in self.running.values() {
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                // A group that has ended by itself needs no signal.
                let _ = kill_process_group(pid, signal);
            }
        }
    }

    /// Waits for all; those that take longer than `limit` are killed.
    fn reap(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        for (_, mut child) in std::mem::take(&mut self.running) {
            while child.try_wait()?.is_none() {
                if Instant::now() > deadline {
                    command::kill_group(&child);
                }
                std::thread::park_timeout(Duration::from_millis(5));
            }
        }
        Ok(())
    }
}

impl Stack for Processes {
    fn up(&mut self) -> Result<()> {
        if self.database_url.is_some() {
            self.nobody_else()?;
        }
        for statement in &self.reset {
            self.sql(statement)?;
        }
        self.start()
    }

    fn restart(&mut self) -> Result<()> {
        self.signal(Signal::TERM);
        self.reap(STOP_LIMIT)?;
        self.start()
    }

    fn kill(&mut self) -> Result<()> {
        ensure!(!self.running.is_empty(), "nothing runs that could be killed");
        self.signal(Signal::KILL);
        self.reap(STOP_LIMIT)
    }

    fn revive(&mut self) -> Result<()> {
        self.start()
    }

    fn targets(&self) -> Result<Vec<Target>> {
        let mut targets = Vec::new();
        for (name, child) in &self.running {
            let process = &self.specifications[name];
            let tree = process.cgroup_tree.as_ref().map(|tree| self.folder.join(tree));
            targets.push(Target {
                service: name.clone(),
                role: Some(process.role),
                pid: if tree.is_some() { RECORDED_PID } else { i32::try_from(child.id())? },
                container_id: None,
                root: tree.unwrap_or_else(|| PathBuf::from("/")),
            });
        }
        Ok(targets)
    }

    fn replicas(&self) -> Result<Vec<Replica>> {
        let named = self.specifications.iter().filter_map(|(name, process)| {
            Some(Replica { service: name.clone(), address: self.filled(process.address.as_deref()?) })
        });
        Ok(named.collect())
    }

    fn script(&self, statements: &[String]) -> Result<()> {
        let mut client = self.connect()?;
        for statement in statements {
            client.simple_query(statement).with_context(|| statement.clone())?;
        }
        Ok(())
    }

    fn session(&self) -> Result<Box<dyn Session>> {
        Ok(Box::new(self.connect()?))
    }

    fn sql(&self, statement: &str) -> Result<String> {
        let mut client = self.connect()?;
        let mut text = String::new();
        for message in client.simple_query(statement).with_context(|| statement.to_owned())? {
            if let SimpleQueryMessage::Row(row) = message {
                let columns: Vec<&str> =
                    (0..row.len()).map(|column| row.get(column).unwrap_or_default()).collect();
                text.push_str(&columns.join("|"));
                text.push('\n');
            }
        }
        Ok(text)
    }

    fn logs(&self) -> String {
        let mut text = String::new();
        for name in self.specifications.keys() {
            let lines = last_lines(&self.log(name)).unwrap_or_else(|error| error.to_string());
            text.push_str(&format!("--- {name}\n{lines}\n"));
        }
        text
    }

    fn log_lines(&self) -> Result<u64> {
        let mut lines = 0;
        for (name, _) in self.specifications.iter().filter(|(_, process)| process.role == Role::Api) {
            lines += BufReader::new(File::open(self.log(name))?).split(b'\n').count() as u64;
        }
        Ok(lines)
    }

    fn down(&mut self) -> Result<()> {
        self.signal(Signal::TERM);
        self.reap(STOP_LIMIT)
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        if let Err(error) = self.down() {
            view::say(&format!("pouco-lab: processes may still run: {error:#}"));
        }
    }
}

fn last_lines(path: &Path) -> std::io::Result<String> {
    let text = std::fs::read_to_string(path)?;
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"))
}
