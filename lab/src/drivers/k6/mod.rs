//! k6, with the script `k6.js` in the contest's folder, and what all such scripts share next to it: for those
//! who know k6's figures better than Gatling's.
//!
//! It takes about as much CPU as Gatling (0.4 ms a request), drops users for whom it has no virtual user
//! free, starts users late without a word where it is short of CPU (which the sums of its seconds show), and
//! does not keep one connection for a user's chain. Seconds have no percentiles: they come from k6's REST
//! interface, asked once a second, because its logs of single requests cost more than the load itself.
//!
//! Clients of a closed loop are virtual users who begin again, in scenarios alone.
//!
//! It is a program of this machine's, or a container that has it (`container.rs`).

mod console;
mod container;
mod made;
mod plan;
mod shop;
mod summary;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::oracle::inventory::Deed;
use crate::oracle::scenarios::Task;
use crate::record::{Generator, Second};

use super::figures::{arrival_bottlenecks, trim};
use super::process::{Attended, attend_other, cores, last_output, now};
use super::{Arrivals, Creation, Creations, Driver, Job, Outcome, Snapshot, raise_open_files};
use container::Container;
use plan::Plan;
use summary::{Summary, Sums};

/// Where `go install` puts it, below the home folder.
const USUAL_PLACE: &str = "go/bin/k6";

/// In `lab/contests`.
const COMMON: &str = "k6-load.js";

/// To read the payloads, to make virtual users, and to write the summary: in addition to the load's length
/// and the last users' chains.
const SPARE: Duration = Duration::from_secs(120);

/// k6's exit code after a signal, when it has written its summary.
const INTERRUPTED: i32 = 105;

/// k6's exit code where it ran to its end and a threshold of the script was crossed, which the figures show
/// too.
const THRESHOLD: i32 = 99;

/// A program k6.
#[derive(Clone, Debug)]
pub struct K6 {
    how: How,
}

#[derive(Clone, Debug)]
enum How {
    Program(PathBuf),
    Container(Container),
}

impl K6 {
    /// `program` if given, otherwise what `K6` says, otherwise `k6` in a folder of `PATH`, otherwise
    /// `~/go/bin/k6`.
    ///
    /// # Errors
    /// There is none.
    pub fn find(program: Option<&Path>) -> Result<Self> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let named = program.map(Path::to_path_buf).or_else(|| variable("K6").map(PathBuf::from));
        let in_path = || {
            let path = variable("PATH")?;
            std::env::split_paths(&path).map(|folder| folder.join("k6")).find(|file| file.is_file())
        };
        let installed = || variable("HOME").map(|home| PathBuf::from(home).join(USUAL_PLACE));
        let program = named.or_else(in_path).or_else(installed).unwrap_or_default();
        ensure!(
            program.is_file(),
            "no k6: {} is not a file; install it with: GOBIN=~/go/bin go install go.k6.io/k6@v1.3.0 (or set K6 to its path)",
            program.display()
        );
        Ok(Self { how: How::Program(program) })
    }

    /// In a container, whose image is built from `deploy/k6.Dockerfile` below `top` where it is not there.
    ///
    /// # Errors
    /// There is no container engine, or the image cannot be built.
    pub fn in_container(top: &Path) -> Result<Self> {
        Ok(Self { how: How::Container(Container::find(top)?) })
    }

    /// `files` are what it reads, `folder` is where it writes.
    fn command(
        &self,
        script: &Path,
        plan: &str,
        rest: SocketAddr,
        files: &[&Path],
        folder: &Path,
    ) -> Result<Command> {
        let mut command = match &self.how {
            How::Program(program) => Command::new(program),
            How::Container(container) => {
                let scripts = scripts(script)?;
                let scripts = scripts.iter().map(PathBuf::as_path);
                container.command(&files.iter().copied().chain(scripts).collect::<Vec<_>>(), folder)?
            }
        };
        command.args(["run", "--quiet", "--no-color", "--no-usage-report", "--address", &rest.to_string()]);
        command.arg(script).env("POUCO_PLAN", plan);
        for name in settings_of_k6(std::env::vars_os().map(|(name, _)| name)) {
            command.env_remove(name);
        }
        Ok(command)
    }

    /// Asked for its version.
    fn versioned(&self) -> Command {
        match &self.how {
            How::Program(program) => {
                let mut command = Command::new(program);
                command.arg("version");
                command
            }
            How::Container(container) => container.versioned(),
        }
    }
}

impl Driver for K6 {
    fn name(&self) -> &'static str {
        "k6"
    }

    fn version(&self) -> Result<String> {
        let mut command = self.versioned();
        let program = command.get_program().to_string_lossy().into_owned();
        let output = command.output().with_context(|| program.clone())?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = printed.split_ascii_whitespace().nth(1).filter(|_| output.status.success());
        let version = version.with_context(|| format!("{program}: version of k6: {printed:?}"))?;
        Ok(version.trim_start_matches('v').to_owned())
    }

    fn run(&self, job: &Job<'_>, stop: &AtomicBool, progress: &mut dyn FnMut(&Snapshot)) -> Result<Outcome> {
        let script = job.contest.folder.join("k6.js");
        for file in [&script, &common(&script)] {
            ensure!(file.is_file(), "contest {} has no script for k6: {}", job.contest.name, file.display());
        }
        let arrivals = Arrivals::new(job.contest, job.scale, job.seconds)?;
        let summary = job.folder.join("k6-summary.json");
        ensure!(!summary.exists(), "{} is there already: of an earlier load", summary.display());
        let plan = Plan::new(job, &arrivals, &summary)?;
        let output = job.folder.join("k6.out");
        let warning = raise_open_files();

        let rest = free_address()?;
        let mut live = Live::default();
        let mut tick = || {
            if let Some(snapshot) = live.ask(rest, &arrivals) {
                progress(&snapshot);
            }
            Ok(())
        };
        let script = std::path::absolute(&script)?;
        let plan_text = serde_json::to_string(&plan)?;
        let mut command = self.command(&script, &plan_text, rest, &[job.payloads, job.terms], job.folder)?;
        let console = job.folder.join("k6-console.out");
        if job.shop.is_some() || job.contest.oracle.by_endpoint() {
            command.arg("--console-output").arg(std::path::absolute(&console)?);
        }
        let at_most =
            Duration::from_secs_f64(arrivals.seconds() + job.contest.longest_chain_seconds()) + SPARE;
        let mut container = None;
        let mut measured = |group| match &self.how {
            How::Program(_) => Some(group),
            How::Container(here) => {
                container = container.or_else(|| here.group());
                container
            }
        };
        let attended = attend_other(&mut command, Some(&output), at_most, stop, &mut tick, &mut measured);
        if let How::Container(here) = &self.how {
            // After a stop by force, or an error of ours, it may still run.
            here.remove();
        }
        let attended = attended.context("k6")?;
        check_end(&attended, &summary, &output)?;
        let text = fs::read_to_string(&summary).with_context(|| summary.display().to_string())?;
        let summary = Summary::parse(&text).with_context(|| summary.display().to_string())?;
        let deeds = told(job, &summary, &console, attended.interrupted)?;
        let mut outcome = outcome(job, &summary, &plan, &arrivals, &live, &attended, warning)?;
        if job.contest.oracle.by_endpoint() {
            outcome.creations = Creations::Each(made(job, &summary, &console, attended.interrupted)?);
            outcome.answers = Some(summary.judged());
        }
        Ok(Outcome { deeds, ..outcome })
    }
}

/// What the scripts of all contests have in common lies next to their folders, and they import it from there.
fn common(script: &Path) -> PathBuf {
    let contests = script.parent().and_then(Path::parent);
    contests.unwrap_or(Path::new("/")).join(COMMON)
}

/// A contest's script, those next to it, which it may import, and what all have in common.
fn scripts(script: &Path) -> Result<Vec<PathBuf>> {
    let folder = script.parent().unwrap_or(Path::new("/"));
    let mut all = vec![common(script)];
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "js") {
            all.push(path);
        }
    }
    Ok(all)
}

/// Those of the environment's variables that would change the load.
fn settings_of_k6(names: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    names.filter(|name| name.to_str().is_some_and(|name| name.starts_with("K6_")))
}

/// Race window: between this and k6's own bind another process may take the port. k6 then runs without its
/// REST interface, or another answers there; both show as a load without progress and without seconds, and
/// change no figure.
fn free_address() -> Result<SocketAddr> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a free port for k6's REST interface")?;
    listener.local_addr().context("a free port for k6's REST interface")
}

/// What k6 told while it ran.
#[derive(Debug, Default)]
struct Live {
    begun: Option<f64>,
    sums: Vec<Sums>,
}

impl Live {
    fn ask(&mut self, rest: SocketAddr, arrivals: &Arrivals) -> Option<Snapshot> {
        let (begun, sums) = Sums::ask(rest, now())?;
        self.begun = Some(self.begun.map_or(begun, |earlier| earlier.min(begun)));
        self.sums.push(sums);
        let since = sums.at - begun;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let second = since as u32; // saturates
        Some(Snapshot {
            second,
            asked: arrivals.users_until(since),
            started: sums.started,
            answers: sums.answers,
            failed: sums.failed,
            p99_ms: None,
        })
    }

    fn series(&self, end: &Summary, arrivals: &Arrivals) -> Vec<Second> {
        let Some(begun) = self.begun else { return Vec::new() };
        let mut sums = self.sums.clone();
        let last = sums.last().map_or(begun, |sums| sums.at);
        sums.extend(end.sums().filter(|sums| sums.at > last));
        summary::series(begun, &sums, arrivals)
    }
}

fn check_end(attended: &Attended, summary: &Path, output: &Path) -> Result<()> {
    let ran = match attended.status.code() {
        Some(0 | THRESHOLD) => true,
        Some(INTERRUPTED) => attended.interrupted,
        _ => false,
    };
    ensure!(!attended.interrupted || summary.is_file(), "k6 was stopped before the first user");
    if !ran || !summary.is_file() {
        bail!("k6: {}; it ended with: {}", attended.status, last_output(output));
    }
    Ok(())
}

/// What the script of a shop has told the oracle.
fn told(job: &Job<'_>, summary: &Summary, console: &Path, interrupted: bool) -> Result<Vec<Deed>> {
    let Some(shop) = job.shop else { return Ok(Vec::new()) };
    let text = fs::read_to_string(console).with_context(|| console.display().to_string())?;
    let deeds = shop::deeds(&text, shop)?;
    if !interrupted {
        let requests = job.contest.requests();
        let changing = requests.filter(|request| shop::changes(request));
        shop::complete(&deeds, changing.map(|request| summary.sent(&request.name)).sum())?;
    }
    Ok(deeds)
}

/// What the script of scenarios has told the oracle; nothing where its load creates nothing.
fn made(job: &Job<'_>, summary: &Summary, console: &Path, interrupted: bool) -> Result<Vec<Creation>> {
    let requests = job.contest.requests();
    let creating = requests.filter(|it| Task::of(&it.method, &it.path) == Some(Task::Create));
    let sent = creating.map(|request| summary.sent(&request.name)).sum();
    if sent == 0 {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(console).with_context(|| console.display().to_string())?;
    let creations = made::creations(&text)?;
    if !interrupted {
        made::complete(&creations, sent)?;
    }
    Ok(creations)
}

fn outcome(
    job: &Job<'_>,
    summary: &Summary,
    plan: &Plan,
    arrivals: &Arrivals,
    live: &Live,
    attended: &Attended,
    warning: Option<String>,
) -> Result<Outcome> {
    let requests = || job.contest.requests();
    let names: Vec<(&str, &[u16])> =
        requests().map(|request| (request.name.as_str(), request.accept.as_slice())).collect();
    let figures = summary.figures(&names, &plan.statuses, arrivals)?;
    let creation = requests().find(|request| request.body.as_deref() == Some("payload"));
    let creations = summary.creations(
        creation.map(|request| request.name.as_str()),
        creation.map_or(&[], |request| &request.accept),
    );
    let mut series = live.series(summary, arrivals);
    trim(&mut series, attended.interrupted);
    let span = summary.span();
    let (from, to) = span.unwrap_or_default();
    let mut bottleneck: Vec<String> = warning.into_iter().collect();
    if summary.dropped() > 0 {
        bottleneck.push(format!("k6 dropped {} users: no virtual user was free for them", summary.dropped()));
    }
    if !attended.interrupted {
        bottleneck.extend(arrival_bottlenecks(&figures, &series, arrivals));
    }
    bottleneck.extend(attended.usage.bottleneck(cores(), from, to));
    let generator = Generator {
        cpu_seconds: attended.usage.cpu_seconds(from, to),
        memory_bytes: attended.usage.memory_bytes(),
        bottleneck,
    };
    let begun_at = live.begun.or(span.map(|(from, _)| from));
    let answers = plan.pages.as_ref().map(|pages| summary.answers(&pages.words));
    let interrupted = attended.interrupted;
    Ok(Outcome {
        figures,
        series,
        begun_at,
        creations,
        answers,
        generator,
        interrupted,
        ..Outcome::default()
    })
}
