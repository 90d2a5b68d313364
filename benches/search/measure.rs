//! Clocks, the process's memory, and percentiles.

use std::fs;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A point in wall time and in CPU time of this thread.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    wall: Instant,
    cpu: Duration,
}

/// What passed since a point, in µs.
#[derive(Clone, Copy, Default)]
pub(crate) struct Passed {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
}

impl Now {
    pub(crate) fn get() -> Self {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let cpu = Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.try_into().unwrap_or(0));
        Self { wall: Instant::now(), cpu }
    }

    pub(crate) fn passed(self) -> Passed {
        let now = Self::get();
        Passed { wall: micros(now.wall - self.wall), cpu: micros(now.cpu.saturating_sub(self.cpu)) }
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Resident bytes of this process.
pub(crate) fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// The value below which this part of the sorted values lies; the largest for 1.
pub(crate) fn percentile(sorted: &[f64], part: f64) -> f64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}
