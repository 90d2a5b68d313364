//! What the benchmarks share.

pub mod http;
pub mod options;
pub mod processes;
pub mod shop;
pub mod stats;
