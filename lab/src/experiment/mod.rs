//! An experiment: one load of a contest, run by contestants that differ in one setting. It is a file of its
//! own, `lab/experiments/NAME.toml`; the runs are those of the contest, with its budget, rules and oracle, in
//! turns, and their record is the contest's.
//!
//! ```toml
//! title = "Workers at a constant number of connections"
//! about = "What is shown, and what it is not."
//! contest = "scenarios"
//! load = "08-concurrent-mixed"
//! seconds = 10
//! times = 2
//! clients = 10                               # absent: the load's own
//! connections = 20                           # to the database; absent: the budget's
//! figures = ["requests-per-second", "p99-ms", "wait-p99-ms", "api-cpu-ms"]
//! same_bodies = "/users"                     # must be equal in all, as JSON, before anything is measured
//!
//! [[line]]
//! name = "uvicorn"
//! contestant = "fastapi"
//! mode = "pragmatic"                         # absent: the default one
//! values = ["1", "2", "2*CPU+1"]             # absent: the line is one point
//! environment = { WORKERS = "{value}" }
//! services = { api = { memory_bytes = 1_610_612_736 } }
//! compose = ["workers-pouco.yml"]            # beside this file, laid over the contestant's
//!
//! [[wait]]                                   # where a histogram of waits for a connection is told
//! address = "127.0.0.1:9998"
//! path = "/metrics"
//! histogram = "pouco_read_queue_duration_seconds"
//!
//! [bench]                                    # measured beside, without a server: a JSON object a line
//! title = "Rust, µs a body"
//! command = ["cargo", "bench", "--bench", "json"]
//! ```
//!
//! A point is a mode of its contestant that is made for the run: `NAME-VALUE`.
//!
//! What may not enter: any contestant's name, setting or value. Those are in the files.

mod bench;
mod wait;
mod watched;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

pub use self::bench::{Bench, Measured};
pub use self::wait::{WAIT, Wait};
pub use self::watched::Watched;
use crate::contest::Contest;
use crate::contestant::{Changes, Contestant, Share};
use crate::runner::Entrant;

const MAX_SECONDS: u32 = 3_600;
const MAX_TIMES: u32 = 100;
const MAX_CLIENTS: u32 = 10_000;
const MAX_CONNECTIONS: u32 = 1_000;
/// As a value: what the documentation of pre-forking servers advises.
const TWICE_AND_ONE: &str = "2*CPU+1";

/// An experiment's file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The file's name without its ending.
    #[serde(skip)]
    pub name: String,
    #[serde(skip)]
    folder: PathBuf,
    /// Shown in the report.
    pub title: String,
    /// What is compared, and what that does not say.
    pub about: String,
    /// Whose load it is.
    pub contest: String,
    /// Of the contest.
    pub load: String,
    /// Of each run of the load.
    pub seconds: u32,
    /// Rounds.
    pub times: u32,
    /// Instead of the load's own number.
    pub clients: Option<u32>,
    /// To the database, instead of the budget's.
    pub connections: Option<u32>,
    /// What is drawn, a picture each.
    pub figures: Vec<Figure>,
    /// A path whose answers are the same document for all.
    pub same_bodies: Option<String>,
    /// What is compared.
    #[serde(rename = "line")]
    pub lines: Vec<Variation>,
    /// Where waits for a connection are told.
    #[serde(default, rename = "wait")]
    pub waits: Vec<Wait>,
    /// Measured in addition.
    pub bench: Option<Bench>,
}

/// A contestant with one setting in several values.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variation {
    /// Of a mode that there is not yet.
    pub name: String,
    /// Who.
    pub contestant: String,
    /// What else holds for it.
    pub mode: Option<String>,
    /// Of `{value}`; none where the line is one point.
    #[serde(default)]
    pub values: Vec<String>,
    /// For the services that serve the API.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Other shares of the budget, by the name of the service.
    #[serde(default)]
    pub services: BTreeMap<String, Share>,
    /// Laid over the contestant's compose files; next to the experiment's file.
    #[serde(default)]
    pub compose: Vec<PathBuf>,
}

/// What is drawn.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Figure {
    /// Right or not.
    RequestsPerSecond,
    /// Of the whole load.
    P99Ms,
    /// Of the waits for a connection.
    WaitP99Ms,
    /// Of the services that serve the API, for a request.
    ApiCpuMs,
}

/// The experiments in `folder`, by their names.
///
/// # Errors
/// It cannot be read.
pub fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

impl Experiment {
    /// The experiment of this name in `folder`.
    ///
    /// # Errors
    /// There is none, or its file is not as described above.
    pub fn read(folder: &Path, name: &str) -> Result<Self> {
        let there = names(folder)?;
        if !there.iter().any(|it| it == name) {
            bail!("no experiment {name}; there are: {}", there.join(", "));
        }
        let file = folder.join(format!("{name}.toml"));
        let shown = || file.display().to_string();
        let text = std::fs::read_to_string(&file).with_context(shown)?;
        let mut experiment: Self = toml::from_str(&text).with_context(shown)?;
        name.clone_into(&mut experiment.name);
        experiment.folder = folder.canonicalize().with_context(shown)?;
        experiment.check().with_context(shown)?;
        Ok(experiment)
    }

    fn check(&self) -> Result<()> {
        let bounded = |what: &str, value: u32, most: u32| {
            ensure!((1..=most).contains(&value), "{what} = {value}: 1 to {most} is allowed");
            Ok(())
        };
        bounded("seconds", self.seconds, MAX_SECONDS)?;
        bounded("times", self.times, MAX_TIMES)?;
        bounded("clients", self.clients.unwrap_or(1), MAX_CLIENTS)?;
        bounded("connections", self.connections.unwrap_or(1), MAX_CONNECTIONS)?;
        ensure!(!self.lines.is_empty() && !self.figures.is_empty(), "no line, or no figure");
        for line in &self.lines {
            let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            ensure!(is_name(&line.name), "line {}: a name is of letters, digits and -", line.name);
            let asks = line.environment.values().any(|value| value.contains("{value}"));
            ensure!(
                asks != line.values.is_empty(),
                "line {}: values and {{value}} belong together",
                line.name
            );
        }
        let waits = self.figures.contains(&Figure::WaitP99Ms);
        ensure!(waits != self.waits.is_empty(), "wait-p99-ms and [[wait]] belong together");
        Ok(())
    }

    /// The contest as it is here: its load with so many clients, its budget with so many connections. A name
    /// that says so keeps such a record apart from one of the contest itself.
    #[must_use]
    pub fn of(&self, mut contest: Contest) -> Contest {
        let mut changed = String::new();
        if let Some(clients) = self.clients {
            contest.load.scenarios.iter_mut().for_each(|scenario| scenario.clients = Some(clients));
            changed = format!(" with {clients} clients");
        }
        if let Some(connections) = self.connections {
            contest.budget.database_connections = connections;
        }
        contest.title.clone_from(&self.title);
        contest.load_name = contest.load_name.map(|name| format!("{name}{changed}"));
        contest
    }

    /// Those who take part, in turn: `entrant` gives a line's contestant in its mode.
    ///
    /// # Errors
    /// Those of `entrant`, or a point has the name of a mode that is there.
    pub fn entrants(
        &self,
        cores: u32,
        entrant: &dyn Fn(&Variation) -> Result<Entrant>,
    ) -> Result<Vec<Entrant>> {
        let mut entrants: Vec<Entrant> = Vec::new();
        for line in &self.lines {
            for (name, value) in line.points(cores) {
                let mut point = entrant(line)?;
                point.contestant = self.changed(point.contestant, &point.mode, line, &name, &value)?;
                point.mode = name;
                ensure!(!entrants.iter().any(|it| it.id() == point.id()), "{} is there twice", point.id());
                entrants.push(point);
            }
        }
        Ok(entrants)
    }
}

impl Experiment {
    /// With a mode `name` that is `mode` with what `line` has for this `value`.
    fn changed(
        &self,
        mut contestant: Contestant,
        mode: &str,
        line: &Variation,
        name: &str,
        value: &str,
    ) -> Result<Contestant> {
        let who = &line.contestant;
        let known = contestant.modes.get(mode).cloned();
        let known = known.with_context(|| format!("{who} has no mode {mode}"))?;
        ensure!(contestant.modes.insert(name.to_owned(), known).is_none(), "{who} has a mode {name}");
        if let Some(unknown) = line.services.keys().find(|name| !contestant.services.contains_key(*name)) {
            bail!("{who} has no service {unknown}");
        }
        contestant.compose.extend(line.compose.iter().map(|file| self.folder.join(file)));
        let filled = |(key, text): (&String, &String)| (key.clone(), text.replace("{value}", value));
        let environment = line.environment.iter().map(filled).collect();
        let changes = Changes { environment, services: line.services.clone() };
        contestant.budgets = [(self.name.clone(), changes)].into();
        Ok(contestant.within(Some(&self.name)))
    }
}

impl Variation {
    /// Name and value of each.
    fn points(&self, cores: u32) -> Vec<(String, String)> {
        if self.values.is_empty() {
            return vec![(self.name.clone(), String::new())];
        }
        let mut points: Vec<(String, String)> = Vec::new();
        for value in &self.values {
            let value = if value == TWICE_AND_ONE { (2 * cores + 1).to_string() } else { value.clone() };
            let point = (format!("{}-{value}", self.name), value);
            // Of two that come to the same one is enough.
            if !points.contains(&point) {
                points.push(point);
            }
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
title = "T"
about = "A."
contest = "scenarios"
load = "03-db-read"
seconds = 2
times = 1
figures = ["p99-ms"]

[[line]]
name = "workers"
contestant = "honest"
values = ["1", "5", "2*CPU+1"]
environment = { WORKERS = "{value}", TOTAL = "20" }
"#;

    fn read(text: &str) -> Result<Experiment> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("e.toml"), text).unwrap();
        Experiment::read(folder.path(), "e")
    }

    #[test]
    fn points_are_modes_with_their_values() {
        let experiment = read(GOOD).unwrap();
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let entrant = |_: &Variation| {
            let contestant = Contestant::read(&top.join("tests/contest/scenarios-peers/honest")).unwrap();
            Ok(Entrant { mode: contestant.default_mode.clone(), contestant, variant: None })
        };
        let entrants = experiment.entrants(2, &entrant).unwrap();
        let ids: Vec<String> = entrants.iter().map(Entrant::id).collect();
        assert_eq!(ids, ["honest:workers-1", "honest:workers-5"], "2 * 2 + 1 is 5");
        let mode = &entrants[1].contestant.modes["workers-5"];
        assert_eq!((mode.environment["WORKERS"].as_str(), mode.environment["TOTAL"].as_str()), ("5", "20"));
        assert_eq!(mode.environment["TINY_LIES"], "no", "the mode's own stays");
        let contest = Contest::read(&top.join("contests/scenarios")).unwrap();
        let contest = contest.with_load(Some(&experiment.load)).unwrap();
        let changed = Experiment { clients: Some(64), connections: Some(50), ..experiment }.of(contest);
        assert_eq!(changed.load_name.as_deref(), Some("03-db-read with 64 clients"));
        assert_eq!((changed.load.scenarios[0].clients, changed.budget.database_connections), (Some(64), 50));
    }

    #[test]
    fn what_is_wrong_in_a_file_is_said() {
        for (from, to, said) in [
            ("seconds = 2", "seconds = 0", "seconds = 0: 1 to 3600"),
            ("values = [\"1\", \"5\", \"2*CPU+1\"]\n", "", "values and {value} belong together"),
            ("[\"p99-ms\"]", "[\"wait-p99-ms\"]", "[[wait]] belong together"),
            ("[\"p99-ms\"]", "[]", "no figure"),
            ("name = \"workers\"", "name = \"a b\"", "letters, digits and -"),
            ("times = 1", "times = 1\ncolour = 1", "colour"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = format!("{:#}", read(&GOOD.replacen(from, to, 1)).unwrap_err());
            assert!(error.contains(said), "{to}: {error}");
        }
        let error = Experiment::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments"), "poool");
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("no experiment poool; there are: ") && error.contains("pool"), "{error}");
    }

    /// Each file that is there is one, and names contestants, modes and compose files that are there.
    #[test]
    fn every_experiment_can_be_run() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = top.join("lab/experiments");
        for name in names(&folder).unwrap() {
            let experiment = Experiment::read(&folder, &name).unwrap_or_else(|error| panic!("{error:#}"));
            let contest = Contest::load(&top, &experiment.contest).unwrap();
            let contest = experiment.of(contest.with_load(Some(&experiment.load)).unwrap());
            let entrant = |line: &Variation| {
                let folder = top.join("peers").join(&line.contestant);
                let contestant = Contestant::entering(&folder, &contest.name)?.context("nobody")?;
                let mode = line.mode.clone().unwrap_or_else(|| contestant.default_mode.clone());
                Ok(Entrant { mode, contestant, variant: None })
            };
            for Entrant { contestant, .. } in experiment.entrants(2, &entrant).unwrap() {
                contestant.may_enter(&contest).unwrap();
                let lacks = |file: &&PathBuf| !contestant.folder.join(file).is_file();
                assert_eq!(contestant.compose.iter().find(lacks), None, "{name}");
            }
        }
    }
}
