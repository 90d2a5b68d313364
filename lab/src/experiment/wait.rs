//! Waits for a connection to the database, as a contestant tells them itself: a histogram in Prometheus text,
//! read before the load and after it. The difference is the load's.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::http;
use crate::record::RequestFigures;

/// What stands in a record next to the requests.
pub const WAIT: &str = "(wait for a connection)";

/// Where a histogram of waits is told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// A host and a port.
    pub address: String,
    /// There.
    pub path: String,
    /// In seconds; all of its series are added up.
    pub histogram: String,
}

/// How many waits were so long at most, in seconds, ascending; the last bound is infinite.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Buckets(Vec<(f64, u64)>);

impl Wait {
    /// The current values; nothing where nobody listens, or the listener does not report them.
    ///
    /// # Errors
    /// What is told is not a histogram.
    pub(super) fn told(&self) -> Result<Option<Buckets>> {
        let Ok(answer) = http::get(&self.address, &self.path) else { return Ok(None) };
        if answer.status != 200 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&answer.body);
        let buckets = Buckets::parse(&text, &self.histogram);
        buckets.with_context(|| format!("{} of {}{}", self.histogram, self.address, self.path))
    }
}

impl Buckets {
    fn parse(text: &str, histogram: &str) -> Result<Option<Self>> {
        let mut buckets: Vec<(f64, u64)> = Vec::new();
        let begins = format!("{histogram}_bucket{{");
        for line in text.lines().filter_map(|line| line.strip_prefix(&begins)) {
            let (labels, count) = line.rsplit_once("} ").context("a line without a value")?;
            let bound = labels.split(',').find_map(|label| label.strip_prefix("le=\"")?.strip_suffix('"'));
            // Of f64, which reads `+Inf` too.
            let bound: f64 = bound.context("a bucket without le")?.parse().context("le is not a number")?;
            let count: u64 = count.trim().parse().with_context(|| format!("{count} is not a count"))?;
            match buckets.iter_mut().find(|(known, _)| *known == bound) {
                Some((_, sum)) => *sum += count,
                None => buckets.push((bound, count)),
            }
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        Ok((!buckets.is_empty()).then_some(Self(buckets)))
    }

    /// Those since `before`, as a record has times.
    ///
    /// # Errors
    /// There are fewer than before: it was started again.
    pub(super) fn since(&self, before: &Self) -> Result<RequestFigures> {
        let former = |bound: f64| before.0.iter().find(|(it, _)| *it == bound).map_or(0, |(_, count)| *count);
        let mut since = Vec::new();
        for (bound, count) in &self.0 {
            let former = former(*bound);
            ensure!(*count >= former, "{count} waits after {former}: it was started again in between");
            since.push((*bound, count - former));
        }
        let since = Self(since);
        let millis = |share| since.quantile(share).map(|seconds| seconds * 1e3);
        Ok(RequestFigures {
            count: since.count(),
            p50_ms: millis(0.5),
            p75_ms: millis(0.75),
            p90_ms: millis(0.9),
            p95_ms: millis(0.95),
            p99_ms: millis(0.99),
            p999_ms: millis(0.999),
            ..RequestFigures::default()
        })
    }

    fn count(&self) -> u64 {
        self.0.last().map_or(0, |(_, count)| *count)
    }

    /// Within its bucket by what part of it lies below, as Prometheus does it.
    #[allow(clippy::cast_precision_loss)] // counts of a load
    fn quantile(&self, share: f64) -> Option<f64> {
        let rank = share * self.count() as f64;
        let place = self.0.iter().position(|(_, count)| *count > 0 && *count as f64 >= rank)?;
        let (from, below) = if place == 0 { (0.0, 0) } else { self.0[place - 1] };
        let (to, count) = self.0[place];
        if to.is_infinite() {
            return Some(from);
        }
        Some(from + (to - from) * (rank - below as f64) / (count - below) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "# TYPE w_seconds histogram\nw_seconds_bucket{lane=\"a\",le=\"0.001\"} 90\n\
        w_seconds_bucket{lane=\"a\",le=\"0.01\"} 100\nw_seconds_bucket{lane=\"a\",le=\"+Inf\"} 100\n\
        w_seconds_bucket{lane=\"b\",le=\"0.001\"} 10\nw_seconds_bucket{lane=\"b\",le=\"0.01\"} 10\n\
        w_seconds_bucket{lane=\"b\",le=\"+Inf\"} 10\nw_seconds_sum 1\nw_seconds_count 110\n";

    #[test]
    fn waits_are_those_of_the_load_from_all_series() {
        let after = Buckets::parse(TOLD, "w_seconds").unwrap().unwrap();
        let figures = after.since(&Buckets::default()).unwrap();
        assert_eq!(figures.count, 110);
        assert!((figures.p50_ms.unwrap() - 0.55).abs() < 1e-9, "{figures:?}");
        // 108.9 of 110: 8.9 of the ten in the second bucket.
        assert!((figures.p99_ms.unwrap() - 9.01).abs() < 1e-9, "{figures:?}");
        let none = after.since(&after).unwrap();
        assert_eq!((none.count, none.p99_ms), (0, None));
        assert!(
            Buckets::default().since(&after).is_ok()
                && Buckets(vec![(1.0, 1)]).since(&Buckets(vec![(1.0, 2)])).is_err()
        );
        assert_eq!(Buckets::parse(TOLD, "others").unwrap(), None);
        assert!(Buckets::parse("w_bucket{le=\"1\"} x", "w").is_err());
        let endless = Buckets(vec![(0.5, 1), (f64::INFINITY, 9)]);
        assert_eq!(endless.since(&Buckets::default()).unwrap().p99_ms, Some(500.0), "at least");
    }
}
