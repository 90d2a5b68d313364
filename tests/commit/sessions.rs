//! What a session may meet, and that none of it needs a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use pouco::store::commit::CommitLimits;
use pouco::store::{Connector, Lane, Pool, Purpose, Session, Unavailable};
use pouco::waiting::Janitor;

use crate::rig::*;
use crate::support::{Database, Relay, eventually};

/// Longer than a session may be idle unasked.
const IDLE: Duration = Duration::from_millis(1_200);

fn writers(database: &Database) -> Vec<i32> {
    let sql =
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'pouco' AND datname = current_database()";
    database.client().query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

/// A statement that is cancelled is undone, and its session lives.
#[test]
fn a_cancelled_statement_is_refused_on_a_living_session() {
    let database = database();
    let rig: Rig = Rig::of(&database, limits());
    let mut lock = foreign(&database, "LOCK TABLE items IN EXCLUSIVE MODE");
    let sent = rig.send(item("a"));
    let pid = wait_until_blocked(&database);
    database.client().execute("SELECT pg_cancel_backend($1)", &[&pid]).unwrap();
    assert_eq!(sent.join().unwrap(), Err(Unavailable::Refused));
    lock.batch_execute("COMMIT").unwrap();
    assert_eq!(rig.commit("a"), Ok(Outcome::Stored));
    assert_eq!(writers(&database), [pid]);
    assert_eq!(counted(&rig.queue.metrics().uncertain), 0);
}

/// After a failover a session may find itself on a standby: another one is opened, and nobody gets a 503 for
/// it.
#[test]
fn a_session_that_became_read_only_is_replaced() {
    let database = database();
    let rig: Rig = Rig::of(&database, limits());
    assert_eq!(rig.commit("a"), Ok(Outcome::Stored));
    let former = writers(&database);
    set_trouble(&database, "25006");
    let sent = rig.send(item("b"));
    eventually("a session is left", || counted(&rig.queue.metrics().conflicts) > 2);
    assert!(!sent.is_finished());
    set_trouble(&database, "");
    assert_eq!(sent.join().unwrap(), Ok(Outcome::Stored));
    assert_ne!(writers(&database), former);
    assert_eq!(counted(&rig.queue.metrics().uncertain), 0);
}

/// ... and as long as every session is read-only none of them is taken: rows wait, until their deadline.
#[test]
fn a_database_that_stays_read_only_refuses() {
    let database = database();
    database.set("SET default_transaction_read_only = on");
    let deadline = Duration::from_millis(500);
    let rig: Rig = Rig::of(&database, CommitLimits { deadline, ..limits() });
    assert_eq!(rig.commit("a"), Err(Unavailable::Deadline));
    database.set("SET default_transaction_read_only = off");
    eventually("creations are back", || rig.commit("b") == Ok(Outcome::Stored));
    assert_eq!(stored_keys(&database), ["b"]);
}

/// A session that was ended while idle is noticed before rows are given to it.
#[test]
fn an_idle_session_that_was_lost_makes_nothing_uncertain() {
    let database = database();
    let rig: Rig = Rig::of(&database, limits());
    assert_eq!(rig.commit("a"), Ok(Outcome::Stored));
    terminate(&database, writers(&database)[0]);
    // Time itself is the condition.
    thread::sleep(IDLE);
    assert_eq!(rig.commit("b"), Ok(Outcome::Stored));
    assert_eq!(counted(&rig.queue.metrics().uncertain), 0);
}

/// Postgres stands still while nobody writes: the rows that come then are not sent, so they have their
/// deadline.
#[test]
fn rows_for_a_postgres_that_stands_still_end_at_their_deadline() {
    let database = database();
    let relay = Relay::to(&database);
    let deadline = Duration::from_secs(3);
    let rig: Rig = Rig::start(relay.config(), CommitLimits { deadline, ..limits() });
    eventually("the writer is connected", || rig.connector.connected() == 1);
    assert_eq!(rig.commit("a"), Ok(Outcome::Stored));
    thread::sleep(IDLE);
    relay.stop();
    assert_eq!(answers(rig.send_all(["b", "c"])), [Err(Unavailable::Deadline); 2]);
    relay.repair();
    eventually("creations are back", || rig.commit("d") != Err(Unavailable::Deadline));
    assert_eq!(stored_keys(&database), ["a", "d"]);
}

/// Whether the kernel watches a silent TCP connection: timer 2 of /proc/net/tcp is the keep-alive one, with
/// the time that is left in hundredths of a second. The default would be two hours.
#[test]
fn a_silent_tcp_connection_is_watched() {
    let database = database();
    let relay = Relay::to(&database);
    let rig: Rig = Rig::start(relay.config(), limits());
    assert_eq!(rig.commit("a"), Ok(Outcome::Stored));
    let remote = format!("0100007F:{:04X}", relay.address.port());
    eventually("a keep-alive timer of at most ten seconds", || {
        let connections = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let ours = connections.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut timers = ours.filter(|fields| fields[2] == remote).map(|fields| fields[5].to_owned());
        timers.any(|timer| {
            let (kind, left) = timer.split_once(':').unwrap();
            kind == "02" && u64::from_str_radix(left, 16).unwrap() <= 1_000
        })
    });
}

const READ_ALL: &str = "SELECT * FROM items";

fn keys(session: &mut Session) -> Result<usize, postgres::Error> {
    session.query(READ_ALL, &[]).map(|rows| rows.len())
}

/// One reading connection. The janitor is to be kept: deadlines end with it.
fn reader(config: postgres::Config, deadline: Duration) -> (Arc<Pool>, Arc<Janitor>) {
    let (connector, janitor) = (Connector::new(config), Janitor::start().unwrap());
    let (pool, _) = Pool::start(&connector, 1, 100, deadline, &janitor).unwrap();
    (pool, janitor)
}

const MINUTE: Duration = Duration::from_secs(60);

/// Statements that were prepared for a table as it was are refused after a change; a fresh session prepares
/// them anew.
#[test]
fn a_reader_with_an_outdated_statement_is_replaced() {
    let database = database();
    let (pool, _janitor) = reader(database.config(), MINUTE);
    assert_eq!(pool.read(Lane::Lookup, keys), Ok(0));
    database.execute("ALTER TABLE items ADD COLUMN more text");
    assert_eq!(pool.read(Lane::Lookup, keys), Err(Unavailable::Refused));
    assert_eq!(pool.read(Lane::Lookup, keys), Ok(0));
    pool.close();
}

/// What Postgres says between the answers of several statements comes in one piece with them.
#[test]
fn notices_between_answers_lose_no_answer() {
    let database = database();
    let say = "DO $$ BEGIN RAISE WARNING 'first'; END $$; DO $$ BEGIN RAISE NOTICE 'second'; END $$;";
    let mut session = Connector::new(database.config()).open(Purpose::Read).unwrap();
    let (pool, _janitor) = reader(database.config(), MINUTE);
    for times in [1, 2, 10] {
        let all = say.repeat(times);
        session.batch(&all).unwrap();
        assert_eq!(keys(&mut session).unwrap(), 0);
        let by_coroutine = move |session: &mut Session| session.batch(&all).and_then(|()| keys(session));
        assert_eq!(pool.read(Lane::Lookup, by_coroutine), Ok(0));
    }
    pool.close();
}

/// As libpq: the next host is tried where one cannot be reached, or is not of the kind that is wanted.
#[test]
fn a_reader_takes_the_first_host_that_will_do() {
    let database = database();
    let relay = Relay::to(&database);
    let mut config = postgres::Config::new();
    // Nobody listens in an empty folder.
    let nowhere = tempfile::tempdir().unwrap();
    config.host_path(nowhere.path()).port(5_432);
    config.host("127.0.0.1").port(relay.address.port());
    let given = relay.config();
    config.user(given.get_user().unwrap()).dbname(given.get_dbname().unwrap());
    let (pool, _janitor) = reader(config.clone(), MINUTE);
    assert_eq!(pool.read(Lane::Lookup, keys), Ok(0));
    pool.close();

    config.target_session_attrs(postgres::config::TargetSessionAttrs::ReadOnly);
    assert!(Connector::new(config.clone()).open(Purpose::Read).is_err());
    let (pool, _janitor) = reader(config.clone(), Duration::from_millis(500));
    assert_eq!(pool.read(Lane::Lookup, keys), Err(Unavailable::Deadline));
    pool.close();
    config.options("-c default_transaction_read_only=on");
    let (pool, _janitor) = reader(config, MINUTE);
    assert_eq!(pool.read(Lane::Lookup, keys), Ok(0));
    pool.close();
}

/// What is sent and what comes is larger than any buffer of a socket, so both sides have to wait for room.
#[test]
fn a_read_is_of_any_size_on_both_kinds_of_socket() {
    let database = database();
    let relay = Relay::to(&database);
    for config in [database.config(), relay.config()] {
        let (pool, _janitor) = reader(config, MINUTE);
        for size in [1, 8_192 - 5, 8 << 20] {
            let text = "ab".repeat(size);
            let sent = text.clone();
            let doubled = move |session: &mut Session| {
                let rows = session.query("SELECT $1 || $1", &[&sent])?;
                rows[0].try_get::<_, String>(0)
            };
            assert_eq!(pool.read(Lane::Lookup, doubled), Ok(text.repeat(2)));
        }
        pool.close();
    }
}

/// A read that panics ends with an answer, and its thread goes on.
#[test]
fn a_reader_that_panics_goes_on() {
    let database = database();
    let (pool, _janitor) = reader(database.config(), MINUTE);
    let panicking = |_: &mut Session| -> Result<usize, postgres::Error> { panic!("on purpose") };
    for _ in 0..3 {
        assert!(pool.read(Lane::Lookup, panicking).is_err());
    }
    assert_eq!(pool.read(Lane::Lookup, keys), Ok(0));
    pool.close();
}

/// A value that the client library refuses to send is that row's fault and no lost connection.
#[test]
fn what_the_client_library_refuses_is_no_lost_connection() {
    let database = database();
    let (pool, _janitor) = reader(database.config(), MINUTE);
    let wrong = |session: &mut Session| session.query("SELECT $1::text", &[&7_i32]).map(|rows| rows.len());
    assert_eq!(pool.read(Lane::Lookup, wrong), Err(Unavailable::Refused));
    let misread = |session: &mut Session| {
        session.query("SELECT 'text'", &[]).and_then(|rows| rows[0].try_get::<_, i32>(0))
    };
    assert_eq!(pool.read(Lane::Lookup, misread), Err(Unavailable::Refused));
    pool.close();
}

/// A read that ends every session that it is run on has its deadline, costs little until then, and harms no
/// other.
#[test]
fn a_read_that_ends_its_sessions_is_given_up() {
    let database = database();
    let (pool, _janitor) = reader(database.config(), Duration::from_secs(5));
    let runs = Arc::new(AtomicU64::new(0));
    let counting = runs.clone();
    let deadly = move |session: &mut Session| {
        counting.fetch_add(1, Ordering::Relaxed);
        session.query("SELECT pg_terminate_backend(pg_backend_pid())", &[]).map(|rows| rows.len())
    };
    assert_eq!(pool.read(Lane::Lookup, deadly), Err(Unavailable::Deadline));
    let runs = runs.load(Ordering::Relaxed);
    assert!((2..75).contains(&runs), "{runs} runs");
    eventually("others read", || pool.read(Lane::Lookup, keys) == Ok(0));
    pool.close();
}

/// A database that has too few connections for all replicas is found out at each start of a session.
#[test]
fn the_room_for_connections_is_known() {
    let database = database();
    let connector = Connector::new(database.config());
    connector.need(4, 3);
    connector.open(Purpose::Read).unwrap();
    let (needed, allowed) = connector.room();
    assert!(needed == 12 && allowed > 0, "{allowed}");
    database.set("CONNECTION LIMIT 11");
    connector.open(Purpose::Read).unwrap();
    assert_eq!(connector.room(), (12, 11));
}
