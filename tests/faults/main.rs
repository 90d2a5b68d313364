//! Faults on real processes under load: what was acknowledged stays, nothing is stored twice, no replica
//! needs a restart, and creations are back soon. The harness is `pouco_tools::faults`, and its program a long
//! run of random faults.
#![allow(clippy::unwrap_used)]

mod clock;
mod crash;
mod database;
mod disk;
mod failover;
mod hostile;
mod memory;
mod orders;
mod processes;
mod silence;

use std::time::{Duration, Instant};

use pouco_tools::faults as harness;
use pouco_tools::faults::check::Violation;
use pouco_tools::faults::history::Attempted;
use pouco_tools::faults::run::{Run, Verdict, Workload};
use pouco_tools::faults::stack::Setup;

/// Clients over both replicas, and creations a second that they try together.
const CLIENTS: usize = 12;
const CREATIONS_PER_S: f64 = 150.0;

/// The real program, with deadlines that fit a test of seconds.
fn setup() -> Setup {
    Setup::new(env!("CARGO_BIN_EXE_pouco"))
        .set("POUCO_COMMIT_DEADLINE_MS", COMMIT_DEADLINE_MS)
        .set("POUCO_READ_DEADLINE_MS", COMMIT_DEADLINE_MS)
}

const COMMIT_DEADLINE_MS: u64 = 1_000;

/// As [`setup`], where a statement may be silent for a moment only.
fn impatient() -> Setup {
    setup().set("POUCO_SILENCE_MS", SILENCE.as_millis())
}

const SILENCE: Duration = Duration::from_millis(200);

fn start(setup: &Setup) -> Run {
    Run::start(setup, CLIENTS, CREATIONS_PER_S).unwrap()
}

/// The verdict, which must be spotless, and a line of figures.
fn finish<W: Workload>(name: &str, run: Run<W>) -> Verdict<W> {
    let logs = run.stack.logs();
    let verdict = run.finish().unwrap();
    for fault in &verdict.faults {
        let recovery: Vec<String> = fault
            .recovery
            .iter()
            .map(|took| took.map_or("never".into(), |took| format!("{took:.0?}")))
            .collect();
        println!("{name}: {}: recovered after {}", fault.fault, recovery.join(" and "));
    }
    let unknown = verdict.attempts.iter().filter(|attempt| attempt.is_unknown()).count();
    println!(
        "{name}: {} {}, {} rows, {unknown} unknown outcomes",
        verdict.attempts.len(),
        W::Attempt::NAME,
        verdict.rows.len()
    );
    for looked in &verdict.looked {
        println!("{name}: {looked:?}");
    }
    assert!(verdict.rows.len() > 20, "hardly anything was stored: {}", verdict.rows.len());
    let shown: Vec<String> = verdict.violations.iter().take(20).map(Violation::to_string).collect();
    assert!(shown.is_empty(), "{} violations:\n{}\n{logs}", verdict.violations.len(), shown.join("\n"));
    verdict
}

/// The replicas' sessions in Postgres.
fn sessions(run: &Run) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pouco'";
    run.stack.primary().client().unwrap().query_one(sql, &[]).unwrap().get(0)
}

/// What `look` finds, if it finds something in this time.
fn within<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        let found = look();
        if found.is_some() || Instant::now() > deadline {
            return found;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// For what this machine lacks. With `CI=true` everything must be there.
fn skipped(what: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "SKIPPED: {what}");
    println!("SKIPPED: {what}");
}
