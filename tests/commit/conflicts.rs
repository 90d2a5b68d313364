//! Transactions that want the same keys: other replicas', and foreign ones.

use std::thread;

use crate::rig::*;
use crate::support::{Database, eventually};

fn deadlocks(database: &Database) -> i64 {
    let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    database.value(sql)
}

/// Two replicas get the same keys in opposite order. Sorted batches meet at their first common key, where one
/// waits.
#[test]
fn overlapping_batches_do_not_deadlock() {
    const KEYS: usize = 24;
    let database = database();
    let (one, other): (Rig, Rig) =
        (Rig::of(&database, one_batch_of(KEYS)), Rig::of(&database, one_batch_of(KEYS)));
    for round in 0..30 {
        let key = |number: usize| format!("{round} {number:02}");
        let rising = one.send_all((0..KEYS).map(key));
        let falling = other.send_all((0..KEYS).rev().map(key));
        let falling = answers(falling).into_iter().rev();
        for (number, (one, other)) in answers(rising).into_iter().zip(falling).enumerate() {
            let mut outcomes = [format!("{one:?}"), format!("{other:?}")];
            outcomes.sort();
            assert_eq!(outcomes, ["Ok(Duplicate)", "Ok(Stored)"], "key {number} of round {round}");
        }
    }
    for rig in [&one, &other] {
        let metrics = rig.queue.metrics();
        assert_eq!((counted(&metrics.batches), counted(&metrics.conflicts)), (30, 0));
    }
    assert_eq!(deadlocks(&database), 0);
}

/// A foreign session takes the keys in the opposite order and will not notice the deadlock itself.
#[test]
fn a_deadlock_with_somebody_else_is_tried_again() {
    for (end, expected) in [("COMMIT", Outcome::Duplicate), ("ROLLBACK", Outcome::Stored)] {
        let database = database();
        let rig: Rig = Rig::of(&database, one_batch_of(3));
        let patient = format!("SET LOCAL deadlock_timeout = '15s'; {}", foreign_item("b"));
        let mut other = foreign(&database, &patient);
        let sent = rig.send_all(["a", "b", "c"]);
        wait_until_blocked(&database);
        let crossing = thread::spawn(move || {
            other.batch_execute(&foreign_item("a")).unwrap();
            other
        });
        let mut other = crossing.join().unwrap();
        wait_until_blocked(&database);
        // More than one if the retry was at "a" before the other session woke.
        assert!(counted(&rig.queue.metrics().conflicts) >= 1);
        other.batch_execute(end).unwrap();
        assert_eq!(answers(sent), [Ok(expected), Ok(expected), Ok(Outcome::Stored)]);
        assert_eq!(stored_keys(&database), ["a", "b", "c"]);
        eventually("Postgres has counted the deadlock", || deadlocks(&database) >= 1);
    }
}

/// Above "read committed" a row that somebody else commits meanwhile is a serialization failure.
#[test]
fn a_serialization_failure_is_tried_again() {
    let database = database();
    database.set("SET default_transaction_isolation = 'repeatable read'");
    let rig: Rig = Rig::of(&database, one_batch_of(2));
    let mut other = foreign(&database, &foreign_item("a"));
    let sent = rig.send_all(["a", "b"]);
    wait_until_blocked(&database);
    other.batch_execute("COMMIT").unwrap();
    assert_eq!(answers(sent), [Ok(Outcome::Duplicate), Ok(Outcome::Stored)]);
    assert_eq!(counted(&rig.queue.metrics().conflicts), 1);
}
