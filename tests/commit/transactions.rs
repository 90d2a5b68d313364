//! Transactions of coroutines: none is half done, none is done twice, and each has an end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use postgres::error::SqlState;
use pouco::store::{
    Connector, Gather, Lane, NotDone, Pool, Purpose, Session, Transaction, Unavailable, Undo,
};
use pouco::waiting::Janitor;
use uuid::Uuid;

use crate::rig::{counted, database, foreign, stored_keys, terminate};
use crate::support::{Database, Relay, eventually};

const INSERT: &str = "INSERT INTO items VALUES ($1, $2)";
const NOTE: &str = "INSERT INTO notes VALUES ($1, $2)";
const KEY: &str = "SELECT key FROM items WHERE id = $1";

#[derive(Debug, PartialEq, Eq)]
struct Reason(u32);

type Done = Result<String, NotDone<Reason>>;

struct Rig {
    pool: Arc<Pool>,
    connector: Connector,
    _janitor: Arc<Janitor>,
}

impl Rig {
    fn start(config: postgres::Config, connections: usize, deadline: Duration) -> Self {
        let (connector, janitor) = (Connector::new(config), Janitor::start().unwrap());
        let (pool, _) = Pool::start(&connector, connections, 100, deadline, &janitor).unwrap();
        Self { pool, connector, _janitor: janitor }
    }

    fn of(database: &Database) -> Self {
        Self::start(database.config(), 2, Duration::from_secs(20))
    }

    /// Stores a key with a note of it.
    fn store(&self, id: Uuid, key: &'static str) -> Done {
        self.pool.transact(move |session| settled(session, id), move |transaction| both(transaction, id, key))
    }

    fn send(&self, id: Uuid, key: &'static str) -> JoinHandle<Done> {
        let pool = self.pool.clone();
        thread::spawn(move || {
            let work = move |transaction: &mut Transaction<'_>| both(transaction, id, key);
            pool.transact(move |session| settled(session, id), work)
        })
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.connector.stop_waiting();
        self.pool.close();
    }
}

fn both(transaction: &mut Transaction<'_>, id: Uuid, key: &str) -> Result<String, Undo<Reason>> {
    transaction.execute(INSERT, &[&id, &key])?;
    transaction.execute(NOTE, &[&id, &key])?;
    Ok("stored".into())
}

fn settled(session: &mut Session, id: Uuid) -> Result<Option<String>, postgres::Error> {
    Ok(session.query(KEY, &[&id])?.first().map(|row| format!("found {}", row.get::<_, &str>(0))))
}

fn new_id() -> Uuid {
    Uuid::from_u128(fastrand::u128(..))
}

fn notes(database: &Database) -> i64 {
    database.value("SELECT count(*) FROM notes")
}

/// Sessions of the pool that are in a transaction, working or not.
/// Also what a connection asks that is being opened.
fn open_transactions(database: &Database) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pouco'
               AND datname = current_database() AND (state LIKE 'idle in transaction%' OR state = 'active')";
    database.value(sql)
}

fn blocked(database: &Database) -> Vec<i32> {
    let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'pouco' AND wait_event_type = 'Lock'
               AND datname = current_database()";
    database.client().query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

fn wait_until_blocked(database: &Database) -> i32 {
    eventually("it waits for a lock", || !blocked(database).is_empty());
    blocked(database)[0]
}

#[test]
fn all_of_it_or_nothing() {
    let database = database();
    let rig = Rig::of(&database);
    assert_eq!(rig.store(new_id(), "a").unwrap(), "stored");
    let id = new_id();
    // The second statement is refused, so the first is undone.
    let refused = rig.pool.transact(
        move |session| settled(session, id),
        move |transaction| {
            transaction.execute(NOTE, &[&id, &"b"])?;
            transaction.execute(INSERT, &[&id, &"a"])?;
            Ok::<_, Undo<Reason>>(String::new())
        },
    );
    let Err(NotDone::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!((refusal.code.as_str(), refusal.constraint.as_deref()), ("23505", Some("items_key_key")));
    let undone = rig.pool.transact(
        move |session| settled(session, id),
        move |transaction| {
            transaction.execute(NOTE, &[&id, &"b"])?;
            Err::<String, _>(Undo::Because(Reason(7)))
        },
    );
    assert!(matches!(undone, Err(NotDone::Because(Reason(7)))), "{undone:?}");
    assert_eq!((stored_keys(&database), notes(&database)), (vec!["a".into()], 1));
    eventually("nothing is left open", || open_transactions(&database) == 0);
}

/// A closure that keeps an error to itself has not committed anything either.
#[test]
fn an_error_that_is_swallowed_undoes_all_the_same() {
    let database = database();
    let rig = Rig::of(&database);
    let id = new_id();
    let swallowed = rig.pool.transact(
        move |session| settled(session, id),
        move |transaction| {
            transaction.execute(INSERT, &[&id, &"a"])?;
            let again = transaction.execute(INSERT, &[&id, &"a"]);
            assert_eq!(again.unwrap_err().code(), Some(&SqlState::UNIQUE_VIOLATION));
            Ok::<_, Undo<Reason>>(String::new())
        },
    );
    assert!(matches!(swallowed, Err(NotDone::Unavailable(Unavailable::Refused))), "{swallowed:?}");
    assert!(stored_keys(&database).is_empty());
    assert_eq!(rig.store(id, "a").unwrap(), "stored");
}

/// The same for a batch's transaction, in which that is a bug of ours.
#[test]
fn a_batch_that_swallows_an_error_stores_nothing() {
    let database = database();
    let mut session = Connector::new(database.config()).open(Purpose::Write).unwrap();
    let id = new_id();
    let swallowed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        session.transaction(|transaction| {
            transaction.execute(INSERT, &[&id, &"a"])?;
            transaction.execute(INSERT, &[&id, &"a"]).unwrap_err();
            Ok(())
        })
    }));
    assert!(swallowed.is_err());
    assert!(stored_keys(&database).is_empty());
    session.transaction(|transaction| transaction.execute(INSERT, &[&id, &"a"])).unwrap();
    assert_eq!(stored_keys(&database), ["a"]);
}

#[test]
fn a_panic_undoes_and_costs_nobody_else() {
    let database = database();
    let rig = Rig::of(&database);
    let id = new_id();
    let panicked = rig.pool.transact(
        move |session| settled(session, id),
        move |transaction| -> Result<String, Undo<Reason>> {
            transaction.execute(INSERT, &[&id, &"a"])?;
            panic!("on purpose")
        },
    );
    assert!(matches!(panicked, Err(NotDone::Unavailable(_))), "{panicked:?}");
    eventually("it is undone", || open_transactions(&database) == 0);
    assert_eq!(rig.store(id, "a").unwrap(), "stored");
}

/// The last statement takes COMMIT along; alone it needs neither BEGIN nor COMMIT.
#[test]
fn a_last_statement_commits() {
    let database = database();
    let rig = Rig::of(&database);
    for (key, statements) in [("a", 1), ("b", 2)] {
        let id = new_id();
        let done = rig.pool.transact(
            move |session| settled(session, id).map(|found| found.map(|_| 1)),
            move |transaction| {
                if statements == 2 {
                    transaction.execute(NOTE, &[&id, &key])?;
                }
                transaction.execute_last::<Reason>(INSERT, &[&id, &key])
            },
        );
        assert_eq!(done.unwrap(), 1);
    }
    assert_eq!((stored_keys(&database), notes(&database)), (vec!["a".into(), "b".into()], 1));
    // One that is refused undoes what was before it.
    let id = new_id();
    let refused = rig.pool.transact(
        move |session| settled(session, id).map(|found| found.map(|_| 1)),
        move |transaction| {
            transaction.execute(NOTE, &[&id, &"c"])?;
            transaction.execute_last::<Reason>(INSERT, &[&id, &"a"])
        },
    );
    assert!(matches!(refused, Err(NotDone::Refused(_))), "{refused:?}");
    assert_eq!(notes(&database), 1);
    eventually("nothing is left open", || open_transactions(&database) == 0);
}

#[test]
fn a_conflict_is_tried_again() {
    let database = database();
    database.execute("INSERT INTO items VALUES (gen_random_uuid(), '0')");
    let rig = Rig::start(database.config(), 3, Duration::from_secs(20));
    let tries = Arc::new(AtomicU64::new(0));
    eventually("all are connected", || rig.connector.connected() == 3);
    let lock = foreign(&database, "LOCK TABLE notes");
    // Two have read what the other one writes before either does.
    let increment = |tries: Arc<AtomicU64>, pool: Arc<Pool>| {
        thread::spawn(move || {
            let work = move |transaction: &mut Transaction<'_>| {
                tries.fetch_add(1, Ordering::Relaxed);
                transaction.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", &[])?;
                let key: String = transaction.query("SELECT key FROM items", &[])?[0].get(0);
                transaction.query("SELECT FROM notes", &[])?;
                let next = (key.parse::<u64>().unwrap() + 1).to_string();
                transaction.execute("UPDATE items SET key = $1", &[&next])?;
                Ok::<_, Undo<Reason>>(())
            };
            pool.transact(|_| Ok(None), work)
        })
    };
    let sent: Vec<_> = (0..6).map(|_| increment(tries.clone(), rig.pool.clone())).collect();
    eventually("two wait", || blocked(&database).len() > 1);
    drop(lock);
    let done = sent.into_iter().filter_map(|one| one.join().unwrap().ok()).count();
    assert_eq!(stored_keys(&database), [done.to_string()]);
    assert!(done > 1 && counted(&rig.pool.metrics().conflicts) > 0);
    assert!(tries.load(Ordering::Relaxed) > done as u64);
}

/// Before COMMIT nothing is uncertain: the closure runs again on another connection.
#[test]
fn a_connection_lost_before_the_commit_is_no_matter() {
    let database = database();
    let rig = Rig::of(&database);
    let mut lock = foreign(&database, "LOCK TABLE notes");
    let id = new_id();
    let sent = rig.send(id, "a");
    terminate(&database, wait_until_blocked(&database));
    wait_until_blocked(&database);
    lock.batch_execute("COMMIT").unwrap();
    assert_eq!(sent.join().unwrap().unwrap(), "stored");
    assert_eq!((stored_keys(&database).len(), notes(&database)), (1, 1));
    assert_eq!(counted(&rig.pool.metrics().uncertain), 0);
}

/// COMMIT waits, in a constraint that is looked at then.
fn with_slow_commit(database: &Database, wait: &str) {
    let schema = format!(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {wait}; RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER late AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION wait()"
    );
    database.execute(&schema);
}

/// A connection that is lost with COMMIT on its way: it is asked what became of it, and never done twice.
#[test]
fn an_uncertain_commit_is_found_out() {
    for committed in [true, false] {
        let database = database();
        with_slow_commit(&database, "LOCK TABLE trouble IN SHARE MODE");
        let relay = Relay::to(&database);
        let rig = Rig::start(relay.config(), 2, Duration::from_secs(20));
        let mut lock = foreign(&database, "LOCK TABLE trouble IN ROW EXCLUSIVE MODE");
        let id = new_id();
        let sent = rig.send(id, "a");
        let pid = wait_until_blocked(&database);
        relay.mute();
        if committed {
            lock.batch_execute("COMMIT").unwrap();
            eventually("it is committed", || stored_keys(&database).len() == 1);
        } else {
            terminate(&database, pid);
            lock.batch_execute("COMMIT").unwrap();
        }
        relay.cut();
        relay.repair();
        let expected = if committed { "found a" } else { "stored" };
        assert_eq!(sent.join().unwrap().unwrap(), expected);
        assert_eq!((stored_keys(&database).len(), notes(&database)), (1, 1));
        assert_eq!(counted(&rig.pool.metrics().uncertain), 1);
    }
}

/// The deadline passes before COMMIT: the statement is cancelled, and all is undone.
#[test]
fn a_deadline_undoes_what_is_not_yet_committed() {
    let database = database();
    let rig = Rig::start(database.config(), 2, Duration::from_millis(400));
    let lock = foreign(&database, "LOCK TABLE notes");
    let late = rig.store(new_id(), "a");
    assert!(
        matches!(late, Err(NotDone::Unavailable(Unavailable::Deadline | Unavailable::Refused))),
        "{late:?}"
    );
    eventually("it is undone", || open_transactions(&database) == 0);
    drop(lock);
    assert!(stored_keys(&database).is_empty());
    eventually("others are served", || rig.store(new_id(), "b").is_ok());
}

/// ... and once COMMIT is on its way the deadline ends nothing: neither the commit nor the wait for it.
#[test]
fn a_deadline_does_not_touch_a_commit() {
    let database = database();
    with_slow_commit(&database, "PERFORM pg_sleep(6.5)");
    let deadline = Duration::from_secs(3);
    let rig = Rig::start(database.config(), 2, deadline);
    eventually("it is connected", || rig.connector.connected() == 2);
    let began = Instant::now();
    assert_eq!(rig.store(new_id(), "a").unwrap(), "stored");
    assert!(began.elapsed() > 2 * deadline, "{:?}", began.elapsed());
    assert_eq!(notes(&database), 1);
    let metrics = rig.pool.metrics();
    assert_eq!((counted(&metrics.cancelled), counted(&metrics.uncertain)), (0, 0));
}

/// A last statement that cannot be sent, or is not understood, does not commit what was before it.
#[test]
fn a_last_statement_that_is_not_sent_commits_nothing() {
    let database = database();
    let rig = Rig::of(&database);
    for unsent in [(INSERT, false), ("INSERT INTO nowhere VALUES ($1, $2)", true)] {
        let id = new_id();
        let done = rig.pool.transact(
            move |session| settled(session, id).map(|found| found.map(|_| 1)),
            move |transaction| {
                transaction.execute(NOTE, &[&id, &"a"])?;
                let key: &(dyn postgres::types::ToSql + Sync) = if unsent.1 { &"a" } else { &7_i32 };
                transaction.execute_last::<Reason>(unsent.0, &[&id, key])
            },
        );
        assert!(matches!(done, Err(NotDone::Refused(_) | NotDone::Unavailable(_))), "{done:?}");
        assert_eq!(notes(&database), 0, "{unsent:?}");
        eventually("nothing is left open", || open_transactions(&database) == 0);
    }
    assert_eq!(rig.store(new_id(), "a").unwrap(), "stored");
}

/// Nobody waits for a search any more: it is cancelled, and does not hold its connection to its own end.
#[test]
fn a_search_for_which_nobody_waits_is_cancelled() {
    let database = database();
    let rig = Rig::start(database.config(), 2, Duration::from_millis(300));
    let sleep = |session: &mut Session| session.query("SELECT pg_sleep(3600)", &[]).map(drop);
    assert!(rig.pool.read(Lane::Scan, sleep).is_err());
    eventually("its backend is idle or gone", || open_transactions(&database) == 0);
    let one = |session: &mut Session| session.query("SELECT 1", &[]).map(drop);
    eventually("others search", || rig.pool.read(Lane::Scan, one) == Ok(()));
}

/// Searches never have the last connection.
#[test]
fn a_look_up_does_not_wait_for_searches() {
    let database = database();
    let rig = Rig::of(&database);
    rig.store(new_id(), "a").unwrap();
    let lock = foreign(&database, "LOCK TABLE notes");
    let searches: Vec<_> = (0..4)
        .map(|_| {
            let pool = rig.pool.clone();
            let search = |session: &mut Session| session.query("SELECT count(*) FROM notes", &[]).map(drop);
            thread::spawn(move || pool.read(Lane::Scan, search))
        })
        .collect();
    wait_until_blocked(&database);
    let keys = |session: &mut Session| session.query("SELECT key FROM items", &[]).map(|rows| rows.len());
    for _ in 0..50 {
        assert_eq!(rig.pool.read(Lane::Lookup, keys), Ok(1));
    }
    assert!(searches.iter().all(|one| !one.is_finished()));
    drop(lock);
    searches.into_iter().for_each(|one| assert_eq!(one.join().unwrap(), Ok(())));
}

/// Those who ask while a count is under way share the next one.
#[test]
fn counts_are_shared() {
    fn count(session: &mut Session, _: &[()]) -> Result<Vec<((), i64)>, postgres::Error> {
        let rows = session.query("SELECT count(*) FROM notes", &[])?;
        rows.iter().map(|row| Ok(((), row.try_get(0)?))).collect()
    }
    let database = database();
    let rig = Rig::of(&database);
    let counts = Arc::new(Gather::new(rig.pool.clone(), Lane::Scan, count));
    let lock = foreign(&database, "LOCK TABLE notes");
    let ask = || {
        let counts = counts.clone();
        thread::spawn(move || counts.get(()))
    };
    let first = ask();
    wait_until_blocked(&database);
    let others: Vec<_> = (0..20).map(|_| ask()).collect();
    eventually("all of them wait", || counts.waiting() == 20);
    eventually("one job stands for all", || rig.pool.waiting().0 == 1);
    drop(lock);
    assert_eq!(first.join().unwrap(), Ok(Some(0)));
    others.into_iter().for_each(|one| assert_eq!(one.join().unwrap(), Ok(Some(0))));
    assert_eq!(counted(&rig.pool.metrics().reads), 2, "statements for 21 who asked");
}
