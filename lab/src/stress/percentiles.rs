//! Response times of a run by request name. Failed requests are in them, with the time until they failed.
//! Times are whole milliseconds, as Gatling writes them, seen by the client, connect included.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::tables::{row, whole};
use super::{Place, write_json};
use crate::contest::Contest;
use crate::drivers::Arrivals;
use crate::drivers::gatling::{SimulationLog, Tail};
use crate::record::RequestFigures;
use crate::view::Output;

pub(super) const ALL: &str = "all requests";

#[derive(Serialize)]
pub(super) struct Percentiles {
    requests: BTreeMap<String, Times>,
    /// By request, then by message.
    failures: BTreeMap<String, BTreeMap<String, u64>>,
}

#[derive(Serialize)]
#[allow(clippy::struct_field_names)] // as they stand in the file
struct Times {
    count: u64,
    ko: u64,
    p50_ms: Option<u64>,
    p75_ms: Option<u64>,
    p95_ms: Option<u64>,
    p99_ms: Option<u64>,
    max_ms: Option<u64>,
}

impl Times {
    fn new(of: &RequestFigures) -> Self {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Gatling's are whole
        let ms = |value: Option<f64>| value.map(|value| value as u64);
        let [p50_ms, p75_ms, p95_ms, p99_ms, max_ms] =
            [of.p50_ms, of.p75_ms, of.p95_ms, of.p99_ms, of.max_ms].map(ms);
        Self { count: of.count, ko: of.failed, p50_ms, p75_ms, p95_ms, p99_ms, max_ms }
    }

    fn cells(&self) -> Vec<String> {
        let times = [self.p50_ms, self.p75_ms, self.p95_ms, self.p99_ms, self.max_ms];
        let times = times.map(|ms| ms.map_or("-".to_owned(), whole));
        [whole(self.count), whole(self.ko)].into_iter().chain(times).collect()
    }
}

/// The log of `run`, which is its folder or the log itself.
pub(super) fn log(place: &Place, run: &Path) -> Result<(SimulationLog, Arrivals)> {
    let path = if run.is_dir() { run.join("simulation.log") } else { run.to_path_buf() };
    let contest = Contest::load(place.top(), "people")?;
    let arrivals = Arrivals::new(&contest, 1.0, None)?;
    let mut log = SimulationLog::new(&contest, &arrivals);
    Tail::open(&path)?.read(&mut log)?;
    Ok((log, arrivals))
}

pub(super) fn of_run(place: &Place, run: &Path) -> Result<Percentiles> {
    let (log, arrivals) = log(place, run)?;
    let (figures, _) = log.figures(&arrivals).with_context(|| run.display().to_string())?;
    let sent = figures.requests.iter().filter(|(_, of)| of.count > 0);
    let requests = std::iter::once((ALL, &figures.total)).chain(sent.map(|(name, of)| (name.as_str(), of)));
    let requests = requests.map(|(name, of)| (name.to_owned(), Times::new(of))).collect();
    let mut failures: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for error in &figures.errors {
        if let Some((name, message)) = error.message.split_once(": ") {
            failures.entry(name.to_owned()).or_default().insert(message.to_owned(), error.count);
        }
    }
    Ok(Percentiles { requests, failures })
}

impl Percentiles {
    /// One line for all requests, then one for each name, the most frequent first.
    pub(super) fn table(&self) -> String {
        let heads = ["count", "ko", "p50 ms", "p75 ms", "p95 ms", "p99 ms", "max ms"].map(str::to_owned);
        let mut text = row("request", &heads, 9);
        let mut requests: Vec<_> = self.requests.iter().collect();
        requests.sort_by_key(|(name, times)| (*name != ALL, std::cmp::Reverse(times.count)));
        text.extend(requests.iter().map(|(name, times)| row(name, &times.cells(), 9)));
        for (name, messages) in &self.failures {
            text.extend(
                messages.iter().map(|(message, count)| format!("failed: {name}: {count} times: {message}\n")),
            );
        }
        text
    }
}

pub(super) fn main(place: &Place, run: &Path, json: Option<&Path>) -> Result<()> {
    ensure!(run.exists(), "{}: no such file", run.display());
    let percentiles = of_run(place, run)?;
    match json {
        Some(path) if path == Path::new("-") => {
            writeln!(Output, "{}", serde_json::to_string_pretty(&percentiles)?)?;
            return Ok(());
        }
        Some(path) => write_json(path, &percentiles)?,
        None => {}
    }
    write!(Output, "{}", percentiles.table())?;
    Ok(())
}
