//! A load so far, in bounded memory: as it grows long, its points are put together in pairs.

use crate::meters::SeriesPoint;
use crate::record::Second;
use crate::view::Tick;

/// Of each line; then every two become one.
pub(super) const MOST_POINTS: usize = 300;

/// What the generator and the meters have told since the load began.
#[derive(Debug, Default)]
pub(super) struct Course {
    pub(super) seen: Trace,
    pub(super) used: Trace,
    /// Failed requests of the former tick.
    failed: u64,
}

impl Course {
    pub(super) fn tick(&mut self, second: u32, tick: &Tick) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let count = |rate: f64| rate.round() as u64; // saturates
        let failed = tick.failed.saturating_sub(self.failed);
        self.failed = tick.failed;
        self.seen.add(Second {
            second,
            asked: tick.asked,
            started: count(tick.achieved),
            answers: count(tick.answers),
            failed,
            p99_ms: tick.p99_ms,
            ..Second::default()
        });
    }

    pub(super) fn meter(&mut self, second: u32, point: SeriesPoint) {
        let (cpus, memory_bytes) = (Some(point.cpus), Some(point.memory_bytes));
        self.used.add(Second { second, cpus, memory_bytes, ..Second::default() });
    }
}

/// Points in the order of their seconds, each of which stands for `span` of what was added.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) points: Vec<Second>,
    span: u32,
    /// In the last point.
    within: u32,
    /// The second that was added last.
    newest: Option<u32>,
}

impl Default for Trace {
    fn default() -> Self {
        Self { points: Vec::new(), span: 1, within: 0, newest: None }
    }
}

impl Trace {
    fn add(&mut self, second: Second) {
        // The rest of a load is a tick of next to no time, of which a rate says nothing.
        if self.newest.replace(second.second) == Some(second.second) {
            if let Some(last) = self.points.last_mut() {
                last.failed += second.failed;
            }
            return;
        }
        match self.points.last_mut().filter(|_| self.within < self.span) {
            Some(last) => {
                *last = together(last, self.within, &second, 1);
                self.within += 1;
            }
            None => {
                if self.points.len() == MOST_POINTS {
                    let span = self.span;
                    self.points =
                        self.points.chunks(2).map(|pair| together(&pair[0], span, &pair[1], span)).collect();
                    self.span *= 2;
                }
                self.points.push(second);
                self.within = 1;
            }
        }
    }
}

/// Rates and cores are the mean, times and bytes the most, failures the sum.
fn together(one: &Second, of_one: u32, other: &Second, of_other: u32) -> Second {
    let (a, b) = (f64::from(of_one), f64::from(of_other));
    let mean = |one: f64, other: f64| (one * a + other * b) / (a + b);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // of counts
    let counts = |one: u64, other: u64| mean(one as f64, other as f64).round() as u64;
    let most = |one: Option<f64>, other: Option<f64>| match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    };
    Second {
        second: one.second,
        asked: mean(one.asked, other.asked),
        started: counts(one.started, other.started),
        answers: counts(one.answers, other.answers),
        failed: one.failed + other.failed,
        p95_ms: None,
        p50_ms: None,
        p99_ms: most(one.p99_ms, other.p99_ms),
        cpus: one.cpus.zip(other.cpus).map(|(one, other)| mean(one, other)).or(one.cpus).or(other.cpus),
        memory_bytes: one.memory_bytes.max(other.memory_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_has_no_more_points_than_five_minutes_and_loses_no_failure() {
        let mut course = Course::default();
        for second in 0..3_600_u32 {
            let tick = Tick {
                achieved: 10.0,
                answers: 20.0,
                p99_ms: (second == 1_234).then_some(77.0),
                failed: u64::from(second) + 1,
                ..Tick::default()
            };
            course.tick(second, &tick);
            let point = SeriesPoint { second: 0.0, cpus: 0.5, memory_bytes: u64::from(second) };
            course.meter(second, point);
            assert!(course.seen.points.len().max(course.used.points.len()) <= MOST_POINTS);
        }
        course.tick(3_599, &Tick { failed: 3_601, ..Tick::default() });
        let points = &course.seen.points;
        assert!(points.len() > MOST_POINTS / 2 - 1 && points.is_sorted_by_key(|point| point.second));
        assert!(points.iter().all(|point| (point.started, point.answers) == (10, 20)));
        assert_eq!(points.iter().map(|point| point.failed).sum::<u64>(), 3_601);
        assert_eq!(points.iter().filter_map(|point| point.p99_ms).collect::<Vec<_>>(), [77.0]);
        let used = &course.used.points;
        assert!(used.iter().all(|point| (point.cpus.unwrap() - 0.5).abs() < 1e-9));
        assert_eq!(used.last().unwrap().memory_bytes, Some(3_599));
    }
}
