//! The end of a process whose Postgres does not answer: it comes, and soon.

use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::rig::*;
use crate::support::replica::command;
use crate::support::{Database, Relay, Replica, eventually};
use rustix::process::Signal;

/// Postgres is gone with a row sent: the writer ends nevertheless, and says nothing of that row.
#[test]
fn a_writer_that_cannot_learn_a_fate_ends_with_the_process() {
    let database = database();
    let relay = Relay::to(&database);
    let mut config = relay.config();
    config.connect_timeout(Duration::from_secs(1));
    let mut rig: Rig = Rig::start(config, limits());
    let _other = foreign(&database, &foreign_item("a"));
    let sent = rig.send(item("a"));
    wait_until_blocked(&database);
    relay.stop();
    relay.cut();
    eventually("the connection is lost", || counted(&rig.queue.metrics().uncertain) == 1);
    rig.connector.stop_waiting();
    rig.queue.close();
    let writer = rig.writer.take().unwrap();
    eventually("the writer has ended", || writer.is_finished());
    assert!(!sent.is_finished());
}

/// A Postgres that stands still takes connections (its kernel does) and says nothing.
#[test]
fn a_start_at_a_postgres_that_stands_still_can_be_ended() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("host=127.0.0.1 port={} user=pouco", silent.local_addr().unwrap().port());
    let mut child = command().env("DATABASE_URL", url).spawn().unwrap();
    let _connection = silent.accept().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    let mut status = None;
    eventually("the process has ended", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(1), "nothing was served, so this is no success");
}

/// A replica whose Postgres stands still ends in its time, and in order: nobody is waiting for anything.
#[test]
fn a_replica_whose_postgres_stands_still_ends() {
    let database = Database::create();
    let relay = Relay::to(&database);
    let mut command = command();
    let mut replica = Replica::spawn(command.env("DATABASE_URL", relay.url()));
    assert_eq!(replica.get("/contagem-pessoas").text(), "0");
    relay.stop();
    replica.signal(Signal::TERM);
    assert!(replica.wait().success());
}

/// Rows wait for a Postgres that never comes; the end of the process is their answer.
#[test]
fn rows_that_wait_for_a_first_connection_are_told_of_the_end() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    drop(silent);
    let mut config = postgres::Config::new();
    config.host("127.0.0.1").port(port).user("pouco");
    let rig: Rig = Rig::start(config, limits());
    let (answer, answered) = mpsc::channel();
    let queue = rig.queue.clone();
    thread::spawn(move || answer.send(queue.commit(item("a"))));
    rig.wait_until_waiting(1);
    rig.connector.stop_waiting();
    assert_eq!(answered.recv().unwrap(), Err(pouco::store::Unavailable::ShuttingDown));
}
