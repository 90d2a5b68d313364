//! What a replica says of itself to operators and to balancers, while its Postgres goes, stands still, and
//! comes back.
#![allow(clippy::unwrap_used)]

use std::thread;

use pouco_tools::support::replica::command;
use pouco_tools::support::{Answer, Connection, Database, Relay, Replica, eventually, person};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn reasons(answer: &Answer) -> Vec<Value> {
    answer.json()["reasons"].as_array().cloned().unwrap_or_default()
}

fn wait_until_ready(replica: &Replica) {
    eventually("it is ready", || {
        let answer = replica.admin.get("/readyz");
        assert_eq!(answer.status == 200, answer.text() == r#"{"status":"ready"}"#, "{}", answer.text());
        answer.status == 200
    });
    assert_eq!(replica.admin.get("/readyz?traffic").status, 200);
}

/// The reason as it is told.
fn wait_for_reason(replica: &Replica, wanted: &str) -> Value {
    let mut found = None;
    eventually(&format!("{wanted} is a reason"), || {
        let answer = replica.admin.get("/readyz");
        assert_eq!(replica.admin.get("/readyz?traffic").status, 200, "no other replica would do better");
        found = reasons(&answer).into_iter().find(|one| answer.status == 503 && one["reason"] == wanted);
        found.is_some()
    });
    found.unwrap()
}

const POLL: &str = "the last poll of the feed is old";
const QUEUE: &str = "a creation has waited for long";

fn created(connection: &mut Connection, nick: &str) -> Answer {
    connection.request("POST", "/pessoas", &person(nick))
}

/// Reads go on from memory, so balancers leave it in; operators are told what is wrong and for how long.
#[test]
fn a_silent_postgres_is_told_to_operators_and_not_to_balancers() {
    let database = Database::create();
    let relay = Relay::to(&database);
    let mut command = command();
    let settings = [("DATABASE_URL", relay.url()), ("POUCO_SILENCE_MS", "500".into())];
    let replica = Replica::spawn(command.envs(settings));
    let mut connection = replica.api.connect();
    let location = created(&mut connection, "ana").header("location").unwrap().to_owned();
    wait_until_ready(&replica);
    relay.stop();
    wait_for_reason(&replica, POLL);
    let api = replica.api.clone();
    let sent = thread::spawn(move || created(&mut api.connect(), "bia"));
    let age = wait_for_reason(&replica, QUEUE);
    assert!(age["age_ms"].as_u64() > age["limit_ms"].as_u64(), "{age}");
    assert_eq!(age["part"], "people");
    assert_eq!(replica.get(&location).status, 200);
    assert_eq!(replica.get("/pessoas?t=ana").json().as_array().unwrap().len(), 1);
    relay.repair();
    // Sent before its deadline it is stored, otherwise it is refused; either is true.
    let answer = sent.join().unwrap();
    assert!(matches!(answer.status, 201 | 503), "{}", answer.text());
    wait_until_ready(&replica);
    assert_eq!(created(&mut connection, "cai").status, 201);
}

/// ... also where the kernel takes connections for it, and even sign-in waits for ever.
#[test]
fn a_postgres_that_stands_still_is_found_out_and_comes_back() {
    let database = Database::create_with(&[]);
    let replica = Replica::start_with(&database, &[("POUCO_SILENCE_MS", "500")]);
    wait_until_ready(&replica);
    let client = database.client();
    let pids = processes(&database);
    pids.iter().for_each(|pid| kill_process(*pid, Signal::STOP).unwrap());
    wait_for_reason(&replica, POLL);
    eventually("a session is left", || replica.metric("pouco_database_silences_total ") >= 1);
    pids.iter().rev().for_each(|pid| kill_process(*pid, Signal::CONT).unwrap());
    wait_until_ready(&replica);
    assert_eq!(created(&mut replica.api.connect(), "ana").status, 201);
    assert_eq!(replica.metric("pouco_database_histories_total "), 0, "nothing was lost");
    drop(client);
}

/// ... also where no feed looks at it ten times a second, and every session is idle. It lives nevertheless.
#[test]
fn a_postgres_that_stands_still_is_found_out_by_who_asks() {
    for apis in ["users", "inventory", "people"] {
        let database = Database::create_with(&[]);
        let replica = Replica::start_with(&database, &[("POUCO_APIS", apis)]);
        wait_until_ready(&replica);
        let pids = processes(&database);
        pids.iter().for_each(|pid| kill_process(*pid, Signal::STOP).unwrap());
        // Only who has asked it says so; what looks at idle sessions finds them lost.
        wait_for_reason(&replica, "Postgres does not answer");
        assert_eq!(replica.admin.get("/healthz").status, 200);
        pids.iter().rev().for_each(|pid| kill_process(*pid, Signal::CONT).unwrap());
        wait_until_ready(&replica);
        kill_process(pids[0], Signal::QUIT).unwrap();
        eventually("it is not ready", || replica.admin.get("/readyz").status == 503);
        assert_eq!(replica.admin.get("/healthz").status, 200);
    }
}

/// A cluster whose members answer, and none of which is the primary, as long as that lasts: creations are
/// refused and told when to come again, no more of them wait than may, memory is read, and all of it ends by
/// itself.
#[test]
fn a_cluster_without_a_leader_refuses_what_is_written_and_is_written_to_again() {
    let database = Database::create();
    let url = format!("{} target_session_attrs=read-write", database.url());
    let settings = [("POUCO_COMMIT_DEADLINE_MS", "1000"), ("POUCO_COMMIT_QUEUE_ROWS", "4")];
    let mut command = command();
    let replica = Replica::spawn(command.envs(settings).env("DATABASE_URL", url));
    let location = created(&mut replica.api.connect(), "ana").header("location").unwrap().to_owned();
    wait_until_ready(&replica);
    let lead = |is_led: &str| {
        let sql = format!(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {is_led}', current_database()); END $$;
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'pouco'"
        );
        let mut client = database.client();
        client.batch_execute("SET default_transaction_read_only = off").unwrap();
        client.batch_execute(&sql).unwrap();
    };
    lead("SET default_transaction_read_only = on");
    wait_for_reason(&replica, POLL);
    for round in 0..3 {
        let send = |number| {
            let api = replica.api.clone();
            thread::spawn(move || created(&mut api.connect(), &format!("bia-{round}-{number}")))
        };
        let sent: Vec<_> = (0..12).map(send).collect();
        for answer in sent.into_iter().map(|sent| sent.join().unwrap()) {
            assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true));
        }
        let refused = ["queue_full", "expired"].map(|why| {
            let metric = format!("pouco_commit_{why}_total{{table=\"people\"}}");
            replica.metric(&metric)
        });
        assert_eq!(refused.iter().sum::<u64>(), 12 * (round + 1));
        assert_eq!(replica.get(&location).status, 200);
        assert_eq!(replica.get("/pessoas?t=ana").json().as_array().unwrap().len(), 1);
        assert!(!reasons(&replica.admin.get("/readyz")).is_empty(), "it says why");
    }
    lead("RESET default_transaction_read_only");
    wait_until_ready(&replica);
    assert_eq!((created(&mut replica.api.connect(), "cai").status, database.count()), (201, 2));
}

/// The postmaster, who then makes no more of them, and its children.
fn processes(database: &Database) -> Vec<Pid> {
    let postmaster = Pid::from_raw(i32::try_from(database.postmaster()).unwrap()).unwrap();
    kill_process(postmaster, Signal::STOP).unwrap();
    let path = format!("/proc/{0}/task/{0}/children", database.postmaster());
    let children = std::fs::read_to_string(path).unwrap();
    let children = children.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap());
    std::iter::once(postmaster).chain(children).collect()
}

/// A replica that ends says so at once, to everybody, while it finishes what has begun.
#[test]
fn a_replica_that_drains_is_out_of_traffic() {
    let database = Database::create();
    let relay = Relay::to(&database);
    let mut command = command();
    let mut replica = Replica::spawn(command.env("DATABASE_URL", relay.url()));
    wait_until_ready(&replica);
    relay.stop();
    let api = replica.api.clone();
    let sent = thread::spawn(move || created(&mut api.connect(), "ana"));
    eventually("it waits", || replica.metric("pouco_connections_open ") >= 1);
    replica.signal(Signal::TERM);
    eventually("it is out of traffic", || {
        let answer = replica.admin.get("/readyz?traffic");
        answer.status == 503 && reasons(&answer).iter().any(|one| one["reason"] == "it is shutting down")
    });
    relay.repair();
    let answer = sent.join().unwrap();
    assert!(matches!(answer.status, 201 | 503), "{}", answer.text());
    assert!(replica.wait().success());
}
