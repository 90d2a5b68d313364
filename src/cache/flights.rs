//! Coalescing: of many who miss the same key at once, one computes and the others wait for what it gets.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use parking_lot::Mutex;

use crate::instruments::Counter;
use crate::waiting::reply::{self, Reply};

/// Computations under way. Who waits is bounded by who may ask: a request waits for one.
///
/// Race window: whoever computes makes its result known (a cache's entry) before its flight leaves the map,
/// and whoever finds no flight looks for the result again under the map's lock. So nobody computes what has
/// just been computed.
pub(super) struct Flights<K, T> {
    under_way: Mutex<HashMap<K, VecDeque<Reply<Word<T>>>>>,
    /// Written under the lock.
    joined: Counter,
}

/// What someone who waits is told.
enum Word<T> {
    /// The result.
    Landed(T),
    /// Whoever computed is gone without one; it is the waiter's turn.
    Lead,
}

/// How a value was come by.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined<T> {
    /// It was known at the second look.
    Known(T),
    /// Computed by the caller.
    Led(T),
    /// Computed by another one meanwhile.
    Followed(T),
}

impl<K: Hash + Eq, T: Clone> Flights<K, T> {
    pub(super) fn new() -> Self {
        Self { under_way: Mutex::default(), joined: Counter::default() }
    }

    /// How often somebody waited for another's computation.
    pub(super) fn joined(&self) -> u64 {
        self.joined.get()
    }

    /// What `known` finds, else what `work` returns for the first to come, and the same for all who come
    /// meanwhile; they park.
    ///
    /// If `work` does not return (a panic, or the end of its coroutine), one of those who wait computes in
    /// its place. It must not ask for the same key itself, and it must end: nobody waits longer than it
    /// takes.
    pub(super) fn run<Q>(&self, key: &Q, known: impl Fn() -> Option<T>, work: impl FnOnce() -> T) -> Joined<T>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        if let Some(landed) = self.join(key, known) {
            return landed;
        }
        let mut lead = Lead { flights: self, key, landed: false };
        let result = work();
        lead.landed = true;
        let waiting = self.under_way.lock().remove(key);
        for reply in waiting.into_iter().flatten() {
            reply.send(Word::Landed(result.clone()));
        }
        Joined::Led(result)
    }

    /// `None` if the caller has to compute.
    fn join<Q>(&self, key: &Q, known: impl Fn() -> Option<T>) -> Option<Joined<T>>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        loop {
            let waiter = {
                let mut under_way = self.under_way.lock();
                if let Some(value) = known() {
                    return Some(Joined::Known(value));
                }
                let Some(waiting) = under_way.get_mut(key) else {
                    under_way.insert(key.to_owned(), VecDeque::new());
                    return None;
                };
                let (reply, waiter) = reply::channel();
                waiting.push_back(reply);
                self.joined.add(1);
                waiter
            };
            match waiter.wait() {
                Some(Word::Landed(value)) => return Some(Joined::Followed(value)),
                Some(Word::Lead) => return None,
                // A result that could not be handed to everybody: its cloning panicked.
                None => {}
            }
        }
    }

    /// Lets the one who has waited for the longest compute; without one the flight ends.
    fn hand_over<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        let next = {
            let mut under_way = self.under_way.lock();
            let next = under_way.get_mut(key).and_then(VecDeque::pop_front);
            if next.is_none() {
                under_way.remove(key);
            }
            next
        };
        if let Some(reply) = next {
            reply.send(Word::Lead);
        }
    }
}

/// Whoever computes. It hands over if it is unwound.
struct Lead<'f, K, T, Q>
where
    K: Hash + Eq + Borrow<Q>,
    T: Clone,
    Q: ?Sized + Hash + Eq,
{
    flights: &'f Flights<K, T>,
    key: &'f Q,
    landed: bool,
}

impl<K, T, Q> Drop for Lead<'_, K, T, Q>
where
    K: Hash + Eq + Borrow<Q>,
    T: Clone,
    Q: ?Sized + Hash + Eq,
{
    fn drop(&mut self) {
        if !self.landed {
            self.flights.hand_over(self.key);
        }
    }
}
