//! What the targets share: the canary.
//!
//! A fuzzer that finds nothing may be one that looks nowhere. With `POUCO_FUZZ_CANARY=1` each target breaks what it has
//! been given in one small way, and `run.sh --self-test` fails unless the fuzzer finds every one of them.

use std::sync::LazyLock;

static PLANTED: LazyLock<bool> = LazyLock::new(|| std::env::var_os("POUCO_FUZZ_CANARY").is_some());

/// Whether the target shall break its answer where `rare` holds.
pub fn canary(rare: impl FnOnce() -> bool) -> bool {
    *PLANTED && rare()
}
