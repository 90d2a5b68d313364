//! How a coroutine waits, for a time, a socket, a thread or another coroutine: the timer of the worker's
//! loop, a turn for the sockets, answers for one, a gate for many, bounded queues, threads for what blocks,
//! the thread that ends waits past their deadline, what the event loop watches; and who of those that wait
//! and work is alive.
//!
//! A leaf: the engine, the store and the caches use it, and it knows none of them. A coroutine parks without
//! a timeout of `may` and a thread may block; nothing here holds a lock over a wait.

pub mod aside;
mod coroutines;
mod deadlines;
pub(crate) mod gate;
pub(crate) mod interest;
mod janitor;
pub mod life;
pub(crate) mod overflow;
pub(crate) mod queue;
pub(crate) mod reply;
mod round;
mod timer;
pub(crate) mod turn;
mod wheel;

pub use coroutines::configure_coroutines;
pub(crate) use deadlines::{Deadlines, Expire};
pub use janitor::Janitor;
pub(crate) use janitor::{Bell, Tended};
pub(crate) use round::{Round, let_sockets_go_first};
pub(crate) use timer::Timer;
pub use timer::{sleep, sleep_until};
