//! Requests per CPU second of the engine, alongside what people would otherwise pick:
//! `cargo bench --bench engine`.
//!
//! Server and load generator are processes of their own that take turns on one core: were they on two that
//! are threads of one, as on most rented machines, each would be charged for the other's use of it. `--apart`
//! puts the server on core 0 nevertheless, and the generator on core 1. Each workload is run as pairs, ours
//! and theirs in turn, so that what the machine does meanwhile meets both; the figure is the ratio of a pair,
//! and what is printed is the median of the ratios with its 95 % bootstrap interval. The CPU seconds are the
//! server process's own.
//!
//! `--against pouco-without-metrics` tells what counting and timing the requests costs, and
//! `--against pouco-edge-hit --workload keep-alive` what a page of the edge API costs that is in the
//! process's cache.
//!
//! `--against pouco-before` compares two commits: `POUCO_BENCH_BEFORE` is the program that
//! `cargo bench --bench engine --no-run` has built at the other one.
//!
//! `--workload sleep` is another question, how late coroutines that sleep are woken, and is not among those
//! that run without a name.
//!
//!   cargo bench --bench engine -- [--pairs N] [--seconds S] [--against NAME] [--workload NAME] [--json FILE] [--apart]
#![allow(missing_docs)]

mod load;
mod servers;
mod sleep;

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use load::{Sample, Workload};
use pouco_tools::bench::stats;
use servers::{Contestant, Running};

/// What is measured against each other.
struct Options {
    pairs: usize,
    seconds: f64,
    against: Option<String>,
    workload: Option<String>,
    json: Option<String>,
    apart: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, contestant, address] = &arguments[..]
        && mode == "--serve"
    {
        return servers::serve(contestant, address);
    }
    if let [mode, timer] = &arguments[..]
        && mode == "--sleep"
    {
        return sleep::run(timer);
    }
    let options = parse(&arguments)?;
    if options.workload.as_deref() == Some("sleep") {
        return sleep::compare(options.pairs);
    }
    load::pin_to(1)?;
    let mut rows = Vec::new();
    println!("| workload | socket | against | ours, requests per CPU s | theirs | ratio [95 %] |");
    println!("|---|---|---|---|---|---|");
    for workload in Workload::ALL.iter().filter(|one| matches(&options.workload, one.name)) {
        for unix in [false, true] {
            let asked = |one: &&Contestant| match &options.against {
                None => one.is_peer(),
                named => matches(named, one.name()),
            };
            for other in Contestant::OTHERS.iter().filter(asked) {
                match compare(workload, unix, *other, &options) {
                    Ok(row) => {
                        println!("{}", row.markdown());
                        rows.push(row);
                    }
                    Err(why) => println!(
                        "| {} | {} | {} | – | – | {why} |",
                        workload.name,
                        socket(unix),
                        other.name()
                    ),
                }
            }
        }
    }
    if let Some(path) = &options.json {
        let rows: Vec<_> = rows.iter().map(Row::json).collect();
        std::fs::write(path, serde_json::to_string_pretty(&rows)?)?;
    }
    Ok(())
}

fn matches(wanted: &Option<String>, name: &str) -> bool {
    wanted.as_deref().is_none_or(|wanted| wanted == name)
}

fn socket(unix: bool) -> &'static str {
    if unix { "Unix" } else { "TCP" }
}

fn parse(arguments: &[String]) -> Result<Options, Box<dyn Error>> {
    let mut options =
        Options { pairs: 10, seconds: 1.0, against: None, workload: None, json: None, apart: false };
    let mut rest = arguments.iter();
    while let Some(name) = rest.next() {
        // What cargo itself passes to a benchmark.
        if name == "--bench" {
            continue;
        }
        if name == "--apart" {
            options.apart = true;
            continue;
        }
        let value = rest.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--pairs" => options.pairs = value.parse()?,
            "--seconds" => options.seconds = value.parse()?,
            "--against" => options.against = Some(value.clone()),
            "--workload" => options.workload = Some(value.clone()),
            "--json" => options.json = Some(value.clone()),
            other => return Err(format!("{other} is no option").into()),
        }
    }
    Ok(options)
}

/// One line of the table.
struct Row {
    workload: &'static str,
    unix: bool,
    other: &'static str,
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Row {
    fn ratios(&self) -> Vec<f64> {
        self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| ours / theirs).collect()
    }

    fn markdown(&self) -> String {
        let (low, high) = stats::bootstrap_interval(&self.ratios());
        let mut line = String::new();
        let _ = write!(
            line,
            "| {} | {} | {} | {:.0} | {:.0} | {:.3} [{low:.3}, {high:.3}] |",
            self.workload,
            socket(self.unix),
            self.other,
            stats::median(&self.ours),
            stats::median(&self.theirs),
            stats::median(&self.ratios()),
        );
        line
    }

    fn json(&self) -> serde_json::Value {
        let (low, high) = stats::bootstrap_interval(&self.ratios());
        serde_json::json!({
            "workload": self.workload,
            "socket": socket(self.unix),
            "against": self.other,
            "ours_requests_per_cpu_s": self.ours,
            "theirs_requests_per_cpu_s": self.theirs,
            "ratio_median": stats::median(&self.ratios()),
            "ratio_95": [low, high],
        })
    }
}

fn compare(
    workload: &Workload,
    unix: bool,
    other: Contestant,
    options: &Options,
) -> Result<Row, Box<dyn Error>> {
    let ours = Running::start(Contestant::Pouco, unix, options.apart)?;
    let theirs = Running::start(other, unix, options.apart)?;
    let seconds = Duration::from_secs_f64(options.seconds);
    let mut row =
        Row { workload: workload.name, unix, other: other.name(), ours: Vec::new(), theirs: Vec::new() };
    // A warm-up each, then pairs whose order alternates.
    for server in [&ours, &theirs] {
        load::run(workload, server, Duration::from_millis(200))?;
    }
    for pair in 0..options.pairs {
        let measure = |server: &Running| load::run(workload, server, seconds).map(Sample::requests_per_cpu_s);
        let (first, second) = if pair % 2 == 0 { (&ours, &theirs) } else { (&theirs, &ours) };
        let (one, two) = (measure(first)?, measure(second)?);
        let (ours, theirs) = if pair % 2 == 0 { (one, two) } else { (two, one) };
        row.ours.push(ours);
        row.theirs.push(theirs);
    }
    Ok(row)
}
