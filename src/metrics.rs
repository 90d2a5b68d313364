//! The text of `/metrics` (Prometheus exposition format 0.0.4). Rooms count for themselves; this room only writes it down.

use std::fmt::Write;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cache::{Bounded, Weigh};
use crate::http;
use crate::store::commit::CommitMetrics;
use crate::store::{Feed, ReadMetrics};

/// An exposition in the making.
#[derive(Default)]
pub struct Exposition {
    text: String,
    described: Vec<&'static str>,
}

impl Exposition {
    /// The whole text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    /// One sample; help and type are written with the first of a name. A name that ends in `_total` is a counter.
    pub fn sample(&mut self, name: &'static str, help: &str, labels: &[(&str, &str)], value: u64) {
        if !self.described.contains(&name) {
            self.described.push(name);
            let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
            let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        }
        self.text.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            // Labels are our own templates and names, they hold nothing to escape.
            let _ = write!(self.text, "{}{label}=\"{value}\"", if index == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// What the engine counted.
    pub fn http(&mut self, server: &http::Server) {
        let mut counts: Vec<_> = server.router().counts().collect();
        counts.sort_by_key(|count| (count.route, count.method, count.status.code()));
        for count in counts {
            let code = count.status.code().to_string();
            let labels = [("route", count.route), ("method", count.method), ("status", code.as_str())];
            self.sample("http_requests_total", "Requests answered, by route template.", &labels, count.count);
        }
        let metrics = server.metrics();
        self.atomic("pouco_connections_accepted_total", "Connections accepted.", &metrics.accepted);
        self.atomic("pouco_connections_open", "Connections open now.", &metrics.open_connections);
        self.atomic(
            "pouco_accept_failures_total",
            "Accepts without a descriptor or memory.",
            &metrics.accept_failures,
        );
        for limit in http::Limit::ALL {
            let labels = [("limit", limit.label())];
            let hits = metrics.limit_hits(*limit);
            self.sample("pouco_http_limit_hits_total", "Limits that clients hit.", &labels, hits);
        }
        for timeout in http::Timeout::ALL {
            let labels = [("kind", timeout.label())];
            let ended = metrics.timeouts(*timeout);
            self.sample("pouco_http_timeouts_total", "Connections ended by a time-out.", &labels, ended);
        }
        self.atomic("pouco_handler_panics_total", "Handlers that panicked.", &metrics.panics);
    }

    /// What a commit queue counted.
    pub fn commit_queue(&mut self, table: &str, metrics: &CommitMetrics) {
        let labels = [("table", table)];
        let samples: [(&'static str, &str, &AtomicU64); 10] = [
            ("pouco_commit_batches_total", "Batches committed.", &metrics.batches),
            ("pouco_commit_rows_total", "Rows in committed batches.", &metrics.rows),
            (
                "pouco_commit_microseconds_total",
                "Time from sending a batch to its commit.",
                &metrics.commit_us,
            ),
            ("pouco_commit_queue_full_total", "Rows refused by a full queue.", &metrics.queue_full),
            ("pouco_commit_expired_total", "Rows that reached their deadline unsent.", &metrics.expired),
            ("pouco_commit_uncertain_total", "Batches settled after a lost connection.", &metrics.uncertain),
            ("pouco_commit_conflicts_total", "Batches tried again after a conflict.", &metrics.conflicts),
            ("pouco_commit_panics_total", "Panics of a writer, which went on.", &metrics.panics),
            ("pouco_commit_waiting_rows", "Rows waiting to be sent.", &metrics.waiting_rows),
            ("pouco_commit_waiting_bytes", "Bytes waiting to be sent.", &metrics.waiting_bytes),
        ];
        for (name, help, value) in samples {
            self.sample(name, help, &labels, value.load(Ordering::Relaxed));
        }
    }

    /// What the readers counted.
    pub fn readers(&mut self, metrics: &ReadMetrics) {
        self.atomic("pouco_reads_total", "Reading statements run.", &metrics.reads);
        self.atomic("pouco_read_queue_full_total", "Reads refused by a full queue.", &metrics.queue_full);
        self.atomic("pouco_read_expired_total", "Reads that reached their deadline.", &metrics.expired);
    }

    /// What a feed counted.
    pub fn feed(&mut self, name: &str, feed: &Feed) {
        let (metrics, labels) = (feed.metrics(), [("feed", name)]);
        let loaded = |value: &AtomicU64| value.load(Ordering::Relaxed);
        self.sample("pouco_feed_polls_total", "Polls of the feed.", &labels, loaded(&metrics.polls));
        self.sample("pouco_feed_rows_total", "Rows read, known ones too.", &labels, loaded(&metrics.rows));
        self.sample("pouco_feed_lag_milliseconds", "Age of the state read last.", &labels, feed.lag_ms());
    }

    /// What a cache counted.
    pub fn cache<K, V>(&mut self, name: &str, cache: &Bounded<K, V>)
    where
        K: Weigh + Eq + Hash + Clone,
        V: Weigh + Clone,
    {
        let labels = [("cache", name)];
        self.sample("pouco_cache_bytes", "Bytes of cached entries.", &labels, cache.bytes());
        self.sample("pouco_cache_hits_total", "Look-ups that found their entry.", &labels, cache.hits());
        self.sample("pouco_cache_misses_total", "Look-ups that did not.", &labels, cache.misses());
    }

    fn atomic(&mut self, name: &'static str, help: &str, value: &AtomicU64) {
        self.sample(name, help, &[], value.load(Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::Exposition;

    #[test]
    fn a_name_is_described_once() {
        let mut exposition = Exposition::default();
        exposition.sample("a_total", "A.", &[("x", "1"), ("y", "2")], 3);
        exposition.sample("a_total", "A.", &[("x", "2"), ("y", "2")], 4);
        exposition.sample("b", "B.", &[], 5);
        let text = exposition.into_text();
        assert_eq!(
            text,
            "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1\",y=\"2\"} 3\na_total{x=\"2\",y=\"2\"} 4\n\
             # HELP b B.\n# TYPE b gauge\nb 5\n"
        );
    }
}
