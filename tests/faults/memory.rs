//! A replica that may not have more memory than its settings account for, with everything full that can be.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::fault::RECOVERY;
use crate::harness::hostile::PREFIX;
use crate::harness::load::client;
use crate::harness::postgres::Postgres;
use crate::harness::promised;
use crate::harness::run::Run;
use crate::harness::stack::Stack;
use crate::{CLIENTS, finish, setup, start};

/// How often everything is filled.
const ROUNDS: u32 = 2;

const CONNECTIONS: u64 = 400;
const BODY_BYTES: u64 = 64 * 1024;
/// Room for the bodies of a third of the connections at once.
const REQUEST_BYTES: u64 = 16 * 1024 * 1024;
/// Of answers that their clients have not taken.
const ANSWER_BYTES: u64 = 1024 * 1024;
/// Room for a third of the people that come at once.
const QUEUE_BYTES: u64 = 256 * 1024;
const CACHE_BYTES: u64 = 1024 * 1024;
/// Within it the queue must have become full, also on a busy machine.
const COMMIT_DEADLINE_MS: u64 = 3_000;

/// Of a connection: the stack of its coroutine (unoptimised code has a larger one) and its two buffers.
const CONNECTION_BYTES: u64 = pouco::limits::COROUTINE_STACK_BYTES as u64 + 4_096 + 2 * 8 * 1024;

/// Threads with their stacks, the program itself, what the allocator cannot give back, one answer of a feed.
const OTHER_BYTES: u64 = 32 * 1024 * 1024;

/// Everything that the settings allow at once.
const LIMIT_BYTES: u64 = CONNECTIONS * CONNECTION_BYTES
    + REQUEST_BYTES
    + ANSWER_BYTES
    + 2 * QUEUE_BYTES
    + 2 * CACHE_BYTES
    + OTHER_BYTES;

/// What the kernel counts against the limit.
fn data_bytes(run: &Run, replica: usize) -> u64 {
    let pid = run.stack.replicas[replica].pid().unwrap().as_raw_nonzero();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn a_replica_at_its_memory_limit_refuses_and_lives() {
    let mut setup = setup()
        .set("POUCO_MAX_CONNECTIONS", CONNECTIONS)
        .set("POUCO_MAX_BODY_BYTES", BODY_BYTES)
        .set("POUCO_MAX_REQUEST_BYTES", REQUEST_BYTES)
        .set("POUCO_MAX_ANSWER_BYTES", ANSWER_BYTES)
        .set("POUCO_COMMIT_QUEUE_BYTES", QUEUE_BYTES)
        .set("POUCO_CACHE_BYTES", CACHE_BYTES)
        .set("POUCO_COMMIT_DEADLINE_MS", COMMIT_DEADLINE_MS)
        .set("POUCO_BODY_TIMEOUT_MS", 2_000);
    // The crowd's people are large, and the index may be given up for them.
    setup.fits = false;
    setup.before = Some(format!("ulimit -d {} || exit 1", LIMIT_BYTES / 1024));
    let mut run = start(&setup);
    let idle = data_bytes(&run, 0);

    let paused = run.stack.postgres.pause().unwrap();
    let mut peak = [0, 0];
    for _ in 0..ROUNDS {
        let (stack, both) = (&run.stack, &run);
        std::thread::scope(|scope| {
            for (replica, peak) in peak.iter_mut().enumerate() {
                scope.spawn(move || {
                    let mut full = crowd(stack, replica);
                    *peak = data_bytes(both, replica).max(*peak);
                    // The bound holds, and it is what refused.
                    assert!(metric(stack, replica, "pouco_commit_waiting_bytes") <= QUEUE_BYTES);
                    assert!(metric(stack, replica, "pouco_commit_queue_full_total") > 0);
                    let refused = refused(&mut full);
                    assert!(refused > 0, "all of {} were taken in", full.len());
                });
            }
        });
    }
    Postgres::resume(&paused);
    let resumed = run.history.now();
    let took = run.wait_for_both(resumed, "the memory was full", RECOVERY);
    println!(
        "memory: {} KiB idle, {} and {} KiB full, limit {} KiB; recovered after {took:.0?}",
        idle / 1024,
        peak[0] / 1024,
        peak[1] / 1024,
        LIMIT_BYTES / 1024
    );
    assert!(peak.iter().all(|peak| *peak > idle), "nothing was full");
    run.work_on();
    finish("memory", run);
}

/// As many connections as are let in, half with a body that lacks its end, half with a whole one for the
/// commit queue: the largest person that is taken, and a member that fills the body and that nobody reads.
fn crowd(stack: &Stack, replica: usize) -> Vec<UnixStream> {
    let (languages, unread) = (vec!["a".repeat(32); 128], "b".repeat(56 * 1024));
    let person = json!({
        "apelido": "NICKNAME", "nome": "x", "nascimento": "2000-02-28", "stack": languages, "unread": unread
    });
    let person = person.to_string();
    assert!((BODY_BYTES * 9 / 10..BODY_BYTES).contains(&(person.len() as u64)), "{}", person.len());
    let connect = |number: u64| {
        let body = person.replacen("NICKNAME", &format!("{PREFIX}{number}"), 1);
        let end = if number.is_multiple_of(2) { body.len() - 1 } else { body.len() };
        let head = format!("POST /pessoas HTTP/1.1\r\nHost: big\r\nContent-Length: {}\r\n\r\n", body.len());
        let mut stream = UnixStream::connect(stack.api(replica)).unwrap();
        stream.set_write_timeout(Some(promised(5_000))).unwrap();
        // To whom is refused early it may fail.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body.as_bytes()[..end]));
        stream
    };
    (0..CONNECTIONS - CLIENTS as u64).map(connect).collect()
}

/// How many of them get a 503 within the deadline. Of those with a whole body only what was sent to Postgres,
/// which stands still, gets nothing.
fn refused(crowd: &mut [UnixStream]) -> usize {
    let deadline = Instant::now() + Duration::from_millis(COMMIT_DEADLINE_MS) + promised(1_000);
    let mut refused = 0;
    for stream in crowd.iter_mut().skip(1).step_by(2) {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left)).unwrap();
        let mut start = [0; 12];
        if stream.read_exact(&mut start).is_ok() {
            assert_eq!(&start, b"HTTP/1.1 503", "{}", start.escape_ascii());
            refused += 1;
        }
    }
    refused
}

/// What the replica says of itself, which it does however full it is.
fn metric(stack: &Stack, replica: usize, name: &str) -> u64 {
    let answer = client(&stack.admin(replica)).get("/metrics").unwrap();
    assert_eq!(answer.status, 200);
    let text = String::from_utf8(answer.body).unwrap();
    let value = text
        .lines()
        .find(|line| line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} ")));
    value.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}
