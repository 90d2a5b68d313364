//! All that was seen of one container.

use crate::meters::{Cgroup, Limits, Sample};

pub(super) const COLUMNS: [&str; 13] = [
    "unix_time_s",
    "elapsed_s",
    "container",
    "cpu_total_s",
    "cpu_cores",
    "throttled_periods_total",
    "throttled_total_s",
    "memory_raw_bytes",
    "memory_inactive_file_bytes",
    "memory_working_bytes",
    "memory_peak_bytes",
    "cpu_limit_cores",
    "memory_limit_bytes",
];

/// Over less than this a counter says nothing about cores.
const SHORTEST_S: f64 = 0.5;

/// At one look. The counters are since the monitor's start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Point {
    pub(super) tick: usize,
    pub(super) at_s: f64,
    pub(super) cpu_s: f64,
    /// Absent at the first point, and after too short a time to say.
    pub(super) cores: Option<f64>,
    pub(super) throttled_periods: u64,
    pub(super) throttled_s: f64,
    pub(super) raw_bytes: u64,
    pub(super) inactive_file_bytes: u64,
    pub(super) working_bytes: u64,
}

/// CPU time, throttled periods and throttled time. The kernel counts each start of a container from zero.
#[derive(Clone, Copy, Debug, Default)]
struct Counters([u64; 3]);

pub(super) struct Watched {
    pub(super) name: String,
    pub(super) limits: Limits,
    pub(super) points: Vec<Point>,
    pub(super) peak_bytes: Option<u64>,
    pub(super) restarts: u64,
    /// Absent while it is lost.
    cgroup: Option<Cgroup>,
    /// As they were read last; absent before the first sample.
    last: Option<Counters>,
    total: Counters,
}

impl Watched {
    pub(super) fn new(name: String, cgroup: impl Into<Option<Cgroup>>, limits: Limits) -> Self {
        let (cgroup, total) = (cgroup.into(), Counters::default());
        Self { name, limits, points: Vec::new(), peak_bytes: None, restarts: 0, cgroup, last: None, total }
    }

    pub(super) fn lost(&self) -> bool {
        self.cgroup.is_none()
    }

    pub(super) fn restarted(&mut self, cgroup: impl Into<Option<Cgroup>>, limits: Limits) {
        (self.cgroup, self.limits) = (cgroup.into(), limits);
        if self.last.is_some() {
            self.begin_again();
        }
    }

    fn begin_again(&mut self) {
        self.last = Some(Counters::default());
        self.restarts += 1;
    }

    /// Looks, and returns the row of the table of samples; nothing if it is lost.
    pub(super) fn take(&mut self, tick: usize, at_s: f64, started_at: f64) -> Option<String> {
        let cgroup = self.cgroup.as_mut()?;
        let Ok(sample) = cgroup.sample() else {
            self.cgroup = None;
            return None;
        };
        let periods = cgroup.periods().map_or(0, |periods| periods.throttled);
        let point = self.add(tick, at_s, &sample, periods);
        Some(self.row(&point, started_at))
    }

    pub(super) fn add(&mut self, tick: usize, at_s: f64, sample: &Sample, periods: u64) -> Point {
        let now = Counters([sample.cpu_ns, periods, sample.throttled_ns.unwrap_or(0)]);
        // Restarted between two looks: its cgroup has the old name and was never missed.
        if self.last.is_some_and(|last| now.0[0] < last.0[0]) {
            self.begin_again();
        }
        // What was used before the first look does not belong to the run.
        let before = self.last.unwrap_or(now);
        for ((total, now), before) in self.total.0.iter_mut().zip(now.0).zip(before.0) {
            *total += now.saturating_sub(before);
        }
        self.last = Some(now);
        let [cpu_ns, throttled_periods, throttled_ns] = self.total.0;
        let cpu_s = cpu_ns as f64 / 1e9;
        let last = self.points.last().filter(|last| at_s - last.at_s >= SHORTEST_S);
        let point = Point {
            tick,
            at_s,
            cpu_s,
            cores: last.map(|last| (cpu_s - last.cpu_s) / (at_s - last.at_s)),
            throttled_periods,
            throttled_s: throttled_ns as f64 / 1e9,
            raw_bytes: sample.memory_bytes,
            inactive_file_bytes: sample.inactive_file_bytes,
            working_bytes: sample.working_bytes(),
        };
        self.peak_bytes = self.peak_bytes.max(sample.peak_bytes);
        self.points.push(point);
        point
    }

    fn row(&self, point: &Point, started_at: f64) -> String {
        let or_nothing = |value: Option<u64>| value.map_or(String::new(), |value| value.to_string());
        let cores = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.4}"));
        [
            format!("{:.3}", started_at + point.at_s),
            format!("{:.3}", point.at_s),
            self.name.clone(),
            format!("{:.6}", point.cpu_s),
            cores(point.cores),
            point.throttled_periods.to_string(),
            format!("{:.6}", point.throttled_s),
            point.raw_bytes.to_string(),
            point.inactive_file_bytes.to_string(),
            point.working_bytes.to_string(),
            or_nothing(self.peak_bytes),
            cores(self.limits.cpus),
            or_nothing(self.limits.memory_bytes),
        ]
        .join(",")
    }
}

/// Absent where one of them is.
pub(super) fn sum_of_limits(all: &[Limits]) -> Limits {
    let some = |limits: Limits| if all.is_empty() { Limits::default() } else { limits };
    some(Limits {
        cpus: all.iter().map(|limits| limits.cpus).sum(),
        memory_bytes: all.iter().map(|limits| limits.memory_bytes).sum(),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;

    pub(in super::super) fn sample(cpu_s: f64, memory_mib: u64, inactive_mib: u64) -> Sample {
        Sample {
            cpu_ns: Duration::from_secs_f64(cpu_s).as_nanos().try_into().unwrap(),
            throttled_ns: None,
            memory_bytes: memory_mib << 20,
            inactive_file_bytes: inactive_mib << 20,
            peak_bytes: None,
            oom_kills: None,
        }
    }

    /// The last CPU time, with the number of restarts.
    fn seen(watched: &Watched) -> (f64, u64) {
        (watched.points.last().unwrap().cpu_s, watched.restarts)
    }

    #[test]
    fn it_counts_from_the_monitors_start() {
        let mut watched = Watched::new("a".into(), None, Limits::default());
        assert_eq!(watched.add(0, 0.0, &sample(100.0, 1, 0), 7).cores, None);
        let point = watched.add(1, 1.0, &sample(100.25, 1, 0), 9);
        assert_eq!((point.cpu_s, point.cores, point.throttled_periods), (0.25, Some(0.25), 2));
        assert_eq!(watched.add(2, 1.01, &sample(100.5, 1, 0), 9).cores, None, "too short a time");
    }

    #[test]
    fn a_restart_loses_nothing_whether_it_was_noticed_or_not() {
        let mut watched = Watched::new("a".into(), None, Limits::default());
        for (tick, (cpu_s, periods)) in [(10.0, 5), (13.0, 6), (0.5, 1), (1.0, 1)].into_iter().enumerate() {
            watched.add(tick, tick as f64, &sample(cpu_s, 1, 0), periods);
        }
        assert_eq!(seen(&watched), (4.0, 1));
        assert_eq!(watched.points.last().unwrap().throttled_periods, 2);
        // The new one has used more already than the old one: only the notice tells.
        watched.restarted(None, Limits::default());
        watched.add(4, 4.0, &sample(14.0, 1, 0), 0);
        assert_eq!(seen(&watched), (18.0, 2));
    }
}
