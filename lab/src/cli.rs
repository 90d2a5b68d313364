//! The command line, as typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exporter::Serving;
use crate::stress::Stress;

/// Contests between backends in equal, proven budgets, with answers and stored rows checked.
#[derive(Debug, Parser)]
#[command(name = "pouco-lab", version)]
pub struct Cli {
    /// Folder with the contests
    #[arg(long, global = true, value_name = "DIR")]
    pub contests: Option<PathBuf>,
    /// Folder with the contestants
    #[arg(long, global = true, value_name = "DIR")]
    pub peers: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the contests and who enters them
    List,
    /// Run a contest
    Run(Run),
    /// Run a load of a contest by contestants that differ in one setting, and show what that does; without a
    /// name, list what there is
    Experiment(Experiment),
    /// Start a contestant within its budget, with the contest's data, and leave it running
    Up(Up),
    /// Take down what `up` left, with its volumes
    Down(Left),
    /// Show the last lines of what `up` left
    Logs(Left),
    /// Ask a server that is running for every rule of a contest; exit code 1 if one is not kept
    Check(Check),
    /// Load a server that is running, with the native generator or with JMeter
    Load(Load),
    /// Write report.html, report.md and summary.svg beside a record
    Report {
        /// Folder or file of the record, which may be compressed; the newest in lab-results by default
        record: Option<PathBuf>,
    },
    /// Keep a record of variants, packed, each below INTO/CONTESTANT/optimization/LOAD as before or after, so
    /// that they can be compared
    Archive {
        /// Folder or file of the record
        record: PathBuf,
        /// results/DATE-MACHINE
        into: PathBuf,
    },
    /// Compare two records; exit code 1 if the second is worse
    Compare {
        /// What was
        before: PathBuf,
        /// What is
        after: PathBuf,
        /// A difference below this share is no regression
        #[arg(long, default_value_t = 0.05)]
        threshold: f64,
    },
    /// Say what is missing on this machine, and how to get it
    Doctor,
    /// Serve CPU, throttling and memory of podman's containers at /metrics, under cAdvisor's names
    Meters(Serving),
    /// Say how many replicas a load needs, and what they and Postgres come to, by a simulation
    Model(Model),
    /// What the scripts in stress-test/ call: the contest's own test of the stack that runs
    Stress(Stress),
}

/// Options of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The contest
    pub contest: String,
    /// The scenario to begin with, by its number or name, in a contest that is a series of scenarios
    pub from: Option<String>,
    /// Of such a series these alone, parted by commas
    #[arg(long, value_delimiter = ',', value_name = "NUMBER", conflicts_with = "from")]
    pub only: Vec<String>,
    /// Who: NAME or NAME:MODE, parted by commas; everybody who enters the contest by default
    #[arg(long, value_delimiter = ',', value_name = "NAME[:MODE]")]
    pub contestant: Vec<String>,
    /// Of a scenario's variants these alone, comma-separated
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub variant: Vec<String>,
    /// Rounds: each contestant once in every round, in turn
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub times: u32,
    /// Which of the contest's budgets, where it has several
    #[arg(long, value_name = "NAME")]
    pub budget: Option<String>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub sent: Sent,
    /// Who generates the load; gatling by default, k6 where the contest has no simulation, native with
    /// --find-limit, for clients and for a shop, jmeter for a shop's loads that are its plan
    #[arg(long)]
    pub tool: Option<Tool>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub told: Told,
    /// Run k6 in a container, whose image is built first
    #[arg(long)]
    pub k6_in_container: bool,
    /// Do not kill everything at the end
    #[arg(long)]
    pub no_kill: bool,
    /// Use the images that are there
    #[arg(long)]
    pub no_build: bool,
    /// Show how it goes on a page, by default of this machine's on a free port, which is told; port 0 takes a
    /// free one
    #[arg(long, value_name = "ADDRESS:PORT", num_args = 0..=1, default_missing_value = "127.0.0.1:0")]
    pub serve: Option<SocketAddr>,
    /// Folder of the record; made anew below lab-results by default. One that holds a record of the same
    /// contest is continued; of a series, what is there is not run again
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Options of `experiment`.
#[derive(Debug, Args)]
pub struct Experiment {
    /// Which; the name of a file in lab/experiments
    pub name: Option<String>,
    /// Folder with the experiments
    #[arg(long, value_name = "DIR")]
    pub experiments: Option<PathBuf>,
    /// Of its points these alone, parted by commas
    #[arg(long, value_delimiter = ',', value_name = "NAME:POINT")]
    pub only: Vec<String>,
    /// Rounds, instead of the experiment's own number: each point once in every round, in turn
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub times: Option<u32>,
    /// Of each load, instead of the experiment's own
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(2..=3600))]
    pub seconds: Option<u32>,
    /// Use the images that are there
    #[arg(long)]
    pub no_build: bool,
    /// Folder of the record; made anew below lab-results by default. What is there is not run again
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Options of `up`.
#[derive(Debug, Args)]
pub struct Up {
    /// The contest
    pub contest: String,
    /// Who
    #[arg(long, value_name = "NAME[:MODE]")]
    pub contestant: String,
    /// Which of the contest's budgets, where it has several
    #[arg(long, value_name = "NAME")]
    pub budget: Option<String>,
    /// Use the images that are there
    #[arg(long)]
    pub no_build: bool,
}

/// Options of `down` and `logs`.
#[derive(Debug, Args)]
pub struct Left {
    /// The contest
    pub contest: String,
    /// Who, parted by commas; everybody who enters the contest by default
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub contestant: Vec<String>,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The contest whose rules these are
    pub contest: String,
    /// Where the server listens; the contest's own address by default
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub address: Option<String>,
    /// Of the names that are made; a pass over the same data needs another, so it is the clock's by default
    #[arg(long)]
    pub seed: Option<u64>,
}

/// Options of `load`.
#[derive(Debug, Args)]
pub struct Load {
    /// The contest whose load it is
    pub contest: String,
    /// Where the server listens; the contest's own address by default
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub address: Option<String>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub sent: Sent,
    /// Who generates the load: native, or jmeter; jmeter for loads that are its plan
    #[arg(long)]
    pub tool: Option<Tool>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub told: Told,
    /// Folder for JMeter's samples, its log and its report, of which nothing is kept without
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Share this many kept connections instead of one connection a user
    #[arg(long, value_name = "N")]
    pub connections: Option<usize>,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `run` and of `load`: what is sent.
#[derive(Debug, Args)]
pub struct Sent {
    /// Which of the contest's loads, where it has several
    #[arg(long, value_name = "NAME")]
    pub load: Option<String>,
    /// Multiple of the contest's rates
    #[arg(long, default_value_t = 1.0)]
    pub scale: f64,
    /// A shorter or longer form with the same phases and rates; of a search, the time at each scale
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(2..=3600))]
    pub seconds: Option<u32>,
    /// Instead of the load, search the largest scale with no failure and p99 within 100 ms
    #[arg(long)]
    pub find_limit: bool,
    /// Which payloads; the contest's own seed by default
    #[arg(long)]
    pub seed: Option<u64>,
    /// Payloads, one JSON document a line under the header `payload`, instead of generated ones
    #[arg(long, value_name = "FILE", requires = "terms")]
    pub payloads: Option<PathBuf>,
    /// Search terms, one a line under the header `t`
    #[arg(long, value_name = "FILE", requires = "payloads")]
    pub terms: Option<PathBuf>,
}

/// Options of `run` and of `load`: who is told of JMeter's samples while they come.
#[derive(Debug, Args)]
pub struct Told {
    /// The InfluxDB that JMeter tells: http://HOST:PORT for the database `jmeter` of version 1, or all of a
    /// URL that is written to. Of version 2, INFLUX_TOKEN has the token
    #[arg(long, value_name = "URL")]
    pub influx: Option<String>,
    /// The tag `application` of what is told; the contest's name by default
    #[arg(long, value_name = "NAME")]
    pub application: Option<String>,
    /// Where /metrics has JMeter's samples while a plan runs, and nobody listens otherwise
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub jmeter_metrics: Option<SocketAddr>,
}

/// Who generates the load.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Tool {
    /// Gatling with the contest's simulation
    Gatling,
    /// The lab's own generator
    Native,
    /// k6 with the contest's script
    K6,
    /// JMeter with the contest's plan
    Jmeter,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Command {
        Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{error}")).command
    }

    #[test]
    fn a_budget_and_a_container_are_asked_for_by_name() {
        let Command::Run(run) = parsed("lab run users --budget multi --tool k6 --k6-in-container") else {
            panic!("not run")
        };
        assert_eq!(run.budget.as_deref(), Some("multi"));
        assert!(run.k6_in_container && matches!(run.tool, Some(Tool::K6)));
        let Command::Run(run) = parsed("lab run people") else { panic!("not run") };
        assert!(run.budget.is_none() && !run.k6_in_container && run.tool.is_none());
    }

    #[test]
    fn a_page_is_served_where_it_is_asked_for() {
        let served = |line: &str| match parsed(line) {
            Command::Run(run) => run.serve.map(|address| address.to_string()),
            other => panic!("{other:?}"),
        };
        assert_eq!(served("lab run people"), None);
        assert_eq!(served("lab run people --serve").as_deref(), Some("127.0.0.1:0"));
        assert_eq!(served("lab run people --serve --times 2").as_deref(), Some("127.0.0.1:0"));
        assert_eq!(served("lab run people --serve [::1]:9000").as_deref(), Some("[::1]:9000"));
        assert!(Cli::try_parse_from(["lab", "run", "people", "--serve", "9000"]).is_err());
    }

    #[test]
    fn up_is_of_one_and_down_of_one_or_all() {
        let Command::Up(up) = parsed("lab up users --contestant pouco:read-only --budget single") else {
            panic!("not up")
        };
        assert_eq!((up.contestant.as_str(), up.budget.as_deref()), ("pouco:read-only", Some("single")));
        assert!(Cli::try_parse_from(["lab", "up", "users"]).is_err());
        let Command::Down(down) = parsed("lab down users") else { panic!("not down") };
        assert!(down.contestant.is_empty());
        let Command::Logs(logs) = parsed("lab logs users --contestant pouco,go-chi") else {
            panic!("not logs")
        };
        assert_eq!(logs.contestant, ["pouco", "go-chi"]);
    }
}

/// Options of `model`.
#[derive(Debug, Args)]
pub struct Model {
    /// Creations a second that are stored
    #[arg(long, value_name = "PER_S", value_parser = rate)]
    pub creations: f64,
    /// Searches a second
    #[arg(long, value_name = "PER_S", default_value = "0", value_parser = rate)]
    pub searches: f64,
    /// Other requests a second
    #[arg(long, value_name = "PER_S", default_value = "0", value_parser = rate)]
    pub lookups: f64,
    /// People in the table, all of them in memory
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(..=1_000_000_000))]
    pub people: u64,
    /// What so many replicas come to, instead of the fewest that are enough
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub replicas: Option<u16>,
    /// Cores of a replica
    #[arg(long, default_value = "1", value_parser = rate)]
    pub replica_cores: f64,
    /// Cores of Postgres
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub postgres_cores: u16,
    /// Longest wait of 99 of 100 creations
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub p99_ms: u64,
    /// How long the first row of a batch waits
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub linger_ms: u64,
    /// For how long one replica has all creations; 0: they go round
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub turn_ms: u64,
    /// From a statement's end to its commit on disk, and on a standby's
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(..=60_000_000))]
    pub flush_us: u64,
    /// Rows of a batch at most
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub batch_rows: u16,
    /// Of the arrivals
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Something a second, or cores: what a simulation of a minute can go through.
fn rate(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    match (0.0..=100_000.0).contains(&value) {
        true => Ok(value),
        false => Err("0 to 100000 are allowed".into()),
    }
}
