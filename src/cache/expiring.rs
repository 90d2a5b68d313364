//! A cache whose entries live for a time: bounded in bytes and in entries, least recently used out first,
//! swept, and computing each value once however many ask for it.
//!
//! For whatever can be computed again: an answer's body, a row, a list. The janitor sweeps it
//! ([`Janitor`](crate::waiting::Janitor)), a bounded number of entries at a time.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use super::flights::{Flights, Joined};
use super::lru::{Entries, overhead_bytes};
use super::{Served, Source, Weigh};
use crate::waiting::Tended;

/// Entries that one sweep removes at most, so that nobody waits long for the lock. Ten sweeps a second, and
/// two entries more with each insertion, are more than can come in.
const SWEEP_ENTRIES: usize = 256;

/// The bounds of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all entries with their keys and with what they cost besides those.
    pub bytes: u64,
    /// How many entries.
    pub entries: usize,
    /// How long an entry lives.
    pub ttl: Duration,
}

/// What a cache counted, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lookups that found their entry.
    pub hits: u64,
    /// Lookups that computed it.
    pub misses: u64,
    /// Lookups that waited while another one computed it.
    pub coalesced: u64,
    /// Entries that left for want of room.
    pub evicted: u64,
    /// Entries that left because their time was over.
    pub expired: u64,
    /// Entries now, those included whose time is over and which were not swept yet.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
}

type Clock = Box<dyn Fn() -> Instant + Send + Sync>;

/// The cache. `E` is why a value could not be computed; everybody who waited for it gets the same reason, and
/// it is not kept.
pub struct Expiring<K, V, E> {
    limits: Limits,
    now: Clock,
    /// Locked for less than a microsecond, but for a sweep; never over a wait.
    held: Mutex<Held<K, V>>,
    flights: Flights<K, Result<Served<V>, E>>,
}

struct Held<K, V> {
    entries: Entries<K, V>,
    hits: u64,
    misses: u64,
}

impl<K, V, E> Expiring<K, V, E>
where
    K: Hash + Eq + Weigh,
    V: Clone + Weigh,
    E: Clone,
{
    /// An empty cache.
    #[must_use]
    pub fn new(limits: Limits) -> Arc<Self> {
        Self::with_clock(limits, Instant::now)
    }

    /// As [`Expiring::new`], with another clock.
    #[must_use]
    pub fn with_clock(limits: Limits, now: impl Fn() -> Instant + Send + Sync + 'static) -> Arc<Self> {
        let held = Held { entries: Entries::new(limits.bytes, limits.entries), hits: 0, misses: 0 };
        Arc::new(Self { limits, now: Box::new(now), held: Mutex::new(held), flights: Flights::new() })
    }

    /// The value of `key`: the one that is here, or what `compute` returns. Of many who ask at once for what
    /// is not here, one computes and the others park; `compute` may park as well. It must not ask for the
    /// same key, and it must end: nobody waits longer than it takes. If it panics or its coroutine is ended,
    /// one of those that wait computes instead.
    ///
    /// # Errors
    /// What `compute` returned, to all who waited for it.
    pub fn get_or_compute<Q>(&self, key: &Q, compute: impl FnOnce() -> Result<V, E>) -> Result<Served<V>, E>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        if let Some(served) = self.get(key) {
            return Ok(served);
        }
        let known = || self.get(key).map(Ok);
        // What is computed is as old as the question.
        let asked = (self.now)();
        let keep = |computed: &Result<Served<V>, E>| self.keep(key, computed, asked);
        match self.flights.run(key, known, || self.compute(compute), keep) {
            Joined::Known(served) | Joined::Led(served) => served,
            Joined::Followed(computed) => {
                computed.map(|served| Served { source: Source::Coalesced, ..served })
            }
        }
    }

    /// The value of `key`, if it is here.
    pub fn get<Q>(&self, key: &Q) -> Option<Served<V>>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        let now = (self.now)();
        let mut held = self.held();
        let (value, expires) = held.entries.get(key, now)?;
        let left = expires.saturating_duration_since(now);
        let served = Served { value: value.clone(), source: Source::Hit { left } };
        held.hits += 1;
        Some(served)
    }

    /// Forgets the value of `key`, which is not what it was any more: whoever asks from now on computes it,
    /// and what is being computed now is not kept.
    pub fn forget<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        self.flights.end(key, || self.held().entries.forget(key));
    }

    /// What was counted until now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let held = self.held();
        Counts {
            hits: held.hits,
            misses: held.misses,
            coalesced: self.flights.joined(),
            evicted: held.entries.evicted,
            expired: held.entries.expired,
            entries: held.entries.len() as u64,
            bytes: held.entries.bytes(),
        }
    }

    /// Removes entries whose time is over, a bounded number, and says how many those were.
    pub fn sweep(&self) -> usize {
        let now = (self.now)();
        self.held().entries.sweep(now, SWEEP_ENTRIES)
    }

    fn compute(&self, compute: impl FnOnce() -> Result<V, E>) -> Result<Served<V>, E> {
        self.held().misses += 1;
        compute().map(|value| Served { value, source: Source::Miss })
    }

    fn keep<Q>(&self, key: &Q, computed: &Result<Served<V>, E>, asked: Instant)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        let Ok(Served { value, .. }) = computed else { return };
        let key = key.to_owned();
        let bytes = key.weight_bytes() + value.weight_bytes() + overhead_bytes::<K, V>();
        let now = (self.now)();
        self.held().entries.insert(key, value.clone(), bytes, now, asked + self.limits.ttl);
    }

    fn held(&self) -> MutexGuard<'_, Held<K, V>> {
        self.held.lock()
    }
}

impl<K, V, E> Tended for Expiring<K, V, E>
where
    K: Hash + Eq + Weigh + Send,
    V: Clone + Weigh + Send,
    E: Clone + Send,
{
    /// By the cache's own clock.
    fn tend(&self, _: Instant) {
        self.sweep();
    }

    /// What comes is swept a second late at most, and is not answered with meanwhile.
    fn is_quiet(&self) -> bool {
        self.held().entries.len() == 0
    }
}

#[cfg(test)]
mod tests;
