//! The order of things in a contest: contestants take turns, round by round; each is started twice, proven,
//! checked, loaded, judged, killed and judged again ([`attempt`]), or loaded more and more until it no longer
//! keeps up ([`capacity`]).
//!
//! What may not enter: how anything of that is done. This room only says what comes after what, and writes it
//! down at once, so that a run that is cut short keeps what it has.

mod aside;
pub mod attempt;
pub mod capacity;
mod data;
mod going_on;
pub mod kill;
mod kill_shop;
pub mod logins;
mod planned;
pub mod proof;
mod scenario;
pub mod settle;
mod shop;
mod up;
mod visible;
mod watch;
mod work;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use self::planned::planned;
pub use self::up::up;
use crate::contest::Contest;
use crate::contestant::Contestant;
use crate::drivers::Driver;
use crate::lines::Lines;
use crate::live::{Ended, Event, Key};
use crate::load::Rule;
use crate::machine;
use crate::record::{Attempt, Capacity, Entry, Record, SCHEMA, Status};
use crate::stack;
use crate::view::View;

/// What is asked of a run.
#[derive(Clone)]
pub struct Settings {
    /// The repository.
    pub top: PathBuf,
    /// Which contest.
    pub contest: Contest,
    /// Who, and how.
    pub entrants: Vec<Entrant>,
    /// Rounds.
    pub times: u32,
    /// Multiple of the contest's rates.
    pub scale: f64,
    /// A form of another length.
    pub seconds: Option<u32>,
    /// Of payloads, terms and pauses.
    pub seed: u64,
    /// Who generates the load.
    pub driver: Rc<dyn Driver>,
    /// Payloads and terms.
    pub feeds: Feeds,
    /// Where the record goes.
    pub folder: PathBuf,
    /// Rounds that are in the folder's record already are of those that are asked for, and not run again.
    pub complete: bool,
    /// Search the largest scale instead of running the contest.
    pub find_limit: bool,
    /// Kill everything at the end of an attempt.
    pub kill: bool,
    /// Make images first.
    pub build: bool,
    /// What was typed.
    pub command: String,
}

/// A contestant in a mode.
#[derive(Clone)]
pub struct Entrant {
    /// Who.
    pub contestant: Contestant,
    /// How.
    pub mode: String,
    /// In which form of the load, where it has several.
    pub variant: Option<String>,
}

/// What is sent.
#[derive(Clone)]
pub struct Feeds {
    /// The file of bodies, and the bodies.
    pub payloads_file: PathBuf,
    #[allow(missing_docs)]
    pub payloads: Arc<Lines>,
    /// The file of search terms, and the terms.
    pub terms_file: PathBuf,
    #[allow(missing_docs)]
    pub terms: Arc<Lines>,
}

impl Settings {
    /// The same for one who takes part in a variant of the load.
    fn of(&self, entrant: &Entrant) -> Result<Self> {
        let mut settings = self.clone();
        settings.contest = settings.contest.of_variant(entrant.variant.as_deref())?;
        Ok(settings)
    }
}

impl Feeds {
    /// For [`Record::feeds`].
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("{:016x}-{:016x}", self.payloads.fingerprint(), self.terms.fingerprint())
    }
}

impl Entrant {
    /// `NAME`, or `NAME:MODE` where the mode is not the contestant's default; of a variant `…@VARIANT`.
    #[must_use]
    pub fn id(&self) -> String {
        let name = &self.contestant.name;
        let mut id = name.clone();
        if self.mode != self.contestant.default_mode {
            id = format!("{name}:{}", self.mode);
        }
        self.variant.iter().fold(id, |id, variant| format!("{id}@{variant}"))
    }

    fn entry(&self, contest: &Contest) -> Entry {
        let it = &self.contestant;
        let variant = self.variant.clone();
        let unranked =
            contest.load.variants.iter().any(|it| it.unranked && Some(&it.name) == variant.as_ref());
        Entry {
            id: self.id(),
            name: it.name.clone(),
            mode: self.mode.clone(),
            variant,
            unranked,
            acknowledges: it.modes[&self.mode].acknowledges,
            title: it.title.clone(),
            language: it.language.clone(),
            about: it.about.clone(),
            versions: it.versions.clone(),
        }
    }
}

/// Runs it, and returns what was seen. The record is in the folder after every attempt.
///
/// # Errors
/// The record cannot be written, or a contestant may not enter the contest. What fails while a contestant
/// runs is written into the record, and the contest goes on.
pub fn run(settings: &Settings, stop: &AtomicBool, view: &mut View) -> Result<Record> {
    for entrant in &settings.entrants {
        entrant.contestant.may_enter(&settings.contest)?;
    }
    let mut record = begin(settings)?;
    let unbuilt = if settings.build { build(settings, stop, view) } else { BTreeMap::new() };
    let ids: Vec<String> = settings.entrants.iter().map(Entrant::id).collect();
    for (place, round) in planned::turns(&record.attempts, &ids, settings.times, settings.complete) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let (entrant, reason) = (&settings.entrants[place], unbuilt.get(&ids[place]));
        let key = || Key { load: settings.contest.load_name.clone(), contestant: ids[place].clone(), round };
        view.tell(|| Event::Begins(key()));
        let Some(ended) = one(&settings.of(entrant)?, entrant, round, reason, &mut record, stop, view) else {
            break;
        };
        view.tell(|| Event::Ended(key(), ended));
        write(settings, &record)?;
    }
    finish(settings, record)
}

/// One attempt or search, which is in the record then; how it ended, or nothing where it was cut short: that
/// says nothing about the contestant. For a `reason` it cannot begin.
fn one(
    settings: &Settings,
    entrant: &Entrant,
    round: u32,
    reason: Option<&String>,
    record: &mut Record,
    stop: &AtomicBool,
    view: &mut View,
) -> Option<Ended> {
    let cut_short = || stop.load(Ordering::Relaxed);
    if settings.find_limit {
        view.heading(&entrant.id());
        let capacity = match reason {
            Some(reason) => not_searched(entrant, reason),
            None => capacity::search(settings, entrant, stop, view),
        };
        if cut_short() {
            return None;
        }
        let ended = planned::searched(&capacity);
        record.capacities.push(capacity);
        return Some(ended);
    }
    let attempt = match reason {
        Some(reason) => not_run(entrant, round, reason),
        None => {
            view.heading(&format!("{} {round}", entrant.id()));
            attempt::run(settings, entrant, round, stop, view)
        }
    };
    if cut_short() {
        return None;
    }
    record.attempts.push(attempt);
    record.attempts.last().map(|attempt| planned::ended(record, attempt))
}

/// Makes everybody's images before the first attempt, so that no build runs beside one. Returns who could not
/// be built, and why: that is no reason for the others not to run.
fn build(settings: &Settings, stop: &AtomicBool, view: &mut View) -> BTreeMap<String, String> {
    let mut unbuilt = BTreeMap::new();
    for entrant in &settings.entrants {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        view.heading(&entrant.id());
        view.step("building its images");
        let built = stack::open(&settings.contest, &entrant.contestant, &entrant.mode)
            .and_then(|mut stack| stack.build());
        if let Err(error) = built {
            let reason = format!("its images could not be built: {error:#}");
            view.step(&reason);
            unbuilt.insert(entrant.id(), reason);
        }
    }
    unbuilt
}

fn begin(settings: &Settings) -> Result<Record> {
    let mut record = match read(&settings.folder)? {
        Some(record) => going_on::continued(settings, record)?,
        None => Record {
            schema: SCHEMA.to_owned(),
            contest: settings.contest.name.clone(),
            oracle: Some(settings.contest.oracle.name().to_owned()),
            title: settings.contest.title.clone(),
            command: String::new(),
            commit: commit(&settings.top),
            started_at: now(),
            ended_at: None,
            tool: settings.driver.name().to_owned(),
            scale: settings.scale,
            seed: settings.seed,
            seconds: settings.seconds,
            feeds: Some(settings.feeds.fingerprint()),
            kill: Some(settings.kill),
            budget: settings.contest.budget.clone(),
            budget_name: settings.contest.budget_name.clone(),
            load_name: settings.contest.load_name.clone(),
            machine: machine::machine()?,
            versions: BTreeMap::new(),
            contestants: Vec::new(),
            attempts: Vec::new(),
            capacities: Vec::new(),
        },
    };
    if !record.command.is_empty() {
        record.command.push_str(" && ");
    }
    record.command.push_str(&settings.command);
    record.versions.extend(machine::versions(None));
    record.versions.insert(settings.driver.name().to_owned(), settings.driver.version()?);
    for entrant in &settings.entrants {
        if !record.contestants.iter().any(|entry| entry.id == entrant.id()) {
            record.contestants.push(entrant.entry(&settings.contest));
        }
    }
    write(settings, &record)?;
    Ok(record)
}

fn finish(settings: &Settings, mut record: Record) -> Result<Record> {
    record.ended_at = Some(now());
    write(settings, &record)?;
    Ok(record)
}

/// The record in `folder`, if there is one.
///
/// # Errors
/// There is one that cannot be read.
pub fn read(folder: &Path) -> Result<Option<Record>> {
    crate::archive::read(folder)
}

/// Race window: a run may be cut off at any moment; the rename leaves either the former record or this one.
fn write(settings: &Settings, record: &Record) -> Result<()> {
    fs::create_dir_all(&settings.folder).with_context(|| settings.folder.display().to_string())?;
    let file = settings.folder.join("record.json");
    let unfinished = settings.folder.join("record.json.unfinished");
    let text = serde_json::to_string_pretty(record)? + "\n";
    let written = fs::write(&unfinished, text).and_then(|()| fs::rename(&unfinished, &file));
    if written.is_err() {
        // On a full disk it is in the way of others. What was written before is as it was.
        let _ = fs::remove_file(&unfinished);
    }
    written.with_context(|| format!("{} cannot be written, and stays as it was", file.display()))
}

/// The moment, as records have it.
#[must_use]
pub fn now() -> String {
    let now = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    now.format(&Rfc3339).unwrap_or_default()
}

/// What is checked out in `top`, and whether it was changed since.
pub(crate) fn commit(top: &Path) -> String {
    let mut git = std::process::Command::new("git");
    git.arg("-C").arg(top).args(["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]);
    // What was done before an interruption is this commit's all the same.
    let answer = crate::command::unstopped(&mut git, std::time::Duration::from_secs(10));
    answer.map(|text| text.trim().to_owned()).unwrap_or_else(|_| "unknown".to_owned())
}

/// An attempt that has only begun.
fn begun(entrant: &Entrant, round: u32) -> Attempt {
    Attempt { contestant: entrant.id(), round, started_at: now(), ..Attempt::default() }
}

/// An attempt that could not begin.
fn not_run(entrant: &Entrant, round: u32, reason: &str) -> Attempt {
    let mut attempt = begun(entrant, round);
    attempt.verdict.status = Status::Failed;
    attempt.verdict.reasons.push(reason.to_owned());
    attempt
}

/// A search that could not begin.
fn not_searched(entrant: &Entrant, reason: &str) -> Capacity {
    Capacity {
        contestant: entrant.id(),
        started_at: now(),
        rule: Rule::FIND_LIMIT.words(),
        reasons: vec![reason.to_owned()],
        ..Capacity::default()
    }
}
