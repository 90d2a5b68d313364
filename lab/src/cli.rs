//! The command line, as typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
    /// Load a server that is running with the native generator
    Load(Load),
    /// Write report.html, report.md and summary.svg beside a record
    Report {
        /// Folder or file of the record; the newest in lab-results by default
        record: Option<PathBuf>,
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
    Meters(Meters),
}

/// Options of `meters`.
#[derive(Debug, Args)]
pub struct Meters {
    /// Where to answer; port 0 takes a free one
    #[arg(long, value_name = "tcp:ADDRESS:PORT", default_value = "tcp:127.0.0.1:9101")]
    pub listen: String,
    /// Only containers whose names begin with NAME and a hyphen or an underscore, as compose names those of a project
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// A recorded file tree in place of this machine's
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// Options of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The contest
    pub contest: String,
    /// Who: NAME or NAME:MODE, parted by commas; everybody who enters the contest by default
    #[arg(long, value_delimiter = ',', value_name = "NAME[:MODE]")]
    pub contestant: Vec<String>,
    /// Rounds: each contestant once in every round, in turn
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub times: u32,
    /// Multiple of the contest's rates
    #[arg(long, default_value_t = 1.0)]
    pub scale: f64,
    /// Who generates the load; gatling by default, native with --find-limit
    #[arg(long)]
    pub tool: Option<Tool>,
    /// Search the largest scale that each contestant takes, instead of the contest
    #[arg(long)]
    pub find_limit: bool,
    /// A shorter or longer form with the same phases and rates; of a search, the time at each scale
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(2..=3600))]
    pub seconds: Option<u32>,
    /// Which payloads; the contest's own seed by default
    #[arg(long)]
    pub seed: Option<u64>,
    /// Do not kill everything at the end
    #[arg(long)]
    pub no_kill: bool,
    /// Use the images that are there
    #[arg(long)]
    pub no_build: bool,
    /// Folder of the record; made anew below lab-results by default. One that holds a record of the same contest is continued
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Payloads, one JSON document a line under the header `payload`, instead of generated ones
    #[arg(long, value_name = "FILE", requires = "terms")]
    pub payloads: Option<PathBuf>,
    /// Search terms, one a line under the header `t`
    #[arg(long, value_name = "FILE", requires = "payloads")]
    pub terms: Option<PathBuf>,
}

/// Options of `load`.
#[derive(Debug, Args)]
pub struct Load {
    /// The contest whose load it is
    pub contest: String,
    /// Where the server listens; the contest's own address by default
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub address: Option<String>,
    /// Multiple of the contest's rates
    #[arg(long, default_value_t = 1.0)]
    pub scale: f64,
    /// A shorter or longer form with the same phases and rates; of a search, the time at each scale
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(2..=3600))]
    pub seconds: Option<u32>,
    /// Share this many kept connections instead of one connection a user
    #[arg(long, value_name = "N")]
    pub connections: Option<usize>,
    /// Search the largest scale with no failure and p99 within 100 ms
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
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
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
}
