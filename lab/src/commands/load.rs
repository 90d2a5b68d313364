//! `pouco-lab load`: a generator alone, against whatever listens: the native one, or JMeter.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use pouco_lab::cli::{Load, Tool};
use pouco_lab::contest::Contest;
use pouco_lab::drivers::{self, Driver, Jmeter, Job, KEPT};
use pouco_lab::load::{self, Connections, PLATEAU_SECONDS, Plan, Rule};
use pouco_lab::record::{Answers, Generator, LoadFigures, RequestFigures};
use pouco_lab::runner::Feeds;
use pouco_lab::shop::{self, Open};
use pouco_lab::view::{self, Output, Tick, View};

use super::feeds::{feeds, of_tool, seed};
use super::told::{refuse_told, told};
use super::{Places, stop_flag};

pub(crate) fn run(places: &Places, options: &Load) -> Result<bool> {
    let sent = &options.sent;
    let mut contest = of_tool(places.contest(&options.contest)?, options.tool, sent)?;
    if let Some(address) = &options.address {
        contest.url = format!("http://{address}");
    }
    let jmeter = jmeter(places, options, &contest)?;
    let (feeds, _files) = feeds(places, &contest, sent)?;
    let opening = contest.load.shop.map(|opening| shop::open(contest.address(), opening).map(Arc::new));
    let shop = opening.transpose()?;
    if let Some(jmeter) = jmeter {
        let job = job(&places.top, &contest, &feeds, options, shop.as_ref());
        return by_jmeter(&jmeter, &job, options);
    }
    let plan = planned(&places.top, &contest, &feeds, options, shop.as_ref())?;
    let stop = stop_flag()?;
    let mut view = View::default();
    view.heading(&contest.name);
    let mut loaded = |plan: &Plan| load::run(plan, &stop, &mut |now| view.tick(&tick(now)));
    if sent.find_limit {
        let seconds = sent.seconds.unwrap_or(PLATEAU_SECONDS);
        return find_limit(plan, sent.scale, seconds, &mut loaded);
    }
    let outcome = loaded(&plan)?;
    drop(view);
    let answers = outcome.answers.as_ref().map(Answers::told);
    print(options.json, &outcome.figures, answers.as_deref(), &outcome.generator, &outcome.warnings)?;
    Ok(outcome.figures.total.failed == 0 && !stop.load(Ordering::Relaxed))
}

fn print(
    json: bool,
    figures: &LoadFigures,
    answers: Option<&str>,
    generator: &Generator,
    warnings: &[String],
) -> Result<()> {
    if json {
        return Ok(writeln!(Output, "{}", serde_json::to_string_pretty(figures)?)?);
    }
    write!(Output, "{}", table(figures))?;
    if let Some(answers) = answers {
        writeln!(Output, "{answers}")?;
    }
    writeln!(
        Output,
        "the generator took {:.2} CPU s, {:.1} us a request",
        generator.cpu_seconds,
        generator.cpu_seconds * 1e6 / figures.total.count.max(1) as f64
    )?;
    for warning in generator.bottleneck.iter().chain(warnings) {
        writeln!(Output, "warning: {warning}")?;
    }
    Ok(())
}

/// JMeter, where it is asked for, or the load is one of its own.
fn jmeter(places: &Places, options: &Load, contest: &Contest) -> Result<Option<Jmeter>> {
    let name = &contest.name;
    let asked = matches!(options.tool, Some(Tool::Jmeter));
    if let Some(Tool::Gatling | Tool::K6) = options.tool {
        bail!("--tool: native or jmeter loads what runs already");
    }
    if contest.load.jmeter.is_none() {
        ensure!(!asked, "{name}: JMeter has no plan for this load");
        ensure!(options.out.is_none(), "--out is for JMeter (--tool jmeter)");
        refuse_told(&options.told)?;
        return Ok(None);
    }
    ensure!(asked || options.tool.is_none(), "{name}: JMeter alone can send this load");
    ensure!(!options.sent.find_limit, "{name}: there is no search for its limit");
    ensure!(options.connections.is_none(), "--connections: each of JMeter's threads keeps one");
    Ok(Some(Jmeter::find(None, &places.top)?.telling(told(&options.told)?)))
}

/// Nothing is metered and nothing that is stored is judged; a sample that failed behind a 2xx is told.
fn by_jmeter(jmeter: &Jmeter, job: &Job<'_>, options: &Load) -> Result<bool> {
    let folder = options.out.as_deref();
    if let Some(folder) = folder {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let mut within = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        ensure!(within.next().is_none(), "--out {}: there is something in it", folder.display());
    }
    let scratch = tempfile::Builder::new().prefix(".raw-").tempdir_in(folder.unwrap_or(&env::temp_dir()))?;
    let stop = stop_flag()?;
    let mut view = View::default();
    view.heading(&job.contest.name);
    let seconds = job.seconds.map_or(job.contest.seconds(), f64::from);
    let mut former = drivers::Snapshot::default();
    let outcome = jmeter.run(&Job { folder: scratch.path(), ..*job }, &stop, &mut |now| {
        view.tick(&Tick {
            asked: now.asked - former.asked,
            achieved: now.started.saturating_sub(former.started) as f64,
            answers: now.answers.saturating_sub(former.answers) as f64,
            p99_ms: now.p99_ms,
            failed: now.failed,
            left: Duration::from_secs_f64((seconds - f64::from(now.second)).max(0.0)),
            ..Tick::default()
        });
        former = *now;
    })?;
    drop(view);
    if let Some(folder) = folder {
        for entry in fs::read_dir(scratch.path().join(KEPT))?.flatten() {
            fs::rename(entry.path(), folder.join(entry.file_name()))?;
        }
        jmeter.present(folder)?;
    }
    print(options.json, &outcome.figures, None, &outcome.generator, &outcome.notes)?;
    for fault in &outcome.faults {
        view::say(fault);
    }
    Ok(outcome.figures.total.failed == 0 && !outcome.interrupted)
}

fn job<'j>(
    top: &'j Path,
    contest: &'j Contest,
    feeds: &'j Feeds,
    options: &Load,
    shop: Option<&'j Arc<Open>>,
) -> Job<'j> {
    let sent = &options.sent;
    Job {
        contest,
        top,
        scale: if sent.find_limit { 1.0 } else { sent.scale },
        seed: seed(contest, sent),
        payloads: &feeds.payloads_file,
        terms: &feeds.terms_file,
        folder: top,
        seconds: sent.seconds.filter(|_| !sent.find_limit),
        shop,
    }
}

/// What is sent. A search multiplies the contest's own peaks by each of its scales, so they are not
/// multiplied here.
fn planned(
    top: &Path,
    contest: &Contest,
    feeds: &Feeds,
    options: &Load,
    shop: Option<&Arc<Open>>,
) -> Result<Plan> {
    let job = job(top, contest, feeds, options, shop);
    let mut plan = drivers::native_plan(&job, Arc::clone(&feeds.payloads), Arc::clone(&feeds.terms))?;
    if let Some(connections) = options.connections {
        plan.connections = Connections::KeptAlive { connections };
    }
    Ok(plan)
}

/// The search against what runs already, which nobody starts again after a step that failed, and nobody
/// meters.
fn find_limit(
    mut plan: Plan,
    first: f64,
    seconds: u32,
    loaded: &mut dyn FnMut(&Plan) -> Result<load::Outcome>,
) -> Result<bool> {
    let started = Instant::now();
    let elapsed = || started.elapsed().as_secs_f64();
    let found = load::find_limit(first, &elapsed, &mut |scale| {
        let outcome = loaded(&plan.plateau(scale, seconds, Rule::FIND_LIMIT))?;
        ensure!(outcome.ended != load::Ended::Stopped, "interrupted");
        plan.payload_offset += outcome.payloads_used;
        plan.term_offset += outcome.terms_used;
        let step = outcome.step(scale, Rule::FIND_LIMIT, 0.0);
        view::say(&format!(
            "x {scale:.2}: {:.0} requests/s, p99 {:.1} ms, {} failed: {}",
            step.requests_per_second,
            step.p99_ms.unwrap_or(f64::NAN),
            step.failed,
            if step.passed { "passed" } else { "not passed" }
        ));
        Ok(step)
    })?;
    match (found.scale, found.requests_per_second) {
        (Some(scale), Some(rate)) => {
            let least = if found.at_least { "at least " } else { "" };
            writeln!(Output, "{least}{scale:.2} times the contest's peak rates, {rate:.0} requests/s")?;
        }
        _ => writeln!(Output, "not even the smallest step passed")?,
    }
    for reason in &found.reasons {
        writeln!(Output, "note: {reason}")?;
    }
    Ok(found.scale.is_some())
}

fn tick(now: &load::Snapshot) -> Tick {
    Tick {
        asked: now.asked,
        achieved: now.started as f64,
        answers: now.answers as f64,
        p99_ms: now.p99_ms,
        failed: now.failed,
        left: Duration::from_secs_f64((now.seconds - f64::from(now.second)).max(0.0)),
        ..Tick::default()
    }
}

/// A line a request name, after one for all.
fn table(figures: &LoadFigures) -> String {
    let mut text = format!(
        "{:<16}{:>9}{:>8}{:>9}{:>9}{:>9}{:>9}\n",
        "request", "count", "failed", "p50 ms", "p95 ms", "p99 ms", "max ms"
    );
    let all = std::iter::once(("all requests", &figures.total));
    for (name, of) in all.chain(figures.requests.iter().map(|(name, of)| (name.as_str(), of))) {
        text.push_str(&row(name, of));
    }
    for error in &figures.errors {
        text.push_str(&format!("failed {} times: {}\n", error.count, error.message));
    }
    text
}

fn row(name: &str, of: &RequestFigures) -> String {
    let cell = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
    let (p50, p95, p99, max) = (cell(of.p50_ms), cell(of.p95_ms), cell(of.p99_ms), cell(of.max_ms));
    format!("{name:<16}{:>9}{:>8}{p50:>9}{p95:>9}{p99:>9}{max:>9}\n", of.count, of.failed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::Parser;
    use pouco_lab::cli::{Cli, Command};
    use pouco_lab::lines::Lines;

    use super::*;

    /// Users of the highest second, with these options.
    fn peak(options: &[&str], scale_of_a_step: Option<f64>) -> f64 {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let contest = Contest::read(&top.join("contests/people")).unwrap();
        let words = [&["pouco-lab", "load", "people"], options].concat();
        let Command::Load(options) = Cli::parse_from(words).command else { panic!("{options:?}") };
        let lines: Arc<Lines> = Arc::new(Lines::default());
        let (payloads_file, terms_file) = (top.join("payloads"), top.join("terms"));
        let feeds = Feeds { payloads_file, payloads: Arc::clone(&lines), terms_file, terms: lines };
        let mut plan = planned(top, &contest, &feeds, &options, None).unwrap();
        if let Some(scale) = scale_of_a_step {
            plan = plan.plateau(scale, PLATEAU_SECONDS, Rule::FIND_LIMIT);
        }
        let last = plan.load.scenarios.iter().filter_map(|scenario| scenario.phases.last());
        last.map(|phase| phase.to).sum::<f64>() * plan.scale
    }

    #[test]
    fn a_search_multiplies_by_its_scale_once() {
        assert!((peak(&["--scale", "4"], None) - 4.0 * 740.0).abs() < 1e-6);
        assert!((peak(&["--scale", "4", "--find-limit"], Some(4.0)) - 4.0 * 740.0).abs() < 1e-6);
    }
}
