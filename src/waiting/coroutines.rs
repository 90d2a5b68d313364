//! The scheduler that all coroutines share.

use may::config as coroutines;

use crate::limits;

/// Sets up the coroutine scheduler; whatever starts coroutines does it too. It has to happen before the first
/// coroutine.
///
/// One thread runs all coroutines. With several, `may` 0.3.51 is not memory-safe: a coroutine that is being
/// put to sleep by one of them may be woken, run to its end and freed by another, while the first still looks
/// at its stack (`RawIoBlock::subscribe`). More cores are for more replicas.
pub fn configure_coroutines() {
    coroutines()
        .set_workers(1)
        .set_stack_size(limits::COROUTINE_STACK_BYTES / size_of::<usize>())
        .set_pool_capacity(limits::POOLED_COROUTINES);
    // Pinning starts at core 0 in every process: two replicas of one worker each would share that core.
    coroutines().set_worker_pin(false);
    super::overflow::install();
}
