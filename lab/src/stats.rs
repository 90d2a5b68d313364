//! Medians, their intervals, and how two sets of runs differ.
//!
//! Intervals are 95 % percentile bootstrap intervals of the median. What they are worth depends on the number
//! of runs: with up to five runs the interval is simply the smallest and the largest value, and such a range
//! holds the true median of endless runs with probability 1 − 2 · ½ⁿ: 50 % for two runs, 75 % for three, 88 %
//! for four, 94 % for five. So three runs show how far runs differ, and no more; five are needed before "95
//! %" is nearly true. Two sets of three runs of the same program have ranges that do not touch in one of ten
//! cases, which is why [`crate::compare`] has a threshold as well.
//!
//! What may not enter: records and figures. Numbers come in, numbers go out.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Resamples of a bootstrap.
pub const RESAMPLES: usize = 10_000;

/// Of the bootstrap's random numbers: the same values always give the same interval.
const SEED: u64 = 2023;

/// Two numbers of which the first is not the larger one.
pub type Interval = (f64, f64);

/// A median and what may be said about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Of the values.
    pub median: f64,
    /// 95 % bootstrap interval; absent with a single value.
    pub interval: Option<Interval>,
    /// How many values there were.
    pub samples: usize,
}

/// How a second set of values differs from a first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Second median less the first.
    pub difference: f64,
    /// Absent where one of the sets has a single value.
    pub difference_interval: Option<Interval>,
    /// Second median by the first; absent where the first is 0.
    pub ratio: Option<f64>,
    /// Absent where one of the sets has a single value, or the first has a median of 0 within its own
    /// interval.
    pub ratio_interval: Option<Interval>,
}

/// Points of which all pairs are looked at.
const SLOPE_POINTS: usize = 600;

/// The Theil–Sen slope: the median of the slopes of all pairs, which a third of the points may spoil without
/// moving it. Of many points some are taken, evenly. Absent where there are fewer than two.
#[must_use]
pub fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let step = points.len().div_ceil(SLOPE_POINTS).max(1);
    let points: Vec<(f64, f64)> = points.iter().copied().step_by(step).collect();
    let of_pairs = points.iter().enumerate().flat_map(|(place, (x, y))| {
        let later = points[place + 1..].iter();
        later.filter(move |(to, _)| to > x).map(move |(to, value)| (value - y) / (to - x))
    });
    median(&of_pairs.collect::<Vec<_>>())
}

/// The median of `values` with its interval; nothing for no values. Values that are no finite number are left
/// out.
#[must_use]
pub fn estimate(values: &[f64]) -> Option<Estimate> {
    let values = sorted(values);
    let median = middle(&values)?;
    let interval = (values.len() > 1).then(|| {
        interval(resamples(values.len(), Stream::First).iter().map(|at| at.median(&values)).collect())
    });
    Some(Estimate { median, interval, samples: values.len() })
}

/// How `second` differs from `first`; nothing where one of them is empty.
#[must_use]
pub fn change(first: &[f64], second: &[f64]) -> Option<Change> {
    let (first, second) = (sorted(first), sorted(second));
    let (before, after) = (middle(&first)?, middle(&second)?);
    let mut change = Change {
        difference: after - before,
        difference_interval: None,
        ratio: (before != 0.0).then(|| after / before),
        ratio_interval: None,
    };
    if first.len() > 1 && second.len() > 1 {
        let drawn_first = resamples(first.len(), Stream::First);
        let drawn_second = resamples(second.len(), Stream::Second);
        let drawn = drawn_first.iter().zip(drawn_second.iter());
        let pairs: Vec<_> = drawn.map(|(a, b)| (a.median(&first), b.median(&second))).collect();
        change.difference_interval = Some(interval(pairs.iter().map(|(a, b)| b - a).collect()));
        if pairs.iter().all(|(a, _)| *a != 0.0) {
            change.ratio_interval = Some(interval(pairs.iter().map(|(a, b)| b / a).collect()));
        }
    }
    Some(change)
}

/// The value in the middle, or half-way between the two in the middle; nothing for no values.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    middle(&sorted(values))
}

fn middle(sorted: &[f64]) -> Option<f64> {
    (!sorted.is_empty()).then(|| Middle::of(sorted.len()).median(sorted))
}

/// Finite values, the smallest first.
fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// The middle 95 % of `draws`, which are not empty.
fn interval(mut draws: Vec<f64>) -> Interval {
    let (cut, last) = (draws.len() / 40, draws.len() - 1);
    let (_, low, above) = draws.select_nth_unstable_by(cut, f64::total_cmp);
    let low = *low;
    // Of what is above the lower end, the same number is cut from the other side.
    let high = match last - 2 * cut {
        0 => low,
        distance => *above.select_nth_unstable_by(distance - 1, f64::total_cmp).1,
    };
    (low, high)
}

/// Two sets must be drawn from independently.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stream {
    First = 0,
    Second = 1,
}

/// The places in a sorted set of the one or two values in the middle of a resample.
#[derive(Clone, Copy)]
struct Middle(usize, usize);

impl Middle {
    /// Of a sorted set of `count` itself.
    fn of(count: usize) -> Self {
        Self((count - 1) / 2, count / 2)
    }

    fn median(self, sorted: &[f64]) -> f64 {
        f64::midpoint(sorted[self.0], sorted[self.1])
    }
}

type Resamples = Rc<[Middle]>;

thread_local! {
    /// Which places a resample takes depends on the number of values and not on the values: a report has
    /// hundreds of intervals of sets of the same few sizes.
    static DRAWN: RefCell<BTreeMap<(usize, Stream), Resamples>> = const { RefCell::new(BTreeMap::new()) };
}

/// [`RESAMPLES`] draws of `count` values out of `count`, with replacement.
fn resamples(count: usize, stream: Stream) -> Resamples {
    DRAWN.with_borrow_mut(|drawn| drawn.entry((count, stream)).or_insert_with(|| draw(count, stream)).clone())
}

fn draw(count: usize, stream: Stream) -> Resamples {
    let mut random = fastrand::Rng::with_seed(SEED + stream as u64);
    let mut places = vec![0; count];
    let resample = |_| {
        places.fill_with(|| random.usize(..count));
        places.sort_unstable();
        let Middle(lower, upper) = Middle::of(count);
        Middle(places[lower], places[upper])
    };
    (0..RESAMPLES).map(resample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_value_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[3.0, 1.0]), Some(2.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
    }

    #[test]
    fn one_run_has_no_interval() {
        assert_eq!(estimate(&[4.0]), Some(Estimate { median: 4.0, interval: None, samples: 1 }));
        assert_eq!(estimate(&[]), None);
        assert_eq!(estimate(&[f64::NAN, f64::INFINITY]), None);
    }

    #[test]
    fn up_to_five_runs_the_interval_is_the_range() {
        for count in 2..=5_u32 {
            let values: Vec<f64> = (1..=count).map(f64::from).collect();
            let estimate = estimate(&values).unwrap();
            assert_eq!(estimate.interval, Some((1.0, f64::from(count))), "{count} runs");
        }
        let six = estimate(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap().interval.unwrap();
        assert!(six.0 > 1.0 && six.1 < 6.0, "{six:?}");
    }

    #[test]
    fn the_same_values_give_the_same_interval_in_any_case() {
        let values: Vec<f64> = (0..20).map(|i| f64::from(i * i % 17)).collect();
        assert_eq!(estimate(&values), estimate(&values));
    }

    #[test]
    fn a_ratio_has_an_interval_of_its_own() {
        let change = change(&[10.0, 11.0, 12.0], &[20.0, 22.0, 24.0]).unwrap();
        assert_eq!(change.ratio, Some(2.0));
        assert_eq!(change.ratio_interval, Some((20.0 / 12.0, 2.4)));
        assert_eq!(change.difference, 11.0);
        assert_eq!(change.difference_interval, Some((8.0, 14.0)));
    }

    #[test]
    fn nothing_is_divided_by_zero() {
        let none_before = change(&[0.0, 0.0, 0.0], &[5.0, 6.0, 7.0]).unwrap();
        assert_eq!((none_before.ratio, none_before.ratio_interval), (None, None));
        assert_eq!(none_before.difference_interval, Some((5.0, 7.0)));
        // The median is above 0 here, and that of some resamples is not.
        let some_before = change(&[0.0, 1.0, 1.0], &[1.0, 1.0, 1.0]).unwrap();
        assert_eq!((some_before.ratio, some_before.ratio_interval), (Some(1.0), None));
    }

    #[test]
    fn a_single_run_on_either_side_leaves_no_interval() {
        let change = change(&[10.0], &[20.0, 22.0, 24.0]).unwrap();
        assert_eq!(
            (change.ratio, change.ratio_interval, change.difference_interval),
            (Some(2.2), None, None)
        );
    }

    /// How often the interval holds the true median, over many simulated sets of runs with a long tail, as
    /// run times have.
    fn coverage(runs: usize) -> f64 {
        let mut random = fastrand::Rng::with_seed(7);
        let sets = 400;
        let true_median = 1.0;
        let mut held = 0;
        for _ in 0..sets {
            // exp(x) of a symmetric x around 0 has the median 1.
            let values: Vec<f64> =
                (0..runs).map(|_| (random.f64() + random.f64() + random.f64() - 1.5).exp()).collect();
            let (low, high) = estimate(&values).unwrap().interval.unwrap();
            held += u32::from(low <= true_median && true_median <= high);
        }
        f64::from(held) / f64::from(sets)
    }

    #[test]
    fn intervals_hold_the_true_median_as_often_as_the_module_says() {
        for (runs, low, high) in [(2, 0.42, 0.58), (3, 0.68, 0.82), (5, 0.90, 0.98), (15, 0.90, 0.99)] {
            let coverage = coverage(runs);
            assert!((low..=high).contains(&coverage), "{runs} runs: {coverage}");
        }
    }
}
