//! The store's answers: what was asked for, or why it cannot be had.

use std::sync::Arc;

use super::Unavailable;
use crate::waiting::Expire;
use crate::waiting::reply::{self, Slot};

impl<T: Send> Expire for Slot<Result<T, Unavailable>> {
    fn expire(&self) -> bool {
        self.settle(Some(Err(Unavailable::Deadline)))
    }

    fn is_over(&self) -> bool {
        self.is_settled()
    }
}

/// The answering end. Dropped without an answer it says [`Unavailable::ShuttingDown`], so that no waiter
/// hangs.
pub(crate) struct Reply<T>(reply::Reply<Result<T, Unavailable>>);

/// The waiting end.
pub(crate) struct Waiter<T>(reply::Waiter<Result<T, Unavailable>>);

/// What a wait holds in memory.
pub(crate) const fn bytes<T>() -> usize {
    reply::bytes::<Result<T, Unavailable>>()
}

/// Makes both ends. Called by whoever will wait: the slot remembers whether that is a coroutine or a thread.
pub(crate) fn channel<T>() -> (Reply<T>, Waiter<T>) {
    let (reply, waiter) = reply::channel();
    (Reply(reply), Waiter(waiter))
}

impl<T> Reply<T> {
    pub(crate) fn send(self, value: T) {
        self.0.send(Ok(value));
    }

    pub(crate) fn fail(self, reason: Unavailable) {
        self.0.send(Err(reason));
    }

    /// Whether the waiter has its answer already, so that computing another is without success.
    pub(crate) fn is_settled(&self) -> bool {
        self.0.is_settled()
    }
}

impl<T: Send + 'static> Reply<T> {
    pub(crate) fn expiry(&self) -> Arc<dyn Expire> {
        self.0.slot()
    }
}

impl<T> Waiter<T> {
    /// Parks until the answer comes.
    pub(crate) fn wait(self) -> Result<T, Unavailable> {
        self.0.wait().unwrap_or(Err(Unavailable::ShuttingDown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_reply_says_that_the_process_ends() {
        let (reply, waiter) = channel::<()>();
        drop(reply);
        assert_eq!(waiter.wait(), Err(Unavailable::ShuttingDown));
    }

    #[test]
    fn an_expired_wait_keeps_its_reason() {
        let (reply, waiter) = channel();
        let expiry = reply.expiry();
        assert!(expiry.expire() && expiry.is_over());
        assert!(!expiry.expire());
        reply.send(1);
        assert_eq!(waiter.wait(), Err(Unavailable::Deadline));
    }
}
