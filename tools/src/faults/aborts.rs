//! Transaction ids that end without durable WAL, directly before a crash: afterwards they are given out
//! again.
//!
//! An abort is neither flushed nor waited for. The WAL writer flushes it within 0.2 s, and so does every
//! commit that comes after it, so what counts is the time between the last commit and the crash.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;

use super::postgres::Postgres;
use super::stack::Subject;
use super::{Failure, promised};

/// Aborts before a crash at least.
const ABORTS: u32 = 600;

/// How long they may take.
const PATIENCE: Duration = promised(20_000);

/// Whether the replicas may commit while transactions are aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commits {
    /// As they like: the crash comes in the middle of their work, and few ids are given out again.
    GoOn,
    /// A lock keeps them waiting: nothing but the WAL writer makes the aborts durable.
    Wait,
}

/// A session that aborts one INSERT after the other until it is lost.
pub struct Aborts {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
    /// Holds the lock, if there is one.
    _locking: Option<Client>,
}

impl Aborts {
    /// Returns when several hundred INSERTs have been aborted; more are, until the crash ends the session.
    pub fn start(postgres: &Postgres, subject: &Subject, commits: Commits) -> Result<Self, Failure> {
        let mut client = postgres.client()?;
        // A table of the session's own: its rows need no WAL, so an id costs nothing but the abort.
        client.batch_execute(
            "SET log_min_messages = fatal;
             CREATE TEMP TABLE aborted (one int PRIMARY KEY);
             INSERT INTO aborted VALUES (1)",
        )?;
        let locking = match commits {
            Commits::GoOn => None,
            Commits::Wait => Some(locked(postgres, subject)?),
        };
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (stopped, counted) = (stop.clone(), done.clone());
        let thread = thread::Builder::new().name("aborts".into()).spawn(move || {
            while !stopped.load(Ordering::Acquire) && !client.is_closed() {
                if client.execute("INSERT INTO aborted VALUES (1)", &[]).is_ok() {
                    return;
                }
                counted.fetch_add(1, Ordering::Relaxed);
            }
        })?;
        let aborts = Self { stop, thread: Some(thread), _locking: locking };
        let deadline = Instant::now() + PATIENCE;
        while done.load(Ordering::Relaxed) < ABORTS {
            if Instant::now() > deadline || aborts.thread.as_ref().is_none_or(thread::JoinHandle::is_finished)
            {
                return Err("the INSERTs that must fail cannot be done".into());
            }
            thread::park_timeout(Duration::from_millis(1));
        }
        Ok(aborts)
    }
}

impl Drop for Aborts {
    /// The session has ended with Postgres, or ends now.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A transaction that keeps others from writing what the clients write. It has no id of its own.
fn locked(postgres: &Postgres, subject: &Subject) -> Result<Client, Failure> {
    let mut client = postgres.client()?;
    client.batch_execute(&format!("BEGIN; LOCK TABLE {} IN SHARE MODE", subject.table))?;
    Ok(client)
}
