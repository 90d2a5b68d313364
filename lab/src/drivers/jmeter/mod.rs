//! JMeter 5.6.3, with the plan in the contest's folder: what the shop's own back ends are tested with.
//!
//! A closed model: so many threads, each of which asks as soon as it was answered. Each step of a load is a
//! run of JMeter. Every sample is read from its JTL while it grows. The JTL, JMeter's log and, made once
//! nothing is measured any more, its report in HTML stay next to the record. Times count from the start of a
//! request, a connect included, in whole milliseconds. CPU is counted from the first sample to the last.
//!
//! A JTL that is broken, cut or short is not an outcome: nobody knows what else was in it. A sample that
//! failed behind a 2xx is one, with a fault ([`super::Outcome::faults`]).

mod csv;
mod deeds;
mod jtl;
mod live;
mod samples;
#[cfg(test)]
mod tests;
mod told;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::contest::{Plan, Steps};
use crate::oracle::scenarios::Tally;
use crate::record::Generator;
use crate::{command, machine};

use super::process::{Attended, attend, cores, last_output, now};
use super::{Creations, Driver, Job, KEPT, Outcome, Snapshot, raise_open_files};
use jtl::{Jtl, VARIABLES};
use live::Published;
use samples::Samples;

pub use told::Told;

/// Where JMeter is unless `JMETER_HOME` says so: below the repository.
const USUAL_PLACE: &str = "target/jmeter";

/// In a home that `install.sh` has made: the version.
const INSTALLED: &str = "installed";

const JAR: &str = "bin/ApacheJMeter.jar";

/// As JMeter's own script has it.
const MEMORY: &str = "-Xmx1g";

/// To start, and for the last requests' timeouts, in addition to the seconds that a step is to last.
const SPARE: Duration = Duration::from_secs(120);

/// A request ends after 70 s at most, by the plan's timeouts: without a sample for so long, JMeter hangs.
const SILENCE: Duration = Duration::from_secs(120);

/// The same before the first one: a JVM that starts on a busy machine, together with others, has needed two
/// minutes.
const START_SILENCE: Duration = Duration::from_secs(300);

/// For a report of a million samples.
const REPORT_TIME: Duration = Duration::from_secs(600);

/// JMeter's own settings, whatever its files say: the columns that are read, each sample written at once, and
/// no port on which somebody else may end it.
const SETTINGS: [(&str, &str); 10] = [
    ("jmeter.save.saveservice.output_format", "csv"),
    ("jmeter.save.saveservice.print_field_names", "true"),
    ("jmeter.save.saveservice.default_delimiter", ","),
    ("jmeter.save.saveservice.timestamp_format", "ms"),
    ("jmeter.save.saveservice.response_message", "true"),
    ("jmeter.save.saveservice.assertion_results_failure_message", "true"),
    ("jmeter.save.saveservice.autoflush", "true"),
    ("sampleresult.timestamp.start", "true"),
    ("jmeterengine.nongui.port", "0"),
    ("summariser.name", ""),
];

/// An installation of JMeter.
#[derive(Clone, Debug)]
pub struct Jmeter {
    java: PathBuf,
    home: PathBuf,
    told: Told,
}

impl Jmeter {
    /// In `home` if given, otherwise where `JMETER_HOME` says, otherwise where the contest's page puts it
    /// below `top`.
    ///
    /// # Errors
    /// There is none, or no Java.
    pub fn find(home: Option<&Path>, top: &Path) -> Result<Self> {
        let java = machine::find_program("java")
            .context("JMeter needs Java, and there is none; on Debian and Ubuntu: apt-get install default-jdk-headless")?;
        Self::with(java, home, top)
    }

    fn with(java: PathBuf, home: Option<&Path>, top: &Path) -> Result<Self> {
        let set = std::env::var_os("JMETER_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let home = home.map(Path::to_path_buf).or(set).unwrap_or_else(|| top.join(USUAL_PLACE));
        ensure!(
            home.join(JAR).is_file() && home.join(INSTALLED).is_file(),
            "no JMeter in {}; make it with: lab/contests/inventory/jmeter/install.sh {USUAL_PLACE} (or set JMETER_HOME)",
            home.display()
        );
        let home = fs::canonicalize(&home).with_context(|| home.display().to_string())?;
        Ok(Self { java, home, told: Told::default() })
    }

    /// The same, which tells others of its samples.
    #[must_use]
    pub fn telling(self, told: Told) -> Self {
        Self { told, ..self }
    }

    /// JMeter without its window; what it writes next to its results goes into `folder`.
    fn command(&self, folder: &Path, log: &Path) -> Command {
        let mut command = Command::new(&self.java);
        command.current_dir(folder).env_remove("JAVA_TOOL_OPTIONS");
        let preferences = joined("-Djava.util.prefs.userRoot=", folder);
        command.args([MEMORY, "-Djava.awt.headless=true"]).arg(preferences);
        command.arg("-jar").arg(self.home.join(JAR)).arg("-j").arg(log);
        command
    }

    /// The command of a step; `files` are the JTL and JMeter's log.
    fn step(
        &self,
        job: &Job<'_>,
        plan: &Plan,
        steps: &Steps,
        threads: u32,
        files: [&Path; 2],
    ) -> Result<Command> {
        let customer = job.shop.and_then(|shop| shop.customers.first()).context("no shop is open")?;
        let (host, port) = job.contest.address().rsplit_once(':').context("the contest's url has no port")?;
        let file = std::path::absolute(job.contest.folder.join(&plan.plan))?;
        ensure!(file.is_file(), "contest {} has no plan for JMeter: {}", job.contest.name, file.display());
        let file = self.told.plan(&file, job.folder)?.unwrap_or(file);
        let [jtl, log] = files;
        let mut command = self.command(job.folder, log);
        command.arg("-n").arg("-t").arg(file).arg("-l").arg(jtl);
        let mut set = |name: &str, value: &str| {
            command.arg(format!("-J{name}={value}"));
        };
        for (name, value) in SETTINGS.iter().chain(self.told.settings()) {
            set(name, value);
        }
        set("sample_variables", &VARIABLES.join(","));
        set("host", host);
        set("port", port);
        set("threads", &threads.to_string());
        set("ramp", &steps.ramp_seconds.to_string());
        match steps.loops {
            Some(loops) => set("loops", &loops.to_string()),
            None => {
                set("loops", "-1");
                set("seconds", &steps.seconds.to_string());
            }
        }
        set("email", &customer.email);
        set("password", &customer.password);
        Ok(command)
    }
}

fn joined(option: &str, path: &Path) -> OsString {
    let mut joined = OsString::from(option);
    joined.push(path);
    joined
}

impl Driver for Jmeter {
    fn name(&self) -> &'static str {
        "jmeter"
    }

    fn version(&self) -> Result<String> {
        let file = self.home.join(INSTALLED);
        let version = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        Ok(version.trim().to_owned())
    }

    fn run(&self, job: &Job<'_>, stop: &AtomicBool, progress: &mut dyn FnMut(&Snapshot)) -> Result<Outcome> {
        let (plan, steps) = checked(job)?;
        let folder = std::path::absolute(job.folder)?;
        let job = &Job { folder: &folder, ..*job };
        let kept = folder.join(KEPT);
        fs::create_dir(&kept).with_context(|| format!("{}: of an earlier load?", kept.display()))?;
        let customer = job.shop.and_then(|shop| shop.customers.first()).map_or(0, |customer| customer.id);
        let mut used = Used { bottleneck: raise_open_files().into_iter().collect(), ..Used::default() };
        let published = Published::start(self.told.listen()?, &self.told.application);
        let mut samples = Samples::new(plan, &steps, customer, published);
        let mut notes = Vec::new();
        for &threads in &steps.threads {
            if used.interrupted {
                break;
            }
            samples.begin_step(threads);
            let jtl = kept.join(format!("{threads:02}-threads.jtl"));
            let log = kept.join(format!("{threads:02}-threads.log"));
            let output = folder.join(format!("jmeter-{threads:02}.out"));
            let mut command = self.step(job, plan, &steps, threads, [&jtl, &log])?;
            let attended =
                follow(&mut command, &mut Jtl::new(&jtl), &output, &steps, stop, &mut samples, progress)
                    .with_context(|| format!("jmeter, {threads} threads"))?;
            used.add(&attended, samples.span());
            notes.extend(self.told.missed(&log));
        }
        let whole = samples.whole();
        ensure!(!used.interrupted || whole.begun_at.is_some(), "jmeter was stopped before the first sample");
        Ok(Outcome {
            figures: whole.figures,
            series: whole.series,
            begun_at: whole.begun_at,
            creations: Creations::Each(Vec::new()),
            deeds: whole.deeds,
            tally: Tally::default(),
            answers: None,
            generator: Generator {
                cpu_seconds: used.cpu_seconds,
                memory_bytes: used.memory_bytes,
                bottleneck: used.bottleneck,
            },
            faults: whole.faults,
            notes,
            interrupted: used.interrupted,
        })
    }

    /// JMeter's report in HTML, of each JTL in `folder`.
    fn present(&self, folder: &Path) -> Result<()> {
        let folder = std::path::absolute(folder)?;
        let scratch = tempfile::tempdir()?;
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        for jtl in entries.flatten().map(|entry| entry.path()) {
            if jtl.extension().is_none_or(|ending| ending != "jtl") {
                continue;
            }
            let temporary = joined("-Jjmeter.reportgenerator.temp_dir=", &scratch.path().join("report"));
            let mut command = self.command(scratch.path(), &scratch.path().join("report.log"));
            command.arg("-g").arg(&jtl).arg("-o").arg(jtl.with_extension("report")).arg(temporary);
            command::output(&mut command, REPORT_TIME)
                .with_context(|| format!("JMeter's report of {}", jtl.display()))?;
        }
        Ok(())
    }
}

/// What all steps used.
#[derive(Debug, Default)]
struct Used {
    cpu_seconds: f64,
    memory_bytes: Option<u64>,
    bottleneck: Vec<String>,
    interrupted: bool,
}

impl Used {
    fn add(&mut self, attended: &Attended, span: Option<(f64, f64)>) {
        let (from, to) = span.unwrap_or_default();
        self.cpu_seconds += attended.usage.cpu_seconds(from, to);
        self.memory_bytes = self.memory_bytes.max(attended.usage.memory_bytes());
        self.bottleneck.extend(attended.usage.bottleneck(cores(), from, to));
        self.interrupted |= attended.interrupted;
    }
}

fn checked<'c>(job: &Job<'c>) -> Result<(&'c Plan, Steps)> {
    let steps = job.contest.load.jmeter.as_ref();
    let (Some(plan), Some(steps)) = (job.contest.jmeter.as_ref(), steps) else {
        anyhow::bail!("contest {}: JMeter has no plan for this load", job.contest.name)
    };
    ensure!((job.scale - 1.0).abs() < f64::EPSILON, "scale {}: JMeter's threads have no rate", job.scale);
    Ok((plan, job.seconds.map_or_else(|| steps.clone(), |seconds| steps.lasting(seconds))))
}

/// One run of JMeter.
fn follow(
    command: &mut Command,
    jtl: &mut Jtl,
    output: &Path,
    steps: &Steps,
    stop: &AtomicBool,
    samples: &mut Samples<'_>,
    progress: &mut dyn FnMut(&Snapshot),
) -> Result<Attended> {
    let step = Duration::from_secs(u64::from(steps.seconds));
    let at_most = if steps.loops.is_some() { step } else { step + SPARE };
    let (mut heard, mut silence) = (Instant::now(), START_SILENCE);
    let mut tick = || {
        let mut any = false;
        jtl.read(&mut |sample| {
            any = true;
            samples.take(sample)
        })?;
        if any {
            (heard, silence) = (Instant::now(), SILENCE);
        }
        ensure!(heard.elapsed() < silence, "no sample for {} s", silence.as_secs());
        if let Some(snapshot) = samples.snapshot(now()) {
            progress(&snapshot);
        }
        Ok(())
    };
    let attended = attend(command, output, at_most, stop, &mut tick)?;
    jtl.read(&mut |sample| samples.take(sample))?;
    if !attended.interrupted {
        ensure!(attended.status.success(), "{}; it ended with: {}", attended.status, last_output(output));
        jtl.end().with_context(|| format!("it ended with: {}", last_output(output)))?;
    }
    samples.end_step(steps, attended.interrupted)?;
    Ok(attended)
}
