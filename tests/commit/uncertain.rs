//! Connections that are lost with rows sent: the answer is what became of the row with *our* id.

use std::thread::JoinHandle;

use pouco::store::Unavailable;

use crate::rig::*;
use crate::support::{Database, Relay, eventually};

/// Sends `a`, `b` and `c` as one batch while somebody else holds `b`, and kills the backend in the middle,
/// twice.
fn killed_twice(database: &Database, rig: &Rig) -> (Vec<JoinHandle<Answer>>, postgres::Client) {
    let other = foreign(database, &foreign_item("b"));
    let sent = rig.send_all(["a", "b", "c"]);
    let first = wait_until_blocked(database);
    terminate(database, first);
    let second = wait_until_blocked(database);
    assert_ne!(first, second);
    terminate(database, second);
    wait_until_blocked(database);
    (sent, other)
}

#[test]
fn a_backend_killed_in_the_middle_leaves_the_right_answers() {
    for (end, expected) in [("COMMIT", Outcome::Duplicate), ("ROLLBACK", Outcome::Stored)] {
        let database = database();
        let rig: Rig = Rig::of(&database, one_batch_of(3));
        let (sent, mut other) = killed_twice(&database, &rig);
        assert!(sent.iter().all(|one| !one.is_finished()));
        other.batch_execute(end).unwrap();
        assert_eq!(answers(sent), [Ok(Outcome::Stored), Ok(expected), Ok(Outcome::Stored)]);
        assert_eq!(counted(&rig.queue.metrics().uncertain), 2);
        assert_eq!(stored_keys(&database), ["a", "b", "c"]);
    }
}

/// A batch that somebody else's key holds up in the middle of its statement.
fn held_up(
    database: &Database,
    rig: &Rig,
    keys: [&'static str; 3],
) -> (Vec<JoinHandle<Answer>>, postgres::Client) {
    let other = foreign(database, &foreign_item(keys[1]));
    let sent = rig.send_all(keys);
    wait_until_blocked(database);
    (sent, other)
}

/// The commit is done and its answer is lost on the way: the rows are ours nevertheless. (Repeating the
/// INSERT alone would call all of them duplicates.)
#[test]
fn an_answer_lost_after_the_commit_is_found_out() {
    let database = database();
    let relay = Relay::to(&database);
    let rig: Rig = Rig::start(relay.config(), one_batch_of(3));
    let (sent, mut other) = held_up(&database, &rig, ["new", "known", "other"]);
    relay.mute();
    other.batch_execute("COMMIT").unwrap();
    eventually("the rows are committed", || stored_keys(&database).len() == 3);
    assert!(sent.iter().all(|one| !one.is_finished()));
    relay.repair();
    relay.cut();
    let outcomes = answers(sent);
    assert_eq!(outcomes, [Ok(Outcome::Stored), Ok(Outcome::Duplicate), Ok(Outcome::Stored)]);
    assert_eq!(counted(&rig.queue.metrics().uncertain), 1);
}

/// A connection is lost before the statement is done. The old backend does not know that its client is gone;
/// it is ended before anything is sent again.
#[test]
fn a_connection_cut_before_the_commit_loses_nothing() {
    for (end, expected) in [("COMMIT", Outcome::Duplicate), ("ROLLBACK", Outcome::Stored)] {
        let database = database();
        let relay = Relay::to(&database);
        let rig: Rig = Rig::start(relay.config(), one_batch_of(3));
        let (sent, mut other) = held_up(&database, &rig, ["a", "b", "c"]);
        let former = blocked(&mut database.client())[0];
        relay.cut();
        let mut client = database.client();
        eventually("another backend waits, alone", || {
            let now = blocked(&mut client);
            now.len() == 1 && now[0] != former
        });
        other.batch_execute(end).unwrap();
        assert_eq!(answers(sent), [Ok(Outcome::Stored), Ok(expected), Ok(Outcome::Stored)]);
        assert_eq!(stored_keys(&database), ["a", "b", "c"]);
        assert_eq!(counted(&rig.queue.metrics().conflicts), 0);
    }
}

/// Disk full and its like undo the statement: nothing is stored and the clients may come back.
#[test]
fn what_postgres_has_undone_is_refused() {
    let database = database();
    let rig: Rig = Rig::of(&database, one_batch_of(2));
    for state in ["53100", "53200", "58030", "XX000"] {
        set_trouble(&database, state);
        assert_eq!(answers(rig.send_all(["a", "b"])), [Err(Unavailable::Refused); 2], "{state}");
        assert!(stored_keys(&database).is_empty());
    }
    set_trouble(&database, "");
    assert_eq!(answers(rig.send_all(["a", "b"])), [Ok(Outcome::Stored); 2]);
    assert_eq!(counted(&rig.queue.metrics().uncertain), 0);
}

/// After a lost connection the disk is full: what the first try has stored is stored, and the rest is
/// certainly not.
#[test]
fn a_full_disk_after_a_lost_connection_is_answered_truly() {
    let database = database();
    let rig: Rig = Rig::of(&database, one_batch_of(2));
    let mut other = foreign(&database, &foreign_item("a"));
    let sent = rig.send_all(["a", "b"]);
    let pid = wait_until_blocked(&database);
    set_trouble(&database, "53100");
    terminate(&database, pid);
    assert_eq!(answers(sent), [Err(Unavailable::Refused); 2]);
    other.batch_execute("ROLLBACK").unwrap();
    assert!(stored_keys(&database).is_empty());
}

/// A row that ends its session each time is found among others, which are stored meanwhile.
#[test]
fn a_row_that_costs_its_session_is_alone() {
    let database = database();
    database.execute(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
             CREATE TRIGGER die BEFORE INSERT ON items FOR EACH ROW WHEN (NEW.key = 'deadly') EXECUTE FUNCTION die()",
        );
    let rig: Rig = Rig::of(&database, one_batch_of(16));
    let keys: Vec<String> = (0..15).map(|key| format!("key {key}")).chain(["deadly".into()]).collect();
    for (key, outcome) in keys.iter().zip(answers(rig.send_all(keys.clone()))) {
        let expected = if key == "deadly" { Err(Unavailable::Refused) } else { Ok(Outcome::Stored) };
        assert_eq!(outcome, expected, "{key}");
    }
    assert_eq!(stored_keys(&database).len(), 15);
    // Three together, one for each halving until it is alone, and then what makes six of it.
    assert_eq!(counted(&rig.queue.metrics().uncertain), 3 + 3 + 4);
}

/// A row that is refused now may have been stored by the try whose answer was lost.
#[test]
fn a_row_refused_after_it_was_stored_is_stored() {
    let database = database();
    let relay = Relay::to(&database);
    let rig: Rig = Rig::start(relay.config(), one_batch_of(3));
    let (sent, mut other) = held_up(&database, &rig, ["a", "b", "c"]);
    relay.mute();
    other.batch_execute("ROLLBACK").unwrap();
    eventually("the rows are committed", || stored_keys(&database).len() == 3);
    set_trouble(&database, "P0001");
    relay.repair();
    relay.cut();
    assert_eq!(answers(sent), [Ok(Outcome::Stored); 3]);
}
