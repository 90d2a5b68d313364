//! CPU and memory of each container of the stack, once a second, straight from its cgroup. A container may
//! start later, or again: what it used adds up.

mod seen;
mod told;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::containers::{Container, Engine, STACK};
use super::tables::{cores, mib, row};
use crate::drivers::now;
use crate::meters::{Cgroup, Limits, layout};
use crate::runner;
use crate::view::{self, Output};
use seen::Watched;

const INTERVAL: Duration = Duration::from_secs(1);
/// Between two looks at the flag that asks for the end.
const STOP_CHECK: Duration = Duration::from_millis(50);
/// Asking the engine for a lost container costs it 0.1 CPU s.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
const MAX_SECONDS: u64 = 4 * 3600;
const BUDGET: Limits = Limits { cpus: Some(1.5), memory_bytes: Some(3 << 30) };
/// A quota is a whole number of µs in a period, so a hair above what is set is still within.
const TOLERATED: f64 = 1.01;

/// Options of `stress monitor`.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct Options {
    /// Watch until SIGTERM, SIGINT or --seconds, and write monitor.csv, summary.json, summary.txt and
    /// monitor.svg here
    #[arg(long, value_name = "DIR", conflicts_with = "check_limits")]
    out: Option<PathBuf>,
    /// Say which limits the kernel enforces; exit code 1 if one is missing, or all are above the contest's
    /// budget
    #[arg(long)]
    check_limits: bool,
    /// Of which containers
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', default_values = STACK)]
    containers: Vec<String>,
    /// Stop after this time
    #[arg(long, default_value_t = MAX_SECONDS, value_parser = clap::value_parser!(u64).range(1..=MAX_SECONDS))]
    seconds: u64,
}

pub(super) fn main(options: &Options) -> Result<u8> {
    // Set before the engine is asked: a stop that comes at once must still end in a summary.
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, Arc::clone(&stop))?;
    }
    let names = &options.containers;
    let engine = Engine::find(names)?.with_context(|| format!("none of {} is running", names.join(", ")))?;
    let Some(out) = &options.out else {
        let (report, holds) = limits(&engine, names)?;
        write!(Output, "{report}")?;
        return Ok(u8::from(!holds));
    };
    let mut monitor = Monitor::new(engine, names.clone(), out)?;
    monitor.run(&stop, Duration::from_secs(options.seconds))?;
    write!(Output, "{}", monitor.tell()?)?;
    Ok(0)
}

/// What watches.
pub(super) struct Monitor {
    engine: Engine,
    names: Vec<String>,
    out: PathBuf,
    csv: File,
    watched: Vec<Watched>,
    looked: Option<Instant>,
    begun: String,
    started_at: f64,
    started: Instant,
    /// Seconds since the start, of each look.
    ticks: Vec<f64>,
}

impl Monitor {
    pub(super) fn new(engine: Engine, names: Vec<String>, out: &Path) -> Result<Self> {
        fs::create_dir_all(out).with_context(|| out.display().to_string())?;
        let mut csv = File::create(out.join("monitor.csv")).with_context(|| out.display().to_string())?;
        writeln!(csv, "{}", seen::COLUMNS.join(","))?;
        let (begun, started_at, started) = (runner::now(), now(), Instant::now());
        let (watched, ticks) = (Vec::new(), Vec::new());
        Ok(Self {
            engine,
            names,
            out: out.to_path_buf(),
            csv,
            watched,
            looked: None,
            begun,
            started_at,
            started,
            ticks,
        })
    }

    /// Looks once a second, and a last time at the end, so that the sums reach to it.
    pub(super) fn run(&mut self, stop: &AtomicBool, at_most: Duration) -> Result<()> {
        let mut due = self.started;
        while !stop.load(Ordering::Relaxed) && self.started.elapsed() < at_most {
            if Instant::now() >= due {
                self.look()?;
                // A late look does not delay those after it.
                while due <= Instant::now() {
                    due += INTERVAL;
                }
            }
            thread::sleep(STOP_CHECK.min(due.saturating_duration_since(Instant::now())));
        }
        self.look()
    }

    fn look(&mut self) -> Result<()> {
        self.look_for_lost();
        let at = self.started.elapsed().as_secs_f64();
        let tick = self.ticks.len();
        self.ticks.push(at);
        for watched in &mut self.watched {
            if let Some(line) = watched.take(tick, at, self.started_at) {
                writeln!(self.csv, "{line}")?;
            }
        }
        Ok(())
    }

    /// Asks the engine for containers that are not up yet, or were restarted meanwhile.
    fn look_for_lost(&mut self) {
        let here = |name: &&String| self.watched.iter().any(|it| it.name == **name && !it.lost());
        let lost: Vec<String> = self.names.iter().filter(|name| !here(name)).cloned().collect();
        if lost.is_empty() || self.looked.is_some_and(|looked| looked.elapsed() < LOOK_AGAIN) {
            return;
        }
        self.looked = Some(Instant::now());
        let found = self.engine.running(&lost).unwrap_or_else(|error| {
            view::say(&format!("monitor: {error:#}"));
            Vec::new()
        });
        for container in found {
            let name = container.target.service.clone();
            match readable(&container) {
                Ok((cgroup, limits)) => match self.watched.iter_mut().find(|it| it.name == name) {
                    Some(watched) => watched.restarted(cgroup, limits),
                    None => self.watched.push(Watched::new(name, cgroup, limits)),
                },
                Err(error) => view::say(&format!("monitor: {name} cannot be measured: {error:#}")),
            }
        }
        let place = |name: &str| self.names.iter().position(|it| it == name);
        self.watched.sort_by_key(|it| place(&it.name));
    }

    /// Writes the summary and the picture, and returns the table.
    pub(super) fn tell(&self) -> Result<String> {
        let version = if layout(Path::new("/"))? == "v1" { 1 } else { 2 };
        let engine = Path::new(&self.engine.0).file_name().unwrap_or_default().to_string_lossy();
        let about = told::About { begun: &self.begun, engine: &engine, version, names: &self.names };
        told::write(&about, &self.ticks, &self.watched, &self.out)
    }
}

/// Without delegated controllers there is nothing to read.
fn readable(container: &Container) -> Result<(Cgroup, Limits)> {
    let mut cgroup = Cgroup::open(&container.target)?;
    cgroup.sample()?;
    let limits = cgroup.limits()?;
    Ok((cgroup, limits))
}

/// What the kernel enforces, as a table, and whether it is what was set, and within the contest's budget.
pub(super) fn limits(engine: &Engine, names: &[String]) -> Result<(String, bool)> {
    let heads = ["CPU limit", "configured", "memory MiB", "configured"].map(str::to_owned);
    let mut text = row("container", &heads, 12);
    let (mut faults, mut all) = (Vec::new(), Vec::new());
    let found = engine.running(names)?;
    for container in &found {
        let (name, configured) = (&container.target.service, container.configured);
        let holds = Cgroup::open(&container.target).and_then(|cgroup| cgroup.limits());
        let holds = holds.unwrap_or_else(|error| {
            faults.push(format!("{error:#}"));
            Limits::default()
        });
        let cells = [
            cores(holds.cpus),
            cores(configured.cpus),
            mib(holds.memory_bytes),
            mib(configured.memory_bytes),
        ];
        text += &row(name, &cells, 12);
        faults.extend(wider(name, &configured, &holds));
        all.push(holds);
    }
    let is_there = |name: &&String| found.iter().any(|it| it.target.service == **name);
    faults.extend(names.iter().filter(|name| !is_there(name)).map(|name| format!("{name}: is not running")));
    faults.extend(above_budget(&all));
    text.extend(faults.iter().map(|fault| format!("  ! {fault}\n")));
    Ok((text, faults.is_empty()))
}

/// A tighter one from above is the container's own affair.
fn wider(name: &str, configured: &Limits, holds: &Limits) -> Vec<String> {
    let bytes = |limits: &Limits| limits.memory_bytes.map(|bytes| bytes as f64);
    let both = [("CPU", holds.cpus, configured.cpus), ("memory", bytes(holds), bytes(configured))];
    let fault = |(what, holds, configured): (&str, Option<f64>, Option<f64>)| match (holds, configured) {
        (None, _) => Some(format!("{name}: no {what} limit holds")),
        (Some(holds), Some(set)) if holds > set * TOLERATED => {
            Some(format!("{name}: the {what} limit that holds is not the one that is configured"))
        }
        _ => None,
    };
    both.into_iter().filter_map(fault).collect()
}

fn above_budget(all: &[Limits]) -> Vec<String> {
    let sum = seen::sum_of_limits(all);
    let mut faults = Vec::new();
    if let (Some(sum), Some(most)) = (sum.cpus, BUDGET.cpus)
        && sum > most * 1.001
    {
        faults.push(format!("the CPU limits sum to {sum:.3}, the contest allows {most}"));
    }
    if sum.memory_bytes > BUDGET.memory_bytes {
        let (sum, most) = (mib(sum.memory_bytes), mib(BUDGET.memory_bytes));
        faults.push(format!("the memory limits sum to {sum} MiB, the contest allows {most}"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn limits(cpus: impl Into<Option<f64>>, mib: impl Into<Option<u64>>) -> Limits {
        Limits { cpus: cpus.into(), memory_bytes: mib.into().map(|mib| mib * MIB) }
    }

    #[test]
    fn a_limit_must_hold_and_be_no_wider_than_configured() {
        let faults = |configured, holds| wider("a", &configured, &holds).len();
        assert_eq!(faults(limits(0.5, 100), limits(0.5, 100)), 0);
        assert_eq!(faults(limits(0.5, 100), limits(0.3, 50)), 0);
        assert_eq!(faults(limits(0.5, 100), limits(None, None)), 2);
        assert_eq!(faults(limits(0.5, 100), limits(0.7, 200)), 2);
        assert_eq!(faults(limits(None, None), limits(None, None)), 2);
    }

    #[test]
    fn the_sum_is_held_against_the_contests_budget() {
        assert_eq!(above_budget(&[limits(0.5, 1024), limits(1.0, 2048)]), [""; 0]);
        assert_eq!(above_budget(&[limits(0.6, 1025), limits(1.0, 2048)]).len(), 2);
        assert_eq!(above_budget(&[limits(None, None), limits(9.0, 9999)]), [""; 0], "told already");
    }
}
