//! The thread that looks after what has a deadline.
//!
//! A coroutine that parked with a timeout of its own would be resumed on `may`'s timer thread, in parallel
//! with the worker; so waiters park without one, and this thread answers where nobody else does. It also
//! throws out what caches keep no longer. (The worker's own [timer](super::Timer) would do: it is for ends
//! that must be met by the millisecond. Here one list in the order of arrival costs less a wait.)

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::life::{self, keep};
use crate::limits;

/// How late a deadline may be noticed.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How often the janitor looks while there is nothing that may become overdue.
const REST_INTERVAL: Duration = Duration::from_secs(1);

const NAME: &str = "pouco-janitor";

/// A panic of one is none of the others' business: their deadlines come as well.
fn tend(one: &dyn Tended, now: Instant) {
    if catch_unwind(AssertUnwindSafe(|| one.tend(now))).is_err() {
        life::note_panic(NAME);
    }
}

/// Something with deadlines of its own to look after.
pub(crate) trait Tended: Send + Sync {
    /// Ends what is overdue at `now`. Called ten times a second, so it does a bounded amount of work.
    fn tend(&self, now: Instant);

    /// Whether a look a second is enough until something rings the [`Bell`], or until then at least.
    fn is_quiet(&self) -> bool {
        false
    }

    /// Told once, before the first look: what to ring when it is quiet no more.
    fn take_bell(&self, _bell: &Bell) {}
}

/// Ends the janitor's rest.
///
/// Race window: the janitor says that it rests and then looks once more which lists are quiet; a caller that
/// has something to wait for puts it down, under a lock that this look takes too, and then rings. So either
/// the look finds it, or the ring finds the janitor resting.
#[derive(Clone)]
pub(crate) struct Bell(Arc<Rest>);

struct Rest {
    resting: AtomicBool,
    janitor: OnceLock<Thread>,
}

impl Bell {
    pub(crate) fn ring(&self) {
        if self.0.resting.load(Ordering::SeqCst)
            && self.0.resting.swap(false, Ordering::SeqCst)
            && let Some(janitor) = self.0.janitor.get()
        {
            janitor.unpark();
        }
    }
}

/// Looks after every queue and cache.
pub struct Janitor {
    tended: Mutex<Vec<Weak<dyn Tended>>>,
    bell: Bell,
}

impl Janitor {
    /// Starts the thread; it ends with the last reference to the janitor.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start() -> io::Result<Arc<Self>> {
        let rest = Arc::new(Rest { resting: AtomicBool::new(false), janitor: OnceLock::new() });
        let janitor = Arc::new(Self { tended: Mutex::default(), bell: Bell(rest.clone()) });
        let weak = Arc::downgrade(&janitor);
        let thread = keep(NAME, Some(limits::LOOP_SILENCE), move || {
            while let Some(janitor) = weak.upgrade() {
                life::beat();
                let tended: Vec<_> = janitor.tended.lock().iter().filter_map(Weak::upgrade).collect();
                drop(janitor);
                let now = Instant::now();
                tended.iter().for_each(|one| tend(&**one, now));
                rest.resting.store(true, Ordering::SeqCst);
                let quiet = tended.iter().all(|one| one.is_quiet());
                drop(tended);
                if quiet {
                    thread::park_timeout(REST_INTERVAL);
                }
                let rung = !rest.resting.swap(false, Ordering::SeqCst);
                // What rang is not overdue yet, and what begins and ends in a moment must not wake anybody
                // each time.
                if rung || !quiet {
                    thread::sleep(LOOK_INTERVAL);
                }
            }
        })?;
        let known = janitor.bell.0.janitor.set(thread.thread().clone());
        debug_assert!(known.is_ok(), "one janitor, one thread");
        Ok(janitor)
    }

    pub(crate) fn look_after<T: Tended + 'static>(&self, one: &Arc<T>) {
        one.take_bell(&self.bell);
        let one: Weak<dyn Tended> = Arc::<T>::downgrade(one);
        self.tended.lock().push(one);
        self.bell.ring();
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        self.bell.ring();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::sync::mpsc;

    use super::super::{Deadlines, Expire};
    use super::*;

    #[derive(Default)]
    struct Rare {
        deadlines: Deadlines,
        looks: AtomicU64,
    }

    impl Tended for Rare {
        fn tend(&self, now: Instant) {
            self.looks.fetch_add(1, Ordering::Relaxed);
            self.deadlines.expire(now);
        }

        fn is_quiet(&self) -> bool {
            self.deadlines.is_empty()
        }

        fn take_bell(&self, bell: &Bell) {
            self.deadlines.take_bell(bell);
        }
    }

    struct Wait(Mutex<Option<mpsc::Sender<Instant>>>);

    impl Expire for Wait {
        fn expire(&self) -> bool {
            self.0.lock().take().is_some_and(|ended| ended.send(Instant::now()).is_ok())
        }

        fn is_over(&self) -> bool {
            self.0.lock().is_none()
        }
    }

    /// With nothing to wait for it looks once a second, and a wait that begins meanwhile ends no later for
    /// that.
    #[test]
    fn it_rests_until_something_waits() {
        let janitor = Janitor::start().unwrap();
        let rare = Arc::new(Rare::default());
        janitor.look_after(&rare);
        thread::sleep(Duration::from_millis(300));
        let before = rare.looks.load(Ordering::Relaxed);
        thread::sleep(Duration::from_millis(700));
        let looks = rare.looks.load(Ordering::Relaxed) - before;
        assert!(looks <= 2, "{looks} looks at nothing");
        let mut lateness: Vec<Duration> = (0..3)
            .map(|_| {
                let (ended, end) = mpsc::channel();
                let deadline = Instant::now() + Duration::from_millis(20);
                rare.deadlines.add(deadline, Arc::new(Wait(Mutex::new(Some(ended)))));
                end.recv().unwrap() - deadline
            })
            .collect();
        lateness.sort();
        assert!(lateness[0] < Duration::from_millis(500), "{lateness:?}");
    }
}
