//! Reads: a few connections that share one queue, and look-ups by key that are gathered into one statement.
//!
//! Each connection is used by a coroutine of its own, on the worker that also serves the sockets: a read
//! costs no switch between threads. Connections are opened by a thread, since that may block: it resolves
//! names, and waits for Postgres.
//!
//! A coroutine waits for its socket without a time-out. The janitor cuts a connection that has been silent
//! for too long in a statement: those who asked have had their deadline by then, and the backend ends when it
//! finds its client gone.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use may::coroutine;
use may::sync::Blocker;

use super::Unavailable;
use super::connect::{Connector, Purpose};
use super::failure::{Chain, Failure};
use super::line::Line;
use super::reply::{self, Reply, Waiter};
use super::session::{Opened, Session};
use crate::limits;
use crate::waiting::queue::{Queue, Refused};
use crate::waiting::{Deadlines, Janitor, Tended, configure_coroutines, reply as answers, spawn};

/// A read that may be run again on a new connection.
trait Job: Send {
    /// Runs it. On `Err` the session is of no more use; what still waits for an answer wants to run on
    /// another.
    fn run(&mut self, session: &mut Session) -> Result<(), postgres::Error>;
}

/// What waits for a connection.
enum Work {
    Read(Box<dyn Job>),
    /// Asks the server of an idle connection whether it still answers.
    Probe,
}

/// How often an idle connection is asked.
const IDLE_CHECK: Duration = Duration::from_millis(limits::IDLE_CHECK_MS);

/// What the readers count.
#[derive(Debug, Default)]
pub struct ReadMetrics {
    /// Statements run.
    pub reads: AtomicU64,
    /// Reads refused because the queue was full.
    pub queue_full: AtomicU64,
    /// Reads that reached their deadline.
    pub expired: AtomicU64,
}

/// A fixed set of reading connections.
pub struct Readers {
    jobs: Queue<Work>,
    openings: Queue<Opening>,
    connector: Connector,
    /// Those of the connections, for the janitor.
    lines: Mutex<Vec<Weak<Line>>>,
    probed: Mutex<Instant>,
    deadlines: Deadlines,
    timeout: Duration,
    metrics: ReadMetrics,
    /// Coroutines that have not ended.
    alive: AtomicUsize,
}

impl Readers {
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
    ) -> io::Result<(Arc<Self>, Reads)> {
        configure_coroutines();
        let readers = Arc::new(Self {
            jobs: Queue::new(queue_jobs),
            // Each reader waits for one at most.
            openings: Queue::new(connections),
            connector: connector.clone(),
            lines: Mutex::default(),
            probed: Mutex::new(Instant::now()),
            deadlines: Deadlines::default(),
            timeout,
            metrics: ReadMetrics::default(),
            alive: AtomicUsize::new(connections),
        });
        janitor.look_after(&readers);
        let opening = readers.clone();
        let opener = spawn("pouco-opener", move || opening.open_until_closed())?;
        let coroutines = (0..connections).map(|_| {
            let readers = readers.clone();
            let builder = coroutine::Builder::new()
                .name("pouco-reader".into())
                .stack_size(limits::READER_STACK_BYTES / size_of::<usize>());
            may::go!(builder, move || {
                let _alive = Alive(&readers.alive);
                readers.read_until_closed();
            })
        });
        let coroutines = coroutines.collect::<io::Result<_>>()?;
        Ok((readers, Reads { opener, coroutines }))
    }

    /// Runs `work` on one of the connections and parks until it is done. It runs again if its connection is
    /// lost.
    ///
    /// # Errors
    /// If the queue is full, the deadline passes, or Postgres refuses.
    pub fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Session) -> Result<T, postgres::Error> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (reply, waiter) = self.channel();
        self.submit(Box::new(Single { work, reply: Some(reply) }))?;
        waiter.wait()
    }

    /// Ends the coroutines once the queue is empty, and the thread. A connection that is lost from now on is
    /// not opened again.
    pub fn close(&self) {
        self.jobs.close();
        self.openings.close();
    }

    /// What the readers counted.
    #[must_use]
    pub fn metrics(&self) -> &ReadMetrics {
        &self.metrics
    }

    /// Reads that wait for a connection, and how many may.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        self.jobs.load()
    }

    /// Whether every connection has its coroutine.
    #[must_use]
    pub fn are_whole(&self) -> bool {
        self.alive.load(Ordering::Relaxed) == self.openings.load().1
    }

    fn channel<T: Send + 'static>(&self) -> (Reply<T>, Waiter<T>) {
        let (reply, waiter) = reply::channel();
        self.deadlines.add(Instant::now() + self.timeout, reply.expiry());
        (reply, waiter)
    }

    fn submit(&self, job: Box<dyn Job>) -> Result<(), Unavailable> {
        self.jobs.push(Work::Read(job)).map_err(|refused| match refused {
            Refused::Closed => Unavailable::ShuttingDown,
            Refused::Full => {
                self.metrics.queue_full.fetch_add(1, Ordering::Relaxed);
                Unavailable::QueueFull
            }
        })
    }

    /// Opens connections for those who ask; ends when the process does.
    fn open_until_closed(&self) {
        while let Some(Opening { losses, reply }) = self.openings.pop() {
            let rested = if losses > 1 { self.connector.rest_before_retry(losses) } else { Ok(()) };
            match rested.and_then(|()| self.connector.open_for_handover(Purpose::Read)) {
                Ok(opened) => {
                    self.watch(opened.line());
                    reply.send(opened);
                }
                Err(_) => {
                    // Shutting down: the waiting coroutines hear it when the replies are dropped.
                    self.openings.close();
                    return self.openings.clear();
                }
            }
        }
    }

    fn watch(&self, line: &Arc<Line>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|line| line.strong_count() > 0);
        lines.push(Arc::downgrade(line));
    }

    /// A connection, as soon as Postgres gives one; `None` if the process ends before.
    fn open(&self, losses: u32) -> Option<Session> {
        loop {
            let (reply, waiter) = answers::channel();
            self.openings.push(Opening { losses, reply }).ok()?;
            match waiter.wait()?.hand_over() {
                Ok(session) => return Some(session),
                Err(error) => log::error!("a reading connection cannot be used: {error}"),
            }
        }
    }

    fn read_until_closed(&self) {
        let blocker = Arc::new(Blocker::new(true));
        let mut session = None;
        let mut unfinished = None;
        let mut losses = 0;
        loop {
            let Some(open) = session.take().or_else(|| self.open(losses)) else {
                // Shutting down: the replies of what is left say so when they are dropped.
                return self.jobs.clear();
            };
            let Some(work) = unfinished.take().or_else(|| self.jobs.pop_parked(&blocker)) else { return };
            if open.is_outdated() {
                unfinished = Some(work);
                continue;
            }
            (session, unfinished) = self.run(open, work);
            // A read that ends every session that it is run on is in no hurry. The end of the process is seen
            // above.
            losses = if unfinished.is_some() { losses + 1 } else { 0 };
        }
    }

    /// Gives back what can be used again: the connection if it lives, the work if its connection did not.
    fn run(&self, mut session: Session, work: Work) -> (Option<Session>, Option<Work>) {
        let Work::Read(mut job) = work else { return (self.probed(session), None) };
        self.metrics.reads.fetch_add(1, Ordering::Relaxed);
        match panic::catch_unwind(AssertUnwindSafe(|| job.run(&mut session))) {
            Ok(Ok(())) => (Some(session), None),
            Ok(Err(error)) => {
                log::warn!("a reading connection is lost: {}", Chain(&error));
                (None, Some(Work::Read(job)))
            }
            // Its replies say so when they are dropped; this coroutine is needed by others.
            Err(_) => {
                log::error!("a read panicked");
                (None, None)
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
                log::warn!("an idle reading connection is lost: {}", Chain(&error));
                None
            }
        }
    }

    /// Cuts the connections that have been silent for too long in a statement, and has those asked that are
    /// idle.
    fn look_after_lines(&self, now: Instant) {
        let (mut count, mut idle) = (0, false);
        for line in self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade)
        {
            let (busy, quiet) = line.silence();
            if busy && quiet >= self.timeout.max(self.connector.silence()) && line.cut() {
                self.connector.note_cut();
            }
            idle |= !busy && quiet >= IDLE_CHECK;
            count += 1;
        }
        let mut probed = self.probed.lock().unwrap_or_else(PoisonError::into_inner);
        if idle && now.saturating_duration_since(*probed) >= IDLE_CHECK {
            *probed = now;
            for _ in 0..count {
                // As many as there are connections, so that each idle one gets one. What finds no room is no
                // loss.
                let _ = self.jobs.push(Work::Probe);
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

impl Tended for Readers {
    fn tend(&self, now: Instant) {
        let expired = self.deadlines.expire(now);
        self.metrics.expired.fetch_add(expired, Ordering::Relaxed);
        self.look_after_lines(now);
    }
}

/// A reader's wish for a connection.
struct Opening {
    /// How many the same read has lost in a row.
    losses: u32,
    reply: answers::Reply<Opened>,
}

/// What runs for the readers until they are closed.
pub struct Reads {
    opener: thread::JoinHandle<()>,
    coroutines: Vec<coroutine::JoinHandle<()>>,
}

impl Reads {
    /// Waits until all has ended after [`Readers::close`]; `false` if a part of it panicked. For a thread,
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
    reply: Option<Reply<T>>,
}

impl<T, W> Job for Single<T, W>
where
    T: Send + 'static,
    W: Fn(&mut Session) -> Result<T, postgres::Error> + Send,
{
    fn run(&mut self, session: &mut Session) -> Result<(), postgres::Error> {
        let Some(reply) = self.reply.take_if(|reply| !reply.is_settled()) else { return Ok(()) };
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

type Asked<K, V> = Vec<(K, Reply<Option<V>>)>;

/// Reads the rows of many keys with one statement.
pub type Fetch<K, V> = fn(&mut Session, &[K]) -> Result<Vec<(K, V)>, postgres::Error>;

/// Look-ups by key: those that meet in the queue become one statement.
pub struct Gather<K, V> {
    pending: Arc<Mutex<Asked<K, V>>>,
    readers: Arc<Readers>,
    fetch: Fetch<K, V>,
}

impl<K, V> Gather<K, V>
where
    K: Copy + Ord + Send + 'static,
    V: Clone + Send + 'static,
{
    /// Look-ups that `fetch` answers, on the connections of `readers`.
    #[must_use]
    pub fn new(readers: Arc<Readers>, fetch: Fetch<K, V>) -> Self {
        Self { pending: Arc::default(), readers, fetch }
    }

    /// The value of `key`, or `None` if there is none; parks meanwhile.
    ///
    /// Race window: a look-up joins only a statement that is not yet sent, since the snapshot of a sent one
    /// may be older than a commit that this caller knows of. The job takes the pending keys when it starts,
    /// just before it sends.
    ///
    /// # Errors
    /// As [`Readers::read`].
    pub fn get(&self, key: K) -> Result<Option<V>, Unavailable> {
        let (reply, waiter) = self.readers.channel();
        let first = {
            let mut pending = lock_asked(&self.pending);
            pending.push((key, reply));
            pending.len() == 1
        };
        if first {
            let job = Gathered { pending: self.pending.clone(), fetch: self.fetch, taken: Vec::new() };
            if let Err(reason) = self.readers.submit(Box::new(job)) {
                // Nobody will come for those who joined meanwhile either.
                let refused = std::mem::take(&mut *lock_asked(&self.pending));
                refused.into_iter().for_each(|(_, reply)| reply.fail(reason));
            }
        }
        waiter.wait()
    }
}

struct Gathered<K, V> {
    pending: Arc<Mutex<Asked<K, V>>>,
    fetch: Fetch<K, V>,
    taken: Asked<K, V>,
}

impl<K, V> Job for Gathered<K, V>
where
    K: Copy + Ord + Send,
    V: Clone + Send,
{
    fn run(&mut self, session: &mut Session) -> Result<(), postgres::Error> {
        if self.taken.is_empty() {
            self.taken = std::mem::take(&mut *lock_asked(&self.pending));
        }
        self.taken.retain(|(_, reply)| !reply.is_settled());
        if self.taken.is_empty() {
            return Ok(());
        }
        let keys: Vec<K> = self.taken.iter().map(|(key, _)| *key).collect();
        match (self.fetch)(session, &keys) {
            Ok(mut rows) => {
                // Mostly there is one, for which any table would be too much.
                rows.sort_unstable_by_key(|(key, _)| *key);
                for (key, reply) in self.taken.drain(..) {
                    let place = rows.binary_search_by_key(&key, |(key, _)| *key);
                    reply.send(place.ok().map(|place| rows[place].1.clone()));
                }
            }
            Err(error) if Failure::of(&error) == Failure::Lost => return Err(error),
            Err(error) => {
                log::error!("a look-up failed: {}", Chain(&error));
                self.taken.drain(..).for_each(|(_, reply)| reply.fail(Unavailable::Refused));
                return keep_unless_stale(error);
            }
        }
        Ok(())
    }
}

/// A session that has forgotten its statements would refuse every read from now on.
fn keep_unless_stale(error: postgres::Error) -> Result<(), postgres::Error> {
    if Failure::of(&error) == Failure::Stale { Err(error) } else { Ok(()) }
}

fn lock_asked<K, V>(asked: &Mutex<Asked<K, V>>) -> MutexGuard<'_, Asked<K, V>> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}
