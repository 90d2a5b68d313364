//! podman or docker, with its compose: how either is called, and what it says.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use crate::command;

/// A question to the engine.
pub(super) const ASK_LIMIT: Duration = Duration::from_secs(30);

/// podman or docker, with its compose.
pub(super) struct Engine {
    program: PathBuf,
    /// Where it is called: podman's monitor writes a file `oom` into that folder when a container's memory
    /// runs out.
    folder: PathBuf,
}

/// A container of a project.
pub(super) struct Container {
    pub(super) service: String,
    pub(super) id: String,
    /// 0 where it does not run, as far as the engine knows: after a kill it may be late to notice.
    pub(super) pid: i32,
    /// Volumes with a name that are mounted in it; what has no name is made again with the container.
    pub(super) volumes: Vec<String>,
}

/// Characters of the name that an engine gives to a volume that was given none.
const NAMELESS_CHARS: usize = 64;

impl Engine {
    /// `CONTAINER_ENGINE`, or the first that answers; called in `folder`.
    pub(super) fn find(folder: &Path) -> Result<Self> {
        // It is the same one for as long as the lab runs.
        static FOUND: OnceLock<String> = OnceLock::new();
        let program = match FOUND.get() {
            Some(program) => program.clone(),
            None => {
                let program = find_program()?;
                FOUND.get_or_init(|| program).clone()
            }
        };
        Ok(Self::new(program, folder))
    }

    pub(super) fn new(program: impl Into<PathBuf>, folder: &Path) -> Self {
        Self { program: program.into(), folder: folder.to_path_buf() }
    }

    pub(super) fn command(&self) -> Command {
        self.here(&self.program)
    }

    pub(super) fn compose(&self) -> Command {
        if self.program.ends_with("docker") {
            let mut command = self.command();
            command.arg("compose");
            return command;
        }
        self.here("podman-compose")
    }

    /// What a container wrote, with its error channel, which engines write to their own.
    pub(super) fn logs(&self, container: &str, lines: &str) -> Result<String> {
        let mut shell = self.here("sh");
        shell.args(["-c", "exec \"$0\" logs --tail \"$1\" \"$2\" 2>&1"]);
        command::output(shell.arg(&self.program).args([lines, container]), ASK_LIMIT)
    }

    /// How many lines that are. They stay where they are: there may be megabytes of them.
    pub(super) fn log_lines(&self, container: &str) -> Result<u64> {
        let mut shell = self.here("sh");
        shell.args(["-c", "\"$0\" logs \"$1\" 2>&1 | wc -l"]);
        let said = command::output(shell.arg(&self.program).arg(container), ASK_LIMIT)?;
        said.trim().parse().with_context(|| format!("{said:?} is no number of lines"))
    }

    fn here(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder);
        command
    }
}

/// `CONTAINER_ENGINE`, or the first that answers.
pub(crate) fn find_program() -> Result<String> {
    let chosen = std::env::var("CONTAINER_ENGINE").ok().filter(|name| !name.is_empty());
    let candidates = chosen.map_or_else(|| vec!["podman".to_owned(), "docker".to_owned()], |name| vec![name]);
    // Each twice: one that is there may fail once where much is asked of it at the same time.
    for program in candidates.iter().chain(&candidates).cloned() {
        if command::succeeds(Command::new(&program).arg("info"), ASK_LIMIT).unwrap_or(false) {
            return Ok(program);
        }
    }
    bail!("neither podman nor docker answers; deploy/install-podman.sh installs podman")
}

/// Reads the answer of `container inspect`.
pub(super) fn containers(inspected: &str) -> Result<Vec<Container>> {
    let inspected: Vec<Value> = serde_json::from_str(inspected).context("container inspect")?;
    inspected.iter().map(container).collect()
}

fn container(item: &Value) -> Result<Container> {
    let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let pid = item.pointer("/State/Pid").and_then(Value::as_i64).unwrap_or(0);
    Ok(Container {
        service: text("/Config/Labels/com.docker.compose.service").unwrap_or_else(|| "undeclared".into()),
        id: text("/Id").ok_or_else(|| anyhow!("container inspect: an item without Id"))?,
        pid: i32::try_from(pid)?,
        volumes: item
            .pointer("/Mounts")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(volume)
            .collect(),
    })
}

fn volume(mount: &Value) -> Option<String> {
    let text = |key: &str| mount.get(key).and_then(Value::as_str);
    let nameless =
        |name: &&str| name.len() == NAMELESS_CHARS && name.bytes().all(|it| it.is_ascii_hexdigit());
    text("Name").filter(|name| text("Type") == Some("volume") && !nameless(name)).map(str::to_owned)
}
