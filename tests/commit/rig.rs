//! Two tables that are nobody's, a queue in front of one, and the foreign sessions that make trouble for it.

use std::cmp::Ordering;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering as Memory;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use postgres::Client;
use pouco::store::commit::{CommitLimits, CommitQueue};
use pouco::store::{Batch, Connector, Session, Unavailable};
use pouco::waiting::Janitor;
use uuid::Uuid;

use crate::support::{Database, eventually};

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Stored,
    Duplicate,
    Invalid,
}

pub type Answer = Result<Outcome, Unavailable>;

/// Longer than any test: only a full batch or a close ends this wait for company.
pub const ENDLESS: Duration = Duration::from_secs(3_600);

pub struct Item {
    pub id: Uuid,
    pub key: String,
}

pub fn item(key: impl Into<String>) -> Item {
    Item { id: Uuid::from_u128(fastrand::u128(..)), key: key.into() }
}

/// What tells the kinds of items apart.
pub trait Named: Send + Sync + 'static {
    const NAME: &'static str;
    const LINGERS_ALONE: bool;
    const INSERT: &'static str;
    const PRESENT: &'static str;
}

macro_rules! named {
    ($type:ident, $name:literal, $lingers_alone:literal) => {
        pub struct $type;
        impl Named for $type {
            const NAME: &'static str = $name;
            const LINGERS_ALONE: bool = $lingers_alone;
            const INSERT: &'static str = concat!(
                "INSERT INTO ",
                $name,
                " (id, key) SELECT id, key FROM unnest($1::uuid[], $2::text[]) AS batch (id, key)
                 ON CONFLICT DO NOTHING RETURNING id"
            );
            const PRESENT: &'static str = concat!("SELECT id FROM ", $name, " WHERE id = ANY($1)");
        }
    };
}

named!(Items, "items", true);
named!(Notes, "notes", true);
named!(HastyItems, "items", false);

/// Keys that make the table's own code fail.
pub const PANICS_IN_ORDER: &str = "panics in order";
pub const PANICS_BEFORE_IT_IS_SENT: &str = "panics before it is sent";
pub const PANICS_AFTER_THE_COMMIT: &str = "panics after the commit";

pub struct Keyed<N>(PhantomData<N>);

impl<N: Named> Batch for Keyed<N> {
    type Item = Item;
    type Answer = Outcome;

    const NAME: &'static str = N::NAME;
    const LINGERS_ALONE: bool = N::LINGERS_ALONE;

    fn order(one: &Item, other: &Item) -> Ordering {
        assert!(one.key != PANICS_IN_ORDER, "on purpose");
        one.key.cmp(&other.key)
    }

    fn bytes(item: &Item) -> usize {
        item.key.len()
    }

    fn label(item: &Item) -> String {
        item.id.to_string()
    }

    fn place(session: &mut Session, items: &[&Item]) -> Result<Vec<Outcome>, postgres::Error> {
        let has = |key: &str| items.iter().any(|item| item.key == key);
        assert!(!has(PANICS_BEFORE_IT_IS_SENT), "on purpose");
        let ids: Vec<Uuid> = items.iter().map(|item| item.id).collect();
        let keys: Vec<&str> = items.iter().map(|item| item.key.as_str()).collect();
        let inserted: Vec<Uuid> =
            session.query(N::INSERT, &[&ids, &keys])?.iter().map(|row| row.get(0)).collect();
        assert!(!has(PANICS_AFTER_THE_COMMIT), "on purpose");
        let outcome = |id| if inserted.contains(id) { Outcome::Stored } else { Outcome::Duplicate };
        Ok(ids.iter().map(outcome).collect())
    }

    fn settled(session: &mut Session, items: &[&Item]) -> Result<Vec<Option<Outcome>>, postgres::Error> {
        let ids: Vec<Uuid> = items.iter().map(|item| item.id).collect();
        let stored: Vec<Uuid> = session.query(N::PRESENT, &[&ids])?.iter().map(|row| row.get(0)).collect();
        Ok(ids.iter().map(|id| stored.contains(id).then_some(Outcome::Stored)).collect())
    }

    fn unstorable() -> Outcome {
        Outcome::Invalid
    }
}

/// A database with both tables. `nextval('attempts')` counts the rows that were tried, also in what is
/// undone.
pub fn database() -> Database {
    with_tables(Database::create())
}

pub fn with_tables(database: Database) -> Database {
    let schema = "
        CREATE SEQUENCE attempts;
        CREATE TABLE trouble (state text);
        CREATE FUNCTION make_trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM nextval('attempts');
            IF EXISTS (SELECT FROM trouble) THEN
                RAISE 'could not extend file' USING ERRCODE = (SELECT state FROM trouble);
            END IF;
            RETURN NEW;
        END $$;";
    let mut client = database.client();
    client.batch_execute(schema).unwrap();
    for name in ["items", "notes"] {
        let table = format!(
            "CREATE TABLE {name} (id uuid PRIMARY KEY,
                                  key text COLLATE \"C\" UNIQUE CHECK (key NOT LIKE 'poison%'));
             CREATE TRIGGER trouble BEFORE INSERT ON {name} FOR EACH ROW EXECUTE FUNCTION make_trouble()"
        );
        client.batch_execute(&table).unwrap();
    }
    database
}

pub fn limits() -> CommitLimits {
    CommitLimits {
        batch_rows: 128,
        linger: Duration::ZERO,
        queue_rows: 1_000,
        queue_bytes: 1 << 20,
        deadline: Duration::from_secs(20),
    }
}

/// A limit that makes exactly `rows` rows one batch.
pub fn one_batch_of(rows: usize) -> CommitLimits {
    CommitLimits { batch_rows: rows, linger: ENDLESS, ..limits() }
}

/// A queue with all that belongs to it; dropping ends its writer.
pub struct Rig<N: Named = Items> {
    pub queue: Arc<CommitQueue<Keyed<N>>>,
    pub connector: Connector,
    pub writer: Option<JoinHandle<()>>,
    _janitor: Arc<Janitor>,
}

impl<N: Named> Rig<N> {
    pub fn start(config: postgres::Config, limits: CommitLimits) -> Self {
        Self::with(Connector::new(config), limits)
    }

    pub fn with(connector: Connector, limits: CommitLimits) -> Self {
        let janitor = Janitor::start().unwrap();
        let (queue, writer) = CommitQueue::start(connector.clone(), limits, &janitor).unwrap();
        Self { queue, connector, writer: Some(writer), _janitor: janitor }
    }

    pub fn of(database: &Database, limits: CommitLimits) -> Self {
        Self::start(database.config(), limits)
    }

    /// Commits from a thread of its own.
    pub fn send(&self, item: Item) -> JoinHandle<Answer> {
        let queue = self.queue.clone();
        thread::spawn(move || queue.commit(item))
    }

    pub fn send_all<K: Into<String>>(&self, keys: impl IntoIterator<Item = K>) -> Vec<JoinHandle<Answer>> {
        keys.into_iter().map(|key| self.send(item(key))).collect()
    }

    pub fn commit(&self, key: &str) -> Answer {
        self.queue.commit(item(key))
    }

    pub fn waiting(&self) -> u64 {
        self.queue.metrics().waiting_rows.load(Memory::Relaxed)
    }

    pub fn wait_until_waiting(&self, rows: u64) {
        eventually("the rows wait in the queue", || self.waiting() == rows);
    }
}

impl<N: Named> Drop for Rig<N> {
    fn drop(&mut self) {
        self.connector.stop_waiting();
        self.queue.close();
        // A failed test may have left a lock that the writer waits for.
        if let Some(writer) = self.writer.take()
            && !thread::panicking()
        {
            writer.join().unwrap();
        }
    }
}

pub fn answers(sent: Vec<JoinHandle<Answer>>) -> Vec<Answer> {
    sent.into_iter().map(|one| one.join().unwrap()).collect()
}

pub fn counted(metric: &std::sync::atomic::AtomicU64) -> u64 {
    metric.load(Memory::Relaxed)
}

/// Somebody else's session, with a transaction open.
pub fn foreign(database: &Database, sql: &str) -> Client {
    let mut client = database.client();
    client.batch_execute(&format!("BEGIN; {sql}")).unwrap();
    client
}

pub fn foreign_item(key: &str) -> String {
    format!("INSERT INTO items VALUES (gen_random_uuid(), '{key}');")
}

/// The backends of writers that wait for a lock.
pub fn blocked(client: &mut Client) -> Vec<i32> {
    let sql =
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'pouco' AND datname = current_database()
               AND wait_event_type = 'Lock' AND query ~ '^\\s*INSERT' ORDER BY pid";
    client.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

/// Waits until a writer waits for a lock, and says which backend that is.
pub fn wait_until_blocked(database: &Database) -> i32 {
    let mut client = database.client();
    let mut pids = Vec::new();
    eventually("the writer waits for a lock", || {
        pids = blocked(&mut client);
        !pids.is_empty()
    });
    pids[0]
}

pub fn terminate(database: &Database, pid: i32) {
    let mut client = database.client();
    client.execute("SELECT pg_terminate_backend($1)", &[&pid]).unwrap();
    // It may have ended by itself.
    eventually("the backend has ended", || {
        client.query("SELECT FROM pg_stat_activity WHERE pid = $1", &[&pid]).unwrap().is_empty()
    });
}

/// The stored keys, in order.
pub fn stored_keys(database: &Database) -> Vec<String> {
    let rows = database.client().query("SELECT key FROM items ORDER BY key", &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// From now on every INSERT fails with this SQLSTATE; with none if it is empty.
pub fn set_trouble(database: &Database, state: &str) {
    let sql = "INSERT INTO trouble SELECT $1::text WHERE $1 <> ''";
    database.execute("DELETE FROM trouble");
    database.client().execute(sql, &[&state]).unwrap();
}
