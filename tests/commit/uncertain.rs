//! Connections that are lost with rows sent: the answer is what became of the row with *our* id.

use std::thread::JoinHandle;

use pouco::store::Unavailable;
use pouco::store::commit::Outcome;

use crate::rig::*;
use crate::support::{Database, Relay, eventually};

/// Sends `a`, `b` and `c` as one batch while somebody else holds `b`, and kills the backend in the middle, twice.
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

/// The commit is done and its answer is lost on the way: the rows are ours nevertheless. (Repeating the INSERT alone would
/// call all of them duplicates.)
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

/// A connection is lost before the statement is done: old and new backend are at the same rows.
#[test]
fn a_connection_cut_before_the_commit_loses_nothing() {
    for (end, expected) in [("COMMIT", Outcome::Duplicate), ("ROLLBACK", Outcome::Stored)] {
        let database = database();
        let relay = Relay::to(&database);
        let rig: Rig = Rig::start(relay.config(), one_batch_of(3));
        let (sent, mut other) = held_up(&database, &rig, ["a", "b", "c"]);
        relay.cut();
        // The old backend does not know that its client is gone.
        let mut client = database.client();
        eventually("old and new backend wait", || blocked(&mut client).len() == 2);
        other.batch_execute(end).unwrap();
        assert_eq!(answers(sent), [Ok(Outcome::Stored), Ok(expected), Ok(Outcome::Stored)]);
        assert_eq!(stored_keys(&database), ["a", "b", "c"]);
        assert_eq!(counted(&rig.queue.metrics().conflicts), 0);
    }
}

fn attempts(database: &Database) -> i64 {
    database.client().query_one("SELECT last_value FROM attempts", &[]).unwrap().get(0)
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

/// After a lost connection the disk is full: whether the first try made it is asked until it is known.
#[test]
fn an_uncertain_row_is_not_given_up_for_a_full_disk() {
    let database = database();
    let rig: Rig = Rig::of(&database, one_batch_of(2));
    let mut other = foreign(&database, &foreign_item("a"));
    let sent = rig.send_all(["a", "b"]);
    let pid = wait_until_blocked(&database);
    set_trouble(&database, "53100");
    let before = attempts(&database);
    terminate(&database, pid);
    eventually("it is tried again and again", || attempts(&database) >= before + 5);
    assert!(sent.iter().all(|one| !one.is_finished()));
    other.batch_execute("COMMIT").unwrap();
    set_trouble(&database, "");
    assert_eq!(answers(sent), [Ok(Outcome::Duplicate), Ok(Outcome::Stored)]);
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
