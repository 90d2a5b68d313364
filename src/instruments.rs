//! What the rooms count with: counters and histograms that one thread writes and any other reads.
//!
//! A leaf: every room may use it, and it knows none of them, nor how its figures are written down.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use crate::metrics::Snapshot;

/// A count that one thread writes at a time: a load and a store, a tenth of what an addition under a bus lock
/// costs. Were there a second writer, counts would be lost, and nothing else.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts `more`.
    #[inline]
    pub fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    /// The count.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The buckets of a histogram, and the unit in which it is shown.
#[derive(Debug)]
pub struct Scale {
    /// The largest value of each bucket but the last one, which takes the rest; ascending.
    pub bounds: &'static [u64],
    /// How many of the counted unit make one of the shown unit.
    pub per_unit: u64,
}

const fn micros(count: u64) -> u64 {
    count * 1_000
}

const fn millis(count: u64) -> u64 {
    count * 1_000_000
}

/// Durations, counted in nanoseconds and shown in seconds: 50 µs to 10 s, two or three bounds a decade.
pub static SECONDS: Scale = Scale {
    bounds: &[
        micros(50),
        micros(100),
        micros(250),
        micros(500),
        millis(1),
        micros(2_500),
        millis(5),
        millis(10),
        millis(25),
        millis(50),
        millis(100),
        millis(250),
        millis(500),
        millis(1_000),
        millis(2_500),
        millis(5_000),
        millis(10_000),
    ],
    per_unit: 1_000_000_000,
};

/// Numbers of rows: powers of two, to the largest batch that is usual.
pub static ROWS: Scale = Scale { bounds: &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024], per_unit: 1 };

/// How often values fell into each bucket, and their sum. One thread writes it, as a [`Counter`].
#[derive(Debug)]
pub struct Histogram {
    scale: &'static Scale,
    buckets: Box<[Counter]>,
    sum: Counter,
}

impl Histogram {
    /// An empty one.
    #[must_use]
    pub fn new(scale: &'static Scale) -> Self {
        let buckets = (0..=scale.bounds.len()).map(|_| Counter::default()).collect();
        Self { scale, buckets, sum: Counter::default() }
    }

    /// Counts `times` values of the same size.
    pub fn observe(&self, value: u64, times: u64) {
        // From the front: what is frequent is small.
        let bucket = self.scale.bounds.iter().position(|bound| value <= *bound);
        self.buckets[bucket.unwrap_or(self.scale.bounds.len())].add(times);
        self.sum.add(value.wrapping_mul(times));
    }

    /// As [`Histogram::observe`], for a histogram of [`SECONDS`].
    pub fn observe_duration(&self, duration: Duration, times: u64) {
        self.observe(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), times);
    }

    /// What it holds. The buckets are read once, so that the count is theirs also while values come.
    #[must_use]
    // 52 bits hold 52 days of nanoseconds, and more is rounded in its last digits.
    #[allow(clippy::cast_precision_loss)]
    pub fn snapshot(&self) -> Snapshot {
        let shown = |value: u64| value as f64 / self.scale.per_unit as f64;
        let mut count = 0;
        let mut cumulate = |bucket: &Counter| {
            count += bucket.get();
            count
        };
        let counts: Vec<u64> = self.buckets.iter().map(&mut cumulate).collect();
        let cumulative = self.scale.bounds.iter().map(|bound| shown(*bound)).zip(counts).collect();
        Snapshot { cumulative, sum: shown(self.sum.get()), count }
    }
}

#[cfg(test)]
mod tests {
    use super::{Histogram, ROWS, SECONDS, Scale};
    use std::time::Duration;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        static SCALE: Scale = Scale { bounds: &[10, 20], per_unit: 10 };
        let histogram = Histogram::new(&SCALE);
        for (value, times) in [(0, 1), (10, 2), (11, 1), (20, 1), (21, 3)] {
            histogram.observe(value, times);
        }
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.cumulative, [(1.0, 3), (2.0, 5)]);
        assert_eq!((snapshot.count, snapshot.sum), (8, 11.4));
    }

    #[test]
    fn durations_are_shown_in_seconds() {
        let histogram = Histogram::new(&SECONDS);
        histogram.observe_duration(Duration::from_millis(3), 2);
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.sum, 0.006);
        let below = snapshot.cumulative.iter().rfind(|(_, count)| *count == 0).unwrap();
        assert_eq!(below.0, 0.0025);
    }

    #[test]
    fn bounds_ascend() {
        for scale in [&SECONDS, &ROWS] {
            assert!(scale.bounds.is_sorted_by(|one, next| one < next));
        }
    }
}
