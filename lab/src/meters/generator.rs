//! What a load generator used: another program and all that it starts, or this process itself.

use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use procfs::ProcResult;
use procfs::process::Process;
use rustix::time::{ClockId, clock_gettime};

use super::processes::{ProcessTree, Stat, ticks_to_ns};

const INTERVAL: Duration = Duration::from_secs(1);

/// What a generator used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessUsage {
    /// User and system.
    pub cpu_seconds: f64,
    /// The largest sum of resident sets in one sample a second, or the kernel's own peak of one of the
    /// processes if that is larger. Absent if none was seen.
    pub memory_bytes: Option<u64>,
}

/// Runs in a thread of its own. Dropped without [`ProcessMeter::stop`], it ends and its figures are lost.
#[derive(Debug)]
pub struct ProcessMeter {
    stop: SyncSender<()>,
    thread: JoinHandle<ProcessUsage>,
}

impl ProcessMeter {
    /// Of the process `pid` and its descendants, from its beginning: its CPU time is that of its whole life.
    /// It may be waited for before the meter is stopped if it is a child of this process; then other children
    /// that are waited for in the meantime count with it, so let there be none that work.
    ///
    /// # Errors
    /// It has ended already.
    pub fn of(pid: i32) -> Result<Self> {
        let waited_for_before = waited_for_ticks()?;
        let mut watch = TreeWatch {
            root: pid,
            tree: ProcessTree::new(pid),
            ours: false,
            waited_for_before,
            memory: None,
        };
        let stat = Stat::of(pid).with_context(|| format!("process {pid} is not there"))?;
        watch.ours = stat.parent == rustix::process::getpid().as_raw_nonzero().get();
        watch.look();
        Self::spawn(move |every_second| {
            every_second(&mut || watch.look());
            watch.usage()
        })
    }

    /// Of this process from now on, with everything that it does besides generating load, and without its
    /// children.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn of_this_process() -> Result<Self> {
        let before = own_cpu();
        // Lets the kernel's own peak begin again, where it may be; otherwise the samples alone count.
        let peak_is_new = std::fs::write("/proc/self/clear_refs", "5").is_ok();
        let mut memory = None;
        Self::spawn(move |every_second| {
            every_second(&mut || {
                let (now, peak) = resident(Process::myself());
                memory = memory.max(now).max(peak.filter(|_| peak_is_new));
            });
            ProcessUsage { cpu_seconds: own_cpu().saturating_sub(before).as_secs_f64(), memory_bytes: memory }
        })
    }

    /// `run` gets a function that calls its argument once a second, and a last time at the stop.
    fn spawn(run: impl FnOnce(&dyn Fn(&mut dyn FnMut())) -> ProcessUsage + Send + 'static) -> Result<Self> {
        let (stop, stopped) = sync_channel(1);
        let body = move || {
            run(&|look| {
                let mut due = Instant::now() + INTERVAL;
                loop {
                    let wait = due.saturating_duration_since(Instant::now());
                    let ended = stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout);
                    look();
                    if ended {
                        return;
                    }
                    while due <= Instant::now() {
                        due += INTERVAL;
                    }
                }
            })
        };
        let thread = std::thread::Builder::new()
            .name("process-meter".into())
            .spawn(body)
            .context("the meter's thread cannot be started")?;
        Ok(Self { stop, thread })
    }

    /// Looks a last time.
    ///
    /// # Errors
    /// The thread has panicked.
    pub fn stop(self) -> Result<ProcessUsage> {
        // An error means that it has ended already, and the join says how.
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| anyhow!("the meter's thread has panicked"))
    }
}

struct TreeWatch {
    root: i32,
    tree: ProcessTree,
    /// A child of this process, so that its CPU time comes here when it is waited for.
    ours: bool,
    waited_for_before: u64,
    memory: Option<u64>,
}

impl TreeWatch {
    fn look(&mut self) {
        let Ok(usage) = self.tree.refresh() else { return };
        let peak = usage.pids.iter().filter_map(|pid| resident(Process::new(*pid)).1).max();
        self.memory = self.memory.max(Some(usage.resident_bytes)).max(peak);
    }

    fn usage(&self) -> ProcessUsage {
        let mut cpu_ns = self.tree.cpu_ns();
        // What was seen of it last may be a second old; what came here with its end is exact.
        if self.ours
            && Stat::of(self.root).is_none()
            && let Ok(now) = waited_for_ticks()
        {
            cpu_ns = cpu_ns.max(ticks_to_ns(now.saturating_sub(self.waited_for_before)));
        }
        ProcessUsage {
            cpu_seconds: Duration::from_nanos(cpu_ns).as_secs_f64(),
            memory_bytes: self.memory.filter(|bytes| *bytes > 0),
        }
    }
}

/// CPU time of all children that this process has waited for, and of theirs.
fn waited_for_ticks() -> Result<u64> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    Ok(Stat::of(own).context("/proc/self/stat")?.children_ticks)
}

fn own_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// Resident set in bytes: now, and its peak.
fn resident(process: ProcResult<Process>) -> (Option<u64>, Option<u64>) {
    let Ok(status) = process.and_then(|process| process.status()) else { return (None, None) };
    (status.vmrss.map(|kib| kib * 1024), status.vmhwm.map(|kib| kib * 1024))
}
