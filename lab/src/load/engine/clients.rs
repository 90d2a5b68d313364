//! Clients of a closed model, who begin again, what each sends of a mix, and what a customer's errand has
//! come to.

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

    /// A user whose request has failed, or was put off, goes; a client begins again, over another connection.
    pub(super) fn fall(&mut self, key: usize) {
        if self.last_end >= self.closed_until(key) {
            return self.leave(key);
        }
        self.deal(key);
        if let Some(connection) = self.users[key].connection.take() {
            self.pool.close(connection);
        }
        self.pause(key, self.last_end, (AFTER_A_FAILURE, AFTER_A_FAILURE));
    }

    /// A client's next chain, or its next request of a mix.
    pub(super) fn begin_again(&mut self, key: usize) {
        self.deal(key);
        let (user, now) = (&self.users[key], self.last_end);
        match self.chains[user.scenario].requests[user.step].pause {
            Some(bounds) => self.pause(key, now, bounds),
            None => self.begin(key, now, now),
        }
    }

    /// The user begins: with the first request of its scenario, or, of a mix, with the next one that is
    /// dealt. All users are dealt from one deck, so that no answer, and none that does not come, changes the
    /// mix.
    pub(super) fn deal(&mut self, key: usize) {
        let user = &mut self.users[key];
        let deck = &mut self.decks[user.scenario];
        if deck.is_empty() {
            deck.extend_from_slice(&self.chains[user.scenario].deck);
            self.random.shuffle(deck);
        }
        user.step = deck.pop().unwrap_or(0);
    }

    /// Until when the user begins again; 0 where users come and go.
    pub(super) fn closed_until(&self, key: usize) -> u64 {
        self.users[key].until
    }
}
