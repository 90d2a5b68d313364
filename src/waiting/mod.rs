//! How a coroutine waits for a thread: answers for one, bounded queues, and the thread that ends waits past their deadline.
//!
//! A leaf: the store and the caches use it, and it knows neither. A coroutine parks without a time-out and a thread may
//! block; nothing here holds a lock over a wait.

mod deadlines;
mod janitor;
pub(crate) mod queue;
pub(crate) mod reply;

pub(crate) use deadlines::{Deadlines, Expire};
pub use janitor::Janitor;
pub(crate) use janitor::Tended;
