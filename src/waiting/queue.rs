//! A bounded queue into threads that block, or into coroutines that park.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use may::sync::Blocker;

/// Why a queue did not take something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// As many as are allowed are waiting.
    Full,
    /// It is closed.
    Closed,
}

/// What a thread gets that waits for work until a certain time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Popped<J> {
    Job(J),
    /// The time has come.
    Late,
    /// Nothing waits, and nothing will come any more.
    Closed,
}

/// Whoever pushes never blocks; whoever pops does.
pub(crate) struct Queue<J> {
    state: Mutex<State<J>>,
    bell: Condvar,
    bound: usize,
}

struct State<J> {
    waiting: VecDeque<J>,
    closed: bool,
    /// Those who wait in [`Queue::pop_parked`]; the last to come is the first to go, so that a few do what they can.
    parked: Vec<Arc<Blocker>>,
}

impl<J> Queue<J> {
    pub(crate) fn new(bound: usize) -> Self {
        let state = State { waiting: VecDeque::new(), closed: false, parked: Vec::new() };
        Self { state: Mutex::new(state), bell: Condvar::new(), bound }
    }

    pub(crate) fn push(&self, job: J) -> Result<(), Refused> {
        let parked = {
            let mut state = self.lock();
            if state.closed {
                return Err(Refused::Closed);
            }
            if state.waiting.len() >= self.bound {
                return Err(Refused::Full);
            }
            state.waiting.push_back(job);
            state.parked.pop()
        };
        match parked {
            Some(blocker) => blocker.unpark(),
            None => self.bell.notify_one(),
        }
        Ok(())
    }

    /// Waits for the next job; `None` once the queue is closed and empty.
    pub(crate) fn pop(&self) -> Option<J> {
        match self.pop_until(None) {
            Popped::Job(job) => Some(job),
            Popped::Late | Popped::Closed => None,
        }
    }

    /// As [`Queue::pop`], but at most until a certain time, if there is one.
    pub(crate) fn pop_until(&self, end: Option<Instant>) -> Popped<J> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.waiting.pop_front() {
                return Popped::Job(job);
            }
            if state.closed {
                return Popped::Closed;
            }
            state = match end.map(|end| end.saturating_duration_since(Instant::now())) {
                None => self.bell.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return Popped::Late,
                Some(left) => self.bell.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    /// As [`Queue::pop`] for a coroutine, which parks. `blocker` is its own, made by itself.
    pub(crate) fn pop_parked(&self, blocker: &Arc<Blocker>) -> Option<J> {
        loop {
            {
                let mut state = self.lock();
                // Whoever was woken for another reason is still there.
                state.parked.retain(|one| !Arc::ptr_eq(one, blocker));
                if let Some(job) = state.waiting.pop_front() {
                    return Some(job);
                }
                if state.closed {
                    return None;
                }
                state.parked.push(blocker.clone());
            }
            // The state decides.
            let _ = blocker.park(None);
        }
    }

    /// How many wait, and how many may.
    pub(crate) fn load(&self) -> (usize, usize) {
        (self.lock().waiting.len(), self.bound)
    }

    /// Drops what waits.
    pub(crate) fn clear(&self) {
        // Dropped without the lock: replies wake their waiters.
        let dropped = std::mem::take(&mut self.lock().waiting);
        drop(dropped);
    }

    /// Takes nothing more; the threads end once the queue is empty.
    pub(crate) fn close(&self) {
        let parked = {
            let mut state = self.lock();
            state.closed = true;
            std::mem::take(&mut state.parked)
        };
        parked.iter().for_each(|blocker| blocker.unpark());
        self.bell.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_and_what_is_queued_is_finished() {
        let queue = Queue::new(2);
        assert_eq!([queue.push(1), queue.push(2), queue.push(3)], [Ok(()), Ok(()), Err(Refused::Full)]);
        queue.close();
        assert_eq!(queue.push(4), Err(Refused::Closed));
        assert_eq!([queue.pop(), queue.pop(), queue.pop()], [Some(1), Some(2), None]);
    }

    #[test]
    fn a_time_ends_the_wait() {
        let queue = Queue::<u8>::new(1);
        assert_eq!(queue.pop_until(Some(Instant::now())), Popped::Late);
        queue.close();
        assert_eq!(queue.pop_until(Some(Instant::now())), Popped::Closed);
    }

    #[test]
    fn a_push_wakes_who_is_parked_and_a_close_all() {
        let queue = Queue::new(8);
        let popped = std::thread::scope(|scope| {
            let pop = || {
                let blocker = Arc::new(Blocker::new(true));
                std::iter::from_fn(|| queue.pop_parked(&blocker)).sum::<u32>()
            };
            let threads = [scope.spawn(pop), scope.spawn(pop)];
            (1..=8).for_each(|job| while queue.push(job).is_err() {});
            while queue.load().0 > 0 {
                std::thread::yield_now();
            }
            queue.close();
            threads.map(|thread| thread.join().unwrap())
        });
        assert_eq!(popped.iter().sum::<u32>(), 36);
    }

    #[test]
    fn a_push_wakes_who_waits() {
        let queue = Queue::new(1);
        std::thread::scope(|scope| {
            let popped = scope.spawn(|| queue.pop());
            queue.push(7).unwrap();
            assert_eq!(popped.join().unwrap(), Some(7));
        });
    }
}
