//! Figures out of samples, and what is wrong with them.
//!
//! A sample has failed if one of the plan's assertions did not hold, or its status is not 2xx. One that
//! failed behind a 2xx is worse than a failure: somebody says yes and does not do it. It has a name of its
//! own, and nobody's figures stand with it.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{Context, Result, ensure};

use super::deeds::Deeds;
use super::jtl::Sample;
use super::live::Published;
use crate::contest::{Plan, Steps};
use crate::drivers::figures::{Bucket, Errors, Millis, nearest_rank, request_figures, series};
use crate::drivers::{Arrivals, Snapshot};
use crate::oracle::inventory::Deed;
use crate::record::{LoadFigures, RequestFigures, Second};

/// A sample so far from the first one is damaged: no load lasts a week.
const MAX_SECONDS: u32 = 7 * 24 * 3_600;

/// Of a message of JMeter's, in ours.
const SHOWN_CHARS: usize = 200;

/// The time of a step begins with JMeter's start, and the first sample comes later than that.
const LATE_SECONDS: f64 = 30.0;

#[derive(Debug, Default)]
struct Requests {
    durations: Vec<Millis>,
    failed: u64,
    statuses: BTreeMap<u16, u64>,
}

/// One run of JMeter.
#[derive(Debug, Default)]
struct Step {
    threads: u32,
    labels: HashMap<String, u64>,
    /// Names of the threads that have come.
    users: HashSet<String>,
    /// Milliseconds since 1970.
    begin_ms: Option<u64>,
    last_end_ms: u64,
}

/// Of all runs of a load.
#[derive(Debug)]
pub(super) struct Samples<'p> {
    plan: &'p Plan,
    /// Requests have the step's name: of several steps, each has its own figures, all labels together.
    by_step: bool,
    step: Step,
    /// Of the steps before.
    seconds_before: f64,
    begin_ms: Option<u64>,
    requests: BTreeMap<String, Requests>,
    series: BTreeMap<u32, Bucket>,
    errors: Errors,
    /// By label: how many, behind which status, and what the first one says.
    behind: BTreeMap<String, (u64, u16, String)>,
    asked: u64,
    started: u64,
    answers: u64,
    failed: u64,
    /// Since the last snapshot.
    recent: Vec<Millis>,
    deeds: Deeds,
    published: Published,
}

impl<'p> Samples<'p> {
    pub(super) fn new(plan: &'p Plan, steps: &Steps, customer: i64, published: Published) -> Self {
        Self {
            plan,
            by_step: steps.threads.len() > 1,
            step: Step::default(),
            seconds_before: 0.0,
            begin_ms: None,
            requests: BTreeMap::new(),
            series: BTreeMap::new(),
            errors: Errors::default(),
            behind: BTreeMap::new(),
            asked: 0,
            started: 0,
            answers: 0,
            failed: 0,
            recent: Vec::new(),
            deeds: Deeds::new(customer),
            published,
        }
    }

    pub(super) fn begin_step(&mut self, threads: u32) {
        self.step = Step { threads, ..Step::default() };
        self.asked += u64::from(threads);
        self.deeds.next_step();
    }

    /// Takes the next sample.
    ///
    /// # Errors
    /// It cannot be of this plan.
    pub(super) fn take(&mut self, sample: &Sample<'_>) -> Result<()> {
        ensure!(self.plan.has(sample.label), "a label that the plan does not have: {}", shown(sample.label));
        let end_ms = sample.at_ms.saturating_add(u64::from(sample.elapsed));
        let is_new = !self.step.users.contains(sample.thread);
        if is_new {
            let threads = self.step.threads;
            ensure!((self.step.users.len() as u64) < u64::from(threads), "more than {threads} threads");
            self.step.users.insert(sample.thread.to_owned());
        }
        self.step.begin_ms.get_or_insert(sample.at_ms);
        self.step.last_end_ms = self.step.last_end_ms.max(end_ms);
        *self.step.labels.entry(sample.label.to_owned()).or_default() += 1;
        self.begin_ms.get_or_insert(sample.at_ms);
        if is_new {
            self.started += 1;
            self.bucket(sample.at_ms)?.started += 1;
        }
        self.count(sample, end_ms)?;
        self.deeds.take(sample);
        self.published.take(sample);
        Ok(())
    }

    fn count(&mut self, sample: &Sample<'_>, end_ms: u64) -> Result<()> {
        let status = sample.status();
        let is_good = (200..300).contains(&status);
        let failed = u64::from(!sample.success || !is_good);
        let name =
            if self.by_step { format!("{:02} threads", self.step.threads) } else { sample.label.to_owned() };
        let requests = self.requests.entry(name).or_default();
        requests.durations.push(sample.elapsed);
        requests.failed += failed;
        *requests.statuses.entry(status).or_default() += 1;
        let bucket = self.bucket(end_ms)?;
        bucket.durations.push(sample.elapsed);
        bucket.answers += u64::from(status != 0);
        bucket.failed += failed;
        self.recent.push(sample.elapsed);
        self.answers += u64::from(status != 0);
        self.failed += failed;
        if failed == 0 {
            return Ok(());
        }
        let label = sample.label;
        if is_good {
            let entry = self.behind.entry(label.to_owned());
            entry.or_insert_with(|| (0, status, shown(sample.failure))).0 += 1;
            self.errors.add(&format!("{label}: a failed sample behind a {status}"), 1);
        } else if status == 0 {
            self.errors.add(&format!("{label}: no answer: {}", shown(sample.message)), 1);
        } else {
            self.errors.add(&format!("{label}: status {status}"), 1);
        }
        Ok(())
    }

    fn bucket(&mut self, at_ms: u64) -> Result<&mut Bucket> {
        // Samples are written at their ends, so one may have begun a little before the first.
        let seconds = at_ms.saturating_sub(self.begin_ms.unwrap_or(at_ms)) / 1_000;
        let second = u32::try_from(seconds).ok().filter(|&second| second <= MAX_SECONDS);
        let second = second.with_context(|| format!("{seconds} s after the first sample"))?;
        Ok(self.series.entry(second).or_default())
    }

    /// The span of the step, in seconds since 1970.
    pub(super) fn span(&self) -> Option<(f64, f64)> {
        let first = self.step.begin_ms?;
        Some((first as f64 / 1_000.0, self.step.last_end_ms.max(first) as f64 / 1_000.0))
    }

    /// Ends the step.
    ///
    /// # Errors
    /// It was not cut short, and has not all samples that the plan says.
    pub(super) fn end_step(&mut self, steps: &Steps, cut_short: bool) -> Result<()> {
        let (from, to) = self.span().unwrap_or_default();
        self.seconds_before += to - from;
        if cut_short {
            return Ok(());
        }
        let seen = |label: &str| self.step.labels.get(label).copied().unwrap_or(0);
        let threads = self.step.threads;
        let Some(loops) = steps.loops else {
            for label in &self.plan.once {
                let seen = seen(label);
                ensure!(seen == u64::from(threads), "a short JTL: {label}: {seen} of {threads} samples");
            }
            // Each thread ends somewhere in its loop, and nowhere else.
            for (before, label) in self.plan.each_loop.iter().zip(self.plan.each_loop.iter().skip(1)) {
                let (first, then) = (seen(before), seen(label));
                ensure!(
                    then <= first && first - then <= u64::from(threads),
                    "a short JTL: {then} samples of {label} behind {first} of {before}, and {threads} threads"
                );
            }
            let least = f64::from(steps.seconds) - LATE_SECONDS;
            ensure!(to - from >= least, "a short JTL: its samples are of {:.0} s, not {least:.0}", to - from);
            return Ok(());
        };
        for (label, planned) in self.plan.samples(threads, loops) {
            let seen = seen(label);
            ensure!(seen >= planned, "a short JTL: {label}: {seen} of {planned} samples");
            ensure!(seen == planned, "a broken JTL: {label}: {seen} samples, and {planned} are planned");
        }
        Ok(())
    }

    /// How far it is, at `now` in seconds since 1970. None before the first sample.
    pub(super) fn snapshot(&mut self, now: f64) -> Option<Snapshot> {
        let begin = self.begin_ms? as f64 / 1_000.0;
        self.recent.sort_unstable();
        let p99_ms = nearest_rank(&self.recent, 990).map(f64::from);
        self.recent.clear();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let second = (now - begin) as u32; // saturates
        Some(Snapshot {
            second,
            asked: self.asked as f64,
            started: self.started,
            answers: self.answers,
            failed: self.failed,
            p99_ms,
        })
    }

    /// Why nobody's figures stand, if so.
    fn faults(&self) -> Vec<String> {
        let told = |(label, (count, status, first)): (&String, &(u64, u16, String))| {
            let samples = if *count == 1 { "sample" } else { "samples" };
            format!("{count} failed {samples} behind a {status}: {label}: {first}")
        };
        self.behind.iter().map(told).collect()
    }

    /// All of it.
    pub(super) fn whole(mut self) -> Whole {
        let faults = self.faults();
        let nobody = Arrivals { scenarios: Vec::new() };
        let mut all: Vec<Millis> = self.requests.values().flat_map(|of| &of.durations).copied().collect();
        let mut total = request_figures(&mut all, self.failed);
        for (status, count) in self.requests.values().flat_map(|of| &of.statuses) {
            *total.statuses.entry(*status).or_default() += count;
        }
        let named = |(name, of): (String, Requests)| {
            let Requests { mut durations, failed, statuses } = of;
            (name, RequestFigures { statuses, ..request_figures(&mut durations, failed) })
        };
        let figures = LoadFigures {
            seconds: self.seconds_before,
            users_asked: self.asked,
            users_started: self.started,
            total,
            requests: self.requests.into_iter().map(named).collect(),
            errors: self.errors.most_frequent(),
        };
        Whole {
            figures,
            series: series(&mut self.series, &nobody),
            begun_at: self.begin_ms.map(|begin| begin as f64 / 1_000.0),
            deeds: self.deeds.all(),
            faults,
        }
    }
}

/// What samples come to.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) figures: LoadFigures,
    pub(super) series: Vec<Second>,
    pub(super) begun_at: Option<f64>,
    pub(super) deeds: Vec<Deed>,
    pub(super) faults: Vec<String>,
}

/// On one line, and not too long.
fn shown(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(SHOWN_CHARS).collect()
}
