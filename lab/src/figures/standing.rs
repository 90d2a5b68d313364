//! A contestant's attempts together: what became of its rows, or what its answers were, whether it has a
//! rank, and which.
//!
//! The order is by correctness first. A contestant that keeps everything stands before one that loses rows
//! when it is killed, and that one before one that loses rows without any mishap; within each group the CPU
//! seconds for 1,000 requests decide. A shop that stands still has an exact stock for just that reason, and
//! stands behind all that serve.

use std::cmp::Ordering;

use super::{Metric, shop};
use crate::record::{Answers, Attempt, Capacity, Entry, Record, Status, Stored};
use crate::stats::{self, Estimate};

/// What became of a contestant's rows, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Correctness {
    /// All rows are as they must be, after a kill too if there was one; where none are counted, all answers.
    Exact,
    /// Nobody looked at rows or answers: there was no attempt with an oracle.
    Unchecked,
    /// Exact after the load, and rows that had been acknowledged were gone, or not found by the API, after a
    /// SIGKILL.
    LostWhenKilled,
    /// Exact, and for a while, or all the time, a shop that served nobody.
    StoodStill,
    /// All is as it must be, but that it loses what it acknowledges, as its variant is known to.
    KnownToLose,
    /// Rows are missing or wrong after a load without any mishap, or answers were.
    Wrong,
    /// Its figures cannot be compared.
    Disqualified,
    /// No attempt came to an end.
    Failed,
}

/// A contestant and its attempts.
#[derive(Clone, Debug)]
pub struct Standing<'a> {
    /// Who.
    pub entry: &'a Entry,
    /// Where it stands in [`Record::contestants`], from 0: its colour in pictures.
    pub index: usize,
    /// All of its attempts.
    pub attempts: Vec<&'a Attempt>,
    /// All of its capacity searches.
    pub capacities: Vec<&'a Capacity>,
    /// The worst of its attempts.
    pub correctness: Correctness,
    /// From 1; absent for those that are disqualified or failed.
    pub rank: Option<usize>,
    /// By whom it is judged.
    pub oracle: &'a str,
}

impl<'a> Standing<'a> {
    fn new(record: &'a Record, index: usize, entry: &'a Entry) -> Self {
        let mine = |contestant: &str| contestant == entry.id;
        let attempts: Vec<_> = record.attempts.iter().filter(|attempt| mine(&attempt.contestant)).collect();
        let capacities: Vec<_> =
            record.capacities.iter().filter(|capacity| mine(&capacity.contestant)).collect();
        let mut standing = Self {
            entry,
            index,
            attempts,
            capacities,
            correctness: Correctness::Failed,
            rank: None,
            oracle: record.oracle(),
        };
        standing.correctness = match standing.judge() {
            Correctness::Exact | Correctness::Unchecked if entry.unranked => Correctness::KnownToLose,
            other => other,
        };
        standing
    }

    /// One round in which the limits did not hold disqualifies; a round that failed only leaves fewer to
    /// compare.
    fn judge(&self) -> Correctness {
        let any = |status| self.attempts.iter().any(|attempt| attempt.verdict.status == status);
        if any(Status::Disqualified) {
            return Correctness::Disqualified;
        }
        if self.attempts.is_empty() && self.capacities.iter().any(|search| search.reasons.is_empty()) {
            return Correctness::Unchecked;
        }
        if !any(Status::Valid) {
            return Correctness::Failed;
        }
        if self.valid().filter_map(|attempt| attempt.stored.as_ref()).any(|stored| !stored.exact()) {
            return Correctness::Wrong;
        }
        if self.valid().flat_map(|attempt| &attempt.proofs).any(|proven| proven.wrong > 0) {
            return Correctness::Wrong;
        }
        if self.valid().any(|attempt| shop::standstill(attempt).is_some()) {
            return Correctness::StoodStill;
        }
        let mut answers = self.valid().filter_map(|attempt| attempt.answers.as_ref()).peekable();
        if answers.peek().is_some() {
            return if answers.all(Answers::right) { Correctness::Exact } else { Correctness::Wrong };
        }
        let mut killed = self.valid().filter_map(|attempt| attempt.killed.as_ref());
        if killed.any(|killed| !killed.kept()) {
            Correctness::LostWhenKilled
        } else if self.valid().any(|attempt| attempt.stored.is_some()) {
            Correctness::Exact
        } else {
            Correctness::Unchecked
        }
    }

    /// The most of something in the rows of a round.
    #[must_use]
    pub fn most(&self, of: impl Fn(&Stored) -> u64) -> u64 {
        self.valid().filter_map(|attempt| attempt.stored.as_ref().map(&of)).max().unwrap_or(0)
    }

    /// The attempts whose figures stand.
    pub fn valid(&self) -> impl Iterator<Item = &'a Attempt> {
        self.attempts.iter().copied().filter(|attempt| attempt.verdict.status == Status::Valid)
    }

    /// The value of each valid attempt, or of each capacity search that can be compared.
    #[must_use]
    pub fn values(&self, metric: &Metric) -> Vec<f64> {
        if *metric == Metric::Capacity {
            let searches = self.capacities.iter().filter(|search| search.reasons.is_empty());
            return searches.map(|search| search.scale.unwrap_or(0.0)).collect();
        }
        self.valid().filter_map(|attempt| metric.of(attempt)).collect()
    }

    /// In one of the searches whose scale counts, the limit may be higher: the generator set it, or nothing
    /// failed.
    #[must_use]
    pub fn capacity_is_at_least(&self) -> bool {
        self.capacities.iter().any(|search| search.reasons.is_empty() && search.at_least)
    }

    /// The median of [`Standing::values`].
    #[must_use]
    pub fn estimate(&self, metric: &Metric) -> Option<Estimate> {
        stats::estimate(&self.values(metric))
    }

    /// The largest of [`Standing::values`]: what counts where a single bad round is one too many.
    #[must_use]
    pub fn worst(&self, metric: &Metric) -> Option<f64> {
        self.values(metric).into_iter().reduce(f64::max)
    }

    /// Of the attempts whose figures may be shown, the one whose CPU seconds are in the middle: the one to
    /// draw.
    #[must_use]
    pub fn typical(&self) -> Option<&'a Attempt> {
        let drawn = |attempt: &&'a Attempt| !attempt.series.is_empty();
        let mut candidates: Vec<_> = self.valid().filter(drawn).collect();
        if candidates.is_empty() {
            candidates = self.attempts.iter().copied().filter(drawn).collect();
        }
        let cpu = |attempt: &Attempt| Metric::Cpu.of(attempt).unwrap_or(f64::INFINITY);
        candidates.sort_by(|a, b| cpu(a).total_cmp(&cpu(b)));
        candidates.get(candidates.len().saturating_sub(1) / 2).copied()
    }

    /// Whether it is in the ranking.
    #[must_use]
    pub fn ranked(&self) -> bool {
        self.correctness < Correctness::Disqualified
    }
}

/// All contestants of `record`, ranked ones first.
#[must_use]
pub fn standings(record: &Record) -> Vec<Standing<'_>> {
    let entries = record.contestants.iter().enumerate();
    let mut keyed: Vec<_> = entries
        .map(|(index, entry)| Standing::new(record, index, entry))
        .map(|standing| {
            let middle = |metric| stats::median(&standing.values(&metric));
            let key = (middle(Metric::CpuPerThousand), middle(Metric::Capacity));
            (standing.correctness, key, standing)
        })
        .collect();
    keyed.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| by_cost(a.1, b.1)));
    let mut standings: Vec<_> = keyed.into_iter().map(|(_, _, standing)| standing).collect();
    for (place, standing) in standings.iter_mut().enumerate().filter(|(_, standing)| standing.ranked()) {
        standing.rank = Some(place + 1);
    }
    standings
}

/// Less CPU first, without a figure last; where nobody has one, more capacity first.
fn by_cost(a: (Option<f64>, Option<f64>), b: (Option<f64>, Option<f64>)) -> Ordering {
    let cpu = |key: (Option<f64>, Option<f64>)| key.0.unwrap_or(f64::INFINITY);
    let capacity = |key: (Option<f64>, Option<f64>)| key.1.unwrap_or(-1.0);
    cpu(a).total_cmp(&cpu(b)).then_with(|| capacity(b).total_cmp(&capacity(a)))
}
