//! A gate: shut until something is there. A coroutine that comes before that parks, until a certain time at
//! most.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::reply::{self, Reply, Slot};
use super::{Expire, Timer};

impl Expire for Slot<()> {
    fn expire(&self) -> bool {
        self.settle(None)
    }

    fn is_over(&self) -> bool {
        self.is_settled()
    }
}

/// It is opened once, and stays open.
///
/// Race window: it is opened under the lock, under which every caller looks once more before it waits. So
/// nobody waits at an open gate.
pub(crate) struct Gate {
    open: AtomicBool,
    /// Nobody waits past it.
    end: Instant,
    timer: &'static Timer,
    /// At most one for each request under way.
    waiting: Mutex<Vec<Reply<()>>>,
}

impl Gate {
    /// A gate at which nobody waits past `end`.
    ///
    /// # Errors
    /// If there is no timer for that.
    pub(crate) fn until(end: Instant) -> io::Result<Self> {
        Ok(Self { open: AtomicBool::new(false), end, timer: Timer::get()?, waiting: Mutex::default() })
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.lock().len()
    }

    pub(crate) fn open(&self) {
        if self.is_open() {
            return;
        }
        let waiting = {
            let mut waiting = self.waiting.lock();
            self.open.store(true, Ordering::Release);
            std::mem::take(&mut *waiting)
        };
        waiting.into_iter().for_each(|reply| reply.send(()));
    }

    /// Parks the calling coroutine until the gate is open; a thread blocks. `false` if it is not in time.
    pub(crate) fn pass(&self) -> bool {
        if self.is_open() {
            return true;
        }
        if Instant::now() >= self.end {
            return false;
        }
        let (reply, waiter) = reply::channel();
        let slot = reply.slot();
        {
            let mut waiting = self.waiting.lock();
            if self.is_open() {
                return true;
            }
            waiting.push(reply);
        }
        let alarm = self.timer.alarm(self.end, slot);
        let is_open = waiter.wait().is_some();
        drop(alarm);
        if !is_open {
            // It is too late for all of them: they hear it when their replies are dropped.
            let late = std::mem::take(&mut *self.waiting.lock());
            drop(late);
        }
        is_open
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn eventually(condition: impl Fn() -> bool) {
        while !condition() {
            thread::yield_now();
        }
    }

    /// (Threads wait as coroutines do.)
    #[test]
    fn all_who_wait_pass_when_it_is_opened() {
        let gate = Gate::until(Instant::now() + Duration::from_secs(3_600)).unwrap();
        thread::scope(|scope| {
            let waiting = [(); 3].map(|()| scope.spawn(|| gate.pass()));
            eventually(|| gate.waiting() == 3);
            assert!(!gate.is_open());
            gate.open();
            assert_eq!(waiting.map(|thread| thread.join().unwrap()), [true; 3]);
        });
        assert_eq!((gate.waiting(), gate.is_open(), gate.pass()), (0, true, true));
    }

    #[test]
    fn nobody_waits_past_its_end() {
        let end = Instant::now() + Duration::from_millis(50);
        let gate = Gate::until(end).unwrap();
        thread::scope(|scope| {
            let waiting = [(); 3].map(|()| scope.spawn(|| gate.pass()));
            assert_eq!(waiting.map(|thread| thread.join().unwrap()), [false; 3]);
        });
        assert!(Instant::now() >= end && gate.waiting() == 0 && !gate.pass());
        gate.open();
        assert!(gate.pass());
    }
}
