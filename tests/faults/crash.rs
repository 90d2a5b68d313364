//! Postgres crashes directly after many aborted INSERTs, whose ids are then given out again; and its data go
//! back in time.

use std::time::{Duration, Instant};

use crate::harness::audit::{Truth, audit};
use crate::harness::check::Broken;
use crate::harness::fault::{Fault, RECOVERY, SHORT_RECOVERY};
use crate::harness::follower::{Cursor, Follower};
use crate::harness::person::stored;
use crate::harness::replica::Replica;
use crate::harness::run::{Injected, Run};
use crate::{finish, impatient, setup, start};

/// How often Postgres crashes.
const ROUNDS: u32 = 3;

/// How often it may have to crash until the wrong feed misses somebody.
const CANARY_ROUNDS: u32 = 6;

#[test]
fn after_a_crash_with_aborts_everybody_is_found() {
    let mut run = start(&setup());
    for _ in 0..ROUNDS {
        run.inject(Fault::KillPostgresQuietly(Duration::ZERO)).unwrap();
    }
    finish("Postgres killed after aborts", run);
}

/// The canary: the fault can do harm, and the check sees it.
#[test]
fn a_feed_whose_cursor_is_the_bare_horizon_is_caught() {
    let mut run = start(&setup());
    let follow = |cursor| Follower::start(run.stack.primary(), cursor).unwrap();
    let (mut wrong, mut right) = (follow(Cursor::Horizon), follow(Cursor::Seen));
    assert_eq!(invisible(&run, &mut wrong), 0, "the wrong feed is right while nothing happens");
    let missed = (1..=CANARY_ROUNDS).find_map(|round| {
        run.inject(Fault::KillPostgresQuietly(Duration::ZERO)).unwrap();
        assert_eq!(invisible(&run, &mut right), 0, "the right feed is wrong");
        let missed = invisible(&run, &mut wrong);
        (missed > 0).then(|| format!("{missed} people in round {round}"))
    });
    println!("the wrong feed has missed {}", missed.expect("the wrong feed has missed nobody"));
}

/// How many of the table's people a search through the wrong feed does not find. Creations go on meanwhile,
/// so it may know more than was read here.
fn invisible(run: &Run, follower: &mut Follower) -> usize {
    follower.go_on();
    let rows = stored(&mut run.stack.primary().client().unwrap()).unwrap();
    let read_at = Instant::now();
    let attempts = run.history.attempts();
    let (looked, violations) = audit(follower, &Truth::new(&attempts, &rows, 0, read_at)).unwrap();
    let invisible = violations.iter().filter(|violation| violation.broken == Broken::Invisible).count();
    assert_eq!(looked.invisible, invisible);
    invisible
}

#[test]
fn data_that_go_back_in_time_leave_no_ghosts() {
    let mut run = start(&impatient());
    run.inject(Fault::CopyBack).unwrap();
    let noticed = histories(&run);
    finish("data folder copied back", run);
    assert!(noticed.iter().all(|times| times.is_some_and(|times| times >= 1.0)), "{noticed:?}");
}

/// How often each replica has found that the database lost what it had seen.
pub(crate) fn histories(run: &Run) -> Vec<Option<f64>> {
    let told = |index| Replica::of(&run.stack, index, true).metric("pouco_database_histories_total").unwrap();
    (0..2).map(told).collect()
}

/// A slow disk is not held against a replica, and a quick one gives it no more time.
#[test]
fn a_slow_start_of_postgres_is_its_own() {
    let after = |postgres_start: Option<u64>| {
        let fault = Fault::KillPostgres(Duration::ZERO);
        let postgres_start = postgres_start.map(Duration::from_millis);
        Injected { fault, began: Duration::ZERO, ended: Duration::ZERO, recovery: [None; 2], postgres_start }
            .allowed()
    };
    assert_eq!(after(None), RECOVERY);
    assert_eq!(after(Some(700)), RECOVERY);
    assert_eq!(after(Some(60_000)), Duration::from_secs(60) + SHORT_RECOVERY);
}
