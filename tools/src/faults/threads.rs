//! Single threads of a replica that stand still, and a replica that gets no memory for more stacks.

use std::fs;
use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use libc::{PTRACE_DETACH, PTRACE_INTERRUPT, PTRACE_SEIZE, pid_t};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

use super::Failure;
use super::hostile::connect;
use super::stack::Stack;

/// Connections that come while there is no memory. Each needs a stack of its own.
const NEWCOMERS: usize = 100;
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);

/// Lets each thread of a replica stand still for so long, one after the other.
///
/// They are traced for that, but for the first one: whoever waits for the process would be told of its stops.
pub(super) fn stall_each(stack: &Stack, replica: usize, lasts: Duration) -> Result<(), Failure> {
    let pid = stack.replicas[replica].pid().ok_or("the replica does not run")?.as_raw_nonzero().get();
    let mut stalled = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let number: pid_t = task?.file_name().to_string_lossy().parse()?;
        if number == pid {
            continue;
        }
        // One may have ended by itself.
        let Ok(still) = Still::new(number) else { continue };
        thread::sleep(lasts);
        drop(still);
        stalled += 1;
    }
    if stalled == 0 { Err("no thread could be traced".into()) } else { Ok(()) }
}

/// A thread that stands still until this is dropped, by the thread that has made this.
struct Still(pid_t);

impl Still {
    fn new(thread: pid_t) -> Result<Self, Failure> {
        trace(PTRACE_SEIZE, thread)?;
        let still = Self(thread);
        trace(PTRACE_INTERRUPT, thread)?;
        wait_for_stop(thread)?;
        Ok(still)
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        // Fails only where the thread has ended.
        let _ = trace(PTRACE_DETACH, self.0);
    }
}

#[allow(unsafe_code)]
fn trace(request: libc::c_uint, thread: pid_t) -> Result<(), Failure> {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: none of these three requests reads or writes memory of either process.
    match unsafe { libc::ptrace(request, thread, none, none) } {
        0 => Ok(()),
        _ => Err(format!("ptrace of {thread}: {}", std::io::Error::last_os_error()).into()),
    }
}

#[allow(unsafe_code)]
fn wait_for_stop(thread: pid_t) -> Result<(), Failure> {
    // SAFETY: without a place for the status there is nothing that is written.
    match unsafe { libc::waitpid(thread, std::ptr::null_mut(), libc::__WALL) } {
        stopped if stopped == thread => Ok(()),
        _ => Err(format!("waiting for {thread}: {}", std::io::Error::last_os_error()).into()),
    }
}

/// For so long a replica can map no more memory, while many connect to it. It may end, and is then started
/// again; otherwise it goes on in the same process.
pub(super) fn starve(stack: &Stack, replica: usize, lasts: Duration) -> Result<(), Failure> {
    let process = &stack.replicas[replica];
    let pid = process.pid().ok_or("the replica does not run")?;
    let to = stack.tcp(replica)?;
    process.hold();
    let usual =
        prlimit(Some(pid), Resource::As, Rlimit { current: Some(mapped_bytes(pid)?), maximum: None })?;
    // Whoever is not let in is no fault of the harness.
    let newcomers: Vec<_> = (0..NEWCOMERS).map(|_| connect(ADDRESS, to, None)).collect();
    thread::sleep(lasts);
    drop(newcomers);
    if process.pid() == Some(pid) {
        prlimit(Some(pid), Resource::As, usual)?;
    }
    process.release();
    Ok(())
}

/// Address space in use.
fn mapped_bytes(pid: Pid) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).ok_or("no VmSize")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// A thread aborts, as for a second panic or for memory that is not there: the whole process ends.
pub(super) fn abort(stack: &Stack, replica: usize) -> Result<(), Failure> {
    let process = &stack.replicas[replica];
    process.hold();
    process.signal(Signal::ABORT)?;
    process.wait_until_gone()?;
    process.release();
    Ok(())
}
