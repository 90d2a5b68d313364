//! File descriptors: the limit that the program starts with, and what happens when there are none left.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::client::request_text;
use crate::support::replica::command;
use crate::support::{Connection, Database, Replica, eventually, open_tempdir};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// The program under what `ulimit` sets before it starts.
fn under_ulimit(arguments: &str) -> Command {
    let pouco = command();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit {arguments} && exec \"$0\"")).arg(pouco.get_program());
    for (name, value) in pouco.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// Soft and hard limit of open files of a process.
fn open_files(pid: Pid) -> (String, String) {
    let limits = fs::read_to_string(format!("/proc/{}/limits", pid.as_raw_nonzero())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    (words[3].to_owned(), words[4].to_owned())
}

#[test]
fn the_soft_limit_is_raised_to_the_hard_one() {
    let database = Database::create();
    let replica = Replica::spawn(under_ulimit("-Sn 256").env("DATABASE_URL", database.url()));
    let (soft, hard) = open_files(replica.pid());
    assert_eq!(soft, hard);
    assert_ne!(soft, "256");
    assert!(replica.stop().success());
}

#[test]
fn connections_that_do_not_fit_are_said_at_the_start() {
    let folder = open_tempdir();
    let mut command = under_ulimit("-n 300");
    command.env("DATABASE_URL", format!("host={} user=pouco dbname=pouco", folder.path().display()));
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.map_while(Result::ok).find(|line| line.contains("open files")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let expected = "POUCO_MAX_CONNECTIONS=8000 does not fit into a limit of 300 open files: \
                    raise the hard limit (ulimit -Hn) to 8704, or lower the setting";
    assert!(line.ends_with(expected), "{line}");
}

/// CPU time that a process has used so far.
fn cpu_time(pid: Pid) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
    // The name in parentheses may hold blanks; utime and stime are fields 14 and 15.
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second())
}

/// Lets the process open only so many descriptors more.
fn leave_descriptors(pid: Pid, more: usize) {
    let open = fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero())).unwrap();
    let numbers: HashSet<usize> =
        open.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
    // The limit is on the number of a descriptor, and each new one takes the lowest that is free.
    let last = (0..).filter(|number| !numbers.contains(number)).nth(more - 1).unwrap();
    let limit = Some(last as u64 + 1);
    prlimit(Some(pid), Resource::Nofile, Rlimit { current: limit, maximum: limit }).unwrap();
}

/// A sample, asked for on a connection that is open already.
fn sample(admin: &mut Connection, name: &str) -> usize {
    let answer = admin.request("GET", "/metrics", "");
    let line = answer.text().lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn without_descriptors_accept_backs_off_and_recovers() {
    /// More than can be closed while the CPU is watched: one each 50 ms.
    const CLIENTS: usize = 100;
    let database = Database::create();
    let replica = Replica::start(&database);
    let mut admin = replica.admin.connect();
    let mut served = replica.api.connect();
    assert_eq!(served.request("GET", "/contagem-pessoas", "").status, 200);
    assert_eq!(sample(&mut admin, "pouco_accept_failures_total"), 0);
    leave_descriptors(replica.pid(), 8);

    let mut clients: Vec<Connection> = (0..CLIENTS).map(|_| replica.api.connect()).collect();
    eventually("a descriptor is missing", || sample(&mut admin, "pouco_accept_failures_total") > 0);
    // In the order in which they came: some were accepted, and one is closed by each failure after them.
    let accepted = sample(&mut admin, "pouco_connections_open") - 1;
    assert!((1..50).contains(&accepted), "{accepted} accepted");
    let failures = sample(&mut admin, "pouco_accept_failures_total");
    let (cpu_before, begun) = (cpu_time(replica.pid()), Instant::now());
    for client in &mut clients[accepted..accepted + 25] {
        assert!(client.is_closed());
    }
    let (cpu, took) = (cpu_time(replica.pid()) - cpu_before, begun.elapsed());
    assert!(took > Duration::from_millis(500), "no pause between the failures: {took:?}");
    assert!(cpu < took / 2, "{cpu:?} of CPU in {took:?}");
    assert!(sample(&mut admin, "pouco_accept_failures_total") >= failures + 15);
    assert_eq!(served.request("GET", "/contagem-pessoas", "").status, 200);
    // Who was accepted is served.
    assert_eq!(clients[0].request("GET", "/contagem-pessoas", "").status, 200);

    drop(clients);
    eventually("a new client is served", || {
        let mut connection = replica.api.connect();
        let _ = connection.try_send(request_text("GET", "/contagem-pessoas", ""));
        connection.try_answer_to("GET").is_some_and(|answer| answer.status == 200)
    });
    assert_eq!(served.request("GET", "/contagem-pessoas", "").status, 200);
    assert!(replica.stop().success());
}

/// Bytes that a process has mapped.
fn mapped_bytes(pid: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmSize:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
}

/// Where there is no memory for a stack `may` panics, which once ended the accept loop: the port stayed open,
/// and nobody answered.
#[test]
fn without_memory_for_a_stack_accept_goes_on() {
    let replica = Replica::spawn(command().env("POUCO_APIS", "edge"));
    let mut admin = replica.admin.connect();
    // Its threads and buffers are there before memory is short.
    assert_eq!(sample(&mut admin, "pouco_accept_failures_total"), 0);
    let limit = Some(mapped_bytes(replica.pid()) + (16 << 20));
    prlimit(Some(replica.pid()), Resource::As, Rlimit { current: limit, maximum: limit }).unwrap();
    let clients: Vec<Connection> = (0..400).map(|_| replica.api.connect()).collect();
    eventually("a stack is missing", || sample(&mut admin, "pouco_accept_failures_total") > 0);
    drop(clients);
    eventually("a new client is served", || {
        let mut connection = replica.api.connect();
        let _ = connection.try_send(request_text("GET", "/static-text", ""));
        connection.try_answer_to("GET").is_some_and(|answer| answer.status == 200)
    });
    assert!(replica.stop().success());
}

/// A Unix connection that lasts takes descriptors more. Where there are too few it goes on without, however
/// few they are.
#[test]
fn connections_that_last_go_on_without_descriptors() {
    let database = Database::create();
    for left in 1..=7 {
        let folder = open_tempdir();
        let listen = format!("unix:{}", folder.path().join("api.sock").display());
        let replica = Replica::start_with(&database, &[("POUCO_LISTEN", &listen)]);
        let mut connections: Vec<Connection> = (0..3).map(|_| replica.api.connect()).collect();
        let mut ask = |times: usize| {
            for connection in &mut connections {
                for _ in 0..times {
                    assert_eq!(connection.request("GET", "/nothing", "").status, 404, "with {left} left");
                }
            }
        };
        ask(20);
        leave_descriptors(replica.pid(), left);
        ask(60);
        assert!(replica.stop().success());
    }
}
