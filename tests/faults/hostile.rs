//! Clients that want it all, threads that stand still, and a disk that hangs: what they cost the others.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::harness::fault::Fault;
use crate::harness::hostile::{Hostile, OTHER_DESCRIPTORS, descriptors};
use crate::harness::load::client;
use crate::harness::measure::Measured;
use crate::harness::promised;
use crate::harness::run::{Run, Verdict};
use crate::harness::stack::Setup;
use crate::harness::volume::Volume;
use crate::{COMMIT_DEADLINE_MS, SILENCE, finish, impatient, sessions, setup, start, within};

/// Bytes that people may take of a replica's memory here.
const INDEX_BYTES: u64 = 16 << 20;

/// How far a client may be behind; and a time in which that has been enforced.
const GRACE_MS: u64 = 1_500;
const HOSTILE: Duration = Duration::from_secs(5);

/// The largest people that are sent. Unoptimised code takes long for each; the long run sends a thousand.
const LARGE: u64 = 250;

/// Connections that a replica allows, and those of one address, which may have half. Unoptimised code takes
/// long for each; the long run has 16,000. Both sides need a descriptor for each.
const CONNECTIONS: usize = 5_000;
const IDLE: usize = 6_000;

/// Which replica it is done to.
const VICTIM: usize = 0;

/// One attack at a time: beside another one no figure would say whose it is.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    // One that failed has told so itself.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hostile() -> Setup {
    let mut setup = setup()
        .set("POUCO_CACHE_BYTES", INDEX_BYTES)
        .set("POUCO_WRITE_TIMEOUT_MS", GRACE_MS)
        .set("POUCO_RATE_GRACE_MS", GRACE_MS);
    // It is judged by itself whether the index is complete, or given up by right.
    setup.fits = false;
    setup
}

/// The verdict, and what was measured of the last fault.
fn told(name: &str, run: Run) -> (Verdict, Measured) {
    for measured in run.measured() {
        println!("{}", measured.line());
    }
    let verdict = finish(name, run);
    let measured = verdict.measured.last().unwrap().clone();
    (verdict, measured)
}

#[test]
fn slow_readers_take_no_memory_and_nobody_s_time() {
    let _alone = alone();
    let mut run = start(&hostile());
    run.inject(Fault::Hostile(VICTIM, Hostile::SlowReaders(HOSTILE))).unwrap();
    let (_, measured) = told("slow readers", run);
    // By the server's word: who was cut late may not have seen it yet.
    assert!(measured.counted >= 100.0, "of 150 that read nothing too few were refused or cut: {measured:?}");
}

#[test]
fn large_creations_leave_an_index_that_is_complete_or_given_up() {
    let _alone = alone();
    let mut run = start(&hostile());
    run.inject(Fault::Hostile(VICTIM, Hostile::LargeCreations(LARGE))).unwrap();
    let (_, measured) = told("large creations", run);
    assert!(measured.hostile.created >= LARGE / 2, "hardly anybody was created: {:?}", measured.hostile);
}

#[test]
fn idle_connections_of_one_address_leave_room_for_others() {
    let _alone = alone();
    let allowed = descriptors();
    assert!(allowed >= IDLE as u64 + OTHER_DESCRIPTORS, "{allowed} open files are too few for this test");
    let mut run = start(&hostile().set("POUCO_MAX_CONNECTIONS", CONNECTIONS));
    run.inject(Fault::Hostile(VICTIM, Hostile::Idle(IDLE, Duration::from_secs(2)))).unwrap();
    let (_, measured) = told("idle connections", run);
    // Who comes so late that an earlier one has timed out is served by right.
    let over = u32::try_from(IDLE - CONNECTIONS / 2).unwrap();
    assert!(measured.counted >= f64::from(over), "{measured:?}");
}

#[test]
fn who_pipelines_without_an_end_has_no_more_than_his_turn() {
    let _alone = alone();
    let mut run = start(&hostile());
    run.inject(Fault::Hostile(VICTIM, Hostile::Pipelining(promised(30_000)))).unwrap();
    let (_, measured) = told("pipelining", run);
    assert!(measured.hostile.cut > 0, "who reads nothing was not cut: {:?}", measured.hostile);
}

#[test]
fn a_thread_that_stands_still_costs_only_time() {
    let mut run = start(&setup());
    run.inject(Fault::StallThreads(VICTIM, Duration::from_millis(300))).unwrap();
    told("threads stalled", run);
}

#[test]
fn a_thread_that_aborts_takes_the_process_along_which_is_started_again() {
    let mut run = start(&setup());
    let starts = run.stack.replicas[VICTIM].starts();
    run.inject(Fault::Abort(VICTIM)).unwrap();
    assert_eq!(run.stack.replicas[VICTIM].starts(), starts + 1);
    told("a thread aborted", run);
}

/// The loop that accepts panics where there is no stack to be had; or the process ends.
#[test]
fn without_memory_for_stacks_a_replica_serves_again_once_there_is_some() {
    let mut run = start(&setup());
    let starts = run.stack.replicas[VICTIM].starts();
    run.inject(Fault::Starve(VICTIM, Duration::from_millis(500))).unwrap();
    let (restarts, logs) = (run.stack.replicas[VICTIM].starts() - starts, run.stack.logs());
    let panics = logs.matches("panicked").count();
    println!("no memory for stacks: {panics} panics, started again {restarts} times");
    assert!(panics > 0 || restarts > 0 || logs.contains("out of memory"), "there was memory for all: {logs}");
    told("no memory for stacks", run);
}

/// With Postgres's data on a disk that can be stalled; `None` if there cannot be one here.
fn on_a_volume(mut setup: Setup) -> Option<(Volume, Setup)> {
    match Volume::mount() {
        Ok(volume) => {
            (setup.data, setup.volume) = (Some(volume.path().join("data")), Some(volume.path()));
            Some((volume, setup))
        }
        Err(error) => {
            crate::skipped(&format!("a test of a disk that hangs needs an ext4 on a loop device: {error}"));
            None
        }
    }
}

/// Its statements are silent, and the server is not: a second session is answered.
#[test]
fn a_disk_that_hangs_for_many_silences_leaves_no_doubt() {
    let Some((volume, setup)) = on_a_volume(impatient()) else { return };
    let mut run = start(&setup);
    let usual = sessions(&run);
    run.inject(Fault::StallDisk(SILENCE * 15)).unwrap();
    let back = within(promised(6_000), || (sessions(&run) <= usual).then_some(()));
    assert!(back.is_some(), "{} sessions, {usual} usually", sessions(&run));
    told("disk stalled for many silences", run);
    drop(volume);
}

#[test]
fn while_a_disk_hangs_memory_answers_and_nothing_is_lost() {
    let Some((volume, setup)) = on_a_volume(setup()) else { return };
    let mut run = start(&setup);
    let known = run.history.attempts().iter().find_map(|attempt| attempt.acknowledged()).unwrap();
    let (api, mut operator) = (run.stack.api(VICTIM), client(&run.stack.admin(VICTIM)));
    let reading = std::thread::spawn(move || {
        // In the middle of it, by the replica's own word.
        let told =
            within(promised(10_000), || operator.get("/readyz").ok().filter(|answer| answer.status == 503));
        assert!(told.is_some(), "/readyz says that all is well");
        let mut client = client(&api);
        [format!("/pessoas/{known}"), "/pessoas?t=unique".into()]
            .map(|path| client.get(&path).unwrap().status)
    });
    let stalled = run.inject(Fault::StallDisk(Duration::from_secs(5))).unwrap();
    assert_eq!(reading.join().unwrap(), [200, 200]);
    let meanwhile = run.history.ended_in(stalled.began, stalled.ended);
    let refused: Vec<_> = meanwhile.iter().filter(|attempt| attempt.status() == Some(503)).collect();
    println!("disk stalled: {} refused of {}", refused.len(), meanwhile.len());
    assert!(!refused.is_empty(), "nobody was refused: nothing hung");
    for attempt in refused {
        assert!(
            attempt.ended - attempt.began < Duration::from_millis(COMMIT_DEADLINE_MS) + promised(700),
            "{attempt:?}"
        );
    }
    let (verdict, _) = told("disk stalled", run);
    assert!(verdict.attempts.iter().all(|attempt| !attempt.is_unknown()), "a replica knows every outcome");
    drop(volume);
}
