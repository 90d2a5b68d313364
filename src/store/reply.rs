//! One answer from one thread to one waiter, which may be a coroutine or a thread.

use std::sync::{Arc, Mutex, PoisonError};

use may::sync::Blocker;

use super::Unavailable;

struct Slot<T> {
    state: Mutex<State<T>>,
    blocker: Blocker,
}

enum State<T> {
    Waiting,
    Done(Result<T, Unavailable>),
    Taken,
}

impl<T> Slot<T> {
    /// The first to come wins; what comes later is dropped.
    fn settle(&self, value: Result<T, Unavailable>) {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if !matches!(*state, State::Waiting) {
                return;
            }
            *state = State::Done(value);
        }
        self.blocker.unpark();
    }

    fn is_settled(&self) -> bool {
        !matches!(*self.state.lock().unwrap_or_else(PoisonError::into_inner), State::Waiting)
    }
}

/// Something that waits and can be told that its time is over.
pub(crate) trait Expire: Send + Sync {
    /// Ends the wait with `reason`, unless it has ended. `false` if it had.
    fn expire(&self, reason: Unavailable) -> bool;
    /// Whether there is nothing left to end.
    fn is_over(&self) -> bool;
}

impl<T: Send> Expire for Slot<T> {
    fn expire(&self, reason: Unavailable) -> bool {
        let was_waiting = !self.is_settled();
        self.settle(Err(reason));
        was_waiting
    }

    fn is_over(&self) -> bool {
        self.is_settled()
    }
}

/// The answering end. Dropped without an answer it says [`Unavailable::ShuttingDown`], so that no waiter hangs.
pub(crate) struct Reply<T>(Arc<Slot<T>>);

/// The waiting end.
pub(crate) struct Waiter<T>(Arc<Slot<T>>);

/// What a wait holds in memory.
pub(crate) const fn bytes<T>() -> usize {
    size_of::<Slot<T>>()
}

/// Makes both ends. Called by whoever will wait: the slot remembers whether that is a coroutine or a thread.
pub(crate) fn channel<T>() -> (Reply<T>, Waiter<T>) {
    let slot = Arc::new(Slot { state: Mutex::new(State::Waiting), blocker: Blocker::new(true) });
    (Reply(slot.clone()), Waiter(slot))
}

impl<T> Reply<T> {
    pub(crate) fn send(self, value: T) {
        self.0.settle(Ok(value));
    }

    pub(crate) fn answer(self, answer: Result<T, Unavailable>) {
        self.0.settle(answer);
    }

    pub(crate) fn fail(self, reason: Unavailable) {
        self.0.settle(Err(reason));
    }

    /// Whether the waiter has its answer already, so that computing another is in vain.
    pub(crate) fn is_settled(&self) -> bool {
        self.0.is_settled()
    }
}

impl<T: Send + 'static> Reply<T> {
    pub(crate) fn expiry(&self) -> Arc<dyn Expire> {
        self.0.clone()
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        self.0.settle(Err(Unavailable::ShuttingDown));
    }
}

impl<T> Waiter<T> {
    /// Parks until the answer comes.
    pub(crate) fn wait(self) -> Result<T, Unavailable> {
        loop {
            {
                let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
                if let State::Done(_) = *state
                    && let State::Done(value) = std::mem::replace(&mut *state, State::Taken)
                {
                    return value;
                }
            }
            // Spurious wake-ups are fine, the state decides.
            let _ = self.0.blocker.park(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_crosses_from_a_thread() {
        let (reply, waiter) = channel();
        let thread = std::thread::spawn(move || reply.send(7));
        assert_eq!(waiter.wait(), Ok(7));
        thread.join().unwrap();
    }

    #[test]
    fn a_dropped_reply_does_not_hang_its_waiter() {
        let (reply, waiter) = channel::<()>();
        drop(reply);
        assert_eq!(waiter.wait(), Err(Unavailable::ShuttingDown));
    }

    #[test]
    fn the_first_answer_counts() {
        let (reply, waiter) = channel();
        assert!(reply.expiry().expire(Unavailable::Deadline));
        reply.send(1);
        assert_eq!(waiter.wait(), Err(Unavailable::Deadline));
    }
}
