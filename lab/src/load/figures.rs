//! Counts and times, while they come and when all is over.
//!
//! Times go into HdrHistograms of microseconds, three digits exact, up to 120 s; one for each request and one
//! for the present second. What may not enter: figures of users who were meant to start while the load warms
//! up; the caller leaves them out.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;

use super::arrivals::float;
use super::{Creation, Rule};
use crate::oracle::Right;
use crate::oracle::inventory::Deed;
use crate::record::{Answers, ErrorCount, LoadFigures, RequestFigures, Second};

/// The longest time that is told apart: twice the longest timeout of a contest.
const LONGEST_MICROS: u64 = 120_000_000;
/// Messages that are told apart; the rest is counted as one.
const MAX_MESSAGES: usize = 200;
/// Messages in the result.
const SHOWN_MESSAGES: usize = 20;

pub(super) fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, LONGEST_MICROS, 3).context("a histogram")
}

/// Of all requests of one kind.
struct Kind {
    name: String,
    count: u64,
    failed: u64,
    /// Few, so a list is quicker than a map.
    statuses: Vec<(u16, u64)>,
    times: Histogram<u64>,
}

/// How one request ended.
pub(super) struct End<'a> {
    pub(super) kind: usize,
    /// 0: no answer.
    pub(super) status: u16,
    pub(super) nanos: u64,
    pub(super) failure: Option<&'a str>,
    /// Of an answer that is itself what the contest judges.
    pub(super) seen: Option<Seen>,
}

/// What was seen of an answer that is itself what the contest judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is not as it must be.
    Wrong,
    /// It is.
    Right,
    /// So is this page.
    Page(Right),
}

/// Everything that is counted.
pub(super) struct Figures {
    kinds: Vec<Kind>,
    messages: HashMap<String, u64>,
    pub(super) creations: Vec<Creation>,
    pub(super) deeds: Vec<Deed>,
    pub(super) series: Vec<Second>,
    /// Of the present second.
    times: Histogram<u64>,
    answers: u64,
    failed: u64,
    started: u64,
    pub(super) users_started: u64,
    pub(super) failed_in_all: u64,
    answered_in_all: u64,
    /// Slower than the rule allows a hundredth of all to be.
    slow: u64,
    rule: Option<Rule>,
    /// Absent where nothing was [`Seen`].
    pub(super) answers_checked: Option<Answers>,
}

fn count(answers: &mut Answers, seen: Seen) {
    answers.checked += 1;
    let right = match seen {
        Seen::Wrong => {
            answers.wrong += 1;
            return;
        }
        Seen::Right => return,
        Seen::Page(right) => right,
    };
    match answers.by_cache.get_mut(right.cache) {
        Some(count) => *count += 1,
        None => drop(answers.by_cache.insert(right.cache.to_owned(), 1)),
    }
    if let Some(age) = right.age.map(|age| age.as_secs_f64()) {
        answers.oldest_seconds = Some(answers.oldest_seconds.map_or(age, |oldest| oldest.max(age)));
    }
}

impl Figures {
    pub(super) fn new(names: impl Iterator<Item = String>, rule: Option<Rule>) -> Result<Self> {
        let kind = |name| Ok(Kind { name, count: 0, failed: 0, statuses: Vec::new(), times: histogram()? });
        Ok(Self {
            kinds: names.map(kind).collect::<Result<_>>()?,
            messages: HashMap::new(),
            creations: Vec::new(),
            deeds: Vec::new(),
            series: Vec::new(),
            times: histogram()?,
            answers: 0,
            failed: 0,
            started: 0,
            users_started: 0,
            failed_in_all: 0,
            answered_in_all: 0,
            slow: 0,
            rule,
            answers_checked: None,
        })
    }

    /// A user has started.
    pub(super) fn start(&mut self) {
        self.started += 1;
        self.users_started += 1;
    }

    /// A request has ended.
    pub(super) fn end(&mut self, end: &End<'_>) {
        let micros = end.nanos / 1000;
        let kind = &mut self.kinds[end.kind];
        kind.count += 1;
        kind.times.saturating_record(micros);
        match kind.statuses.iter_mut().find(|(status, _)| *status == end.status) {
            Some((_, count)) => *count += 1,
            None => kind.statuses.push((end.status, 1)),
        }
        self.times.saturating_record(micros);
        if end.status != 0 {
            self.answers += 1;
            self.answered_in_all += 1;
        }
        if self.rule.is_some_and(|rule| float(micros) > rule.p99_ms * 1e3) {
            self.slow += 1;
        }
        if let Some(seen) = end.seen {
            count(self.answers_checked.get_or_insert_default(), seen);
        }
        if let Some(message) = end.failure {
            kind.failed += 1;
            self.failed += 1;
            self.failed_in_all += 1;
            let message = format!("{}: {message}", kind.name);
            self.count_message(message);
        }
    }

    fn count_message(&mut self, message: String) {
        let known = self.messages.len() < MAX_MESSAGES || self.messages.contains_key(&message);
        *self.messages.entry(if known { message } else { "others".into() }).or_default() += 1;
    }

    /// The rule cannot be kept any more, whatever still comes of at most `most` requests in all.
    pub(super) fn rule_broken(&self, most: u64) -> bool {
        self.rule.is_some_and(|rule| self.failed_in_all > rule.failed || self.slow.saturating_mul(100) > most)
    }

    /// A second has passed. Answers that are none (timeouts, resets) have their times in its percentiles too.
    pub(super) fn roll(&mut self, second: u32, asked: f64) -> Second {
        let figures = Second {
            second,
            asked,
            started: std::mem::take(&mut self.started),
            answers: std::mem::take(&mut self.answers),
            failed: std::mem::take(&mut self.failed),
            p50_ms: quantile(&self.times, 0.5),
            p95_ms: quantile(&self.times, 0.95),
            p99_ms: quantile(&self.times, 0.99),
            ..Second::default()
        };
        self.times.reset();
        figures
    }

    /// Of the times of all requests.
    pub(super) fn sum_of_seconds(&self) -> f64 {
        let sum = |kind: &Kind| kind.times.mean() * float(kind.times.len()) / 1e6;
        self.kinds.iter().map(sum).sum()
    }

    pub(super) fn requests(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.count).sum()
    }

    /// With a status, allowed or not.
    pub(super) fn answered(&self) -> u64 {
        self.answered_in_all
    }

    /// How often any of the messages ends with `end`.
    pub(super) fn messages_with(&self, end: &str) -> u64 {
        self.messages.iter().filter(|(message, _)| message.ends_with(end)).map(|(_, count)| count).sum()
    }

    /// Everything, summed up.
    pub(super) fn summary(&self, seconds: f64, users_asked: u64) -> Result<LoadFigures> {
        let mut total = histogram()?;
        let mut by_name: BTreeMap<&str, Kind> = BTreeMap::new();
        for kind in &self.kinds {
            total.add(&kind.times).context("adding histograms")?;
            let empty =
                Kind { name: String::new(), count: 0, failed: 0, statuses: Vec::new(), times: histogram()? };
            let sum = by_name.entry(&kind.name).or_insert(empty);
            sum.count += kind.count;
            sum.failed += kind.failed;
            sum.statuses.extend(&kind.statuses);
            sum.times.add(&kind.times).context("adding histograms")?;
        }
        let requests: BTreeMap<String, RequestFigures> =
            by_name.iter().map(|(name, kind)| ((*name).to_owned(), figures(kind, &kind.times))).collect();
        let all = Kind {
            name: String::new(),
            count: self.requests(),
            failed: self.failed_in_all,
            statuses: self.kinds.iter().flat_map(|kind| kind.statuses.iter().copied()).collect(),
            times: total,
        };
        let mut errors: Vec<ErrorCount> = self
            .messages
            .iter()
            .map(|(message, &count)| ErrorCount { message: message.clone(), count })
            .collect();
        errors.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.message.cmp(&b.message)));
        errors.truncate(SHOWN_MESSAGES);
        Ok(LoadFigures {
            seconds,
            users_asked,
            users_started: self.users_started,
            total: figures(&all, &all.times),
            requests,
            errors,
        })
    }
}

fn figures(kind: &Kind, times: &Histogram<u64>) -> RequestFigures {
    let mut statuses = BTreeMap::new();
    for &(status, count) in &kind.statuses {
        *statuses.entry(status).or_default() += count;
    }
    RequestFigures {
        count: kind.count,
        failed: kind.failed,
        statuses,
        p50_ms: quantile(times, 0.5),
        p75_ms: quantile(times, 0.75),
        p90_ms: quantile(times, 0.9),
        p95_ms: quantile(times, 0.95),
        p99_ms: quantile(times, 0.99),
        p999_ms: quantile(times, 0.999),
        max_ms: (!times.is_empty()).then(|| float(times.max()) / 1e3),
    }
}

/// In milliseconds; `None` where there was nothing.
pub(super) fn quantile(times: &Histogram<u64>, quantile: f64) -> Option<f64> {
    (!times.is_empty()).then(|| float(times.value_at_quantile(quantile)) / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(kind: usize, millis: u64, failure: Option<&str>) -> End<'_> {
        let status = if failure.is_some() { 0 } else { 200 };
        End { kind, status, nanos: millis * 1_000_000, failure, seen: None }
    }

    #[test]
    fn one_name_in_two_scenarios_is_one_line() {
        let names = ["a", "b", "a"].map(String::from);
        let mut figures = Figures::new(names.into_iter(), None).unwrap();
        figures.end(&end(0, 1, None));
        figures.end(&end(1, 10, Some("timed out")));
        figures.end(&end(2, 3, None));
        let summary = figures.summary(1.0, 3).unwrap();
        assert_eq!(summary.requests["a"].count, 2);
        assert_eq!(summary.requests["a"].statuses, BTreeMap::from([(200, 2)]));
        assert_eq!(summary.total.statuses, BTreeMap::from([(0, 1), (200, 2)]));
        assert_eq!((summary.total.count, summary.total.failed), (3, 1));
        assert_eq!(summary.errors[0].message, "b: timed out");
        let max = summary.total.max_ms.unwrap();
        assert!((max - 10.0).abs() < 0.02, "{max}");
    }

    #[test]
    fn the_rule_is_broken_when_nothing_can_mend_it() {
        let rule = Rule { failed: 0, p99_ms: 100.0 };
        let new = || Figures::new(["a".to_owned()].into_iter(), Some(rule)).unwrap();
        let mut figures = new();
        for _ in 0..10 {
            figures.end(&end(0, 101, None));
        }
        assert!(!figures.rule_broken(1000), "a hundredth may be slow");
        figures.end(&end(0, 100, None));
        assert!(!figures.rule_broken(1000), "100 ms are allowed");
        figures.end(&end(0, 101, None));
        assert!(figures.rule_broken(1000));
        let mut figures = new();
        figures.end(&end(0, 1, Some("x")));
        assert!(figures.rule_broken(1000));
    }

    #[test]
    fn messages_are_bounded() {
        let mut figures = Figures::new(["a".to_owned()].into_iter(), None).unwrap();
        for index in 0..300 {
            figures.end(&end(0, 1, Some(&format!("message {index}"))));
        }
        let summary = figures.summary(1.0, 1).unwrap();
        assert_eq!((summary.errors[0].message.as_str(), summary.errors[0].count), ("others", 100));
        assert_eq!(summary.errors.len(), SHOWN_MESSAGES);
    }
}
