//! The change feed: each replica follows what all others commit.
//!
//! Rows carry the id of the transaction that wrote them. Transactions do not commit in the order of their
//! ids, so "the highest id seen" would lose rows. The cursor is the snapshot's horizon: everything below it
//! has ended. Rows at or above the cursor are read again by the next poll; the consumer ignores what it
//! knows.
//!
//! The horizon alone loses rows as well. It may lie past ids that ended without durable WAL (aborts, and
//! commits that wrote nothing). After a crash or a promotion Postgres gives these ids out again, to new rows.
//! So the cursor never passes the highest id *seen in a row* by more than one: such a row's commit is in the
//! WAL, and every id that is given out after a recovery is above it
//! (docs/decisions/0001-the-feed-misses-nothing.md).
//!
//! That rests on the WAL: a database that has lost a part of it, which was seen, is read again from the
//! beginning. Its server tells by identifier, timeline or position ([`super::server`]); where it does not,
//! the row that was seen last is missed at the start of a session.
//!
//! A transaction that stays open freezes the horizon but blinds nobody: rows behind it are read again and
//! again, at a pace that bounds the cost. On an engine without snapshots of this kind a sequence per writer
//! takes the column's place: each writer commits one batch at a time, so its own numbers come in order.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Row;
use postgres::types::PgLsn;
use uuid::Uuid;

use super::connect::{Connector, Purpose};
use super::failure::{Chain, Failure};
use super::session::Session;
use crate::limits;
use crate::waiting::life::{self, keep};

/// A poll that found the horizon where it was, and rows behind it, rests this many times as long as it took:
/// a window that cannot shrink costs a bounded part of a CPU. Any other rests as long as it took at least.
const FROZEN_REST_FACTOR: u32 = 10;

/// ... but no longer than this: slow, not blind.
const LONGEST_REST: Duration = Duration::from_millis(limits::FEED_REST_MS);

/// Between two tries of a feed that fails, the rest doubles from the interval up to this.
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// Between two looks of a feed that has nobody to read rows for.
const WATCH_INTERVAL: Duration = Duration::from_millis(limits::WATCH_INTERVAL_MS);

/// Between two tries to make Postgres stand in for a memory that is full, the rest doubles up to the longest.
const FIRST_STAND_IN_REST: Duration = Duration::from_millis(250);
const LONGEST_STAND_IN_REST: Duration = Duration::from_secs(60);

/// How often a replica looks whether another one, which is at it, is done.
const STAND_IN_BUSY_REST: Duration = Duration::from_secs(1);

/// How far the server's WAL is safe; the same expression is part of a feed's own statement.
const FLUSHED: &str = "
    SELECT CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0')
                ELSE pg_current_wal_flush_lsn() END";

/// The consumer of a feed.
pub trait Follow: Send + 'static {
    /// The statement: parameter 1 is the cursor (`bigint`). Column 0 is the horizon (`bigint`), column 1 how
    /// far the WAL is safe (`pg_lsn`), column 2 the id of the row's transaction (`bigint`), which is null in
    /// the one row that comes when there is nothing new, column 3 the row's own id (`uuid`).
    const SQL: &'static str;

    /// What was given is not to be relied on: the database has lost some of it. Everything is given again.
    fn begin_again(&mut self);

    /// Called before everything is given: may ask how much that will be.
    ///
    /// # Errors
    /// Those of Postgres.
    fn prepare(&mut self, session: &mut Session) -> Result<(), postgres::Error> {
        let _ = session;
        Ok(())
    }

    /// Takes a row that may be known already.
    fn row(&mut self, row: &Row) -> Followed;

    /// Everything that was committed when the poll began has been given to [`Follow::row`], as far as any
    /// server is known to have come.
    fn caught_up(&mut self);

    /// How long the feed rests after a poll that met nothing unusual, if `interval` is what its settings say:
    /// longer where rows also come in another way.
    fn rest(&mut self, interval: Duration) -> Duration {
        interval
    }

    /// Called again and again after [`Follow::row`] wanted no more; looks at little. `true`: it has begun
    /// again by itself, since everything may fit by now, and everything is given again.
    ///
    /// # Errors
    /// Those of Postgres.
    fn comes_back(&mut self, session: &mut Session) -> Result<bool, postgres::Error>;

    /// Called on a thread and with a session of its own after [`Follow::row`] wanted no more: what Postgres
    /// needs to stand in for the consumer's memory. It may take its time, and is called again until it
    /// returns `true`: it is there. `false`: another replica is at it.
    ///
    /// # Errors
    /// Those of Postgres.
    fn stand_in(session: &mut Session) -> Result<bool, postgres::Error>;
}

/// What a consumer says to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// It goes on.
    Taken,
    /// It wants no more rows, until all begins again ([`Follow::begin_again`], [`Follow::comes_back`]).
    Full,
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
    /// When it ended.
    polled_ms: AtomicU64,
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
        let mut follower = Follower {
            connector,
            interval,
            stopped,
            follower,
            metrics: metrics.clone(),
            started,
            history: 0,
            cursor: 0,
            newest: None,
            full: false,
            standing_in: Arc::default(),
        };
        let bound = Some(follower.connector.longest_wait());
        let mut again = false;
        let thread = keep("pouco-feed", bound, move || {
            // What a panic has left in memory is not to be relied on.
            if std::mem::replace(&mut again, true) {
                follower.begin_again(follower.history);
            }
            follower.follow_until_stopped();
        })?;
        Ok(Self { metrics, started, stop: Some(stop), thread: Some(thread) })
    }

    /// What the feed counted.
    #[must_use]
    pub fn metrics(&self) -> &FeedMetrics {
        &self.metrics
    }

    /// How old the newest state is that has been read completely; since the start if there is none.
    #[must_use]
    pub fn lag(&self) -> Duration {
        self.age(&self.metrics.caught_up_ms)
    }

    /// How long ago the last poll ended; since the start if there is none.
    #[must_use]
    pub fn poll_age(&self) -> Duration {
        self.age(&self.metrics.polled_ms)
    }

    /// Whether the thread has not ended.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    fn age(&self, moment: &AtomicU64) -> Duration {
        self.started.elapsed().saturating_sub(Duration::from_millis(moment.load(Ordering::Relaxed)))
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
    /// Which of the database's histories the consumer has.
    history: u64,
    /// Everything below it is known; 0 before the first poll.
    cursor: i64,
    /// The row of the highest transaction that was seen, with that.
    newest: Option<(i64, Uuid)>,
    /// Whether the consumer wants no rows.
    full: bool,
    /// Whether a thread makes Postgres stand in.
    standing_in: Arc<AtomicBool>,
}

/// Why a session is left in order.
enum Left {
    Stopped,
    /// Another session has to take its place.
    Outdated,
}

/// What a poll came to.
struct Polled {
    rows: u64,
    horizon: i64,
    /// How far the server's WAL is safe.
    flushed: PgLsn,
    /// Whether the row that was seen last was seen again.
    confirmed: bool,
    full: bool,
}

impl<F: Follow> Follower<F> {
    fn follow_until_stopped(&mut self) {
        let mut retry = self.interval;
        while let Ok(mut session) = self.connector.open_patiently(Purpose::Read) {
            let polls = self.metrics.polls.load(Ordering::Relaxed);
            match self.follow(&mut session) {
                Ok(Left::Stopped) => return,
                Ok(Left::Outdated) => continue,
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

    fn follow(&mut self, session: &mut Session) -> Result<Left, postgres::Error> {
        // The table grows faster than its statistics: without any, the planner would read all of it at every
        // poll.
        session.batch("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")?;
        if self.history != session.history() {
            self.begin_again(session.history());
        }
        // The row that was seen last must be there: the first poll of a session reads it again. A standby may
        // be behind.
        let mut unconfirmed = self.newest.map(|(feed, _)| feed).filter(|_| !session.in_recovery());
        self.cursor = unconfirmed.map_or(self.cursor, |feed| self.cursor.min(feed));
        while !session.is_outdated() {
            let (began, cursor) = (Instant::now(), self.cursor);
            let is_current;
            let rest = if self.full {
                is_current = self.look(session)?;
                if self.follower.comes_back(session)? {
                    self.read_anew();
                    // Of a row that was seen by the former reading nothing is known: it may be one of the
                    // deleted.
                    unconfirmed = None;
                    continue;
                }
                WATCH_INTERVAL
            } else {
                if cursor == 0 {
                    self.follower.prepare(session)?;
                }
                let polled = self.poll(session)?;
                if unconfirmed.take().is_some() && !polled.confirmed {
                    self.connector.distrust();
                    return Ok(Left::Outdated);
                }
                if polled.full {
                    self.full = true;
                    self.prepare_stand_in();
                    continue;
                }
                self.cursor = self.next_cursor(&polled);
                is_current = self.connector.note_flushed(polled.flushed);
                if is_current {
                    self.follower.caught_up();
                }
                let interval = self.follower.rest(self.interval);
                self.rest_after(&polled, cursor, began.elapsed()).max(interval)
            };
            self.metrics.polls.fetch_add(1, Ordering::Relaxed);
            if is_current {
                self.metrics.caught_up_ms.store(millis(began - self.started), Ordering::Relaxed);
            }
            self.metrics.polled_ms.store(millis(self.started.elapsed()), Ordering::Relaxed);
            if self.rest(rest) {
                return Ok(Left::Stopped);
            }
        }
        Ok(Left::Outdated)
    }

    fn begin_again(&mut self, history: u64) {
        self.history = history;
        self.read_anew();
        self.follower.begin_again();
    }

    /// The next poll reads everything.
    fn read_anew(&mut self) {
        (self.cursor, self.newest, self.full) = (0, None, false);
    }

    /// Not on the feed's own thread, which goes on watching the database.
    ///
    /// Tried until it is done: what Postgres refuses now (a deadlock with somebody's VACUUM, a full disk) it
    /// may take later, and a replica that was at it may have died over it.
    fn prepare_stand_in(&self) {
        if self.standing_in.swap(true, Ordering::AcqRel) {
            return;
        }
        let (connector, at_it) = (self.connector.clone(), StandingIn(self.standing_in.clone()));
        let prepare = move || {
            // Until the thread ends, also over a panic after which it begins again.
            let _at_it = &at_it;
            let mut rest = FIRST_STAND_IN_REST;
            while let Ok(mut session) = connector.open_patiently(Purpose::Maintain) {
                let pause = match F::stand_in(&mut session) {
                    Ok(true) => return,
                    Ok(false) => STAND_IN_BUSY_REST,
                    Err(error) if Failure::of(&error) == Failure::Lost => continue,
                    Err(error) => {
                        let error = Chain(&error);
                        log::error!("Postgres cannot stand in yet, tried again in {rest:?}: {error}");
                        let next = (rest * 2).min(LONGEST_STAND_IN_REST);
                        std::mem::replace(&mut rest, next)
                    }
                };
                drop(session);
                life::rest();
                thread::sleep(pause);
            }
        };
        if let Err(error) = keep("pouco-stand-in", Some(self.connector.longest_wait()), prepare) {
            log::error!("Postgres cannot stand in: {error}");
        }
    }

    fn next_cursor(&self, polled: &Polled) -> i64 {
        polled.horizon.min(self.newest.map_or(0, |(feed, _)| feed) + 1)
    }

    fn rest_after(&self, polled: &Polled, cursor: i64, took: Duration) -> Duration {
        let rest = match cursor {
            // The first poll reads everything; how long it took says nothing of the next.
            0 => Duration::ZERO,
            // Without rows the cursor stands still because nothing is new.
            frozen if frozen == self.cursor && polled.rows > 0 => took * FROZEN_REST_FACTOR,
            _ => took,
        };
        rest.min(LONGEST_REST).max(self.interval)
    }

    /// Reads row by row: the first poll does not hold all of the table in memory.
    fn poll(&mut self, session: &mut Session) -> Result<Polled, postgres::Error> {
        let Self { follower, metrics, cursor, newest, .. } = self;
        let seen = *newest;
        let first = *cursor == 0;
        let flushed = PgLsn::from(0);
        let mut polled = Polled { rows: 0, horizon: *cursor, flushed, confirmed: false, full: false };
        let mut broken = None;
        let mut take = |row: &Row| -> Result<Followed, postgres::Error> {
            polled.horizon = row.try_get(0)?;
            polled.flushed = row.try_get(1)?;
            let Some(feed) = row.try_get::<_, Option<i64>>(2)? else { return Ok(Followed::Taken) };
            let id: Uuid = row.try_get(3)?;
            polled.rows += 1;
            polled.confirmed |= seen == Some((feed, id));
            // The first poll also brings rows of a restored dump, whose numbers are still to come.
            if newest.is_none_or(|(highest, _)| feed > highest) && (!first || feed < polled.horizon) {
                *newest = Some((feed, id));
            }
            metrics.rows.fetch_add(1, Ordering::Relaxed);
            Ok(follower.row(row))
        };
        let ended = session.each(F::SQL, &[&*cursor], |row| match take(row) {
            Ok(Followed::Taken) => ControlFlow::Continue(()),
            Ok(Followed::Full) => ControlFlow::Break(()),
            Err(error) => {
                broken = Some(error);
                ControlFlow::Break(())
            }
        })?;
        if let Some(error) = broken {
            return Err(error);
        }
        polled.full = ended.is_break();
        Ok(polled)
    }

    /// Without rows to read there is still a database that may lose some. `false` if its server is behind.
    fn look(&self, session: &mut Session) -> Result<bool, postgres::Error> {
        let rows = session.query(FLUSHED, &[])?;
        let flushed = rows.first().map(|row| row.try_get(0)).transpose()?;
        Ok(flushed.is_none_or(|flushed| self.connector.note_flushed(flushed)))
    }

    /// `true` if the feed is stopped meanwhile.
    fn rest(&self, pause: Duration) -> bool {
        life::rest();
        let stopped = self.stopped.recv_timeout(pause);
        life::beat();
        !matches!(stopped, Err(RecvTimeoutError::Timeout))
    }
}

/// Says that nobody is at it, however that ends.
struct StandingIn(Arc<AtomicBool>);

impl Drop for StandingIn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
