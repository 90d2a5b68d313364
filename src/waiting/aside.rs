//! Work off the worker: a few threads for what blocks or takes long (the kernel, the allocator, a hash of a
//! password).
//!
//! The coroutine that wants something done parks until it has the result, or knows why it will have none.
//! Threads are started when there is work for one more, and stay. A panic is the caller's answer and ends no
//! thread; what nobody waits for any more is not begun.
//!
//! Race window: a deadline may pass while its job is taken. Whichever settles the reply first is right: a job
//! that was begun is finished, and its result dropped if the caller has gone.

mod exposition;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::life::{self, keep};
use super::reply::{self, Reply, Slot};
use super::{Expire, Timer};
use crate::instruments::{Histogram, SECONDS, Snapshot};
use crate::limits;

const THREAD: &str = "pouco-aside";

/// Why work was not done, or its result is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undone {
    /// As much as may wait is waiting, or there is no thread to be had.
    Full,
    /// The deadline passed before there was a result.
    Late,
    /// It panicked.
    Panicked,
    /// The process ends.
    Closed,
}

impl fmt::Display for Undone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full => "too much work is waiting for a thread",
            Self::Late => "its deadline passed",
            Self::Panicked => "it panicked",
            Self::Closed => "the process ends",
        })
    }
}

impl std::error::Error for Undone {}

impl<T: Send> Expire for Slot<Result<T, Undone>> {
    fn expire(&self) -> bool {
        self.settle(Some(Err(Undone::Late)))
    }

    fn is_over(&self) -> bool {
        self.is_settled()
    }
}

/// The threads.
pub struct Aside {
    shared: Arc<Shared>,
    timer: &'static Timer,
    threads: usize,
    queue_jobs: usize,
}

struct Shared {
    state: Mutex<State>,
    /// Rung for each job, and at the end.
    bell: Condvar,
}

struct State {
    waiting: VecDeque<Box<dyn Job>>,
    threads: Vec<thread::JoinHandle<()>>,
    /// Threads that wait for a job.
    idle: usize,
    closed: bool,
    counts: Counts,
    /// Written under the lock, so by one thread at a time.
    seconds: Histogram,
}

/// What was counted until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Jobs that wait for a thread.
    pub waiting: usize,
    /// Jobs under way.
    pub running: usize,
    /// Jobs that found no room.
    pub refused: u64,
    /// Jobs that were not begun, since nobody waited any more.
    pub expired: u64,
    /// Jobs that panicked.
    pub panicked: u64,
}

/// Something to be done, and its waiter.
trait Job: Send {
    /// Whether it need not be begun.
    fn is_over(&self) -> bool;
    /// Says so, where that was found out before the alarm rang.
    fn skip(self: Box<Self>);
    /// `false` if it panicked.
    fn run(self: Box<Self>) -> bool;
}

struct Awaited<T, W> {
    work: W,
    reply: Reply<Result<T, Undone>>,
    deadline: Instant,
}

impl<T: Send, W: FnOnce() -> T + Send> Job for Awaited<T, W> {
    fn is_over(&self) -> bool {
        self.reply.is_settled() || Instant::now() >= self.deadline
    }

    fn skip(self: Box<Self>) {
        self.reply.send(Err(Undone::Late));
    }

    fn run(self: Box<Self>) -> bool {
        let Self { work, reply, .. } = *self;
        let result = catch_unwind(AssertUnwindSafe(work)).map_err(|_| Undone::Panicked);
        let went_well = result.is_ok();
        reply.send(result);
        went_well
    }
}

struct Left<W>(W);

impl<W: FnOnce() + Send> Job for Left<W> {
    fn is_over(&self) -> bool {
        false
    }

    fn skip(self: Box<Self>) {}

    fn run(self: Box<Self>) -> bool {
        catch_unwind(AssertUnwindSafe(self.0)).is_ok()
    }
}

impl Aside {
    /// With the bounds of [`crate::limits`]; no thread is started yet.
    ///
    /// # Errors
    /// If there is no timer for the deadlines.
    pub fn new() -> io::Result<Self> {
        Self::with_bounds(limits::ASIDE_THREADS, limits::ASIDE_QUEUE)
    }

    /// At most so many threads, and so many jobs that wait for one.
    ///
    /// # Errors
    /// As [`Aside::new`].
    pub fn with_bounds(threads: usize, queue_jobs: usize) -> io::Result<Self> {
        life::know(THREAD);
        let state = State {
            waiting: VecDeque::new(),
            threads: Vec::new(),
            idle: 0,
            closed: false,
            counts: Counts::default(),
            seconds: Histogram::new(&SECONDS),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), bell: Condvar::new() });
        Ok(Self { shared, timer: Timer::get()?, threads, queue_jobs })
    }

    /// What `work` returns. The calling coroutine parks until then, a thread blocks.
    ///
    /// # Errors
    /// [`Undone`], and at the deadline at the latest.
    pub fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Undone> {
        let (reply, waiter) = reply::channel();
        let slot = reply.slot();
        self.push(Box::new(Awaited { work, reply, deadline }))?;
        let _alarm = self.timer.alarm(deadline, slot);
        // A reply is dropped without an answer where the threads end.
        waiter.wait().unwrap_or(Err(Undone::Closed))
    }

    /// Has something done that nobody waits for. If it is refused it is dropped, here.
    ///
    /// # Errors
    /// [`Undone::Full`] and [`Undone::Closed`].
    pub fn leave(&self, work: impl FnOnce() + Send + 'static) -> Result<(), Undone> {
        self.push(Box::new(Left(work)))
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let state = self.shared.state();
        Counts { waiting: state.waiting.len(), ..state.counts }
    }

    /// How many jobs may wait.
    #[must_use]
    pub fn queue_jobs(&self) -> usize {
        self.queue_jobs
    }

    /// How long the jobs took, without their wait.
    #[must_use]
    pub fn seconds(&self) -> Snapshot {
        self.shared.state().seconds.snapshot()
    }

    /// Takes nothing more, and waits for the threads, which finish what was begun; what still waits is
    /// dropped, and its callers hear [`Undone::Closed`]. For a thread, which blocks.
    pub fn close(&self) {
        let (waiting, threads) = {
            let mut state = self.shared.state();
            state.closed = true;
            (std::mem::take(&mut state.waiting), std::mem::take(&mut state.threads))
        };
        self.shared.bell.notify_all();
        // Without the lock: replies wake their waiters.
        drop(waiting);
        for thread in threads {
            if thread.join().is_err() {
                log::error!("a thread for work off the worker panicked");
            }
        }
    }

    fn push(&self, job: Box<dyn Job>) -> Result<(), Undone> {
        let mut over = Vec::new();
        let refused = {
            let mut state = self.shared.state();
            if state.closed {
                return Err(Undone::Closed);
            }
            if state.waiting.len() >= self.queue_jobs {
                over = state.take_over();
            }
            if state.waiting.len() < self.queue_jobs && self.has_thread(&mut state) {
                state.waiting.push_back(job);
                None
            } else {
                state.counts.refused += 1;
                Some(job)
            }
        };
        // Without the lock: what is dropped may be large, and replies wake their waiters.
        over.into_iter().for_each(|job| job.skip());
        if refused.is_some() {
            return Err(Undone::Full);
        }
        self.shared.bell.notify_one();
        Ok(())
    }

    /// Starts a thread if there is work for one more, and says whether there is any.
    fn has_thread(&self, state: &mut State) -> bool {
        if state.idle <= state.waiting.len() && state.threads.len() < self.threads {
            let shared = self.shared.clone();
            // Jobs catch their own panics. Besides them there is nothing that one could leave half done.
            match keep(THREAD, Some(limits::JOB_SILENCE), move || shared.work()) {
                Ok(thread) => state.threads.push(thread),
                Err(error) => log::warn!("no thread for work off the worker: {error}"),
            }
        }
        !state.threads.is_empty()
    }
}

impl Drop for Aside {
    /// The threads end by themselves, and nobody waits for them here: this may be a coroutine.
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.bell.notify_all();
    }
}

impl Shared {
    /// A thread's life.
    fn work(&self) {
        while let Some(job) = self.next() {
            let begun = Instant::now();
            let went_well = job.run();
            let mut state = self.state();
            state.counts.running -= 1;
            state.counts.panicked += u64::from(!went_well);
            state.seconds.observe_duration(begun.elapsed(), 1);
        }
    }

    /// The next job that somebody waits for; `None` at the end.
    fn next(&self) -> Option<Box<dyn Job>> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            if let Some(job) = state.waiting.pop_front() {
                if !job.is_over() {
                    state.counts.running += 1;
                    life::beat();
                    return Some(job);
                }
                state.counts.expired += 1;
                drop(state);
                job.skip();
                state = self.state();
            } else {
                state.idle += 1;
                life::rest();
                self.bell.wait(&mut state);
                state.idle -= 1;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// Takes out what nobody waits for.
    fn take_over(&mut self) -> Vec<Box<dyn Job>> {
        let (over, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|job| job.is_over());
        self.waiting = rest.into();
        self.counts.expired += over.len() as u64;
        over
    }
}

#[cfg(test)]
mod tests;
