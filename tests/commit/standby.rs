//! Commits that have to wait for a standby: what is answered is on it, and a wait that lasts leaves no crowd
//! behind.

use std::time::Duration;

use pouco::store::{Connector, Purpose};

use crate::rig::*;
use crate::support::{Database, Relay, eventually};

const SILENCE: Duration = Duration::from_millis(100);

/// A Postgres of its own: its settings are for all of its databases.
fn database_of_its_own() -> Database {
    with_tables(Database::create_with(&["wal_level=replica", "max_wal_senders=4"]))
}

/// From now on commits wait for a standby that is not there, or for none.
fn wait_for_standby(database: &Database, wait: bool) {
    let mut client = database.client();
    // This session's own commits are nobody's concern.
    client.batch_execute("SET synchronous_commit = local").unwrap();
    let names = if wait { "'nobody'" } else { "''" };
    client.batch_execute(&format!("ALTER SYSTEM SET synchronous_standby_names = {names}")).unwrap();
    client.batch_execute("SELECT pg_reload_conf()").unwrap();
    let sql = "SELECT current_setting('synchronous_standby_names') <> ''";
    // What a new session sees, the old ones see by the end of their statement.
    eventually("it is known", || database.value::<bool>(sql) == wait);
}

/// The backends of this process that wait for the standby, with what they are at.
fn waiting(database: &Database) -> Vec<(i32, String)> {
    let sql = "SELECT pid, query FROM pg_stat_activity
               WHERE application_name = 'pouco' AND wait_event = 'SyncRep' ORDER BY backend_start";
    let rows = database.client().query(sql, &[]).unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// The backend that waits, once its statement has this in it.
fn wait_until_at(database: &Database, what: &str) -> i32 {
    let mut found = None;
    eventually(&format!("{what} waits for the standby"), || {
        found = waiting(database).into_iter().find(|(_, query)| query.contains(what));
        found.is_some()
    });
    found.unwrap().0
}

/// The backends of this process that write. Those that ask what these are at come and go.
fn working(database: &Database) -> Vec<i32> {
    let sql = "SELECT pid FROM pg_stat_activity
               WHERE application_name = 'pouco' AND state = 'active'
                 AND (query LIKE '%INSERT INTO%' OR query LIKE '%pg_logical_emit_message%')";
    database.client().query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

fn cancel(database: &Database, pid: i32) {
    database.client().execute("SELECT pg_cancel_backend($1)", &[&pid]).unwrap();
}

/// Postgres ends a cancelled wait as a success, with a WARNING: the row is stored here and perhaps nowhere
/// else.
#[test]
fn a_cancelled_wait_for_a_standby_is_no_success() {
    let database = database_of_its_own();
    let rig: Rig = Rig::of(&database, limits());
    assert_eq!(rig.commit("before"), Ok(Outcome::Stored));
    wait_for_standby(&database, true);
    let sent = rig.send(item("a"));
    let pid = wait_until_at(&database, "INSERT");
    cancel(&database, pid);
    let pid = wait_until_at(&database, "pg_logical_emit_message");
    assert_eq!(stored_keys(&database), ["a", "before"]);
    cancel(&database, pid);
    wait_until_at(&database, "pg_logical_emit_message");
    assert!(!sent.is_finished());
    wait_for_standby(&database, false);
    assert_eq!(sent.join().unwrap(), Ok(Outcome::Stored));
}

/// The connection is lost in the wait; the row is found, and it is not said to be stored, nor its key to be
/// taken, before it is where it has to be.
#[test]
fn an_uncertain_row_is_answered_after_the_standby_has_it() {
    let database = database_of_its_own();
    let relay = Relay::to(&database);
    let rig: Rig = Rig::start(relay.config(), one_batch_of(2));
    wait_for_standby(&database, true);
    let sent = rig.send_all(["a", "a"]);
    let pid = wait_until_at(&database, "INSERT");
    // The wait is over for this backend alone: its row becomes visible, and its client does not hear of it.
    relay.cut();
    cancel(&database, pid);
    wait_until_at(&database, "pg_logical_emit_message");
    assert_eq!(stored_keys(&database), ["a"]);
    assert!(sent.iter().all(|one| !one.is_finished()));
    wait_for_standby(&database, false);
    let mut outcomes = answers(sent);
    outcomes.sort_by_key(|outcome| *outcome == Ok(Outcome::Duplicate));
    assert_eq!(outcomes, [Ok(Outcome::Stored), Ok(Outcome::Duplicate)]);
}

/// However long no standby is there, and however often the connection is lost meanwhile: one backend is left
/// behind, and one works.
#[test]
fn a_missing_standby_leaves_no_crowd_of_backends() {
    let database = database_of_its_own();
    let relay = Relay::to(&database);
    let rig: Rig = Rig::with(Connector::with_silence(relay.config(), SILENCE), limits());
    assert_eq!(rig.commit("before"), Ok(Outcome::Stored));
    wait_for_standby(&database, true);
    let sent = rig.send(item("a"));
    wait_until_at(&database, "INSERT");
    // Thirty times the patience with a silence: the server says that the backend waits, so it is left in
    // peace.
    std::thread::sleep(SILENCE * 30);
    assert_eq!((waiting(&database).len(), rig.connector.silences()), (1, 0));
    let mut known = working(&database);
    for round in 1..=8 {
        relay.cut();
        eventually("another one is at work", || working(&database).iter().any(|pid| !known.contains(pid)));
        assert!(counted(&rig.queue.metrics().uncertain) >= round);
        eventually("one at work, one left behind", || working(&database).len() <= 2);
        known = working(&database);
    }
    assert!(!sent.is_finished());
    wait_for_standby(&database, false);
    assert_eq!(sent.join().unwrap(), Ok(Outcome::Stored));
    assert_eq!(stored_keys(&database), ["a", "before"]);
}

#[test]
fn synchronous_commit_is_raised_and_never_lowered() {
    let database = database_of_its_own();
    let connector = Connector::new(database.config());
    let sql = "SELECT current_setting('synchronous_commit')";
    for (given, expected) in [
        ("off", "on"),
        ("local", "on"),
        ("remote_write", "on"),
        ("on", "on"),
        ("remote_apply", "remote_apply"),
    ] {
        database.set(&format!("SET synchronous_commit = {given}"));
        let mut session = connector.open(Purpose::Write).unwrap();
        let rows = session.query(sql, &[]).unwrap();
        assert_eq!(rows[0].get::<_, String>(0), expected, "{given}");
    }
}
