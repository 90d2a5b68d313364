//! Processes, so that it can be told whether one is gone, and whether another one has come in its place.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use crate::meters;

/// The kernel tears down a process within this time, with all its memory.
const LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);

/// A process forever: its number may be another one's later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pid: i32,
    started: u64,
}

impl Process {
    /// None if there is none of this number, or one that has ended already.
    pub(super) fn of(pid: i32) -> Option<Self> {
        (pid > 0).then(|| meters::alive(pid))?.map(|started| Self { pid, started })
    }

    fn is_gone(&self) -> bool {
        Self::of(self.pid) != Some(*self)
    }
}

/// SIGKILL to all. False if some of them are not ours to kill.
pub(super) fn kill(processes: &[Process]) -> bool {
    let mut allowed = true;
    for pid in processes.iter().filter_map(|process| Pid::from_raw(process.pid)) {
        // One that has ended since is as dead as it should be.
        allowed &= kill_process(pid, Signal::KILL) != Err(Errno::PERM);
    }
    allowed
}

/// Waits until all are gone.
///
/// # Errors
/// Some still run.
pub(super) fn wait(processes: &[Process]) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let left: Vec<i32> = processes.iter().filter(|it| !it.is_gone()).map(|it| it.pid).collect();
        if left.is_empty() {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "after SIGKILL processes still run: {left:?}");
        thread::sleep(POLL);
    }
}
