//! `pouco-lab experiment`.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail};
use pouco_lab::cli::{Experiment as Options, Sent};
use pouco_lab::drivers::{self, Driver};
use pouco_lab::experiment::{Experiment, Measured, Watched, names};
use pouco_lab::record::{Record, Status};
use pouco_lab::runner::{self, Settings};
use pouco_lab::view::{Output, View};
use pouco_lab::{machine, report};

use super::feeds::{feeds, seed, with_load};
use super::run::{command, entrants, new_folder};
use super::{Places, stop_flag};

/// What a bench has measured, in a record's folder.
const BENCH: &str = "bench.json";

pub(crate) fn run(places: &Places, options: &Options) -> Result<bool> {
    let files = options.experiments.clone().unwrap_or_else(|| places.top.join("lab/experiments"));
    let Some(name) = &options.name else {
        for name in names(&files)? {
            writeln!(Output, "{name}: {}", Experiment::read(&files, &name)?.title)?;
        }
        return Ok(true);
    };
    let experiment = Experiment::read(&files, name)?;
    let folder = options.out.clone().unwrap_or_else(|| new_folder(&format!("experiment-{name}")));
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let stop = stop_flag()?;
    let record = runs(places, options, &experiment, &folder, &stop)?;
    super::report(Some(&folder))?;
    let interrupted = || stop.load(Ordering::Relaxed);
    let measured = match &experiment.bench {
        Some(bench) if !interrupted() => bench_of(places, &folder, bench),
        _ => Ok(Vec::new()),
    };
    tell(&experiment, &record, measured.as_deref().unwrap_or_default(), &folder)?;
    measured?;
    let all_valid = record.attempts.iter().all(|attempt| attempt.verdict.status == Status::Valid);
    Ok(all_valid && !record.attempts.is_empty() && !interrupted())
}

/// All rounds of all points. Those that are in the folder's record already are not run again.
fn runs(
    places: &Places,
    options: &Options,
    experiment: &Experiment,
    folder: &Path,
    stop: &std::sync::atomic::AtomicBool,
) -> Result<Record> {
    let seconds = Some(options.seconds.unwrap_or(experiment.seconds));
    let sent = Sent {
        load: Some(experiment.load.clone()),
        scale: 1.0,
        seconds,
        find_limit: false,
        seed: None,
        payloads: None,
        terms: None,
    };
    let contest = experiment.of(with_load(places.contest(&experiment.contest)?, &sent, None)?);
    // The files live as long as the second of these.
    let (feeds, _files) = feeds(places, &contest, &sent)?;
    let of_line = |line: &pouco_lab::experiment::Variation| {
        let mode = line.mode.as_ref().map_or_else(String::new, |mode| format!(":{mode}"));
        let mut found = entrants(places, &contest, &[line.contestant.clone() + &mode])?;
        let entrant = found.pop();
        entrant.with_context(|| format!("{} does not take part in {}", line.contestant, experiment.load))
    };
    let mut taking_part = experiment.entrants(machine::machine()?.cores, &of_line)?;
    let known: Vec<String> = taking_part.iter().map(runner::Entrant::id).collect();
    if let Some(unknown) = options.only.iter().find(|only| !known.contains(only)) {
        bail!("no point {unknown} in {}; there are: {}", experiment.name, known.join(", "));
    }
    taking_part.retain(|entrant| options.only.is_empty() || options.only.contains(&entrant.id()));
    let load: Box<dyn Driver> = Box::new(drivers::Native);
    let settings = Settings {
        top: places.top.clone(),
        entrants: taking_part,
        times: options.times.unwrap_or(experiment.times),
        scale: sent.scale,
        seconds: sent.seconds,
        seed: seed(&contest, &sent),
        driver: Rc::new(Watched::new(experiment, load)),
        feeds,
        folder: folder.to_path_buf(),
        complete: true,
        find_limit: false,
        kill: false,
        build: !options.no_build,
        command: command(),
        contest,
    };
    runner::run(&settings, stop, &mut View::default())
}

/// Runs it, and keeps what it has measured.
fn bench_of(places: &Places, folder: &Path, bench: &pouco_lab::experiment::Bench) -> Result<Vec<Measured>> {
    pouco_lab::view::say(&format!("pouco-lab: {}", bench.command.join(" ")));
    let measured = bench.run(&places.top)?;
    let file = folder.join(BENCH);
    let text = serde_json::to_string_pretty(&measured)? + "\n";
    fs::write(&file, text).with_context(|| file.display().to_string())?;
    Ok(measured)
}

fn tell(experiment: &Experiment, record: &Record, measured: &[Measured], folder: &Path) -> Result<()> {
    let (page, text) = report::experiment(experiment, record, measured);
    for (name, content) in [("experiment.html", &page), ("experiment.md", &text)] {
        let file = folder.join(name);
        fs::write(&file, content).with_context(|| file.display().to_string())?;
        writeln!(Output, "{}", file.display())?;
    }
    writeln!(Output, "\n{text}")?;
    Ok(())
}
