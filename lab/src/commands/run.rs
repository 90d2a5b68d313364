//! `pouco-lab run`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use anyhow::{Result, bail, ensure};
use pouco_lab::cli::{Run, Tool};
use pouco_lab::contest::Contest;
use pouco_lab::contestant::Contestant;
use pouco_lab::drivers::{self, Driver};
use pouco_lab::record::{Record, Status};
use pouco_lab::runner::{self, Entrant, Settings};
use pouco_lab::view::{Output, View};

use super::feeds::feeds;
use super::{Places, RESULTS, stop_flag};

pub(crate) fn run(places: &Places, options: &Run) -> Result<bool> {
    ensure!(options.scale > 0.0 && options.scale.is_finite(), "--scale {}: must be above 0", options.scale);
    let contest = places.contest(&options.contest)?.within(options.budget.as_deref())?;
    let contest = contest.with_load(options.load.as_deref())?;
    let seed = options.seed.unwrap_or(contest.load.seed);
    let folder = options.out.clone().unwrap_or_else(|| new_folder(&contest.name));
    std::fs::create_dir_all(&folder)?;
    let rows = payload_rows(&contest, options.scale, options.seconds, options.find_limit)?;
    // The files live as long as the second of these.
    let (feeds, _files) =
        feeds(places, &contest, seed, rows, options.payloads.as_deref(), options.terms.as_deref())?;
    let settings = Settings {
        top: places.top.clone(),
        entrants: entrants(places, &contest, &options.contestant)?,
        times: options.times,
        scale: options.scale,
        seconds: options.seconds,
        seed,
        driver: driver(places, options, &contest)?,
        feeds,
        folder: folder.clone(),
        find_limit: options.find_limit,
        kill: !options.no_kill && contest.kill.is_some(),
        build: !options.no_build,
        command: std::env::args().skip(1).fold("pouco-lab".to_owned(), |all, word| all + " " + &word),
        contest,
    };
    let stop = stop_flag()?;
    let record = runner::run(&settings, &stop, &mut View::default())?;
    super::report(Some(&folder))?;
    let report = pouco_lab::report::markdown(&record);
    // Who won what, and the ranking; the rest is for files.
    let end = ["\n## Answer times", "\n## Rows"].iter().filter_map(|heading| report.find(heading)).min();
    writeln!(Output, "{}", &report[..end.unwrap_or(report.len())])?;
    Ok(good(&record) && !stop.load(Ordering::Relaxed))
}

/// Every attempt ended, and its figures may be compared. That a contestant loses rows is a result and no failure.
fn good(record: &Record) -> bool {
    record.attempts.iter().all(|attempt| attempt.verdict.status == Status::Valid)
        && record.capacities.iter().all(|capacity| capacity.reasons.is_empty())
}

/// Those who are asked for, as they are in the contest's budget; everybody where nobody is.
pub(crate) fn entrants(places: &Places, contest: &Contest, asked: &[String]) -> Result<Vec<Entrant>> {
    let budget = contest.budget_name.as_deref();
    let all: Vec<Contestant> =
        places.contestants(&contest.name)?.into_iter().map(|contestant| contestant.within(budget)).collect();
    if asked.is_empty() {
        return Ok(all.into_iter().map(by_default).collect());
    }
    let mut entrants: Vec<Entrant> = Vec::new();
    for word in asked {
        let (name, mode) =
            word.split_once(':').map_or((word.as_str(), None), |(name, mode)| (name, Some(mode)));
        let Some(contestant) = all.iter().find(|it| it.name == name).cloned() else {
            let names: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
            bail!("no contestant {name} in {}; there are: {}", contest.name, names.join(", "));
        };
        let mut entrant = by_default(contestant);
        if let Some(mode) = mode {
            let modes: Vec<&str> = entrant.contestant.modes.keys().map(String::as_str).collect();
            ensure!(modes.contains(&mode), "{name} has no mode {mode}; there are: {}", modes.join(", "));
            mode.clone_into(&mut entrant.mode);
        }
        ensure!(!entrants.iter().any(|it| it.id() == entrant.id()), "{word} is named twice");
        entrants.push(entrant);
    }
    Ok(entrants)
}

fn by_default(contestant: Contestant) -> Entrant {
    Entrant { mode: contestant.default_mode.clone(), contestant }
}

fn driver(places: &Places, options: &Run, contest: &Contest) -> Result<Box<dyn Driver>> {
    let tool = options.tool.unwrap_or(match (options.find_limit, &contest.gatling) {
        (true, _) => Tool::Native,
        _ if contest.is_shop() => Tool::Native,
        (false, Some(_)) => Tool::Gatling,
        (false, None) => Tool::K6,
    });
    let shop = contest.is_shop();
    ensure!(
        !shop || matches!(tool, Tool::Native),
        "{}: the native generator alone can send it",
        contest.name
    );
    ensure!(!shop || !options.find_limit, "{}: there is no search for its limit", contest.name);
    ensure!(!options.find_limit || matches!(tool, Tool::Native), "--find-limit needs the native generator");
    ensure!(!options.k6_in_container || matches!(tool, Tool::K6), "--k6-in-container is for k6 (--tool k6)");
    Ok(match tool {
        Tool::Gatling => Box::new(drivers::Gatling::find(None)?),
        Tool::K6 if options.k6_in_container => Box::new(drivers::K6::in_container(&places.top)?),
        Tool::K6 => Box::new(drivers::K6::find(None)?),
        Tool::Native => Box::new(drivers::Native),
    })
}

/// A search for the largest scale sends this many before the lines begin again, and their nicks are taken.
const PAYLOADS_OF_A_SEARCH: u32 = 1_500_000;

/// How many payloads are needed, so that no nick is sent twice but where the payloads themselves mean it.
pub(crate) fn payload_rows(
    contest: &Contest,
    scale: f64,
    seconds: Option<u32>,
    find_limit: bool,
) -> Result<u32> {
    if find_limit { Ok(PAYLOADS_OF_A_SEARCH) } else { drivers::payload_rows(contest, scale, seconds) }
}

/// `lab-results/CONTEST-YYYYMMDD-HHMMSS`.
fn new_folder(contest: &str) -> PathBuf {
    let time: String = runner::now().chars().filter(|c| c.is_ascii_digit() || *c == 'T').collect();
    Path::new(RESULTS).join(format!("{contest}-{}", time.replace('T', "-")))
}
