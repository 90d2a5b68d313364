//! Group commit: all rows that wait go to Postgres as one statement, and each waiter learns what became of its row after
//! the commit.
//!
//! One writer, one connection, one table a queue. The writer takes what is there (after a short linger that lets a batch
//! gather), so the batch grows with the load and the cost per row falls as it does.

use std::cmp::Ordering;
use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering as Memory};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::Unavailable;
use super::janitor::{Janitor, Tended};
use super::reply::{self, Reply};
use super::session::{Chain, Connector, Failure, Session};
use crate::instruments::{Histogram, ROWS, SECONDS};

/// How often a batch is tried again after a deadlock or a serialization failure.
const CONFLICT_RETRIES: u32 = 10;

/// What a queue inserts. The store knows no table of its own.
pub trait Table: Send + Sync + 'static {
    /// A row to insert, with an id that its maker chose.
    type Row: Send + 'static;

    /// The name for logs and metrics.
    const NAME: &'static str;

    /// The primary key.
    fn id(row: &Self::Row) -> Uuid;

    /// The order of the unique key. Every batch of every replica is sorted by it: two batches with overlapping keys in
    /// opposite order would deadlock.
    fn order(one: &Self::Row, other: &Self::Row) -> Ordering;

    /// About how many bytes the row holds, for the queue's bound.
    fn bytes(row: &Self::Row) -> usize;

    /// Inserts the rows as one statement that skips whatever conflicts, and returns the ids that it inserted.
    ///
    /// # Errors
    /// Those of the statement; none of the rows is then inserted.
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
            queue: Mutex::new(Queue { rows: VecDeque::new(), bytes: 0, closed: false }),
            bell: Condvar::new(),
            limits,
            metrics: CommitMetrics::default(),
        });
        janitor.look_after(Arc::<Self>::downgrade(&queue));
        let writing = queue.clone();
        let name = format!("pouco-w-{}", T::NAME);
        let writer =
            thread::Builder::new().name(name).spawn(move || writing.write_until_closed(&connector))?;
        Ok((queue, writer))
    }

    /// Queues a row and parks until its fate is known.
    ///
    /// # Errors
    /// Only for rows that were never sent, or that Postgres has undone: they are not stored and will not be.
    pub fn commit(&self, row: T::Row) -> Result<Outcome, Unavailable> {
        let bytes = T::bytes(&row);
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

    /// What the queue counted.
    #[must_use]
    pub fn metrics(&self) -> &CommitMetrics {
        &self.metrics
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T::Row>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_waiting(&self, queue: &Queue<T::Row>) {
        self.metrics.waiting_rows.store(queue.rows.len() as u64, Memory::Relaxed);
        self.metrics.waiting_bytes.store(queue.bytes as u64, Memory::Relaxed);
    }

    fn write_until_closed(&self, connector: &Connector) {
        let mut writer = Writer { connector, session: None };
        // A session is had before rows are taken: rows that wait for Postgres to come stay in the queue, where their
        // deadline can end them unsent.
        while writer.session().is_ok() {
            let Some(mut batch) = self.take_batch() else { break };
            batch.sort_by(|one, other| T::order(&one.row, &other.row));
            self.settle(&mut writer, batch, false);
        }
        self.abandon();
    }

    /// Everything that waits, up to a batch; `None` once the queue is closed and empty.
    fn take_batch(&self) -> Option<Vec<Pending<T::Row>>> {
        let mut queue = self.lock();
        let full = self.limits.batch_rows;
        loop {
            let Some(first) = queue.rows.front() else {
                if queue.closed {
                    return None;
                }
                queue = self.bell.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = self.limits.linger.saturating_sub(first.since.elapsed());
            if left.is_zero() || queue.rows.len() >= full || queue.closed {
                break;
            }
            queue = self.bell.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let count = queue.rows.len().min(full);
        let batch: Vec<_> = queue.rows.drain(..count).collect();
        queue.bytes -= batch.iter().map(|pending| pending.bytes).sum::<usize>();
        self.note_waiting(&queue);
        drop(queue);
        let taken = Instant::now();
        for pending in &batch {
            self.metrics.queue_seconds.observe_duration(taken - pending.since, 1);
        }
        Some(batch)
    }

    /// Sends a batch until its outcome is known.
    ///
    /// Race window: a connection that dies after the statement was sent leaves a backend that may still commit. The same
    /// INSERT with the same ids is then sent again: it waits for that backend where their keys meet, and skips the rows
    /// that made it. Whether *ours* made it is read in a new statement, whose snapshot is taken after the wait. (Reading
    /// first and inserting what is missing would race with the old backend.)
    fn settle(&self, writer: &mut Writer<'_>, batch: Vec<Pending<T::Row>>, mut uncertain: bool) {
        let mut conflicts = 0;
        loop {
            let Ok(session) = writer.session() else {
                return give_up(batch, uncertain);
            };
            let error = match self.try_batch(session, &batch, uncertain) {
                Ok(stored) => return answer::<T>(batch, &stored),
                Err(error) => error,
            };
            match Failure::of(&error) {
                Failure::Lost => {
                    log::warn!(
                        "{}: connection lost with {} rows sent: {}",
                        T::NAME,
                        batch.len(),
                        Chain(&error)
                    );
                    self.metrics.uncertain.fetch_add(1, Memory::Relaxed);
                    uncertain = true;
                    writer.session = None;
                }
                Failure::Conflict if conflicts < CONFLICT_RETRIES => {
                    self.metrics.conflicts.fetch_add(1, Memory::Relaxed);
                    conflicts += 1;
                }
                Failure::Data if batch.len() > 1 => {
                    let mut first = batch;
                    let second = first.split_off(first.len() / 2);
                    self.settle(writer, first, uncertain);
                    return self.settle(writer, second, uncertain);
                }
                Failure::Data => {
                    log::warn!("{}: a row is refused: {}", T::NAME, Chain(&error));
                    return batch.into_iter().for_each(|pending| pending.reply.send(Outcome::Invalid));
                }
                Failure::Conflict | Failure::Server => {
                    log::error!("{}: {} rows not stored: {}", T::NAME, batch.len(), Chain(&error));
                    if !uncertain {
                        return batch
                            .into_iter()
                            .for_each(|pending| pending.reply.fail(Unavailable::Refused));
                    }
                    // An earlier try may have made it: its fate must be read, however long that takes.
                    thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }

    fn try_batch(
        &self,
        session: &mut Session,
        batch: &[Pending<T::Row>],
        uncertain: bool,
    ) -> Result<HashSet<Uuid>, postgres::Error> {
        let rows: Vec<&T::Row> = batch.iter().map(|pending| &pending.row).collect();
        let sent = Instant::now();
        let mut stored = T::insert(session, &rows)?;
        if uncertain {
            let ids: Vec<Uuid> = rows.iter().map(|row| T::id(row)).collect();
            stored = T::present(session, &ids)?;
        }
        self.metrics.commit_seconds.observe_duration(sent.elapsed(), 1);
        self.metrics.batch_rows.observe(batch.len() as u64, 1);
        self.metrics.batches.fetch_add(1, Memory::Relaxed);
        self.metrics.rows.fetch_add(batch.len() as u64, Memory::Relaxed);
        Ok(stored.into_iter().collect())
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

fn answer<T: Table>(batch: Vec<Pending<T::Row>>, stored: &HashSet<Uuid>) {
    for pending in batch {
        let made_it = stored.contains(&T::id(&pending.row));
        pending.reply.send(if made_it { Outcome::Stored } else { Outcome::Duplicate });
    }
}

/// The process ends without its database. Rows that were never stored are refused; of rows that may be stored nothing
/// true can be said, so nothing is: their clients see the connection end.
fn give_up<R>(batch: Vec<Pending<R>>, uncertain: bool) {
    if uncertain {
        std::mem::forget(batch);
    } else {
        batch.into_iter().for_each(|pending| pending.reply.fail(Unavailable::ShuttingDown));
    }
}

impl<T: Table> Tended for CommitQueue<T> {
    /// Rows in the queue were never sent, so their end is certain; rows that the writer took are not here any more.
    fn tend(&self, now: Instant) {
        let mut queue = self.lock();
        while let Some(first) = queue.rows.front() {
            if now.saturating_duration_since(first.since) < self.limits.deadline {
                return;
            }
            if let Some(pending) = queue.rows.pop_front() {
                queue.bytes -= pending.bytes;
                self.metrics.expired.fetch_add(1, Memory::Relaxed);
                pending.reply.fail(Unavailable::Deadline);
            }
            self.note_waiting(&queue);
        }
    }
}

/// The writer's connection, opened when it is needed.
struct Writer<'c> {
    connector: &'c Connector,
    session: Option<Session>,
}

impl Writer<'_> {
    fn session(&mut self) -> Result<&mut Session, Unavailable> {
        match &mut self.session {
            Some(session) => Ok(session),
            empty => Ok(empty.insert(self.connector.open_patiently()?)),
        }
    }
}
