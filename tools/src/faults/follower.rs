//! A feed that is wrong on purpose: its cursor is the snapshot's bare horizon, as the server's own was once.
//!
//! After a crash the ids of transactions that left no WAL are given out again, below such a cursor, and their
//! rows are never read. It is held to the same check as a replica, which proves that the fault can do harm
//! and that the check sees it. A second feed, whose cursor is never past the highest value seen, is the
//! control.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};
use serde_json::{Value, json};
use uuid::Uuid;

use super::audit::{Follows, Told};
use super::person::Stored;
use super::postgres::Postgres;
use super::{Failure, lock, promised};

/// The rest between two polls. The shorter it is the more ids it passes that are given out again.
const REST: Duration = Duration::from_millis(5);

/// How long it may take to read what is there.
const PATIENCE: Duration = promised(20_000);

/// Where the next poll begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// Where everything has ended: the wrong one.
    Horizon,
    /// There, but never past the highest value seen, after which the next one comes.
    Seen,
}

/// One row at least, so that the horizon always comes.
const POLL: &str = "
    SELECT now.horizon, feed, id, apelido, nome, nascimento, stack
    FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon) AS now
         LEFT JOIN people ON feed >= $1";

#[derive(Default)]
struct Known {
    people: HashMap<Uuid, Stored>,
    cursor: i64,
    highest: i64,
    /// When the last poll began that was completed.
    read_at: Option<Instant>,
    /// The session was lost and is not opened again yet.
    waiting: bool,
}

pub struct Follower {
    known: Arc<Mutex<Known>>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Follower {
    /// Follows until this value ends. After a lost session it waits for [`Follower::go_on`]: a slow feed,
    /// which misses what is committed between Postgres's return and its own first poll.
    pub fn start(postgres: &Postgres, cursor: Cursor) -> Result<Self, Failure> {
        let config = postgres.config()?;
        let (known, stop) = (Arc::new(Mutex::new(Known::default())), Arc::new(AtomicBool::new(false)));
        let (learning, stopped) = (known.clone(), stop.clone());
        let thread = thread::Builder::new().name("follower".into()).spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                // A session that is lost is opened again later: the cursor stays, and that is the fault.
                if !lock(&learning).waiting && follow(&config, cursor, &learning, &stopped).is_err() {
                    lock(&learning).waiting = true;
                }
                thread::park_timeout(REST);
            }
        })?;
        Ok(Self { known, stop, thread: Some(thread) })
    }

    /// Opens a session again.
    pub fn go_on(&self) {
        lock(&self.known).waiting = false;
    }
}

fn follow(
    config: &Config,
    cursor: Cursor,
    known: &Mutex<Known>,
    stopped: &AtomicBool,
) -> Result<(), postgres::Error> {
    let mut client = config.connect(NoTls)?;
    while !stopped.load(Ordering::Acquire) {
        poll(&mut client, cursor, known)?;
        thread::park_timeout(REST);
    }
    Ok(())
}

fn poll(client: &mut Client, cursor: Cursor, known: &Mutex<Known>) -> Result<(), postgres::Error> {
    let (began, from) = (Instant::now(), lock(known).cursor);
    let rows = client.query(POLL, &[&from])?;
    let mut known = lock(known);
    for row in &rows {
        known.cursor = row.get(0);
        if let Some(feed) = row.get::<_, Option<i64>>(1) {
            known.highest = known.highest.max(feed);
            let stored = Stored::of(row, 2);
            known.people.insert(stored.id, stored);
        }
    }
    if cursor == Cursor::Seen {
        known.cursor = known.cursor.min(known.highest + 1);
    }
    known.read_at = Some(began);
    Ok(())
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn shown(stored: &Stored) -> Value {
    let mut shown = stored.person.json();
    shown["id"] = json!(stored.id.to_string());
    shown
}

impl Follows for Follower {
    fn name(&self) -> String {
        "the planted feed".into()
    }

    fn catch_up(&mut self, since: Instant) -> Result<Option<String>, Failure> {
        let deadline = Instant::now() + PATIENCE;
        while lock(&self.known).read_at.is_none_or(|read_at| read_at <= since) {
            if Instant::now() > deadline {
                return Ok(Some("it does not poll".into()));
            }
            thread::park_timeout(REST);
        }
        Ok(None)
    }

    fn by_id(&mut self, id: Uuid) -> Result<Told, Failure> {
        let body = lock(&self.known).people.get(&id).map(|stored| shown(stored).to_string().into_bytes());
        Ok(Told { status: if body.is_some() { 200 } else { 404 }, body: body.unwrap_or_default() })
    }

    fn search(&mut self, term: &str) -> Result<Told, Failure> {
        let known = lock(&self.known);
        let matches = known.people.values().filter(|stored| stored.person.apelido.contains(term));
        let body = Value::from(matches.map(shown).collect::<Vec<_>>()).to_string().into_bytes();
        Ok(Told { status: 200, body })
    }

    fn people(&mut self) -> Result<Option<usize>, Failure> {
        Ok(Some(lock(&self.known).people.len()))
    }
}
