//! One contestant in one round.
//!
//! Started on a fresh volume and once more, so that what only a first start costs is not in the figures; its rules checked, its
//! limits read; loaded, and left alone until it has nothing more to do; its rows compared with what was acknowledged, its
//! limits read again; and at last killed under load.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Entrant, Settings, begun, kill, proof, settle};
use crate::conformance;
use crate::drivers::{Creations, Job, Outcome, Snapshot};
use crate::http;
use crate::meters::{Database, Meter, MeterReport, SeriesPoint};
use crate::oracle::{self, Excluded, Row};
use crate::record::{Attempt, Second, Status, Stored};
use crate::stack::{self, Stack};
use crate::view::{Tick, View};

/// Runs it. What goes wrong is in the attempt, with the contestant's logs in the record's folder.
pub fn run(
    settings: &Settings,
    entrant: &Entrant,
    round: u32,
    stop: &AtomicBool,
    view: &mut View,
) -> Attempt {
    let mut attempt = begun(entrant, round);
    let mut stack = match stack::open(&settings.contest, &entrant.contestant, &entrant.mode) {
        Ok(stack) => stack,
        Err(error) => {
            attempt.verdict.reasons.push(format!("{error:#}"));
            return attempt;
        }
    };
    let outcome = steps(settings, entrant, stack.as_mut(), &mut attempt, stop, view);
    if let Err(error) = outcome {
        view.step(&format!("failed: {error:#}"));
        attempt.verdict.reasons.push(format!("{error:#}"));
        attempt.verdict.status = Status::Failed;
        keep_logs(settings, &attempt, stack.as_ref());
    }
    if let Err(error) = stack.down() {
        attempt.verdict.warnings.push(format!("taking it down: {error:#}"));
    }
    attempt
}

fn steps(
    settings: &Settings,
    entrant: &Entrant,
    stack: &mut dyn Stack,
    attempt: &mut Attempt,
    stop: &AtomicBool,
    view: &mut View,
) -> Result<()> {
    let contest = &settings.contest;
    let contestant = &entrant.contestant;
    start_twice(settings, entrant, stack, stop, view)?;

    let pass =
        conformance::run(&contest.folder.join(&contest.conformance), contest.address(), settings.seed)?;
    view.step(&format!("{} of {} rules kept", pass.conformance.passed, pass.conformance.total));
    let advice = pass.warnings.iter().map(|advice| format!("{}: {}", advice.rule, advice.detail));
    attempt.verdict.warnings.extend(advice);
    let mut excluded = Excluded::new(&pass.unique, pass.sent.iter().map(Vec::as_slice));
    attempt.conformance = Some(pass.conformance);
    let mut proved = proof::before(stack, contestant)?;

    let (outcome, report, settled) = load(settings, entrant, stack, stop, view)?;
    attempt.resources = Some(report.resources);
    attempt.series = series(outcome.series, &report.series);
    attempt.verdict.warnings.extend(report.notes);
    attempt.verdict.warnings.extend(outcome.generator.bottleneck.iter().cloned());
    attempt.generator = Some(outcome.generator);
    attempt.load = Some(outcome.figures);

    proof::after(stack, &mut proved)?;
    proved.database_connections_peak = report.database_connections_peak;
    let objections = proof::objections(&proved, contestant, &contest.budget);
    proved.holds = objections.is_empty();
    attempt.proof = Some(proved);
    attempt.verdict.status = if objections.is_empty() { Status::Valid } else { Status::Disqualified };
    attempt.verdict.reasons.extend(objections);
    anyhow::ensure!(!outcome.interrupted, "interrupted");

    settle::rows_stay(stack, &contestant.database.rows, stop)?;
    let after_load = rows(stack, &contestant.database.rows)?;
    let count = counted(settings);
    let mut stored = judge(settings, &outcome.creations, &after_load, &excluded, count)?;
    stored.settled_seconds = Some(settled.as_secs_f64());
    view.step(&told(&stored));
    attempt.stored = Some(stored);

    if settings.kill {
        // What was stored before is judged by itself: none of it may be gone or altered.
        excluded.add_nicks(after_load.iter().map(|row| row.apelido.clone()));
        let former =
            kill::Former { used: payloads_used(&outcome.creations), rows: &after_load, excluded: &excluded };
        let killed = kill::run(settings, entrant, stack, &former, stop, view)?;
        view.step(&format!("after SIGKILL: {}", told(&killed.stored)));
        attempt.killed = Some(killed);
    }
    Ok(())
}

/// On a fresh volume, and once more with what that has become.
pub(super) fn start_twice(
    settings: &Settings,
    entrant: &Entrant,
    stack: &mut dyn Stack,
    stop: &AtomicBool,
    view: &mut View,
) -> Result<()> {
    let contest = &settings.contest;
    view.step("first start, on an empty volume");
    stack.up()?;
    settle::ready(contest, stop)?;
    let rows = stack.sql(&format!("SELECT count(*) FROM ({}) AS rows", entrant.contestant.database.rows))?;
    // A volume that is not the project's own may be somebody's data.
    anyhow::ensure!(
        rows.trim() == "0",
        "it begins with {} rows, and not with an empty database",
        rows.trim()
    );
    proof::limit_connections(stack, &entrant.contestant, &contest.budget)?;
    let restarted = Instant::now();
    stack.restart()?;
    settle::ready(contest, stop).context("second start")?;
    view.step(&format!(
        "serves again after an orderly stop, {:.1} s later",
        restarted.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// The load, metered until the contestant has nothing more to do.
fn load(
    settings: &Settings,
    entrant: &Entrant,
    stack: &mut dyn Stack,
    stop: &AtomicBool,
    view: &mut View,
) -> Result<(Outcome, MeterReport, Duration)> {
    // Whatever the start and the pass over the rules have left to do is not the load's.
    let meter = metered(stack, entrant)?;
    let _ = settle::idle(&meter, stop);
    meter.stop()?;
    let meter = metered(stack, entrant)?;
    // What a tool writes is read before this folder goes: tens of megabytes a run.
    let scratch = tempfile::Builder::new().prefix(".raw-").tempdir_in(&settings.folder)?;
    let job = Job {
        contest: &settings.contest,
        top: &settings.top,
        scale: settings.scale,
        seed: settings.seed,
        payloads: &settings.feeds.payloads_file,
        terms: &settings.feeds.terms_file,
        folder: scratch.path(),
        seconds: settings.seconds,
    };
    let whole = settings.seconds.map_or(settings.contest.seconds(), f64::from);
    let mut former = Snapshot::default();
    let mut show = |snapshot: &Snapshot| {
        view.tick(&tick(snapshot, &former, &meter, whole));
        former = *snapshot;
    };
    let outcome = settings.driver.run(&job, stop, &mut show)?;
    let settled = settle::idle(&meter, stop);
    Ok((outcome, meter.stop()?, settled))
}

/// A meter on everything that runs, and on the sessions of the contestant's role.
pub(super) fn metered(stack: &dyn Stack, entrant: &Entrant) -> Result<Meter> {
    let user = entrant.contestant.database.user.clone();
    let database = stack.database().map(|service| Database { service: service.to_owned(), user });
    Meter::start(stack.targets()?, database)
}

fn tick(snapshot: &Snapshot, former: &Snapshot, meter: &Meter, whole: f64) -> Tick {
    let latest = meter.latest();
    Tick {
        asked: snapshot.asked - former.asked,
        achieved: snapshot.started.saturating_sub(former.started) as f64,
        p99_ms: snapshot.p99_ms,
        failed: snapshot.failed,
        cpus: latest.as_ref().map(|latest| latest.cpus),
        memory_bytes: latest.as_ref().map(|latest| latest.memory_bytes),
        left: Duration::from_secs_f64((whole - f64::from(snapshot.second)).max(0.0)),
    }
}

/// The generator's seconds, with what the meter saw nearest to the end of each.
fn series(mut seconds: Vec<Second>, metered: &[SeriesPoint]) -> Vec<Second> {
    for second in &mut seconds {
        let end = f64::from(second.second) + 1.0;
        let distance = |point: &SeriesPoint| (point.second - end).abs();
        let nearest = metered.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        if let Some(point) = nearest.filter(|point| distance(point) < 1.0) {
            second.cpus = Some(point.cpus);
            second.memory_bytes = Some(point.memory_bytes);
        }
    }
    seconds
}

/// All rows of the contestant.
pub(super) fn rows(stack: &dyn Stack, query: &str) -> Result<Vec<Row>> {
    let text = stack.rows(query)?;
    oracle::rows_from_json_lines(text.as_bytes()).collect::<Result<Vec<_>>>().context("the contestant's rows")
}

/// The oracle's verdict on `rows`.
pub(super) fn judge(
    settings: &Settings,
    creations: &Creations,
    rows: &[Row],
    excluded: &Excluded,
    counted: Option<u64>,
) -> Result<Stored> {
    let rows = rows.iter().cloned().map(Ok);
    oracle::judge(&settings.contest.oracle, creations, &settings.feeds.payloads, rows, excluded, counted)
}

fn counted(settings: &Settings) -> Option<u64> {
    let answer = http::get(settings.contest.address(), &settings.contest.count_path).ok()?;
    std::str::from_utf8(&answer.body).ok()?.trim().parse().ok()
}

/// How many lines of the payload file were sent.
fn payloads_used(creations: &Creations) -> u64 {
    match creations {
        Creations::Each(each) => each.iter().map(|creation| creation.payload + 1).max().unwrap_or(0),
        Creations::Counted { sent, .. } => *sent,
    }
}

/// The verdict on rows, in a sentence.
fn told(stored: &Stored) -> String {
    if stored.exact() {
        return format!("{} rows, exact", stored.rows);
    }
    format!(
        "{} rows, {} to {} expected; {} lost, {} duplicated, {} altered, {} foreign, {} wrongly refused",
        stored.rows,
        stored.expected_low,
        stored.expected_high,
        stored.lost,
        stored.duplicated,
        stored.altered,
        stored.foreign,
        stored.wrongly_refused
    )
}

/// Where they can be read after everything is gone.
fn keep_logs(settings: &Settings, attempt: &Attempt, stack: &dyn Stack) {
    let name = format!("{}-{}.log", attempt.contestant.replace(':', "-"), attempt.round);
    let file = settings.folder.join(name);
    if let Err(error) = std::fs::write(&file, stack.logs()) {
        crate::view::say(&format!("pouco-lab: {}: {error}", file.display()));
    }
}
