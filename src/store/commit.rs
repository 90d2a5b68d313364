//! Group commit: all items that wait go to Postgres as one transaction, and each waiter learns what became of
//! its item after the commit.
//!
//! One writer, one connection, one kind of items a queue. The writer takes what is there (after a short
//! linger that lets a batch gather, as long as more company can be expected), so the batch grows with the
//! load and the cost per item falls as it does.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as Memory};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::Unavailable;
use super::batch::Batch;
use super::company::Company;
use super::connect::Connector;
use super::failure::{Chain, Failure};
use super::reply::{self, Reply};
use super::session::Session;
use super::writer::Writer;
use crate::identity::{self, Identity};
use crate::instruments::{Histogram, ROWS, SECONDS};
use crate::limits;
use crate::waiting::life::{self, keep};
use crate::waiting::{Janitor, Tended};

/// How often a batch that was undone is tried again: after a deadlock, a serialization failure, on a fresh
/// session.
const RETRIES: u32 = 10;

/// A batch that has cost so many sessions is halved.
const LOSSES: u32 = 3;

/// An item that has cost so many sessions is refused. More, since Postgres may only have had a bad moment.
const LOSSES_ALONE: u32 = 6;

/// How often a writer that has nothing to do asks.
const IDLE_CHECK: Duration = Duration::from_millis(limits::IDLE_CHECK_MS);

/// The bounds of a queue.
#[derive(Clone, Copy, Debug)]
pub struct CommitLimits {
    /// Rows of one statement.
    pub batch_rows: usize,
    /// How long the first row of a batch waits for company at most.
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
    /// Times that the outcome of a batch had to be found out after a lost connection.
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

struct Pending<B: Batch> {
    item: B::Item,
    bytes: usize,
    since: Instant,
    reply: Reply<B::Answer>,
    /// The request that waits for it, if it has a name.
    asker: Option<Arc<Identity>>,
}

struct QueueState<B: Batch> {
    rows: VecDeque<Pending<B>>,
    bytes: usize,
    /// Since when the oldest of the rows waits that the writer has taken.
    taken: Option<Instant>,
    /// Whether the batch before was of one row at most.
    alone: bool,
    company: Company,
    closed: bool,
}

impl<B: Batch> QueueState<B> {
    fn new() -> Self {
        let (rows, company) = (VecDeque::new(), Company::new());
        Self { rows, bytes: 0, taken: None, alone: true, company, closed: false }
    }
}

/// The queue in front of one writer.
pub struct CommitQueue<B: Batch> {
    queue: Mutex<QueueState<B>>,
    /// Rung when the first row comes, when a batch waits for no more, and when the queue closes.
    bell: Condvar,
    limits: CommitLimits,
    metrics: CommitMetrics,
}

impl<B: Batch> CommitQueue<B> {
    /// What a place in the queue costs besides its row.
    const OWN_BYTES: usize = size_of::<Pending<B>>() + reply::bytes::<B::Answer>();

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
            queue: Mutex::new(QueueState::new()),
            bell: Condvar::new(),
            limits,
            metrics: CommitMetrics::default(),
        });
        janitor.look_after(&queue);
        let writing = queue.clone();
        let name = format!("pouco-w-{}", B::NAME);
        let bound = Some(connector.longest_wait());
        let writer = keep(name, bound, move || writing.write_for_life(&connector))?;
        Ok((queue, writer))
    }

    /// Queues a row and parks until its outcome is known.
    ///
    /// # Errors
    /// Only for rows that were never sent, or that Postgres has undone: they are not stored and will not be.
    pub fn commit(&self, item: B::Item) -> Result<B::Answer, Unavailable> {
        let bytes = Self::OWN_BYTES + B::bytes(&item);
        let (reply, waiter) = reply::channel();
        let asker = identity::current();
        {
            let mut queue = self.queue.lock();
            if queue.closed {
                return Err(Unavailable::ShuttingDown);
            }
            if queue.rows.len() >= self.limits.queue_rows || queue.bytes + bytes > self.limits.queue_bytes {
                self.metrics.queue_full.fetch_add(1, Memory::Relaxed);
                return Err(Unavailable::QueueFull);
            }
            queue.rows.push_back(Pending { item, bytes, since: Instant::now(), reply, asker });
            queue.bytes += bytes;
            self.note_waiting(&queue);
            // The writer sleeps through the rows in between: it looks again when its linger is over.
            if queue.rows.len() == 1 || queue.rows.len() == self.enough(&queue) {
                self.bell.notify_one();
            }
        }
        waiter.wait()
    }

    /// Lets the writer finish what is queued and end.
    pub fn close(&self) {
        self.queue.lock().closed = true;
        self.bell.notify_all();
    }

    /// How long the oldest row has waited whose outcome is not known yet; zero if there is none.
    #[must_use]
    pub fn oldest(&self) -> Duration {
        let queue = self.queue.lock();
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

    /// Rows that wait for no more of them.
    fn enough(&self, queue: &QueueState<B>) -> usize {
        self.limits.batch_rows.min(queue.company.expected())
    }

    fn note_waiting(&self, queue: &QueueState<B>) {
        self.metrics.waiting_rows.store(queue.rows.len() as u64, Memory::Relaxed);
        self.metrics.waiting_bytes.store(queue.bytes as u64, Memory::Relaxed);
    }

    /// A panic costs what the writer was at, never the queue.
    fn write_for_life(&self, connector: &Connector) {
        let written = panic::catch_unwind(AssertUnwindSafe(|| self.write_until_closed(connector)));
        if let Err(panic) = written {
            self.note_panic();
            // The thread counts it too, and begins again.
            panic::resume_unwind(panic);
        }
        self.abandon();
    }

    fn note_panic(&self) {
        self.metrics.panics.fetch_add(1, Memory::Relaxed);
        log::error!("{}: the writer panicked and goes on", B::NAME);
    }

    fn write_until_closed(&self, connector: &Connector) {
        let mut writer = Writer::new(connector);
        // Rows are taken only for a session that answers: those that wait for Postgres to come or to come
        // back stay in the queue, where their deadline can end them unsent.
        while writer.session().is_ok() {
            life::rest();
            let awaited = self.wait_for_rows();
            life::beat();
            match awaited {
                Awaited::Rows => {}
                Awaited::Nothing if writer.wake().is_ok() => continue,
                Awaited::Nothing | Awaited::Closed => return,
            }
            if writer.wake().is_err() {
                return;
            }
            let mut batch = self.take_batch();
            batch.sort_by(|one, other| B::order(&one.item, &other.item));
            if !batch.is_empty() {
                self.settle(&mut writer, batch, 0);
            }
            self.queue.lock().taken = None;
            writer.used = Instant::now();
        }
    }

    /// Returns when a batch is full or as large as can be expected, when its first row has waited long
    /// enough, and when nothing has come for a while.
    fn wait_for_rows(&self) -> Awaited {
        let mut queue = self.queue.lock();
        let idle_since = Instant::now();
        loop {
            let left = match queue.rows.front() {
                None if queue.closed => return Awaited::Closed,
                None => match IDLE_CHECK.saturating_sub(idle_since.elapsed()) {
                    Duration::ZERO => return Awaited::Nothing,
                    left => left,
                },
                Some(first) => {
                    let lingers = B::LINGERS_ALONE || !queue.alone;
                    let linger = if lingers { self.limits.linger } else { Duration::ZERO };
                    let left = linger.saturating_sub(first.since.elapsed());
                    if left.is_zero() || queue.rows.len() >= self.enough(&queue) || queue.closed {
                        return Awaited::Rows;
                    }
                    left
                }
            };
            self.bell.wait_for(&mut queue, left);
        }
    }

    /// Everything that waits, up to a batch; nothing if all of it has expired meanwhile.
    fn take_batch(&self) -> Vec<Pending<B>> {
        let mut queue = self.queue.lock();
        let count = queue.rows.len().min(self.limits.batch_rows);
        let batch: Vec<_> = queue.rows.drain(..count).collect();
        queue.bytes -= batch.iter().map(|pending| pending.bytes).sum::<usize>();
        queue.taken = batch.iter().map(|pending| pending.since).min();
        queue.alone = batch.len() <= 1;
        if !batch.is_empty() {
            queue.company.note(batch.len());
        }
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
    fn put_back(&self, mut batch: Vec<Pending<B>>) {
        batch.sort_by_key(|pending| pending.since);
        let mut queue = self.queue.lock();
        for pending in batch.into_iter().rev() {
            queue.bytes += pending.bytes;
            queue.rows.push_front(pending);
        }
        self.note_waiting(&queue);
    }

    /// Sends a batch until each of its items has its answer, or until it is certain that none is stored.
    ///
    /// A batch that has cost several sessions is halved until the item that does that is alone.
    fn settle(&self, writer: &mut Writer<'_>, mut batch: Vec<Pending<B>>, mut losses: u32) {
        let (mut tries, name) = (0, B::NAME);
        loop {
            // The next session may be long in coming, and the items have their deadline.
            if !writer.is_open() {
                return self.put_back(batch);
            }
            let Ok(session) = writer.session() else { return give_up(batch, false) };
            let failed = match self.try_batch(session, &batch) {
                Ok(answers) => {
                    writer.stale = 0;
                    return answer(batch, answers);
                }
                Err(failed) => failed,
            };
            let failure = failed.failure();
            match failure {
                Failure::Lost | Failure::Broken => {
                    log::warn!("{name}: {} items sent, their outcome is not known: {failed}", batch.len());
                    self.metrics.uncertain.fetch_add(1, Memory::Relaxed);
                    writer.leave(true);
                    let Some(rest) = self.find_out(writer, batch) else { return };
                    batch = rest;
                    losses += 1;
                    if batch.is_empty() {
                        return;
                    }
                    let bearable = if batch.len() > 1 { LOSSES } else { LOSSES_ALONE };
                    if failure == Failure::Broken || losses >= bearable {
                        return self.halve(writer, batch, &failed);
                    }
                }
                Failure::Data => return self.halve(writer, batch, &failed),
                Failure::Stale => {
                    self.metrics.conflicts.fetch_add(1, Memory::Relaxed);
                    writer.leave(false);
                    self.put_back(batch);
                    return writer.rest_after_stale();
                }
                Failure::Conflict if tries < RETRIES => {
                    self.metrics.conflicts.fetch_add(1, Memory::Relaxed);
                }
                Failure::Conflict | Failure::Server => {
                    log::error!("{name}: {} items not stored: {failed}", batch.len());
                    let replies = batch.into_iter().map(|pending| pending.reply);
                    return replies.for_each(|reply| reply.fail(Unavailable::Refused));
                }
            }
            if writer.connector.rest_before_retry(tries).is_err() {
                return give_up(batch, false);
            }
            tries += 1;
        }
    }

    /// What fails together is tried in halves; what fails alone has its answer. None of it is stored.
    fn halve(&self, writer: &mut Writer<'_>, mut batch: Vec<Pending<B>>, failed: &Failed) {
        if batch.len() > 1 {
            let second = batch.split_off(batch.len() / 2);
            // One loss more, and it is halved again.
            self.settle(writer, batch, LOSSES - 1);
            return self.settle(writer, second, LOSSES - 1);
        }
        let name = B::NAME;
        for pending in batch {
            let label = B::label(&pending.item);
            if failed.failure() == Failure::Data {
                identity::within(pending.asker, || log::warn!("{name}: {label} is refused: {failed}"));
                pending.reply.send(B::unstorable());
            } else {
                identity::within(pending.asker, || {
                    log::error!("{name}: {label} is not stored, it fails alone too: {failed}");
                });
                pending.reply.fail(Unavailable::Refused);
            }
        }
    }

    fn try_batch(&self, session: &mut Session, batch: &[Pending<B>]) -> Result<Vec<B::Answer>, Failed> {
        let items: Vec<&B::Item> = batch.iter().map(|pending| &pending.item).collect();
        let sent = Instant::now();
        session.take_warning();
        let mut answers = self.guarded(|| B::place(session, &items))?;
        if answers.len() != items.len() {
            return Err(Failed::Uncounted);
        }
        // With a warning it is as uncertain as without an answer: the wait for a standby may have been
        // cancelled. Whatever keeps that from being confirmed does not undo it.
        if session.take_warning() {
            let settled = self.confirm(session, &items).map_err(|_| Failed::Unconfirmed)?;
            let told = answers.into_iter().zip(settled);
            answers = told.map(|(answer, settled)| settled.unwrap_or(answer)).collect();
        }
        self.metrics.commit_seconds.observe_duration(sent.elapsed(), 1);
        self.metrics.batch_rows.observe(batch.len() as u64, 1);
        self.metrics.batches.fetch_add(1, Memory::Relaxed);
        self.metrics.rows.fetch_add(batch.len() as u64, Memory::Relaxed);
        Ok(answers)
    }

    /// Answers what is stored of a batch whose session was lost, and gives back the rest, which is not stored
    /// and will not be. `None` if all of it has its answer, or the process ends before that is known.
    ///
    /// Race window: a backend whose client is gone may still commit. A new session is used only after such
    /// backends have ended ([`Writer::session`]), and what is stored is then read in a new statement.
    ///
    /// What is read may be stored here alone: a read does not wait for the standbys that a commit has to wait
    /// for. A fence does, and the answers come after it.
    fn find_out(&self, writer: &mut Writer<'_>, batch: Vec<Pending<B>>) -> Option<Vec<Pending<B>>> {
        let (mut tries, name) = (0, B::NAME);
        let settled = loop {
            let Ok(session) = writer.session() else {
                give_up(batch, true);
                return None;
            };
            let items: Vec<&B::Item> = batch.iter().map(|pending| &pending.item).collect();
            let failed = match self.confirm(session, &items) {
                Ok(settled) => break settled,
                Err(failed) => failed,
            };
            if failed.failure() == Failure::Broken {
                log::error!("{name}: the outcome of {} items cannot be read: {failed}", batch.len());
                batch.into_iter().for_each(|pending| pending.reply.fail(Unavailable::Unknown));
                return None;
            }
            if tries == 0 {
                log::warn!("{name}: the outcome of {} items is not known yet: {failed}", batch.len());
            }
            self.metrics.uncertain.fetch_add(1, Memory::Relaxed);
            writer.leave(true);
            if writer.connector.rest_before_retry(tries).is_err() {
                give_up(batch, true);
                return None;
            }
            tries += 1;
        };
        let mut rest = Vec::new();
        for (pending, answer) in batch.into_iter().zip(settled) {
            match answer {
                Some(answer) => pending.reply.send(answer),
                None => rest.push(pending),
            }
        }
        Some(rest)
    }

    /// The answers of those items that are stored, here and wherever a commit has to be.
    fn confirm(&self, session: &mut Session, items: &[&B::Item]) -> Result<Vec<Option<B::Answer>>, Failed> {
        let settled = self.guarded(|| B::settled(session, items))?;
        if settled.len() != items.len() {
            return Err(Failed::Uncounted);
        }
        session.take_warning();
        session.fence().map_err(Failed::Postgres)?;
        match session.take_warning() {
            true => Err(Failed::Unconfirmed),
            false => Ok(settled),
        }
    }

    /// The code of a kind may panic; its items still want their answers.
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

    /// The process ends without a database: nothing may wait for it.
    fn abandon(&self) {
        let mut queue = self.queue.lock();
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
    /// The code of the kind has given another number of answers than there are items.
    Uncounted,
}

impl Failed {
    fn failure(&self) -> Failure {
        match self {
            Self::Postgres(error) => Failure::of(error),
            Self::Unconfirmed => Failure::Lost,
            Self::Panicked | Self::Uncounted => Failure::Broken,
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(error) => Chain(error).fmt(f),
            Self::Unconfirmed => f.write_str("the wait for a standby was cancelled"),
            Self::Panicked => f.write_str("a panic"),
            Self::Uncounted => f.write_str("another number of answers than of items"),
        }
    }
}

fn answer<B: Batch>(batch: Vec<Pending<B>>, answers: Vec<B::Answer>) {
    batch.into_iter().zip(answers).for_each(|(pending, answer)| pending.reply.send(answer));
}

/// The process ends without its database. Rows that were never stored are refused; of rows that may be stored
/// nothing true can be said, so nothing is: their clients see the connection end.
fn give_up<B: Batch>(batch: Vec<Pending<B>>, uncertain: bool) {
    if uncertain {
        std::mem::forget(batch);
    } else {
        batch.into_iter().for_each(|pending| pending.reply.fail(Unavailable::ShuttingDown));
    }
}

impl<B: Batch> Tended for CommitQueue<B> {
    /// Rows in the queue were never sent, so their end is certain; rows that the writer took are not here any
    /// more.
    fn tend(&self, now: Instant) {
        let mut overdue = Vec::new();
        {
            let mut queue = self.queue.lock();
            let late =
                |first: &Pending<B>| now.saturating_duration_since(first.since) >= self.limits.deadline;
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
