//! Group commit: all rows that wait go to Postgres as one statement, and each waiter learns what became of
//! its row after the commit.
//!
//! One writer, one connection, one table a queue. The writer takes what is there (after a short linger that
//! lets a batch gather), so the batch grows with the load and the cost per row falls as it does.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering as Memory};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::Unavailable;
use super::connect::Connector;
use super::failure::{Chain, Failure};
use super::reply::{self, Reply};
use super::session::Session;
use super::writer::Writer;
use crate::instruments::{Histogram, ROWS, SECONDS};
use crate::limits;
use crate::waiting::{Janitor, Tended, spawn};

/// How often a batch that was undone is tried again: after a deadlock, a serialization failure, on a fresh
/// session.
const RETRIES: u32 = 10;

/// How often a writer that has nothing to do asks.
const IDLE_CHECK: Duration = Duration::from_millis(limits::IDLE_CHECK_MS);

/// What a queue inserts. The store knows no table of its own.
pub trait Table: Send + Sync + 'static {
    /// A row to insert, with an id that its maker chose.
    type Row: Send + 'static;

    /// The name for logs and metrics.
    const NAME: &'static str;

    /// The primary key.
    fn id(row: &Self::Row) -> Uuid;

    /// The order of the unique key. Every batch of every replica is sorted by it: two batches with
    /// overlapping keys in opposite order would deadlock.
    fn order(one: &Self::Row, other: &Self::Row) -> Ordering;

    /// About how many bytes the row holds, for the queue's bound.
    fn bytes(row: &Self::Row) -> usize;

    /// Inserts those of the rows that conflict with nothing, in one transaction, and returns their ids.
    ///
    /// # Errors
    /// Those of its last statement; none of the rows is then inserted.
    fn insert(session: &mut Session, rows: &[&Self::Row]) -> Result<Vec<Uuid>, postgres::Error>;

    /// Which of the ids are stored, read in a statement (and so a snapshot) of its own.
    ///
    /// # Errors
    /// Those of the statement.
    fn present(session: &mut Session, ids: &[Uuid]) -> Result<Vec<Uuid>, postgres::Error>;
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Committed.
    Stored,
    /// Another row has its unique key.
    Duplicate,
    /// Postgres cannot store this row, whatever else is in its batch.
    Invalid,
}

/// The bounds of a queue.
#[derive(Clone, Copy, Debug)]
pub struct CommitLimits {
    /// Rows of one statement.
    pub batch_rows: usize,
    /// How long the first row of a batch waits for company.
    pub linger: Duration,
    /// Rows that may wait to be sent.
    pub queue_rows: usize,
    /// Bytes that may wait to be sent.
    pub queue_bytes: usize,
    /// How long a row may wait to be sent.
    pub deadline: Duration,
}

/// What a queue counts. All only grow, but for the two gauges. The histograms are the writer's alone.
#[derive(Debug)]
pub struct CommitMetrics {
    /// Statements committed.
    pub batches: AtomicU64,
    /// Rows in them.
    pub rows: AtomicU64,
    /// Rows of each.
    pub batch_rows: Histogram,
    /// From sending each to its commit.
    pub commit_seconds: Histogram,
    /// From a row's coming into the queue to the writer's taking it.
    pub queue_seconds: Histogram,
    /// Rows refused because the queue was full.
    pub queue_full: AtomicU64,
    /// Rows that reached their deadline unsent.
    pub expired: AtomicU64,
    /// Batches whose outcome had to be found out after a lost connection.
    pub uncertain: AtomicU64,
    /// Batches tried again after a deadlock or serialization failure.
    pub conflicts: AtomicU64,
    /// Times that the code of a table panicked.
    pub panics: AtomicU64,
    /// Rows waiting now.
    pub waiting_rows: AtomicU64,
    /// Bytes waiting now.
    pub waiting_bytes: AtomicU64,
}

impl Default for CommitMetrics {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            batches: zero(),
            rows: zero(),
            batch_rows: Histogram::new(&ROWS),
            commit_seconds: Histogram::new(&SECONDS),
            queue_seconds: Histogram::new(&SECONDS),
            queue_full: zero(),
            expired: zero(),
            uncertain: zero(),
            conflicts: zero(),
            panics: zero(),
            waiting_rows: zero(),
            waiting_bytes: zero(),
        }
    }
}

struct Pending<R> {
    row: R,
    bytes: usize,
    since: Instant,
    reply: Reply<Outcome>,
}

struct Queue<R> {
    rows: VecDeque<Pending<R>>,
    bytes: usize,
    /// Since when the oldest of the rows waits that the writer has taken.
    taken: Option<Instant>,
    closed: bool,
}

/// The queue in front of one writer.
pub struct CommitQueue<T: Table> {
    queue: Mutex<Queue<T::Row>>,
    /// Rung when the first row comes, when a batch is full, and when the queue closes.
    bell: Condvar,
    limits: CommitLimits,
    metrics: CommitMetrics,
}

impl<T: Table> CommitQueue<T> {
    /// What a place in the queue costs beside its row.
    const OWN_BYTES: usize = size_of::<Pending<T::Row>>() + reply::bytes::<Outcome>();

    /// Starts a queue with its writer thread.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(
        connector: Connector,
        limits: CommitLimits,
        janitor: &Janitor,
    ) -> io::Result<(Arc<Self>, thread::JoinHandle<()>)> {
        let queue = Arc::new(Self {
            queue: Mutex::new(Queue { rows: VecDeque::new(), bytes: 0, taken: None, closed: false }),
            bell: Condvar::new(),
            limits,
            metrics: CommitMetrics::default(),
        });
        janitor.look_after(&queue);
        let writing = queue.clone();
        let name = format!("pouco-w-{}", T::NAME);
        let writer = spawn(name, move || writing.write_for_life(&connector))?;
        Ok((queue, writer))
    }

    /// Queues a row and parks until its fate is known.
    ///
    /// # Errors
    /// Only for rows that were never sent, or that Postgres has undone: they are not stored and will not be.
    pub fn commit(&self, row: T::Row) -> Result<Outcome, Unavailable> {
        let bytes = Self::OWN_BYTES + T::bytes(&row);
        let (reply, waiter) = reply::channel();
        {
            let mut queue = self.lock();
            if queue.closed {
                return Err(Unavailable::ShuttingDown);
            }
            if queue.rows.len() >= self.limits.queue_rows || queue.bytes + bytes > self.limits.queue_bytes {
                self.metrics.queue_full.fetch_add(1, Memory::Relaxed);
                return Err(Unavailable::QueueFull);
            }
            queue.rows.push_back(Pending { row, bytes, since: Instant::now(), reply });
            queue.bytes += bytes;
            self.note_waiting(&queue);
            // The writer sleeps through the rows in between: it looks again when its linger is over.
            if queue.rows.len() == 1 || queue.rows.len() == self.limits.batch_rows {
                self.bell.notify_one();
            }
        }
        waiter.wait()
    }

    /// Lets the writer finish what is queued and end.
    pub fn close(&self) {
        self.lock().closed = true;
        self.bell.notify_all();
    }

    /// How long the oldest row has waited whose fate is not known yet; zero if there is none.
    #[must_use]
    pub fn oldest(&self) -> Duration {
        let queue = self.lock();
        let waiting = queue.rows.front().map(|pending| pending.since);
        waiting.into_iter().chain(queue.taken).map(|since| since.elapsed()).max().unwrap_or_default()
    }

    /// What the queue counted.
    #[must_use]
    pub fn metrics(&self) -> &CommitMetrics {
        &self.metrics
    }

    /// The bounds that it was started with.
    #[must_use]
    pub fn limits(&self) -> &CommitLimits {
        &self.limits
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T::Row>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_waiting(&self, queue: &Queue<T::Row>) {
        self.metrics.waiting_rows.store(queue.rows.len() as u64, Memory::Relaxed);
        self.metrics.waiting_bytes.store(queue.bytes as u64, Memory::Relaxed);
    }

    /// A panic costs what the writer was at, never the queue.
    fn write_for_life(&self, connector: &Connector) {
        while panic::catch_unwind(AssertUnwindSafe(|| self.write_until_closed(connector))).is_err() {
            self.note_panic();
        }
        self.abandon();
    }

    fn note_panic(&self) {
        self.metrics.panics.fetch_add(1, Memory::Relaxed);
        log::error!("{}: the writer panicked and goes on", T::NAME);
    }

    fn write_until_closed(&self, connector: &Connector) {
        let mut writer = Writer::new(connector);
        // Rows are taken only for a session that answers: those that wait for Postgres to come or to come
        // back stay in the queue, where their deadline can end them unsent.
        while writer.session().is_ok() {
            match self.wait_for_rows() {
                Awaited::Rows => {}
                Awaited::Nothing if writer.wake().is_ok() => continue,
                Awaited::Nothing | Awaited::Closed => return,
            }
            if writer.wake().is_err() {
                return;
            }
            let mut batch = self.take_batch();
            batch.sort_by(|one, other| T::order(&one.row, &other.row));
            if !batch.is_empty() {
                self.settle(&mut writer, batch, false);
            }
            self.lock().taken = None;
            writer.used = Instant::now();
        }
    }

    /// Returns when a batch is full or its first row has waited long enough, and when nothing has come for a
    /// while.
    fn wait_for_rows(&self) -> Awaited {
        let mut queue = self.lock();
        let idle_since = Instant::now();
        loop {
            let left = match queue.rows.front() {
                None if queue.closed => return Awaited::Closed,
                None => match IDLE_CHECK.saturating_sub(idle_since.elapsed()) {
                    Duration::ZERO => return Awaited::Nothing,
                    left => left,
                },
                Some(first) => {
                    let left = self.limits.linger.saturating_sub(first.since.elapsed());
                    if left.is_zero() || queue.rows.len() >= self.limits.batch_rows || queue.closed {
                        return Awaited::Rows;
                    }
                    left
                }
            };
            queue = self.bell.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Everything that waits, up to a batch; nothing if all of it has expired meanwhile.
    fn take_batch(&self) -> Vec<Pending<T::Row>> {
        let mut queue = self.lock();
        let count = queue.rows.len().min(self.limits.batch_rows);
        let batch: Vec<_> = queue.rows.drain(..count).collect();
        queue.bytes -= batch.iter().map(|pending| pending.bytes).sum::<usize>();
        queue.taken = batch.iter().map(|pending| pending.since).min();
        self.note_waiting(&queue);
        drop(queue);
        let taken = Instant::now();
        for pending in &batch {
            self.metrics.queue_seconds.observe_duration(taken - pending.since, 1);
        }
        batch
    }

    /// Rows that are certainly not stored wait again, in the order in which they came, for as long as they
    /// may.
    fn put_back(&self, mut batch: Vec<Pending<T::Row>>) {
        batch.sort_by_key(|pending| pending.since);
        let mut queue = self.lock();
        for pending in batch.into_iter().rev() {
            queue.bytes += pending.bytes;
            queue.rows.push_front(pending);
        }
        self.note_waiting(&queue);
    }

    /// Sends a batch until its outcome is known, or until it is certain that it is not stored.
    ///
    /// Race window: a connection that dies after the statement was sent leaves a backend that may still
    /// commit. The same INSERT with the same ids is then sent again: it waits for that backend where their
    /// keys meet, and skips the rows that made it. Whether *ours* made it is read in a new statement, whose
    /// snapshot is taken after the wait. (Reading first and inserting what is missing would race with the old
    /// backend.)
    ///
    /// What is read may be stored here alone: neither a read nor an INSERT that inserts nothing waits for the
    /// standbys that a commit has to wait for. A fence does, and both answers, stored and taken, come after
    /// it.
    fn settle(&self, writer: &mut Writer<'_>, mut batch: Vec<Pending<T::Row>>, mut uncertain: bool) {
        let mut tries = 0;
        let mut told = false;
        loop {
            // The next session may be long in coming, and the rows have their deadline.
            if !uncertain && !writer.is_open() {
                return self.put_back(batch);
            }
            let Ok(session) = writer.session() else {
                return give_up(batch, uncertain);
            };
            let failed = match self.try_batch(session, &batch, uncertain) {
                Ok(stored) => {
                    writer.stale = 0;
                    return answer::<T>(batch, stored);
                }
                Err(failed) => failed,
            };
            let failure = failed.failure();
            if matches!(failure, Failure::Lost | Failure::Stale | Failure::Broken) {
                writer.leave(failure == Failure::Lost);
            }
            let name = T::NAME;
            match failure {
                Failure::Lost => {
                    log::warn!("{name}: connection lost with {} rows sent: {failed}", batch.len());
                    self.metrics.uncertain.fetch_add(1, Memory::Relaxed);
                    uncertain = true;
                }
                Failure::Data | Failure::Broken if batch.len() > 1 => {
                    uncertain |= failure == Failure::Broken;
                    let second = batch.split_off(batch.len() / 2);
                    self.settle(writer, batch, uncertain);
                    return self.settle(writer, second, uncertain);
                }
                Failure::Data => {
                    log::warn!("{name}: a row is refused: {failed}");
                    return self.refuse(writer, batch, Ok(Outcome::Invalid), uncertain);
                }
                Failure::Broken => {
                    log::error!("{name}: a row is not understood: {failed}");
                    return self.refuse(writer, batch, Err(Unavailable::Refused), true);
                }
                // An earlier try may have made it: its fate must be read, however long that takes.
                Failure::Conflict | Failure::Stale | Failure::Server if uncertain => {
                    if !std::mem::replace(&mut told, true) {
                        log::warn!("{name}: the fate of {} rows is not known yet: {failed}", batch.len());
                    }
                }
                Failure::Stale => {
                    self.metrics.conflicts.fetch_add(1, Memory::Relaxed);
                    self.put_back(batch);
                    return writer.rest_after_stale();
                }
                Failure::Conflict if tries < RETRIES => {
                    self.metrics.conflicts.fetch_add(1, Memory::Relaxed);
                }
                Failure::Conflict | Failure::Server => {
                    log::error!("{name}: {} rows not stored: {failed}", batch.len());
                    let replies = batch.into_iter().map(|pending| pending.reply);
                    return replies.for_each(|reply| reply.fail(Unavailable::Refused));
                }
            }
            if writer.connector.rest_before_retry(tries).is_err() {
                return give_up(batch, uncertain);
            }
            tries += 1;
        }
    }

    fn try_batch(
        &self,
        session: &mut Session,
        batch: &[Pending<T::Row>],
        uncertain: bool,
    ) -> Result<Vec<Uuid>, Failed> {
        let rows: Vec<&T::Row> = batch.iter().map(|pending| &pending.row).collect();
        let sent = Instant::now();
        session.take_warning();
        let inserted = self.guarded(|| T::insert(session, &rows))?;
        // With a warning it is as uncertain as without an answer: the wait for a standby may have been
        // cancelled.
        let stored = if session.take_warning() || uncertain {
            let ids: Vec<Uuid> = rows.iter().map(|row| T::id(row)).collect();
            self.confirm(session, &ids)?
        } else {
            inserted
        };
        self.metrics.commit_seconds.observe_duration(sent.elapsed(), 1);
        self.metrics.batch_rows.observe(batch.len() as u64, 1);
        self.metrics.batches.fetch_add(1, Memory::Relaxed);
        self.metrics.rows.fetch_add(batch.len() as u64, Memory::Relaxed);
        Ok(stored)
    }

    /// Which of the ids are stored, here and wherever a commit has to be.
    fn confirm(&self, session: &mut Session, ids: &[Uuid]) -> Result<Vec<Uuid>, Failed> {
        let stored = self.guarded(|| T::present(session, ids))?;
        session.take_warning();
        session.fence().map_err(Failed::Postgres)?;
        match session.take_warning() {
            true => Err(Failed::Unconfirmed),
            false => Ok(stored),
        }
    }

    /// The code of a table may panic; its rows still want their answers.
    fn guarded<V>(&self, work: impl FnOnce() -> Result<V, postgres::Error>) -> Result<V, Failed> {
        match panic::catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Failed::Postgres(error)),
            Err(_) => {
                self.note_panic();
                Err(Failed::Panicked)
            }
        }
    }

    /// Ends rows that cannot be inserted. If an earlier try may have made it, what is stored counts more.
    fn refuse(
        &self,
        writer: &mut Writer<'_>,
        batch: Vec<Pending<T::Row>>,
        answer: Result<Outcome, Unavailable>,
        uncertain: bool,
    ) {
        let mut tries = 0;
        let ids: Vec<Uuid> = batch.iter().map(|pending| T::id(&pending.row)).collect();
        let stored = loop {
            if !uncertain {
                break Vec::new();
            }
            let Ok(session) = writer.session() else { return give_up(batch, true) };
            match self.confirm(session, &ids) {
                Ok(stored) => break stored,
                Err(failed) if failed.failure() == Failure::Broken => break Vec::new(),
                Err(_) => writer.leave(true),
            }
            if writer.connector.rest_before_retry(tries).is_err() {
                return give_up(batch, true);
            }
            tries += 1;
        };
        for (pending, id) in batch.into_iter().zip(ids) {
            pending.reply.answer(if stored.contains(&id) { Ok(Outcome::Stored) } else { answer });
        }
    }

    /// The process ends without a database: nobody shall wait for it.
    fn abandon(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        queue.bytes = 0;
        for pending in queue.rows.drain(..) {
            pending.reply.fail(Unavailable::ShuttingDown);
        }
    }
}

/// Why a try failed.
enum Failed {
    Postgres(postgres::Error),
    /// Postgres has warned at the commit of the fence.
    Unconfirmed,
    Panicked,
}

impl Failed {
    fn failure(&self) -> Failure {
        match self {
            Self::Postgres(error) => Failure::of(error),
            Self::Unconfirmed => Failure::Lost,
            Self::Panicked => Failure::Broken,
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(error) => Chain(error).fmt(f),
            Self::Unconfirmed => f.write_str("the wait for a standby was cancelled"),
            Self::Panicked => f.write_str("a panic"),
        }
    }
}

fn answer<T: Table>(batch: Vec<Pending<T::Row>>, mut stored: Vec<Uuid>) {
    stored.sort_unstable();
    for pending in batch {
        let made_it = stored.binary_search(&T::id(&pending.row)).is_ok();
        pending.reply.send(if made_it { Outcome::Stored } else { Outcome::Duplicate });
    }
}

/// The process ends without its database. Rows that were never stored are refused; of rows that may be stored
/// nothing true can be said, so nothing is: their clients see the connection end.
fn give_up<R>(batch: Vec<Pending<R>>, uncertain: bool) {
    if uncertain {
        std::mem::forget(batch);
    } else {
        batch.into_iter().for_each(|pending| pending.reply.fail(Unavailable::ShuttingDown));
    }
}

impl<T: Table> Tended for CommitQueue<T> {
    /// Rows in the queue were never sent, so their end is certain; rows that the writer took are not here any
    /// more.
    fn tend(&self, now: Instant) {
        let mut overdue = Vec::new();
        {
            let mut queue = self.lock();
            let late =
                |first: &Pending<_>| now.saturating_duration_since(first.since) >= self.limits.deadline;
            while let Some(pending) = queue.rows.pop_front_if(|first| late(first)) {
                queue.bytes -= pending.bytes;
                overdue.push(pending.reply);
            }
            self.note_waiting(&queue);
        }
        self.metrics.expired.fetch_add(overdue.len() as u64, Memory::Relaxed);
        // Without the lock, which the coroutines' thread wants too.
        overdue.into_iter().for_each(|reply| reply.fail(Unavailable::Deadline));
    }
}

/// What a writer waited for.
enum Awaited {
    Rows,
    /// Nothing has come for a while.
    Nothing,
    Closed,
}
