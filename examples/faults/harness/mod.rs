//! The fault harness: a real stack under load, faults on its real processes, and a history that is held
//! against Postgres.
//!
//! It serves two masters: `cargo test` (tests/faults/, one fault a test, seconds) and the long run
//! (`cargo run --release --example faults`). Nothing here knows which one it serves, and nothing here panics:
//! what goes wrong is an error or a violation.
#![allow(dead_code)] // each of the two uses a part of it

pub(crate) mod aborts;
pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod client;
pub(crate) mod failover;
pub(crate) mod fault;
pub(crate) mod follower;
pub(crate) mod history;
pub(crate) mod hostile;
pub(crate) mod load;
pub(crate) mod measure;
pub(crate) mod nginx;
pub(crate) mod orders;
pub(crate) mod people;
pub(crate) mod person;
pub(crate) mod postgres;
pub(crate) mod proxy;
pub(crate) mod replica;
pub(crate) mod run;
pub(crate) mod stack;
pub(crate) mod standby;
pub(crate) mod supervisor;
mod threads;
pub(crate) mod volume;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What kept the harness itself from working.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A bound in time as it is promised, of the optimised program alone on its machine. Unoptimised code beside
/// other tests, on a machine of which nothing is known, has no such promise: there it is several times as
/// much, and only tells what comes to an end from what does not.
pub(crate) const fn promised(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds * if cfg!(debug_assertions) { 5 } else { 1 })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
