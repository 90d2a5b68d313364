//! One answer from one side to one waiter, which may be a coroutine or a thread.

use std::sync::Arc;

use may::sync::Blocker;
use parking_lot::Mutex;

/// Where both ends meet.
pub(crate) struct Slot<A> {
    state: Mutex<State<A>>,
    blocker: Blocker,
}

enum State<A> {
    Waiting,
    /// `None`: nothing is left that could answer.
    Done(Option<A>),
    Taken,
}

impl<A> Slot<A> {
    /// The first to come wins; what comes later is dropped. `true` for the first.
    pub(crate) fn settle(&self, answer: Option<A>) -> bool {
        {
            let mut state = self.state.lock();
            if !matches!(*state, State::Waiting) {
                return false;
            }
            *state = State::Done(answer);
        }
        self.blocker.unpark();
        true
    }

    pub(crate) fn is_settled(&self) -> bool {
        !matches!(*self.state.lock(), State::Waiting)
    }
}

/// The answering end. Dropped without an answer it says so, so that no waiter hangs.
pub(crate) struct Reply<A>(Arc<Slot<A>>);

/// The waiting end.
pub(crate) struct Waiter<A>(Arc<Slot<A>>);

/// What a wait holds in memory.
pub(crate) const fn bytes<A>() -> usize {
    size_of::<Slot<A>>()
}

/// Makes both ends. Called by whoever will wait: the slot remembers whether that is a coroutine or a thread.
pub(crate) fn channel<A>() -> (Reply<A>, Waiter<A>) {
    let slot = Arc::new(Slot { state: Mutex::new(State::Waiting), blocker: Blocker::new(true) });
    (Reply(slot.clone()), Waiter(slot))
}

impl<A> Reply<A> {
    pub(crate) fn send(self, answer: A) {
        self.0.settle(Some(answer));
    }

    /// Whether the waiter has its answer already, so that computing another is without success.
    pub(crate) fn is_settled(&self) -> bool {
        self.0.is_settled()
    }

    /// For those who end the wait from aside.
    pub(crate) fn slot(&self) -> Arc<Slot<A>> {
        self.0.clone()
    }
}

impl<A> Drop for Reply<A> {
    fn drop(&mut self) {
        self.0.settle(None);
    }
}

impl<A> Waiter<A> {
    /// Parks until the answer comes; `None` if the other end was dropped without one.
    pub(crate) fn wait(self) -> Option<A> {
        loop {
            {
                let mut state = self.0.state.lock();
                if let State::Done(_) = *state
                    && let State::Done(answer) = std::mem::replace(&mut *state, State::Taken)
                {
                    return answer;
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
        assert_eq!(waiter.wait(), Some(7));
        thread.join().unwrap();
    }

    #[test]
    fn a_dropped_reply_does_not_hang_its_waiter() {
        let (reply, waiter) = channel::<()>();
        drop(reply);
        assert_eq!(waiter.wait(), None);
    }

    #[test]
    fn the_first_answer_counts() {
        let (reply, waiter) = channel();
        assert!(reply.slot().settle(Some(2)));
        assert!(!reply.slot().settle(Some(3)));
        reply.send(1);
        assert_eq!(waiter.wait(), Some(2));
    }
}
