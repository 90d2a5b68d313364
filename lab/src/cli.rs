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
    /// List the contests and their contestants
    List,
    /// Run a contest
    Run(Run),
    /// Run a load of a contest against contestants that differ in one setting, and show its effect; without a
    /// name, list the experiments
    Experiment(Experiment),
    /// Start a contestant within its budget, with the contest's data, and leave it running
    Up(Up),
    /// Remove what `up` has started, with its volumes
    Down(Left),
    /// Show the last log lines of what `up` has started
    Logs(Left),
    /// Check a running server against every rule of a contest; exit code 1 if one is broken
    Check(Check),
    /// Load a running server, with the native generator or with JMeter
    Load(Load),
    /// Write report.html, report.md and summary.svg next to a record
    Report {
        /// Folder or file of the record, compressed or not; the newest in lab-results by default
        record: Option<PathBuf>,
    },
    /// Archive a record of variants, compressed: each below INTO/CONTESTANT/optimization/LOAD as before or
    /// after, so that they can be compared
    Archive {
        /// Folder or file of the record
        record: PathBuf,
        /// results/DATE-MACHINE
        into: PathBuf,
    },
    /// Compare two records; exit code 1 if the second is worse
    Compare {
        /// The earlier record: its folder or file
        before: PathBuf,
        /// The later record: its folder or file
        after: PathBuf,
        /// A difference below this share is not a regression
        #[arg(long, default_value_t = 0.05)]
        threshold: f64,
    },
    /// Report what is missing on this machine, and how to install it
    Doctor,
    /// Serve CPU, throttling and memory of podman's containers at /metrics, with cAdvisor's metric names
    Meters(Serving),
    /// Simulate how many replicas a load needs, and what they and Postgres will use
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
    /// Only these scenarios of a series, comma-separated
    #[arg(long, value_delimiter = ',', value_name = "NUMBER", conflicts_with = "from")]
    pub only: Vec<String>,
    /// Contestants: NAME or NAME:MODE, comma-separated; all of the contest by default
    #[arg(long, value_delimiter = ',', value_name = "NAME[:MODE]")]
    pub contestant: Vec<String>,
    /// Only these variants of a scenario, comma-separated
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub variant: Vec<String>,
    /// Number of rounds; in each round every contestant runs once, in turn
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub times: u32,
    /// Budget, if the contest has several
    #[arg(long, value_name = "NAME")]
    pub budget: Option<String>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub sent: Sent,
    /// Load generator; by default gatling, k6 if the contest has no simulation, native with --find-limit, for
    /// closed-loop clients and for a shop, jmeter for loads of a shop that are a JMeter plan
    #[arg(long)]
    pub tool: Option<Tool>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub told: Told,
    /// Run k6 in a container; its image is built first
    #[arg(long)]
    pub k6_in_container: bool,
    /// Skip the SIGKILL of all processes at the end
    #[arg(long)]
    pub no_kill: bool,
    /// Use the existing images instead of building them
    #[arg(long)]
    pub no_build: bool,
    /// Show progress on a web page; by default on the loopback interface and a free port, which is printed;
    /// port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", num_args = 0..=1, default_missing_value = "127.0.0.1:0")]
    pub serve: Option<SocketAddr>,
    /// Folder of the record; new below lab-results by default. If it holds a record of the same contest,
    /// that is continued; what a series has recorded there is not run again
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Options of `experiment`.
#[derive(Debug, Args)]
pub struct Experiment {
    /// The experiment: the name of a file in lab/experiments
    pub name: Option<String>,
    /// Folder with the experiments
    #[arg(long, value_name = "DIR")]
    pub experiments: Option<PathBuf>,
    /// Only these points, comma-separated
    #[arg(long, value_delimiter = ',', value_name = "NAME:POINT")]
    pub only: Vec<String>,
    /// Number of rounds, instead of the experiment's own; in each round every point runs once, in turn
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub times: Option<u32>,
    /// Duration of each load, instead of the experiment's own
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(2..=3600))]
    pub seconds: Option<u32>,
    /// Use the existing images instead of building them
    #[arg(long)]
    pub no_build: bool,
    /// Folder of the record; a new one below lab-results by default. What it already holds is not run again
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Options of `up`.
#[derive(Debug, Args)]
pub struct Up {
    /// The contest
    pub contest: String,
    /// The contestant
    #[arg(long, value_name = "NAME[:MODE]")]
    pub contestant: String,
    /// Budget, if the contest has several
    #[arg(long, value_name = "NAME")]
    pub budget: Option<String>,
    /// Use the existing images instead of building them
    #[arg(long)]
    pub no_build: bool,
}

/// Options of `down` and `logs`.
#[derive(Debug, Args)]
pub struct Left {
    /// The contest
    pub contest: String,
    /// Contestants, comma-separated; all of the contest by default
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub contestant: Vec<String>,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The contest with the rules
    pub contest: String,
    /// Address of the server; the contest's own by default
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub address: Option<String>,
    /// Seed of the generated names; from the clock by default, since each pass over the data needs new names
    #[arg(long)]
    pub seed: Option<u64>,
}

/// Options of `load`.
#[derive(Debug, Args)]
pub struct Load {
    /// The contest with the load
    pub contest: String,
    /// Address of the server; the contest's own by default
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub address: Option<String>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub sent: Sent,
    /// Load generator: native, or jmeter for loads that are a JMeter plan
    #[arg(long)]
    pub tool: Option<Tool>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub told: Told,
    /// Folder for JMeter's samples, log and report; without it they are discarded
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Share this many kept-alive connections instead of opening one per user
    #[arg(long, value_name = "N")]
    pub connections: Option<usize>,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `run` and of `load`: what is sent.
#[derive(Debug, Args)]
pub struct Sent {
    /// Load, if the contest has several
    #[arg(long, value_name = "NAME")]
    pub load: Option<String>,
    /// Multiple of the contest's rates
    #[arg(long, default_value_t = 1.0)]
    pub scale: f64,
    /// Duration: a shorter or longer form with the same phases and rates; with --find-limit, of each scale
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(2..=3600))]
    pub seconds: Option<u32>,
    /// Instead of running the load once, find the largest scale with no failure and a p99 of at most 100 ms
    #[arg(long)]
    pub find_limit: bool,
    /// Seed of the payloads; the contest's own by default
    #[arg(long)]
    pub seed: Option<u64>,
    /// Payloads instead of generated ones: one JSON document per line, below the header `payload`
    #[arg(long, value_name = "FILE", requires = "terms")]
    pub payloads: Option<PathBuf>,
    /// Search terms, one per line, below the header `t`
    #[arg(long, value_name = "FILE", requires = "payloads")]
    pub terms: Option<PathBuf>,
}

/// Options of `run` and of `load`: where JMeter's samples are reported while they come.
#[derive(Debug, Args)]
pub struct Told {
    /// InfluxDB that JMeter reports to: http://HOST:PORT for the database `jmeter` of version 1, or the whole
    /// write URL. For version 2, INFLUX_TOKEN has the token
    #[arg(long, value_name = "URL")]
    pub influx: Option<String>,
    /// Tag `application` of the reported samples; the contest's name by default
    #[arg(long, value_name = "NAME")]
    pub application: Option<String>,
    /// Address at which /metrics shows JMeter's samples while a plan runs
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
    /// Stored creations per second
    #[arg(long, value_name = "PER_S", value_parser = rate)]
    pub creations: f64,
    /// Searches per second
    #[arg(long, value_name = "PER_S", default_value = "0", value_parser = rate)]
    pub searches: f64,
    /// Other requests per second
    #[arg(long, value_name = "PER_S", default_value = "0", value_parser = rate)]
    pub lookups: f64,
    /// People in the table, all of them in memory
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(..=1_000_000_000))]
    pub people: u64,
    /// Simulate this number of replicas, instead of finding the smallest sufficient one
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub replicas: Option<u16>,
    /// Cores per replica
    #[arg(long, default_value = "1", value_parser = rate)]
    pub replica_cores: f64,
    /// Cores of Postgres
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub postgres_cores: u16,
    /// Allowed p99 of creations
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub p99_ms: u64,
    /// How long the first row of a batch waits
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub linger_ms: u64,
    /// How long one replica gets all creations in turn; 0 is round robin
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub turn_ms: u64,
    /// From the end of a statement to its commit on disk, including a standby's
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(..=60_000_000))]
    pub flush_us: u64,
    /// Maximum rows of a batch
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub batch_rows: u16,
    /// Seed of the arrivals
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Something a second, or cores: what a simulation of a minute can go through.
fn rate(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "it is not a number".to_owned())?;
    match (0.0..=100_000.0).contains(&value) {
        true => Ok(value),
        false => Err("0 to 100000 are allowed".into()),
    }
}
