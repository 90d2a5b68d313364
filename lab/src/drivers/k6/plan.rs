//! A contest's load as the script `k6.js` wants it.
//!
//! k6 has whole rates only, so they are rates a thousand seconds; a jump from one phase's rate to the next
//! one's is a stage of no length; and it has no arrivals at random moments, so `randomized` phases are even
//! here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::shop::{self, PlannedShop};
use crate::contest::{Request, Scenario};
use crate::drivers::arrivals::{ScenarioArrivals, whole};
use crate::drivers::{Arrivals, Job};
use crate::oracle::edge;

/// Rates are whole numbers a so long time: 0.001 users a second are the finest step.
const RATE_UNIT_SECONDS: f64 = 1_000.0;

/// Virtual users made before the load, in seconds of the highest rate. More are made while it runs, and users
/// are dropped until they are there.
const READY_SECONDS: f64 = 2.0;

/// Virtual users at most, in seconds of the highest rate: k6 drops users where the server takes longer.
const MOST_SECONDS: f64 = 10.0;

/// And never more than that, since each takes some megabytes.
const MAX_VIRTUAL_USERS: u64 = 4_000;

/// Statuses that are counted each by itself, besides those that are allowed; 0 stands for no answer.
const COMMON_STATUSES: [u16; 14] = [0, 200, 201, 400, 404, 405, 408, 413, 422, 429, 500, 502, 503, 504];

/// What `k6.js` finds in `POUCO_PLAN`.
#[derive(Debug, Serialize)]
pub(super) struct Plan {
    url: String,
    headers: BTreeMap<String, String>,
    timeout: String,
    graceful_stop: String,
    payloads: String,
    terms: String,
    summary: String,
    pub(super) statuses: BTreeSet<u16>,
    scenarios: Vec<PlannedScenario>,
    /// What pages must be, in a contest of pages.
    pub(super) pages: Option<PlannedPages>,
    /// Who buys what, in a contest that is a shop.
    shop: Option<PlannedShop>,
}

/// The numbers and words of [`crate::oracle::edge`].
#[derive(Debug, Serialize)]
pub(super) struct PlannedPages {
    static_text: &'static str,
    oldest_ms: u64,
    pub(super) words: [&'static str; edge::WORDS.len()],
}

const PAGES: PlannedPages = PlannedPages {
    static_text: edge::STATIC_TEXT,
    oldest_ms: edge::OLDEST.as_secs() * 1_000,
    words: edge::WORDS,
};

#[derive(Debug, Serialize)]
struct PlannedScenario {
    id: String,
    /// So many for the whole time, instead of arrivals at rates.
    clients: Option<u32>,
    duration: String,
    start_rate: u64,
    time_unit: String,
    stages: Vec<Stage>,
    pre_allocated: u64,
    max_vus: u64,
    requests: Vec<PlannedRequest>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Stage {
    duration: String,
    target: u64,
}

#[derive(Debug, Serialize)]
struct PlannedRequest {
    name: String,
    method: String,
    path: String,
    sends_payload: bool,
    /// What it is about in a shop.
    errand: Option<&'static str>,
    /// Of a mix.
    share: u32,
    accept: Vec<u16>,
    pause_ms: Option<(f64, f64)>,
}

impl Plan {
    /// # Errors
    /// The contest has something that the script cannot send.
    pub(super) fn new(job: &Job<'_>, arrivals: &Arrivals, summary: &Path) -> Result<Self> {
        let load = &job.contest.load;
        let requests = || job.contest.requests();
        let is_shop = load.shop.is_some();
        for request in requests() {
            check_request(request, is_shop)?;
        }
        for scenario in &load.scenarios {
            let name = &scenario.name;
            ensure!(
                scenario.clients.is_none() || job.contest.oracle.by_endpoint(),
                "k6: scenario {name}: its script knows rates, and no clients"
            );
        }
        let creating = requests().filter(|request| sends_payload(request)).count();
        ensure!(
            creating <= 1,
            "k6: payloads are numbered by users, so only one request of a contest may send them"
        );
        let accepted = requests().flat_map(|request| &request.accept);
        Ok(Self {
            url: job.contest.url.trim_end_matches('/').to_owned(),
            headers: load.headers.iter().cloned().collect(),
            graceful_stop: milliseconds(job.contest.longest_chain_seconds() + 1.0),
            timeout: milliseconds(load.timeout_seconds),
            payloads: text(job.payloads)?,
            terms: text(job.terms)?,
            summary: text(summary)?,
            statuses: accepted.copied().chain(COMMON_STATUSES).collect(),
            scenarios: (0..)
                .zip(&load.scenarios)
                .zip(&arrivals.scenarios)
                .map(|((number, scenario), arrivals)| planned(number, scenario, arrivals, is_shop))
                .collect::<Result<_>>()?,
            pages: (job.contest.budget.database_connections == 0).then_some(PAGES),
            shop: match is_shop {
                true => Some(PlannedShop::new(job.shop.context("k6: the shop is not open")?)),
                false => None,
            },
        })
    }
}

fn check_request(request: &Request, is_shop: bool) -> Result<()> {
    let name = &request.name;
    ensure!(
        is_shop || request.body.is_none() || sends_payload(request),
        "k6: request {name}: body = {:?}: only \"payload\" is known",
        request.body
    );
    // A name is a tag's value in the name of a metric of k6's.
    let plain = |c: char| c.is_ascii_alphanumeric() || " _-".contains(c);
    ensure!(
        !name.is_empty() && name.chars().all(plain),
        "k6: request {name:?}: only letters, digits, blanks, _ and - may be in its name"
    );
    Ok(())
}

fn sends_payload(request: &Request) -> bool {
    request.body.as_deref() == Some("payload")
}

fn planned(
    number: u32,
    scenario: &Scenario,
    arrivals: &ScenarioArrivals,
    is_shop: bool,
) -> Result<PlannedScenario> {
    let users = |seconds: f64| whole((arrivals.peak() * seconds).ceil()).clamp(1, MAX_VIRTUAL_USERS);
    let request = |request: &Request| {
        Ok(PlannedRequest {
            name: request.name.clone(),
            method: request.method.clone(),
            path: request.path.clone(),
            sends_payload: sends_payload(request),
            errand: is_shop.then(|| shop::errand(request)).transpose()?,
            share: request.share.unwrap_or(1),
            accept: request.accept.clone(),
            pause_ms: request.pause_ms,
        })
    };
    Ok(PlannedScenario {
        id: format!("scenario_{number}"),
        clients: scenario.clients,
        duration: milliseconds(arrivals.seconds()),
        start_rate: arrivals.phases.first().map_or(0, |phase| rate(phase.from)),
        time_unit: format!("{RATE_UNIT_SECONDS}s"),
        stages: stages(arrivals),
        pre_allocated: users(READY_SECONDS),
        max_vus: users(MOST_SECONDS),
        requests: scenario.requests.iter().map(request).collect::<Result<_>>()?,
    })
}

fn stages(arrivals: &ScenarioArrivals) -> Vec<Stage> {
    let mut stages = Vec::new();
    let mut now = arrivals.phases.first().map_or(0, |phase| rate(phase.from));
    for phase in &arrivals.phases {
        if rate(phase.from) != now {
            stages.push(Stage { duration: "0s".into(), target: rate(phase.from) });
        }
        now = rate(phase.to);
        stages.push(Stage { duration: milliseconds(phase.seconds), target: now });
    }
    stages
}

fn rate(users_per_second: f64) -> u64 {
    whole(users_per_second * RATE_UNIT_SECONDS)
}

fn milliseconds(seconds: f64) -> String {
    format!("{}ms", whole(seconds * 1_000.0))
}

fn text(path: &Path) -> Result<String> {
    let path = std::path::absolute(path)?;
    let text = path.to_str();
    ensure!(text.is_some(), "{}: k6 takes UTF-8 paths only", path.display());
    Ok(text.unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::contest::Contest;
    use crate::shop::{Customer, Open, Product};

    fn people() -> Contest {
        Contest::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), "people").unwrap()
    }

    fn plan(contest: &Contest, scale: f64, seconds: Option<u32>) -> Result<serde_json::Value> {
        plan_of(contest, scale, seconds, None)
    }

    fn plan_of(
        contest: &Contest,
        scale: f64,
        seconds: Option<u32>,
        shop: Option<&Arc<Open>>,
    ) -> Result<serde_json::Value> {
        let here = Path::new("/tmp");
        let (payloads, terms) = (here.join("payloads.tsv"), here.join("terms.tsv"));
        let job = Job {
            contest,
            top: here,
            scale,
            seed: 1,
            payloads: &payloads,
            terms: &terms,
            folder: here,
            seconds,
            shop,
        };
        let arrivals = Arrivals::new(contest, scale, seconds)?;
        Ok(serde_json::to_value(Plan::new(&job, &arrivals, &here.join("summary.json"))?)?)
    }

    #[test]
    fn phases_become_stages() {
        let plan = plan(&people(), 1.5, Some(30)).unwrap();
        let scenario = &plan["scenarios"][0];
        assert_eq!(scenario["time_unit"], "1000s");
        assert_eq!(scenario["start_rate"], 3_000);
        assert_eq!(
            scenario["stages"],
            serde_json::json!([
                { "duration": "1000ms", "target": 3_000 },
                { "duration": "0s", "target": 7_500 },
                { "duration": "2000ms", "target": 7_500 },
                { "duration": "0s", "target": 9_000 },
                { "duration": "27000ms", "target": 900_000 },
            ])
        );
        assert_eq!(scenario["pre_allocated"], 1_800);
        assert_eq!(scenario["max_vus"], 4_000, "9,000 is past the bound");
        assert_eq!(plan["scenarios"][2]["max_vus"], 600);
    }

    #[test]
    fn users_arrive_at_fixed_rates_after_a_rise() {
        let users = Contest::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), "users").unwrap();
        let plan = plan(&users, 1.0, None).unwrap();
        let rates = |scenario: usize| {
            let scenario = &plan["scenarios"][scenario];
            (scenario["start_rate"].clone(), scenario["stages"].clone())
        };
        let stages = |rate: u64| {
            serde_json::json!([
                { "duration": "10000ms", "target": rate },
                { "duration": "60000ms", "target": rate },
            ])
        };
        assert_eq!(rates(0), (0.into(), stages(356_000)));
        assert_eq!(rates(2), (0.into(), stages(40_000)));
        assert_eq!(plan["scenarios"][1]["requests"][0]["accept"], serde_json::json!([404]));
        assert_eq!(plan["terms"], "/tmp/terms.tsv");
    }

    #[test]
    fn pages_are_judged_by_the_oracles_numbers_and_words() {
        let edge = Contest::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), "edge").unwrap();
        let pages = &plan(&edge, 1.0, None).unwrap()["pages"];
        assert_eq!((&pages["static_text"], &pages["oldest_ms"]), (&"A static text\n".into(), &62_000.into()));
        assert_eq!(pages["words"][0], "HIT");
        assert!(plan(&people(), 1.0, None).unwrap()["pages"].is_null());
    }

    #[test]
    fn names_statuses_and_addresses_are_the_contests() {
        let plan = plan(&people(), 1.0, None).unwrap();
        assert_eq!(plan["url"], "http://127.0.0.1:9999");
        assert_eq!(plan["headers"]["user-agent"], "Agente do Caos - 2023");
        assert_eq!(plan["timeout"], "60000ms");
        assert_eq!(
            plan["graceful_stop"], "121030ms",
            "two requests that time out, and the pause between them"
        );
        assert_eq!(plan["summary"], "/tmp/summary.json");
        let creation = &plan["scenarios"][0]["requests"][0];
        assert_eq!(creation["name"], "creation");
        assert_eq!(creation["sends_payload"], true);
        assert_eq!(creation["accept"], serde_json::json!([201, 400, 422]));
        let lookup = &plan["scenarios"][0]["requests"][1];
        assert_eq!(
            (&lookup["path"], &lookup["pause_ms"]),
            (&"{location}".into(), &serde_json::json!([1.0, 30.0]))
        );
        assert!(plan["statuses"].as_array().unwrap().contains(&422.into()));
    }

    #[test]
    fn a_shop_comes_with_its_customers_and_products_and_every_request_is_an_errand() {
        let inventory =
            Contest::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), "inventory").unwrap();
        let customer = Customer {
            id: 5,
            email: "a@example.com".into(),
            password: "a b".into(),
            token: "its-token".into(),
        };
        let shop =
            Arc::new(Open { customers: vec![customer], products: vec![Product { id: 7, cents: 1_010 }] });
        let plan = plan_of(&inventory, 1.0, None, Some(&shop)).unwrap();
        assert_eq!(plan["shop"]["customers"][0]["token"], "its-token");
        assert_eq!(plan["shop"]["products"], serde_json::json!([{ "id": 7, "cents": 1_010 }]));
        assert_eq!(
            (&plan["shop"]["bought"], &plan["shop"]["page"]),
            (&serde_json::json!([1, 3]), &20.into())
        );
        let scenarios = plan["scenarios"].as_array().unwrap();
        let errands: Vec<_> =
            scenarios.iter().map(|it| it["requests"][0]["errand"].as_str().unwrap()).collect();
        assert_eq!(errands, ["look", "browse", "basket", "restock", "login"]);
        // Rates a thousand seconds: 75, 20, 4.9 and 0.1 % of 400 a second.
        let rates: Vec<_> = scenarios.iter().map(|it| it["stages"][1]["target"].as_u64().unwrap()).collect();
        assert_eq!(rates, [240_000, 60_000, 80_000, 19_600, 400]);
        assert!(plan_of(&inventory, 1.0, None, None).unwrap_err().to_string().contains("not open"));
        let sale = inventory.with_load(Some("flash-sale")).unwrap();
        let refused = plan_of(&sale, 1.0, None, Some(&shop)).unwrap_err().to_string();
        assert!(refused.contains("no clients"), "{refused}");
    }

    #[test]
    fn clients_of_scenarios_stay_for_the_whole_time_and_a_mix_has_its_shares() {
        let scenarios =
            Contest::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), "scenarios").unwrap();
        let mixed = scenarios.with_load(Some("08-concurrent-mixed")).unwrap();
        let plan = plan(&mixed, 1.0, Some(7)).unwrap();
        let scenario = &plan["scenarios"][0];
        assert_eq!((&scenario["clients"], &scenario["duration"]), (&10.into(), &"7000ms".into()));
        let requests = scenario["requests"].as_array().unwrap();
        let shares: Vec<_> = requests.iter().map(|it| it["share"].as_u64().unwrap()).collect();
        assert_eq!(shares, [5, 15, 40, 10, 15, 15]);
    }

    #[test]
    fn what_the_script_cannot_send_is_refused() {
        let mut contest = people();
        contest.load.scenarios[1].requests[0].body = Some("payload".into());
        assert!(plan(&contest, 1.0, None).unwrap_err().to_string().contains("only one request"));
        contest.load.scenarios[1].requests[0].body = Some("form".into());
        assert!(plan(&contest, 1.0, None).unwrap_err().to_string().contains("\"payload\""));
        let mut contest = people();
        contest.load.scenarios[1].requests[0].name = "a{b".into();
        assert!(plan(&contest, 1.0, None).unwrap_err().to_string().contains("letters, digits"));
    }
}
