//! The embedded Postgres, started again whenever it ends, and the ways to hurt it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};
use pouco::embedded::Cluster;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::supervisor::children_of;
use super::{Failure, lock, promised};

/// How often the supervisor looks whether Postgres has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// How long Postgres may take to start, crash recovery included.
const START_PATIENCE: Duration = promised(60_000);

#[derive(Default)]
struct State {
    postmaster: Option<Pid>,
    config: Option<Config>,
    sockets: PathBuf,
    held: bool,
    /// Held, and nothing of it runs any more.
    resting: bool,
    ending: bool,
    starts: u32,
    /// How long the last start took until Postgres answered, with the tries that failed before it.
    start_took: Duration,
    said: Vec<String>,
    /// In the logs of the starts before this one.
    deadlocks: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// A supervised cluster. It ends with this value.
pub struct Postgres {
    folder: PathBuf,
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Postgres {
    /// Starts Postgres in `folder` and returns when it answers.
    pub fn start(folder: &Path) -> Result<Self, Failure> {
        Self::start_with(folder, &[])
    }

    /// As [`Postgres::start`], with settings (`name=value`) beside the usual ones.
    pub fn start_with(folder: &Path, settings: &[String]) -> Result<Self, Failure> {
        let shared = Arc::new(Shared::default());
        let (supervising, home, settings) = (shared.clone(), folder.to_owned(), settings.to_vec());
        let thread = thread::Builder::new()
            .name("keep-postgres".into())
            .spawn(move || supervising.supervise(&home, &settings))?;
        let postgres = Self { folder: folder.to_owned(), shared, thread: Some(thread) };
        postgres.wait_until_ready()?;
        Ok(postgres)
    }

    pub fn wait_until_ready(&self) -> Result<(), Failure> {
        // A first start that fails will fail again; a later one may only need what a fault has taken away.
        let never = |state: &State| state.starts == 0 && !state.said.is_empty();
        let state = self.wait(|state| state.postmaster.is_some() || never(state));
        if state.postmaster.is_some() {
            return Ok(());
        }
        Err(format!("Postgres does not start: {:?}", state.said).into())
    }

    /// Waits until nothing of it runs and its data may be copied or replaced; it must be held.
    pub fn wait_until_down(&self) -> Result<(), Failure> {
        match self.wait(|state| state.resting).resting {
            true => Ok(()),
            false => Err("Postgres does not end".into()),
        }
    }

    /// Waits for something in the state, for as long as a start may take.
    fn wait(&self, reached: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let deadline = Instant::now() + START_PATIENCE;
        let mut state = lock(&self.shared.state);
        while !reached(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    /// The folder with its socket.
    pub fn sockets(&self) -> PathBuf {
        lock(&self.shared.state).sockets.clone()
    }

    /// How to reach it.
    pub fn config(&self) -> Result<Config, Failure> {
        Ok(lock(&self.shared.state).config.clone().ok_or("Postgres has never run")?)
    }

    pub fn client(&self) -> Result<Client, Failure> {
        Ok(self.config()?.connect(NoTls)?)
    }

    /// What was said at ends and failed starts.
    pub fn said(&self) -> Vec<String> {
        lock(&self.shared.state).said.clone()
    }

    /// The deadlocks that it has ended, over all its starts.
    pub fn deadlocks(&self) -> usize {
        lock(&self.shared.state).deadlocks + deadlocks_in(&self.folder)
    }

    /// The number of the last start, and how long it took until Postgres answered: its own part of a
    /// recovery.
    pub fn last_start(&self) -> (u32, Duration) {
        let state = lock(&self.shared.state);
        (state.starts, state.start_took)
    }

    pub fn hold(&self) {
        lock(&self.shared.state).held = true;
    }

    /// Lets it be started again.
    pub fn release(&self) {
        {
            let mut state = lock(&self.shared.state);
            (state.held, state.resting) = (false, false);
        }
        self.shared.changed.notify_all();
    }

    /// SIGQUIT: every backend ends at once, nothing is written.
    pub fn stop_at_once(&self) -> Result<(), Failure> {
        self.stop_by(Signal::QUIT)
    }

    /// SIGINT: sessions are ended, everything is written.
    pub fn stop_in_order(&self) -> Result<(), Failure> {
        self.stop_by(Signal::INT)
    }

    fn stop_by(&self, signal: Signal) -> Result<(), Failure> {
        let postmaster = self.postmaster()?;
        let backends = children_of(postmaster)?;
        kill_process(postmaster, signal)?;
        wait_until_gone(&backends)
    }

    /// SIGKILL for all of its processes.
    pub fn kill(&self) -> Result<(), Failure> {
        let postmaster = self.postmaster()?;
        // Stopped, it makes no more children while they are counted.
        kill_process(postmaster, Signal::STOP)?;
        let backends = children_of(postmaster)?;
        for one in backends.iter().chain([&postmaster]) {
            // One that has ended by itself is as good.
            let _ = kill_process(*one, Signal::KILL);
        }
        wait_until_gone(&backends)
    }

    /// SIGKILL for the postmaster alone; its orphans notice and end by themselves.
    pub fn kill_postmaster(&self) -> Result<(), Failure> {
        let postmaster = self.postmaster()?;
        let backends = children_of(postmaster)?;
        kill_process(postmaster, Signal::KILL)?;
        wait_until_gone(&backends)
    }

    /// SIGSTOP for all of its processes. Returns whom to give to [`Postgres::resume`].
    pub fn pause(&self) -> Result<Vec<Pid>, Failure> {
        let postmaster = self.postmaster()?;
        kill_process(postmaster, Signal::STOP)?;
        let mut all = children_of(postmaster)?;
        for backend in &all {
            // A backend may end while we come to it.
            let _ = kill_process(*backend, Signal::STOP);
        }
        all.push(postmaster);
        Ok(all)
    }

    pub fn resume(paused: &[Pid]) {
        for one in paused {
            // It may have been killed meanwhile.
            let _ = kill_process(*one, Signal::CONT);
        }
    }

    fn postmaster(&self) -> Result<Pid, Failure> {
        lock(&self.shared.state).postmaster.ok_or_else(|| "Postgres is not running".into())
    }
}

/// What the log of the last start tells of.
fn deadlocks_in(folder: &Path) -> usize {
    let log = std::fs::read(folder.join("postgres.log")).unwrap_or_default();
    String::from_utf8_lossy(&log).matches("deadlock detected").count()
}

/// The dead have nothing to write any more, and a new postmaster would refuse to start beside the living.
fn wait_until_gone(backends: &[Pid]) -> Result<(), Failure> {
    let deadline = Instant::now() + START_PATIENCE;
    while backends.iter().any(|pid| test_kill_process(*pid).is_ok() && !is_zombie(*pid)) {
        if Instant::now() > deadline {
            return Err("Postgres's processes do not end".into());
        }
        thread::park_timeout(Duration::from_millis(1));
    }
    Ok(())
}

/// Whether it has ended and only waits to be noticed by its parent.
fn is_zombie(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
}

impl Shared {
    fn supervise(&self, folder: &Path, settings: &[String]) {
        let mut first_try = None;
        while self.may_start() {
            let began = *first_try.get_or_insert_with(Instant::now);
            match Cluster::start_with(Some(folder.to_owned()), None, settings) {
                Ok(cluster) => {
                    self.watch(&cluster, began.elapsed());
                    first_try = None;
                    // Each start has a new log.
                    lock(&self.state).deadlocks += deadlocks_in(folder);
                }
                Err(error) => self.rest(error.to_string()),
            }
        }
    }

    /// Waits while it is held; `false` at the end.
    fn may_start(&self) -> bool {
        let mut state = lock(&self.state);
        while state.held && !state.ending {
            state.resting = true;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.resting = false;
        !state.ending
    }

    fn watch(&self, cluster: &Cluster, start_took: Duration) {
        {
            let mut state = lock(&self.state);
            state.postmaster = i32::try_from(cluster.pid()).ok().and_then(Pid::from_raw);
            state.config = Some(cluster.config());
            state.sockets = cluster.sockets().to_owned();
            state.starts += 1;
            state.start_took = start_took;
        }
        self.changed.notify_all();
        let last_words = loop {
            if let Some(said) = cluster.ended(LOOK_INTERVAL) {
                break said;
            }
            if lock(&self.state).ending {
                break String::new();
            }
        };
        lock(&self.state).postmaster = None;
        self.rest(last_words);
    }

    /// Remembers why, and leaves a moment before the next start.
    fn rest(&self, said: String) {
        let mut state = lock(&self.state);
        state.said.push(said);
        drop(self.changed.wait_timeout(state, Duration::from_millis(50)));
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let postmaster = {
            let mut state = lock(&self.shared.state);
            state.ending = true;
            state.postmaster
        };
        self.shared.changed.notify_all();
        // A fault that was cut off may have left it stopped, and then it could not end.
        let paused = postmaster.map(children_of).and_then(Result::ok).unwrap_or_default();
        Self::resume(&paused);
        Self::resume(&postmaster.into_iter().collect::<Vec<_>>());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
