//! A contest's folder: `contest.toml` and what it names.
//!
//! ```toml
//! title = "People: the stress test of Rinha de Backend, 2023 Q3"
//! url = "http://127.0.0.1:9999"
//! oracle = "people"
//! count_path = "/contagem-pessoas"
//! conformance = "conformance.toml"
//! gatling = "RinhaBackendSimulation"
//!
//! [budget]
//! cpus = 1.5
//! memory_bytes = 3_000_000_000
//! database_connections = 20
//!
//! [load]
//! seed = 2023
//! headers = [["user-agent", "Agente do Caos - 2023"]]
//!
//! [[load.scenario]]
//! name = "create then look up"
//! phases = [{ from = 2.0, to = 2.0, seconds = 10.0 }]
//!
//! [[load.scenario.request]]
//! name = "creation"
//! method = "POST"
//! path = "/pessoas"
//! body = "payload"
//! accept = [201, 400, 422]
//! ```

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// A contest, checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contest {
    /// The folder's name.
    #[serde(skip)]
    pub name: String,
    /// The folder.
    #[serde(skip)]
    pub folder: PathBuf,
    /// One line for lists and reports.
    pub title: String,
    /// Where every contestant of it answers: `http://ADDRESS:PORT`.
    pub url: String,
    /// Which oracle judges the stored rows: `people`.
    pub oracle: String,
    /// Answers a plain number once the contestant serves, and when it has written everything.
    pub count_path: String,
    /// File of the conformance pass, in the folder.
    pub conformance: PathBuf,
    /// The class below `stress-test/user-files/simulations` that sends this load with Gatling, where there is one.
    #[serde(default)]
    pub gatling: Option<String>,
    /// What all services of a contestant may use together.
    pub budget: Budget,
    /// The load at scale 1.
    pub load: Load,
}

/// What all services of a contestant may use together.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// CPU cores.
    pub cpus: f64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Connections to the database at any time, over all processes.
    pub database_connections: u32,
}

/// The load at scale 1: scenarios that run at the same time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Of the payloads and terms, and of the pauses.
    pub seed: u64,
    /// Sent with each request, beside `Host`.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// A request without its whole answer after this long has failed.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: f64,
    /// Each with its own rate of users.
    #[serde(rename = "scenario")]
    pub scenarios: Vec<Scenario>,
}

fn default_timeout_seconds() -> f64 {
    60.0
}

/// Users who arrive at a given rate, whether or not the server keeps up, and each send the same chain of requests over one
/// connection of their own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Shown in reports.
    pub name: String,
    /// One after the other.
    pub phases: Vec<Phase>,
    /// One after the other; a chain ends where an answer is not allowed or a placeholder has no value.
    #[serde(rename = "request")]
    pub requests: Vec<Request>,
}

/// Arrivals whose rate goes evenly from one value to another.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Users a second at the beginning.
    pub from: f64,
    /// Users a second at the end.
    pub to: f64,
    /// How long it lasts.
    pub seconds: f64,
    /// Arrivals fall at random within the phase instead of evenly.
    #[serde(default)]
    pub randomized: bool,
}

/// One request of a chain.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Shown in reports; its figures are kept apart by it.
    pub name: String,
    /// `GET`, `POST`, ….
    pub method: String,
    /// With placeholders: `{term}` is the next search term, percent-encoded; `{location}` the `Location` of the user's last 201.
    /// Where there was none, the chain ends here without the request.
    pub path: String,
    /// `payload`: the body is the next line of the payload file, with `content-type: application/json`.
    #[serde(default)]
    pub body: Option<String>,
    /// Statuses that are no failure.
    pub accept: Vec<u16>,
    /// The user waits this long before it, evenly between the two, in milliseconds.
    #[serde(default)]
    pub pause_ms: Option<(f64, f64)>,
}

impl Contest {
    /// Reads `lab/contests/NAME` below `top`, the repository.
    ///
    /// # Errors
    /// There is no such contest, or its file is not as described above.
    pub fn load(top: &Path, name: &str) -> Result<Self> {
        Self::read(&top.join("lab/contests").join(name))
    }

    /// Reads the contest in `folder`.
    ///
    /// # Errors
    /// As for [`Contest::load`].
    pub fn read(folder: &Path) -> Result<Self> {
        let file = folder.join("contest.toml");
        let text = std::fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?;
        let mut contest: Self = toml::from_str(&text).with_context(|| format!("{}", file.display()))?;
        contest.name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        contest.folder = folder.to_path_buf();
        contest.check().with_context(|| format!("{}", file.display()))?;
        Ok(contest)
    }

    fn check(&self) -> Result<()> {
        ensure!(
            self.budget.cpus > 0.0 && self.budget.memory_bytes > 0,
            "budget: cpus and memory_bytes must be above 0"
        );
        ensure!(self.budget.database_connections > 0, "budget.database_connections must be above 0");
        ensure!(self.url.starts_with("http://"), "url must begin with http://");
        for scenario in &self.load.scenarios {
            let name = &scenario.name;
            ensure!(
                !scenario.phases.is_empty() && !scenario.requests.is_empty(),
                "scenario {name} has no phase or no request"
            );
            for phase in &scenario.phases {
                ensure!(
                    phase.from >= 0.0 && phase.to >= 0.0 && phase.seconds > 0.0,
                    "scenario {name}: rates ≥ 0, seconds > 0"
                );
            }
        }
        Ok(())
    }

    /// `ADDRESS:PORT` of [`Contest::url`].
    #[must_use]
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches('/')
    }

    /// How long users arrive at scale 1, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        let length = |scenario: &Scenario| scenario.phases.iter().map(|phase| phase.seconds).sum::<f64>();
        self.load.scenarios.iter().map(length).fold(0.0, f64::max)
    }

    /// How long a user may take at most: each request until its time-out, and the pauses.
    #[must_use]
    pub fn longest_chain_seconds(&self) -> f64 {
        let pause = |request: &Request| request.pause_ms.map_or(0.0, |(_, most)| most / 1_000.0);
        let chain = |scenario: &Scenario| {
            scenario.requests.iter().map(|request| self.load.timeout_seconds + pause(request)).sum::<f64>()
        };
        self.load.scenarios.iter().map(chain).fold(0.0, f64::max)
    }
}
