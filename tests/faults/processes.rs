//! Replicas and nginx that die or stand still.

use std::time::Duration;

use crate::harness::fault::Fault;
use crate::harness::nginx;
use crate::harness::promised;
use crate::{finish, setup, start};

/// The target that clients of the first replica have.
const FIRST: usize = 0;

#[test]
fn of_a_killed_replica_only_the_requests_under_way_fail() {
    // The other one refuses nobody only because the machine is busy.
    let mut run = start(&setup().set("POUCO_COMMIT_DEADLINE_MS", 20_000));
    let killed = run.inject(Fault::KillReplica(FIRST, Duration::from_millis(500))).unwrap();
    let meanwhile = run.history.ended_in(killed.began, killed.ended);
    let other: Vec<_> = meanwhile.iter().filter(|attempt| attempt.target != FIRST).collect();
    assert!(other.iter().any(|attempt| attempt.status() == Some(201)), "the other replica stood still");
    for attempt in other {
        assert!(matches!(attempt.status(), Some(201 | 422)), "{attempt:?}");
    }
    let verdict = finish("replica killed", run);
    for attempt in verdict.attempts.iter().filter(|attempt| attempt.is_unknown()) {
        assert!(attempt.target == FIRST && attempt.began <= killed.ended, "{attempt:?}");
    }
}

#[test]
fn killed_at_once_both_replicas_are_back_within_three_seconds() {
    let mut run = start(&setup());
    for lasts in [Duration::ZERO, Duration::from_millis(500)] {
        let killed = run.inject(Fault::KillReplicas(lasts)).unwrap();
        for took in killed.recovery {
            assert!(took.is_some_and(|took| took <= promised(3_000)), "{took:?}");
        }
    }
    finish("both replicas killed", run);
}

#[test]
fn a_replica_that_stood_still_or_was_restarted_goes_on() {
    let mut run = start(&setup());
    run.inject(Fault::PauseReplica(FIRST, Duration::from_millis(1_500))).unwrap();
    let stopped = run.inject(Fault::StopReplica(FIRST)).unwrap();
    let verdict = finish("replica paused, replica restarted", run);
    // A restart in order loses no answer: who was not answered had not been heard.
    let lost =
        verdict.attempts.iter().filter(|attempt| attempt.is_unknown() && attempt.began < stopped.began);
    assert_eq!(lost.count(), 0);
}

#[test]
fn a_killed_nginx_takes_nothing_with_it() {
    if nginx::find().is_none() {
        crate::skipped("this machine has no nginx");
        return;
    }
    let mut setup = setup();
    setup.nginx = true;
    let mut run = start(&setup);
    run.inject(Fault::KillNginx(Duration::from_millis(300))).unwrap();
    run.inject(Fault::KillReplica(FIRST, Duration::from_millis(500))).unwrap();
    finish("behind nginx", run);
}
