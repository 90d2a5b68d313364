//! The fault harness: a real stack under load, faults on its real processes, and a history that is held
//! against Postgres.
//!
//! It serves two masters: `cargo test` (tests/faults/, one fault a test, seconds) and the long run
//! (`cargo run --release -p pouco-tools --bin faults`). Nothing here knows which one it serves, and nothing
//! here panics: what goes wrong is an error or a violation.

pub mod aborts;
pub mod audit;
pub mod check;
pub mod client;
pub mod failover;
pub mod fault;
pub mod follower;
pub mod history;
pub mod hostile;
pub mod load;
pub mod measure;
pub mod nginx;
pub mod orders;
pub mod people;
pub mod person;
pub mod postgres;
pub mod proxy;
pub mod replica;
pub mod run;
pub mod self_test;
pub mod self_test_hostile;
pub mod self_test_orders;
pub mod stack;
pub mod standby;
pub mod supervisor;
mod threads;
pub mod volume;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What kept the harness itself from working.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A bound in time as it is promised, of the optimised program alone on its machine. Unoptimised code beside
/// other tests, on a machine of which nothing is known, has no such promise: there it is several times as
/// much, and only tells what comes to an end from what does not.
pub const fn promised(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds * if cfg!(debug_assertions) { 5 } else { 1 })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
