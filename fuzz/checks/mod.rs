//! What each target checks, for libFuzzer (`fuzz_targets/`) and for `fuzz/replay.rs`, which goes
//! through the kept inputs without it.
//!
//! A check that finds nothing may be one that looks nowhere. With a planted fault each target breaks what it
//! has been given in one small way, and must find that.

use std::cell::Cell;

pub mod chunked;
pub mod query;
pub mod request_head;
pub mod stream;

thread_local! {
    static PLANTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `check` with a fault planted in what it looks at.
pub fn planted(check: impl FnOnce()) {
    PLANTED.set(true);
    check();
    PLANTED.set(false);
}

/// Whether the target must break its answer where `rare` holds.
fn canary(rare: impl FnOnce() -> bool) -> bool {
    PLANTED.get() && rare()
}
