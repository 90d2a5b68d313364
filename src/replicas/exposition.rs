//! What is known of the replicas, as `/metrics` shows it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::Replicas;
use super::push::{Counts, Refusal};
use crate::metrics::Exposition;

impl Replicas {
    /// This replica's place among the others.
    pub fn expose(&self, exposition: &mut Exposition) {
        let help = "The number of this replica, which its ids have in their last three digits.";
        exposition.sample("pouco_replica_number", help, &[], self.number.get());
        let (held, others) = {
            let known = self.known.lock();
            let held = known.renewed.is_some_and(|renewed| renewed.elapsed() < self.settings.term);
            (held, known.others)
        };
        let help = "1 while this replica is in the table of those that are there.";
        exposition.sample("pouco_replica_registered", help, &[], u64::from(held));
        let help = "Other replicas in that table, when it was looked at last.";
        exposition.sample("pouco_replica_others", help, &[], others);
        // Zeros where it is off: the series of a replica do not depend on its settings.
        let off = Counts::default();
        let hub = self.hub.get();
        let counts = hub.map_or(&off, |hub| &hub.counts);
        let now = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        let help = "Other replicas that rows go to, and that rows come from.";
        for (direction, others) in [("out", &counts.out), ("in", &counts.into)] {
            exposition.sample("pouco_push_replicas", help, &[("direction", direction)], now(others));
        }
        let help = "1 while all other replicas send their rows here.";
        let whole = hub.is_some_and(|hub| hub.is_whole());
        exposition.sample("pouco_push_complete", help, &[], u64::from(whole));
        let total = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let help = "Rows sent to other replicas, once for each, and taken from them.";
        for (direction, rows) in [("out", &counts.sent), ("in", &counts.received)] {
            exposition.sample("pouco_push_rows_total", help, &[("direction", direction)], total(rows));
        }
        let help = "Rows that the feed has to bring.";
        for (reason, rows) in [("room", &counts.dropped), ("history", &counts.foreign)] {
            exposition.sample("pouco_push_lost_rows_total", help, &[("reason", reason)], total(rows));
        }
        let help = "Connections of replicas that were refused.";
        for refusal in Refusal::ALL {
            let labels = [("reason", refusal.name())];
            let count = total(&counts.refused[refusal as usize]);
            exposition.sample("pouco_push_refused_total", help, &labels, count);
        }
    }
}
