//! What the benchmarks share.

pub mod options;
pub mod processes;
pub mod shop;
pub mod stats;

use std::time::{Duration, Instant};

/// When an answer must be there.
pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}
