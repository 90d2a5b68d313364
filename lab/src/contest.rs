//! A contest's folder: `contest.toml` and what it names.
//!
//! ```toml
//! title = "People: the stress test of Rinha de Backend, 2023 Q3"
//! url = "http://127.0.0.1:9999"
//! oracle = "people"
//! count_path = "/contagem-pessoas"
//! conformance = "conformance.toml"
//! gatling = "RinhaBackendSimulation"
//!
//! [budget]
//! cpus = 1.5
//! memory_bytes = 3_000_000_000
//! database_connections = 20
//!
//! [kill]
//! rate = 200.0
//! seconds = 10.0
//!
//! [load]
//! seed = 2023
//! headers = [["user-agent", "Agente do Caos - 2023"]]
//!
//! [[load.scenario]]
//! name = "create then look up"
//! phases = [{ from = 2.0, to = 2.0, seconds = 10.0 }]
//!
//! [[load.scenario.request]]
//! name = "creation"
//! method = "POST"
//! path = "/pessoas"
//! body = "payload"
//! accept = [201, 400, 422]
//! ```
//!
//! A contest that only reads has no `[kill]` and no `count_path`, but a `ready_path`, and its data in `seed`.
//! One that stores nothing at all has no `seed` either, and `database_connections = 0`: what belongs together
//! its oracle says ([`crate::oracle::Needs`]). Instead of `[budget]`
//! there may be several, `[budgets.NAME]`, with a `default_budget`: a run is within one of them
//! ([`Contest::within`]).

mod jmeter;
#[cfg(test)]
mod tests;
mod variants;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use serde::Deserialize;

pub use self::jmeter::{Plan, Steps};
pub use self::variants::{Cold, Sent, Variant};
use crate::oracle::scenarios::{Course, Task};
use crate::oracle::{self, Feeds, Oracle};
pub use crate::record::Budget;
use crate::shop::Opening;

/// A contest, checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contest {
    /// The folder's name.
    #[serde(skip)]
    pub name: String,
    /// The folder.
    #[serde(skip)]
    pub folder: PathBuf,
    /// One line for lists and reports.
    pub title: String,
    /// Where every contestant of it answers: `http://ADDRESS:PORT`.
    pub url: String,
    /// Which oracle judges, by its name.
    #[serde(deserialize_with = "oracle::deserialize")]
    pub oracle: &'static dyn Oracle,
    /// Answers a plain number once the contestant serves, and when it has written everything; absent where
    /// nothing is counted.
    pub count_path: Option<String>,
    /// Answers 200 once the contestant serves; [`Contest::count_path`] where it is absent.
    pub ready_path: Option<String>,
    /// SQL in the folder, run in each contestant's database after its first start: the data that it serves. A
    /// statement ends with a `;` at the end of a line.
    pub seed: Option<PathBuf>,
    /// File of the conformance pass, in the folder.
    pub conformance: PathBuf,
    /// The class below `stress-test/user-files/simulations` that sends this load with Gatling, where there is
    /// one.
    pub gatling: Option<String>,
    /// The plan that JMeter sends, where there is one.
    pub jmeter: Option<Plan>,
    /// What all services of a contestant may use together; of several, the one that was chosen.
    #[serde(default)]
    pub budget: Budget,
    /// Several budgets, by name, of which a run takes one.
    #[serde(default)]
    pub budgets: BTreeMap<String, Budget>,
    /// Of these, the one where none is asked for.
    pub default_budget: Option<String>,
    /// Of these, the one that [`Contest::budget`] is.
    #[serde(skip)]
    pub budget_name: Option<String>,
    /// The load at scale 1; of several, the one that was chosen.
    #[serde(default)]
    pub load: Load,
    /// Several loads, by name, of which a run takes one.
    #[serde(default)]
    pub loads: BTreeMap<String, Load>,
    /// Of these, the one where none is asked for.
    pub default_load: Option<String>,
    /// Of these, the one that [`Contest::load`] is.
    #[serde(skip)]
    pub load_name: Option<String>,
    /// A run is of all loads, one after the other by their names, unless one is asked for. Each is a record
    /// of its own.
    #[serde(default)]
    pub series: bool,
    /// The load under which everything is killed; absent where nothing is written.
    pub kill: Option<Kill>,
}

/// The load under which everything is killed: creations alone, of the first scenario that has any; in a shop
/// what changes it, of a kind that stands here, so that it is the same after whichever load.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kill {
    /// Creations a second: well within what any contestant takes, so that nothing but the kill is seen.
    pub rate: f64,
    /// How long they are sent; the kill falls in the middle.
    pub seconds: f64,
    /// A shop that is opened for it.
    pub shop: Option<Opening>,
    /// What is sent in it, in the proportion of the rates; of a request each.
    #[serde(default, rename = "scenario")]
    pub scenarios: Vec<Scenario>,
}

/// The load at scale 1: scenarios that run at the same time.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Of the payloads and terms, and of the pauses.
    pub seed: u64,
    /// Sent with each request, besides `Host`.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// A request without its whole answer after this long has failed.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: f64,
    /// So many connections are kept and shared, instead of one connection a user.
    pub kept_connections: Option<usize>,
    /// What is there before it, in a contest that is a shop.
    pub shop: Option<Opening>,
    /// JMeter sends it by its plan, instead of the scenarios.
    pub jmeter: Option<Steps>,
    /// Each with its own rate of users.
    #[serde(default, rename = "scenario")]
    pub scenarios: Vec<Scenario>,
    /// Only those take part who name it in their own file.
    #[serde(default)]
    pub optional: bool,
    /// Forms of it that are run side by side; none where there is one.
    #[serde(default, rename = "variant")]
    pub variants: Vec<Variant>,
    /// Of these, the one that this is ([`Contest::of_variant`]).
    #[serde(skip)]
    pub variant: Option<Variant>,
    /// Rules that are asked before it, instead of the contest's.
    pub conformance: Option<PathBuf>,
    /// SQL that is run after the contest's `seed`; in both `{TABLE}` is what stands in `rows`.
    #[serde(default)]
    pub data: Vec<PathBuf>,
    /// So many rows are in a table before it, by its name.
    #[serde(default)]
    pub rows: BTreeMap<String, u64>,
    /// What is asked once before it; a 200 must come.
    #[serde(default)]
    pub before: Vec<Sent>,
    /// For the services that serve the API.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What it is looked at for, second by second.
    pub course: Option<Course>,
    /// Where users log in before it, `{asked}` being the id; nobody does where it is empty.
    #[serde(default)]
    pub login: String,
    /// The tokens of those who have.
    #[serde(skip)]
    pub tokens: Vec<String>,
    /// What must be answered, where that is the same each time.
    #[serde(skip)]
    pub documents: Vec<(Task, serde_json::Value)>,
}

fn default_timeout_seconds() -> f64 {
    60.0
}

/// Users who arrive at a given rate, whether or not the server keeps up, and each send the same chain of
/// requests over one connection of their own. Or so many clients, who are all there from the beginning.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Shown in reports.
    pub name: String,
    /// One after the other.
    pub phases: Vec<Phase>,
    /// So many begin at once, and each goes through its chain again and again until the phases are over,
    /// whose rates are then 0: a closed model, in which nobody asks for more than is answered. Where not all
    /// rates are 0, they are the part of the clients that is there, from 0 to 1.
    pub clients: Option<u32>,
    /// One after the other; a chain ends where an answer is not allowed or a placeholder has no value. Where
    /// they have shares, each user sends one of them.
    #[serde(rename = "request")]
    pub requests: Vec<Request>,
}

/// Arrivals whose rate goes evenly from one value to another.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Users a second at the beginning.
    pub from: f64,
    /// Users a second at the end.
    pub to: f64,
    /// How long it lasts.
    pub seconds: f64,
    /// Arrivals fall at random within the phase instead of evenly.
    #[serde(default)]
    pub randomized: bool,
}

/// One request of a chain.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Shown in reports; its figures are kept apart by it.
    pub name: String,
    /// `GET`, `POST`, ….
    pub method: String,
    /// With placeholders: `{term}` is the next search term, percent-encoded; `{location}` the `Location` of
    /// the user's last 201. Where there was none, the chain ends here without the request. Of the data of a
    /// contest that only reads: `{user_id}` is the id of any row, `{unknown_id}` one of none, `{offset}` any
    /// at which a whole page of `limit=` rows begins. Of a shop: `{product_id}` is any product, `{skip}` any
    /// at which a page of 20 begins. `{asked}` is what a scenario's oracle asks for. Where a load has
    /// variants, what stands in these.
    pub path: String,
    /// `payload`: the body is the next line of the payload file, with `content-type: application/json`. In a
    /// shop: `order` of any product, `basket` of one to three of them, `restock` and `removal` of any,
    /// `login` of any customer.
    pub body: Option<String>,
    /// Statuses that are no failure.
    pub accept: Vec<u16>,
    /// The user waits this long before it, evenly between the two, in milliseconds.
    pub pause_ms: Option<(f64, f64)>,
    /// Its part of all requests of the scenario, of the sum of all parts: a user sends this one or another.
    pub share: Option<u32>,
}

impl Contest {
    /// Reads `lab/contests/NAME` below `top`, the repository.
    ///
    /// # Errors
    /// There is no such contest, or its file is not as described above.
    pub fn load(top: &Path, name: &str) -> Result<Self> {
        Self::read(&top.join("lab/contests").join(name))
    }

    /// Reads the contest in `folder`.
    ///
    /// # Errors
    /// As for [`Contest::load`].
    pub fn read(folder: &Path) -> Result<Self> {
        let file = folder.join("contest.toml");
        let text = std::fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?;
        let mut contest: Self = toml::from_str(&text).with_context(|| format!("{}", file.display()))?;
        contest.name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        contest.folder = folder.to_path_buf();
        let checked = contest.with_load(None).and_then(|contest| contest.check().map(|()| contest));
        checked.and_then(|contest| contest.within(None)).with_context(|| format!("{}", file.display()))
    }

    /// The contest under the load of this name; under its default one where none is named.
    ///
    /// # Errors
    /// It has no such load.
    pub fn with_load(mut self, name: Option<&str>) -> Result<Self> {
        ensure!(
            self.loads.is_empty() == self.default_load.is_none(),
            "[loads.NAME] and default_load belong together, and one of them is missing"
        );
        if let Some((name, load)) = self.chosen("load", &self.loads, name, self.default_load.as_deref())? {
            (self.load_name, self.load) = (Some(name), load);
        }
        Ok(self)
    }

    /// The contest in the budget of this name; in its default one where none is named.
    ///
    /// # Errors
    /// It has no such budget.
    pub fn within(mut self, name: Option<&str>) -> Result<Self> {
        let default = self.default_budget.as_deref();
        if let Some((name, budget)) = self.chosen("budget", &self.budgets, name, default)? {
            (self.budget_name, self.budget) = (Some(name), budget);
        }
        Ok(self)
    }

    /// The one of this name among `all`, or the default one; nothing where there is one without a name.
    fn chosen<T: Clone>(
        &self,
        what: &str,
        all: &BTreeMap<String, T>,
        name: Option<&str>,
        default: Option<&str>,
    ) -> Result<Option<(String, T)>> {
        if all.is_empty() {
            ensure!(name.is_none(), "the contest {} has one {what}, without a name", self.name);
            return Ok(None);
        }
        let name = name.or(default).unwrap_or_default();
        let known = || all.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let one = all.get(name).ok_or_else(|| anyhow!("no {what} `{name}`; there are: {}", known()))?;
        Ok(Some((name.to_owned(), one.clone())))
    }

    fn check(&self) -> Result<()> {
        let (name, needs) = (self.oracle.name(), self.oracle.needs());
        ensure!(
            self.budgets.is_empty() || self.budget == Budget::default(),
            "either [budget] or [budgets.NAME], and not both"
        );
        ensure!(
            self.budgets.is_empty() == self.default_budget.is_none(),
            "[budgets.NAME] and default_budget belong together, and one of them is missing"
        );
        let one = self.budgets.is_empty().then_some(&self.budget);
        for budget in self.budgets.values().chain(one) {
            budget.check()?;
            ensure!(
                (budget.database_connections > 0) == needs.database,
                "budget.database_connections must be above 0, and 0 with an oracle that counts no rows; it is `{name}`"
            );
        }
        if let Some(kill) = &self.kill {
            ensure!(kill.rate > 0.0 && kill.seconds > 0.0, "kill: rate and seconds must be above 0");
            ensure!(
                kill.shop.is_some() == needs.shop && kill.scenarios.is_empty() != needs.shop,
                "kill: shop and scenario belong to the oracle of a shop, and it is `{name}`"
            );
        }
        ensure!(self.url.starts_with("http://"), "url must begin with http://");
        ensure!(self.count_path.is_some() || self.ready_path.is_some(), "count_path or ready_path is needed");
        ensure!(
            needs.seed == self.seed.is_some(),
            "`seed` belongs to an oracle of data that are there before the load, and it is `{name}`"
        );
        ensure!(!self.series || !self.loads.is_empty(), "a series is of several loads, [loads.NAME]");
        let loads = || self.loads.values().chain(self.loads.is_empty().then_some(&self.load));
        for load in loads() {
            load.check_variants()?;
            ensure!(
                load.scenarios.is_empty() == load.jmeter.is_some(),
                "[load] or [loads.NAME] has no scenario, or JMeter's steps besides it"
            );
            if let Some(steps) = &load.jmeter {
                steps.check(self.jmeter.as_ref())?;
                ensure!(load.shop.is_some(), "a load of JMeter's needs a `shop`");
            }
        }
        for (load, scenario) in loads().flat_map(|load| load.scenarios.iter().map(move |it| (load, it))) {
            ensure!(
                load.shop.is_some() == needs.shop,
                "`shop` belongs to a shop's oracle, and it is `{name}`"
            );
            let name = &scenario.name;
            ensure!(scenario.clients != Some(0), "scenario {name}: clients must be above 0");
            ensure!(
                !scenario.phases.is_empty() && !scenario.requests.is_empty(),
                "scenario {name} has no phase or no request"
            );
            let shares = || scenario.requests.iter().map(|request| request.share);
            ensure!(
                shares().all(|share| share.is_none()) || shares().all(|share| share.is_some_and(|it| it > 0)),
                "scenario {name}: either all of its requests have a share above 0, or none"
            );
            for phase in &scenario.phases {
                ensure!(
                    scenario.clients.is_none() || phase.from.max(phase.to) <= 1.0,
                    "scenario {name}: of clients at most all are there, which is 1"
                );
                ensure!(
                    phase.from >= 0.0 && phase.to >= 0.0 && phase.seconds > 0.0,
                    "scenario {name}: rates ≥ 0, seconds > 0"
                );
            }
        }
        Ok(())
    }

    /// What is sent comes from files of payloads and terms, or from the data as lines.
    #[must_use]
    pub fn sends_lines(&self) -> bool {
        !matches!(self.oracle.feeds(), Feeds::Nothing)
    }

    /// All of its load.
    pub fn requests(&self) -> impl Iterator<Item = &Request> {
        self.load.scenarios.iter().flat_map(|scenario| &scenario.requests)
    }

    /// Answers 200 once the contestant serves.
    #[must_use]
    pub fn ready_path(&self) -> &str {
        self.ready_path.as_deref().or(self.count_path.as_deref()).unwrap_or("/")
    }

    /// `ADDRESS:PORT` of [`Contest::url`].
    #[must_use]
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches('/')
    }

    /// How long users arrive at scale 1, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        if let Some(steps) = &self.load.jmeter {
            return steps.all_seconds();
        }
        let length = |scenario: &Scenario| scenario.phases.iter().map(|phase| phase.seconds).sum::<f64>();
        self.load.scenarios.iter().map(length).fold(0.0, f64::max)
    }

    /// How long a user may take at most: each request until its timeout, and the pauses.
    #[must_use]
    pub fn longest_chain_seconds(&self) -> f64 {
        let pause = |request: &Request| request.pause_ms.map_or(0.0, |(_, most)| most / 1_000.0);
        let chain = |scenario: &Scenario| {
            scenario.requests.iter().map(|request| self.load.timeout_seconds + pause(request)).sum::<f64>()
        };
        self.load.scenarios.iter().map(chain).fold(0.0, f64::max)
    }
}
