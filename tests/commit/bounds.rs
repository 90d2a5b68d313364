//! A full queue, and deadlines while Postgres takes nothing.

use std::thread;
use std::time::Duration;

use pouco::store::Unavailable;
use pouco::store::commit::CommitLimits;

use crate::rig::*;
use crate::support::{Database, Replica, eventually, person};

const LOCK: &str = "LOCK TABLE items IN EXCLUSIVE MODE";

#[test]
fn a_row_more_than_allowed_is_refused_and_nothing_is_lost() {
    let database = database();
    let rig: Rig = Rig::of(&database, CommitLimits { queue_rows: 4, ..limits() });
    let mut lock = foreign(&database, LOCK);
    let sent = rig.send(item("sent"));
    wait_until_blocked(&database);
    let waiting = rig.send_all(["a", "b", "c", "d"]);
    rig.wait_until_waiting(4);
    assert_eq!(rig.commit("e"), Err(Unavailable::QueueFull));
    assert_eq!(counted(&rig.queue.metrics().queue_full), 1);
    lock.batch_execute("COMMIT").unwrap();
    assert_eq!(sent.join().unwrap(), Ok(Outcome::Stored));
    assert_eq!(answers(waiting), [Ok(Outcome::Stored); 4]);
    assert_eq!(stored_keys(&database), ["a", "b", "c", "d", "sent"]);
    assert_eq!(rig.commit("e"), Ok(Outcome::Stored));
}

#[test]
fn the_bound_in_bytes_counts_what_the_rows_hold() {
    let database = database();
    let rig: Rig = Rig::of(&database, CommitLimits { queue_bytes: 10_000, ..limits() });
    let mut lock = foreign(&database, LOCK);
    let sent = rig.send(item("sent"));
    wait_until_blocked(&database);
    let long = |letter: &str| letter.repeat(2_000);
    let waiting = rig.send_all([long("a"), long("b"), long("c"), long("d")]);
    rig.wait_until_waiting(4);
    let bytes = counted(&rig.queue.metrics().waiting_bytes);
    assert!((8_000..10_000).contains(&bytes), "{bytes}");
    assert_eq!(rig.commit(&long("e")), Err(Unavailable::QueueFull));
    // A short one has room beside them; its own place counts too.
    let short = rig.send(item("f"));
    rig.wait_until_waiting(5);
    let place = counted(&rig.queue.metrics().waiting_bytes) - bytes;
    assert!((64..1_000).contains(&place), "{place} bytes");
    lock.batch_execute("COMMIT").unwrap();
    assert_eq!(answers(waiting), [Ok(Outcome::Stored); 4]);
    assert_eq!((sent.join().unwrap(), short.join().unwrap()), (Ok(Outcome::Stored), Ok(Outcome::Stored)));
    assert_eq!(counted(&rig.queue.metrics().waiting_bytes), 0);
}

/// Rows that were never sent end at their deadline; one that was sent waits for its outcome, and gets it.
#[test]
fn only_what_was_never_sent_ends_at_its_deadline() {
    let database = database();
    let deadline = Duration::from_secs(3);
    let rig: Rig = Rig::of(&database, CommitLimits { deadline, ..limits() });
    eventually("the writer is connected", || rig.connector.connected() == 1);
    let mut lock = foreign(&database, LOCK);
    let sent = rig.send(item("sent"));
    wait_until_blocked(&database);
    let unsent = rig.send_all(["a", "b", "c"]);
    assert_eq!(answers(unsent), [Err(Unavailable::Deadline); 3]);
    assert_eq!(counted(&rig.queue.metrics().expired), 3);
    assert_eq!((rig.waiting(), counted(&rig.queue.metrics().waiting_bytes)), (0, 0));
    assert!(!sent.is_finished());
    lock.batch_execute("COMMIT").unwrap();
    assert_eq!(sent.join().unwrap(), Ok(Outcome::Stored));
    assert_eq!(stored_keys(&database), ["sent"]);
}

#[test]
fn a_client_is_told_when_to_come_back() {
    let database = Database::create();
    let replica = Replica::start_with(&database, &[("POUCO_COMMIT_DEADLINE_MS", "3000")]);
    eventually("it is written to", || replica.post("/pessoas", &person("first")).status != 503);
    let expired = replica.metric("pouco_commit_expired_total");
    let mut lock = foreign(&database, "LOCK TABLE people IN EXCLUSIVE MODE");
    thread::scope(|scope| {
        let sent = scope.spawn(|| replica.post("/pessoas", &person("sent")));
        wait_until_blocked(&database);
        let unsent = replica.post("/pessoas", &person("unsent"));
        assert_eq!((unsent.status, unsent.header("retry-after")), (503, Some("1")), "{}", unsent.text());
        assert_eq!(replica.metric("pouco_commit_expired_total"), expired + 1);
        lock.batch_execute("COMMIT").unwrap();
        assert_eq!(sent.join().unwrap().status, 201);
    });
    assert_eq!(database.count(), 2);
    assert_eq!(replica.post("/pessoas", &person("unsent")).status, 201);
}
