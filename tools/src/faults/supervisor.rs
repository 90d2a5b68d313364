//! A process that is started again whenever it ends, as a container's restart policy does.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use super::{Failure, lock, promised};

/// The rest before a process that ended by itself is started again.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// How long a process may take to end after it was told to.
const END_PATIENCE: Duration = promised(30_000);

/// A running process, named by a descriptor that can never mean another one.
struct Running {
    pid: Pid,
    handle: OwnedFd,
}

#[derive(Default)]
struct State {
    running: Option<Running>,
    /// Not to be started again for now: a fault is at work.
    held: bool,
    ending: bool,
    starts: u32,
    last_exit: Option<ExitStatus>,
    /// Ends that nobody had asked for.
    deaths: Vec<String>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// A supervised process. It ends with this value.
pub struct Supervised {
    name: String,
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Supervised {
    /// Starts what `make` gives, and again after each end.
    pub fn start(name: &str, make: impl Fn() -> Command + Send + 'static) -> Result<Self, Failure> {
        let shared = Arc::new(Shared::default());
        let (supervising, named) = (shared.clone(), name.to_owned());
        let thread = thread::Builder::new()
            .name(format!("keep-{name}"))
            .spawn(move || supervising.supervise(&named, &make))?;
        Ok(Self { name: name.to_owned(), shared, thread: Some(thread) })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What happens to the process from now on is meant to.
    pub fn hold(&self) {
        lock(&self.shared.state).held = true;
    }

    /// Lets it be started again.
    pub fn release(&self) {
        lock(&self.shared.state).held = false;
        self.shared.changed.notify_all();
    }

    pub fn pid(&self) -> Option<Pid> {
        lock(&self.shared.state).running.as_ref().map(|running| running.pid)
    }

    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match &lock(&self.shared.state).running {
            Some(running) => Ok(pidfd_send_signal(&running.handle, signal)?),
            None => Ok(()),
        }
    }

    /// As [`Supervised::signal`], for its children too.
    pub fn signal_tree(&self, signal: Signal) -> io::Result<()> {
        let children = self.pid().map(children_of).transpose()?.unwrap_or_default();
        self.signal(signal)?;
        for child in children {
            // One that has ended meanwhile is no child any more.
            let _ = kill_process(child, signal);
        }
        Ok(())
    }

    /// Waits until it runs no more; it must be held.
    pub fn wait_until_gone(&self) -> Result<ExitStatus, Failure> {
        self.wait(END_PATIENCE, |state| if state.running.is_none() { state.last_exit } else { None })
            .ok_or_else(|| format!("{} does not end", self.name).into())
    }

    pub fn starts(&self) -> u32 {
        lock(&self.shared.state).starts
    }

    pub fn deaths(&self) -> Vec<String> {
        lock(&self.shared.state).deaths.clone()
    }

    fn wait<T>(&self, patience: Duration, mut look: impl FnMut(&State) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut state = lock(&self.shared.state);
        loop {
            if let Some(found) = look(&state) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = self.shared.wait(state, left);
        }
    }
}

impl Shared {
    fn wait<'s>(&self, state: MutexGuard<'s, State>, patience: Duration) -> MutexGuard<'s, State> {
        self.changed.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0
    }

    fn supervise(&self, name: &str, make: &impl Fn() -> Command) {
        while let Some(mut child) = self.spawn(name, make) {
            let exit = child.wait();
            let mut state = lock(&self.state);
            state.running = None;
            state.last_exit = exit.ok();
            if !state.held && !state.ending {
                let death = state.last_exit.map_or("in an unknown way".into(), |exit| exit.to_string());
                state.deaths.push(format!("{name} ended by itself: {death}"));
                self.changed.notify_all();
                drop(self.wait(state, RESTART_PAUSE));
            }
            self.changed.notify_all();
        }
    }

    /// `None` when nothing more is to be started.
    fn spawn(&self, name: &str, make: &impl Fn() -> Command) -> Option<Child> {
        let mut state = lock(&self.state);
        loop {
            if state.ending {
                return None;
            }
            if !state.held {
                match spawn_named(make()) {
                    Ok((child, running)) => {
                        state.running = Some(running);
                        state.starts += 1;
                        self.changed.notify_all();
                        return Some(child);
                    }
                    Err(error) => state.deaths.push(format!("{name} cannot be started: {error}")),
                }
            }
            state = self.wait(state, RESTART_PAUSE);
        }
    }
}

/// In a process group of its own: a Ctrl-C at the terminal goes to the harness, which ends everything in
/// order.
fn spawn_named(mut command: Command) -> io::Result<(Child, Running)> {
    use std::os::unix::process::CommandExt;
    let mut child = command.process_group(0).spawn()?;
    let open = || {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Running { pid, handle: pidfd_open(pid, PidfdFlags::empty())? })
    };
    match open() {
        Ok(running) => Ok((child, running)),
        Err(error) => {
            child.kill()?;
            child.wait()?;
            Err(error)
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        lock(&self.shared.state).ending = true;
        self.shared.changed.notify_all();
        // Fails only where nothing is left to end.
        let _ = self.signal_tree(Signal::KILL);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The processes whose parent is `pid`.
pub fn children_of(pid: Pid) -> io::Result<Vec<Pid>> {
    let mut children = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // One that ends while we look is none.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{number}/stat")) else { continue };
        // "pid (name) state parent …"; the name may hold anything, also a parenthesis.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        if parent.and_then(|parent| parent.parse().ok()) == Some(pid.as_raw_nonzero().get()) {
            children.extend(Pid::from_raw(number));
        }
    }
    Ok(children)
}
