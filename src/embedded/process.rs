//! The postmaster as a child process.
//!
//! The one `unsafe` block of this room is here: the child asks the kernel to be told when its parent dies,
//! and that has to happen between fork and exec.
#![allow(unsafe_code)]

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

use super::EmbeddedError;
use crate::waiting::life::vital;

/// Settings of the embedded server; durability is what Postgres has by default: on.
const SETTINGS: &[&str] = &[
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "max_connections=100",
    "shared_buffers=64MB",
    "wal_level=minimal",
    "max_wal_senders=0",
    "jit=off",
];

/// How much of Postgres's log goes into an error.
const SAID_BYTES: usize = 600;

/// How long an orphan of a killed predecessor may take to end; it writes a checkpoint first.
const ORPHAN_TIMEOUT: Duration = Duration::from_secs(30);

/// A running postmaster, watched by a thread of its own.
pub(super) struct Postmaster {
    pid: u32,
    ended: Mutex<Receiver<()>>,
    log: std::path::PathBuf,
    keeper: Option<JoinHandle<()>>,
}

impl Postmaster {
    /// Starts `postgres`. The thread that forks also waits for the child's end, since the kernel sends the
    /// parent-death signal when that *thread* ends. `more` are settings besides [`SETTINGS`].
    pub(super) fn spawn(
        bin: &Path,
        data: &Path,
        sockets: &Path,
        log: &Path,
        uid: Option<u32>,
        more: &[String],
    ) -> Result<Self, EmbeddedError> {
        let io = |error| EmbeddedError::Io("cannot start Postgres".into(), error);
        let log_file = File::create(log).map_err(io)?;
        let mut command = Command::new(bin.join("postgres"));
        command.arg("-D").arg(data);
        // Of two values for one setting the later counts.
        for setting in SETTINGS.iter().copied().chain(more.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        command.arg("-c").arg(socket_setting(sockets));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_file);
        run_as(&mut command, uid, data);
        end_with_parent(&mut command);

        let (started, start) = mpsc::channel();
        let (ending, ended) = mpsc::channel();
        let keep = move || match command.spawn() {
            Ok(mut child) => {
                let _ = started.send(Ok(child.id()));
                if let Err(error) = child.wait() {
                    log::error!("the embedded Postgres cannot be waited for: {error}");
                }
                drop(ending);
            }
            Err(error) => drop(started.send(Err(error))),
        };
        // The kernel stops Postgres with this thread.
        let keeper = vital("pouco-postgres", keep).map_err(io)?;
        let pid = start.recv().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())).map_err(io)?;
        Ok(Self { pid, ended: Mutex::new(ended), log: log.to_owned(), keeper: Some(keeper) })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// What Postgres said last if it ends within `patience`.
    pub(super) fn ended(&self, patience: Duration) -> Option<String> {
        let ended = self.ended.lock();
        match ended.recv_timeout(patience) {
            Err(RecvTimeoutError::Timeout) => None,
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                let log = std::fs::read(&self.log).unwrap_or_default();
                Some(last_lines(&String::from_utf8_lossy(&log)))
            }
        }
    }
}

impl Drop for Postmaster {
    /// SIGINT is Postgres's "fast" shutdown: sessions are ended, everything is written.
    fn drop(&mut self) {
        let Some(keeper) = self.keeper.take() else { return };
        if !keeper.is_finished()
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
            && let Err(error) = kill_process(pid, Signal::INT)
        {
            log::warn!("the embedded Postgres cannot be told to stop: {error}");
        }
        let _ = keeper.join();
    }
}

/// Waits until no postmaster runs in this data folder. We hold the folder's lock, so one that does is what a
/// killed predecessor left: its parent's death has told it to stop.
pub(super) fn wait_for_orphan(data: &Path) -> Result<(), EmbeddedError> {
    let deadline = Instant::now() + ORPHAN_TIMEOUT;
    while let Some(pid) = living_postmaster(data) {
        if Instant::now() > deadline {
            let folder = data.display();
            return Err(EmbeddedError::Failed(format!(
                "a Postgres (process {pid}) still runs in {folder}; stop it"
            )));
        }
        // A process that is not our child can only be looked at again.
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The process that `postmaster.pid` names, if it lives and is a Postgres; a stale file is Postgres's own
/// affair.
fn living_postmaster(data: &Path) -> Option<u32> {
    let file = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid: u32 = file.lines().next()?.trim().parse().ok()?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (name.trim() == "postgres").then_some(pid)
}

/// Runs the command as `uid` in a folder that this user can enter, in a process group of its own: a Ctrl-C at
/// the terminal goes to us, and we stop Postgres after the last request.
pub(super) fn run_as(command: &mut Command, uid: Option<u32>, folder: &Path) {
    if let Some(uid) = uid {
        command.uid(uid).gid(uid);
    }
    command.current_dir(folder).process_group(0).env_remove("PGDATA").env("LC_ALL", "C");
    // What a service manager says is for us.
    for variable in crate::systemd::VARIABLES {
        command.env_remove(variable);
    }
}

/// The setting is a list, in which a name with commas or blanks is quoted. A path may be any bytes.
fn socket_setting(folder: &Path) -> OsString {
    let mut setting = b"unix_socket_directories=\"".to_vec();
    for byte in folder.as_os_str().as_bytes() {
        setting.extend(std::iter::repeat_n(*byte, if *byte == b'"' { 2 } else { 1 }));
    }
    setting.push(b'"');
    OsString::from_vec(setting)
}

fn end_with_parent(command: &mut Command) {
    // SAFETY: the closure runs in the child between fork and exec, where only async-signal-safe calls are
    // allowed. It makes one system call (prctl) and allocates nothing, locks nothing and touches no memory of
    // ours.
    unsafe {
        command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::INT))?));
    }
}

/// The end of a text, on one line.
pub(super) fn last_lines(text: &str) -> String {
    let text = text.trim();
    let start = text.ceil_char_boundary(text.len().saturating_sub(SAID_BYTES));
    text[start..].lines().map(str::trim).collect::<Vec<_>>().join(" | ")
}
