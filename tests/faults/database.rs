//! A Postgres that dies, stands still, or loses its connections.

use std::time::Duration;

use crate::harness::fault::Fault;
use crate::harness::history::Outcome;
use crate::harness::promised;
use crate::harness::proxy::Cut;
use crate::{COMMIT_DEADLINE_MS, finish, setup, start};

/// So long that who is refused at its end, and not when it was due, is late even in a test.
const AWAY: Duration = Duration::from_secs(5);

const DOWN: Duration = Duration::from_millis(500);

#[test]
fn postgres_is_killed_and_recovers() {
    let mut run = start(&setup());
    run.inject(Fault::StopPostgresAtOnce(DOWN)).unwrap();
    run.inject(Fault::KillPostgres(DOWN)).unwrap();
    run.inject(Fault::KillPostmaster(Duration::ZERO)).unwrap();
    finish("Postgres killed", run);
}

#[test]
fn while_postgres_is_away_creations_are_refused_at_their_deadline() {
    let mut run = start(&setup());
    let away = run.inject(Fault::KillPostgres(AWAY)).unwrap();
    refused_in_time(&run.history.ended_in(away.began, away.ended));
    finish("Postgres away", run);
}

#[test]
fn while_postgres_stands_still_creations_are_refused_at_their_deadline() {
    let mut run = start(&setup());
    let paused = run.inject(Fault::PausePostgres(AWAY)).unwrap();
    refused_in_time(&run.history.ended_in(paused.began, paused.ended));
    finish("Postgres paused", run);
}

/// There are 503, and each came when it was due.
fn refused_in_time(attempts: &[crate::harness::history::Attempt]) {
    let refused: Vec<_> = attempts.iter().filter(|attempt| attempt.status() == Some(503)).collect();
    assert!(!refused.is_empty(), "nobody was refused");
    for attempt in refused {
        let took = attempt.ended - attempt.began;
        // The deadline is looked at ten times a second; the rest is for a busy machine.
        assert!(took < Duration::from_millis(COMMIT_DEADLINE_MS) + promised(700), "{attempt:?}");
        assert!(matches!(attempt.outcome, Outcome::Answered { retry_after: true, .. }), "{attempt:?}");
    }
}

#[test]
fn terminated_backends_lose_nothing() {
    let mut run = start(&setup());
    run.inject(Fault::EndBackends(Duration::from_millis(1_500))).unwrap();
    let verdict = finish("backends terminated", run);
    assert!(verdict.attempts.iter().all(|attempt| !attempt.is_unknown()), "a replica knows every outcome");
}

#[test]
fn a_connection_cut_in_the_middle_of_a_commit_leaves_no_doubt() {
    // Sessions that come back slowly on a busy machine refuse nobody here.
    let mut setup = setup().set("POUCO_COMMIT_DEADLINE_MS", 20_000);
    setup.proxied = true;
    let mut run = start(&setup);
    for cut in [Cut::Before, Cut::During, Cut::After] {
        for replica in 0..2 {
            run.inject(Fault::CutConnection(replica, cut)).unwrap();
        }
    }
    let verdict = finish("connections cut", run);
    let statuses = verdict.attempts.iter().map(|attempt| attempt.status());
    let untold: Vec<_> = statuses.filter(|status| !matches!(status, Some(201 | 422))).collect();
    assert!(untold.is_empty(), "a replica finds out what became of every row: {untold:?}");
}
