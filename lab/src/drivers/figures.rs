//! Exact figures from all durations: percentiles by nearest rank, and seconds.

use std::collections::BTreeMap;

use crate::record::{ErrorCount, LoadFigures, RequestFigures, Second};

use super::arrivals::Arrivals;

/// So many different failures are kept; one more would be "other failures".
const MAX_DIFFERENT_ERRORS: usize = 1_000;

/// So many failures are shown, the most frequent ones.
const SHOWN_ERRORS: usize = 10;

/// Users late by so much have missed their second.
const LATE_SECONDS: f64 = 1.0;

/// Fewer late or missing users than this share of those asked for are no finding.
const TOLERATED_SHARE: f64 = 0.01;

/// Durations are whole milliseconds from here on; a request of 49 days does not occur.
pub(super) type Millis = u32;

/// Of sorted values; `permille` are tenths of a percent.
pub(super) fn nearest_rank(sorted: &[Millis], permille: usize) -> Option<Millis> {
    let rank = (sorted.len() * permille).div_ceil(1_000).max(1);
    sorted.get(rank - 1).copied()
}

/// Percentiles and extremes of all `durations`, which are sorted in place.
pub(super) fn request_figures(durations: &mut [Millis], failed: u64) -> RequestFigures {
    durations.sort_unstable();
    let at = |permille| nearest_rank(durations, permille).map(f64::from);
    RequestFigures {
        count: durations.len() as u64,
        failed,
        p50_ms: at(500),
        p75_ms: at(750),
        p90_ms: at(900),
        p95_ms: at(950),
        p99_ms: at(990),
        p999_ms: at(999),
        max_ms: durations.last().copied().map(f64::from),
        ..RequestFigures::default()
    }
}

/// What happened in one second.
#[derive(Clone, Debug, Default)]
pub(super) struct Bucket {
    pub(super) started: u64,
    pub(super) answers: u64,
    pub(super) failed: u64,
    pub(super) durations: Vec<Millis>,
}

/// Every second from the first to the last in which something happened or should have.
pub(super) fn series(buckets: &mut BTreeMap<u32, Bucket>, arrivals: &Arrivals) -> Vec<Second> {
    let last_asked = (0..).take_while(|&second| f64::from(second) < arrivals.seconds()).last();
    let last_seen = buckets.last_key_value().map(|(&second, _)| second);
    let Some(last) = last_asked.max(last_seen) else { return Vec::new() };
    let second = |second| {
        let mut empty = Bucket::default();
        let bucket = buckets.get_mut(&second).unwrap_or(&mut empty);
        bucket.durations.sort_unstable();
        Second {
            second,
            asked: arrivals.users_in(second),
            started: bucket.started,
            answers: bucket.answers,
            failed: bucket.failed,
            p50_ms: nearest_rank(&bucket.durations, 500).map(f64::from),
            p99_ms: nearest_rank(&bucket.durations, 990).map(f64::from),
            ..Second::default()
        }
    };
    (0..=last).map(second).collect()
}

/// Drops seconds at the end in which nothing happened: of a load that was cut short all of them, otherwise
/// those in which nobody should have come.
pub(super) fn trim(series: &mut Vec<Second>, interrupted: bool) {
    let idle = |second: &Second| {
        second.started + second.answers + second.failed == 0 && (interrupted || second.asked < 1e-9)
    };
    while series.pop_if(|second| idle(second)).is_some() {}
}

/// The value at `at` on the line through `points`, which are sorted; before the first and past the last they
/// stay as they are.
pub(super) fn interpolate(points: &[(f64, f64)], at: f64) -> f64 {
    let next = points.partition_point(|&(x, _)| x < at);
    match (next.checked_sub(1).and_then(|index| points.get(index)), points.get(next)) {
        (Some(&(x0, y0)), Some(&(x1, y1))) => y0 + (y1 - y0) * (at - x0) / (x1 - x0),
        (Some(&(_, y)), None) | (None, Some(&(_, y))) => y,
        (None, None) => 0.0,
    }
}

/// Failures by their words, in bounded memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Errors(BTreeMap<String, u64>);

impl Errors {
    pub(super) fn add(&mut self, message: &str, count: u64) {
        if count == 0 {
            return;
        }
        let known = self.0.contains_key(message) || self.0.len() < MAX_DIFFERENT_ERRORS;
        let message = if known { message } else { "other failures" };
        *self.0.entry(message.to_owned()).or_default() += count;
    }

    /// The most frequent first.
    pub(super) fn most_frequent(self) -> Vec<ErrorCount> {
        let mut errors: Vec<ErrorCount> =
            self.0.into_iter().map(|(message, count)| ErrorCount { message, count }).collect();
        errors
            .sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.message.cmp(&other.message)));
        errors.truncate(SHOWN_ERRORS);
        errors
    }
}

/// Reasons to believe that the tool did not send what it was asked for: users who are missing, or who came
/// late.
///
/// A closed circle of Little's law (users at a time = rate × their duration) is not a test here, because a
/// log of starts and ends fulfils it always; and from one late start alone nobody can tell how late it was.
/// But the sum of starts can be held against the sum of arrivals that were asked for.
pub(super) fn arrival_bottlenecks(
    figures: &LoadFigures,
    series: &[Second],
    arrivals: &Arrivals,
) -> Vec<String> {
    let mut found = Vec::new();
    // Tools round the users of each phase to whole ones.
    let phases: usize = arrivals.scenarios.iter().map(|scenario| scenario.phases.len()).sum();
    let tolerated = |asked: f64| (asked * TOLERATED_SHARE).max(phases as f64);
    let (asked, started) = (figures.users_asked, figures.users_started);
    let short = asked.saturating_sub(started);
    if short as f64 > tolerated(asked as f64) {
        found.push(format!("only {started} of {asked} users were started"));
    }
    let mut started = 0;
    let mut latest: Option<(u32, f64)> = None;
    for second in series {
        started += second.started;
        let asked = arrivals.users_until(f64::from(second.second) + 1.0 - LATE_SECONDS);
        // Those who never came are told above.
        let late = asked - (started + short) as f64;
        if late > tolerated(asked) && latest.is_none_or(|(_, most)| late > most) {
            latest = Some((second.second, late));
        }
    }
    if let Some((second, late)) = latest {
        found.push(format!(
            "users were started late: at the end of second {second}, {late:.0} were more than {LATE_SECONDS} s late"
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contest::Contest;

    #[test]
    fn a_rank_is_the_nearest_one() {
        let hundred: Vec<Millis> = (1..=100).collect();
        let ranks = [500, 750, 950, 990, 999].map(|permille| nearest_rank(&hundred, permille));
        assert_eq!(ranks, [50, 75, 95, 99, 100].map(Some));
        assert_eq!(nearest_rank(&[7], 990), Some(7));
        assert_eq!(nearest_rank(&[1, 2], 500), Some(1));
        assert_eq!(nearest_rank(&[1, 2, 3], 990), Some(3));
        assert_eq!(nearest_rank(&[], 500), None);
        let figures = request_figures(&mut [60_000, 4, 2], 1);
        assert_eq!((figures.count, figures.failed), (3, 1));
        assert_eq!(
            (figures.p50_ms, figures.p75_ms, figures.max_ms),
            (Some(4.0), Some(60_000.0), Some(60_000.0))
        );
    }

    #[test]
    fn idle_seconds_at_the_end_are_dropped() {
        let second = |asked, started| Second { asked, started, ..Second::default() };
        let lengths = |interrupted| {
            let mut series = vec![second(1.0, 0), second(1.0, 1), second(1.0, 0), second(0.0, 0)];
            trim(&mut series, interrupted);
            series.len()
        };
        assert_eq!((lengths(false), lengths(true)), (3, 2));
    }

    #[test]
    fn between_two_points_lies_a_line() {
        let points = [(1.0, 10.0), (2.0, 20.0), (4.0, 20.0)];
        let values = [0.0, 1.0, 1.5, 2.0, 3.0, 9.0].map(|at| interpolate(&points, at));
        assert_eq!(values, [10.0, 10.0, 15.0, 20.0, 20.0, 20.0]);
        assert_eq!(interpolate(&[], 1.0), 0.0);
    }

    #[test]
    fn the_most_frequent_errors_come_first_and_memory_is_bounded() {
        let mut errors = Errors::default();
        for number in 0..MAX_DIFFERENT_ERRORS + 500 {
            errors.add(&format!("error {number}"), 1);
        }
        errors.add("error 7", 3);
        errors.add("never", 0);
        assert!(errors.0.len() <= MAX_DIFFERENT_ERRORS + 1);
        let shown = errors.most_frequent();
        assert_eq!(shown.len(), SHOWN_ERRORS);
        assert_eq!((shown[0].message.as_str(), shown[0].count), ("other failures", 500));
        assert_eq!((shown[1].message.as_str(), shown[1].count), ("error 7", 4));
    }

    fn three_seconds() -> Arrivals {
        let contest: Contest = toml::from_str(
            r#"
            title = "even"
            url = "http://127.0.0.1:1"
            oracle = "people"
            count_path = "/"
            conformance = "none.toml"
            budget = { cpus = 1.0, memory_bytes = 1, database_connections = 1 }
            [load]
            seed = 1
            [[load.scenario]]
            name = "all"
            phases = [{ from = 100.0, to = 100.0, seconds = 3.0 }]
            request = [{ name = "get", method = "GET", path = "/", accept = [200] }]
            "#,
        )
        .unwrap();
        Arrivals::new(&contest, 1.0, None).unwrap()
    }

    fn findings(started: [u64; 4]) -> Vec<String> {
        let arrivals = three_seconds();
        let mut buckets: BTreeMap<u32, Bucket> = BTreeMap::new();
        for (second, started) in (0..).zip(started) {
            buckets.insert(second, Bucket { started, ..Bucket::default() });
        }
        let series = series(&mut buckets, &arrivals);
        let figures = LoadFigures {
            users_asked: arrivals.users(),
            users_started: started.iter().sum(),
            ..LoadFigures::default()
        };
        arrival_bottlenecks(&figures, &series, &arrivals)
    }

    #[test]
    fn missing_and_late_users_are_found() {
        assert_eq!(findings([100, 100, 100, 0]), [""; 0]);
        assert_eq!(findings([98, 101, 99, 1]), [""; 0], "starts fall on both sides of a second's end");
        assert_eq!(findings([100, 100, 96, 0]).len(), 1, "missing");
        let late = findings([100, 0, 20, 180]);
        assert_eq!(late.len(), 1);
        assert!(late[0].contains("second 2, 80 were"), "{late:?}");
    }
}
