//! A contestant's folder: `contestant.toml` next to a compose file.
//!
//! ```toml
//! title = "FastAPI + Redis"
//! language = "Python"
//! about = "FastAPI with SQLAlchemy; Redis and cachetools as caches; a background task writes batches."
//! contests = ["people"]
//! compose = ["docker-compose.yml"]
//! default_mode = "before-commit"
//!
//! [modes.before-commit]
//! acknowledges = "before-commit"
//! environment = { ACKNOWLEDGE = "before-commit" }
//!
//! [versions]
//! fastapi = "0.115.0"
//!
//! [database]
//! service = "postgres"
//! user = "pouco"
//! name = "pouco"
//! rows = "SELECT json_build_object('id', id, 'apelido', apelido, …) FROM people"
//! # stock = "SELECT product_id, quantity FROM stock", in a contest that is a shop
//!
//! [services.api1]
//! role = "api"
//! cpus = 0.3
//! memory_bytes = 268_435_456
//! address = "/run/pouco/api1.sock"
//! ```
//!
//! What enters another contest with another application has a sub-folder of that contest's name, with files
//! of its own: `peers/NAME` and `peers/NAME/CONTEST` are one contestant ([`Contestant::entering`]). What is
//! otherwise in a budget of a contest that has several stands in `[budgets.NAME]` (`budgets.rs`).
//!
//! Where a contest counts no rows, there is no `[database]`.
//!
//! Optional loads of a contest are taken by name, and a variant of one may have an environment of its own:
//! `scenarios = ["12", "19"]`, and `[variants.19.on] environment = { … }`.
//!
//! For tests, and for a look without containers, `[processes.NAME] command = […]` takes the place of
//! `compose` and `[services]`.

mod budgets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

pub use self::budgets::{Changes, Share};
use crate::contest::{Budget, Contest};
pub use crate::meters::Role;
pub use crate::record::Acknowledges;

/// A contestant, checked on its own; [`Contestant::fits`] checks it against a contest's budget.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contestant {
    /// The folder's name.
    #[serde(skip)]
    pub name: String,
    /// The folder.
    #[serde(skip)]
    pub folder: PathBuf,
    /// Shown in reports.
    pub title: String,
    /// What its API is written in.
    pub language: String,
    /// One or two sentences: its architecture.
    pub about: String,
    /// The contests that it enters.
    pub contests: Vec<String>,
    /// Compose files relative to the folder; later ones are laid over earlier ones.
    #[serde(default)]
    pub compose: Vec<PathBuf>,
    /// The mode where none is asked for.
    pub default_mode: String,
    /// By name.
    pub modes: BTreeMap<String, Mode>,
    /// What it is made of, with versions, for the report.
    #[serde(default)]
    pub versions: BTreeMap<String, String>,
    /// Where its rows are; absent where it stores none.
    pub database: Option<Database>,
    /// All services of its compose file, with their share of the budget.
    #[serde(default)]
    pub services: BTreeMap<String, Service>,
    /// Instead of services: plain processes.
    #[serde(default)]
    pub processes: BTreeMap<String, Process>,
    /// What is otherwise in a budget of the contest, by the budget's name.
    #[serde(default)]
    pub budgets: BTreeMap<String, Changes>,
    /// Of the contest's optional loads those in which it takes part, by the numbers with which their names
    /// begin.
    #[serde(default)]
    pub scenarios: Vec<String>,
    /// What is otherwise in a variant of such a load, by that number and by the variant's name.
    #[serde(default)]
    pub variants: BTreeMap<String, BTreeMap<String, OfVariant>>,
}

/// What is otherwise in a variant.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfVariant {
    /// As [`Mode::environment`], which it adds to.
    pub environment: BTreeMap<String, String>,
}

/// A way to run a contestant.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mode {
    /// When a creation is answered with 201; `read-only` where there are none.
    pub acknowledges: Acknowledges,
    /// Environment of the services with the role `api`.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

/// Where a contestant's rows are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// The service that is Postgres; in its container `psql` is run. For processes: absent, and `url` is
    /// used.
    pub service: Option<String>,
    /// For processes: the name of an environment variable with a connection string.
    pub url_variable: Option<String>,
    /// The role of the API in Postgres.
    pub user: String,
    /// The database.
    pub name: String,
    /// A query that gives each row as one JSON object, by the contest's names.
    pub rows: String,
    /// The schema in which the contest's data are made, where it is not the role's own.
    pub schema: Option<String>,
    /// In a shop: a query that gives each row of its stock, as a product's id and a quantity. It is asked
    /// again and again while the load runs.
    pub stock: Option<String>,
    /// For processes: statements that empty the database before a contest. A compose project begins with a
    /// new volume.
    #[serde(default)]
    pub reset: Vec<String>,
}

/// A service of the compose file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// What it is for.
    pub role: Role,
    /// Its share of the CPU, in cores.
    pub cpus: f64,
    /// Its share of the memory.
    pub memory_bytes: u64,
    /// Of an API: where this replica itself answers, past the balancer. The path of a Unix socket is the
    /// container's, and an address with a port is as the lab reaches it.
    pub address: Option<String>,
}

/// A plain process.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// What it is for.
    pub role: Role,
    /// Program and arguments; `{folder}` is the contestant's folder, `{port}` the contest's port,
    /// `{variable:NAME}` an environment variable of the lab's.
    pub command: Vec<String>,
    /// Its share of the CPU, in cores.
    pub cpus: f64,
    /// Its share of the memory.
    pub memory_bytes: u64,
    /// A recorded file tree with `proc/self/mountinfo`, `proc/PID/cgroup` and `sys/fs/cgroup` to read limits
    /// from instead of this machine's, relative to the folder; the process's id in it is 1.
    pub cgroup_tree: Option<PathBuf>,
    /// As [`Service::address`]; with the placeholders of `command`.
    pub address: Option<String>,
}

impl Contestant {
    /// Reads `peers/NAME` below `top`, the repository.
    ///
    /// # Errors
    /// There is no such contestant, or its file is not as described above.
    pub fn load(top: &Path, name: &str) -> Result<Self> {
        Self::read(&top.join("peers").join(name))
    }

    /// Reads what enters `contest` of the contestant in `folder`: its sub-folder of that name, or else the
    /// folder itself. Absent where neither does.
    ///
    /// # Errors
    /// A file is not as described above, or the sub-folder's does not name the contest.
    pub fn entering(folder: &Path, contest: &str) -> Result<Option<Self>> {
        let own = folder.join(contest);
        if own.join(FILE).is_file() {
            let mut contestant = Self::read(&own)?;
            contestant.name = name_of(folder);
            ensure!(
                contestant.enters(contest),
                "{}: contests does not name {contest}",
                own.join(FILE).display()
            );
            return Ok(Some(contestant));
        }
        if !folder.join(FILE).is_file() {
            return Ok(None);
        }
        Ok(Some(Self::read(folder)?).filter(|contestant| contestant.enters(contest)))
    }

    /// Whether it takes part in the contest's load.
    #[must_use]
    pub fn takes_part(&self, contest: &Contest) -> bool {
        let number = number_of(contest);
        !contest.load.optional || self.scenarios.iter().any(|it| Some(it.as_str()) == number)
    }

    /// Of the mode, and of the variant that the contest's load is.
    pub fn environment(
        &self,
        contest: &Contest,
        mode: &str,
    ) -> impl Iterator<Item = (&String, &String)> + use<'_> {
        let name = contest.load.variant.as_ref().map(|variant| variant.name.as_str());
        let of_load = number_of(contest).and_then(|number| self.variants.get(number));
        let of_variant = of_load.zip(name).and_then(|(all, name)| all.get(name));
        let of_mode = self.modes.get(mode).into_iter().flat_map(|mode| &mode.environment);
        of_mode.chain(of_variant.into_iter().flat_map(|variant| &variant.environment))
    }

    fn enters(&self, contest: &str) -> bool {
        self.contests.iter().any(|name| name == contest)
    }

    /// Reads the contestant in `folder`.
    ///
    /// # Errors
    /// As for [`Contestant::load`].
    pub fn read(folder: &Path) -> Result<Self> {
        let file = folder.join(FILE);
        let text = std::fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?;
        let mut contestant: Self = toml::from_str(&text).with_context(|| format!("{}", file.display()))?;
        contestant.name = name_of(folder);
        contestant.folder = folder.to_path_buf();
        contestant.check().with_context(|| format!("{}", file.display()))?;
        Ok(contestant)
    }

    fn check(&self) -> Result<()> {
        ensure!(
            self.modes.contains_key(&self.default_mode),
            "default_mode = {}: no such mode; there are: {}",
            self.default_mode,
            names(&self.modes)
        );
        ensure!(
            self.compose.is_empty() == self.services.is_empty(),
            "compose and [services.…] belong together, and one of them is missing"
        );
        ensure!(
            self.services.is_empty() != self.processes.is_empty(),
            "either compose and [services.…], or [processes.…], and not both"
        );
        for (name, cpus, bytes) in self.shares() {
            ensure!(cpus > 0.0 && bytes > 0, "{name}: cpus and memory_bytes must be above 0");
        }
        self.check_budgets()?;
        self.check_addresses()?;
        match &self.database {
            Some(Database { service: Some(service), .. }) => ensure!(
                self.services.contains_key(service),
                "database.service = {service}: no such service; there are: {}",
                names(&self.services)
            ),
            Some(database) => {
                ensure!(database.url_variable.is_some(), "database: service or url_variable is needed");
            }
            None => {}
        }
        Ok(())
    }

    /// A replica that is passed over would be one that nobody asks after a kill.
    fn check_addresses(&self) -> Result<()> {
        let services =
            self.services.iter().map(|(name, service)| (name, service.role, service.address.is_some()));
        let processes =
            self.processes.iter().map(|(name, process)| (name, process.role, process.address.is_some()));
        let (apis, others): (Vec<_>, Vec<_>) =
            services.chain(processes).partition(|(_, role, _)| *role == Role::Api);
        if let Some((name, ..)) = others.iter().find(|(_, _, address)| *address) {
            bail!("{name}: only a service with the role api has an address");
        }
        if let Some((name, ..)) = apis.iter().find(|(_, _, address)| *address != apis[0].2) {
            bail!("{name}: either every service with the role api has an address, or none");
        }
        Ok(())
    }

    /// # Errors
    /// It does not enter `contest`, does not fit into its budget, or lacks what its oracle looks at.
    pub fn may_enter(&self, contest: &Contest) -> Result<()> {
        let (name, contest_name) = (&self.name, &contest.name);
        ensure!(self.enters(contest_name), "{name} does not enter the contest {contest_name}");
        ensure!(
            self.takes_part(contest),
            "{name}: `scenarios` in its contestant.toml does not name {}",
            contest.load_name.as_deref().unwrap_or("this load")
        );
        ensure!(
            self.database.is_some() || contest.budget.database_connections == 0,
            "{name}: no [database] in its contestant.toml, and the contest {contest_name} counts rows"
        );
        ensure!(
            self.database.is_none() || contest.budget.database_connections > 0,
            "{name}: a [database] in its contestant.toml, and the contest {contest_name} has no connections for it"
        );
        let stock = self.database.as_ref().and_then(|database| database.stock.as_ref());
        ensure!(
            stock.is_some() || contest.load.shop.is_none(),
            "{name}: no database.stock in its contestant.toml, and the contest {contest_name} watches it"
        );
        self.fits(&contest.budget)
    }

    /// Where its rows are, for whoever counts them.
    ///
    /// # Errors
    /// It stores none.
    pub fn rows(&self) -> Result<&Database> {
        self.database.as_ref().with_context(|| format!("{}: no [database] in its contestant.toml", self.name))
    }

    /// # Errors
    /// Its shares sum to more than `budget`.
    pub fn fits(&self, budget: &Budget) -> Result<()> {
        let cpus = self.shares().map(|(_, cpus, _)| cpus).sum::<f64>();
        let memory_bytes = self.shares().map(|(.., bytes)| bytes).sum::<u64>();
        // Shares are written in decimals, which sum with an error in the last binary digit.
        ensure!(
            cpus <= budget.cpus + 1e-9,
            "{}: CPU shares sum to {:.3}, the budget is {}: {}",
            self.name,
            cpus,
            budget.cpus,
            self.each_share(|cpus, _| cpus.to_string())
        );
        ensure!(
            memory_bytes <= budget.memory_bytes,
            "{}: memory shares sum to {memory_bytes} bytes, the budget is {}: {}",
            self.name,
            budget.memory_bytes,
            self.each_share(|_, bytes| bytes.to_string())
        );
        if let Some(processes) = budget.processes {
            let apis = self.apis();
            ensure!(
                apis <= processes,
                "{}: {apis} services with the role api, and the budget has {processes} processes",
                self.name
            );
        }
        Ok(())
    }

    /// Services or processes that serve the API.
    fn apis(&self) -> u32 {
        let services = self.services.values().map(|service| service.role);
        let roles = services.chain(self.processes.values().map(|process| process.role));
        roles.map(|role| u32::from(role == Role::Api)).sum()
    }

    /// Name, cores and bytes of each service or process.
    fn shares(&self) -> impl Iterator<Item = (&str, f64, u64)> {
        let services =
            self.services.iter().map(|(name, service)| (name.as_str(), service.cpus, service.memory_bytes));
        let processes =
            self.processes.iter().map(|(name, process)| (name.as_str(), process.cpus, process.memory_bytes));
        services.chain(processes)
    }

    fn each_share(&self, text: impl Fn(f64, u64) -> String) -> String {
        let each = self.shares().map(|(name, cpus, bytes)| format!("{name} {}", text(cpus, bytes)));
        each.collect::<Vec<_>>().join(", ")
    }
}

/// In a contestant's folder.
const FILE: &str = "contestant.toml";

/// With which the name of its load begins.
fn number_of(contest: &Contest) -> Option<&str> {
    contest.load_name.as_deref().and_then(|name| name.split('-').next())
}

fn name_of(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn names<T>(of: &BTreeMap<String, T>) -> String {
    of.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest contestant that uses what the cases change. Not one of `peers/`: tuning those must not
    /// break this.
    const COMPOSED: &str = r#"
title = "Composed"
language = "Rust"
about = "Two services."
contests = ["people"]
compose = ["docker-compose.yml"]
default_mode = "after-commit"

[modes.after-commit]
acknowledges = "after-commit"

[versions]
composed = "1"

[database]
service = "postgres"
user = "it"
name = "it"
rows = "SELECT 1"

[services.api]
role = "api"
cpus = 0.5
memory_bytes = 268_435_456

[services.postgres]
role = "database"
cpus = 1.0
memory_bytes = 536_870_912
"#;

    /// What is said of [`COMPOSED`] with `from` written as `to`.
    fn said(from: &str, to: &str) -> String {
        assert!(COMPOSED.contains(from), "{from}");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("contestant.toml"), COMPOSED.replacen(from, to, 1)).unwrap();
        let budget =
            Budget { cpus: 1.5, memory_bytes: 3_000_000_000, database_connections: 20, ..Budget::default() };
        match Contestant::read(folder.path()).and_then(|it| it.fits(&budget)) {
            Ok(()) => String::new(),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_there_is() {
        let cases = [
            ("default_mode = \"after", "default_mode = \"before", "no such mode; there are: after-commit"),
            ("service = \"postgres\"", "service = \"db\"", "there are: api, postgres"),
            ("compose = [\"docker-compose.yml\"]", "", "compose and [services.…] belong together"),
            ("cpus = 0.5", "cpus = -0.5", "api: cpus and memory_bytes must be above 0"),
            ("cpus = 0.5", "cpus = nan", "api: cpus and memory_bytes must be above 0"),
            ("cpus = 0.5", "cpus = 0.7", "sum to 1.700, the budget is 1.5: api 0.7, postgres 1"),
            ("= 268_435_456", "= 3_000_000_000", "api 3000000000, postgres 536870912"),
            (
                "= 536_870_912",
                "= 536_870_912\naddress = \"/a\"",
                "postgres: only a service with the role api",
            ),
            (
                "[services.postgres]\nrole = \"database\"",
                "[services.postgres]\nrole = \"api\"\naddress = \"/a\"",
                "either every service with the role api has an address, or none",
            ),
        ];
        for (from, to, expected) in cases {
            let said = said(from, to);
            assert!(said.contains(expected), "{to}: {said}");
        }
        assert_eq!(said("cpus", "cpus"), "");
    }

    #[test]
    fn rows_are_counted_where_there_is_a_database_and_nowhere_else() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let contest = |name| Contest::load(&top, name).unwrap();
        let entering = |name, without: bool| {
            let mut it: Contestant = toml::from_str(COMPOSED).unwrap();
            it.contests = vec!["people".into(), "edge".into()];
            it.services.values_mut().for_each(|service| service.cpus = 0.1);
            it.services.values_mut().for_each(|service| service.memory_bytes = 1);
            it.database = it.database.filter(|_| !without);
            it.may_enter(&contest(name)).map_err(|error| error.to_string())
        };
        assert_eq!((entering("people", false), entering("edge", true)), (Ok(()), Ok(())));
        let error = entering("people", true).unwrap_err();
        assert!(error.contains("no [database]") && error.contains("people counts rows"), "{error}");
        assert!(entering("edge", false).unwrap_err().contains("no connections"));
        assert!(entering("users", false).unwrap_err().contains("does not enter"));
    }
}
