//! One function for each sub-command. `Ok(false)` is exit code 1: an answer that a script wants to know; an
//! error is 2.

pub(crate) mod check;
pub(crate) mod experiment;
mod feeds;
pub(crate) mod load;
pub(crate) mod model;
pub(crate) mod run;
mod series;
mod told;
pub(crate) mod up;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, anyhow, bail, ensure};
use pouco_lab::cli::Cli;
use pouco_lab::contest::Contest;
use pouco_lab::contestant::Contestant;
use pouco_lab::record::Record;
use pouco_lab::view::Output;
use pouco_lab::{archive, command, compare as comparison, doctor as doctor_checks, report as reports, view};
use procfs::process::Process;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Where runs go, below the current folder.
const RESULTS: &str = "lab-results";

/// Where things are.
pub(crate) struct Places {
    /// The repository.
    pub(crate) top: PathBuf,
    contests: PathBuf,
    peers: PathBuf,
}

impl Places {
    /// The repository is the nearest folder upwards that holds contests, or the one that this program was
    /// built in.
    pub(crate) fn find(cli: &Cli) -> Result<Self> {
        let here = std::env::current_dir()?;
        let holds = |folder: &&Path| folder.join("lab/contests").is_dir();
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        let top = here.ancestors().find(holds).or_else(|| built.filter(holds));
        let top =
            top.ok_or_else(|| anyhow!("no folder lab/contests here or above: run it inside the repository"))?;
        Ok(Self {
            contests: cli.contests.clone().unwrap_or_else(|| top.join("lab/contests")),
            peers: cli.peers.clone().unwrap_or_else(|| top.join("peers")),
            top: top.to_path_buf(),
        })
    }

    /// The contest by its name.
    pub(crate) fn contest(&self, name: &str) -> Result<Contest> {
        let folder = self.contests.join(name);
        if !folder.join("contest.toml").is_file() {
            bail!("no contest {name}; there are: {}", folders(&self.contests, "contest.toml")?.join(", "));
        }
        Contest::read(&folder)
    }

    /// Everybody who enters `contest`, pouco first, the others by name.
    pub(crate) fn contestants(&self, contest: &str) -> Result<Vec<Contestant>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.peers).with_context(|| self.peers.display().to_string())? {
            all.extend(Contestant::entering(&entry?.path(), contest)?);
        }
        all.sort_by_key(|contestant| (contestant.name != "pouco", contestant.name.clone()));
        Ok(all)
    }
}

/// Names of the folders in `folder` that hold `file`, sorted.
fn folders(folder: &Path, file: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if entry.path().join(file).is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

pub(crate) fn list(places: &Places) -> Result<bool> {
    for name in folders(&places.contests, "contest.toml")? {
        let contest = places.contest(&name)?;
        writeln!(Output, "{name}: {}", contest.title)?;
        for contestant in places.contestants(&name)? {
            let modes: Vec<&str> = contestant.modes.keys().map(String::as_str).collect();
            let (title, language) = (&contestant.title, &contestant.language);
            let modes = modes.join(", ");
            writeln!(Output, "  {:<10} {title} ({language}); modes: {modes}", contestant.name)?;
        }
    }
    Ok(true)
}

pub(crate) fn report(record: Option<&Path>) -> Result<bool> {
    let folder = match record {
        Some(path) if path.is_file() => path.parent().unwrap_or(Path::new(".")).to_path_buf(),
        Some(path) => path.to_path_buf(),
        None => newest()?,
    };
    let record = open(record.unwrap_or(&folder))?;
    let files = [
        ("report.html", reports::html(&record)),
        ("report.md", reports::markdown(&record)),
        ("summary.svg", reports::svg_summary(&record)),
    ];
    for (name, text) in &files {
        let file = folder.join(name);
        fs::write(&file, text).with_context(|| file.display().to_string())?;
    }
    for (name, _) in files {
        writeln!(Output, "{}", folder.join(name).display())?;
    }
    Ok(true)
}

pub(crate) fn archive(record: &Path, into: &Path) -> Result<bool> {
    let parts = archive::apart(&open(record)?);
    ensure!(!parts.is_empty(), "{} is of no load with variants", record.display());
    for (folder, part) in parts {
        writeln!(Output, "{}", archive::keep(&part, &into.join(folder))?.display())?;
    }
    Ok(true)
}

pub(crate) fn compare(before: &Path, after: &Path, threshold: f64) -> Result<bool> {
    let comparison = comparison::compare(&open(before)?, &open(after)?, threshold)?;
    write!(Output, "{comparison}")?;
    Ok(!comparison.regressed())
}

pub(crate) fn doctor(places: &Places) -> Result<bool> {
    let contest = places.contest("people")?;
    let port = contest.address().rsplit(':').next().and_then(|port| port.parse().ok());
    let settings = doctor_checks::Settings {
        top: places.top.clone(),
        port: port.ok_or_else(|| anyhow!("{}: no port in it", contest.url))?,
        budget: contest.budget,
        gatling_home: None,
    };
    doctor_checks::run(&mut Output, &settings)
}

fn open(path: &Path) -> Result<Record> {
    archive::read(path)?.ok_or_else(|| anyhow!("{} holds no {}", path.display(), archive::NAMES.join(" or ")))
}

/// The folder of the record that was written last.
fn newest() -> Result<PathBuf> {
    let here = Path::new(RESULTS);
    let folders = fs::read_dir(here).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let records = folders.filter_map(|folder| {
        let written = fs::metadata(archive::record_in(&folder)?).and_then(|it| it.modified()).ok();
        Some((written, folder))
    });
    let newest = records.max().map(|(_, folder)| folder);
    newest.ok_or_else(|| anyhow!("no record below {RESULTS}; run a contest first"))
}

/// Set by the first Ctrl-C, SIGTERM or SIGHUP, which a closed terminal sends: what was started is then taken
/// down. A second one ends the lab at once, but for SIGHUP, which may come from the shell and from the kernel
/// both.
pub(crate) fn stop_flag() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    command::stop_on(Arc::clone(&stop));
    let mut asked = vec![SIGINT, SIGTERM];
    // Started with nohup, it is meant to outlive its terminal.
    let status = Process::myself().and_then(|process| process.status());
    if !status.is_ok_and(|status| holds(status.sigign, SIGHUP)) {
        asked.push(SIGHUP);
    }
    let mut signals = Signals::new(asked)?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if !flag.swap(true, Ordering::Relaxed) {
                view::say(
                    "\npouco-lab: stopping and removing what was started. Press again to end at once and leave it.",
                );
            } else if signal != SIGHUP {
                std::process::exit(130);
            }
        }
    });
    Ok(stop)
}

/// Whether a set of `/proc/self/status` has `signal`: the lowest bit is for signal 1.
fn holds(set: u64, signal: i32) -> bool {
    set >> (signal - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_signal_is_seen_in_the_set() {
        assert!(holds(0x1001, SIGHUP));
        assert!(!holds(0x1001, SIGINT) && !holds(0x1001, SIGTERM));
    }
}
