//! Waits with one common timeout.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::Mutex;

use super::Bell;

/// Something that waits and can be told that its time is over.
pub(crate) trait Expire: Send + Sync {
    /// Ends the wait, unless it has ended. `false` if it had.
    fn expire(&self) -> bool;
    /// Whether there is nothing left to end.
    fn is_over(&self) -> bool;
}

/// Waits in the order in which they began.
#[derive(Default)]
pub(crate) struct Deadlines {
    waits: Mutex<VecDeque<(Instant, Arc<dyn Expire>)>>,
    /// Rung by each wait.
    bell: OnceLock<Bell>,
}

impl Deadlines {
    pub(crate) fn add(&self, deadline: Instant, wait: Arc<dyn Expire>) {
        let mut waits = self.waits.lock();
        // What has ended at the front goes at once, so the list holds about as many as are waiting.
        while waits.front().is_some_and(|(_, wait)| wait.is_over()) {
            waits.pop_front();
        }
        waits.push_back((deadline, wait));
        drop(waits);
        if let Some(bell) = self.bell.get() {
            bell.ring();
        }
    }

    /// Whether nobody waits; what has ended by itself may count as a wait until the next call of
    /// [`Deadlines::expire`].
    pub(crate) fn is_empty(&self) -> bool {
        self.waits.lock().is_empty()
    }

    /// For [`super::Tended::take_bell`].
    pub(crate) fn take_bell(&self, bell: &Bell) {
        // The first janitor that looks after it is the only one.
        self.bell.get_or_init(|| bell.clone());
    }

    /// Ends what is overdue and says how many waits that were.
    pub(crate) fn expire(&self, now: Instant) -> u64 {
        let mut expired = 0;
        loop {
            let overdue = {
                let mut waits = self.waits.lock();
                match waits.front() {
                    Some((deadline, wait)) if *deadline <= now || wait.is_over() => waits.pop_front(),
                    _ => None,
                }
            };
            match overdue {
                Some((_, wait)) => expired += u64::from(wait.expire()),
                None => return expired,
            }
        }
    }
}
