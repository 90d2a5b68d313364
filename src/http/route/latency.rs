//! How long requests take: from the read that brought the end of the head to the moment when the answer
//! stands in the output, just before it is written to the socket.
//!
//! The clock is read once per read of the socket and once per write of answers: pipelined requests that came
//! together and leave together share both readings. Two readings take 56 ns where a request takes 1,440 (Unix
//! socket, kept alive), so not all are taken when there are very many: up to [`TIMED_PER_SWEEP`] reads
//! between two sweeps are timed, and one in [`SAMPLED`] of those that follow.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::router::{Router, Series};

/// Reads of a quarter of a second that are all timed: 20,000 requests a second on connections that do not
/// pipeline.
const TIMED_PER_SWEEP: u64 = 5_000;

/// Of the reads past that, one in so many is timed.
const SAMPLED: u64 = 64;

/// Decides which requests are timed.
///
/// Race window: the sweeper refills it while a connection takes from it; the refill may then be lost until
/// the next one.
pub(crate) struct Stopwatch {
    running: bool,
    left: AtomicU64,
}

impl Stopwatch {
    /// One that never runs if the router does not measure.
    pub(crate) fn new(running: bool) -> Self {
        Self { running, left: AtomicU64::new(TIMED_PER_SWEEP + SAMPLED) }
    }

    /// Once per sweep.
    pub(crate) fn refill(&self) {
        self.left.store(TIMED_PER_SWEEP + SAMPLED, Ordering::Relaxed);
    }

    /// The time of a read, if it is to be timed.
    pub(crate) fn start(&self) -> Option<Instant> {
        (self.running && self.take()).then(Instant::now)
    }

    fn take(&self) -> bool {
        let left = self.left.load(Ordering::Relaxed);
        // The last of them are counted down again and again.
        self.left.store(if left > 1 { left - 1 } else { SAMPLED }, Ordering::Relaxed);
        left > SAMPLED || left == 1
    }
}

/// The answered requests of one series that wait for the reading that ends them all.
pub(crate) struct Timing {
    /// When the bytes were read that ended the head of the present request; `None` if it is not timed.
    came: Option<Instant>,
    /// When bytes were last read, for the requests that came behind a body.
    read: Option<Instant>,
    series: Series,
    count: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self { came: None, read: None, series: Series::OTHER, count: 0 }
    }
}

impl Timing {
    /// Bytes were read: of a head, or of the body of a request whose head came before.
    pub(crate) fn bytes_came(&mut self, stopwatch: &Stopwatch, of_head: bool) {
        // While an untimed body comes there is nothing to compare.
        if of_head || self.came.is_some() {
            self.read = stopwatch.start();
        }
        if of_head {
            self.came = self.read;
        }
    }

    /// When the bytes were read that ended the head of the present request, if it is timed.
    pub(crate) fn came(&self) -> Option<Instant> {
        self.came
    }

    /// A request was answered.
    pub(crate) fn answered(&mut self, router: &Router, series: Series) {
        if self.came.is_none() {
            return;
        }
        if self.count > 0 && self.series != series {
            self.end(router);
        }
        self.series = series;
        self.count += 1;
    }

    /// Reads the clock for all that were answered since it was read last.
    pub(crate) fn end(&mut self, router: &Router) {
        if let Some(came) = self.came
            && self.count > 0
        {
            router.took(self.series, came.elapsed(), std::mem::take(&mut self.count));
        }
    }

    /// What follows came with the end of a body, and not with the head before it.
    pub(crate) fn end_of_body(&mut self, router: &Router) {
        self.end(router);
        self.came = self.read;
    }

    /// The same where the body was read by the handler.
    pub(crate) fn end_of_stream(&mut self, router: &Router) {
        self.end(router);
        self.came = self.came.map(|_| Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::{SAMPLED, Stopwatch, TIMED_PER_SWEEP};

    #[test]
    fn all_are_timed_up_to_a_bound_and_a_part_past_it() {
        let stopwatch = Stopwatch::new(true);
        let timed = |reads: u64| (0..reads).filter(|_| stopwatch.start().is_some()).count() as u64;
        assert_eq!(timed(TIMED_PER_SWEEP), TIMED_PER_SWEEP);
        assert_eq!(timed(SAMPLED * 100), 100);
        stopwatch.refill();
        assert_eq!(timed(TIMED_PER_SWEEP), TIMED_PER_SWEEP);
        assert!(Stopwatch::new(false).start().is_none());
    }
}
