//! The change feed: each replica follows what all others commit.
//!
//! Rows carry the id of the transaction that wrote them. Transactions do not commit in the order of their ids, so "the
//! highest id seen" would lose rows. The cursor is the snapshot's horizon instead: everything below it has ended. Rows at or
//! above the horizon are read too, and again by the next poll; whoever consumes them ignores what it knows.
//!
//! A transaction that stays open freezes the horizon but blinds nobody: rows behind it are read again and again, at a
//! pace that bounds the cost. On an engine without snapshots of this kind a sequence per writer takes the column's place:
//! each writer commits one batch at a time, so its own numbers come in order.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Row;
use postgres::fallible_iterator::FallibleIterator;

use super::session::{Chain, Connector, Failure, Session};

/// A poll that found the horizon where it was rests this many times as long as it took: a window that cannot shrink costs
/// a bounded part of a CPU. Any other rests as long as it took at least.
const FROZEN_REST_FACTOR: u32 = 10;

/// ... but no longer than this: slow, not blind.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// Between two tries of a feed that fails, the rest doubles from the interval up to this.
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// Who consumes a feed.
pub trait Follow: Send + 'static {
    /// The statement: parameter 1 is the cursor (`bigint`), column 0 the horizon, and column 1 is null in the one row that
    /// comes when there is nothing new.
    const SQL: &'static str;

    /// Takes a row that may be known already. `false` ends the feed.
    fn row(&mut self, row: &Row) -> bool;

    /// Everything that was committed when the poll began has been given to [`Follow::row`].
    fn caught_up(&mut self);

    /// Called once after the feed was ended by [`Follow::row`], with the feed's session.
    ///
    /// # Errors
    /// Those of Postgres; they are logged.
    fn ended(&mut self, session: &mut Session) -> Result<(), postgres::Error>;
}

/// What a feed counts.
#[derive(Debug, Default)]
pub struct FeedMetrics {
    /// Polls that came back.
    pub polls: AtomicU64,
    /// Rows read, also those that were known.
    pub rows: AtomicU64,
    /// When the last poll began that was completed, in milliseconds since the feed's start.
    caught_up_ms: AtomicU64,
}

/// A running feed.
pub struct Feed {
    metrics: Arc<FeedMetrics>,
    started: Instant,
    // Dropping it ends the thread.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Feed {
    /// Starts the thread; it reads everything once and then what is new, every `interval`.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start<F: Follow>(connector: Connector, interval: Duration, follower: F) -> io::Result<Self> {
        let metrics = Arc::new(FeedMetrics::default());
        let (stop, stopped) = mpsc::channel();
        let started = Instant::now();
        let mut follower =
            Follower { connector, interval, stopped, follower, metrics: metrics.clone(), started, cursor: 0 };
        let thread = thread::Builder::new()
            .name("pouco-feed".into())
            .spawn(move || follower.follow_until_stopped())?;
        Ok(Self { metrics, started, stop: Some(stop), thread: Some(thread) })
    }

    /// What the feed counted.
    #[must_use]
    pub fn metrics(&self) -> &FeedMetrics {
        &self.metrics
    }

    /// How old the newest state is that has been read completely, in milliseconds; since the start if there is none.
    #[must_use]
    pub fn lag_ms(&self) -> u64 {
        millis(self.started.elapsed()).saturating_sub(self.metrics.caught_up_ms.load(Ordering::Relaxed))
    }

    /// Ends the thread after its present poll.
    pub fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the feed panicked");
        }
    }
}

struct Follower<F> {
    connector: Connector,
    interval: Duration,
    stopped: mpsc::Receiver<()>,
    follower: F,
    metrics: Arc<FeedMetrics>,
    started: Instant,
    cursor: i64,
}

/// What a poll came to.
enum Polled {
    Completed,
    Ended,
}

impl<F: Follow> Follower<F> {
    fn follow_until_stopped(&mut self) {
        let mut retry = self.interval;
        while let Ok(mut session) = self.connector.open_patiently() {
            let polls = self.metrics.polls.load(Ordering::Relaxed);
            match self.follow(&mut session) {
                Ok(()) => return,
                Err(error) if Failure::of(&error) == Failure::Lost => {
                    log::warn!("the feed lost its connection: {}", Chain(&error));
                }
                Err(error) => log::error!("the feed failed and starts again: {}", Chain(&error)),
            }
            let worked = self.metrics.polls.load(Ordering::Relaxed) > polls;
            retry = if worked { self.interval } else { (retry * 2).min(LONGEST_RETRY) };
            if self.rest(retry) {
                return;
            }
        }
    }

    fn follow(&mut self, session: &mut Session) -> Result<(), postgres::Error> {
        // The table grows faster than its statistics: without any, the planner would read all of it at every poll.
        session
            .client()
            .batch_execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")?;
        loop {
            let (began, cursor) = (Instant::now(), self.cursor);
            if let Polled::Ended = self.poll(session)? {
                return self.follower.ended(session);
            }
            self.metrics.polls.fetch_add(1, Ordering::Relaxed);
            self.metrics.caught_up_ms.store(millis(began - self.started), Ordering::Relaxed);
            self.follower.caught_up();
            let rest = match cursor {
                // The first poll reads everything; how long it took says nothing of the next.
                0 => Duration::ZERO,
                frozen if frozen == self.cursor => (began.elapsed() * FROZEN_REST_FACTOR).min(LONGEST_REST),
                _ => began.elapsed().min(LONGEST_REST),
            };
            if self.rest(rest.max(self.interval)) {
                return Ok(());
            }
        }
    }

    /// Reads row by row: the first poll does not hold all of the table in memory.
    fn poll(&mut self, session: &mut Session) -> Result<Polled, postgres::Error> {
        let (client, statement) = session.prepared(F::SQL)?;
        let mut rows = client.query_raw(&statement, [self.cursor])?;
        let mut horizon = self.cursor;
        while let Some(row) = rows.next()? {
            horizon = row.get(0);
            if row.get::<_, Option<uuid::Uuid>>(1).is_none() {
                continue;
            }
            self.metrics.rows.fetch_add(1, Ordering::Relaxed);
            if !self.follower.row(&row) {
                return Ok(Polled::Ended);
            }
        }
        self.cursor = horizon;
        Ok(Polled::Completed)
    }

    /// `true` if the feed is stopped meanwhile.
    fn rest(&self, pause: Duration) -> bool {
        !matches!(self.stopped.recv_timeout(pause), Err(RecvTimeoutError::Timeout))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
