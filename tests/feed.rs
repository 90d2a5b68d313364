//! Several replicas on one database: what one has committed, the others find; by id at once, by search with
//! the feed.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use pouco_tools::support::{Connection, Database, Replica, eventually};

fn person(nick: &str) -> String {
    format!(r#"{{"apelido":"{nick}","nome":"Ana Barbosa","nascimento":"1985-09-23","stack":["Rust"]}}"#)
}

/// Creates a person that must be accepted and returns its path.
fn created(connection: &mut Connection, nick: &str) -> String {
    let answer = connection.request("POST", "/pessoas", &person(nick));
    assert_eq!(answer.status, 201, "{nick}: {}", answer.text());
    answer.header("location").unwrap().to_owned()
}

fn found(connection: &mut Connection, term: &str) -> Vec<String> {
    let answer = connection.request("GET", &format!("/pessoas?t={term}"), "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let people = answer.json();
    people.as_array().unwrap().iter().map(|one| one["apelido"].as_str().unwrap().to_owned()).collect()
}

/// Somebody who is no replica adds a person.
fn insert(nick: &str) -> String {
    format!(
        "INSERT INTO people (id, apelido, nome, nascimento)
         VALUES (gen_random_uuid(), '{nick}', 'Ana Barbosa', '1985-09-23');"
    )
}

fn insert_many(prefix: &str, count: usize) -> String {
    format!(
        "INSERT INTO people (id, apelido, nome, nascimento)
         SELECT gen_random_uuid(), '{prefix}' || lpad(i::text, 6, '0'), 'Ana Barbosa', '1985-09-23'
         FROM generate_series(0, {count} - 1) AS i;"
    )
}

fn wait_until_found(replica: &Replica, nick: &str) {
    let mut connection = replica.api.connect();
    eventually(&format!("{nick} is found"), || found(&mut connection, nick) == [nick]);
}

/// Waits until the replica's memory holds as many people as the table, and then that searches are answered
/// from there.
fn wait_until_complete(replica: &Replica, database: &Database) {
    let count = u64::try_from(database.count()).unwrap();
    eventually("memory holds everybody", || replica.metric("pouco_search_index_people ") == count);
    eventually("searches are answered from there", || replica.metric("pouco_search_index_complete ") == 1);
}

/// The backends of replicas, those of feeds only or all.
fn backends(client: &mut Client, only_feeds: bool) -> Vec<i32> {
    let sql =
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'pouco' AND datname = current_database()
               AND (NOT $1 OR query LIKE '%feed%')";
    client.query(sql, &[&only_feeds]).unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn a_replica_that_starts_late_knows_everybody() {
    let database = Database::create();
    let first = Replica::start(&database);
    let mut connection = first.api.connect();
    let location = created(&mut connection, "by-the-first");
    database.execute(&insert_many("crowd-", 3_000));
    let late = Replica::start(&database);
    wait_until_complete(&late, &database);
    let mut connection = late.api.connect();
    assert_eq!(found(&mut connection, "by-the-fir"), ["by-the-first"]);
    assert_eq!(found(&mut connection, "crowd-002999"), ["crowd-002999"]);
    assert_eq!(late.get(&location).status, 200);
}

/// Three transactions that interleave, with savepoints; the one that began first commits last, one is rolled
/// back. What commits around them is found meanwhile, and in the end memory holds exactly the table.
#[test]
fn commits_out_of_order_are_all_found() {
    let database = Database::create();
    let replica = Replica::start(&database);
    let (mut one, mut two, mut three) = (database.client(), database.client(), database.client());
    let mut fast = database.client();
    for round in 0..3 {
        let nick = |name: &str| format!("{name}-{round}");
        one.batch_execute(&format!("BEGIN; {}", insert(&nick("one-a")))).unwrap();
        two.batch_execute(&format!(
            "BEGIN; {} SAVEPOINT s; {}",
            insert(&nick("two-a")),
            insert(&nick("two-b"))
        ))
        .unwrap();
        fast.batch_execute(&insert(&nick("fast-a"))).unwrap();
        wait_until_found(&replica, &nick("fast-a"));
        three.batch_execute(&format!("BEGIN; {}", insert(&nick("three-a")))).unwrap();
        two.batch_execute(&format!("ROLLBACK TO s; {} COMMIT", insert(&nick("two-c")))).unwrap();
        wait_until_found(&replica, &nick("two-a"));
        wait_until_found(&replica, &nick("two-c"));
        three.batch_execute("ROLLBACK").unwrap();
        fast.batch_execute(&insert(&nick("fast-b"))).unwrap();
        wait_until_found(&replica, &nick("fast-b"));
        one.batch_execute(&format!("SAVEPOINT s; {} COMMIT", insert(&nick("one-b")))).unwrap();
        wait_until_found(&replica, &nick("one-a"));
        wait_until_found(&replica, &nick("one-b"));
    }
    wait_until_complete(&replica, &database);
    let rows = database.client().query("SELECT apelido FROM people", &[]).unwrap();
    let stored: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    let known: BTreeSet<String> = found(&mut replica.api.connect(), "barbosa").into_iter().collect();
    assert_eq!(known, stored);
    assert_eq!(stored.len(), 3 * 6);
}

/// Whoever holds a transaction id (CREATE INDEX, a migration) freezes the horizon. The others' people are
/// found nevertheless, also those of a replica; nothing is missing once it has ended.
#[test]
fn an_open_transaction_blinds_nobody() {
    let database = Database::create();
    let (one, other) = (Replica::start(&database), Replica::start(&database));
    let mut open = database.client();
    open.batch_execute("BEGIN; SELECT pg_current_xact_id()").unwrap();
    let mut connection = one.api.connect();
    for number in 0..10 {
        let nick = format!("meanwhile-{number}");
        created(&mut connection, &nick);
        wait_until_found(&other, &nick);
    }
    open.batch_execute(&format!("{} COMMIT", insert("the-holder"))).unwrap();
    for replica in [&one, &other] {
        wait_until_found(replica, "the-holder");
        wait_until_complete(replica, &database);
    }
}

/// User and system time of a process, in hundredths of a second (the kernel's USER_HZ on every platform in
/// use).
fn cpu_centiseconds(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// While the horizon is frozen the window only grows, and each poll reads all of it: the feed rests in
/// proportion, so it takes a small part of a core, and it is slow but not blind.
#[test]
fn a_frozen_horizon_has_its_price_bounded() {
    const WINDOW: Duration = Duration::from_secs(3);
    let database = Database::create();
    let replica = Replica::start_with(&database, &[("POUCO_FEED_INTERVAL_MS", "10")]);
    let mut open = database.client();
    open.batch_execute("BEGIN; SELECT pg_current_xact_id()").unwrap();
    let mut client = database.client();
    client.batch_execute(&insert_many("window-", 5_000)).unwrap();
    wait_until_complete(&replica, &database);
    let pids = backends(&mut client, true);
    let [feed] = pids[..] else { panic!("one feed: {pids:?}") };
    // The reading costs the replica more than the backend.
    let spent = || cpu_centiseconds(feed) + cpu_centiseconds(replica.pid().as_raw_nonzero().get());
    let (began, before) = (Instant::now(), spent());
    // Time itself is what is measured.
    thread::sleep(WINDOW);
    let spent = Duration::from_millis(10 * (spent() - before));
    let share = spent.as_secs_f64() / began.elapsed().as_secs_f64();
    println!("the feed takes {:.1} % of a core", 100.0 * share);
    assert!(share < 0.25, "{share}");
    client.batch_execute(&insert("still-found")).unwrap();
    wait_until_found(&replica, "still-found");
    open.batch_execute("ROLLBACK").unwrap();
}

/// Every connection of a replica is ended again and again while people are created elsewhere.
#[test]
fn a_feed_that_loses_its_connection_catches_up() {
    let database = Database::create();
    let replica = Replica::start(&database);
    let mut client = database.client();
    for round in 0..5 {
        client.batch_execute(&insert(&format!("before-{round}"))).unwrap();
        let pids = backends(&mut client, false);
        assert!(!pids.is_empty());
        client
            .execute("SELECT pg_terminate_backend(pid, 10000) FROM unnest($1::int[]) AS pid", &[&pids])
            .unwrap();
        client.batch_execute(&insert(&format!("after-{round}"))).unwrap();
        wait_until_found(&replica, &format!("before-{round}"));
        wait_until_found(&replica, &format!("after-{round}"));
        created(&mut replica.api.connect(), &format!("created-{round}"));
    }
    wait_until_complete(&replica, &database);
}

#[test]
fn a_feed_that_falls_behind_catches_up_completely() {
    let database = Database::create();
    let replica = Replica::start(&database);
    wait_until_complete(&replica, &database);
    let mut client = database.client();
    client.batch_execute(&insert_many("flood-", 10_000)).unwrap();
    wait_until_complete(&replica, &database);
    let mut connection = replica.api.connect();
    for number in [0, 1, 4_999, 9_998, 9_999] {
        let nick = format!("flood-{number:06}");
        assert_eq!(found(&mut connection, &nick), [nick]);
    }
}

#[test]
fn three_replicas_know_what_each_of_them_makes() {
    let database = Database::create();
    let replicas = [0, 1, 2].map(|_| Replica::start(&database));
    thread::scope(|scope| {
        for (index, replica) in replicas.iter().enumerate() {
            let replicas = &replicas;
            scope.spawn(move || {
                let mut own = replica.api.connect();
                let mut others: Vec<_> = replicas.iter().map(|other| other.api.connect()).collect();
                for number in 0..30 {
                    let location = created(&mut own, &format!("made-{index}-{number:02}"));
                    for other in &mut others {
                        assert_eq!(other.request("GET", &location, "").status, 200, "at once, by id");
                    }
                }
            });
        }
    });
    assert_eq!(database.count(), 90);
    for replica in &replicas {
        wait_until_complete(replica, &database);
        for index in 0..3 {
            let mut nicks = found(&mut replica.api.connect(), &format!("made-{index}-"));
            nicks.sort();
            let expected: Vec<String> = (0..30).map(|number| format!("made-{index}-{number:02}")).collect();
            assert_eq!(nicks, expected);
        }
    }
}

/// By id at once; by search with one of the next polls, of which the first may have begun before.
#[test]
fn another_replica_finds_what_was_created_soon() {
    let database = Database::create();
    let (one, other) = (Replica::start(&database), Replica::start(&database));
    let (mut here, mut there) = (one.api.connect(), other.api.connect());
    let polls = || other.metric("pouco_feed_polls_total");
    for number in 0..50 {
        let nick = format!("soon-{number:02}");
        let location = created(&mut here, &nick);
        let before = polls();
        assert_eq!(there.request("GET", &location, "").status, 200);
        eventually("it is found by search", || {
            let passed = polls() - before;
            let is_found = found(&mut there, &nick) == [nick.as_str()];
            assert!(is_found || passed < 3, "not found after {passed} polls");
            is_found
        });
    }
}

/// The same new nickname from many clients at the same moment, on two replicas, while others look for it: one
/// 201, and its `Location` is what both replicas have. Somebody else may write what is no person. The feed
/// goes on, those who come after it are found, and nobody sees it.
#[test]
fn a_row_that_is_no_person_does_not_end_the_feed() {
    let database = Database::create();
    let replica = Replica::start(&database);
    let mut client = database.client();
    for broken in ["'infinity', NULL", "'1985-09-23', '{a,NULL}'"] {
        let sql = "INSERT INTO people (id, apelido, nome, nascimento, stack) VALUES";
        let id: String = client
            .query_one(
                &format!(
                    "{sql} (gen_random_uuid(), gen_random_uuid()::text, 'x', {broken}) RETURNING id::text"
                ),
                &[],
            )
            .unwrap()
            .get(0);
        assert_eq!(replica.get(&format!("/pessoas/{id}")).status, 404);
        let after = format!("after{}", broken.len());
        client.batch_execute(&insert(&after)).unwrap();
        wait_until_found(&replica, &after);
    }
}

/// A database that was restored from another cluster's dump has transactions' numbers that are still to come.
/// Its rows are read once, and not again by every poll.
#[test]
fn rows_of_a_restored_database_are_read_once() {
    let database = Database::create();
    drop(Replica::start(&database));
    let mut client = database.client();
    client.batch_execute(&insert_many("old", 500)).unwrap();
    client.batch_execute("UPDATE people SET feed = 1000000000000").unwrap();
    let replica = Replica::start(&database);
    wait_until_complete(&replica, &database);
    let (rows, polls) = (replica.metric("pouco_feed_rows_total"), replica.metric("pouco_feed_polls_total"));
    client.batch_execute(&insert("new")).unwrap();
    wait_until_found(&replica, "new");
    eventually("some polls more", || replica.metric("pouco_feed_polls_total") > polls + 5);
    assert!(replica.metric("pouco_feed_rows_total") < rows + 100);
}

#[test]
fn of_creations_at_the_same_moment_one_is_accepted() {
    const CLIENTS: usize = 8;
    const ROUNDS: usize = 40;
    let database = Database::create();
    let replicas = [Replica::start(&database), Replica::start(&database)];
    let start = Barrier::new(CLIENTS);
    let accepted: Vec<Vec<Option<String>>> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (mut connection, start) = (replicas[client % 2].api.connect(), &start);
                scope.spawn(move || {
                    let round = |round: usize| {
                        let nick = format!("race-{round:02}");
                        start.wait();
                        let answer = connection.request("POST", "/pessoas", &person(&nick));
                        let location = answer.header("location").map(str::to_owned);
                        match answer.status {
                            201 => assert_eq!(
                                connection.request("GET", location.as_ref().unwrap(), "").status,
                                200
                            ),
                            422 => assert_eq!(answer.json()["field"], "apelido"),
                            other => panic!("{nick}: {other} {}", answer.text()),
                        }
                        assert!(found(&mut connection, &nick).len() <= 1);
                        location
                    };
                    (0..ROUNDS).map(round).collect()
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    for round in 0..ROUNDS {
        let nick = format!("race-{round:02}");
        let winners: Vec<&String> = accepted.iter().filter_map(|client| client[round].as_ref()).collect();
        let [location] = winners[..] else { panic!("{nick}: {winners:?}") };
        for replica in &replicas {
            assert_eq!(replica.get(location).json()["apelido"], nick);
            wait_until_found(replica, &nick);
            let person = &replica.get(&format!("/pessoas?t={nick}")).json()[0];
            assert_eq!(format!("/pessoas/{}", person["id"].as_str().unwrap()), *location);
        }
    }
    assert_eq!(database.count(), ROUNDS as i64);
}

/// A nickname that only the other replica knows yet, and one that both know.
#[test]
fn a_nickname_that_only_the_other_replica_knows_is_taken() {
    let database = Database::create();
    let (one, other) = (Replica::start(&database), Replica::start(&database));
    let (mut here, mut there) = (one.api.connect(), other.api.connect());
    for number in 0..30 {
        let nick = format!("taken-{number:02}");
        let location = created(&mut here, &nick);
        for _ in 0..2 {
            let answer = there.request("POST", "/pessoas", &person(&nick));
            assert_eq!((answer.status, answer.json()["field"].as_str()), (422, Some("apelido")));
            assert_eq!(there.request("GET", &location, "").status, 200);
            wait_until_found(&other, &nick);
        }
    }
    assert_eq!(database.count(), 30);
}
