//! What becomes a batch, and what becomes of each of its rows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pouco::store::commit::CommitLimits;
use pouco_tools::support::{RaisedAtEnd, eventually};

use crate::rig::*;

/// Rows that come while a commit is under way become the next batches, none larger than allowed. The
/// committers are coroutines, as in the server.
#[test]
fn what_comes_during_a_commit_is_one_batch() {
    let database = database();
    pouco::http::configure_coroutines();
    let rig: Rig = Rig::of(&database, CommitLimits { batch_rows: 8, ..limits() });
    let mut lock = foreign(&database, "LOCK TABLE items IN EXCLUSIVE MODE");
    let commit = |number: usize| {
        let queue = rig.queue.clone();
        may::go!(move || queue.commit(item(format!("key {number:02}"))))
    };
    let first = commit(0);
    wait_until_blocked(&database);
    let others: Vec<_> = (1..31).map(commit).collect();
    rig.wait_until_waiting(30);
    lock.batch_execute("COMMIT").unwrap();
    for one in std::iter::once(first).chain(others) {
        assert_eq!(one.join().unwrap(), Ok(Outcome::Stored));
    }
    let sizes = database.client().query("SELECT count(*) FROM items GROUP BY xmin::text ORDER BY 1", &[]);
    let sizes: Vec<i64> = sizes.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(sizes, [1, 6, 8, 8, 8]);
    let metrics = rig.queue.metrics();
    assert_eq!((counted(&metrics.batches), counted(&metrics.rows)), (5, 31));
    assert_eq!((rig.waiting(), counted(&metrics.waiting_bytes)), (0, 0));
}

#[test]
fn the_first_row_waits_for_company_and_a_full_batch_does_not() {
    let database = database();
    let full: Rig = Rig::of(&database, one_batch_of(4));
    assert_eq!(answers(full.send_all(["a", "b", "c", "d"])), [Ok(Outcome::Stored); 4]);
    assert_eq!(counted(&full.queue.metrics().batches), 1);

    // A close ends the wait, and what waited is committed.
    let alone = full.send(item("e"));
    full.wait_until_waiting(1);
    full.queue.close();
    assert_eq!(alone.join().unwrap(), Ok(Outcome::Stored));
    assert_eq!(full.commit("f"), Err(pouco::store::Unavailable::ShuttingDown));

    let linger = std::time::Duration::from_secs(5);
    let lingering: Rig = Rig::of(&database, CommitLimits { linger, ..limits() });
    assert_eq!(answers(lingering.send_all(["v", "w", "x", "y", "z"])), [Ok(Outcome::Stored); 5]);
    assert_eq!(counted(&lingering.queue.metrics().batches), 1);
}

/// Of a kind that says so: the wait would be without an end here.
#[test]
fn who_is_alone_waits_for_nobody_until_a_batch_was_shared() {
    let database = database();
    let rig: Rig<HastyItems> = Rig::of(&database, one_batch_of(4));
    assert_eq!([rig.commit("a"), rig.commit("b")], [Ok(Outcome::Stored); 2]);

    // Two come while a third is under way: they share a batch, and nobody has waited.
    let mut foreign = foreign(&database, &foreign_item("c"));
    let third = rig.send(item("c"));
    wait_until_blocked(&database);
    let two = rig.send_all(["d", "e"]);
    rig.wait_until_waiting(2);
    foreign.batch_execute("ROLLBACK").unwrap();
    assert_eq!(third.join().unwrap(), Ok(Outcome::Stored));
    assert_eq!(answers(two), [Ok(Outcome::Stored); 2]);

    // From then on the first one waits for company.
    let first = rig.send(item("f"));
    rig.wait_until_waiting(1);
    assert_eq!(answers(rig.send_all(["g", "h", "i"])), [Ok(Outcome::Stored); 3]);
    assert_eq!(first.join().unwrap(), Ok(Outcome::Stored));
    assert_eq!(counted(&rig.queue.metrics().batches), 5);
}

/// Nobody else is on the way, where all clients wait for their answers.
#[test]
fn a_batch_of_the_usual_size_waits_for_no_more() {
    let database = database();
    let linger = Duration::from_millis(200);
    let rig: Rig = Rig::of(&database, CommitLimits { linger, ..limits() });
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _over = RaisedAtEnd(&over);
        for client in 0..2 {
            let (rig, over) = (&rig, &over);
            scope.spawn(move || {
                let mut keys = (0..).map(|number| format!("{client}: {number}"));
                while !over.load(Ordering::Relaxed) {
                    assert_eq!(rig.commit(&keys.next().unwrap()), Ok(Outcome::Stored));
                }
            });
        }
        let batches = || counted(&rig.queue.metrics().batches);
        eventually("three of four batches wait for less than two lingers", || {
            let (before, since) = (batches(), Instant::now());
            eventually("four batches are committed", || batches() >= before + 4);
            since.elapsed() < 2 * linger
        });
    });
}

#[test]
fn each_row_of_a_batch_has_its_own_outcome() {
    let database = database();
    database.execute(&foreign_item("known"));
    let rig: Rig = Rig::of(&database, one_batch_of(6));
    let keys = ["new", "known", "twice", "twice", "poison", "last"];
    let outcomes = answers(rig.send_all(keys));
    assert_eq!(outcomes[0], Ok(Outcome::Stored));
    assert_eq!(outcomes[1], Ok(Outcome::Duplicate));
    let mut twice = [format!("{:?}", outcomes[2]), format!("{:?}", outcomes[3])];
    twice.sort();
    assert_eq!(twice, ["Ok(Duplicate)", "Ok(Stored)"]);
    assert_eq!(outcomes[4..], [Ok(Outcome::Invalid), Ok(Outcome::Stored)]);
    assert_eq!(stored_keys(&database), ["known", "last", "new", "twice"]);
}

/// The row that is told to be stored is the one that is, by its id.
#[test]
fn of_one_key_twice_the_stored_one_is_told_so() {
    let database = database();
    let rig: Rig = Rig::of(&database, one_batch_of(8));
    let items: Vec<Item> = (0..8).map(|_| item("same")).collect();
    let ids: Vec<_> = items.iter().map(|item| item.id).collect();
    let outcomes = answers(items.into_iter().map(|item| rig.send(item)).collect());
    let stored: uuid::Uuid = database.value("SELECT id FROM items");
    for (id, outcome) in ids.into_iter().zip(outcomes) {
        assert_eq!(outcome, Ok(if id == stored { Outcome::Stored } else { Outcome::Duplicate }));
    }
}

/// A row that Postgres refuses fails alone, in whatever place: by a constraint, or because no text can hold
/// it.
#[test]
fn poison_fails_alone() {
    let database = database();
    let rig: Rig = Rig::of(&database, one_batch_of(64));
    for poisons in
        [vec!["poison"], vec!["poison", "nul\0"], vec!["nul\0", "poison a", "poison b", "poison c"]]
    {
        database.execute("TRUNCATE items");
        let good: Vec<String> = (poisons.len()..64).map(|number| format!("{number:02}")).collect();
        let mut keys: Vec<&str> = good.iter().map(String::as_str).chain(poisons.iter().copied()).collect();
        fastrand::shuffle(&mut keys);
        let outcomes = answers(rig.send_all(keys.iter().copied()));
        for (key, outcome) in keys.iter().zip(outcomes) {
            let expected = if poisons.contains(key) { Outcome::Invalid } else { Outcome::Stored };
            assert_eq!(outcome, Ok(expected), "{key:?}");
        }
        assert_eq!(stored_keys(&database), good);
    }
}

/// A queue has one table: no transaction holds rows of two.
#[test]
fn tables_are_never_mixed() {
    let database = database();
    let items: Rig<Items> = Rig::of(&database, limits());
    let notes: Rig<Notes> = Rig::of(&database, limits());
    let sent = (0..40).flat_map(|number| {
        let key = format!("{number}");
        [items.send(item(&key)), notes.send(item(&key))]
    });
    assert_eq!(answers(sent.collect()), [Ok(Outcome::Stored); 80]);
    let mut client = database.client();
    let shared = "SELECT count(*) FROM items JOIN notes ON items.xmin::text = notes.xmin::text";
    assert_eq!(client.query_one(shared, &[]).unwrap().get::<_, i64>(0), 0);
    for rig in [items.queue.metrics(), notes.queue.metrics()] {
        assert_eq!(counted(&rig.rows), 40);
    }
}
