//! A bounded queue into threads that block.

use std::collections::VecDeque;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

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
}

impl<J> Queue<J> {
    pub(crate) fn new(bound: usize) -> Self {
        let state = State { waiting: VecDeque::new(), closed: false };
        Self { state: Mutex::new(state), bell: Condvar::new(), bound }
    }

    pub(crate) fn push(&self, job: J) -> Result<(), Refused> {
        {
            let mut state = self.state.lock();
            if state.closed {
                return Err(Refused::Closed);
            }
            if state.waiting.len() >= self.bound {
                return Err(Refused::Full);
            }
            state.waiting.push_back(job);
        }
        self.bell.notify_one();
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
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.waiting.pop_front() {
                return Popped::Job(job);
            }
            if state.closed {
                return Popped::Closed;
            }
            match end.map(|end| end.saturating_duration_since(Instant::now())) {
                None => self.bell.wait(&mut state),
                Some(left) if left.is_zero() => return Popped::Late,
                Some(left) => drop(self.bell.wait_for(&mut state, left)),
            }
        }
    }

    /// Drops what waits.
    pub(crate) fn clear(&self) {
        // Dropped without the lock: replies wake their waiters.
        let dropped = std::mem::take(&mut self.state.lock().waiting);
        drop(dropped);
    }

    /// Takes nothing more; the threads end once the queue is empty.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.bell.notify_all();
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
    fn a_push_wakes_who_waits() {
        let queue = Queue::new(1);
        std::thread::scope(|scope| {
            let popped = scope.spawn(|| queue.pop());
            queue.push(7).unwrap();
            assert_eq!(popped.join().unwrap(), Some(7));
        });
    }
}
