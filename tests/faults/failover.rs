//! A standby that takes over, synchronous and asynchronous, and what an old primary and a missing standby do.

use std::thread;
use std::time::{Duration, Instant};

use crate::crash::histories;
use crate::harness::aborts::Commits;
use crate::harness::fault::{Fault, RECOVERY};
use crate::harness::stack::Setup;
use crate::harness::standby::{Mode, wait_until_streaming};
use crate::{SILENCE, finish, impatient, sessions, start};

/// How many silences the synchronous standby is away.
const MISSING_FOR: u32 = 30;

fn with_standby(mode: Mode) -> Setup {
    let mut setup = impatient();
    setup.standby = Some(mode);
    setup
}

#[test]
fn a_synchronous_standby_takes_over_in_the_middle_of_commits() {
    let mut run = start(&with_standby(Mode::Synchronous));
    run.inject(Fault::FailOver(Commits::GoOn)).unwrap();
    finish("synchronous standby promoted", run);
}

#[test]
fn a_synchronous_standby_takes_over_after_aborts() {
    let mut run = start(&with_standby(Mode::Synchronous));
    run.inject(Fault::FailOver(Commits::Wait)).unwrap();
    finish("synchronous standby promoted after aborts", run);
}

#[test]
fn an_asynchronous_standby_takes_over_and_nobody_of_the_lost_tail_is_known() {
    let mut run = start(&with_standby(Mode::Asynchronous));
    run.inject(Fault::FailOver(Commits::GoOn)).unwrap();
    let noticed = histories(&run);
    let verdict = finish("asynchronous standby promoted", run);
    assert!(noticed.iter().all(|times| times.is_some_and(|times| times >= 1.0)), "{noticed:?}");
    let stored = |id| verdict.rows.iter().any(|row| row.id == id);
    let acknowledged = verdict.attempts.iter().filter_map(|attempt| attempt.acknowledged());
    let lost = acknowledged.filter(|id| !stored(*id)).count();
    assert!(lost > 20, "only {lost} were lost: the fault was none");
}

#[test]
fn an_old_primary_that_comes_back_read_only_is_left_alone() {
    let mut run = start(&with_standby(Mode::Synchronous));
    run.inject(Fault::FailOver(Commits::GoOn)).unwrap();
    // It is the first of the hosts, and every new session meets it.
    run.inject(Fault::ComeBackFenced).unwrap();
    run.inject(Fault::EndBackends(Duration::from_millis(500))).unwrap();
    finish("old primary back", run);
}

#[test]
fn a_frozen_primary_is_left_for_the_promoted_standby() {
    let mut run = start(&with_standby(Mode::Synchronous));
    run.inject(Fault::FailOverFrozen).unwrap();
    // Nobody may find it alive again: with the standby gone nothing tells it that it is the old one.
    run.stack.postgres.kill().unwrap();
    finish("frozen primary", run);
}

#[test]
fn without_its_synchronous_standby_a_primary_is_not_flooded_with_sessions() {
    let mut run = start(&with_standby(Mode::Synchronous));
    let usual = sessions(&run);
    let missing_from = run.history.now();
    let (_, standby) = run.stack.standby.as_ref().unwrap();
    standby.hold();
    standby.stop_in_order().unwrap();
    let until = Instant::now() + SILENCE * MISSING_FOR;
    let mut most = usual;
    while Instant::now() < until {
        thread::park_timeout(SILENCE / 4);
        most = most.max(sessions(&run));
    }
    println!("standby missing: {usual} sessions usually, at most {most}");
    // A session a lane, and one that was given up.
    assert!(most <= 2 * usual, "{most} sessions, {usual} usually");
    let missing = run.history.ended_in(missing_from + SILENCE, run.history.now());
    assert!(missing.iter().any(|attempt| attempt.status() == Some(503)), "nobody was refused");
    standby.release();
    standby.wait_until_ready().unwrap();
    wait_until_streaming(run.stack.primary(), Mode::Synchronous).unwrap();
    let back = run.history.now();
    run.wait_for_both(back, "the standby was missing", RECOVERY);
    run.work_on();
    finish("standby missing", run);
}
