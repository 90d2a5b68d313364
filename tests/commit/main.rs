//! The group commit, driven directly with tables of the tests' own, on a real Postgres.
#![allow(clippy::unwrap_used)]

use pouco_tools::support;

mod batches;
mod bounds;
mod conflicts;
mod panics;
#[allow(unreachable_pub)]
mod rig;
mod sessions;
mod shutdown;
mod silence;
mod standby;
mod stock;
mod transactions;
mod uncertain;
