//! The text of `/metrics` (Prometheus exposition format 0.0.4). Rooms count for themselves; this room only writes it down.
//! `docs/metrics.md` lists every name, and a test holds that list against a replica.

use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::http;
use crate::instruments::{Histogram, Snapshot};
use crate::process::Process;
use crate::store::commit::CommitQueue;
use crate::store::{Batch, Connector, Feed, Pool};
use crate::waiting::aside::Aside;

/// A counter whose name does not end like one: it is what dashboards of an older backend ask for.
const REQUESTS_BY_PATH: &str = "http_total_requests";

/// Names and values of a sample's labels.
type Labels<'l> = &'l [(&'l str, &'l str)];

/// An exposition in the making. The samples of a name stay together, whoever adds them and when.
#[derive(Default)]
pub struct Exposition {
    families: Vec<Family>,
}

/// All samples of one name, with what stands above them.
struct Family {
    name: &'static str,
    text: String,
}

impl Exposition {
    /// The whole text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.families.into_iter().map(|family| family.text).collect()
    }

    /// One sample; help and type are written with the first of a name. A name that ends in `_total` is a counter.
    pub fn sample(&mut self, name: &'static str, help: &str, labels: Labels<'_>, value: impl Display) {
        let counts = name.ends_with("_total") || name == REQUESTS_BY_PATH;
        let kind = if counts { "counter" } else { "gauge" };
        let text = self.family(name, help, kind);
        line(text, name, labels, &value);
    }

    /// One histogram.
    pub fn histogram(&mut self, name: &'static str, help: &str, labels: Labels<'_>, snapshot: &Snapshot) {
        let text = self.family(name, help, "histogram");
        let bounds = snapshot.cumulative.iter().map(|(bound, count)| (bound.to_string(), *count));
        for (bound, count) in bounds.chain([("+Inf".to_owned(), snapshot.count)]) {
            let labels: Vec<_> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
            line(text, &format!("{name}_bucket"), &labels, &count);
        }
        line(text, &format!("{name}_sum"), labels, &snapshot.sum);
        line(text, &format!("{name}_count"), labels, &snapshot.count);
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
        for total in server.router().totals() {
            let labels = [("path", total.route), ("method", total.method)];
            self.sample(REQUESTS_BY_PATH, "Requests answered, whatever the status.", &labels, total.count);
        }
        for timed in server.router().seconds() {
            let labels = [("route", timed.route), ("method", timed.method)];
            let help =
                "From the read that ended the head to the whole answer in the output, by route template.";
            self.histogram("http_request_duration_seconds", help, &labels, &timed.seconds);
        }
        let metrics = server.metrics();
        self.atomic("pouco_connections_accepted_total", "Connections accepted.", &metrics.accepted);
        self.atomic("pouco_connections_open", "Connections open now.", &metrics.open_connections);
        let limit = server.limits().connections;
        self.sample("pouco_connections_limit", "Connections that may be open.", &[], limit);
        let help = "Bytes by which the buffers of all requests have grown.";
        self.sample("pouco_request_buffer_bytes", help, &[], server.request_bytes());
        let help = "Bytes by which they may grow.";
        self.sample("pouco_request_buffer_limit_bytes", help, &[], server.limits().request_bytes);
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
    pub fn commit_queue<B: Batch>(&mut self, table: &str, queue: &CommitQueue<B>) {
        let (metrics, limits, labels) = (queue.metrics(), queue.limits(), [("table", table)]);
        let samples: [(&'static str, &str, &AtomicU64); 9] = [
            ("pouco_commit_batches_total", "Batches committed.", &metrics.batches),
            ("pouco_commit_rows_total", "Rows in committed batches.", &metrics.rows),
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
        let histograms: [(&'static str, &str, &Histogram); 3] = [
            ("pouco_commit_batch_rows", "Rows of each committed batch.", &metrics.batch_rows),
            ("pouco_commit_duration_seconds", "From sending a batch to its commit.", &metrics.commit_seconds),
            (
                "pouco_commit_queue_duration_seconds",
                "From a row's coming to its sending.",
                &metrics.queue_seconds,
            ),
        ];
        for (name, help, histogram) in histograms {
            self.histogram(name, help, &labels, &histogram.snapshot());
        }
        let help = "Rows that may wait.";
        self.sample("pouco_commit_waiting_limit_rows", help, &labels, limits.queue_rows);
        let help = "Bytes that may wait.";
        self.sample("pouco_commit_waiting_limit_bytes", help, &labels, limits.queue_bytes);
        let help = "Age of the oldest row whose fate is not known yet.";
        self.sample("pouco_commit_oldest_seconds", help, &labels, queue.oldest().as_secs_f64());
    }

    /// What is known of the way to Postgres.
    pub fn database(&mut self, connector: &Connector) {
        let help = "Open connections to Postgres.";
        self.sample("pouco_database_connections", help, &[], connector.connected());
        let (needed, allowed) = connector.room();
        let help = "Connections that all replicas together need.";
        self.sample("pouco_database_connections_needed", help, &[], needed);
        let help = "Connections that Postgres allows; 0 while it has not been asked.";
        self.sample("pouco_database_connections_allowed", help, &[], allowed);
        let help = "Connections given up because Postgres was silent.";
        self.sample("pouco_database_silences_total", help, &[], connector.silences());
        let help = "Times that the database had lost something that was seen in it.";
        self.sample("pouco_database_histories_total", help, &[], connector.history());
    }

    /// What the pool counted, and how much waits for it.
    pub fn pool(&mut self, pool: &Pool) {
        let metrics = pool.metrics();
        let (waiting, limit) = pool.waiting();
        self.sample("pouco_reads_waiting", "Reads waiting in the fullest lane.", &[], waiting);
        self.sample("pouco_reads_waiting_limit", "Reads that may wait in a lane.", &[], limit);
        self.atomic("pouco_reads_total", "Reading statements run.", &metrics.reads);
        self.atomic("pouco_read_queue_full_total", "Reads refused by a full queue.", &metrics.queue_full);
        self.atomic("pouco_read_expired_total", "Reads that reached their deadline.", &metrics.expired);
        let help = "Statements cancelled because nobody waited for them.";
        self.atomic("pouco_statements_cancelled_total", help, &metrics.cancelled);
        let outcomes = [
            ("committed", &metrics.committed),
            ("undone", &metrics.undone),
            ("conflict", &metrics.conflicts),
            ("uncertain", &metrics.uncertain),
        ];
        for (outcome, count) in outcomes {
            let help = "Transactions by outcome; a conflict is tried again, and what is uncertain found out.";
            let count = count.load(Ordering::Relaxed);
            self.sample("pouco_transactions_total", help, &[("outcome", outcome)], count);
        }
    }

    /// What a feed counted.
    pub fn feed(&mut self, name: &str, feed: &Feed) {
        let (metrics, labels) = (feed.metrics(), [("feed", name)]);
        let loaded = |value: &AtomicU64| value.load(Ordering::Relaxed);
        self.sample("pouco_feed_polls_total", "Polls of the feed.", &labels, loaded(&metrics.polls));
        self.sample("pouco_feed_rows_total", "Rows read, known ones too.", &labels, loaded(&metrics.rows));
        let lag = feed.lag().as_secs_f64();
        self.sample("pouco_feed_lag_seconds", "Age of the state read last.", &labels, lag);
        let age = feed.poll_age().as_secs_f64();
        self.sample("pouco_feed_poll_age_seconds", "Time since the last poll ended.", &labels, age);
    }

    /// What was asked of something in memory.
    pub fn cache(&mut self, name: &str, hits: u64, misses: u64) {
        let labels = [("cache", name)];
        self.sample("pouco_cache_hits_total", "Look-ups answered from memory.", &labels, hits);
        self.sample("pouco_cache_misses_total", "Look-ups not answered from memory.", &labels, misses);
    }

    /// What a bounded cache holds.
    pub fn cache_bytes(&mut self, name: &str, bytes: u64) {
        self.sample("pouco_cache_bytes", "Bytes of cached entries.", &[("cache", name)], bytes);
    }

    /// What is done off the worker.
    pub fn aside(&mut self, aside: &Aside) {
        let counts = aside.counts();
        self.sample("pouco_aside_waiting", "Jobs waiting for a thread.", &[], counts.waiting);
        self.sample("pouco_aside_waiting_limit", "Jobs that may wait.", &[], aside.queue_jobs());
        self.sample("pouco_aside_running", "Jobs under way.", &[], counts.running);
        self.sample("pouco_aside_refused_total", "Jobs that found no room.", &[], counts.refused);
        let help = "Jobs not begun, since nobody waited any more.";
        self.sample("pouco_aside_expired_total", help, &[], counts.expired);
        self.sample("pouco_aside_panics_total", "Jobs that panicked.", &[], counts.panicked);
        let help = "How long jobs took, without their wait.";
        self.histogram("pouco_aside_duration_seconds", help, &[], &aside.seconds());
    }

    /// The version.
    pub fn build_info(&mut self) {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        self.sample("pouco_build_info", "1, with the version.", &version, 1);
    }

    /// What the kernel knows of the process.
    pub fn process(&mut self, process: &Process) {
        let help = "CPU time of user and system.";
        self.sample("process_cpu_seconds_total", help, &[], process.cpu_seconds);
        let help = "Memory in RAM, shared pages too.";
        self.sample("process_resident_memory_bytes", help, &[], process.resident_bytes);
        self.sample("process_open_fds", "Open file descriptors.", &[], process.open_fds);
        let help = "Start of the process since the Unix epoch.";
        self.sample("process_start_time_seconds", help, &[], process.start_seconds);
    }

    fn atomic(&mut self, name: &'static str, help: &str, value: &AtomicU64) {
        self.sample(name, help, &[], value.load(Ordering::Relaxed));
    }

    /// The text of a family, begun if it is new.
    fn family(&mut self, name: &'static str, help: &str, kind: &str) -> &mut String {
        let known = self.families.iter().position(|family| family.name == name);
        let index = known.unwrap_or_else(|| {
            let text = format!("# HELP {name} {}\n# TYPE {name} {kind}\n", escaped(help, false));
            self.families.push(Family { name, text });
            self.families.len() - 1
        });
        &mut self.families[index].text
    }
}

fn line(text: &mut String, name: &str, labels: Labels<'_>, value: &dyn Display) {
    text.push_str(name);
    for (index, (label, value)) in labels.iter().enumerate() {
        let _ = write!(text, "{}{label}=\"{}\"", if index == 0 { '{' } else { ',' }, escaped(value, true));
    }
    let _ = writeln!(text, "{} {value}", if labels.is_empty() { "" } else { "}" });
}

/// The format's escapes; only the value of a label stands in quotes.
fn escaped(text: &str, quoted: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quoted { text.replace('"', "\\\"") } else { text }
}

#[cfg(test)]
mod tests {
    use super::Exposition;
    use crate::instruments::{Histogram, SECONDS};

    #[test]
    fn the_samples_of_a_name_stay_together() {
        let mut exposition = Exposition::default();
        exposition.sample("a_total", "A.", &[("x", "1"), ("y", "2")], 3);
        exposition.sample("b", "B.", &[], 0.5);
        exposition.sample("a_total", "A.", &[("x", "2"), ("y", "2")], 4);
        let text = exposition.into_text();
        assert_eq!(
            text,
            "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1\",y=\"2\"} 3\na_total{x=\"2\",y=\"2\"} 4\n\
             # HELP b B.\n# TYPE b gauge\nb 0.5\n"
        );
    }

    #[test]
    fn what_ends_a_value_is_escaped() {
        let mut exposition = Exposition::default();
        exposition.sample("a", "A\\B\n\"C\"", &[("x", "\"\\\n")], 1);
        let text = exposition.into_text();
        assert_eq!(text, "# HELP a A\\\\B\\n\"C\"\n# TYPE a gauge\na{x=\"\\\"\\\\\\n\"} 1\n");
    }

    #[test]
    fn a_histogram_ends_with_its_sum_and_count() {
        let histogram = Histogram::new(&SECONDS);
        histogram.observe(60_000, 2);
        let mut exposition = Exposition::default();
        exposition.histogram("a_seconds", "A.", &[("x", "1")], &histogram.snapshot());
        let text = exposition.into_text();
        assert!(text.contains("a_seconds_bucket{x=\"1\",le=\"0.00005\"} 0\n"), "{text}");
        assert!(text.contains("a_seconds_bucket{x=\"1\",le=\"0.0001\"} 2\n"), "{text}");
        let end = "a_seconds_bucket{x=\"1\",le=\"+Inf\"} 2\na_seconds_sum{x=\"1\"} 0.00012\na_seconds_count{x=\"1\"} 2\n";
        assert!(text.ends_with(end), "{text}");
    }
}
