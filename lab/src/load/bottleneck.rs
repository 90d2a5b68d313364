//! Whether the generator, and not the server, set the pace.
//!
//! Four signs, each said in words with its figures: requests started late, Little's law is violated, the
//! generator's thread filled its core, a limit of the machine was reached (descriptors, source ports). What
//! may not enter: judging the server.

use anyhow::Result;
use hdrhistogram::Histogram;
use procfs::process::Process;
use rustix::time::{ClockId, clock_gettime};

use super::arrivals::{float, seconds};
use super::figures::{Figures, histogram, quantile};
use super::socket::{NO_DESCRIPTOR, NO_PORT};

/// The 99th percentile of the starts' lateness must stay below.
const LATE_P99_MS: f64 = 10.0;
/// How far apart the two sides of Little's law may be.
const LITTLE_SHARE: f64 = 0.05;
/// Below so much a request they may be further apart: waking up takes tens of microseconds, which is a large
/// share of a quick server's answer and still no bottleneck.
const LITTLE_SECONDS: f64 = 0.001;
/// Of a core, in any one second.
const BUSY: f64 = 0.9;
/// Of the users asked for, so many must have started.
const STARTED_SHARE: f64 = 0.99;

/// Watches the generator itself.
pub(super) struct Watch {
    /// How late requests started, in microseconds.
    late: Histogram<u64>,
    in_flight: u64,
    changed_at: u64,
    /// Requests in flight, summed up over time: seconds.
    in_flight_seconds: f64,
    /// Times of the requests that were given up at an early end: seconds.
    given_up_seconds: f64,
    cpu_at_start: f64,
    cpu_at_second: f64,
    seconds: u32,
    busy_seconds: u32,
    /// Users who had to wait for a free descriptor.
    pub(super) waited_for_descriptor: u64,
}

impl Watch {
    pub(super) fn new() -> Result<Self> {
        let cpu = thread_cpu_seconds();
        Ok(Self {
            late: histogram()?,
            in_flight: 0,
            changed_at: 0,
            in_flight_seconds: 0.0,
            given_up_seconds: 0.0,
            cpu_at_start: cpu,
            cpu_at_second: cpu,
            seconds: 0,
            busy_seconds: 0,
            waited_for_descriptor: 0,
        })
    }

    /// A request that was meant to start at `intended` starts at `now`.
    pub(super) fn begin(&mut self, intended: u64, now: u64) {
        self.late.saturating_record(now.saturating_sub(intended) / 1000);
        self.pass(now);
        self.in_flight += 1;
    }

    /// A request ends.
    pub(super) fn end(&mut self, now: u64) {
        self.pass(now);
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// A request is given up, because the load is.
    pub(super) fn give_up(&mut self, intended: u64, now: u64) {
        self.given_up_seconds += seconds(now.saturating_sub(intended));
        self.end(now);
    }

    fn pass(&mut self, now: u64) {
        self.in_flight_seconds += float(self.in_flight) * seconds(now.saturating_sub(self.changed_at));
        self.changed_at = now;
    }

    /// `length` seconds have passed; the cores used in them.
    pub(super) fn second(&mut self, length: f64) -> f64 {
        let cpu = thread_cpu_seconds();
        let cpus = (cpu - self.cpu_at_second) / length.max(1e-9);
        self.cpu_at_second = cpu;
        self.seconds += 1;
        if cpus > BUSY {
            self.busy_seconds += 1;
        }
        cpus
    }

    /// Of the generator's thread, since the load began.
    pub(super) fn cpu_seconds(&self) -> f64 {
        thread_cpu_seconds() - self.cpu_at_start
    }

    /// One sentence for each sign.
    pub(super) fn reasons(&self, figures: &Figures, users_asked: u64, length: f64) -> Vec<String> {
        let mut reasons = Vec::new();
        let late = quantile(&self.late, 0.99).unwrap_or_default();
        if late > LATE_P99_MS {
            reasons.push(format!("requests started late: p99 of the lateness is {late:.1} ms"));
        }
        let started = figures.users_started;
        if float(started) < float(users_asked) * STARTED_SHARE {
            reasons.push(format!("{started} of {users_asked} users started"));
        }
        reasons.extend(self.little(figures, length));
        if self.busy_seconds > 0 {
            let (busy, all) = (self.busy_seconds, self.seconds);
            reasons.push(format!("the generator used above 90 % of a core in {busy} of {all} seconds"));
        }
        if self.waited_for_descriptor > 0 {
            let users = self.waited_for_descriptor;
            reasons.push(format!("{users} users waited for a free file descriptor (ulimit -Hn)"));
        }
        for message in [NO_DESCRIPTOR, NO_PORT] {
            let count = figures.messages_with(message);
            if count > 0 {
                reasons.push(format!("{count} requests failed: {message}"));
            }
        }
        reasons
    }

    /// Requests in flight on average are requests a second times their mean time. The first is what the loop
    /// saw, the second counts from the intended starts: they part where requests start late.
    fn little(&self, figures: &Figures, length: f64) -> Option<String> {
        let (seen, expected) = (self.in_flight_seconds, figures.sum_of_seconds() + self.given_up_seconds);
        let apart = (seen - expected).abs();
        let requests = float(figures.requests().max(1));
        (apart > LITTLE_SHARE * seen.max(expected) && apart > LITTLE_SECONDS * requests).then(|| {
            let (seen, expected) = (seen / length.max(1e-9), expected / length.max(1e-9));
            format!(
                "Little's law is violated: {seen:.1} requests in flight on average, {expected:.1} by their rate and mean time"
            )
        })
    }
}

/// User and system, of the calling thread.
fn thread_cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    std::time::Duration::try_from(time).unwrap_or_default().as_secs_f64()
}

/// The largest resident set of this process.
pub(super) fn peak_memory_bytes() -> Option<u64> {
    let status = Process::myself().and_then(|process| process.status()).ok()?;
    status.vmhwm.map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::super::figures::End;
    use super::*;

    const MILLI: u64 = 1_000_000;

    fn figures(times_ms: &[u64]) -> Figures {
        let mut figures = Figures::new(["a".to_owned()].into_iter(), None).unwrap();
        for ms in times_ms {
            figures.start();
            figures.end(&End { kind: 0, status: 200, nanos: ms * MILLI, failure: None, seen: None });
        }
        figures
    }

    #[test]
    fn punctual_requests_violate_nothing() {
        let mut watch = Watch::new().unwrap();
        for index in 0..100 {
            watch.begin(index * 10 * MILLI, index * 10 * MILLI);
            watch.end(index * 10 * MILLI + 8 * MILLI);
        }
        assert_eq!(watch.reasons(&figures(&[8; 100]), 100, 1.0), Vec::<String>::new());
        let reasons = watch.reasons(&figures(&[8; 100]), 200, 1.0);
        assert_eq!(reasons, ["100 of 200 users started"]);
    }

    #[test]
    fn late_starts_are_seen_twice() {
        let mut watch = Watch::new().unwrap();
        for index in 0..100 {
            watch.begin(index * 10 * MILLI, index * 10 * MILLI + 20 * MILLI);
            watch.end(index * 10 * MILLI + 28 * MILLI);
        }
        let reasons = watch.reasons(&figures(&[28; 100]), 100, 1.0);
        assert!(reasons[0].contains("p99 of the lateness is 20.0 ms"), "{reasons:?}");
        assert!(reasons[1].contains("0.8 requests in flight on average, 2.8 by"), "{reasons:?}");
        assert_eq!(reasons.len(), 2);
    }

    #[test]
    fn a_full_core_is_told_with_its_seconds() {
        let mut watch = Watch::new().unwrap();
        let begin = thread_cpu_seconds();
        while thread_cpu_seconds() - begin < 0.01 {}
        assert!(watch.second(0.01) >= 0.9);
        assert!(watch.second(3600.0) < 0.9);
        let reasons = watch.reasons(&figures(&[]), 0, 1.0);
        assert_eq!(reasons, ["the generator used above 90 % of a core in 1 of 2 seconds"]);
        assert!(peak_memory_bytes().unwrap() > 1 << 20);
    }
}
