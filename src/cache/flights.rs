//! Coalescing: of many who miss the same key at once, one computes and the others wait for what it gets.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use parking_lot::Mutex;

use crate::instruments::Counter;
use crate::waiting::reply::{self, Reply};

/// Computations under way. Their waiters are bounded by the number of requests: a request waits for one.
///
/// Race window: whoever computes makes its result known (a cache's entry) under the map's lock, as its flight
/// leaves the map, and whoever finds no flight looks for the result again under that lock. So nobody computes
/// what has just been computed.
///
/// Race window: what is computed may be old before it is known, where somebody changes it meanwhile. Whoever
/// has changed it ends the flight ([`Flights::end`]): its result is for its leader alone, and is not made
/// known; those that have joined ask again, and those that come later do not join it.
pub(super) struct Flights<K, T> {
    under_way: Mutex<UnderWay<K, T>>,
    /// Written under the lock.
    joined: Counter,
}

struct UnderWay<K, T> {
    flights: HashMap<K, Flight<T>>,
    /// How many there ever were.
    begun: u64,
}

struct Flight<T> {
    number: u64,
    waiting: VecDeque<Reply<Word<T>>>,
}

/// What a waiting caller is told.
enum Word<T> {
    /// The result.
    Landed(T),
    /// Whoever computed is gone without one; it is the waiter's turn, in the flight of this number.
    Lead(u64),
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
        let under_way = UnderWay { flights: HashMap::new(), begun: 0 };
        Self { under_way: Mutex::new(under_way), joined: Counter::default() }
    }

    /// How often somebody waited for another's computation.
    pub(super) fn joined(&self) -> u64 {
        self.joined.get()
    }

    /// What `known` finds, otherwise what `work` returns for the first to come, and the same for all who come
    /// meanwhile; they park. `keep` makes it known, unless the flight was ended; both look under the lock.
    ///
    /// If `work` does not return (a panic, or the end of its coroutine), one of those that wait computes in
    /// its place. It must not ask for the same key itself, and it must end: nobody waits longer than it
    /// takes.
    pub(super) fn run<Q>(
        &self,
        key: &Q,
        known: impl Fn() -> Option<T>,
        work: impl FnOnce() -> T,
        keep: impl FnOnce(&T),
    ) -> Joined<T>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        let number = match self.join(key, known) {
            Ok(number) => number,
            Err(landed) => return landed,
        };
        let mut lead = Lead { flights: self, key, number, landed: false };
        let result = work();
        let waiting = self.land(key, number, || keep(&result));
        lead.landed = true;
        for reply in waiting {
            reply.send(Word::Landed(result.clone()));
        }
        Joined::Led(result)
    }

    /// Ends the flight of `key`, if there is one, and runs `then` under the lock.
    pub(super) fn end<Q>(&self, key: &Q, then: impl FnOnce())
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        let ended = {
            let mut under_way = self.under_way.lock();
            then();
            under_way.flights.remove(key)
        };
        // If it is dropped without a result, those that wait ask again.
        drop(ended);
    }

    /// The number of the flight that the caller leads.
    fn join<Q>(&self, key: &Q, known: impl Fn() -> Option<T>) -> Result<u64, Joined<T>>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
    {
        loop {
            let waiter = {
                let mut under_way = self.under_way.lock();
                if let Some(value) = known() {
                    return Err(Joined::Known(value));
                }
                let Some(flight) = under_way.flights.get_mut(key) else {
                    under_way.begun += 1;
                    let number = under_way.begun;
                    under_way.flights.insert(key.to_owned(), Flight { number, waiting: VecDeque::new() });
                    return Ok(number);
                };
                let (reply, waiter) = reply::channel();
                flight.waiting.push_back(reply);
                self.joined.add(1);
                waiter
            };
            match waiter.wait() {
                Some(Word::Landed(value)) => return Err(Joined::Followed(value)),
                Some(Word::Lead(number)) => return Ok(number),
                // The flight was ended, or its result could not be handed to everybody: its cloning panicked.
                None => {}
            }
        }
    }

    /// Ends a flight that has its result, and returns those that wait for it; none if it was ended before.
    fn land<Q>(&self, key: &Q, number: u64, keep: impl FnOnce()) -> VecDeque<Reply<Word<T>>>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        let mut under_way = self.under_way.lock();
        if under_way.flights.get(key).is_none_or(|flight| flight.number != number) {
            return VecDeque::new();
        }
        keep();
        under_way.flights.remove(key).map(|flight| flight.waiting).unwrap_or_default()
    }

    /// Lets the one that has waited longest compute; without one the flight ends.
    fn hand_over<Q>(&self, key: &Q, number: u64)
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        let next = {
            let mut under_way = self.under_way.lock();
            let flight = under_way.flights.get_mut(key).filter(|flight| flight.number == number);
            let Some(flight) = flight else { return };
            let next = flight.waiting.pop_front();
            if next.is_none() {
                under_way.flights.remove(key);
            }
            next
        };
        if let Some(reply) = next {
            reply.send(Word::Lead(number));
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
    number: u64,
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
            self.flights.hand_over(self.key, self.number);
        }
    }
}
