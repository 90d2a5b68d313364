//! A clock that the sweeper sets a few times a second: milliseconds for deadlines, and the text of the `Date`
//! field.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::http::message::date::Date;

/// Coarse time, shared by all connections.
pub(crate) struct Clock {
    started: Instant,
    now_ms: AtomicU64,
    pub(crate) date: Date,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), now_ms: AtomicU64::new(0), date: Date::now() }
    }

    /// Milliseconds since the server started, as of the last tick.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    /// Brings the time and the date up to now.
    ///
    /// Race window: the sweeper ticks, and the one that ends its rest does too; the later time stays,
    /// whichever comes last.
    pub(crate) fn tick(&self) {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.now_ms.fetch_max(elapsed, Ordering::Relaxed);
        self.date.refresh();
    }
}
