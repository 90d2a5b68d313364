//! What a run has before it, and what is told of each attempt that has ended: for a page that shows it.

use std::path::Path;

use anyhow::Result;

use super::read;
use crate::contest::Contest;
use crate::figures::{Metric, Percentile};
use crate::live::{Ended, Key, Planned};
use crate::load::SEARCH_SECONDS;
use crate::record::{Attempt, Capacity, Record, Status};
use crate::report;

/// Who comes in which round, in the order in which they take turns, with the place of each in `ids`. Where
/// rounds of `attempts` that are there count among those that are asked for (`complete`) they are left out;
/// otherwise these come after them.
pub(super) fn turns(attempts: &[Attempt], ids: &[String], times: u32, complete: bool) -> Vec<(usize, u32)> {
    let last = |id: &String| attempts.iter().filter(|it| it.contestant == *id).map(|it| it.round).max();
    let before: Vec<u32> = ids.iter().map(|id| last(id).unwrap_or(0)).collect();
    let rounds = (1..=times).flat_map(|round| before.iter().enumerate().map(move |it| (round, it)));
    let due = rounds.filter(|(round, (_, before))| !complete || round > before);
    due.map(|(round, (place, before))| (place, if complete { round } else { before + round })).collect()
}

/// What a run of `contest` by these contestants has before it, after what is in `folder` already.
///
/// # Errors
/// There is a record that cannot be read.
pub fn planned(
    contest: &Contest,
    folder: &Path,
    ids: &[String],
    (times, complete): (u32, bool),
    seconds: Option<u32>,
    find_limit: bool,
) -> Result<Vec<Planned>> {
    let record = read(folder)?;
    let key = |contestant: &str, round| {
        let (load, contestant) = (contest.load_name.clone(), contestant.to_owned());
        Key { load, contestant, round }
    };
    let seconds = match find_limit {
        true => f64::from(SEARCH_SECONDS),
        false => seconds.map_or(contest.seconds(), f64::from),
    };
    let of_record = record
        .iter()
        .filter(|_| !find_limit)
        .flat_map(|record| record.attempts.iter().map(move |attempt| (attempt, ended(record, attempt))));
    let before = of_record.map(|(attempt, ended)| Planned {
        key: key(&attempt.contestant, attempt.round),
        seconds,
        ended: Some(ended),
    });
    let attempts = record.as_ref().map_or(&[][..], |record| &record.attempts);
    let turns = turns(attempts, ids, times, complete).into_iter();
    let due = turns.map(|(place, round)| Planned { key: key(&ids[place], round), seconds, ended: None });
    Ok(before.chain(due).collect())
}

/// An attempt of `record`, as it is shown beside others.
pub(super) fn ended(record: &Record, attempt: &Attempt) -> Ended {
    let of_all = report::live::verdict(record, &attempt.contestant);
    let (words, tone) = match attempt.verdict.status {
        Status::Valid => of_all.unwrap_or_default(),
        Status::Disqualified | Status::Failed => (format!("⊘ {}", attempt.verdict.reasons.join("; ")), "bad"),
    };
    let load = attempt.load.as_ref();
    Ended {
        words,
        tone,
        requests_per_second: load
            .filter(|load| load.seconds > 0.0)
            .map(|load| load.total.count as f64 / load.seconds),
        p99_ms: Metric::Time(None, Percentile::P99).of(attempt),
        failed: load.map(|load| load.total.failed),
        cpu_seconds: Metric::Cpu.of(attempt),
        memory_bytes: attempt.resources.as_ref().map(|resources| resources.total.memory_bytes),
    }
}

/// A search, in the same way. It has no CPU or memory of its own, but each of its steps.
pub(super) fn searched(capacity: &Capacity) -> Ended {
    let least = if capacity.at_least { "at least " } else { "" };
    let (words, tone) = match (capacity.reasons.as_slice(), capacity.scale) {
        ([], Some(scale)) => (format!("{least}{scale:.2} times the rates"), "good"),
        ([], None) => ("not even the smallest step passed".to_owned(), "warn"),
        (reasons, _) => (format!("⊘ {}", reasons.join("; ")), "bad"),
    };
    let requests_per_second = capacity.requests_per_second;
    Ended { words, tone, requests_per_second, ..Ended::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contestants_take_turns_and_a_record_is_completed_or_goes_on() {
        let ids = ["a".to_owned(), "b".to_owned()];
        assert_eq!(turns(&[], &ids, 2, true), [(0, 1), (1, 1), (0, 2), (1, 2)]);
        let there = [Attempt { contestant: "a".into(), round: 1, ..Attempt::default() }];
        assert_eq!(turns(&there, &ids, 2, true), [(1, 1), (0, 2), (1, 2)]);
        assert_eq!(turns(&there, &ids, 1, false), [(0, 2), (1, 1)]);
        assert_eq!(turns(&there, &ids, 1, true), [(1, 1)]);
    }
}
