//! Reads what `handleSummary` of `k6.js` writes at the end, and k6's REST interface while it runs.
//!
//! k6 computes percentiles by interpolation between the two nearest ranks, from all values. Its answers'
//! times count from before the connect to the last byte, as `k6.js` adds them up.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::drivers::Creations;
use crate::drivers::arrivals::{Arrivals, whole};
use crate::drivers::figures::{Errors, interpolate};
use crate::record::{Answers, LoadFigures, RequestFigures, Second};

/// Connect, ask and read: k6 answers from memory.
const REST_TIMEOUT: Duration = Duration::from_millis(500);

/// No answer of the REST interface to one metric is near that.
const MAX_REST_BYTES: u64 = 1 << 20;

/// k6's summary, as far as it is used.
#[derive(Debug, Deserialize)]
pub(super) struct Summary {
    metrics: BTreeMap<String, Metric>,
    state: State,
    root_group: Group,
}

/// What the script has checked.
#[derive(Debug, Deserialize)]
struct Group {
    checks: Vec<Check>,
}

/// By its name, which says what must hold.
#[derive(Debug, Deserialize)]
struct Check {
    name: String,
    fails: u64,
}

#[derive(Debug, Deserialize)]
struct Metric {
    values: BTreeMap<String, Option<f64>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    test_run_duration_ms: f64,
}

impl Summary {
    pub(super) fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text).context("not a summary of k6's")
    }

    fn value(&self, metric: &str, value: &str) -> Option<f64> {
        self.metrics.get(metric)?.values.get(value).copied().flatten()
    }

    /// Of a metric with no sample k6 says nothing.
    fn count(&self, metric: &str) -> u64 {
        whole(self.value(metric, "count").unwrap_or(0.0))
    }

    /// Requests of this name that were sent.
    pub(super) fn sent(&self, request: &str) -> u64 {
        self.of("pouco_sent", request)
    }

    fn of(&self, metric: &str, request: &str) -> u64 {
        self.count(&format!("{metric}{{request:{request}}}"))
    }

    /// From the first user's start to the last answer, in seconds since 1970.
    pub(super) fn span(&self) -> Option<(f64, f64)> {
        let begun =
            self.value("pouco_begun_at_ms", "min").or_else(|| self.value("pouco_begun_at_ms", "value"))?;
        Some((begun / 1_000.0, (begun + self.state.test_run_duration_ms) / 1_000.0))
    }

    /// All there was, at the end: the last question to a running k6 lies up to a second before it.
    pub(super) fn sums(&self) -> Option<Sums> {
        Some(Sums {
            at: self.span()?.1,
            started: self.count("pouco_users"),
            answers: self.count("pouco_answers"),
            failed: self.count("pouco_failed"),
        })
    }

    /// Users for whom no virtual user was free in time.
    pub(super) fn dropped(&self) -> u64 {
        self.count("dropped_iterations")
    }

    pub(super) fn creations(&self, request: Option<&str>, accept: &[u16]) -> Creations {
        let Some(request) = request else {
            return Creations::Counted { sent: 0, acknowledged: 0, failed: 0 };
        };
        let sent = self.sent(request);
        let allowed: u64 = accept.iter().map(|status| self.of_status(request, &status.to_string())).sum();
        // Those that were under way at the very end have no answer and no time.
        Creations::Counted {
            sent,
            acknowledged: self.count("pouco_acknowledged"),
            failed: sent.saturating_sub(allowed),
        }
    }

    /// What the script found in pages, of which a cache may say one of `words`.
    pub(super) fn answers(&self, words: &[&str]) -> Answers {
        let of_word = |word: &&str| {
            let count = self.count(&format!("pouco_pages{{cache:{word}}}"));
            (count > 0).then(|| ((*word).to_owned(), count))
        };
        let wrong = self.count("pouco_wrong");
        Answers {
            checked: self.count("pouco_pages") + wrong,
            wrong,
            by_cache: words.iter().filter_map(of_word).collect(),
            oldest_seconds: self.value("pouco_age_ms", "max").map(|age| age / 1_000.0),
            settled_seconds: None,
        }
    }

    /// What the script found in answers with an allowed status, in a contest of scenarios.
    pub(super) fn judged(&self) -> Answers {
        let wrong = self.count("pouco_wrong");
        Answers { checked: self.count("pouco_right") + wrong, wrong, ..Answers::default() }
    }

    fn of_status(&self, request: &str, status: &str) -> u64 {
        self.count(&format!("pouco_statuses{{request:{request},status:{status}}}"))
    }

    /// All figures. `names` are the contest's requests with their allowed statuses, `statuses` those that the
    /// script counts.
    ///
    /// # Errors
    /// k6 knows no figure for a name.
    pub(super) fn figures(
        &self,
        names: &[(&str, &[u16])],
        statuses: &BTreeSet<u16>,
        arrivals: &Arrivals,
    ) -> Result<LoadFigures> {
        let mut errors = Errors::default();
        let mut requests = BTreeMap::new();
        let mut total_statuses: BTreeMap<u16, u64> = BTreeMap::new();
        for &(name, accept) in names {
            let metric = format!("pouco_duration{{request:{name}}}");
            ensure!(self.metrics.contains_key(&metric), "k6's summary has no {metric}");
            let mut figures = self.durations(&metric);
            figures.failed = self.of("pouco_failed", name);
            for &status in statuses {
                let count = self.of_status(name, &status.to_string());
                if count > 0 {
                    figures.statuses.insert(status, count);
                    *total_statuses.entry(status).or_default() += count;
                }
                if !accept.contains(&status) {
                    let what = if status == 0 { "no answer".into() } else { format!("status {status}") };
                    errors.add(&format!("{name}: {what}"), count);
                }
            }
            errors.add(&format!("{name}: another status"), self.of_status(name, "other"));
            requests.insert(name.to_owned(), figures);
        }
        for check in &self.root_group.checks {
            errors.add(&format!("does not hold: {}", check.name), check.fails);
        }
        let mut total = self.durations("pouco_duration");
        total.failed = self.count("pouco_failed");
        total.statuses = total_statuses;
        Ok(LoadFigures {
            seconds: self.state.test_run_duration_ms / 1_000.0,
            users_asked: arrivals.users(),
            users_started: self.count("pouco_users"),
            total,
            requests,
            errors: errors.most_frequent(),
        })
    }

    fn durations(&self, metric: &str) -> RequestFigures {
        let count = self.count(metric);
        // Without a sample k6 gives zeros.
        let at = |value| self.value(metric, value).filter(|_| count > 0);
        RequestFigures {
            count,
            p50_ms: at("p(50)"),
            p75_ms: at("p(75)"),
            p90_ms: at("p(90)"),
            p95_ms: at("p(95)"),
            p99_ms: at("p(99)"),
            p999_ms: at("p(99.9)"),
            max_ms: at("max"),
            ..RequestFigures::default()
        }
    }
}

/// Sums that k6 tells while it runs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    /// Seconds since 1970.
    pub(super) at: f64,
    pub(super) started: u64,
    pub(super) answers: u64,
    pub(super) failed: u64,
}

impl Sums {
    /// Asks k6's REST interface, which may not be up yet; says when the load began too.
    pub(super) fn ask(rest: SocketAddr, at: f64) -> Option<(f64, Self)> {
        let begun_ms = metric(rest, "pouco_begun_at_ms", "value")?;
        let sum = |name| metric(rest, name, "count").map_or(0, whole);
        let sums = Self {
            at,
            started: sum("pouco_users"),
            answers: sum("pouco_answers"),
            failed: sum("pouco_failed"),
        };
        Some((begun_ms / 1_000.0, sums))
    }
}

/// None where k6 has no sample of it yet, or cannot be asked.
fn metric(rest: SocketAddr, name: &str, value: &str) -> Option<f64> {
    #[derive(Deserialize)]
    struct Answer {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        attributes: Attributes,
    }
    #[derive(Deserialize)]
    struct Attributes {
        sample: BTreeMap<String, f64>,
    }
    let mut stream = TcpStream::connect_timeout(&rest, REST_TIMEOUT).ok()?;
    stream.set_read_timeout(Some(REST_TIMEOUT)).ok()?;
    stream.set_write_timeout(Some(REST_TIMEOUT)).ok()?;
    // In this old version the answer ends with the connection and is not in chunks.
    write!(stream, "GET /v1/metrics/{name} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.take(MAX_REST_BYTES).read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.split(' ').nth(1).filter(|&status| status == "200")?;
    serde_json::from_str::<Answer>(body).ok()?.data.attributes.sample.get(value).copied()
}

/// Seconds out of sums that were asked for about once a second; k6 tells no percentiles of single seconds.
pub(super) fn series(begun: f64, sums: &[Sums], arrivals: &Arrivals) -> Vec<Second> {
    let Some(last) = sums.last() else { return Vec::new() };
    let line = |of: fn(&Sums) -> u64| {
        let points = sums.iter().map(|sums| (sums.at - begun, of(sums) as f64));
        std::iter::once((0.0, 0.0)).chain(points.filter(|&(at, _)| at > 0.0)).collect::<Vec<_>>()
    };
    let lines = [line(|sums| sums.started), line(|sums| sums.answers), line(|sums| sums.failed)];
    let seconds = (0..).take_while(|&second| f64::from(second) < last.at - begun);
    let series = seconds.map(|second| {
        // Rounded sums, so that the seconds add up to the whole.
        let until = |line: &[(f64, f64)], moment: u32| whole(interpolate(line, f64::from(moment)));
        let [started, answers, failed] =
            lines.each_ref().map(|line| until(line, second + 1).saturating_sub(until(line, second)));
        Second { second, asked: arrivals.users_in(second), started, answers, failed, ..Second::default() }
    });
    series.collect()
}
