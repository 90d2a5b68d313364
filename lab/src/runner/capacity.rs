//! How much a contestant takes: the largest multiple of the contest's peak rates that it serves for half a minute with no
//! failure and a p99 within 100 ms, within the same limits as in the contest.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};

use super::attempt::{judge, metered, rows, start_twice};
use super::{Entrant, Settings, now, proof, settle};
use crate::drivers::Creations;
use crate::load::{self, PLATEAU_RAMP_SECONDS, Plan, Rule, STEP_SECONDS};
use crate::oracle::{Creation, Excluded};
use crate::record::{Capacity, Step};
use crate::stack::{self, Stack};
use crate::view::{Tick, View};

const RULE: Rule = Rule::FIND_LIMIT;
/// Of a step of [`STEP_SECONDS`], what is left after its rise and after the wait for the contestant to come to rest.
const PLATEAU_SECONDS: u32 = STEP_SECONDS - PLATEAU_RAMP_SECONDS - 4;

/// Runs the search. What goes wrong is among the reasons.
pub fn search(settings: &Settings, entrant: &Entrant, stop: &AtomicBool, view: &mut View) -> Capacity {
    let mut capacity = Capacity {
        contestant: entrant.id(),
        started_at: now(),
        scale: None,
        requests_per_second: None,
        rule: RULE.words(),
        steps: Vec::new(),
        lost: None,
        warnings: Vec::new(),
        reasons: Vec::new(),
    };
    let outcome = stack::open(&settings.contest, &entrant.contestant, &entrant.mode).and_then(|mut stack| {
        let outcome = steps(settings, entrant, stack.as_mut(), &mut capacity, stop, view);
        stack.down()?;
        outcome
    });
    if let Err(error) = outcome {
        view.step(&format!("failed: {error:#}"));
        capacity.reasons.push(format!("{error:#}"));
    }
    capacity
}

/// What the steps of one search hand on to each other.
struct Search<'s> {
    plan: Plan,
    creations: Vec<Creation>,
    /// That the payload file was too short, and the like.
    warnings: Vec<String>,
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
    let mut proved = proof::before(stack, &entrant.contestant)?;
    let plan = Plan::new(contest, 1.0, settings.feeds.payloads.clone(), settings.feeds.terms.clone())?;
    let mut search = Search { plan, creations: Vec::new(), warnings: Vec::new(), stop };

    let started = Instant::now();
    let found = load::find_limit(settings.scale, &mut |scale| {
        let step = search.step(scale, settings, entrant, stack, view)?;
        capacity.steps.push(step.clone());
        Ok(step)
    })?;
    capacity.scale = found.scale;
    capacity.requests_per_second = found.requests_per_second;
    capacity.warnings = found.reasons;
    capacity.warnings.append(&mut search.warnings);
    let scale =
        found.scale.map_or("none".to_owned(), |scale| format!("{scale:.2} times the contest's rates"));
    view.step(&format!("capacity: {scale}, found in {:.0} s", started.elapsed().as_secs_f64()));

    proof::after(stack, &entrant.contestant, &mut proved)?;
    capacity.reasons.extend(proof::objections(&proved, &entrant.contestant, &contest.budget));
    // A capacity that is bought with lost rows is none.
    settle::rows_stay(stack, &entrant.contestant.database.rows, stop)?;
    let rows = rows(stack, &entrant.contestant.database.rows)?;
    let creations = Creations::Each(search.creations);
    let stored = judge(settings, &creations, &rows, &Excluded::default(), None)?;
    capacity.lost = Some(stored.lost);
    Ok(())
}

impl Search<'_> {
    fn step(
        &mut self,
        scale: f64,
        settings: &Settings,
        entrant: &Entrant,
        stack: &mut dyn Stack,
        view: &mut View,
    ) -> Result<Step> {
        ensure!(!self.stop.load(Ordering::Relaxed), "interrupted");
        // The contestant may still be at work on the step before.
        let meter = metered(stack, entrant)?;
        let _ = settle::idle(&meter, self.stop);
        meter.stop()?;
        settle::ready(&settings.contest, self.stop)?;

        let meter = metered(stack, entrant)?;
        let plan = self.plan.plateau(scale, PLATEAU_SECONDS, RULE);
        let outcome = load::run(&plan, self.stop, &mut |snapshot| {
            let latest = meter.latest();
            view.tick(&Tick {
                asked: snapshot.asked,
                achieved: snapshot.started as f64,
                p99_ms: snapshot.p99_ms,
                failed: snapshot.failed,
                cpus: latest.as_ref().map(|latest| latest.cpus),
                memory_bytes: latest.as_ref().map(|latest| latest.memory_bytes),
                left: std::time::Duration::from_secs_f64(
                    (snapshot.seconds - f64::from(snapshot.second)).max(0.0),
                ),
            });
        })?;
        let report = meter.stop()?;
        self.plan.payload_offset += outcome.payloads_used;
        self.plan.term_offset += outcome.terms_used;
        for warning in &outcome.warnings {
            if !self.warnings.contains(warning) {
                self.warnings.push(warning.clone());
            }
        }
        let step = outcome.step(scale, RULE, report.resources.total.cpu_seconds);
        self.creations.extend(outcome.creations);
        let verdict = if step.passed { "passed" } else { "not passed" };
        let p99 = step.p99_ms.map_or("-".to_owned(), |p99_ms| format!("{p99_ms:.1}"));
        view.step(&format!(
            "× {scale:.2}: {:.0} requests/s, p99 {p99} ms, {} failed: {verdict}",
            step.requests_per_second, step.failed
        ));
        for error in &step.errors {
            view.step(&format!("failed {} times: {}", error.count, error.message));
        }
        Ok(step)
    }
}
