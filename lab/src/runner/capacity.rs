//! How much a contestant takes: the largest multiple of the contest's peak rates that it serves with no
//! failure and a p99 within 100 ms, and after which it soon has nothing more to do, within the same limits as
//! in the contest.
//!
//! A step is a load of [`STEP_SECONDS`](load::STEP_SECONDS): a rise, the plateau whose figures count, and the
//! wait for rest. What an overload leaves behind (queues, a backlog, a heap) is not the next step's: after a
//! step that failed, the contestant is started again in order. One that dies in a step has failed that step,
//! and goes on with the next.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, ensure};

use super::attempt::{keep_logs, metered, start_twice, too_few_cores};
use super::{Entrant, Settings, data, now, proof, settle, shop};
use crate::drivers::Creations;
use crate::live::Event;
use crate::load::{self, Ended, PLATEAU_SECONDS, Plan, Rule};
use crate::machine;
use crate::meters::Meter;
use crate::oracle::inventory::Deed;
use crate::oracle::{Creation, Evidence};
use crate::record::{Capacity, ErrorCount, Proof, Step};
use crate::stack::{self, Stack};
use crate::view::{Tick, View};

const RULE: Rule = Rule::FIND_LIMIT;
/// Whoever still works so long after the last answer has put off what it was asked.
const REST: Duration = Duration::from_secs(10);
/// What a start has left to do is waited for this long: caches of all that was created in the steps before
/// are read again.
const REST_AFTER_START: Duration = Duration::from_secs(30);

/// Runs the search. What goes wrong is among the reasons, with the contestant's logs in the record's folder.
pub fn search(settings: &Settings, entrant: &Entrant, stop: &AtomicBool, view: &mut View) -> Capacity {
    match stack::open(&settings.contest, &entrant.contestant, &entrant.mode) {
        Ok(mut stack) => search_on(stack.as_mut(), settings, entrant, stop, view),
        Err(error) => {
            let mut capacity = begun(settings, entrant);
            capacity.reasons.push(format!("{error:#}"));
            capacity
        }
    }
}

/// As [`search`], on this stack, which is started and taken down.
pub fn search_on(
    stack: &mut dyn Stack,
    settings: &Settings,
    entrant: &Entrant,
    stop: &AtomicBool,
    view: &mut View,
) -> Capacity {
    let mut capacity = begun(settings, entrant);
    if let Err(error) = steps(settings, entrant, stack, &mut capacity, stop, view) {
        view.step(&format!("failed: {error:#}"));
        capacity.reasons.push(format!("{error:#}"));
        keep_logs(settings, &format!("{}-capacity", entrant.id()), stack);
    }
    if let Err(error) = stack.down() {
        capacity.warnings.push(format!("taking it down: {error:#}"));
    }
    capacity
}

fn begun(settings: &Settings, entrant: &Entrant) -> Capacity {
    Capacity {
        contestant: entrant.id(),
        started_at: now(),
        rule: format!(
            "{} for {} s at the peak rates, and at rest within {} s after the last answer",
            RULE.words(),
            plateau_seconds(settings),
            REST.as_secs()
        ),
        ..Capacity::default()
    }
}

/// Another length of the contest is another length of a step.
fn plateau_seconds(settings: &Settings) -> u32 {
    settings.seconds.unwrap_or(PLATEAU_SECONDS)
}

/// What the steps of one search hand on to each other.
struct Search<'s> {
    settings: &'s Settings,
    entrant: &'s Entrant,
    plan: Plan,
    /// Open since before the first step, in a contest that is one.
    shop: Option<shop::Before>,
    /// What was done to it in all steps.
    deeds: Vec<Deed>,
    creations: Vec<Creation>,
    /// Of these, answered with 201; of a shop, orders.
    acknowledged: u64,
    /// That the payload file was too short, and the like.
    warnings: Vec<String>,
    proved: Proof,
    objections: Vec<String>,
    /// The step before has failed: what it left is to be cleared away.
    worn: bool,
    stop: &'s AtomicBool,
}

fn steps(
    settings: &Settings,
    entrant: &Entrant,
    stack: &mut dyn Stack,
    capacity: &mut Capacity,
    stop: &AtomicBool,
    view: &mut View,
) -> Result<()> {
    let contest = &settings.contest;
    start_twice(settings, entrant, stack, stop, view)?;
    let mut plan = Plan::new(contest, 1.0, settings.feeds.payloads.clone(), settings.feeds.terms.clone())?;
    let shop = shop::open(contest, &entrant.contestant, stack)?;
    plan.shop = shop.as_ref().map(|before| before.open.clone());
    let mut search = Search {
        settings,
        entrant,
        plan,
        shop,
        deeds: Vec::new(),
        creations: Vec::new(),
        acknowledged: 0,
        warnings: Vec::new(),
        proved: proof::before(stack, &entrant.contestant)?,
        objections: Vec::new(),
        worn: false,
        stop,
    };
    search.rest(stack)?;

    let started = Instant::now();
    let found = load::find_limit(settings.scale, &|| started.elapsed().as_secs_f64(), &mut |scale| {
        let step = search.step(scale, stack, view)?;
        capacity.steps.push(step.clone());
        // What was passed stays so if the search is cut short.
        if step.passed {
            capacity.scale = Some(scale);
            capacity.requests_per_second = Some(step.requests_per_second);
        }
        Ok(step)
    })?;
    capacity.scale = found.scale;
    capacity.at_least = found.at_least;
    capacity.requests_per_second = found.requests_per_second;
    capacity.warnings = found.reasons;
    capacity.warnings.append(&mut search.warnings);
    capacity.warnings.extend(too_few_cores(&contest.budget, machine::machine()?.cores));
    let scale =
        found.scale.map_or("none".to_owned(), |scale| format!("{scale:.2} times the contest's rates"));
    let least = if found.at_least { "at least " } else { "" };
    view.step(&format!("capacity: {least}{scale}, found in {:.0} s", started.elapsed().as_secs_f64()));
    search.judge(stack, capacity)
}

impl Search<'_> {
    fn interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// A step, whatever becomes of the contestant in it.
    fn step(&mut self, scale: f64, stack: &mut dyn Stack, view: &mut View) -> Result<Step> {
        ensure!(!self.interrupted(), "interrupted");
        let acknowledged_before = self.acknowledged;
        let outcome = self.refresh(stack, view).and_then(|()| self.load(scale, stack, view));
        let mut step = match outcome {
            Ok(step) => step,
            Err(error) => {
                ensure!(!self.interrupted(), "interrupted");
                let name = format!("{}-capacity-{scale:.2}", self.entrant.id());
                keep_logs(self.settings, &name, stack);
                broken(scale, &error)
            }
        };
        step.acknowledged_before = acknowledged_before;
        self.worn = !step.passed;
        tell(&step, view);
        Ok(step)
    }

    /// Starts the contestant again if the step before has failed.
    fn refresh(&mut self, stack: &mut dyn Stack, view: &mut View) -> Result<()> {
        if !self.worn {
            return Ok(());
        }
        // New containers have new limits, so those of the step are read before. Of one that is gone nothing
        // can be read.
        let _ = self.prove(stack);
        let restarted = Instant::now();
        stack.restart().context("start after a step that failed")?;
        settle::ready(&self.settings.contest, self.stop).context("start after a step that failed")?;
        let serves = restarted.elapsed().as_secs_f64();
        self.worn = false;
        let rests = self.rest(stack)?;
        view.step(&format!("started again: served {serves:.1} s later, at rest after {rests:.1} s more"));
        Ok(())
    }

    /// What a start has left to do is not the step's; says how many seconds it had.
    fn rest(&mut self, stack: &dyn Stack) -> Result<f64> {
        let meter = metered(stack, self.entrant)?;
        let rest = settle::idle_within(&meter, REST_AFTER_START, self.stop)?;
        meter.stop()?;
        if rest.warning.is_some() {
            let limit = REST_AFTER_START.as_secs();
            self.warn(format!("a step began with it still at work {limit} s after its start"));
        }
        Ok(rest.after.as_secs_f64())
    }

    fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// One load, metered until the contestant has nothing more to do.
    fn load(&mut self, scale: f64, stack: &dyn Stack, view: &mut View) -> Result<Step> {
        let running = running(stack)?;
        let meter = metered(stack, self.entrant)?;
        view.tell(|| Event::Metered(Box::new(meter.reader())));
        let plan = self.plan.plateau(scale, plateau_seconds(self.settings), RULE);
        let outcome = load::run(&plan, self.stop, &mut |snapshot| view.tick(&tick(snapshot, &meter)))?;
        self.plan.payload_offset += outcome.payloads_used;
        self.plan.term_offset += outcome.terms_used;
        self.acknowledged += outcome.creations.iter().map(|it| u64::from(it.status == 201)).sum::<u64>();
        self.acknowledged +=
            outcome.deeds.iter().map(|it| u64::from(it.is_acknowledged_order())).sum::<u64>();
        outcome.warnings.iter().for_each(|warning| self.warn(warning.clone()));
        let mut step = outcome.step(scale, RULE, 0.0);
        self.creations.extend(outcome.creations);
        self.deeds.extend(outcome.deeds);
        ensure!(outcome.ended != Ended::Stopped, "interrupted");

        let rest = settle::idle_within(&meter, REST, self.stop)?;
        step.settled_seconds = rest.warning.is_none().then_some(rest.after.as_secs_f64());
        let report = meter.stop()?;
        step.cpu_seconds = report.resources.total.cpu_seconds;
        self.proved.database_connections_peak =
            self.proved.database_connections_peak.max(report.database_connections_peak);
        if step.settled_seconds.is_none() {
            fail(&mut step, format!("still at work {} s after the last answer", REST.as_secs()));
        }
        let after = running_or_none(stack);
        let ended: Vec<_> = running.iter().filter(|it| !after.contains(it)).map(|(name, _)| name).collect();
        for service in &ended {
            fail(&mut step, format!("{service} has ended"));
        }
        if !ended.is_empty() {
            keep_logs(self.settings, &format!("{}-capacity-{scale:.2}", self.entrant.id()), stack);
        }
        Ok(step)
    }

    /// Reads its limits again, and keeps what can be said against them. That a service died of a step is the
    /// step's failure, and nothing against the limits of those that did not.
    fn prove(&mut self, stack: &dyn Stack) -> Result<()> {
        let contestant = &self.entrant.contestant;
        let mut proof = self.proved.clone();
        proof::after(stack, contestant, &mut proof)?;
        for service in &mut proof.services {
            service.after = service.after.or(Some(service.before));
        }
        for objection in proof::objections(&proof, contestant, &self.settings.contest.budget) {
            if !self.objections.contains(&objection) {
                self.objections.push(objection);
            }
        }
        Ok(())
    }

    /// Limits and rows at the end. A capacity that is bought with lost rows is none.
    fn judge(mut self, stack: &mut dyn Stack, capacity: &mut Capacity) -> Result<()> {
        let limits = self.prove(stack);
        capacity.reasons.append(&mut self.objections);
        if self.worn {
            stack.restart().context("start after the last step, which failed")?;
            settle::ready(&self.settings.contest, self.stop)
                .context("start after the last step, which failed")?;
        } else {
            limits?;
        }
        let (contest, contestant) = (&self.settings.contest, &self.entrant.contestant);
        let Some(database) = &contestant.database else { return Ok(()) };
        settle::rows_stay(stack, &database.rows, self.stop)?;
        let left = Evidence {
            before: self.shop.map(|before| before.rows).unwrap_or_default(),
            users: contest.load.users(),
            payloads: self.settings.feeds.payloads.clone(),
            creations: Creations::Each(self.creations),
            deeds: self.deeds,
            ..Evidence::default()
        };
        let stored = data::judge(contest, &data::rows(stack, contestant)?, &left)?;
        // Of data that were there before, nothing was acknowledged.
        capacity.lost = contest.seed.is_none().then_some(stored.lost);
        capacity.reasons.extend(contest.oracle.objection(&stored));
        Ok(())
    }
}

/// Every process that is a service of its own, by the service's name and its number.
fn running(stack: &dyn Stack) -> Result<Vec<(String, i32)>> {
    Ok(stack.targets()?.into_iter().map(|target| (target.service, target.pid)).collect())
}

/// After an overload the engine may not even find what is gone.
fn running_or_none(stack: &dyn Stack) -> Vec<(String, i32)> {
    running(stack).unwrap_or_default()
}

/// A step in which the contestant could not be loaded or measured.
fn broken(scale: f64, error: &Error) -> Step {
    let mut step = Step {
        scale,
        seconds: 0.0,
        requests_per_second: 0.0,
        failed: 0,
        p99_ms: None,
        cpu_seconds: 0.0,
        settled_seconds: None,
        acknowledged_before: 0,
        passed: false,
        errors: Vec::new(),
        bottleneck: Vec::new(),
    };
    fail(&mut step, format!("{error:#}"));
    step
}

fn fail(step: &mut Step, message: String) {
    step.passed = false;
    step.errors.push(ErrorCount { message, count: 1 });
}

fn tick(snapshot: &load::Snapshot, meter: &Meter) -> Tick {
    let latest = meter.latest();
    Tick {
        asked: snapshot.asked,
        achieved: snapshot.started as f64,
        answers: snapshot.answers as f64,
        p99_ms: snapshot.p99_ms,
        failed: snapshot.failed,
        cpus: latest.as_ref().map(|latest| latest.cpus),
        memory_bytes: latest.as_ref().map(|latest| latest.memory_bytes),
        left: Duration::from_secs_f64((snapshot.seconds - f64::from(snapshot.second)).max(0.0)),
    }
}

fn tell(step: &Step, view: &mut View) {
    let verdict = if step.passed { "passed" } else { "not passed" };
    let cell = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
    view.step(&format!(
        "× {:.2}: {:.0} requests/s for {:.1} s, p99 {} ms, {} failed, at rest after {} s: {verdict}",
        step.scale,
        step.requests_per_second,
        step.seconds,
        cell(step.p99_ms),
        step.failed,
        cell(step.settled_seconds)
    ));
    for error in &step.errors {
        view.step(&format!("{} times: {}", error.count, error.message));
    }
}
