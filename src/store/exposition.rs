//! What the store counted, as `/metrics` shows it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::batch::Batch;
use super::commit::CommitQueue;
use super::connect::Connector;
use super::feed::Feed;
use super::pool::Pool;
use crate::instruments::Histogram;
use crate::metrics::Exposition;

impl<B: Batch> CommitQueue<B> {
    /// What a commit queue counted.
    pub fn expose(&self, table: &str, exposition: &mut Exposition) {
        let (metrics, limits, labels) = (self.metrics(), self.limits(), [("table", table)]);
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
            exposition.sample(name, help, &labels, value.load(Ordering::Relaxed));
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
            exposition.histogram(name, help, &labels, &histogram.snapshot());
        }
        let help = "Rows that may wait.";
        exposition.sample("pouco_commit_waiting_limit_rows", help, &labels, limits.queue_rows);
        let help = "Bytes that may wait.";
        exposition.sample("pouco_commit_waiting_limit_bytes", help, &labels, limits.queue_bytes);
        let help = "Age of the oldest row whose outcome is not known yet.";
        exposition.sample("pouco_commit_oldest_seconds", help, &labels, self.oldest().as_secs_f64());
    }
}

impl Connector {
    /// What is known of the way to Postgres.
    pub fn expose(&self, exposition: &mut Exposition) {
        let help = "Open connections to Postgres.";
        exposition.sample("pouco_database_connections", help, &[], self.connected());
        let (needed, allowed) = self.room();
        let help = "Connections that all replicas together need.";
        exposition.sample("pouco_database_connections_needed", help, &[], needed);
        let help = "Connections that Postgres allows; 0 while it has not been asked.";
        exposition.sample("pouco_database_connections_allowed", help, &[], allowed);
        let help = "Connections given up because Postgres was silent.";
        exposition.sample("pouco_database_silences_total", help, &[], self.silences());
        let help = "Times that the database had lost something that was seen in it.";
        exposition.sample("pouco_database_histories_total", help, &[], self.history());
    }
}

impl Pool {
    /// What the pool counted, and how much waits for it.
    pub fn expose(&self, exposition: &mut Exposition) {
        let metrics = self.metrics();
        let (waiting, limit) = self.waiting();
        exposition.sample("pouco_reads_waiting", "Reads waiting in the fullest lane.", &[], waiting);
        exposition.sample("pouco_reads_waiting_limit", "Reads that may wait in a lane.", &[], limit);
        exposition.atomic("pouco_reads_total", "Reading statements run.", &metrics.reads);
        exposition.atomic(
            "pouco_read_queue_full_total",
            "Reads refused by a full queue.",
            &metrics.queue_full,
        );
        let help = "From a read's coming to a connection's taking it.";
        let waits = self.queue_seconds().snapshot();
        exposition.histogram("pouco_read_queue_duration_seconds", help, &[], &waits);
        exposition.atomic("pouco_read_expired_total", "Reads that reached their deadline.", &metrics.expired);
        let help = "Statements cancelled because nobody waited for them.";
        exposition.atomic("pouco_statements_cancelled_total", help, &metrics.cancelled);
        let outcomes = [
            ("committed", &metrics.committed),
            ("undone", &metrics.undone),
            ("conflict", &metrics.conflicts),
            ("uncertain", &metrics.uncertain),
        ];
        for (outcome, count) in outcomes {
            let help = "Transactions by outcome; a conflict is tried again, and what is uncertain found out.";
            let count = count.load(Ordering::Relaxed);
            exposition.sample("pouco_transactions_total", help, &[("outcome", outcome)], count);
        }
    }
}

impl Feed {
    /// What a feed counted.
    pub fn expose(&self, name: &str, exposition: &mut Exposition) {
        let (metrics, labels) = (self.metrics(), [("feed", name)]);
        let loaded = |value: &AtomicU64| value.load(Ordering::Relaxed);
        exposition.sample("pouco_feed_polls_total", "Polls of the feed.", &labels, loaded(&metrics.polls));
        exposition.sample(
            "pouco_feed_rows_total",
            "Rows read, known ones too.",
            &labels,
            loaded(&metrics.rows),
        );
        let lag = self.lag().as_secs_f64();
        exposition.sample("pouco_feed_lag_seconds", "Age of the state read last.", &labels, lag);
        let age = self.poll_age().as_secs_f64();
        exposition.sample("pouco_feed_poll_age_seconds", "Time since the last poll ended.", &labels, age);
    }
}
