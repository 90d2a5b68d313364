//! One contestant in one round.
//!
//! Started on a fresh volume and once more, so that what only a first start costs is not in the figures; its
//! rules checked, its limits read; loaded, and left alone until it has nothing more to do; its rows compared
//! with what was acknowledged, its limits read again; and at last killed under load. Where nothing is stored,
//! the answers of the load are all that is judged.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result};

use super::aside::Aside;
use super::settle::Stay;
use super::watch::Watch;
use super::work::Work;
use super::{Entrant, Settings, begun, data, kill, kill_shop, logins, proof, scenario, settle, shop};
use crate::conformance;
use crate::contest::Budget;
use crate::drivers::{Creations, Job, KEPT, Outcome, Snapshot};
use crate::figures::shop as shop_figures;
use crate::http;
use crate::live::Event;
use crate::machine;
use crate::meters::{Database, Meter, MeterReport, SeriesPoint};
use crate::oracle::inventory::Looks;
use crate::oracle::{Evidence, Excluded};
use crate::record::{Answers, Attempt, Killed, Second, Status, Stored};
use crate::stack::{self, Stack};
use crate::view::{Tick, View};

/// Of the files into which drivers put what their tools print.
const OUTPUT_ENDING: &str = "out";

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
        keep_logs(settings, &format!("{}-{round}", attempt.contestant), stack.as_ref());
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
    let cores = machine::machine()?.cores;
    attempt.verdict.warnings.extend(too_few_cores(&contest.budget, cores));
    start_twice(settings, entrant, stack, stop, view)?;

    let pass = conformance::run_beside(&contest.rules(), contest.address(), settings.seed, &|statement| {
        stack.sql(statement).map(drop)
    })?;
    view.step(&format!("{} of {} rules kept", pass.conformance.passed, pass.conformance.total));
    let advice = pass.warnings.iter().map(|advice| format!("{}: {}", advice.rule, advice.detail));
    attempt.verdict.warnings.extend(advice);
    if let Some(broken) = scenario::broken(contest, &pass.conformance) {
        attempt.proofs.push(broken);
    }
    let excluded = Excluded::new(&pass.unique, pass.sent.iter().map(Vec::as_slice));
    attempt.conformance = Some(pass.conformance);
    if contestant.database.is_some() && contest.seed.is_none() {
        // A wrong table or column is better known now than after minutes of load. The people of the pass are
        // there already. Data have been read once when they were stored.
        data::untouched(contest, stack, contestant).context("database.rows in contestant.toml")?;
    }
    if contest.oracle.by_endpoint() {
        // Whatever the pass has changed.
        data::sow(contest, contestant, stack, stop)?;
        view.step("its data are stored anew");
    }
    let looked = scenario::prepare(contest, contestant, stack)?;
    let settings = &looked.settings(settings);
    let mut proved = proof::before(stack, contestant)?;
    let aside = Aside::begin(contest, stack)?;

    let before = shop::open(contest, contestant, stack)?;
    if let Some(before) = &before {
        let logins = logins::measure(contest.address(), &before.open, stack, entrant, stop)?;
        view.step(&format!("a login takes {:.1} ms of CPU", logins.cpu_seconds * 1e3));
        attempt.logins = Some(logins);
    }
    let work = Work::begin(contest, stack)?;
    let Loaded { outcome, report, rest, looks } =
        load(settings, entrant, stack, before.as_ref(), stop, &file_name(attempt), view)?;
    attempt.database = work.map(|work| work.end(contestant, stack)).transpose()?;
    // While the rest is looked at, rows may show that they stay.
    let stay = contest.seed.as_ref().map(|_| Stay::begin(stack, &contestant.rows()?.rows)).transpose()?;
    attempt.series = series(outcome.series, outcome.begun_at, &report);
    let begun = outcome.begun_at.map_or(0.0, |begun_at| begun_at - report.started_at);
    attempt.proofs.extend(scenario::course(settings, &attempt.series, &report.apis, begun)?);
    attempt.resources = Some(report.resources);
    attempt.verdict.warnings.extend(report.notes);
    attempt.verdict.warnings.extend(rest.warning.map(str::to_owned));
    let used = payloads_used(&outcome.creations);
    attempt.verdict.warnings.extend(repeated(used, settings.feeds.payloads.count() as u64));
    attempt.verdict.warnings.extend(outcome.generator.bottleneck.iter().cloned());
    attempt.verdict.warnings.extend(outcome.notes);
    attempt.generator = Some(outcome.generator);
    if let Some(logins) = &mut attempt.logins {
        logins.in_load = shop_figures::logins(&outcome.figures);
    }
    let requests = outcome.figures.total.count;
    attempt.load = Some(outcome.figures);

    proof::after(stack, contestant, &mut proved)?;
    proved.database_connections_peak = report.database_connections_peak;
    let mut objections = proof::objections(&proved, contestant, &contest.budget);
    proved.holds = objections.is_empty();
    attempt.proof = Some(proved);
    objections.extend(outcome.faults);
    if let Some(aside) = aside {
        objections.extend(aside.objections(stack, requests)?);
    }
    attempt.verdict.status = if objections.is_empty() { Status::Valid } else { Status::Disqualified };
    for objection in &objections {
        view.step(&format!("disqualified: {objection}"));
    }
    attempt.verdict.reasons.extend(objections);
    anyhow::ensure!(!outcome.interrupted, "interrupted");

    let settled_seconds = Some(rest.after.as_secs_f64());
    if contest.oracle.judges_answers() {
        let answers = Answers { settled_seconds, ..outcome.answers.unwrap_or_default() };
        view.step(&answers.told());
        attempt.answers = Some(answers);
    }
    attempt.proofs.extend(looked.prove(contest, &outcome.tally, stack)?);
    let Some(database) = &contestant.database else { return Ok(()) };
    let stay = stay.map_or_else(|| Stay::begin(stack, &database.rows), Ok)?;
    attempt.verdict.warnings.extend(stay.wait(stack, stop)?.map(str::to_owned));
    attempt.verdict.warnings.extend(looks.1);
    let rows = data::rows(stack, contestant)?;
    let left = Evidence {
        before: before.map(|before| before.rows).unwrap_or_default(),
        users: contest.load.users(),
        payloads: settings.feeds.payloads.clone(),
        excluded: excluded.clone(),
        counted: counted(settings),
        creations: outcome.creations,
        deeds: outcome.deeds,
        looks: looks.0,
        tally: outcome.tally,
    };
    let stored = data::judge(contest, &rows, &left)?;
    view.step(&stored.told());
    attempt.stored = Some(Stored { settled_seconds, ..stored });
    if let Some(standstill) = shop_figures::standstill(attempt) {
        // Whoever serves nobody has nothing to lose by a kill.
        view.step(&format!("it {standstill}"));
    } else if settings.kill {
        let left = Evidence { before: rows, excluded, payloads: left.payloads, ..Evidence::default() };
        let (killed, warnings) = match contest.load.shop {
            Some(_) => kill_shop::run(settings, entrant, stack, stop, view)?,
            None => kill::run(settings, entrant, stack, used, left, stop, view)?,
        };
        attempt.verdict.warnings.extend(warnings);
        keep_killed(attempt, killed, contest.oracle.words().things, view);
    }
    Ok(())
}

fn keep_killed(attempt: &mut Attempt, killed: Killed, what: &str, view: &mut View) {
    let invisible = killed.invisible.filter(|invisible| *invisible > 0);
    let invisible = invisible.map_or_else(String::new, |it| format!("; {it} {what} stored and not found"));
    let stocks: u64 = killed.asked.iter().filter_map(|asked| asked.wrong_stocks).sum();
    let stocks = if stocks > 0 { format!("; {stocks} stocks answered wrongly") } else { String::new() };
    view.step(&format!("after SIGKILL: {}{invisible}{stocks}", killed.stored.told()));
    attempt.killed = Some(killed);
}

/// How long users arrive.
fn whole(settings: &Settings) -> f64 {
    settings.seconds.map_or(settings.contest.seconds(), f64::from)
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
    if contest.seed.is_some() {
        data::sow(contest, &entrant.contestant, stack, stop)?;
        view.step("its data are stored");
    } else if let Some(database) = &entrant.contestant.database {
        begins_empty(stack, &database.rows)?;
    }
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

/// A volume that is not the project's own may be somebody's data.
fn begins_empty(stack: &dyn Stack, rows: &str) -> Result<()> {
    let rows = stack.sql(&format!("SELECT count(*) FROM ({rows}) AS rows"))?;
    let rows = rows.trim();
    anyhow::ensure!(rows == "0", "it begins with {rows} rows, and not with an empty database");
    Ok(())
}

/// What came of the load.
struct Loaded {
    outcome: Outcome,
    report: MeterReport,
    rest: settle::Rest,
    /// Of a shop's stock, and what a reader should know of them.
    looks: (Looks, Option<String>),
}

/// The load, metered until the contestant has nothing more to do.
fn load(
    settings: &Settings,
    entrant: &Entrant,
    stack: &mut dyn Stack,
    shop: Option<&shop::Before>,
    stop: &AtomicBool,
    name: &str,
    view: &mut View,
) -> Result<Loaded> {
    // Whatever the start and the pass over the rules have left to do is not the load's.
    let meter = Meter::start_every(settle::SHORT_LOOK, stack.targets()?, None)?;
    let _ = settle::idle(&meter, stop)?;
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
        shop: shop.map(|before| &before.open),
    };
    view.tell(|| Event::Metered(Box::new(meter.reader())));
    let whole = whole(settings);
    let mut former = Snapshot::default();
    let mut show = |snapshot: &Snapshot| {
        view.tick(&tick(snapshot, &former, &meter, whole));
        former = *snapshot;
    };
    let watch = shop.map(|_| Watch::start(stack, &entrant.contestant)).transpose()?;
    let outcome = settings.driver.run(&job, stop, &mut show);
    view.tell(|| Event::Loaded);
    let kept = keep(scratch.path(), &settings.folder, &format!("{name}-{}", settings.driver.name()));
    let outcome = outcome.map_err(|error| {
        // The folder goes with what the tool has written, and that may be all that tells what was wrong with
        // it.
        if stop.load(Ordering::Relaxed) {
            error
        } else {
            with_output(error, scratch.path(), &settings.folder, name)
        }
    })?;
    let looks = watch.map(Watch::stop).transpose()?.unwrap_or_default();
    let rest = settle::idle(&meter, stop)?;
    let mut report = meter.stop()?;
    let presented = kept.and_then(|kept| kept.map_or(Ok(()), |kept| settings.driver.present(&kept)));
    report.notes.extend(presented.err().map(|error| format!("what the tool has left: {error:#}")));
    Ok(Loaded { outcome, report, rest, looks })
}

/// Moves what a tool wants kept into `folder`, as a folder of this name; none where it keeps nothing.
fn keep(scratch: &Path, folder: &Path, name: &str) -> Result<Option<PathBuf>> {
    let (from, to) = (scratch.join(KEPT), folder.join(name));
    if !from.is_dir() {
        return Ok(None);
    }
    std::fs::rename(&from, &to).with_context(|| to.display().to_string())?;
    Ok(Some(to))
}

/// A meter on everything that runs, and on the sessions of the contestant's role.
pub(super) fn metered(stack: &dyn Stack, entrant: &Entrant) -> Result<Meter> {
    let database = entrant.contestant.database.as_ref().zip(stack.database());
    let database =
        database.map(|(it, service)| Database { service: service.to_owned(), user: it.user.clone() });
    Meter::start(stack.targets()?, database)
}

fn tick(snapshot: &Snapshot, former: &Snapshot, meter: &Meter, whole: f64) -> Tick {
    let latest = meter.latest();
    Tick {
        asked: snapshot.asked - former.asked,
        achieved: snapshot.started.saturating_sub(former.started) as f64,
        answers: snapshot.answers.saturating_sub(former.answers) as f64,
        p99_ms: snapshot.p99_ms,
        failed: snapshot.failed,
        cpus: latest.as_ref().map(|latest| latest.cpus),
        memory_bytes: latest.as_ref().map(|latest| latest.memory_bytes),
        left: Duration::from_secs_f64((whole - f64::from(snapshot.second)).max(0.0)),
    }
}

/// The generator's seconds, with what the meter saw nearest to the end of each. The meter starts before the
/// generator does, which may take long to send its first user: a JVM's start, seconds.
fn series(mut seconds: Vec<Second>, begun_at: Option<f64>, report: &MeterReport) -> Vec<Second> {
    let Some(begun_at) = begun_at else { return seconds };
    for second in &mut seconds {
        let end = begun_at - report.started_at + f64::from(second.second) + 1.0;
        let distance = |point: &SeriesPoint| (point.second - end).abs();
        let nearest = report.series.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        if let Some(point) = nearest.filter(|point| distance(point) < 1.0) {
            second.cpus = Some(point.cpus);
            second.memory_bytes = Some(point.memory_bytes);
        }
    }
    seconds
}

fn counted(settings: &Settings) -> Option<u64> {
    let path = settings.contest.count_path.as_deref()?;
    let answer = http::get(settings.contest.address(), path).ok()?;
    std::str::from_utf8(&answer.body).ok()?.trim().parse().ok()
}

/// How many lines of the payload file were sent.
fn payloads_used(creations: &Creations) -> u64 {
    match creations {
        Creations::Each(each) => each.iter().map(|creation| creation.payload + 1).max().unwrap_or(0),
        Creations::Counted { sent, .. } => *sent,
    }
}

/// What a reader should know where a load sent lines of a file of `lines` again, whose nicks were taken then.
fn repeated(used: u64, lines: u64) -> Option<String> {
    let beyond = used.saturating_sub(lines);
    (beyond > 0 && lines > 0)
        .then(|| format!("{beyond} of {used} payloads were sent before: the file has {lines} lines"))
}

/// What a reader should know of a budget that this machine does not have: limits of more than all cores limit
/// nothing.
pub(super) fn too_few_cores(budget: &Budget, cores: u32) -> Option<String> {
    (f64::from(cores) < budget.cpus).then(|| {
        format!(
            "the budget is {} CPUs and this machine has {cores} cores, which the generator shares: its limits are set, and the \
             machine is what limits",
            budget.cpus
        )
    })
}

/// Of files that tell what went wrong, without the ending.
fn file_name(attempt: &Attempt) -> String {
    format!("{}-{}", attempt.contestant.replace([':', '@'], "-"), attempt.round)
}

/// Keeps what a tool has printed (`TOOL.out` in `scratch`) in `folder`, and says so.
fn with_output(error: Error, scratch: &Path, folder: &Path, name: &str) -> Error {
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(scratch).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|ending| ending == OUTPUT_ENDING) {
            let file = folder.join(format!("{name}-{}", entry.file_name().to_string_lossy()));
            match std::fs::copy(&path, &file) {
                Ok(_) => kept.push(format!("all that it printed is in {}", file.display())),
                Err(problem) => kept.push(format!("{} cannot be kept: {problem}", file.display())),
            }
        }
    }
    if kept.is_empty() { error } else { error.context(kept.join("; ")) }
}

/// Where they can be read after everything is gone: `NAME.log` in the record's folder.
pub(super) fn keep_logs(settings: &Settings, name: &str, stack: &dyn Stack) {
    let file = settings.folder.join(format!("{}.log", name.replace([':', '@'], "-")));
    if let Err(error) = std::fs::write(&file, stack.logs()) {
        crate::view::say(&format!("pouco-lab: {}: {error}", file.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_beyond_the_machine_is_told() {
        let told = |cpus, cores| too_few_cores(&Budget { cpus, ..Budget::default() }, cores);
        assert_eq!([told(2.0, 2), told(1.5, 4)], [None, None]);
        assert!(told(5.0, 2).unwrap().contains("5 CPUs and this machine has 2 cores"));
    }

    #[test]
    fn what_a_tool_printed_outlives_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = tempfile::tempdir_in(folder.path()).unwrap();
        let error = || anyhow::anyhow!("exit status: 3");
        let without = with_output(error(), scratch.path(), folder.path(), "fast-1");
        assert_eq!(format!("{without:#}"), "exit status: 3");
        std::fs::write(scratch.path().join("gatling.out"), "java is missing").unwrap();
        std::fs::create_dir(scratch.path().join("gatling")).unwrap();
        let with = format!("{:#}", with_output(error(), scratch.path(), folder.path(), "fast-1"));
        drop(scratch);
        let kept = folder.path().join("fast-1-gatling.out");
        assert!(with.contains(&kept.display().to_string()) && with.ends_with("exit status: 3"), "{with}");
        assert_eq!(std::fs::read_to_string(kept).unwrap(), "java is missing");
    }

    #[test]
    fn what_a_tool_keeps_lies_beside_the_record_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = tempfile::tempdir_in(folder.path()).unwrap();
        assert_eq!(keep(scratch.path(), folder.path(), "fast-1-k6").unwrap(), None);
        std::fs::create_dir(scratch.path().join(KEPT)).unwrap();
        std::fs::write(scratch.path().join(KEPT).join("10-threads.jtl"), "timeStamp").unwrap();
        let kept = keep(scratch.path(), folder.path(), "fast-1-jmeter").unwrap().unwrap();
        drop(scratch);
        assert_eq!(kept, folder.path().join("fast-1-jmeter"));
        assert_eq!(std::fs::read_to_string(kept.join("10-threads.jtl")).unwrap(), "timeStamp");
    }

    #[test]
    fn payloads_that_were_sent_twice_are_told_whatever_the_tool() {
        let counted = |sent| Creations::Counted { sent, acknowledged: 0, failed: 0 };
        assert_eq!(repeated(payloads_used(&counted(100)), 100), None);
        assert!(repeated(payloads_used(&counted(103)), 100).unwrap().starts_with("3 of 103 payloads"));
        let creation = |payload| crate::oracle::Creation { payload, status: 0, id: None };
        let each = Creations::Each(vec![creation(100), creation(7)]);
        assert!(repeated(payloads_used(&each), 100).unwrap().starts_with("1 of 101 payloads"));
    }

    #[test]
    fn what_the_meter_saw_goes_to_the_second_in_which_it_was() {
        let point = |second: u32| SeriesPoint {
            second: f64::from(second),
            cpus: f64::from(second),
            memory_bytes: u64::from(second),
        };
        let report = MeterReport {
            started_at: 1_000.0,
            series: (1..=9).map(point).collect(),
            ..MeterReport::default()
        };
        let seconds = || (0..4).map(|second| Second { second, ..Second::default() }).collect::<Vec<_>>();
        let cpus = |begun_at| -> Vec<Option<f64>> {
            series(seconds(), begun_at, &report).iter().map(|second| second.cpus).collect()
        };
        assert_eq!(cpus(Some(1_000.1)), [1.0, 2.0, 3.0, 4.0].map(Some));
        // Six seconds until the first user: the end of second 0 is the meter's seventh, and it had ended
        // before the last.
        assert_eq!(cpus(Some(1_006.2)), [Some(7.0), Some(8.0), Some(9.0), None]);
        assert_eq!(cpus(None), [None; 4]);
    }
}
