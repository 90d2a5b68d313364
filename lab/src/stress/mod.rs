//! What `stress-test/` calls: the contest's own test of the stack that runs, as an entrant does it.
//!
//! Nothing is started and nothing is compared here: Gatling loads what answers, the containers of the stack
//! are watched meanwhile, and three counts say whether everybody is stored. What is written goes into the
//! folder `user-files` next to the scripts.
//!
//! What may not enter: contestants and records. This is of one stack, whose containers have fixed names.

mod archive;
mod containers;
mod counts;
mod machine;
mod monitor;
mod percentiles;
mod run;
mod summary;
mod tables;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::view::{self, Output};
use crate::{drivers, http};

/// For an API that is still starting, and for containers that are not healthy yet.
const READY: Duration = Duration::from_secs(60);
/// Between two questions.
const AGAIN: Duration = Duration::from_millis(200);
/// Lines of a payload file.
const ROWS: u32 = 100_000;

/// Options of `stress`.
#[derive(Debug, Args)]
pub struct Stress {
    /// The folder with the scripts, and with `user-files`
    #[arg(long, value_name = "DIR", default_value = "stress-test")]
    folder: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Send the contest's load to what answers, and say what it cost; the exit code is Gatling's
    Run(run::Run),
    /// Is every person stored that should be, and no other? Exit code 0: the API's count, the database's
    /// and the oracle's are equal; 1: they differ; 2: one could not be had; 3: creations failed, so that
    /// the oracle is a range, and the other two are equal and within it
    Count {
        /// A run's folder; the newest by default
        run: Option<PathBuf>,
        /// What it sent; made again from its seed by default
        payloads: Option<PathBuf>,
    },
    /// Empty the table of people and restart the replicas, whose caches would otherwise still know them; with
    /// DATABASE_URL only the table
    Reset,
    /// Wait until both replicas are healthy and the API answers
    Ready,
    /// Write payloads and search terms, and print where they are
    Payloads {
        /// Which
        #[arg(long, default_value_t = run::SEED)]
        seed: u32,
        /// Of the payloads
        #[arg(long, default_value_t = ROWS, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
        rows: u32,
        /// How many
        #[arg(long, default_value_t = drivers::TERMS, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
        terms: u32,
        /// Into which folder; user-files/resources by default
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Watch the containers of the stack once a second until it is stopped, or check their limits
    Monitor(monitor::Options),
    /// Response times of a run by request, from its simulation.log
    Percentiles {
        /// Its folder, or the log
        run: PathBuf,
        /// Also write JSON; - prints it instead of the table
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Copy what proves a run's figures
    Archive {
        /// Its folder
        run: PathBuf,
        /// Where to
        destination: PathBuf,
    },
    /// One table over the archived runs run-1, run-2, … in DIR; exit code 1 if one of them has a fault
    Summarize {
        /// Where they are
        directory: PathBuf,
    },
    /// Describe the machine and its tools
    Machine,
}

/// Does it. The exit code is that of the script which asks.
///
/// # Errors
/// Something that is needed is not there, or does not answer.
pub fn main(options: &Stress) -> Result<u8> {
    let folder = fs::canonicalize(&options.folder)
        .with_context(|| format!("--folder {}", options.folder.display()))?;
    let place = Place { folder, base_url: base_url() };
    match &options.what {
        What::Run(options) => return run::run(&place, options),
        What::Count { run, payloads } => return counts::count(&place, run.as_deref(), payloads.as_deref()),
        What::Reset => counts::reset(&place)?,
        What::Ready => {
            containers::healthy(&containers::Engine::running_stack()?)?;
            place.count_when_up()?;
        }
        What::Payloads { seed, rows, terms, out } => {
            let out = out.clone().unwrap_or_else(|| place.resources());
            let (payloads, terms) = drivers::payloads(u64::from(*seed), *rows, *terms, &out)?;
            writeln!(Output, "{}\n{}", payloads.display(), terms.display())?;
        }
        What::Monitor(options) => return monitor::main(options),
        What::Percentiles { run, json } => percentiles::main(&place, run, json.as_deref())?,
        What::Archive { run, destination } => archive::archive(run, destination)?,
        What::Summarize { directory } => return summary::main(directory),
        What::Machine => write!(Output, "{}", machine::described()?)?,
    }
    Ok(0)
}

fn base_url() -> String {
    let url = std::env::var("POUCO_BASE_URL").ok().filter(|url| !url.is_empty());
    url.as_deref().unwrap_or("http://localhost:9999").trim_end_matches('/').to_owned()
}

/// Where things are, and who is asked.
struct Place {
    /// `stress-test`.
    folder: PathBuf,
    base_url: String,
}

impl Place {
    /// The repository.
    fn top(&self) -> &Path {
        self.folder.parent().unwrap_or(&self.folder)
    }

    fn resources(&self) -> PathBuf {
        self.folder.join("user-files/resources")
    }

    fn results(&self) -> PathBuf {
        self.folder.join("user-files/results")
    }

    /// The API's own count of people, as it answers.
    fn count(&self) -> Result<String> {
        let Some(rest) = self.base_url.strip_prefix("http://") else {
            bail!("POUCO_BASE_URL={}: http://HOST:PORT is allowed", self.base_url)
        };
        let (host, prefix) =
            rest.split_once('/').map_or((rest, String::new()), |(a, b)| (a, format!("/{b}")));
        let port =
            if host.rsplit(':').next().is_some_and(|it| it.parse::<u16>().is_ok()) { "" } else { ":80" };
        let answer = http::get(&format!("{host}{port}"), &format!("{prefix}/contagem-pessoas"))?;
        ensure!(answer.status == 200, "{}/contagem-pessoas: status {}", self.base_url, answer.status);
        Ok(String::from_utf8_lossy(&answer.body).trim().to_owned())
    }

    /// The same, but waits for an API that is still starting.
    fn count_when_up(&self) -> Result<String> {
        let begun = Instant::now();
        let mut told = false;
        loop {
            match self.count() {
                Ok(count) => return Ok(count),
                Err(error) if begun.elapsed() > READY => {
                    let (url, seconds) = (&self.base_url, READY.as_secs());
                    return Err(error).with_context(|| {
                        format!("{url} does not answer within {seconds} s. Start the stack first")
                    });
                }
                Err(_) => {
                    if !std::mem::replace(&mut told, true) {
                        view::say(&format!("waiting for {} (at most {} s)", self.base_url, READY.as_secs()));
                    }
                    std::thread::sleep(AGAIN);
                }
            }
        }
    }
}

/// The SHA-256 of a file, as `sha256sum` writes it.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    Ok(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    write_file(path, &(serde_json::to_string_pretty(value)? + "\n"))
}

fn write_file(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| path.display().to_string())
}
