//! Lookups by key that are gathered: those that meet in the queue become one statement.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use postgres::Error;

use super::Unavailable;
use super::failure::{Chain, Failure};
use super::lanes::Lane;
use super::pool::{Job, Pool, keep_unless_stale};
use super::reply::Reply;
use super::session::Session;

/// Reads the values of many keys with one statement.
pub type Fetch<K, V> = fn(&mut Session, &[K]) -> Result<Vec<(K, V)>, Error>;

/// With the time until which its asker waits.
type Asked<K, V> = Vec<(K, Instant, Reply<Option<V>>)>;

/// What is asked of one statement, by many. What has a single answer, as a count, has `()` for a key.
pub struct Gather<K, V> {
    pending: Arc<Mutex<Asked<K, V>>>,
    pool: Arc<Pool>,
    lane: Lane,
    fetch: Fetch<K, V>,
}

impl<K, V> Gather<K, V>
where
    K: Copy + Ord + Send + 'static,
    V: Clone + Send + 'static,
{
    /// Questions that `fetch` answers, on the connections of `pool`.
    #[must_use]
    pub fn new(pool: Arc<Pool>, lane: Lane, fetch: Fetch<K, V>) -> Self {
        Self { pending: Arc::default(), pool, lane, fetch }
    }

    /// The value of `key`, or `None` if there is none; parks meanwhile.
    ///
    /// Race window: a question joins only a statement that is not yet sent, since the snapshot of a sent one
    /// may be older than a commit that this caller knows of. The job takes the pending keys when it starts,
    /// just before it sends. So while one statement is under way, all who ask share the next.
    ///
    /// # Errors
    /// As [`Pool::read`].
    pub fn get(&self, key: K) -> Result<Option<V>, Unavailable> {
        let (reply, waiter, end) = self.pool.channel();
        let first = {
            let mut pending = self.pending.lock();
            pending.push((key, end, reply));
            pending.len() == 1
        };
        if first {
            let job = Gathered { pending: self.pending.clone(), fetch: self.fetch, taken: Vec::new() };
            if let Err(reason) = self.pool.submit(self.lane, Box::new(job)) {
                // Nobody will come for those who joined meanwhile either.
                let refused = std::mem::take(&mut *self.pending.lock());
                refused.into_iter().for_each(|(_, _, reply)| reply.fail(reason));
            }
        }
        waiter.wait()
    }

    /// How many questions wait that no statement has taken yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.pending.lock().len()
    }
}

struct Gathered<K, V> {
    pending: Arc<Mutex<Asked<K, V>>>,
    fetch: Fetch<K, V>,
    taken: Asked<K, V>,
}

impl<K, V> Job for Gathered<K, V>
where
    K: Copy + Ord + Send,
    V: Clone + Send,
{
    fn run(&mut self, session: &mut Session) -> Result<(), Error> {
        if self.taken.is_empty() {
            self.taken = std::mem::take(&mut *self.pending.lock());
        }
        self.taken.retain(|(_, _, reply)| !reply.is_settled());
        let Some(end) = self.taken.iter().map(|(_, end, _)| *end).max() else { return Ok(()) };
        session.set_end(Some(end));
        let keys: Vec<K> = self.taken.iter().map(|(key, _, _)| *key).collect();
        match (self.fetch)(session, &keys) {
            Ok(mut rows) => {
                // Mostly there is one, for which any table would be too much.
                rows.sort_unstable_by_key(|(key, _)| *key);
                for (key, _, reply) in self.taken.drain(..) {
                    let place = rows.binary_search_by_key(&key, |(key, _)| *key);
                    reply.send(place.ok().map(|place| rows[place].1.clone()));
                }
            }
            Err(error) if Failure::of(&error) == Failure::Lost => return Err(error),
            Err(error) => {
                log::error!("a read failed: {}", Chain(&error));
                self.taken.drain(..).for_each(|(_, _, reply)| reply.fail(Unavailable::Refused));
                return keep_unless_stale(error);
            }
        }
        Ok(())
    }
}
