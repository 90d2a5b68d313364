//! Servers that say nothing: none of them is waited for without end, and one that is only busy is waited for.

use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pouco::store::{ConnectError, Connector, Lane, Pool, Purpose, Session, Unavailable};
use pouco::waiting::Janitor;

use crate::rig::*;
use crate::support::{Database, Relay, eventually};

const SILENCE: Duration = Duration::from_millis(200);

/// Of a sign-in, where it is to be told from the product's own, which is shorter.
const LATE: Duration = Duration::from_secs(7);

/// Of a sign-in at a server that says nothing, before one that does.
const PASSED: Duration = Duration::from_secs(3);

/// Nobody waits so long for a read here.
const MINUTE: Duration = Duration::from_secs(60);

fn impatient(config: postgres::Config) -> Connector {
    Connector::with_silence(config, SILENCE)
}

/// A server that takes connections and says nothing, as one that is frozen, or a proxy with nobody behind it.
fn silent() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A silent server before the real one, in one `DATABASE_URL`.
fn silent_first(silent: u16, relay: &Relay) -> postgres::Config {
    let (given, mut config) = (relay.config(), postgres::Config::new());
    config.host("127.0.0.1").port(silent).host("127.0.0.1").port(relay.address.port());
    config.user("pouco").dbname(given.get_dbname().unwrap()).connect_timeout(PASSED);
    config
}

#[test]
fn a_server_that_never_greets_is_left_in_time() {
    let (_listener, port) = silent();
    let mut config = postgres::Config::new();
    config.host("127.0.0.1").port(port).user("pouco").connect_timeout(LATE);
    let began = Instant::now();
    let error = Connector::new(config).open(Purpose::Write).err().unwrap();
    assert!(began.elapsed() >= LATE, "{:?}", began.elapsed());
    assert!(error.to_string().contains("does not answer"), "{error}");
}

/// As sign-in, the first question has no time of its own.
#[test]
fn a_server_that_greets_and_says_no_more_is_left_in_time() {
    // A Postgres of its own, where nobody else can connect meanwhile.
    let database = with_tables(Database::create_with(&[]));
    let relay = Relay::to(&database);
    let mut config = relay.config();
    config.connect_timeout(LATE);
    // All that this session can do is to wait for a lock on what the first question reads.
    let mut lock = database.client();
    lock.batch_execute("BEGIN; LOCK TABLE pg_catalog.pg_authid IN ACCESS EXCLUSIVE MODE").unwrap();
    let began = Instant::now();
    assert!(Connector::new(config.clone()).open(Purpose::Read).is_err());
    assert!(began.elapsed() >= LATE, "{:?}", began.elapsed());
    lock.batch_execute("COMMIT").unwrap();
    eventually("it is open again", || Connector::new(config.clone()).open(Purpose::Read).is_ok());
}

#[test]
fn a_silent_server_is_passed_over_and_then_tried_last() {
    let database = database();
    let relay = Relay::to(&database);
    let (listener, port) = silent();
    let connector = Connector::new(silent_first(port, &relay));
    let began = Instant::now();
    connector.open(Purpose::Write).unwrap();
    assert!(began.elapsed() >= PASSED, "{:?}", began.elapsed());
    for purpose in [Purpose::Write, Purpose::Read] {
        connector.open(purpose).unwrap();
    }
    assert_eq!(tries(&listener), 1, "nobody has come to it again");
}

/// How many have come so far.
fn tries(listener: &TcpListener) -> usize {
    listener.set_nonblocking(true).unwrap();
    std::iter::from_fn(|| listener.accept().ok()).count()
}

/// One host says nothing while another one is promoted: who waits for a primary asks the other one again and
/// again meanwhile.
#[test]
fn a_standby_is_asked_again_while_a_silent_host_is_waited_for() {
    let database = database();
    database.set("SET default_transaction_read_only = on");
    let relay = Relay::to(&database);
    let (listener, port) = silent();
    let connector = Connector::new(silent_first(port, &relay));
    let opening = std::thread::spawn(move || connector.open_patiently(Purpose::Write).is_ok());
    eventually("the standby is asked", || relay.connections() >= 8);
    let tries = tries(&listener);
    assert!((1..=5).contains(&tries), "{tries} tries of the silent host, and 8 of the standby");
    database.set("SET default_transaction_read_only = off");
    assert!(opening.join().unwrap());
}

/// Sends `a`, `b` and `c` as one batch, which waits for somebody else's `b`.
fn held_up(database: &Database, rig: &Rig) -> (Vec<JoinHandle<Answer>>, postgres::Client) {
    let other = foreign(database, &foreign_item("b"));
    let sent = rig.send_all(["a", "b", "c"]);
    wait_until_blocked(database);
    (sent, other)
}

#[test]
fn a_server_silent_in_the_middle_of_a_statement_is_left_and_the_outcome_found_out() {
    let database = database();
    let relay = Relay::to(&database);
    let rig: Rig = Rig::with(impatient(relay.config()), one_batch_of(3));
    let (sent, mut other) = held_up(&database, &rig);
    relay.stop();
    eventually("the session is left", || rig.connector.silences() == 1);
    assert!(sent.iter().all(|one| !one.is_finished()));
    relay.repair();
    other.batch_execute("COMMIT").unwrap();
    assert_eq!(answers(sent), [Ok(Outcome::Stored), Ok(Outcome::Duplicate), Ok(Outcome::Stored)]);
}

/// The server answers others and says that the backend is busy: nothing is left behind, and nothing is
/// uncertain.
#[test]
fn a_statement_that_waits_for_a_lock_is_waited_for() {
    let database = database();
    let rig: Rig = Rig::with(impatient(database.config()), one_batch_of(3));
    let (sent, mut other) = held_up(&database, &rig);
    let pid = wait_until_blocked(&database);
    // Time itself is the condition.
    std::thread::sleep(SILENCE * 10);
    assert_eq!((rig.connector.silences(), wait_until_blocked(&database)), (0, pid));
    other.batch_execute("ROLLBACK").unwrap();
    assert_eq!(answers(sent), [Ok(Outcome::Stored); 3]);
    assert_eq!(counted(&rig.queue.metrics().uncertain), 0);
}

/// A proxy loses the answer: the server says that the backend is idle, so nothing will come any more.
#[test]
fn an_answer_that_is_lost_without_a_sign_is_not_waited_for() {
    let database = database();
    let relay = Relay::to(&database);
    let rig: Rig = Rig::with(impatient(relay.config()), one_batch_of(3));
    let (sent, mut other) = held_up(&database, &rig);
    relay.mute_present();
    other.batch_execute("ROLLBACK").unwrap();
    assert_eq!(answers(sent), [Ok(Outcome::Stored); 3]);
    assert_eq!((rig.connector.silences(), counted(&rig.queue.metrics().uncertain)), (1, 1));
}

/// The backend is gone and the way to it stays open, as a proxy may leave it.
#[test]
fn a_backend_that_is_gone_without_a_sign_is_not_waited_for() {
    let database = database();
    let relay = Relay::to(&database);
    let rig: Rig = Rig::with(impatient(relay.config()), one_batch_of(3));
    let (sent, mut other) = held_up(&database, &rig);
    let pid = wait_until_blocked(&database);
    relay.keep_open();
    relay.mute_present();
    terminate(&database, pid);
    other.batch_execute("ROLLBACK").unwrap();
    assert_eq!(answers(sent), [Ok(Outcome::Stored); 3]);
    assert_eq!(rig.connector.silences(), 1);
}

#[test]
fn a_silent_writer_goes_to_the_next_server() {
    let database = database();
    let (first, second) = (Relay::to(&database), Relay::to(&database));
    let mut config = silent_first(first.address.port(), &second);
    config.connect_timeout(PASSED);
    let rig: Rig = Rig::with(impatient(config), limits());
    assert_eq!(rig.commit("a"), Ok(Outcome::Stored));
    first.stop();
    let began = Instant::now();
    assert_eq!(rig.commit("b"), Ok(Outcome::Stored));
    println!("creations are back after {:?}", began.elapsed());
    assert_eq!(stored_keys(&database), ["a", "b"]);
}

fn keys(session: &mut Session) -> Result<usize, postgres::Error> {
    session.query("SELECT * FROM items", &[]).map(|rows| rows.len())
}

#[test]
fn a_silent_reading_connection_is_cut() {
    let database = database();
    let relay = Relay::to(&database);
    let (connector, janitor) = (impatient(relay.config()), Janitor::start().unwrap());
    let deadline = Duration::from_millis(400);
    let (pool, _) = Pool::start(&connector, 1, 100, deadline, &janitor).unwrap();
    eventually("it reads", || pool.read(Lane::Lookup, keys) == Ok(0));
    relay.stop();
    assert_eq!(pool.read(Lane::Lookup, keys), Err(Unavailable::Deadline));
    eventually("the connection is cut", || connector.silences() == 1);
    relay.repair();
    eventually("it reads again", || pool.read(Lane::Lookup, keys) == Ok(0));
    pool.close();
}

/// What nobody uses is asked now and then, so that a lost connection is not found out by a request.
#[test]
fn idle_connections_that_were_lost_are_replaced() {
    let database = database();
    let (connector, janitor) = (Connector::new(database.config()), Janitor::start().unwrap());
    let (pool, _) = Pool::start(&connector, 2, 100, MINUTE, &janitor).unwrap();
    let rig: Rig = Rig::with(connector, limits());
    let backends = || {
        let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'pouco' AND datname = current_database()";
        let rows = database.client().query(sql, &[]).unwrap();
        rows.iter().map(|row| row.get(0)).collect::<Vec<i32>>()
    };
    eventually("all are connected", || backends().len() == 3);
    let former = backends();
    former.iter().for_each(|pid| terminate(&database, *pid));
    eventually("all are replaced", || backends().len() == 3);
    assert!(backends().iter().all(|pid| !former.contains(pid)));
    assert_eq!(rig.commit("a"), Ok(Outcome::Stored));
    pool.close();
}

/// A read-only server is read from, and left for one that writes as soon as there is one.
#[test]
fn readers_prefer_a_server_that_writes() {
    let database = database();
    let connector = Connector::new(database.config());
    database.set("SET default_transaction_read_only = on");
    let janitor = Janitor::start().unwrap();
    let (pool, _) = Pool::start(&connector, 1, 100, MINUTE, &janitor).unwrap();
    let read_only = |session: &mut Session| {
        let rows = session.query("SELECT current_setting('transaction_read_only')", &[])?;
        rows[0].try_get::<_, String>(0)
    };
    assert_eq!(pool.read(Lane::Lookup, read_only), Ok("on".into()));
    let refused = connector.open(Purpose::Write).err();
    assert!(matches!(refused, Some(ConnectError::Session { read_only: true })), "{refused:?}");
    database.set("SET default_transaction_read_only = off");
    eventually("it reads from one that writes", || pool.read(Lane::Lookup, read_only) == Ok("off".into()));
    pool.close();
}
