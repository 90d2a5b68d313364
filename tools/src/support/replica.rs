//! A replica: the real program as a process of its own.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{Answer, Database, Target};

pub struct Replica {
    child: Child,
    // Kept open: a closed pipe would be an error for whoever prints.
    _stdout: BufReader<ChildStdout>,
    pub api: Target,
    pub admin: Target,
}

/// The program with a clean environment, free ports, and deadlines that a busy machine does not miss.
pub fn command() -> Command {
    let mut command = Command::new(crate::server());
    for (name, _) in std::env::vars_os() {
        let own = ["DATABASE_URL", "DATABASE_URL_FILE", "PGPASSFILE", "USERS_CACHE"]
            .iter()
            .any(|known| name == *known)
            || name.to_string_lossy().starts_with("REDIS_");
        if own || name.to_string_lossy().starts_with("POUCO_") {
            command.env_remove(name);
        }
    }
    command.env("POUCO_LISTEN", "tcp:127.0.0.1:0").env("POUCO_ADMIN_LISTEN", "tcp:127.0.0.1:0");
    command.env("POUCO_READ_DEADLINE_MS", "30000").env("POUCO_COMMIT_DEADLINE_MS", "30000");
    command.env("POUCO_HASH_WAIT_MS", "10000");
    command
}

impl Replica {
    pub fn start(database: &Database) -> Self {
        Self::start_with(database, &[])
    }

    pub fn start_with(database: &Database, settings: &[(&str, &str)]) -> Self {
        let mut command = command();
        command.env("DATABASE_URL", database.url()).envs(settings.iter().copied());
        Self::spawn(&mut command)
    }

    /// As [`Replica::spawn_with`], with the test's own standard error.
    pub fn spawn(command: &mut Command) -> Self {
        Self::spawn_with(command.stderr(Stdio::inherit()))
    }

    /// Starts the program and returns when it says that it is ready.
    pub fn spawn_with(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (mut api, mut admin) = (None, None);
        loop {
            let mut line = String::new();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "the replica ended: {:?}", child.wait());
            let word = line.split_whitespace().nth(1).unwrap_or_default();
            match line.split_whitespace().next() {
                Some("API:") => api = Some(target(word)),
                Some("admin:") => admin = Some(target(word)),
                Some("stop:") => break,
                _ => {}
            }
        }
        Self { child, _stdout: stdout, api: api.unwrap(), admin: admin.unwrap() }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.api.get(path)
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.api.post(path, body)
    }

    /// The sum of the samples whose line starts with `name`.
    pub fn metric(&self, name: &str) -> u64 {
        let answer = self.admin.get("/metrics");
        let lines = answer.text().lines().filter(|line| line.starts_with(name));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and what the process says with its exit.
    pub fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.child.wait().unwrap()
    }

    /// How it ended, which must be soon.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        super::eventually("the replica has ended", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // Fails only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn target(shown: &str) -> Target {
    match shown.strip_prefix("http://") {
        Some(host_port) => Target::Tcp(host_port.to_owned()),
        None => Target::Unix(shown.strip_prefix("unix:").unwrap().into()),
    }
}

/// A file that a program logs to.
pub struct Log(TempDir);

impl Log {
    pub fn of(command: &mut Command) -> Self {
        let log = Self(super::open_tempdir());
        command.stderr(File::create(log.path()).unwrap());
        log
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("log")
    }

    pub fn text(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }

    pub fn has(&self, what: &str) -> bool {
        self.text().contains(what)
    }
}

/// `pouco seed` for this API with these options; what it printed.
pub fn seed(database: &Database, api: &str, options: &[&str]) -> String {
    let mut command = command();
    command.env("DATABASE_URL", database.url()).args(["seed", api]).args(options);
    let (code, out, err) = run(&mut command);
    assert_eq!(code, Some(0), "{err}");
    out
}

/// Runs the program to its end and returns exit code, standard output and standard error.
pub fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap().code(), out, err)
}
