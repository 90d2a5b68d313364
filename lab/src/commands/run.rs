//! `pouco-lab run`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use pouco_lab::cli::{Run, Tool};
use pouco_lab::contest::{Contest, Variant};
use pouco_lab::contestant::Contestant;
use pouco_lab::drivers::{self, Driver};
use pouco_lab::live::{Campaign, Event, Live};
use pouco_lab::record::{Record, Status};
use pouco_lab::runner::{self, Entrant, Settings};
use pouco_lab::view::{self, Output, View};

use super::feeds::{feeds, of_tool, seed, with_load};
use super::told::{refuse_told, told};
use super::{Places, RESULTS, series, stop_flag};

pub(crate) fn run(places: &Places, options: &Run) -> Result<bool> {
    let contest = places.contest(&options.contest)?.within(options.budget.as_deref())?;
    let folder = options.out.clone().unwrap_or_else(|| new_folder(&contest.name));
    let loads = taken(places, loads(contest, options, &folder)?, options)?;
    let is_series = loads.iter().any(|load| load.of_series);
    let mut view = View::default();
    // It is served until all is told.
    let _page = options.serve.map(|address| page(places, options, &loads, address, &mut view)).transpose()?;
    let stop = stop_flag()?;
    let mut records = Vec::new();
    for load in loads {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        // All loads have the same images.
        let build = !options.no_build && records.is_empty();
        records.push(one(places, options, load, build, &stop, &mut view)?);
    }
    if is_series {
        series::tell(&folder, &records)?;
    }
    Ok(records.iter().all(good) && !stop.load(Ordering::Relaxed))
}

/// One of the loads that are run, each with a record of its own.
struct OneLoad {
    contest: Contest,
    folder: PathBuf,
    /// Rounds that are in the folder's record already count among those that are asked for.
    of_series: bool,
}

/// Those that are asked for, in their order.
fn loads(contest: Contest, options: &Run, folder: &Path) -> Result<Vec<OneLoad>> {
    let Some(names) = series::chosen(&contest, options)? else {
        let mut contest = of_tool(contest, options.tool, &options.sent)?;
        chosen(&mut contest, &options.variant)?;
        return Ok(vec![OneLoad { contest, folder: folder.to_path_buf(), of_series: false }]);
    };
    let named = |name: String| {
        let mut contest = with_load(contest.clone(), &options.sent, Some(&name))?;
        chosen(&mut contest, &options.variant)?;
        Ok(OneLoad { contest, folder: folder.join(name), of_series: true })
    };
    names.into_iter().map(named).collect()
}

/// Leaves the variants that are asked for.
fn chosen(contest: &mut Contest, asked: &[String]) -> Result<()> {
    for name in asked {
        // A name that is none is told with those that there are.
        contest.clone().of_variant(Some(name))?;
    }
    contest.load.variants.retain(|variant| asked.is_empty() || asked.contains(&variant.name));
    Ok(())
}

/// Those in which somebody takes part.
fn taken(places: &Places, all: Vec<OneLoad>, options: &Run) -> Result<Vec<OneLoad>> {
    let mut taken = Vec::new();
    for load in all {
        let nobody =
            load.contest.load.optional && entrants(places, &load.contest, &options.contestant)?.is_empty();
        match load.contest.load_name.as_deref().filter(|_| nobody) {
            Some(name) => {
                view::say(&format!("pouco-lab: none of the selected contestants takes part in {name}"));
            }
            None => taken.push(load),
        }
    }
    ensure!(!taken.is_empty(), "nobody takes part");
    Ok(taken)
}

/// Serves the page, and tells it all that will be done.
fn page(
    places: &Places,
    options: &Run,
    loads: &[OneLoad],
    address: SocketAddr,
    view: &mut View,
) -> Result<Live> {
    let mut planned = Vec::new();
    let mut campaign = Campaign { command: command(), ..Campaign::default() };
    for load in loads {
        let contest = &load.contest;
        let ids: Vec<String> =
            entrants(places, contest, &options.contestant)?.iter().map(Entrant::id).collect();
        let (rounds, sent) = ((options.times, load.of_series), &options.sent);
        let of_load = runner::planned(contest, &load.folder, &ids, rounds, sent.seconds, sent.find_limit)?;
        planned.extend(of_load);
        campaign.title.clone_from(&contest.title);
        campaign.budget.clone_from(&contest.budget);
        campaign.tool =
            tool(options, contest).to_possible_value().map_or(String::new(), |it| it.get_name().to_owned());
    }
    let live = Live::start(address)?;
    view::say(&format!("pouco-lab: how it goes is on http://{}/", live.address()));
    view.show_on(live.teller());
    view.tell(|| Event::Planned(campaign, planned));
    Ok(live)
}

/// What was typed.
pub(super) fn command() -> String {
    std::env::args().skip(1).fold("pouco-lab".to_owned(), |all, word| all + " " + &word)
}

/// Runs one load of a contest, and shows what came of it.
fn one(
    places: &Places,
    options: &Run,
    load: OneLoad,
    build: bool,
    stop: &AtomicBool,
    view: &mut View,
) -> Result<Record> {
    let OneLoad { contest, folder, of_series } = load;
    let sent = &options.sent;
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    // The files live as long as the second of these.
    let (feeds, _files) = feeds(places, &contest, sent)?;
    let settings = Settings {
        top: places.top.clone(),
        entrants: entrants(places, &contest, &options.contestant)?,
        times: options.times,
        scale: sent.scale,
        seconds: sent.seconds,
        seed: seed(&contest, sent),
        driver: driver(places, options, &contest)?.into(),
        feeds,
        folder: folder.clone(),
        complete: of_series,
        find_limit: sent.find_limit,
        kill: !options.no_kill && contest.kill.is_some(),
        build,
        command: command(),
        contest,
    };
    let record = runner::run(&settings, stop, view)?;
    super::report(Some(&folder))?;
    let report = pouco_lab::report::markdown(&record);
    // Who won what, and the ranking; the rest is for files.
    let end = ["\n## Answer times", "\n## Rows", "\n## Stock"]
        .iter()
        .filter_map(|heading| report.find(heading))
        .min();
    writeln!(Output, "{}", &report[..end.unwrap_or(report.len())])?;
    Ok(record)
}

/// Every attempt ended, and its figures may be compared. That a contestant loses rows is a result and no
/// failure.
fn good(record: &Record) -> bool {
    record.attempts.iter().all(|attempt| attempt.verdict.status == Status::Valid)
        && record.capacities.iter().all(|capacity| capacity.reasons.is_empty())
}

/// Those who are asked for and take part in the load, as they are in the contest's budget, each in all of the
/// load's variants; everybody where nobody is asked for.
pub(crate) fn entrants(places: &Places, contest: &Contest, asked: &[String]) -> Result<Vec<Entrant>> {
    let mut entrants = asked_for(places, contest, asked)?;
    entrants.retain(|entrant| entrant.contestant.takes_part(contest));
    if contest.load.variants.is_empty() {
        return Ok(entrants);
    }
    let of_all = |entrant: Entrant| {
        let of = move |it: &Variant| Entrant { variant: Some(it.name.clone()), ..entrant.clone() };
        contest.load.variants.iter().map(of)
    };
    Ok(entrants.into_iter().flat_map(of_all).collect())
}

fn asked_for(places: &Places, contest: &Contest, asked: &[String]) -> Result<Vec<Entrant>> {
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
    Entrant { mode: contestant.default_mode.clone(), contestant, variant: None }
}

/// JMeter, where it is asked for, or the load is one of its own.
fn jmeter(places: &Places, options: &Run, contest: &Contest) -> Result<Option<drivers::Jmeter>> {
    let asked = matches!(options.tool, Some(Tool::Jmeter));
    if contest.load.jmeter.is_none() {
        ensure!(!asked || contest.jmeter.is_some(), "contest {} has no plan for JMeter", contest.name);
        ensure!(!asked, "{}: JMeter has no plan for this load", contest.name);
        refuse_told(&options.told)?;
        return Ok(None);
    }
    ensure!(asked || options.tool.is_none(), "{}: JMeter alone can send this load", contest.name);
    ensure!(!options.sent.find_limit, "{}: there is no search for its limit", contest.name);
    ensure!(!options.k6_in_container, "--k6-in-container is for k6 (--tool k6)");
    Ok(Some(drivers::Jmeter::find(None, &places.top)?.telling(told(&options.told)?)))
}

/// The one that is asked for, otherwise the contest's own.
fn tool(options: &Run, contest: &Contest) -> Tool {
    options.tool.unwrap_or(match (options.sent.find_limit, &contest.gatling) {
        _ if contest.load.jmeter.is_some() => Tool::Jmeter,
        (true, _) => Tool::Native,
        _ if contest.load.shop.is_some() || contest.load.has_clients() => Tool::Native,
        (false, Some(_)) => Tool::Gatling,
        (false, None) => Tool::K6,
    })
}

fn driver(places: &Places, options: &Run, contest: &Contest) -> Result<Box<dyn Driver>> {
    if let Some(jmeter) = jmeter(places, options, contest)? {
        return Ok(Box::new(jmeter));
    }
    let find_limit = options.sent.find_limit;
    let tool = tool(options, contest);
    let name = &contest.name;
    let load = || contest.load_name.as_deref().unwrap_or("its load");
    let simulated = contest.gatling.is_some();
    ensure!(simulated || !matches!(tool, Tool::Gatling), "{name}: Gatling has no simulation of it");
    if contest.load.has_clients() {
        let refused = matches!(tool, Tool::K6) && !contest.oracle.by_endpoint();
        ensure!(!refused, "{name}: {} is of clients, and its script for k6 knows rates alone", load());
    }
    let native = matches!(tool, Tool::Native);
    ensure!(native || !contest.load.optional, "{name}: the native generator alone can send {}", load());
    ensure!(!find_limit || native, "--find-limit needs the native generator");
    ensure!(!options.k6_in_container || matches!(tool, Tool::K6), "--k6-in-container is for k6 (--tool k6)");
    Ok(match tool {
        Tool::Gatling => Box::new(drivers::Gatling::find(None)?),
        Tool::K6 if options.k6_in_container => Box::new(drivers::K6::in_container(&places.top)?),
        Tool::K6 => Box::new(drivers::K6::find(None)?),
        Tool::Native => Box::new(drivers::Native),
        Tool::Jmeter => bail!("{}: JMeter has no plan for this load", contest.name),
    })
}

/// `lab-results/CONTEST-YYYYMMDD-HHMMSS`.
pub(super) fn new_folder(contest: &str) -> PathBuf {
    let time: String = runner::now().chars().filter(|c| c.is_ascii_digit() || *c == 'T').collect();
    Path::new(RESULTS).join(format!("{contest}-{}", time.replace('T', "-")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::Parser;
    use pouco_lab::cli::{Cli, Command};

    use super::*;

    /// The name of the tool, or why there is none.
    fn tool(line: &str) -> String {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let words = ["pouco-lab", "run"].into_iter().chain(line.split(' '));
        let Command::Run(options) = Cli::parse_from(words).command else { panic!("{line}") };
        let contest = Contest::load(&top, &options.contest).unwrap();
        let places = Places { contests: top.join("lab/contests"), peers: top.join("peers"), top };
        match of_tool(contest, options.tool, &options.sent)
            .and_then(|contest| driver(&places, &options, &contest))
        {
            Ok(driver) => driver.name().to_owned(),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn a_series_is_the_native_generators() {
        assert_eq!(tool("scenarios"), "native");
        let refused = tool("scenarios --load 05-external-api --tool gatling");
        assert_eq!(refused, "scenarios: Gatling has no simulation of it");
    }

    #[test]
    fn a_load_of_clients_is_the_native_generators_and_has_no_limit() {
        assert_eq!(tool("inventory"), "native");
        assert_eq!(tool("inventory --find-limit"), "native");
        assert_eq!(tool("inventory --load flash-sale"), "native");
        let refused = tool("inventory --load flash-sale --find-limit");
        assert_eq!(refused, "inventory: --find-limit multiplies rates, and flash-sale is of clients");
        let refused = tool("inventory --load flash-sale --tool k6");
        assert_eq!(refused, "inventory: flash-sale is of clients, and its script for k6 knows rates alone");
        assert_eq!(tool("inventory --tool gatling"), "inventory: Gatling has no simulation of it");
    }
}
