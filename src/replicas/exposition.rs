//! What is known of the replicas, as `/metrics` writes it down.

use super::Replicas;
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
    }
}
