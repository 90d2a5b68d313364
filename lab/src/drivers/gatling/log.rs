//! Reads `simulation.log` as Gatling 3.9.5 writes it, whole or while it grows: text, one record a line,
//! fields between tabs.
//!
//! ```text
//! RUN      class  id  start_ms  description  version
//! USER     scenario  START|END  at_ms
//! REQUEST  groups  name  start_ms  end_ms  OK|KO  message
//! ERROR    message  at_ms
//! ASSERTION  (binary text)
//! ```
//!
//! It has no status of an allowed answer, so figures from it have no statuses.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::contest::Contest;
use crate::drivers::arrivals::{Arrivals, ScenarioArrivals};
use crate::drivers::figures::{Bucket, Errors, Millis, nearest_rank, request_figures, series};
use crate::drivers::{Creations, Snapshot};
use crate::record::{LoadFigures, Second};

/// A line as long as this is none of Gatling's.
const MAX_LINE_BYTES: usize = 1 << 20;

/// Read at a time.
const CHUNK_BYTES: usize = 1 << 16;

/// A log whose seconds reach this far is damaged: no load lasts a week.
const MAX_SECONDS: u32 = 7 * 24 * 3_600;

/// What a log tells so far.
#[derive(Debug)]
pub struct SimulationLog {
    /// Milliseconds since 1970 of the RUN line.
    run_ms: Option<u64>,
    /// The moment from which seconds are counted, in milliseconds since 1970: the first user's start. Where
    /// the contest begins with a pause, which small scales make, it is the RUN line's, half a second earlier
    /// than the injection.
    begin_ms: Option<u64>,
    begins_with_a_user: bool,
    last_end_ms: u64,
    users_started: u64,
    users_ended: u64,
    /// Request names in the contest's order, with what is known of each.
    requests: Vec<(String, Requests)>,
    indexes: HashMap<String, usize>,
    scenarios: Vec<String>,
    /// Of the requests that create and that look up what was created, where the contest has such.
    creation: Option<usize>,
    lookup: Option<usize>,
    seconds: BTreeMap<u32, Bucket>,
    answers: u64,
    failed: u64,
    errors: Errors,
    /// Since the last snapshot.
    recent: Vec<Millis>,
}

#[derive(Debug, Default)]
struct Requests {
    durations: Vec<Millis>,
    failed: u64,
}

impl SimulationLog {
    /// Nothing read yet; only names of `contest` may come.
    #[must_use]
    pub fn new(contest: &Contest, arrivals: &Arrivals) -> Self {
        let mut requests: Vec<(String, Requests)> = Vec::new();
        let (mut creation, mut lookup) = (None, None);
        for request in contest.requests() {
            let index = requests.iter().position(|(name, _)| *name == request.name).unwrap_or_else(|| {
                requests.push((request.name.clone(), Requests::default()));
                requests.len() - 1
            });
            if request.body.as_deref() == Some("payload") {
                creation = Some(index);
            }
            if request.path.contains("{location}") {
                lookup = Some(index);
            }
        }
        let indexes = requests.iter().enumerate().map(|(index, (name, _))| (name.clone(), index)).collect();
        Self {
            run_ms: None,
            begin_ms: None,
            begins_with_a_user: arrivals.scenarios.iter().any(ScenarioArrivals::begins_with_a_user),
            last_end_ms: 0,
            users_started: 0,
            users_ended: 0,
            requests,
            indexes,
            scenarios: contest.load.scenarios.iter().map(|scenario| scenario.name.clone()).collect(),
            creation,
            lookup,
            seconds: BTreeMap::new(),
            answers: 0,
            failed: 0,
            errors: Errors::default(),
            recent: Vec::new(),
        }
    }

    /// Takes one line without its end.
    ///
    /// # Errors
    /// It is not a line of Gatling 3.9.5, or has a name that the contest has not.
    pub fn line(&mut self, line: &str) -> Result<()> {
        let fields: Vec<&str> = line.split('\t').collect();
        let known = match fields[..] {
            ["RUN", _, _, at_ms, _, _] => {
                self.run_ms = at_ms.parse().ok();
                self.run_ms.is_some()
            }
            ["USER", scenario, event, at_ms] => self.user(scenario, event, at_ms)?,
            ["REQUEST", _, name, start_ms, end_ms, outcome, message] => {
                self.request(name, start_ms, end_ms, outcome, message.trim())?
            }
            ["ERROR", message, _] => {
                self.errors.add(message.trim(), 1);
                true
            }
            ["ASSERTION", ..] => true,
            _ => false,
        };
        ensure!(known, "not a line of Gatling 3.9.5: {line:?}");
        Ok(())
    }

    fn user(&mut self, scenario: &str, event: &str, at_ms: &str) -> Result<bool> {
        ensure!(
            self.scenarios.iter().any(|known| known == scenario),
            "scenario {scenario:?} is not in the contest, whose scenarios are {:?}",
            self.scenarios
        );
        let Ok(at_ms) = at_ms.parse() else { return Ok(false) };
        match event {
            "START" => {
                let begin_ms = if self.begins_with_a_user { None } else { self.run_ms };
                self.begin_ms.get_or_insert(begin_ms.unwrap_or(at_ms));
                self.users_started += 1;
                self.bucket(at_ms)?.started += 1;
            }
            "END" => {
                self.users_ended += 1;
                self.last_end_ms = self.last_end_ms.max(at_ms);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn request(&mut self, name: &str, start: &str, end: &str, outcome: &str, message: &str) -> Result<bool> {
        let Some(&index) = self.indexes.get(name) else {
            bail!("request {name:?} is not in the contest, whose requests are {:?}", self.names())
        };
        let (Ok(start_ms), Ok(end_ms)) = (start.parse::<u64>(), end.parse::<u64>()) else { return Ok(false) };
        let failed = match outcome {
            "OK" => false,
            "KO" => true,
            _ => return Ok(false),
        };
        let Some(duration) = end_ms.checked_sub(start_ms).and_then(|ms| Millis::try_from(ms).ok()) else {
            return Ok(false);
        };
        // A failure whose message is that of a check is an answer; others are timeouts and broken
        // connections.
        let answered = !failed || message.contains(".find");
        let requests = &mut self.requests[index].1;
        requests.durations.push(duration);
        requests.failed += u64::from(failed);
        let bucket = self.bucket(end_ms)?;
        bucket.durations.push(duration);
        bucket.answers += u64::from(answered);
        bucket.failed += u64::from(failed);
        self.recent.push(duration);
        self.answers += u64::from(answered);
        self.failed += u64::from(failed);
        self.last_end_ms = self.last_end_ms.max(end_ms);
        if failed {
            self.errors.add(&format!("{name}: {message}"), 1);
        }
        Ok(true)
    }

    fn bucket(&mut self, at_ms: u64) -> Result<&mut Bucket> {
        // Users of different scenarios are not written in order, so one may be a little earlier than the
        // first.
        let seconds = at_ms.saturating_sub(self.begin_ms.unwrap_or(at_ms)) / 1_000;
        let second = u32::try_from(seconds).ok().filter(|&second| second <= MAX_SECONDS);
        let second =
            second.with_context(|| format!("{seconds} s after the first user: at most {MAX_SECONDS}"))?;
        Ok(self.seconds.entry(second).or_default())
    }

    fn names(&self) -> Vec<&str> {
        self.requests.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// Whether each user who started has ended; not so in a run that was killed, whose last lines Gatling
    /// loses.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.users_started > 0 && self.users_started == self.users_ended
    }

    /// From the first user's start to the last answer, in seconds since 1970.
    #[must_use]
    pub fn span(&self) -> Option<(f64, f64)> {
        let first = self.begin_ms?;
        Some((first as f64 / 1_000.0, self.last_end_ms.max(first) as f64 / 1_000.0))
    }

    /// How far it is, at `now` in seconds since 1970. None before the first user.
    pub fn snapshot(&mut self, arrivals: &Arrivals, now: f64) -> Option<Snapshot> {
        let since = now - self.span()?.0;
        self.recent.sort_unstable();
        let p99_ms = nearest_rank(&self.recent, 990).map(f64::from);
        self.recent.clear();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let second = since as u32; // saturates
        Some(Snapshot {
            second,
            asked: arrivals.users_until(since),
            started: self.users_started,
            answers: self.answers,
            failed: self.failed,
            p99_ms,
        })
    }

    /// The simulation looks up after a 201 with a `Location`, and only then.
    #[must_use]
    pub fn creations(&self) -> Creations {
        let of = |index: Option<usize>| index.and_then(|index| self.requests.get(index)).map(|(_, of)| of);
        let count = |of: Option<&Requests>| of.map_or(0, |of| of.durations.len() as u64);
        let creation = of(self.creation);
        Creations::Counted {
            sent: count(creation),
            acknowledged: count(of(self.lookup)),
            failed: creation.map_or(0, |of| of.failed),
        }
    }

    /// All figures and the seconds. Fails for a file that never was a log.
    ///
    /// # Errors
    /// No line said that a run began.
    pub fn figures(mut self, arrivals: &Arrivals) -> Result<(LoadFigures, Vec<Second>)> {
        ensure!(self.run_ms.is_some(), "has no RUN line, so it is not a simulation.log of Gatling 3.9.5");
        let begin_ms = self.begin_ms.unwrap_or(self.last_end_ms);
        let seconds = self.last_end_ms.saturating_sub(begin_ms) as f64 / 1_000.0;
        let mut all: Vec<Millis> = self.requests.iter().flat_map(|(_, of)| &of.durations).copied().collect();
        let total = request_figures(&mut all, self.failed);
        let requests = self.requests.iter_mut();
        let figures = LoadFigures {
            seconds,
            users_asked: arrivals.users(),
            users_started: self.users_started,
            total,
            requests: requests
                .map(|(name, of)| (name.clone(), request_figures(&mut of.durations, of.failed)))
                .collect(),
            errors: self.errors.most_frequent(),
        };
        Ok((figures, series(&mut self.seconds, arrivals)))
    }
}

/// Follows a log that may not be there yet.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: File,
    /// Of a line whose end is not written yet.
    partial: Vec<u8>,
    lines: u64,
}

impl Tail {
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        Ok(Self { path: path.to_path_buf(), file, partial: Vec::new(), lines: 0 })
    }

    /// Gives `log` all lines whose ends are written. What follows the last of them is left for the next time:
    /// of a run that was killed it stays there forever, cut off anywhere.
    ///
    /// # Errors
    /// Reading failed, or a line is none of Gatling's; names the file and the line.
    pub fn read(&mut self, log: &mut SimulationLog) -> Result<()> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let length = self.file.read(&mut chunk).with_context(|| self.path.display().to_string())?;
            if length == 0 {
                return Ok(());
            }
            self.partial.extend_from_slice(&chunk[..length]);
            let mut begin = 0;
            while let Some(end) = self.partial[begin..].iter().position(|&byte| byte == b'\n') {
                self.lines += 1;
                let line = String::from_utf8_lossy(&self.partial[begin..begin + end]);
                log.line(&line).with_context(|| format!("{}:{}", self.path.display(), self.lines))?;
                begin += end + 1;
            }
            self.partial.drain(..begin);
            ensure!(self.partial.len() <= MAX_LINE_BYTES, "{}: a line without an end", self.path.display());
        }
    }
}
