//! Redis as the handlers see it: a bounded queue to the one thread that talks with it, and a breaker.
//!
//! The client blocks, so it lives on a thread of its own (`conversation.rs`) and a coroutine that asks parks.
//! Every wait ends: the thread answers within its timeouts, and the janitor answers for a thread that hangs
//! nevertheless, as in a lookup of a host's name.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::RedisSettings;
use super::conversation::Conversation;
use crate::cache::Body;
use crate::limits;
use crate::random;
use crate::waiting::life::keep;
use crate::waiting::queue::Queue;
use crate::waiting::reply::{self, Reply, Slot};
use crate::waiting::{Bell, Deadlines, Expire, Janitor, Tended};

/// What a lookup came to.
pub(super) enum Looked {
    /// It is there, and for how long.
    Found { value: Body, left: Duration },
    /// It is not there, and whoever asked is to compute it.
    Claimed(Claim),
    /// Another replica computes it, and was not ready in time.
    Busy,
}

/// What the thread is asked to do.
pub(super) enum Job {
    LookUp(LookUp),
    Fill { key: String, token: u64, value: Body, ttl: Duration },
    Release { key: String, token: u64 },
    Forget { key: String, reply: Reply<Answer> },
}

/// A lookup that somebody waits for. Dropped without an answer it says that Redis is away.
pub(super) struct LookUp {
    pub(super) key: String,
    /// Whose lock it is.
    pub(super) token: u64,
    pub(super) reply: Reply<Answer>,
    /// When to stop waiting for another replica.
    pub(super) give_up: Instant,
}

/// What the thread answers.
pub(super) enum Answer {
    Found { value: Body, left: Duration },
    Claimed,
    Busy,
    Away,
    Forgotten,
}

/// Keys that Redis is still to forget. Nobody asks it as long as there are any.
#[derive(Default)]
pub(super) struct Owed {
    keys: HashSet<String>,
    /// There were more of them than are remembered: until then it may have old values.
    until: Option<Instant>,
}

impl Owed {
    fn add(&mut self, key: &str, ttl: Duration) {
        if self.keys.len() < limits::REDIS_QUEUE {
            self.keys.insert(key.to_owned());
        } else {
            self.until = Some(Instant::now() + ttl);
        }
    }
}

/// A counter for each thing that may happen.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    pub(super) commands: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) refused: AtomicU64,
    bypassed: AtomicU64,
    expired: AtomicU64,
}

/// What was counted of Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoteCounts {
    /// Whether it answers.
    pub up: bool,
    /// Commands sent.
    pub commands: u64,
    /// Connections that could not be opened or were lost, timeouts among them.
    pub failures: u64,
    /// Commands that Redis refused.
    pub refused: u64,
    /// Lookups that were not sent, since it was away or the queue was full.
    pub bypassed: u64,
    /// Lookups that the janitor ended, since the thread did not answer.
    pub expired: u64,
}

/// Nobody has asked yet.
const UNKNOWN: u8 = 0;
/// It answers.
const UP: u8 = 1;
/// It failed, and the thread has not heard from it since.
const AWAY: u8 = 2;

pub(super) struct Remote {
    pub(super) settings: RedisSettings,
    pub(super) jobs: Queue<Job>,
    pub(super) metrics: Metrics,
    /// The breaker, one of the three states below.
    state: AtomicU8,
    deadlines: Deadlines,
    owed: Mutex<Owed>,
    /// How long any value lives.
    ttl: Duration,
}

impl Remote {
    /// Starts the thread.
    pub(super) fn start(
        settings: RedisSettings,
        ttl: Duration,
        janitor: &Janitor,
    ) -> io::Result<(Arc<Self>, thread::JoinHandle<()>)> {
        let remote = Arc::new(Self {
            settings,
            jobs: Queue::new(limits::REDIS_QUEUE),
            metrics: Metrics::default(),
            state: AtomicU8::new(UNKNOWN),
            deadlines: Deadlines::default(),
            owed: Mutex::default(),
            ttl,
        });
        janitor.look_after(&remote);
        let mut talking = Conversation::new(remote.clone());
        // Without a bound: a caller that waits for it is answered by the janitor, and Redis is not a
        // condition of anything.
        let thread = keep("pouco-redis", None, move || talking.run())?;
        Ok((remote, thread))
    }

    /// Looks for `key`, or takes its lock; `None` if Redis is away.
    pub(super) fn look_up(self: &Arc<Self>, key: &str) -> Option<Looked> {
        if self.is_away() {
            self.metrics.bypassed.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let (reply, waiter) = reply::channel();
        let (now, token) = (Instant::now(), u64::from_ne_bytes(random::bytes()));
        let wait = Duration::from_millis(limits::REDIS_LOCK_WAIT_MS);
        // To connect, to be greeted, and for the command, each within the timeout; and the wait for another
        // replica.
        self.deadlines.add(now + wait + 3 * self.settings.timeout, reply.slot());
        let job = LookUp { key: key.to_owned(), token, reply, give_up: now + wait };
        if self.jobs.push(Job::LookUp(job)).is_err() {
            self.metrics.bypassed.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        match waiter.wait() {
            Some(Answer::Found { value, left }) => Some(Looked::Found { value, left }),
            Some(Answer::Claimed) => Some(Looked::Claimed(Claim {
                remote: self.clone(),
                key: key.to_owned(),
                token,
                filled: false,
            })),
            Some(Answer::Busy) => Some(Looked::Busy),
            Some(Answer::Away | Answer::Forgotten) | None => None,
        }
    }

    /// Has Redis forget `key`, or owes it that.
    pub(super) fn forget(&self, key: &str) {
        let (reply, waiter) = reply::channel();
        {
            let mut owed = self.owed.lock();
            if self.is_away() {
                return owed.add(key, self.ttl);
            }
            self.deadlines.add(Instant::now() + 3 * self.settings.timeout, reply.slot());
            if self.jobs.push(Job::Forget { key: key.to_owned(), reply }).is_err() {
                owed.add(key, self.ttl);
                self.lost(&"too much waits for it");
                return;
            }
        }
        // Whatever the answer: a thread that is late comes to it before anybody asks again.
        waiter.wait();
    }

    /// Redis could not be told to forget `key`.
    pub(super) fn owe(&self, key: &str, why: &dyn std::fmt::Display) {
        self.owed.lock().add(key, self.ttl);
        self.lost(why);
    }

    /// The keys that are owed; `None` while more may be. Without any it may be asked again from now on.
    pub(super) fn take_owed(&self) -> Option<Vec<String>> {
        let mut owed = self.owed.lock();
        if owed.until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        owed.until = None;
        let keys: Vec<String> = owed.keys.drain().collect();
        if keys.is_empty() {
            self.found();
        }
        Some(keys)
    }

    /// Whether it must not be asked. It is so until it has answered once.
    pub(super) fn is_away(&self) -> bool {
        self.state.load(Ordering::Acquire) != UP
    }

    /// Says once that it must no longer be asked.
    pub(super) fn lost(&self, why: &dyn std::fmt::Display) {
        if self.state.swap(AWAY, Ordering::AcqRel) != AWAY {
            log::warn!("Redis at {} is away, values are computed meanwhile: {why}", self.settings.address);
        }
    }

    /// Says once that it may be asked again.
    fn found(&self) {
        if self.state.swap(UP, Ordering::AcqRel) != UP {
            log::info!("Redis at {} answers", self.settings.address);
        }
    }

    pub(super) fn counts(&self) -> RemoteCounts {
        let loaded = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RemoteCounts {
            up: !self.is_away(),
            commands: loaded(&self.metrics.commands),
            failures: loaded(&self.metrics.failures),
            refused: loaded(&self.metrics.refused),
            bypassed: loaded(&self.metrics.bypassed),
            expired: loaded(&self.metrics.expired),
        }
    }

    pub(super) fn close(&self) {
        self.jobs.close();
    }
}

impl Tended for Remote {
    /// A thread that does not answer is as good as a Redis that does not.
    fn tend(&self, now: Instant) {
        let expired = self.deadlines.expire(now);
        if expired > 0 {
            self.metrics.expired.fetch_add(expired, Ordering::Relaxed);
            self.lost(&"no answer in time");
        }
    }

    fn is_quiet(&self) -> bool {
        self.deadlines.is_empty()
    }

    fn take_bell(&self, bell: &Bell) {
        self.deadlines.take_bell(bell);
    }
}

impl Expire for Slot<Answer> {
    fn expire(&self) -> bool {
        self.settle(Some(Answer::Away))
    }

    fn is_over(&self) -> bool {
        self.is_settled()
    }
}

/// The lock of a key, held by whoever computes its value. Given back when it is dropped, also by a panic; a
/// lock that cannot be given back ends after [`limits::REDIS_LOCK_MS`].
pub(super) struct Claim {
    remote: Arc<Remote>,
    key: String,
    token: u64,
    filled: bool,
}

impl Claim {
    /// Stores the value and gives the lock back. Nobody waits for that: who looks next comes behind it in the
    /// queue.
    pub(super) fn fill(mut self, value: Body, ttl: Duration) {
        self.filled = true;
        let key = std::mem::take(&mut self.key);
        // Refused, the value is computed again, which is all that a cache may cost.
        let _ = self.remote.jobs.push(Job::Fill { key, token: self.token, value, ttl });
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.filled {
            let key = std::mem::take(&mut self.key);
            let _ = self.remote.jobs.push(Job::Release { key, token: self.token });
        }
    }
}
