//! Clients of a closed model, who begin again, and what a customer's errand has come to.

use super::{Engine, SECOND};

/// Before a client tries again where it had no right answer.
const AFTER_A_FAILURE: u64 = SECOND / 10;

impl Engine<'_> {
    /// What the user's errand has come to, for the oracle.
    pub(super) fn done(&mut self, key: usize, status: u16, order: Option<i64>) {
        let errand = self.users[key].errand.take();
        if let Some((errand, shop)) = errand.zip(self.plan.shop.as_deref()) {
            self.figures.deeds.extend(errand.deed(shop, status, order));
        }
    }

    /// A user whose request has failed goes; a client begins again, over another connection.
    pub(super) fn fall(&mut self, key: usize) {
        if self.last_end >= self.closed_until(key) {
            return self.leave(key);
        }
        let user = &mut self.users[key];
        user.step = 0;
        if let Some(connection) = user.connection.take() {
            self.pool.close(connection);
        }
        self.pause(key, self.last_end, (AFTER_A_FAILURE, AFTER_A_FAILURE));
    }

    /// Until when the user begins again; 0 where users come and go.
    pub(super) fn closed_until(&self, key: usize) -> u64 {
        let scenario = self.users[key].scenario;
        let closed = self.plan.load.scenarios[scenario].clients.is_some();
        if closed { self.ends[scenario] } else { 0 }
    }
}
