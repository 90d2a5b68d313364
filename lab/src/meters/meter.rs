//! Samples all services of a contestant once a second, on absolute times, from before the load until after
//! it.
//!
//! CPU and throttled time are differences of the kernel's counters between the first sample and the last.
//! Memory and connections are gauges: what comes and goes within a second is missed, but for the raw peak,
//! which is the kernel's own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, anyhow};

use super::cgroup::is_gone;
use super::switches::Switches;
use super::{Cgroup, Database, Resources, Role, Sample, Target, Usage, connections};

const INTERVAL: Duration = Duration::from_secs(1);

/// Too short a time says nothing about CPU: its counters move in steps of up to 10 ms.
const SHORTEST_POINT: Duration = Duration::from_millis(500);

/// All services together at one second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeriesPoint {
    /// Since the meter's start.
    pub second: f64,
    /// Cores used since the point before.
    pub cpus: f64,
    /// Sum of `usage − inactive_file`.
    pub memory_bytes: u64,
}

/// The services that serve the API at one second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ApiPoint {
    /// Since the meter's start.
    pub second: f64,
    /// Sum of `usage − inactive_file`.
    pub memory_bytes: u64,
    /// Open in all of their processes; absent where these cannot be looked at.
    pub descriptors: Option<u64>,
    /// Of the API's role with its database; absent where there is none, or none can be seen.
    pub connections: Option<u32>,
}

/// What was seen from the start to the stop.
#[derive(Clone, Debug, Default)]
pub struct MeterReport {
    /// For the record. The total's raw peak is the sum of the services' peaks, which need not have been at
    /// the same time.
    pub resources: Resources,
    /// One a second.
    pub series: Vec<SeriesPoint>,
    /// The same of the services that serve the API.
    pub apis: Vec<ApiPoint>,
    /// When the meter started, in seconds since 1970.
    pub started_at: f64,
    /// The most seen in one sample; absent if no database was named, or none of its processes could be read.
    pub database_connections_peak: Option<u32>,
    /// What a reader should know: a raw peak that counts from before the start, a service that ended.
    pub notes: Vec<String>,
    /// What the measuring itself took.
    pub own_cpu_seconds: f64,
}

/// Runs in a thread of its own. Dropped without [`Meter::stop`], it ends and its figures are lost.
#[derive(Debug)]
pub struct Meter {
    stop: SyncSender<()>,
    thread: JoinHandle<MeterReport>,
    latest: Arc<Mutex<Option<SeriesPoint>>>,
}

impl Meter {
    /// Takes the first sample before it returns, so that a load which begins after it is measured whole.
    ///
    /// # Errors
    /// A target is not measurable; the error names it.
    pub fn start(targets: Vec<Target>, database: Option<Database>) -> Result<Self> {
        Self::start_every(INTERVAL, targets, database)
    }

    /// With samples `interval` apart, which is half a second at least: shorter ones give no points.
    ///
    /// # Errors
    /// As for [`Meter::start`].
    pub fn start_every(interval: Duration, targets: Vec<Target>, database: Option<Database>) -> Result<Self> {
        let mut watch = Watch::begin(targets, database)?;
        let (stop, stopped) = sync_channel(1);
        let latest = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&latest);
        let run = move || {
            let mut due = watch.started + interval;
            while stopped.recv_timeout(due.saturating_duration_since(Instant::now()))
                == Err(RecvTimeoutError::Timeout)
            {
                watch.sample();
                *lock(&shared) = watch.series.last().copied();
                // After a pause of the machine, missed seconds are not made up for.
                while due <= Instant::now() {
                    due += interval;
                }
            }
            watch.end()
        };
        let thread = std::thread::Builder::new()
            .name("meter".into())
            .spawn(run)
            .context("the meter's thread cannot be started")?;
        Ok(Self { stop, thread, latest })
    }

    /// The newest point, for a live view; absent in the first second.
    #[must_use]
    pub fn latest(&self) -> Option<SeriesPoint> {
        *lock(&self.latest)
    }

    /// The same for somebody else, who gets nothing any more after the meter's end.
    pub fn reader(&self) -> impl Fn() -> Option<SeriesPoint> + Send + 'static {
        let latest = Arc::downgrade(&self.latest);
        move || *lock(&*latest.upgrade()?)
    }

    /// Takes the last sample.
    ///
    /// # Errors
    /// The thread has panicked.
    pub fn stop(self) -> Result<MeterReport> {
        // An error means that it has ended already, and the join says how.
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| anyhow!("the meter's thread has panicked"))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All targets and what was seen of them.
struct Watch {
    started: Instant,
    started_at: SystemTime,
    services: Vec<Watched>,
    database: Option<Database>,
    series: Vec<SeriesPoint>,
    apis: Vec<ApiPoint>,
    last: (Instant, u64),
    memory_peak: u64,
    connections: Option<u32>,
    connections_peak: Option<u32>,
    notes: Vec<String>,
}

/// A target and what was seen of it.
struct Watched {
    target: Target,
    cgroup: Cgroup,
    cpu: Counter,
    throttled: Option<Counter>,
    oom_kills: Option<Counter>,
    memory_bytes: u64,
    memory_peak: u64,
    raw_peak: Option<u64>,
    switches: Switches,
    pids: Vec<i32>,
    gone: bool,
}

/// A counter of the kernel's, which begins at 0 again with a container that is started again.
#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    last: u64,
    total: u64,
}

impl Counter {
    fn from(value: u64) -> Self {
        Self { last: value, total: 0 }
    }

    /// False if it has begun again.
    fn add(&mut self, value: u64) -> bool {
        let more = value.checked_sub(self.last);
        self.total += more.unwrap_or(value);
        self.last = value;
        more.is_some()
    }
}

impl Watch {
    fn begin(targets: Vec<Target>, database: Option<Database>) -> Result<Self> {
        let mut notes = Vec::new();
        let services = targets
            .into_iter()
            .map(|target| Watched::begin(target, &mut notes))
            .collect::<Result<Vec<_>>>()?;
        let now = Instant::now();
        let mut watch = Self {
            started: now,
            started_at: SystemTime::now(),
            services,
            database,
            series: Vec::new(),
            apis: Vec::new(),
            last: (now, 0),
            memory_peak: 0,
            connections: None,
            connections_peak: None,
            notes,
        };
        watch.gauges();
        Ok(watch)
    }

    fn sample(&mut self) {
        let now = Instant::now();
        for service in &mut self.services {
            service.sample(now.duration_since(self.started), &mut self.notes);
        }
        let memory_bytes = self.gauges();
        let cpu_ns = self.services.iter().map(|service| service.cpu.total).sum::<u64>();
        let (before, cpu_before) = self.last;
        let passed = now.duration_since(before);
        if passed >= SHORTEST_POINT {
            let cpus = Duration::from_nanos(cpu_ns - cpu_before).as_secs_f64() / passed.as_secs_f64();
            let second = now.duration_since(self.started).as_secs_f64();
            self.series.push(SeriesPoint { second, cpus, memory_bytes });
            self.apis.push(self.api(second));
            self.last = (now, cpu_ns);
        }
    }

    fn api(&self, second: f64) -> ApiPoint {
        let apis = || self.services.iter().filter(|service| service.target.role == Some(Role::Api));
        let descriptors = apis().flat_map(|service| {
            let folder = service.cgroup.proc_folder();
            service.pids.iter().filter_map(move |pid| descriptors(&folder.join(pid.to_string())))
        });
        ApiPoint {
            second,
            memory_bytes: apis().map(|service| service.memory_bytes).sum(),
            descriptors: descriptors.reduce(|all, more| all + more),
            connections: self.connections,
        }
    }

    /// Sums the memory of the newest samples, and counts connections.
    fn gauges(&mut self) -> u64 {
        let memory_bytes = self.services.iter().map(|service| service.memory_bytes).sum();
        self.memory_peak = self.memory_peak.max(memory_bytes);
        self.connections = None;
        if let Some(database) = &self.database {
            let of_database =
                self.services.iter().filter(|service| service.target.service == database.service);
            for service in of_database {
                let proc_folder = service.cgroup.proc_folder();
                let count = connections::count(proc_folder, &service.pids, &database.user);
                self.connections = self.connections.max(count);
                self.connections_peak = self.connections_peak.max(count);
            }
        }
        memory_bytes
    }

    fn end(mut self) -> MeterReport {
        self.sample();
        for service in &self.services {
            self.notes.extend(service.killed());
        }
        let services = by_name(self.services.iter().map(|it| (it.target.service.as_str(), it.usage())));
        let mut total = services.values().fold(Usage::default(), sum);
        total.memory_bytes = self.memory_peak;
        MeterReport {
            resources: Resources { services, total },
            series: self.series,
            apis: self.apis,
            started_at: self
                .started_at
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs_f64(),
            database_connections_peak: self.connections_peak,
            notes: self.notes,
            own_cpu_seconds: own_cpu_seconds(),
        }
    }
}

impl Watched {
    fn begin(target: Target, notes: &mut Vec<String>) -> Result<Self> {
        let mut cgroup = Cgroup::open(&target)?;
        if target.is_live() && target.container_id.is_some() && !cgroup.reset_peak() {
            let service = &target.service;
            notes
                .push(format!("{service}: the raw peak of its memory counts from its start, not the load's"));
        }
        let sample = cgroup.sample().with_context(|| target.service.clone())?;
        let mut watched = Self {
            target,
            cgroup,
            cpu: Counter::from(sample.cpu_ns),
            throttled: sample.throttled_ns.map(Counter::from),
            oom_kills: sample.oom_kills.map(Counter::from),
            memory_bytes: 0,
            memory_peak: 0,
            raw_peak: None,
            switches: Switches::default(),
            pids: Vec::new(),
            gone: false,
        };
        watched.take(&sample);
        Ok(watched)
    }

    fn sample(&mut self, at: Duration, notes: &mut Vec<String>) {
        match self.cgroup.sample() {
            Ok(sample) => {
                let goes_on = self.take(&sample);
                if !goes_on || std::mem::take(&mut self.gone) {
                    let seconds = at.as_secs_f64();
                    notes
                        .push(format!("{}: after {seconds:.1} s: it has started again", self.target.service));
                }
            }
            Err(error) => self.lose(at, &error, notes),
        }
    }

    /// False if it has started again since the last sample.
    fn take(&mut self, sample: &Sample) -> bool {
        let goes_on = self.cpu.add(sample.cpu_ns);
        let others = [(&mut self.throttled, sample.throttled_ns), (&mut self.oom_kills, sample.oom_kills)];
        for (counter, value) in others {
            if let (Some(counter), Some(value)) = (counter, value) {
                counter.add(value);
            }
        }
        self.memory_bytes = sample.working_bytes();
        self.memory_peak = self.memory_peak.max(self.memory_bytes);
        self.raw_peak = self.raw_peak.max(sample.peak_bytes);
        // Gone since the sample: the next one tells.
        self.pids = self.cgroup.pids().unwrap_or_default();
        self.switches.look(self.cgroup.proc_folder(), &self.pids);
        goes_on
    }

    fn lose(&mut self, at: Duration, error: &anyhow::Error, notes: &mut Vec<String>) {
        if !self.gone {
            notes.push(format!("{}: after {:.1} s: {error:#}", self.target.service, at.as_secs_f64()));
        }
        self.gone = true;
        self.memory_bytes = 0;
        self.pids.clear();
        if is_gone(error) {
            // Whatever comes back under its name counts from 0.
            self.cpu.last = 0;
            for counter in [&mut self.throttled, &mut self.oom_kills].into_iter().flatten() {
                counter.last = 0;
            }
        }
    }

    /// Says that a limit was too tight, which nothing else does: whatever was killed is often started again
    /// at once.
    fn killed(&self) -> Option<String> {
        let killed = self.oom_kills.map(|counter| counter.total).filter(|killed| *killed > 0)?;
        let processes = if killed == 1 { "process was" } else { "processes were" };
        Some(format!("{}: {killed} {processes} killed for want of memory", self.target.service))
    }

    fn usage(&self) -> Usage {
        let seconds = |counter: &Counter| Duration::from_nanos(counter.total).as_secs_f64();
        let switches = self.switches.total();
        Usage {
            role: self.target.role,
            cpu_seconds: seconds(&self.cpu),
            throttled_seconds: self.throttled.as_ref().map(seconds),
            memory_bytes: self.memory_peak,
            memory_raw_peak_bytes: self.raw_peak,
            voluntary_switches: switches.map(|(voluntary, _)| voluntary),
            involuntary_switches: switches.map(|(_, involuntary)| involuntary),
            oom_kills: self.oom_kills.map(|counter| counter.total),
        }
    }
}

/// Open in a process, by its folder in `/proc`; absent where it has ended, or may not be looked at.
fn descriptors(process: &Path) -> Option<u64> {
    Some(std::fs::read_dir(process.join("fd")).ok()?.count() as u64)
}

/// A service may run in several containers, and those that nobody declared share a name: what they used is
/// added up, their largest memory too, which need not have been at the same time.
fn by_name<'n>(used: impl Iterator<Item = (&'n str, Usage)>) -> BTreeMap<String, Usage> {
    let mut services: BTreeMap<String, Usage> = BTreeMap::new();
    for (name, one) in used {
        let role = one.role;
        let all = services.entry(name.to_owned()).or_default();
        *all = Usage { role, ..sum(std::mem::take(all), &one) };
    }
    services
}

/// A figure that one of them lacks is the sum of the others'.
#[allow(clippy::needless_pass_by_value)] // as `fold` has it
fn sum(total: Usage, one: &Usage) -> Usage {
    let add = |a: Option<u64>, b: Option<u64>| a.map_or(b, |a| Some(a + b.unwrap_or(0)));
    let throttled = match (total.throttled_seconds, one.throttled_seconds) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    };
    Usage {
        role: None,
        cpu_seconds: total.cpu_seconds + one.cpu_seconds,
        throttled_seconds: throttled,
        memory_bytes: total.memory_bytes + one.memory_bytes,
        memory_raw_peak_bytes: add(total.memory_raw_peak_bytes, one.memory_raw_peak_bytes),
        voluntary_switches: add(total.voluntary_switches, one.voluntary_switches),
        involuntary_switches: add(total.involuntary_switches, one.involuntary_switches),
        oom_kills: add(total.oom_kills, one.oom_kills),
    }
}

fn own_cpu_seconds() -> f64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(used).map_or(0.0, |used| used.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_begins_again_adds_up() {
        let mut counter = Counter::from(1000);
        assert!(counter.add(1500));
        assert!(!counter.add(20));
        assert!(counter.add(25));
        assert_eq!(counter.total, 525);
    }
}
