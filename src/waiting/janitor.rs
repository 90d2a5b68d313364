//! The thread that looks after what has a deadline.
//!
//! A coroutine that parked with a time-out of its own would be resumed on `may`'s timer thread, beside the worker; so
//! waiters park without one, and this thread answers where nobody else does. It also throws out what caches keep no longer.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::spawn;

/// How late a deadline may be noticed.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Something with deadlines of its own to look after.
pub(crate) trait Tended: Send + Sync {
    /// Ends what is overdue at `now`. Called ten times a second, so it does a bounded amount of work.
    fn tend(&self, now: Instant);
}

/// Looks after every queue and cache.
#[derive(Default)]
pub struct Janitor {
    tended: Mutex<Vec<Weak<dyn Tended>>>,
}

impl Janitor {
    /// Starts the thread; it ends with the last reference to the janitor.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start() -> io::Result<Arc<Self>> {
        let janitor = Arc::new(Self::default());
        let weak = Arc::downgrade(&janitor);
        spawn("pouco-janitor", move || {
            while let Some(janitor) = weak.upgrade() {
                let now = Instant::now();
                let tended = lock(&janitor.tended).clone();
                drop(janitor);
                tended.iter().filter_map(Weak::upgrade).for_each(|one| one.tend(now));
                thread::sleep(LOOK_INTERVAL);
            }
        })?;
        Ok(janitor)
    }

    pub(crate) fn look_after<T: Tended + 'static>(&self, one: &Arc<T>) {
        let one: Weak<dyn Tended> = Arc::<T>::downgrade(one);
        lock(&self.tended).push(one);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
