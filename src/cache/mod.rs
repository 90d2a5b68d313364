//! Bounded caches. Every entry has a weight in bytes, and the sum of the weights never passes the bound: the
//! entry that was not used for the longest goes first.
//!
//! What may not enter: HTTP and Postgres. A cache holds bytes and knows neither where they came from nor
//! where they go.
//!
//! [`Bounded`] is for what never changes; [`expiring`] for what may be so old and no older; [`shared`] is the
//! same in Redis, for all replicas together. The latter two compute a value once for all who miss it at the
//! same time.

pub mod expiring;
mod flights;
mod lru;
pub mod search;
pub mod shared;

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lru::Entries;
use parking_lot::Mutex;

/// A rendered answer, or a part of one.
pub type Body = Arc<[u8]>;

/// How many bytes a key or value holds on the heap and in its slot.
pub trait Weigh {
    /// The bytes.
    fn weight_bytes(&self) -> u64;
}

impl Weigh for uuid::Uuid {
    fn weight_bytes(&self) -> u64 {
        16
    }
}

impl Weigh for i64 {
    fn weight_bytes(&self) -> u64 {
        8
    }
}

impl Weigh for Body {
    fn weight_bytes(&self) -> u64 {
        // Two counters stand before the bytes.
        self.len() as u64 + 32
    }
}

impl Weigh for Box<str> {
    fn weight_bytes(&self) -> u64 {
        self.len() as u64 + 16
    }
}

impl Weigh for Vec<u8> {
    fn weight_bytes(&self) -> u64 {
        self.capacity() as u64 + 24
    }
}

impl Weigh for String {
    fn weight_bytes(&self) -> u64 {
        self.capacity() as u64 + 24
    }
}

impl Weigh for () {
    fn weight_bytes(&self) -> u64 {
        0
    }
}

/// A value with how it was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served<V> {
    /// The value.
    pub value: V,
    /// How it was come by.
    pub source: Source,
}

/// How a value was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It was in the cache.
    Hit {
        /// How long it will be there.
        left: Duration,
    },
    /// It was computed for this lookup.
    Miss,
    /// It was computed for another lookup, which this one waited for.
    Coalesced,
    /// It was computed, since there is no cache that could be asked.
    Bypass,
}

/// A cache for things that never change once they exist, so an entry is never stale and a miss is never
/// cached.
pub struct Bounded<K, V> {
    /// Locked for less than a microsecond.
    entries: Mutex<Entries<K, V>>,
    max_bytes: u64,
    /// No entry expires: for all of them it is this moment.
    now: Instant,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl<K: Weigh + Eq + Hash, V: Weigh + Clone> Bounded<K, V> {
    /// A cache of at most `bytes`.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        Self {
            entries: Mutex::new(Entries::new(bytes, usize::MAX)),
            max_bytes: bytes,
            now: Instant::now(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// The value of `key`, if it is here.
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        let found = self.entries.lock().get(key, self.now).map(|(value, _)| value.clone());
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Adds an entry; those that were not used for the longest go for it.
    pub fn insert(&self, key: K, value: V) {
        let bytes = key.weight_bytes() + value.weight_bytes() + lru::overhead_bytes::<K, V>();
        let never = self.now + Duration::from_secs(1);
        self.entries.lock().insert(key, value, bytes, self.now, never);
    }

    /// Forgets all entries. Freeing many takes its time: that is done where the value is dropped.
    #[must_use]
    pub fn clear(&self) -> impl Sized + use<K, V> {
        let empty = Entries::new(self.max_bytes, usize::MAX);
        std::mem::replace(&mut *self.entries.lock(), empty)
    }

    /// The bytes of all entries.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.entries.lock().bytes()
    }

    /// Lookups that found their entry.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Lookups that did not.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::{Body, Bounded};
    use uuid::Uuid;

    #[test]
    fn the_bound_in_bytes_holds() {
        let cache: Bounded<Uuid, Body> = Bounded::new(100_000);
        for number in 0..10_000 {
            cache.insert(Uuid::from_u128(number), Body::from([0_u8; 300].as_slice()));
            assert!(cache.bytes() <= 100_000, "{} bytes after {number}", cache.bytes());
        }
        assert!(cache.bytes() > 50_000, "the bound is also used: {}", cache.bytes());
    }

    #[test]
    fn hits_and_misses_are_counted() {
        let cache: Bounded<Box<str>, ()> = Bounded::new(10_000);
        cache.insert("ana".into(), ());
        assert!(cache.get("ana").is_some());
        assert!(cache.get("bia").is_none());
        assert_eq!((cache.hits(), cache.misses()), (1, 1));
    }
}
