//! How a load went over its time: whether a server is as quick again after a spike, and whether it can go on
//! for long. What may not enter: how anything is measured; series of numbers come in.

use serde::Deserialize;

use crate::meters::ApiPoint;
use crate::record::{Proven, Second};
use crate::stats;

/// After a spike a second is as quick as before if its p99 is at most so many times the one before.
const RECOVERED: f64 = 1.5;
/// In a long load the last part may be slower than the first by this.
const SLOWER: f64 = 1.1;
/// Memory may grow by this in a minute.
const MB_A_MINUTE: f64 = 1.0;
/// What is open may grow by the larger of these.
const OPEN: f64 = 2.0;
const OPEN_SHARE: f64 = 0.05;
/// A shorter load tells nothing about the long run.
const LEAST_SECONDS: f64 = 60.0;
/// What is warm then, at most, and the length of the parts that are compared.
const WARM_SECONDS: f64 = 30.0;
const PART_SECONDS: f64 = 60.0;
/// Of a shorter load this part each.
const PART: f64 = 0.2;

/// What a load is looked at for, second by second.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Course {
    /// Whether it is as quick after its spike as it was before.
    Spike,
    /// Whether anything grows.
    Long,
}

fn median_of(series: &[Second], of: impl Fn(&Second) -> Option<f64>) -> Option<f64> {
    stats::median(&series.iter().filter_map(of).collect::<Vec<_>>())
}

fn within(series: &[Second], from: f64, until: f64) -> Vec<Second> {
    let within = |second: &&Second| {
        f64::from(second.second) >= from && f64::from(second.second) + 1.0 <= until + f64::EPSILON
    };
    series.iter().filter(within).cloned().collect()
}

/// How long after the end of a spike, which begins at `from`, the load was as quick as before it.
#[must_use]
pub fn spike(series: &[Second], from: f64, until: f64) -> Vec<Proven> {
    let before = median_of(&within(series, from.min(1.0), from), |second| second.p99_ms);
    let after: Vec<&Second> = series.iter().filter(|it| f64::from(it.second) >= until).collect();
    let quick =
        |second: &&&Second| second.p99_ms.zip(before).is_some_and(|(p99, before)| p99 <= RECOVERED * before);
    let shown = before.map_or("unknown".to_owned(), |before| format!("{before:.1} ms"));
    let (count, wrong, found) = match after.iter().position(|second| quick(&second)) {
        Some(place) => (place, 0, format!("p99 before the spike was {shown}")),
        None => (after.len(), after.len().max(1), format!("never; p99 before the spike was {shown}")),
    };
    let what = "seconds until it was as quick as before".to_owned();
    vec![Proven { what, count: count as u64, wrong: wrong as u64, found }]
}

/// Whether memory, what is open, or times grow in a load that goes on.
#[must_use]
pub fn long(series: &[Second], apis: &[ApiPoint]) -> Vec<Proven> {
    let length = series.len() as f64;
    let warm = WARM_SECONDS.min(length * PART);
    let part = PART_SECONDS.min(length * PART);
    let judged = length >= LEAST_SECONDS;
    let points: Vec<&ApiPoint> = apis.iter().filter(|it| it.second >= warm && it.second <= length).collect();
    let mut proven = Vec::new();
    let mut prove = |what: &str, grown: f64, allowed: f64, found: String| {
        // Shown as a whole number; what is allowed is compared with the figure itself.
        let count = shown(grown);
        let wrong = if judged && grown > allowed { count.max(1) } else { 0 };
        proven.push(Proven { what: what.to_owned(), count, wrong, found });
    };
    let memory: Vec<(f64, f64)> =
        points.iter().map(|it| (it.second / 60.0, it.memory_bytes as f64 / 1e6)).collect();
    if let Some(slope) = stats::slope(&memory) {
        prove("KB of memory more each minute", slope * 1e3, MB_A_MINUTE * 1e3, format!("{slope:.3} MB"));
    }
    type Count = fn(&ApiPoint) -> Option<f64>;
    let opened: [(&str, Count); 2] = [
        ("descriptors more at the end", |it| it.descriptors.map(|count| count as f64)),
        ("database connections more at the end", |it| it.connections.map(f64::from)),
    ];
    for (what, of) in opened {
        let median = |from: f64, until: f64| {
            let part = points.iter().filter(|it| it.second >= from && it.second <= until);
            stats::median(&part.filter_map(|it| of(it)).collect::<Vec<_>>())
        };
        if let Some((first, last)) = median(warm, warm + part).zip(median(length - part, length)) {
            let allowed = OPEN.max(first * OPEN_SHARE);
            prove(what, last - first, allowed, format!("{first:.0} at first, {last:.0} at last"));
        }
    }
    let p95 = |from: f64, until: f64| median_of(&within(series, from, until), |second| second.p95_ms);
    if let Some((first, last)) = p95(warm, warm + part).zip(p95(length - part, length)) {
        let slower = (last / first - 1.0) * 100.0;
        let found = format!("p95 was {first:.1} ms at first, {last:.1} ms at last");
        prove("percent slower at the end", slower, (SLOWER - 1.0) * 100.0 + 1e-9, found);
    }
    proven
}

/// As a whole number; what has become less is none.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // above 0, and the cast saturates
fn shown(grown: f64) -> u64 {
    grown.max(0.0).round() as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // small numbers above 0

    use super::*;

    /// Of a server that takes 100 ms at rest.
    fn seconds(p99: &[f64]) -> Vec<Second> {
        let second = |(second, p99): (u32, &f64)| Second {
            second,
            p99_ms: Some(*p99),
            p95_ms: Some(*p99),
            ..Second::default()
        };
        (0..).zip(p99).map(second).collect()
    }

    fn points(seconds: u32, of: impl Fn(f64) -> ApiPoint) -> Vec<ApiPoint> {
        (0..seconds).map(|second| of(f64::from(second))).collect()
    }

    fn steady(second: f64) -> ApiPoint {
        // A sawtooth, as a collector of garbage makes it.
        let saw = (second % 10.0) * 3e6;
        ApiPoint {
            second,
            memory_bytes: 80_000_000 + saw as u64,
            descriptors: Some(30),
            connections: Some(18),
        }
    }

    fn wrong(proven: &[Proven]) -> Vec<(&str, u64)> {
        proven.iter().filter(|it| it.wrong > 0).map(|it| (it.what.as_str(), it.wrong)).collect()
    }

    #[test]
    fn a_spike_is_over_when_the_server_is_as_quick_as_before() {
        let course = |after: &[f64]| {
            let before = [900.0, 100.0, 101.0, 99.0];
            let all = [&before[..], &[400.0; 6], after].concat();
            spike(&seconds(&all), 4.0, 10.0).remove(0)
        };
        assert_eq!((course(&[100.0, 100.0]).count, course(&[100.0]).wrong), (0, 0));
        let late = course(&[300.0, 200.0, 151.0, 150.0, 100.0]);
        assert_eq!((late.count, late.wrong), (3, 0), "{late:?}");
        let never = course(&[300.0, 300.0, 160.0]);
        assert_eq!((never.count, never.wrong), (3, 3), "{never:?}");
        assert!(never.found.contains("never; p99 before the spike was 100.0 ms"), "{never:?}");
        assert_eq!(course(&[]).wrong, 1, "nothing is known after it");
    }

    #[test]
    fn what_goes_on_without_growing_is_right() {
        let proven = long(&seconds(&[100.0; 300]), &points(300, steady));
        assert_eq!(proven.len(), 4, "{proven:?}");
        assert_eq!(wrong(&proven), []);
        // What is short tells nothing, and nothing is wrong about it.
        let grows = |second: f64| ApiPoint { memory_bytes: 1_000_000 * second as u64, ..steady(second) };
        assert_eq!(wrong(&long(&seconds(&[100.0; 5]), &points(5, grows))), []);
        assert!(long(&[], &[]).is_empty());
    }

    #[test]
    fn a_leak_is_found_beneath_a_sawtooth() {
        let leak = |mb_a_minute: f64| {
            let more = move |second: f64| (mb_a_minute * 1e6 / 60.0 * second) as u64;
            points(300, move |second| ApiPoint {
                memory_bytes: steady(second).memory_bytes + more(second),
                ..steady(second)
            })
        };
        let found = |mb_a_minute| {
            let proven = long(&seconds(&[100.0; 300]), &leak(mb_a_minute));
            wrong(&proven).first().map(|(what, count)| ((*what).to_owned(), *count))
        };
        assert_eq!(found(0.8), None);
        let (what, count) = found(1.5).unwrap();
        assert!(what == "KB of memory more each minute" && (1_400..1_600).contains(&count), "{count}");
    }

    #[test]
    fn descriptors_connections_and_times_that_grow_are_found() {
        let open = points(300, |second| ApiPoint {
            descriptors: Some(30 + second as u64 / 10),
            connections: Some(18 + second as u32 / 60),
            ..steady(second)
        });
        let slower: Vec<f64> = (0..300).map(|second| 100.0 + f64::from(second) * 0.1).collect();
        let names: Vec<String> =
            wrong(&long(&seconds(&slower), &open)).iter().map(|(what, _)| (*what).to_owned()).collect();
        let expected = [
            "descriptors more at the end",
            "database connections more at the end",
            "percent slower at the end",
        ];
        assert_eq!(names, expected);
        let a_little: Vec<f64> = (0..300).map(|second| 100.0 + f64::from(second) * 0.03).collect();
        assert_eq!(wrong(&long(&seconds(&a_little), &points(300, steady))), []);
    }
}
