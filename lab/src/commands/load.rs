//! `pouco-lab load`: the native generator alone, against whatever listens.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pouco_lab::cli::Load;
use pouco_lab::contest::Contest;
use pouco_lab::drivers::{self, Job};
use pouco_lab::load::{self, Connections, PLATEAU_SECONDS, Plan, Rule};
use pouco_lab::record::{LoadFigures, RequestFigures};
use pouco_lab::runner::Feeds;
use pouco_lab::shop::{self, Open};
use pouco_lab::view::{self, Output, Tick, View};

use super::feeds::feeds;
use super::run::payload_rows;
use super::{Places, stop_flag};

pub(crate) fn run(places: &Places, options: &Load) -> Result<bool> {
    let mut contest = places.contest(&options.contest)?.with_load(options.load.as_deref())?;
    if let Some(address) = &options.address {
        contest.url = format!("http://{address}");
    }
    let seed = options.seed.unwrap_or(contest.load.seed);
    let rows = payload_rows(&contest, options.scale, options.seconds, options.find_limit)?;
    let (feeds, _files) =
        feeds(places, &contest, seed, rows, options.payloads.as_deref(), options.terms.as_deref())?;
    let opening = contest.load.shop.map(|opening| shop::open(contest.address(), opening).map(Arc::new));
    let shop = opening.transpose()?;
    let plan = planned(&places.top, &contest, &feeds, seed, options, shop.as_ref())?;
    let stop = stop_flag()?;
    let mut view = View::default();
    view.heading(&contest.name);
    let mut loaded = |plan: &Plan| load::run(plan, &stop, &mut |now| view.tick(&tick(now)));
    if options.find_limit {
        let seconds = options.seconds.unwrap_or(PLATEAU_SECONDS);
        return find_limit(plan, options.scale, seconds, &mut loaded);
    }
    let outcome = loaded(&plan)?;
    drop(view);
    if options.json {
        writeln!(Output, "{}", serde_json::to_string_pretty(&outcome.figures)?)?;
    } else {
        write!(Output, "{}", table(&outcome.figures))?;
        if let Some(answers) = &outcome.answers {
            writeln!(Output, "{}", answers.told())?;
        }
        let generator = &outcome.generator;
        let requests = outcome.figures.total.count.max(1);
        writeln!(
            Output,
            "the generator took {:.2} CPU s, {:.1} us a request",
            generator.cpu_seconds,
            generator.cpu_seconds * 1e6 / requests as f64
        )?;
        for warning in generator.bottleneck.iter().chain(&outcome.warnings) {
            writeln!(Output, "warning: {warning}")?;
        }
    }
    Ok(outcome.figures.total.failed == 0 && !stop.load(Ordering::Relaxed))
}

/// What is sent. A search multiplies the contest's own peaks by each of its scales, so they are not multiplied here.
fn planned(
    top: &Path,
    contest: &Contest,
    feeds: &Feeds,
    seed: u64,
    options: &Load,
    shop: Option<&Arc<Open>>,
) -> Result<Plan> {
    let job = Job {
        contest,
        top,
        scale: if options.find_limit { 1.0 } else { options.scale },
        seed,
        payloads: &feeds.payloads_file,
        terms: &feeds.terms_file,
        folder: top,
        seconds: options.seconds.filter(|_| !options.find_limit),
        shop,
    };
    let mut plan = drivers::native_plan(&job, Arc::clone(&feeds.payloads), Arc::clone(&feeds.terms))?;
    if let Some(connections) = options.connections {
        plan.connections = Connections::KeptAlive { connections };
    }
    Ok(plan)
}

/// The search against what runs already, which nobody starts again after a step that failed, and nobody meters.
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
    use pouco_lab::lines::Lines;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        load: Load,
    }

    /// Users of the highest second, with these options.
    fn peak(options: &[&str], scale_of_a_step: Option<f64>) -> f64 {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let contest = Contest::read(&top.join("contests/people")).unwrap();
        let options = Line::parse_from([&["load", "people"], options].concat()).load;
        let lines: Arc<Lines> = Arc::new(Lines::default());
        let (payloads_file, terms_file) = (top.join("payloads"), top.join("terms"));
        let feeds = Feeds { payloads_file, payloads: Arc::clone(&lines), terms_file, terms: lines };
        let mut plan = planned(top, &contest, &feeds, 1, &options, None).unwrap();
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
