//! What was done off the worker, as `/metrics` shows it.

use super::Aside;
use crate::metrics::Exposition;

impl Aside {
    /// What is done off the worker.
    pub fn expose(&self, exposition: &mut Exposition) {
        let counts = self.counts();
        exposition.sample("pouco_aside_waiting", "Jobs waiting for a thread.", &[], counts.waiting);
        exposition.sample("pouco_aside_waiting_limit", "Jobs that may wait.", &[], self.queue_jobs());
        exposition.sample("pouco_aside_running", "Jobs under way.", &[], counts.running);
        exposition.sample("pouco_aside_refused_total", "Jobs that found no room.", &[], counts.refused);
        let help = "Jobs not begun, since nobody waited any more.";
        exposition.sample("pouco_aside_expired_total", help, &[], counts.expired);
        exposition.sample("pouco_aside_panics_total", "Jobs that panicked.", &[], counts.panicked);
        let help = "How long jobs took, without their wait.";
        exposition.histogram("pouco_aside_duration_seconds", help, &[], &self.seconds());
    }
}
