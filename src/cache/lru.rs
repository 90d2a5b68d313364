//! The entries of a cache: found by key, in the order of their last use, and in the order of their age.
//!
//! Both orders are lists through the same slots, so every step costs the same however many entries there are,
//! and both bounds hold exactly after each insertion. All entries live for the same time: the oldest is the
//! first to expire.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::time::Instant;

use hashbrown::HashTable;
use slab::Slab;

/// No slot.
const NONE: usize = usize::MAX;

/// The two orders that every entry is in.
#[derive(Clone, Copy)]
enum Order {
    /// From the one used last to the one used least recently.
    Use,
    /// From the oldest to the youngest.
    Age,
}

/// The neighbours of an entry in one order.
#[derive(Clone, Copy)]
struct Links {
    before: usize,
    after: usize,
}

#[derive(Clone, Copy)]
struct Ends {
    first: usize,
    last: usize,
}

struct Entry<K, V> {
    key: K,
    value: V,
    bytes: u64,
    expires: Instant,
    links: [Links; 2],
}

/// What an entry takes besides its key and its value: its slot, and its place in the table.
pub(super) const fn overhead_bytes<K, V>() -> u64 {
    (size_of::<Entry<K, V>>() - size_of::<K>() - size_of::<V>() + 2 * size_of::<usize>()) as u64
}

/// Entries within two bounds. It counts what left before its time and what left at it.
pub(super) struct Entries<K, V> {
    table: HashTable<usize>,
    // Seeded by chance: keys may be a client's.
    hasher: foldhash::quality::RandomState,
    slots: Slab<Entry<K, V>>,
    ends: [Ends; 2],
    bytes: u64,
    max_bytes: u64,
    max_entries: usize,
    pub(super) evicted: u64,
    pub(super) expired: u64,
}

impl<K: Hash + Eq, V> Entries<K, V> {
    pub(super) fn new(max_bytes: u64, max_entries: usize) -> Self {
        Self {
            table: HashTable::new(),
            hasher: foldhash::quality::RandomState::default(),
            slots: Slab::new(),
            ends: [Ends { first: NONE, last: NONE }; 2],
            bytes: 0,
            max_bytes,
            max_entries,
            evicted: 0,
            expired: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The value of `key` and when it expires. It counts as used. One that has expired goes.
    pub(super) fn get<Q>(&mut self, key: &Q, now: Instant) -> Option<(&V, Instant)>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        let at = self.find(key)?;
        if self.slots[at].expires <= now {
            self.expired += 1;
            self.remove(at);
            return None;
        }
        self.unlink(at, Order::Use);
        self.link_first(at, Order::Use);
        let entry = &self.slots[at];
        Some((&entry.value, entry.expires))
    }

    /// Adds an entry, in the place of one with the same key. What has expired makes room first, then what was
    /// not used for the longest. An entry larger than all room is not kept, and counts as evicted.
    pub(super) fn insert(&mut self, key: K, value: V, bytes: u64, now: Instant, expires: Instant) {
        if let Some(at) = self.find(&key) {
            self.remove(at);
        }
        // Two for one, so that what has expired cannot pile up between two sweeps.
        self.sweep(now, 2);
        if bytes > self.max_bytes || self.max_entries == 0 {
            self.evicted += 1;
            return;
        }
        while self.bytes + bytes > self.max_bytes || self.slots.len() >= self.max_entries {
            self.evicted += 1;
            self.remove(self.ends[Order::Use as usize].last);
        }
        let hash = self.hasher.hash_one(&key);
        let links = [Links { before: NONE, after: NONE }; 2];
        let at = self.slots.insert(Entry { key, value, bytes, expires, links });
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.table.insert_unique(hash, at, |at| hasher.hash_one(&slots[*at].key));
        self.link_first(at, Order::Use);
        self.link_last(at, Order::Age);
        self.bytes += bytes;
    }

    /// Removes the entry of `key`, if there is one.
    pub(super) fn forget<Q>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        if let Some(at) = self.find(key) {
            self.remove(at);
        }
    }

    /// Removes at most `most` entries that have expired, and says how many those were.
    pub(super) fn sweep(&mut self, now: Instant, most: usize) -> usize {
        let mut swept = 0;
        while swept < most {
            let oldest = self.ends[Order::Age as usize].first;
            if oldest == NONE || self.slots[oldest].expires > now {
                break;
            }
            self.remove(oldest);
            swept += 1;
        }
        self.expired += swept as u64;
        swept
    }

    fn find<Q>(&self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        let hash = self.hasher.hash_one(key);
        self.table.find(hash, |at| self.slots[*at].key.borrow() == key).copied()
    }

    fn remove(&mut self, at: usize) {
        self.unlink(at, Order::Use);
        self.unlink(at, Order::Age);
        let hash = self.hasher.hash_one(&self.slots[at].key);
        if let Ok(place) = self.table.find_entry(hash, |other| *other == at) {
            place.remove();
        }
        let entry = self.slots.remove(at);
        self.bytes -= entry.bytes;
    }

    fn unlink(&mut self, at: usize, order: Order) {
        let Links { before, after } = self.slots[at].links[order as usize];
        match before {
            NONE => self.ends[order as usize].first = after,
            before => self.slots[before].links[order as usize].after = after,
        }
        match after {
            NONE => self.ends[order as usize].last = before,
            after => self.slots[after].links[order as usize].before = before,
        }
    }

    fn link_first(&mut self, at: usize, order: Order) {
        let first = std::mem::replace(&mut self.ends[order as usize].first, at);
        self.slots[at].links[order as usize] = Links { before: NONE, after: first };
        match first {
            NONE => self.ends[order as usize].last = at,
            first => self.slots[first].links[order as usize].before = at,
        }
    }

    fn link_last(&mut self, at: usize, order: Order) {
        let last = std::mem::replace(&mut self.ends[order as usize].last, at);
        self.slots[at].links[order as usize] = Links { before: last, after: NONE };
        match last {
            NONE => self.ends[order as usize].first = at,
            last => self.slots[last].links[order as usize].after = at,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use super::*;

    const LIFE: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Instant {
        // One origin for a test's thread; instants cannot be made from nothing.
        thread_local!(static ORIGIN: Instant = Instant::now());
        ORIGIN.with(|origin| *origin) + Duration::from_secs(seconds)
    }

    fn add(entries: &mut Entries<u32, u32>, key: u32, bytes: u64, second: u64) {
        entries.insert(key, key, bytes, at(second), at(second) + LIFE);
    }

    fn keys(entries: &mut Entries<u32, u32>, second: u64) -> Vec<u32> {
        (0..100).filter(|key| entries.get(key, at(second)).is_some()).collect()
    }

    #[test]
    fn what_was_not_used_for_the_longest_goes() {
        let mut entries = Entries::new(1_000, 3);
        (0..3).for_each(|key| add(&mut entries, key, 1, 0));
        assert!(entries.get(&0, at(0)).is_some());
        add(&mut entries, 3, 1, 0);
        assert_eq!(keys(&mut entries, 0), [0, 2, 3]);
        assert_eq!((entries.evicted, entries.expired), (1, 0));
    }

    #[test]
    fn a_large_entry_takes_the_place_of_several() {
        let mut entries = Entries::new(100, 100);
        (0..10).for_each(|key| add(&mut entries, key, 10, 0));
        add(&mut entries, 10, 35, 0);
        assert_eq!(keys(&mut entries, 0), [4, 5, 6, 7, 8, 9, 10]);
        assert_eq!((entries.bytes(), entries.evicted), (95, 4));
        add(&mut entries, 11, 101, 0);
        assert_eq!((entries.bytes(), entries.len(), entries.evicted), (95, 7, 5));
    }

    #[test]
    fn a_key_has_one_value() {
        let mut entries = Entries::new(100, 100);
        entries.insert(1, 1, 10, at(0), at(0) + LIFE);
        entries.insert(1, 2, 20, at(5), at(5) + LIFE);
        assert_eq!(entries.get(&1, at(11)), Some((&2, at(15))));
        assert_eq!((entries.bytes(), entries.len(), entries.evicted, entries.expired), (20, 1, 0, 0));
    }

    #[test]
    fn what_has_expired_is_neither_found_nor_kept() {
        let mut entries = Entries::new(100, 100);
        add(&mut entries, 1, 10, 0);
        add(&mut entries, 2, 10, 1);
        add(&mut entries, 3, 10, 2);
        assert_eq!(entries.sweep(at(9), 100), 0);
        assert_eq!(entries.get(&1, at(10)), None);
        assert_eq!(entries.sweep(at(12), 1), 1, "no more than was asked for");
        assert_eq!(keys(&mut entries, 11), [3]);
        assert_eq!(entries.sweep(at(12), 100), 1);
        assert_eq!((entries.bytes(), entries.len(), entries.expired), (0, 0, 3));
    }

    #[test]
    fn what_has_expired_makes_room_before_what_has_not() {
        let mut entries = Entries::new(1_000, 2);
        add(&mut entries, 1, 1, 0);
        add(&mut entries, 2, 1, 5);
        // The older one was used last.
        assert!(entries.get(&1, at(6)).is_some());
        add(&mut entries, 3, 1, 10);
        assert_eq!(keys(&mut entries, 10), [2, 3]);
        assert_eq!((entries.evicted, entries.expired), (0, 1));
    }

    /// Against a model that is slow and obvious. A step is a second, so no two entries have the same age.
    #[test]
    fn random_steps_are_those_of_the_model() {
        const BYTES: u64 = 200;
        const ENTRIES: usize = 12;
        const LIFE: u64 = 12;
        let mut random = fastrand::Rng::with_seed(7);
        let mut entries = Entries::new(BYTES, ENTRIES);
        // From the least recently used on: key, bytes, the second of its end.
        let mut model: Vec<(u32, u64, u64)> = Vec::new();
        for second in 0..20_000 {
            let key = random.u32(0..40);
            if random.bool() {
                let found = entries.get(&key, at(second)).is_some();
                let known = model.iter().position(|one| one.0 == key).map(|index| model.remove(index));
                let known = known.filter(|one| one.2 > second);
                assert_eq!(found, known.is_some(), "second {second}");
                model.extend(known);
            } else {
                let bytes = random.u64(1..60);
                entries.insert(key, key, bytes, at(second), at(second + LIFE));
                model.retain(|one| one.0 != key);
                // At most two that have expired, the oldest first.
                for _ in 0..2 {
                    let oldest = (0..model.len()).min_by_key(|index| model[*index].2);
                    if let Some(index) = oldest.filter(|index| model[*index].2 <= second) {
                        model.remove(index);
                    }
                }
                while model.len() >= ENTRIES || model.iter().map(|one| one.1).sum::<u64>() + bytes > BYTES {
                    model.remove(0);
                }
                model.push((key, bytes, second + LIFE));
            }
            assert_eq!(entries.len(), model.len(), "second {second}");
            assert_eq!(entries.bytes(), model.iter().map(|one| one.1).sum::<u64>(), "second {second}");
        }
        assert!(entries.evicted > 100 && entries.expired > 100, "both kinds of ends were met");
        let known: HashMap<u32, u64> = model.iter().map(|one| (one.0, one.2)).collect();
        for key in 0..40 {
            let found = entries.get(&key, at(0)).map(|(_, expires)| expires);
            assert_eq!(found, known.get(&key).map(|second| at(*second)));
        }
    }
}
