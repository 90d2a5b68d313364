//! The thread that ends waits whose deadline has passed.
//!
//! A coroutine that parked with a time-out of its own would be resumed on `may`'s timer thread, beside the worker; so
//! waiters park without one, and this thread answers for Postgres where Postgres does not.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::Unavailable;
use super::reply::Expire;

/// How late a deadline may be noticed.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Something with deadlines of its own to look after.
pub(crate) trait Tended: Send + Sync {
    /// Ends what is overdue at `now`.
    fn tend(&self, now: Instant);
}

/// Looks after every queue of the store.
#[derive(Default)]
pub struct Janitor {
    tended: Mutex<Vec<std::sync::Weak<dyn Tended>>>,
}

impl Janitor {
    /// Starts the thread; it ends with the last reference to the janitor.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start() -> io::Result<Arc<Self>> {
        let janitor = Arc::new(Self::default());
        let weak = Arc::downgrade(&janitor);
        thread::Builder::new().name("pouco-janitor".into()).spawn(move || {
            while let Some(janitor) = weak.upgrade() {
                let now = Instant::now();
                let tended = lock(&janitor.tended).clone();
                drop(janitor);
                tended.iter().filter_map(std::sync::Weak::upgrade).for_each(|one| one.tend(now));
                thread::sleep(LOOK_INTERVAL);
            }
        })?;
        Ok(janitor)
    }

    pub(crate) fn look_after(&self, one: std::sync::Weak<dyn Tended>) {
        lock(&self.tended).push(one);
    }
}

/// Waits with one common time-out, in the order in which they began.
#[derive(Default)]
pub(crate) struct Deadlines {
    waits: Mutex<VecDeque<(Instant, Arc<dyn Expire>)>>,
}

impl Deadlines {
    pub(crate) fn add(&self, deadline: Instant, wait: Arc<dyn Expire>) {
        let mut waits = lock(&self.waits);
        // What has ended at the front goes at once, so the list holds about as many as are waiting.
        while waits.front().is_some_and(|(_, wait)| wait.is_over()) {
            waits.pop_front();
        }
        waits.push_back((deadline, wait));
    }

    /// Ends what is overdue and says how many waits that were.
    pub(crate) fn expire(&self, now: Instant) -> u64 {
        let mut expired = 0;
        loop {
            let overdue = {
                let mut waits = lock(&self.waits);
                match waits.front() {
                    Some((deadline, wait)) if *deadline <= now || wait.is_over() => waits.pop_front(),
                    _ => None,
                }
            };
            match overdue {
                Some((_, wait)) => expired += u64::from(wait.expire(Unavailable::Deadline)),
                None => return expired,
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
