//! The lab's own generator ([`crate::load`]) as a driver.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Result, ensure};

use super::{Arrivals, Creations, Driver, Job, Outcome, Snapshot, now};
use crate::lines::Lines;
use crate::load::{self, Ended, Plan};

/// One connection a user, as Gatling has it.
#[derive(Clone, Copy, Debug)]
pub struct Native;

impl Driver for Native {
    fn name(&self) -> &str {
        "native"
    }

    fn version(&self) -> Result<String> {
        Ok(env!("CARGO_PKG_VERSION").to_owned())
    }

    fn run(&self, job: &Job<'_>, stop: &AtomicBool, progress: &mut dyn FnMut(&Snapshot)) -> Result<Outcome> {
        let (payloads, terms) = match job.contest.sends_lines() {
            true => (Lines::read(job.payloads, "payload")?, Lines::read(job.terms, "t")?),
            false => <_>::default(),
        };
        let plan = plan(job, Arc::new(payloads), Arc::new(terms))?;
        let arrivals = Arrivals::new(job.contest, job.scale, job.seconds)?;
        let mut so_far = Snapshot::default();
        // The generator makes its tables and then begins: milliseconds.
        let begun_at = Some(now());
        let outcome = load::run(&plan, stop, &mut |latest: &load::Snapshot| {
            so_far = Snapshot {
                second: latest.second,
                asked: arrivals.users_until(f64::from(latest.second)),
                started: so_far.started + latest.started,
                answers: so_far.answers + latest.answers,
                failed: latest.failed,
                p99_ms: latest.p99_ms,
            };
            progress(&so_far);
        })?;
        Ok(Outcome {
            figures: outcome.figures,
            series: outcome.series,
            begun_at,
            creations: Creations::Each(outcome.creations),
            deeds: outcome.deeds,
            tally: outcome.tally,
            answers: outcome.answers,
            generator: outcome.generator,
            interrupted: outcome.ended != Ended::Whole,
            ..Outcome::default()
        })
    }
}

/// The contest's load in the length that is asked for. The scale is in the phases already.
///
/// # Errors
/// The scale or the length is not allowed, or the contest's address leads nowhere.
pub fn plan(job: &Job<'_>, payloads: Arc<Lines>, terms: Arc<Lines>) -> Result<Plan> {
    ensure!(job.contest.load.jmeter.is_none(), "{}: JMeter alone can send this load", job.contest.name);
    let mut plan = Plan::new(job.contest, 1.0, payloads, terms)?;
    plan.seed = job.seed;
    plan.shop = job.shop.cloned();
    let arrivals = Arrivals::new(job.contest, job.scale, job.seconds)?;
    for (scenario, arrivals) in plan.load.scenarios.iter_mut().zip(arrivals.scenarios) {
        scenario.phases = arrivals.phases;
    }
    Ok(plan)
}
