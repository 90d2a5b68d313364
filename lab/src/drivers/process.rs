//! A tool as a child: a process group of its own, which is watched, measured, and never left behind.
//!
//! The group is what is stopped, because a tool may be a script with the real generator below it; and it is
//! what is measured, by `/proc` once a second and once more when the child has ended but is not yet waited
//! for: its entry then still has its own CPU time and that of the children it waited for.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use procfs::process::all_processes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal};

use super::figures::interpolate;
use crate::command::directly;

/// Between two looks at the flag that asks for the end.
const STOP_CHECK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Between two samples, and two calls of the caller's.
const TICK: Duration = Duration::from_secs(1);

/// From SIGTERM to SIGKILL: a generator may write what it has.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// So much of a tool's output is shown where it failed.
const SHOWN_OUTPUT_BYTES: usize = 2_000;

/// From this share of all cores on, for [`BUSY_SECONDS`] in a row, a generator is the bottleneck.
const BUSY_SHARE: f64 = 0.9;
const BUSY_SECONDS: usize = 5;

/// A slow server meets thousands of open connections at once.
const OPEN_FILES_WANTED: u64 = 10_000;

/// How a tool ended.
#[derive(Debug)]
pub(crate) struct Attended {
    pub(crate) status: ExitStatus,
    pub(super) interrupted: bool,
    pub(crate) usage: Usage,
}

/// Runs `command`, its output into the file `output`, until it ends or `stop` is set; calls `tick` about once
/// a second.
///
/// # Errors
/// It cannot be started, `tick` failed, or it took longer than `at_most`; its whole group is then dead.
pub(super) fn attend(
    command: &mut Command,
    output: &Path,
    at_most: Duration,
    stop: &AtomicBool,
    tick: &mut dyn FnMut() -> Result<()>,
) -> Result<Attended> {
    attend_other(command, Some(output), at_most, stop, tick, &mut Some::<Pid>)
}

/// As [`attend`], where what is measured is another group than that of `command`: `measured` says which, or
/// none yet. Without `output` it goes where ours goes.
///
/// # Errors
/// As for [`attend`].
pub(crate) fn attend_other(
    command: &mut Command,
    output: Option<&Path>,
    at_most: Duration,
    stop: &AtomicBool,
    tick: &mut dyn FnMut() -> Result<()>,
    measured: &mut dyn FnMut(Pid) -> Option<Pid>,
) -> Result<Attended> {
    let mut group = Group::start(command, output)?;
    let started = Instant::now();
    let mut next_tick = started;
    let mut asked_to_stop: Option<Instant> = None;
    while !group.ended()? {
        if asked_to_stop.is_none() && stop.load(Ordering::Relaxed) {
            group.signal(Signal::TERM);
            asked_to_stop = Some(Instant::now());
        }
        if asked_to_stop.is_some_and(|since| since.elapsed() > STOP_PATIENCE) {
            group.signal(Signal::KILL);
        }
        if started.elapsed() > at_most {
            bail!("it did not end within {} s", at_most.as_secs());
        }
        if Instant::now() >= next_tick {
            if let Some(id) = measured(group.id) {
                group.usage.sample(id);
            }
            tick()?;
            // A tick that was late is not made up for.
            next_tick = (next_tick + TICK).max(Instant::now());
        }
    }
    if let Some(id) = measured(group.id) {
        group.usage.sample(id);
    }
    let interrupted = asked_to_stop.is_some();
    let (status, usage) = group.reap()?;
    Ok(Attended { status, interrupted, usage })
}

/// The end of what a tool printed, for an error message.
pub(super) fn last_output(output: &Path) -> String {
    let bytes = fs::read(output).unwrap_or_default();
    let from = bytes.len().saturating_sub(SHOWN_OUTPUT_BYTES);
    String::from_utf8_lossy(&bytes[from..]).trim().to_owned()
}

/// Sets this process's soft limit of open files to its hard limit, which generators inherit: each virtual
/// user has a connection. Returns a warning where that is still few.
#[must_use]
pub fn raise_open_files() -> Option<String> {
    let Rlimit { maximum, .. } = rustix::process::getrlimit(Resource::Nofile);
    // Where it cannot be raised, the limit that is read next is what counts.
    let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let current = rustix::process::getrlimit(Resource::Nofile).current?;
    (current < OPEN_FILES_WANTED).then(|| {
        format!(
            "only {current} files may be open (ulimit -n); with fewer than {OPEN_FILES_WANTED} a slow server makes the \
             generator fail first"
        )
    })
}

struct Group {
    child: Child,
    id: Pid,
    descriptor: OwnedFd,
    usage: Usage,
    reaped: bool,
}

impl Group {
    fn start(command: &mut Command, output: Option<&Path>) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        directly(command);
        command.stdin(Stdio::null()).process_group(0);
        if let Some(output) = output {
            let file = File::create(output).with_context(|| output.display().to_string())?;
            let errors = file.try_clone().with_context(|| output.display().to_string())?;
            command.stdout(file).stderr(errors);
        }
        let child = command.spawn().with_context(|| format!("{program} cannot be started"))?;
        let id = Pid::from_child(&child);
        let descriptor = match rustix::process::pidfd_open(id, PidfdFlags::empty()) {
            Ok(descriptor) => descriptor,
            Err(error) => {
                let mut child = child;
                let _ = child.kill();
                let _ = child.wait();
                return Err(error).context("a descriptor of a process (Linux 5.3 or newer has them)");
            }
        };
        Ok(Self { child, id, descriptor, usage: Usage::default(), reaped: false })
    }

    /// Waits a moment for the child's end.
    fn ended(&self) -> Result<bool> {
        let mut descriptors = [PollFd::new(&self.descriptor, PollFlags::IN)];
        match poll(&mut descriptors, Some(&STOP_CHECK)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error).context("waiting for the generator's end"),
        }
    }

    /// To all of them. That there may be none any more is not an error.
    fn signal(&self, signal: Signal) {
        let _ = rustix::process::kill_process_group(self.id, signal);
    }

    fn reap(mut self) -> Result<(ExitStatus, Usage)> {
        let status = self.end()?;
        Ok((status, std::mem::take(&mut self.usage)))
    }

    /// Race window: the group's id may be given to others once its leader has been waited for, so what the
    /// leader left behind is killed before that.
    fn end(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::KILL);
        self.reaped = true;
        self.child.wait().context("waiting for the generator")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.reaped {
            // Nobody is there to tell.
            let _ = self.end();
        }
    }
}

/// What a group used, sample by sample.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// Seconds since 1970 and CPU seconds.
    cpu: Vec<(f64, f64)>,
    memory_bytes: u64,
}

impl Usage {
    fn sample(&mut self, group: Pid) {
        let Ok(processes) = all_processes() else { return };
        let (mut ticks, mut pages) = (0, 0);
        // A process may end between the listing and the reading.
        for stat in processes.flatten().filter_map(|process| process.stat().ok()) {
            if stat.pgrp == group.as_raw_nonzero().get() {
                // Its own, and those of the children it waited for.
                ticks += stat.utime + stat.stime + stat.cutime.unsigned_abs() + stat.cstime.unsigned_abs();
                pages += stat.rss;
            }
        }
        let seconds = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
        // Less than before means that a process ended for whom nobody waited: its time stays spent.
        let seconds = self.cpu.last().map_or(seconds, |&(_, before)| seconds.max(before));
        self.cpu.push((now(), seconds));
        self.memory_bytes = self.memory_bytes.max(pages * rustix::param::page_size() as u64);
    }

    /// CPU seconds between two moments, in seconds since 1970.
    pub(crate) fn cpu_seconds(&self, from: f64, to: f64) -> f64 {
        (interpolate(&self.cpu, to) - interpolate(&self.cpu, from)).max(0.0)
    }

    /// The largest sum of resident sets.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        (self.memory_bytes > 0).then_some(self.memory_bytes)
    }

    /// Says so if it used nearly all of `cores` for long between two moments.
    pub(super) fn bottleneck(&self, cores: f64, from: f64, to: f64) -> Option<String> {
        let mut in_a_row = 0;
        let mut longest = 0;
        for pair in self.cpu.windows(2) {
            let [(begin, before), (end, after)] = [pair[0], pair[1]];
            let busy = begin >= from && end <= to && after - before >= BUSY_SHARE * cores * (end - begin);
            in_a_row = if busy { in_a_row + 1 } else { 0 };
            longest = longest.max(in_a_row);
        }
        (longest >= BUSY_SECONDS).then(|| {
            format!("the generator used at least {} % of {cores} cores for {longest} s", BUSY_SHARE * 100.0)
        })
    }
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// The cores that this process, and so a generator, may use.
pub(super) fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meters;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn output_and_exit_code_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out");
        let mut ticks = 0;
        let mut tick = || {
            ticks += 1;
            Ok(())
        };
        let never = AtomicBool::new(false);
        let ended =
            attend(&mut shell("echo one; echo two >&2; exit 3"), &output, MINUTE, &never, &mut tick).unwrap();
        assert_eq!(ended.status.code(), Some(3));
        assert!(!ended.interrupted);
        assert_eq!(last_output(&output), "one\ntwo");
        assert!(ticks <= 2, "{ticks}");
    }

    #[test]
    fn a_tool_asks_loopback_past_any_proxy() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out");
        let never = AtomicBool::new(false);
        let mut tool = shell("echo \"$no_proxy\"; echo \"$NO_PROXY\"");
        tool.env("http_proxy", "http://127.0.0.1:1");
        attend(&mut tool, &output, MINUTE, &never, &mut || Ok(())).unwrap();
        let printed = last_output(&output);
        assert_eq!(
            printed.lines().filter(|line| line.contains("127.0.0.1") || *line == "*").count(),
            2,
            "{printed}"
        );
    }

    #[test]
    fn the_cpu_time_of_the_whole_group_counts() {
        let folder = tempfile::tempdir().unwrap();
        // Three shells one after the other, each of which counts and has ended before a fourth one ends.
        let count = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
        let script = format!("for shell in 1 2 3; do sh -c '{count}; :'; done; :");
        let never = AtomicBool::new(false);
        let from = now();
        let ended =
            attend(&mut shell(&script), &folder.path().join("out"), MINUTE, &never, &mut || Ok(())).unwrap();
        assert!(ended.status.success(), "{}", last_output(&folder.path().join("out")));
        let all = ended.usage.cpu.last().unwrap().1;
        let single = {
            let script = format!("{count}; :");
            let ended =
                attend(&mut shell(&script), &folder.path().join("out"), MINUTE, &never, &mut || Ok(()))
                    .unwrap();
            ended.usage.cpu.last().unwrap().1
        };
        assert!(all > 1.7 * single && single > 0.0, "{all} and {single}");
        assert!(ended.usage.cpu_seconds(from, now()) <= all);
        assert!(ended.usage.memory_bytes().is_some());
    }

    /// Both the shell and the child that it waits for must be gone.
    #[test]
    fn a_stop_reaches_the_whole_group() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out");
        let stop = AtomicBool::new(false);
        let path = output.clone();
        let mut stop_once_both_run = || {
            stop.store(fs::read_to_string(&path)?.contains("both"), Ordering::Relaxed);
            Ok(())
        };
        let script = "sleep 600 & echo $!; echo both; wait";
        let ended = attend(&mut shell(script), &output, MINUTE, &stop, &mut stop_once_both_run).unwrap();
        assert!(ended.interrupted && !ended.status.success());
        let inner = fs::read_to_string(&output).unwrap();
        let inner: i32 = inner.lines().next().unwrap().parse().unwrap();
        let deadline = Instant::now() + MINUTE;
        while meters::alive(inner).is_some() {
            assert!(Instant::now() < deadline, "process {inner} still runs");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_failed_tick_and_a_bound_end_the_group() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out");
        let never = AtomicBool::new(false);
        let begin = Instant::now();
        let error =
            attend(&mut shell("sleep 600"), &output, MINUTE, &never, &mut || bail!("no log")).unwrap_err();
        assert_eq!(error.to_string(), "no log");
        let at_most = Duration::from_millis(1);
        let error = attend(&mut shell("sleep 600"), &output, at_most, &never, &mut || Ok(())).unwrap_err();
        assert!(error.to_string().contains("did not end"), "{error}");
        assert!(begin.elapsed() < MINUTE, "they were waited for");
        let error = attend(&mut Command::new("/nonexistent/tool"), &output, MINUTE, &never, &mut || Ok(()));
        assert!(error.unwrap_err().to_string().contains("/nonexistent/tool cannot be started"));
    }

    #[test]
    fn nearly_all_cores_for_long_is_a_bottleneck() {
        let samples = |per_second: f64| Usage {
            cpu: (0..10).map(|second| (f64::from(second), f64::from(second) * per_second)).collect(),
            memory_bytes: 0,
        };
        assert!(samples(1.9).bottleneck(2.0, 0.0, 10.0).unwrap().contains("90 % of 2 cores for 9 s"));
        assert!(samples(1.7).bottleneck(2.0, 0.0, 10.0).is_none());
        assert!(samples(1.9).bottleneck(2.0, 5.0, 10.0).is_none(), "only 4 s are within");
        assert!((samples(1.9).cpu_seconds(2.0, 4.5) - 4.75).abs() < 1e-9);
    }

    #[test]
    fn the_limit_of_open_files_is_at_its_hard_limit() {
        let warning = raise_open_files();
        let limit = rustix::process::getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        let few = limit.current.is_some_and(|files| files < OPEN_FILES_WANTED);
        assert_eq!(warning.is_some(), few, "{warning:?}");
    }
}
