//! `run-test.sh`: the load, with the monitor during it, and what is left of both.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use rustix::fs::{FlockOperation, flock};
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::containers::{Engine, STACK};
use super::monitor::{Monitor, limits};
use super::{Place, counts, percentiles, sha256, write_file, write_json};
use crate::drivers::{self, Attended, attend_other, raise_open_files};
use crate::runner;
use crate::view::{self, Output};

pub(super) const SEED: u32 = 2023;
const FULL_SECONDS: u32 = 205;
/// Gatling's start and compilation, and the last users' timeouts.
const SPARE: Duration = Duration::from_secs(1800);
/// Java takes the encoding of file names from it.
const JAVA_LOCALE: &str = "C.UTF-8";

/// Options of `stress run`.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// What install-gatling.sh made, or the official bundle 3.9.5
    #[arg(value_name = "GATLING_HOME")]
    gatling: PathBuf,
    /// Which payloads; made if they are missing
    #[arg(long, value_name = "N", default_value_t = SEED)]
    seed: u32,
    /// A short or long form with the same phases and rates: 5 to 3600; POUCO_TEST_SECONDS or 205 by default
    #[arg(long, value_name = "S", value_parser = seconds)]
    seconds: Option<u32>,
    /// Do not sample the containers
    #[arg(long)]
    no_monitor: bool,
}

fn seconds(text: &str) -> Result<u32, String> {
    let seconds = text.parse().ok().filter(|seconds| (5..=3600).contains(seconds));
    seconds.ok_or_else(|| "a whole number from 5 to 3600 is allowed".to_owned())
}

#[derive(Serialize)]
struct About {
    command: String,
    commit: String,
    started_at: String,
    ended_at: String,
    base_url: String,
    seed: u32,
    test_seconds: u32,
    payload_file: String,
    payload_sha256: String,
    terms_file: String,
    gatling_exit_code: i32,
    generator_cpu_s: f64,
    /// Absent where no container of the stack runs here.
    limits_hold: Option<bool>,
}

/// A run that is under way.
struct Job<'a> {
    place: &'a Place,
    home: PathBuf,
    seed: u32,
    seconds: u32,
    payloads: PathBuf,
    terms: PathBuf,
    stop: Arc<AtomicBool>,
}

/// The exit code is Gatling's, or that of the signal which ended it.
pub(super) fn run(place: &Place, options: &Run) -> Result<u8> {
    let job = prepare(place, options)?;
    let count = place.count_when_up()?;
    ensure!(
        count == "0",
        "{}/contagem-pessoas is '{count}' and not 0: the counts at the end could not be judged. Empty the \
         database with reset.sh",
        place.base_url
    );
    let engine = Engine::of_stack()?;
    let limits_hold = engine.as_ref().map(check_limits).transpose()?;
    if engine.is_none() {
        say("no container of the stack is running here: CPU and memory are neither limited nor monitored")?;
    }
    let results = place.results();
    fs::create_dir_all(&results).with_context(|| results.display().to_string())?;
    // The newest folder is then this run's, and no other load spoils it.
    let lock = File::create(results.join(".lock")).with_context(|| results.display().to_string())?;
    ensure!(
        flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok(),
        "another run of this test is under way"
    );
    let staging = tempfile::Builder::new().prefix(".running.").tempdir_in(&results)?;
    let signal = Arc::new(AtomicUsize::new(0));
    for (number, code) in [(SIGINT, 130), (SIGTERM, 143)] {
        flag::register_usize(number, Arc::clone(&signal), code)?;
        flag::register(number, Arc::clone(&job.stop))?;
    }

    let before = runs(&results)?;
    let started_at = runner::now();
    let monitored = engine.filter(|_| !options.no_monitor);
    let names = STACK.map(str::to_owned).to_vec();
    let monitor = monitored.map(|it| Monitor::new(it, names, &staging.path().join("monitor"))).transpose()?;
    let (attended, used) = job.load(&results, monitor)?;
    let interrupted = u8::try_from(signal.load(Ordering::Relaxed)).ok().filter(|code| *code != 0);
    let code = attended.status.code().unwrap_or(1);
    let Some(folder) = runs(&results)?.difference(&before).next().cloned() else {
        view::say(&format!("run-test.sh: Gatling ended with exit code {code} before the test began"));
        return Ok(interrupted.unwrap_or_else(|| exit_code(code).max(1)));
    };
    let generator_cpu_s = (attended.usage.cpu_seconds(0.0, f64::INFINITY) * 100.0).round() / 100.0;
    let about = job.about(&started_at, code, generator_cpu_s, limits_hold)?;
    write_json(&folder.join("run.json"), &about)?;
    if used.is_some() {
        fs::rename(staging.path().join("monitor"), folder.join("monitor"))?;
    }
    report(place, &folder, used, generator_cpu_s, interrupted.is_some())?;
    Ok(interrupted.unwrap_or_else(|| exit_code(code)))
}

fn exit_code(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(1)
}

fn say(text: &str) -> Result<()> {
    Ok(writeln!(Output, "run-test.sh: {text}")?)
}

fn prepare<'a>(place: &'a Place, options: &Run) -> Result<Job<'a>> {
    let of_environment = std::env::var("POUCO_TEST_SECONDS").ok().filter(|text| !text.is_empty());
    let of_environment = of_environment.map(|text| seconds(&text)).transpose();
    let of_environment = of_environment.map_err(|why| anyhow::anyhow!("POUCO_TEST_SECONDS: {why}"))?;
    let home = &options.gatling;
    if !home.join("bin/gatling.sh").is_file() {
        let install = place.folder.join("install-gatling.sh");
        bail!("no bin/gatling.sh in {}; make it with: {} DIR", home.display(), install.display());
    }
    if let Some(warning) = raise_open_files() {
        view::say(&format!("run-test.sh: WARNING: {warning}"));
    }
    let (payloads, terms) =
        drivers::payloads(u64::from(options.seed), super::ROWS, drivers::TERMS, &place.resources())?;
    Ok(Job {
        place,
        home: fs::canonicalize(home).with_context(|| home.display().to_string())?,
        seed: options.seed,
        seconds: options.seconds.or(of_environment).unwrap_or(FULL_SECONDS),
        payloads,
        terms,
        stop: Arc::default(),
    })
}

/// Limits that are configured and do not hold make every figure of the run worthless.
fn check_limits(engine: &Engine) -> Result<bool> {
    let (report, hold) = limits(engine, &STACK.map(str::to_owned))?;
    if hold {
        write!(Output, "{report}")?;
        return Ok(true);
    }
    let line = "#".repeat(80);
    view::say(&format!(
        "{line}\n{report}\nWARNING: the limits of the stack do not hold as the contest asks for. What this\n\
         run costs and how fast it is CANNOT be compared with anything. Usual cause:\n\
         rootless podman without delegated cpu and memory controllers; the limits then\n\
         show in `{} inspect` and are ignored. See docs/troubleshooting.md.\n{line}",
        engine.0
    ));
    Ok(false)
}

/// The folders with a log.
fn runs(results: &Path) -> Result<BTreeSet<PathBuf>> {
    let entries = fs::read_dir(results).with_context(|| results.display().to_string())?.flatten();
    Ok(entries.map(|entry| entry.path()).filter(|run| run.join("simulation.log").is_file()).collect())
}

impl Job<'_> {
    /// Gatling, and the monitor from before it until after it, which returns its table.
    fn load(&self, results: &Path, monitor: Option<Monitor>) -> Result<(Attended, Option<String>)> {
        let over = AtomicBool::new(false);
        let at_most = Duration::from_secs(2 * u64::from(self.seconds)) + SPARE;
        let watch = |mut monitor: Monitor| {
            monitor.run(&over, at_most)?;
            monitor.tell()
        };
        thread::scope(|scope| {
            let watching = monitor.map(|monitor| scope.spawn(move || watch(monitor)));
            let (mut gatling, mut tick) = (self.gatling(results), || Ok(()));
            let attended = attend_other(&mut gatling, None, at_most, &self.stop, &mut tick, &mut Some);
            over.store(true, Ordering::Relaxed);
            let used = watching.map(|it| it.join().unwrap_or_else(|_| bail!("it panicked")));
            Ok((attended.context("gatling")?, used.and_then(|used| used.inspect_err(failed).ok())))
        })
    }

    fn gatling(&self, results: &Path) -> Command {
        let mut gatling = Command::new(self.home.join("bin/gatling.sh"));
        let description = format!("people API, seed {}, {} s", self.seed, self.seconds);
        gatling.args(["-rm", "local", "-bm", "-s", "RinhaBackendSimulation", "-rd", &description]);
        gatling.arg("-rf").arg(results);
        gatling.arg("-sf").arg(self.place.folder.join("user-files/simulations"));
        gatling.arg("-rsf").arg(self.place.resources());
        gatling.env("POUCO_BASE_URL", &self.place.base_url).env("LC_ALL", JAVA_LOCALE);
        gatling.env("POUCO_TEST_SECONDS", self.seconds.to_string());
        gatling.env("POUCO_PAYLOAD_FILE", &self.payloads).env("POUCO_TERMS_FILE", &self.terms);
        gatling
    }

    fn about(
        &self,
        started_at: &str,
        gatling_exit_code: i32,
        generator_cpu_s: f64,
        limits_hold: Option<bool>,
    ) -> Result<About> {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Job { seed, seconds, .. } = self;
        Ok(About {
            command: format!(
                "stress-test/run-test.sh {} --seed {seed} --seconds {seconds}",
                name(&self.home)
            ),
            commit: runner::commit(self.place.top()),
            started_at: started_at.to_owned(),
            ended_at: runner::now(),
            base_url: self.place.base_url.clone(),
            seed: *seed,
            test_seconds: *seconds,
            payload_file: name(&self.payloads),
            payload_sha256: sha256(&self.payloads)?,
            terms_file: name(&self.terms),
            gatling_exit_code,
            generator_cpu_s,
            limits_hold,
        })
    }
}

/// Nothing of the load is lost with it.
fn failed(error: &anyhow::Error) {
    view::say(&format!("run-test.sh: the monitor failed: {error:#}"));
}

fn report(
    place: &Place,
    run: &Path,
    used: Option<String>,
    generator_cpu_s: f64,
    interrupted: bool,
) -> Result<()> {
    match percentiles::of_run(place, run) {
        Ok(percentiles) => {
            let table = percentiles.table();
            write_json(&run.join("percentiles.json"), &percentiles)?;
            write_file(&run.join("percentiles.txt"), &table)?;
            writeln!(Output, "\n{table}")?;
        }
        Err(error) => view::say(&format!("run-test.sh: no percentiles: {error:#}")),
    }
    if let Some(used) = used {
        writeln!(Output, "{used}")?;
    }
    say(&format!("the load generator itself took {generator_cpu_s:.2} CPU s"))?;
    if interrupted {
        say("the run was interrupted: its counts cannot be judged")?;
    } else if let Err(error) = counts::count(place, Some(run), None) {
        // Can be judged again, as long as the database holds this run, with: count.sh RUN_DIR
        view::say(&format!("run-test.sh: {error:#}"));
    }
    let here = std::env::current_dir()?;
    let shown = run.strip_prefix(&here).unwrap_or(run);
    say(&format!("results in {}, the report is its index.html", shown.display()))
}
