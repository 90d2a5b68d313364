//! Requests a second of each client's address: a bucket that fills at a rate and holds a burst.
//!
//! Of an address nothing is kept but the time at which its bucket is full again, and only until then. So the
//! table has at most as many entries as addresses have asked for something within the time that fills a
//! bucket, and never more than [`RATED_ADDRESSES`]: past that a new one is let through and not entered.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::http::message::client::Network;
use crate::limits::RATED_ADDRESSES;

/// Buckets that are full are looked for when so many have come, and twice as many as were left the last time.
const FIRST_LOOK: usize = 1_024;

/// The pause between two such looks while the table has no room.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// The buckets of all addresses.
pub(super) struct Rates {
    started: Instant,
    /// The time that earns one request.
    interval: Duration,
    /// The time that fills a bucket.
    filling: Duration,
    table: Mutex<Table>,
}

struct Table {
    /// When each bucket is full again, since the start.
    full_at: HashMap<Network, Duration>,
    /// The number of entries at which those that are full are looked for.
    look_at: usize,
    /// No look before this.
    look_after: Duration,
}

impl Rates {
    /// `None` where there is no bound.
    pub(super) fn new(per_second: u32, burst: u32) -> Option<Self> {
        let interval = Duration::from_secs(1).checked_div(per_second)?;
        let table = Table { full_at: HashMap::new(), look_at: FIRST_LOOK, look_after: Duration::ZERO };
        let filling = interval * burst.max(1);
        Some(Self { started: Instant::now(), interval, filling, table: Mutex::new(table) })
    }

    /// Whether a request of this client may be answered now. If not, one may within a second.
    pub(super) fn allows(&self, network: Network) -> bool {
        self.allows_at(network, self.started.elapsed())
    }

    fn allows_at(&self, network: Network, now: Duration) -> bool {
        let mut table = self.table.lock();
        if let Some(full_at) = table.full_at.get_mut(&network) {
            let next = (*full_at).max(now) + self.interval;
            let allowed = next - now <= self.filling;
            if allowed {
                *full_at = next;
            }
            return allowed;
        }
        if table.has_room(now) {
            table.full_at.insert(network, now + self.interval);
        }
        true
    }
}

impl Table {
    fn has_room(&mut self, now: Duration) -> bool {
        let entries = self.full_at.len();
        if entries >= self.look_at && now >= self.look_after {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.look_at = (2 * self.full_at.len()).clamp(FIRST_LOOK, RATED_ADDRESSES);
            self.full_at.shrink_to(self.look_at);
            self.look_after = now + LOOK_INTERVAL;
        }
        self.full_at.len() < RATED_ADDRESSES
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn network(number: u32) -> Network {
        Network::of(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    #[test]
    fn a_burst_and_then_the_rate_of_each_address() {
        let rates = Rates::new(10, 3).unwrap();
        let allowed = |number, at| rates.allows_at(network(number), at);
        let begun = Duration::from_secs(5);
        for _ in 0..3 {
            assert!(allowed(1, begun));
        }
        assert!(!allowed(1, begun));
        assert!(allowed(2, begun), "another address has its own");
        assert!(!allowed(1, begun + 99 * MS));
        assert!(allowed(1, begun + 100 * MS));
        assert!(!allowed(1, begun + 100 * MS), "who was refused has not paid");
        // Full again, and not fuller.
        for _ in 0..3 {
            assert!(allowed(1, begun + 3_600_000 * MS));
        }
        assert!(!allowed(1, begun + 3_600_000 * MS));
    }

    #[test]
    fn without_a_rate_there_is_no_table() {
        assert!(Rates::new(0, 100).is_none());
        let slowest = Rates::new(1, 0).unwrap();
        assert!(slowest.allows_at(network(1), MS) && !slowest.allows_at(network(1), 2 * MS));
        assert!(slowest.allows_at(network(1), 1_001 * MS), "a second is always enough");
    }

    #[test]
    fn the_table_is_bounded_and_forgets_who_is_full() {
        let rates = Rates::new(1, 10).unwrap();
        let entries = || rates.table.lock().full_at.len();
        let all = u32::try_from(RATED_ADDRESSES).unwrap();
        for number in 0..all + 1_000 {
            assert!(rates.allows_at(network(number), MS));
        }
        assert_eq!(entries(), RATED_ADDRESSES);
        assert!(rates.allows_at(network(all), MS), "who finds no room is let through");
        // All are full a second later.
        for number in 0..10 {
            assert!(rates.allows_at(network(2 * all + number), 2_000 * MS));
        }
        assert_eq!(entries(), 10);
    }
}
