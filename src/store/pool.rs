//! A pool: a few connections that reads, lookups and transactions share.
//!
//! Each connection is used by a coroutine of its own, on the worker that also serves the sockets: a statement
//! costs no switch between threads. Connections are opened by a thread, since that may block: it resolves
//! names, and waits for Postgres.
//!
//! Every statement has an end. Postgres itself ends it after as long as anybody may wait; the janitor asks
//! for an earlier end once nobody does wait; and it cuts a connection that has been silent for too long in a
//! statement, whose backend ends when it finds its client gone. Only what must come to its own end is left
//! alone: see [`Pool::transact`].

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use may::coroutine;
use may::sync::Blocker;
use parking_lot::Mutex;

use super::Unavailable;
use super::connect::{Connector, Purpose};
use super::failure::{Chain, Failure};
use super::lanes::{Lane, Lanes, Slot, Taken};
use super::reply::{self, Reply, Waiter};
use super::session::{Cancel, Opened, Session, Watched};
use crate::identity::{self, Identity};
use crate::instruments::{Histogram, SECONDS};
use crate::limits;
use crate::waiting::life::{self, Life};
use crate::waiting::queue::{Queue, Refused};
use crate::waiting::{
    Bell, Deadlines, Expire, Janitor, Tended, configure_coroutines, reply as answers, sleep,
};

/// Work that may go on with a new connection.
pub(super) trait Job: Send {
    /// Runs it. On `Err` the session is of no more use; what still waits for an answer wants to run on
    /// another.
    fn run(&mut self, session: &mut Session) -> Result<(), postgres::Error>;

    /// Whether it wants to run on another session after a panic.
    fn goes_on_after_panic(&self) -> bool {
        false
    }
}

/// What waits for a connection.
enum Work {
    /// With its caller, and since when it is there.
    Job(Box<dyn Job>, Option<Arc<Identity>>, Instant),
    /// Asks the server of an idle connection whether it still answers.
    Probe,
}

/// How often an idle connection is asked.
const IDLE_CHECK: Duration = Duration::from_millis(limits::IDLE_CHECK_MS);

/// What a pool counts.
#[derive(Debug, Default)]
pub struct PoolMetrics {
    /// Statements run.
    pub reads: AtomicU64,
    /// Reads refused because the queue was full.
    pub queue_full: AtomicU64,
    /// Reads that reached their deadline.
    pub expired: AtomicU64,
    /// Statements that were to be cancelled because nobody waited for them.
    pub cancelled: AtomicU64,
    /// Transactions committed.
    pub committed: AtomicU64,
    /// Transactions that were undone, whoever wanted that.
    pub undone: AtomicU64,
    /// Transactions tried again after a deadlock or serialization failure.
    pub conflicts: AtomicU64,
    /// Transactions whose outcome had to be found out after a lost connection.
    pub uncertain: AtomicU64,
}

/// A fixed set of connections.
pub struct Pool {
    jobs: Lanes<Work>,
    errands: Queue<Errand>,
    connector: Connector,
    /// Those of the connections, for the janitor.
    watched: Mutex<Vec<Watched>>,
    probed: Mutex<Instant>,
    deadlines: Deadlines,
    timeout: Duration,
    metrics: Arc<PoolMetrics>,
    /// From the coming of a job to a connection's taking it.
    queue_seconds: Histogram,
    /// Coroutines that have not ended.
    alive: AtomicUsize,
    connections: usize,
}

impl Pool {
    /// Starts `connections` coroutines, which soon have a connection each.
    ///
    /// # Errors
    /// If no thread or no coroutine can be started.
    pub fn start(
        connector: &Connector,
        connections: usize,
        queue_jobs: usize,
        timeout: Duration,
        janitor: &Janitor,
    ) -> io::Result<(Arc<Self>, PoolThreads)> {
        configure_coroutines();
        let pool = Arc::new(Self {
            jobs: Lanes::new(queue_jobs, connections),
            // Each connection waits to be opened, and the one before it may have a statement to be cancelled.
            errands: Queue::new(2 * connections),
            connector: connector.clone(),
            watched: Mutex::default(),
            probed: Mutex::new(Instant::now()),
            deadlines: Deadlines::default(),
            timeout,
            metrics: Arc::default(),
            queue_seconds: Histogram::new(&SECONDS),
            alive: AtomicUsize::new(connections),
            connections,
        });
        janitor.look_after(&pool);
        let opening = pool.clone();
        let bound = Some(connector.longest_wait());
        let opener = life::keep("pouco-opener", bound, move || opening.run_errands_until_closed())?;
        let coroutines = (0..connections).map(|_| {
            let pool = pool.clone();
            let builder = coroutine::Builder::new()
                .name("pouco-pool".into())
                .stack_size(limits::POOL_STACK_BYTES / size_of::<usize>());
            may::go!(builder, move || {
                let _alive = Alive(&pool.alive);
                // A wait for Postgres here has a deadline of its own: only panics are looked for.
                Life::begin("pouco-pool", None).keep(|| pool.serve_until_closed(), sleep);
            })
        });
        let coroutines = coroutines.collect::<io::Result<_>>()?;
        Ok((pool, PoolThreads { opener, coroutines }))
    }

    /// Runs `work` on one of the connections and parks until it is done. It runs again if its connection is
    /// lost.
    ///
    /// # Errors
    /// If the queue is full, the deadline passes, or Postgres refuses.
    pub fn read<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl Fn(&mut Session) -> Result<T, postgres::Error> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (reply, waiter, end) = self.channel();
        self.submit(lane, Box::new(Single { work, end, reply: Some(reply) }))?;
        waiter.wait()
    }

    /// Ends the coroutines once the queue is empty, and the thread. A connection that is lost from now on is
    /// not opened again.
    pub fn close(&self) {
        self.jobs.close();
        self.errands.close();
    }

    /// What the pool counted.
    #[must_use]
    pub fn metrics(&self) -> &PoolMetrics {
        &self.metrics
    }

    pub(super) fn queue_seconds(&self) -> &Histogram {
        &self.queue_seconds
    }

    pub(super) fn counts(&self) -> Arc<PoolMetrics> {
        self.metrics.clone()
    }

    /// How long a read may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What waits for a connection in the fullest lane, and how much may.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        self.jobs.load()
    }

    /// Whether every connection has its coroutine.
    #[must_use]
    pub fn are_whole(&self) -> bool {
        self.alive.load(Ordering::Relaxed) == self.connections
    }

    /// Both ends of an answer, and until when it is waited for.
    pub(super) fn channel<T: Send + 'static>(&self) -> (Reply<T>, Waiter<T>, Instant) {
        let (reply, waiter) = reply::channel();
        let end = self.expire(reply.expiry());
        (reply, waiter, end)
    }

    /// Ends a wait after the pool's patience.
    pub(super) fn expire(&self, wait: Arc<dyn Expire>) -> Instant {
        let end = Instant::now() + self.timeout;
        self.deadlines.add(end, wait);
        end
    }

    pub(super) fn submit(&self, lane: Lane, job: Box<dyn Job>) -> Result<(), Unavailable> {
        self.jobs.push(lane, Work::Job(job, identity::current(), Instant::now())).map_err(|refused| {
            match refused {
                Refused::Closed => Unavailable::ShuttingDown,
                Refused::Full => {
                    self.metrics.queue_full.fetch_add(1, Ordering::Relaxed);
                    Unavailable::QueueFull
                }
            }
        })
    }

    /// Opens connections on request, and delivers cancel requests; ends when the process does.
    fn run_errands_until_closed(&self) {
        loop {
            life::rest();
            let Some(errand) = self.errands.pop() else { return };
            life::beat();
            let Opening { losses, reply } = match errand {
                Errand::Open(opening) => opening,
                Errand::Cancel(cancel) => {
                    let deadline = Instant::now() + Duration::from_millis(limits::ASK_TIMEOUT_MS);
                    if let Err(error) = cancel.send(&self.connector, deadline) {
                        log::warn!("a statement for which nobody waits is not cancelled: {error}");
                    }
                    continue;
                }
            };
            let rested = if losses > 1 { self.connector.rest_before_retry(losses) } else { Ok(()) };
            let purpose = Purpose::Serve(self.timeout);
            match rested.and_then(|()| self.connector.open_for_handover(purpose)) {
                Ok(opened) => {
                    self.watch(opened.watched());
                    reply.send(opened);
                }
                Err(_) => {
                    // Shutting down: the waiting coroutines hear it when the replies are dropped.
                    self.errands.close();
                    return self.errands.clear();
                }
            }
        }
    }

    fn watch(&self, session: Watched) {
        let mut watched = self.watched.lock();
        watched.retain(|session| session.socket.strong_count() > 0);
        watched.push(session);
    }

    /// A connection, as soon as Postgres gives one; `None` if the process ends before.
    fn open(&self, losses: u32) -> Option<Session> {
        loop {
            let (reply, waiter) = answers::channel();
            self.errands.push(Errand::Open(Opening { losses, reply })).ok()?;
            match waiter.wait().map(Opened::hand_over) {
                Some(Ok(session)) => return Some(session),
                Some(Err(error)) => log::error!("a connection cannot be used: {error}"),
                // The opener panicked, or has ended: the next errand is not taken then.
                None => {}
            }
        }
    }

    fn serve_until_closed(&self) {
        let blocker = Arc::new(Blocker::new(true));
        let mut session = None;
        let mut unfinished = None;
        let mut losses = 0;
        loop {
            let Some(open) = session.take().or_else(|| self.open(losses)) else {
                // Shutting down: the replies of what is left say so when they are dropped.
                drop(unfinished);
                return self.jobs.clear();
            };
            let next = unfinished.take().or_else(|| self.next(&blocker));
            let Some((work, slot)) = next else { return };
            if open.is_outdated() {
                unfinished = Some((work, slot));
                continue;
            }
            let (kept, left) = work.map_or((None, None), |work| self.run(open, work));
            session = kept;
            // Work that ends every session that it is run on is in no hurry. The end of the process is seen
            // above.
            losses = if left.is_some() { losses + 1 } else { 0 };
            unfinished = left.map(|work| (Some(work), slot));
        }
    }

    /// Waits for work, and counts how long that has waited.
    fn next(&self, blocker: &Arc<Blocker>) -> Option<(Option<Work>, Slot<'_, Work>)> {
        let (work, slot) = self.jobs.pop(blocker).map(Taken::split)?;
        if let Some(Work::Job(.., since)) = &work {
            self.queue_seconds.observe_duration(since.elapsed(), 1);
        }
        Some((work, slot))
    }

    /// Gives back what can be used again: the connection if it lives and is idle, the work if its connection
    /// did not.
    fn run(&self, mut session: Session, work: Work) -> (Option<Session>, Option<Work>) {
        let Work::Job(mut job, asker, since) = work else { return (self.probed(session), None) };
        self.metrics.reads.fetch_add(1, Ordering::Relaxed);
        let run = panic::catch_unwind(AssertUnwindSafe(|| {
            identity::within(asker.clone(), || job.run(&mut session))
        }));
        session.set_end(None);
        match run {
            // The wish to cancel may come late, and would meet what is run next.
            Ok(Ok(())) => (Some(session).filter(|session| !session.was_cancelled()), None),
            Ok(Err(error)) => {
                log::warn!("a connection of the pool is lost: {}", Chain(&error));
                (None, Some(Work::Job(job, asker, since)))
            }
            // Its replies say so when they are dropped; this coroutine is needed by others. The connection
            // may be in the middle of anything: its end undoes what it has not committed.
            Err(_) => {
                log::error!("what ran on a connection of the pool panicked");
                (
                    None,
                    Some(job).filter(|job| job.goes_on_after_panic()).map(|job| Work::Job(job, asker, since)),
                )
            }
        }
    }

    /// The connection, unless it was idle and does not answer.
    fn probed(&self, mut session: Session) -> Option<Session> {
        if session.idle() < IDLE_CHECK {
            return Some(session);
        }
        match session.batch("") {
            Ok(()) => Some(session),
            Err(error) => {
                log::warn!("an idle connection of the pool is lost: {}", Chain(&error));
                None
            }
        }
    }

    /// Cuts the connections that have been silent for too long in a statement, has those cancelled for which
    /// nobody waits, and those asked that are idle.
    fn look_after_lines(&self, now: Instant) {
        let (mut count, mut idle) = (0, false);
        for session in self.watched.lock().iter() {
            let Some(socket) = session.socket.upgrade() else { continue };
            let (busy, quiet) = socket.silence();
            if busy && quiet >= self.timeout.max(self.connector.silence()) && socket.cut() {
                self.connector.note_cut();
            }
            if socket.is_overdue(now) {
                self.metrics.cancelled.fetch_add(1, Ordering::Relaxed);
                // Without room for it Postgres ends the statement by itself, a little later.
                let _ = self.errands.push(Errand::Cancel(session.cancel()));
            }
            idle |= !busy && quiet >= IDLE_CHECK;
            count += 1;
        }
        let mut probed = self.probed.lock();
        if idle && now.saturating_duration_since(*probed) >= IDLE_CHECK {
            *probed = now;
            for _ in 0..count {
                // As many as there are connections, so that each idle one gets one. What finds no room is not
                // a loss.
                let _ = self.jobs.push(Lane::Lookup, Work::Probe);
            }
        }
    }
}

/// Counts a coroutine until it ends.
struct Alive<'r>(&'r AtomicUsize);

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Tended for Pool {
    fn tend(&self, now: Instant) {
        let expired = self.deadlines.expire(now);
        self.metrics.expired.fetch_add(expired, Ordering::Relaxed);
        self.look_after_lines(now);
    }

    fn is_quiet(&self) -> bool {
        self.deadlines.is_empty()
    }

    fn take_bell(&self, bell: &Bell) {
        self.deadlines.take_bell(bell);
    }
}

/// What the pool's thread does.
enum Errand {
    Open(Opening),
    Cancel(Cancel),
}

/// A coroutine's wish for a connection.
struct Opening {
    /// How many the same work has lost in a row.
    losses: u32,
    reply: answers::Reply<Opened>,
}

/// What runs for the pool until they are closed.
pub struct PoolThreads {
    opener: thread::JoinHandle<()>,
    coroutines: Vec<coroutine::JoinHandle<()>>,
}

impl PoolThreads {
    /// Waits until all has ended after [`Pool::close`]; `false` if a part of it panicked. For a thread,
    /// which blocks.
    #[must_use]
    pub fn join(self) -> bool {
        let ended: Vec<bool> = self.coroutines.into_iter().map(|one| one.join().is_ok()).collect();
        self.opener.join().is_ok() && ended.iter().all(|ended| *ended)
    }
}

/// One closure with one waiter.
struct Single<T, W> {
    work: W,
    end: Instant,
    reply: Option<Reply<T>>,
}

impl<T, W> Job for Single<T, W>
where
    T: Send + 'static,
    W: Fn(&mut Session) -> Result<T, postgres::Error> + Send,
{
    fn run(&mut self, session: &mut Session) -> Result<(), postgres::Error> {
        let Some(reply) = self.reply.take_if(|reply| !reply.is_settled()) else { return Ok(()) };
        session.set_end(Some(self.end));
        match (self.work)(session) {
            Ok(value) => reply.send(value),
            Err(error) if Failure::of(&error) == Failure::Lost => {
                self.reply = Some(reply);
                return Err(error);
            }
            Err(error) => {
                log::error!("a read failed: {}", Chain(&error));
                reply.fail(Unavailable::Refused);
                return keep_unless_stale(error);
            }
        }
        Ok(())
    }
}

/// A session that has forgotten its statements would refuse everything from now on.
pub(super) fn keep_unless_stale(error: postgres::Error) -> Result<(), postgres::Error> {
    if Failure::of(&error) == Failure::Stale { Err(error) } else { Ok(()) }
}
