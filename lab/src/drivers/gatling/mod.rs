//! Gatling 3.9.5, with the simulation that `stress-test/run-test.sh` runs: what the contest itself was judged
//! with.
//!
//! Its times count from the actual start of a request, connect included, in whole milliseconds. Gatling
//! writes its log in blocks of 8 KiB, so progress lags some seconds behind where few users arrive. CPU is
//! counted from the first user's start to the last answer: neither the compilation at the first run nor the
//! JVM's start is in it.

mod log;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::machine;
use crate::record::Generator;

use super::figures::{arrival_bottlenecks, trim};
use super::process::{Attended, attend, cores, last_output, now};
use super::{Arrivals, Driver, Job, Outcome, Snapshot, raise_open_files};

pub use log::{SimulationLog, Tail};

/// As `stress-test/gatling/bin/gatling.sh` has it; the official bundle's script must have it too, or runs
/// could not be compared.
const JAVA_OPTIONS: &str = "-Xmx1G";

/// Gatling's exit code where it ran to the end and requests failed.
const ASSERTIONS_FAILED: i32 = 2;

/// To compile, to start, and to read the log again: besides the load's length and the last users' chains.
const SPARE: Duration = Duration::from_secs(240);

/// The length of a load, as the simulation allows it.
const SECONDS: std::ops::RangeInclusive<u32> = 5..=3600;

/// The scale, as the simulation allows it.
const SCALES: std::ops::RangeInclusive<f64> = 0.01..=100.0;

/// An installation of Gatling.
#[derive(Clone, Debug)]
pub struct Gatling {
    home: PathBuf,
}

impl Gatling {
    /// In `home` if given, otherwise in the first of [`machine::gatling_places`] that has it.
    ///
    /// # Errors
    /// There is none.
    pub fn find(home: Option<&Path>) -> Result<Self> {
        let places = home.map_or_else(machine::gatling_places, |home| vec![home.to_path_buf()]);
        let is_there = |home: &&PathBuf| home.join("bin/gatling.sh").is_file();
        let home =
            places.iter().find(is_there).or(places.last()).context("neither GATLING_HOME nor HOME is set")?;
        ensure!(
            home.join("bin/gatling.sh").is_file(),
            "no bin/gatling.sh in {}; make it with: stress-test/install-gatling.sh ~/bin/ (or set GATLING_HOME)",
            home.display()
        );
        let home = fs::canonicalize(home).with_context(|| home.display().to_string())?;
        Ok(Self { home })
    }

    fn command(&self, job: &Job<'_>, simulation: &str, results: &Path) -> Command {
        let sources = job.top.join("stress-test/user-files");
        let length = job.seconds.map_or(String::new(), |seconds| format!(", {seconds} s"));
        let description = format!("{}, seed {}, scale {}{length}", job.contest.name, job.seed, job.scale);
        let mut command = Command::new(self.home.join("bin/gatling.sh"));
        command.args(["-rm", "local", "-bm", "-nr", "-s", simulation, "-rd", &description]);
        command.arg("-rf").arg(results);
        command.arg("-sf").arg(sources.join("simulations"));
        command.arg("-rsf").arg(sources.join("resources"));
        command
            .env("POUCO_BASE_URL", job.contest.url.trim_end_matches('/'))
            .env("POUCO_PAYLOAD_FILE", job.payloads)
            .env("POUCO_TERMS_FILE", job.terms)
            .env("POUCO_TEST_SCALE", job.scale.to_string());
        match job.seconds {
            Some(seconds) => command.env("POUCO_TEST_SECONDS", seconds.to_string()),
            None => command.env_remove("POUCO_TEST_SECONDS"),
        };
        if std::env::var_os("JAVA_OPTS").is_none_or(|options| options.is_empty()) {
            command.env("JAVA_OPTS", JAVA_OPTIONS);
        }
        command
    }
}

impl Driver for Gatling {
    fn name(&self) -> &'static str {
        "gatling"
    }

    fn version(&self) -> Result<String> {
        let folder = self.home.join("lib");
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let version =
            |name: String| name.strip_prefix("gatling-app-")?.strip_suffix(".jar").map(str::to_owned);
        names
            .filter_map(version)
            .next()
            .with_context(|| format!("{}: no gatling-app-VERSION.jar", folder.display()))
    }

    fn run(&self, job: &Job<'_>, stop: &AtomicBool, progress: &mut dyn FnMut(&Snapshot)) -> Result<Outcome> {
        let arrivals = checked_arrivals(job)?;
        let simulation = job.contest.gatling.as_deref().with_context(|| {
            format!("contest {} names no simulation of Gatling (`gatling = …` in its file)", job.contest.name)
        })?;
        let results = job.folder.join("gatling");
        let output = job.folder.join("gatling.out");
        require_empty(&results)?;
        let warning = raise_open_files();

        let mut log = SimulationLog::new(job.contest, &arrivals);
        let mut tail = None;
        let mut tick = || {
            follow(&results, &mut tail, &mut log)?;
            if let Some(snapshot) = log.snapshot(&arrivals, now()) {
                progress(&snapshot);
            }
            Ok(())
        };
        let at_most =
            Duration::from_secs_f64(arrivals.seconds() + job.contest.longest_chain_seconds()) + SPARE;
        let mut command = self.command(job, simulation, &results);
        let attended = attend(&mut command, &output, at_most, stop, &mut tick).context("gatling")?;
        follow(&results, &mut tail, &mut log)?;
        check_end(&attended, tail.is_some(), &log, &output)?;
        outcome(log, &arrivals, &attended, warning, &results)
    }
}

fn checked_arrivals(job: &Job<'_>) -> Result<Arrivals> {
    ensure!(
        SCALES.contains(&job.scale),
        "scale {}: Gatling takes {} to {}",
        job.scale,
        SCALES.start(),
        SCALES.end()
    );
    if let Some(seconds) = job.seconds {
        ensure!(
            SECONDS.contains(&seconds),
            "{seconds} seconds: Gatling takes {} to {}",
            SECONDS.start(),
            SECONDS.end()
        );
    }
    Arrivals::new(job.contest, job.scale, job.seconds)
}

/// The log of an earlier load would be taken for this one's.
fn require_empty(results: &Path) -> Result<()> {
    fs::create_dir_all(results).with_context(|| results.display().to_string())?;
    let mut entries = fs::read_dir(results).with_context(|| results.display().to_string())?;
    ensure!(entries.next().is_none(), "{} is not empty: it holds an earlier load", results.display());
    Ok(())
}

/// Reads on, or begins to once the log is there: in a folder whose name Gatling makes up.
fn follow(results: &Path, tail: &mut Option<Tail>, log: &mut SimulationLog) -> Result<()> {
    if tail.is_none() {
        let entries = fs::read_dir(results).with_context(|| results.display().to_string())?;
        let path =
            entries.flatten().map(|entry| entry.path().join("simulation.log")).find(|path| path.is_file());
        *tail = path.map(|path| Tail::open(&path)).transpose()?;
    }
    tail.as_mut().map_or(Ok(()), |tail| tail.read(log))
}

fn check_end(attended: &Attended, has_log: bool, log: &SimulationLog, output: &Path) -> Result<()> {
    if attended.interrupted && has_log {
        return Ok(());
    }
    ensure!(!attended.interrupted, "gatling was stopped before the first user");
    let ran = matches!(attended.status.code(), Some(0 | ASSERTIONS_FAILED));
    if !ran || !has_log {
        bail!("gatling: {}; it ended with: {}", attended.status, last_output(output));
    }
    ensure!(
        log.complete(),
        "gatling: its log is not whole though it ended well; it ended with: {}",
        last_output(output)
    );
    Ok(())
}

fn outcome(
    log: SimulationLog,
    arrivals: &Arrivals,
    attended: &Attended,
    warning: Option<String>,
    results: &Path,
) -> Result<Outcome> {
    let span = log.span();
    let (from, to) = span.unwrap_or_default();
    let creations = log.creations();
    let (figures, mut series) =
        log.figures(arrivals).with_context(|| format!("{}: simulation.log", results.display()))?;
    trim(&mut series, attended.interrupted);
    let mut bottleneck: Vec<String> = warning.into_iter().collect();
    // Of a load that was cut short, users are missing by intent.
    if !attended.interrupted {
        bottleneck.extend(arrival_bottlenecks(&figures, &series, arrivals));
    }
    bottleneck.extend(attended.usage.bottleneck(cores(), from, to));
    let generator = Generator {
        cpu_seconds: attended.usage.cpu_seconds(from, to),
        memory_bytes: attended.usage.memory_bytes(),
        bottleneck,
    };
    let begun_at = span.map(|(from, _)| from);
    let interrupted = attended.interrupted;
    Ok(Outcome { figures, series, begun_at, creations, generator, interrupted, ..Outcome::default() })
}
