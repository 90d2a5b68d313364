//! How a coroutine waits, for a time, a socket, a thread or another coroutine: the timer of the worker's
//! loop, answers for one, bounded queues, threads for what blocks, the thread that ends waits past their
//! deadline, what the event loop watches.
//!
//! A leaf: the engine, the store and the caches use it, and it knows none of them. A coroutine parks without
//! a time-out of `may` and a thread may block; nothing here holds a lock over a wait.

pub mod aside;
mod coroutines;
mod deadlines;
pub(crate) mod interest;
mod janitor;
pub(crate) mod overflow;
pub(crate) mod queue;
pub(crate) mod reply;
mod timer;
pub(crate) mod turn;
mod wheel;

use std::io;
use std::thread;

pub use coroutines::configure_coroutines;
pub(crate) use deadlines::{Deadlines, Expire};
pub use janitor::Janitor;
pub(crate) use janitor::{Bell, Tended};
pub(crate) use timer::Timer;
pub use timer::{sleep, sleep_until};

/// Starts a thread of ours: named, and with a stack of [`crate::limits::THREAD_STACK_BYTES`].
///
/// # Errors
/// If no thread can be started.
pub(crate) fn spawn<T: Send + 'static>(
    name: impl Into<String>,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<thread::JoinHandle<T>> {
    thread::Builder::new().name(name.into()).stack_size(crate::limits::THREAD_STACK_BYTES).spawn(work)
}
