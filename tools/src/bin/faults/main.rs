//! Random faults under load, for as long as you like:
//! `cargo run --release -p pouco-tools --bin faults -- [people|orders] --seconds 600 --seed 1 --out FOLDER`.
//!
//! It starts an embedded Postgres, two replicas and, where there is one, nginx with this repository's
//! nginx.conf; creates and reads people, or places orders, at a bounded rate; and does something bad to one
//! of them every few seconds, drawn from the seed. At the end every answer is held against what Postgres and
//! both replicas have. Exit code 0: no promise was broken; 1: some were; 2: it could not be found out.

mod report;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pouco_tools::faults::Failure;
use pouco_tools::faults::fault::Fault;
use pouco_tools::faults::history::Attempted;
use pouco_tools::faults::hostile::Hostile;
use pouco_tools::faults::nginx;
use pouco_tools::faults::orders::{self, Orders};
use pouco_tools::faults::people::People;
use pouco_tools::faults::proxy::Cut;
use pouco_tools::faults::run::{Injected, Pace, Run, Workload};
use pouco_tools::faults::stack::{REPLICAS, Setup};
use pouco_tools::faults::volume::Volume;
use pouco_tools::faults::{self_test, self_test_hostile, self_test_orders};
use report::Report;
use signal_hook::consts::{SIGINT, SIGTERM};

const USAGE: &str = "faults [people] [OPTIONS]
faults orders [OPTIONS]
faults --self-test

People are created and looked up; or one product in demand and random baskets are ordered.

  --seconds N     how long faults are done (600)
  --seed N        which faults, when and for how long (1)
  --rate N        creations or orders a second that the clients try, with reads beside them (200; orders: 400)
  --clients N     clients at the same time (32; orders: 500)
  --out FOLDER    faults.json, faults.txt and history.tsv.gz go there (nowhere)
  --pouco FILE    the server (built by cargo)
  --only NAMES    only faults whose names begin so, comma-separated: slow,idle (all)

Exit code 0: no promise was broken; 1: some were; 2: it could not be found out.";

/// Quiet time between a recovery and the next fault, at least and at most.
const QUIET_S: (f64, f64) = (0.5, 4.0);

/// Usual pauses of Postgres and of the way to it; one in so many is longer than any statement may be silent.
const PAUSE_S: (f64, f64) = (1.0, 10.0);
const LONG_PAUSE_S: (f64, f64) = (12.0, 40.0);
const LONG_PAUSE_EACH: u32 = 8;

/// Longest pause of a replica, and longest time that something stays down.
const LONGEST_DOWN_S: f64 = 3.0;

/// How long hostile clients stay: longer than the engine waits for any of them. And how many come.
const HOSTILE: Duration = Duration::from_secs(14);
const IDLE: usize = 16_000;
const LARGE: u64 = 1_000;

/// How long each thread of a replica stands still, at most.
const THREAD_S: f64 = 0.5;

/// How long a client waits for an answer: above the longest pause with the recovery after it.
const PATIENCE: Duration = Duration::from_secs(60);

struct Options {
    seconds: u64,
    seed: u64,
    pace: Pace,
    out: Option<PathBuf>,
    pouco: Option<PathBuf>,
    /// How the names of the faults begin; none is all.
    only: Vec<String>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["-h" | "--help"] => {
            println!("{USAGE}");
            Ok(true)
        }
        ["--self-test"] => self_tests().map(|planted| {
            println!("{planted} planted violations, all found; none in an honest history");
            true
        }),
        ["orders", ..] => options(ORDERS, words.into_iter().skip(1))
            .and_then(|options| long_run::<Orders>(&options, orders::setup)),
        ["people", ..] => options(PEOPLE, words.into_iter().skip(1))
            .and_then(|options| long_run::<People>(&options, Setup::new)),
        _ => options(PEOPLE, words.into_iter()).and_then(|options| long_run::<People>(&options, Setup::new)),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("faults: {error}");
            ExitCode::from(2)
        }
    }
}

fn self_tests() -> Result<usize, Failure> {
    Ok(self_test::run()? + self_test_orders::run()? + self_test_hostile::run()?)
}

/// The usual pace.
const PEOPLE: Pace = Pace { clients: 32, per_s: 200.0 };
const ORDERS: Pace = Pace { clients: 500, per_s: 400.0 };

fn options(pace: Pace, mut words: impl Iterator<Item = String>) -> Result<Options, Failure> {
    let mut options = Options { seconds: 600, seed: 1, pace, out: None, pouco: None, only: Vec::new() };
    while let Some(name) = words.next() {
        let value = words.next().ok_or_else(|| format!("{name} has no value\n\n{USAGE}"))?;
        match name.as_str() {
            "--seconds" => options.seconds = value.parse()?,
            "--seed" => options.seed = value.parse()?,
            "--rate" => options.pace.per_s = value.parse()?,
            "--clients" => options.pace.clients = value.parse()?,
            "--out" => options.out = Some(value.into()),
            "--pouco" => options.pouco = Some(value.into()),
            "--only" => options.only = value.split(',').map(str::to_owned).collect(),
            _ => return Err(format!("{name} is no option\n\n{USAGE}").into()),
        }
    }
    if !(1.0..=100_000.0).contains(&options.pace.per_s) || !(2..=1_000).contains(&options.pace.clients) {
        return Err("--rate is 1 to 100000, --clients 2 to 1000".into());
    }
    Ok(options)
}

/// The server beside this program, after cargo has brought it up to date: `cargo run --bin faults` builds
/// this program alone.
fn server() -> Result<PathBuf, Failure> {
    let program = pouco_tools::server();
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut command = Command::new(cargo);
        command.args(["build", "--quiet", "--package", "pouco", "--bin", "pouco"]);
        if program.parent().is_some_and(|folder| folder.ends_with("release")) {
            command.arg("--release");
        }
        if !command.status()?.success() {
            return Err("the server cannot be built".into());
        }
    }
    if program.is_file() { Ok(program) } else { Err(format!("there is no {}", program.display()).into()) }
}

fn long_run<W: Workload>(options: &Options, setup: fn(PathBuf) -> Setup) -> Result<bool, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Every wait here has its end, so the run can end in order: whatever was started ends with it.
        signal_hook::flag::register(signal, stop.clone())?;
    }
    let program = match &options.pouco {
        Some(program) => program.clone(),
        None => server()?,
    };
    let mut setup = setup(program);
    setup.proxied = true;
    setup.patience = PATIENCE;
    setup.nginx = nginx::find().is_some();
    if !setup.nginx {
        println!("this machine has no nginx: clients go to the replicas");
    }
    // Of so many large people in memory not all need have room; whether it was given up by right is judged.
    setup.fits = false;
    let volume = Volume::mount();
    match &volume {
        Ok(volume) => {
            (setup.data, setup.volume) = (Some(volume.path().join("data")), Some(volume.path()));
        }
        Err(error) => println!("no disk can be stalled here: {error}"),
    }
    let mut choice =
        Choice { nginx: setup.nginx, disk: volume.is_ok(), people: W::IS_PEOPLE, large: W::IS_PEOPLE };
    let mut run = Run::<W>::of(&setup, options.pace)?;
    println!("{} s of faults, seed {}; Ctrl-C ends them early", options.seconds, options.seed);
    let mut random = fastrand::Rng::with_seed(options.seed);
    let start = run.history.now();
    while run.history.now() - start < Duration::from_secs(options.seconds) && !stop.load(Ordering::Acquire) {
        rest(random_s(&mut random, QUIET_S), &stop);
        let Some(fault) = choice.draw(&mut random, &options.only) else {
            println!("there is no such fault, or none of them is left");
            break;
        };
        let injected = run.inject(fault)?;
        println!("{}", line(&run, &injected));
        if let Some(measured) = run.measured().last().filter(|_| fault.watched().is_some()) {
            println!("          {}", measured.line());
        }
    }
    println!("looking at everything that was acknowledged");
    let (took, reads) = (run.history.now() - start, run.history.reads());
    let logs = run.stack.logs();
    let verdict = run.finish()?;
    let (seed, rate) = (options.seed, options.pace.per_s);
    let report = Report { seed, nginx: setup.nginx, rate, took, reads, verdict };
    let text = report.text();
    print!("\n{text}");
    if let Some(folder) = &options.out {
        report.write(folder, &text)?;
    }
    if !report.verdict.violations.is_empty() {
        println!(
            "\nthe replicas' last words:\n{}",
            logs.lines().rev().take(40).collect::<Vec<_>>().join("\n")
        );
    }
    Ok(report.verdict.violations.is_empty())
}

/// Sleeps, but not past a Ctrl-C.
fn rest(pause: Duration, stop: &AtomicBool) {
    let until = std::time::Instant::now() + pause;
    while std::time::Instant::now() < until && !stop.load(Ordering::Acquire) {
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn random_s(random: &mut fastrand::Rng, (least, most): (f64, f64)) -> Duration {
    Duration::from_secs_f64(least + (most - least) * random.f64())
}

/// What there is to do something to.
struct Choice {
    nginx: bool,
    disk: bool,
    people: bool,
    /// Whether large people may still be created. They fill the index, and stay; so once.
    large: bool,
}

impl Choice {
    fn draw(&mut self, random: &mut fastrand::Rng, only: &[String]) -> Option<Fault> {
        let replica = random.usize(..REPLICAS);
        let down = random_s(random, (0.0, LONGEST_DOWN_S));
        let is_long = random.u32(..LONG_PAUSE_EACH) == 0;
        let pause = random_s(random, if is_long { LONG_PAUSE_S } else { PAUSE_S });
        let short = random_s(random, (0.5, LONGEST_DOWN_S));
        let hostile = |hostile| Some(Fault::Hostile(replica, hostile));
        let kinds = [
            Some(Fault::KillReplica(replica, down)),
            Some(Fault::KillReplicas(down)),
            Some(Fault::StopReplica(replica)),
            Some(Fault::PauseReplica(replica, short)),
            Some(Fault::KillPostgres(down)),
            Some(Fault::KillPostgresQuietly(down)),
            Some(Fault::KillPostmaster(down)),
            Some(Fault::StopPostgresAtOnce(down)),
            Some(Fault::PausePostgres(pause)),
            Some(Fault::Silence(replica, pause)),
            Some(Fault::EndBackends(short)),
            Some(Fault::CutConnection(replica, Cut::Before)),
            Some(Fault::CutConnection(replica, Cut::During)),
            Some(Fault::CutConnection(replica, Cut::After)),
            hostile(Hostile::Idle(IDLE, short)),
            hostile(Hostile::Pipelining(HOSTILE)),
            hostile(Hostile::SlowReaders(HOSTILE)).filter(|_| self.people),
            hostile(Hostile::LargeCreations(LARGE)).filter(|_| self.large),
            Some(Fault::StallThreads(replica, random_s(random, (0.05, THREAD_S)))),
            Some(Fault::Abort(replica)),
            Some(Fault::Starve(replica, short)),
            Some(Fault::StallDisk(pause)).filter(|_| self.disk),
            Some(Fault::KillNginx(down)).filter(|_| self.nginx),
        ];
        let is_asked_for = |fault: &Fault| {
            only.is_empty() || only.iter().any(|begin| fault.kind().starts_with(begin.as_str()))
        };
        let kinds: Vec<Fault> = kinds.into_iter().flatten().filter(is_asked_for).collect();
        let drawn = *kinds.get(random.usize(..kinds.len().max(1)))?;
        self.large &= !matches!(drawn, Fault::Hostile(_, Hostile::LargeCreations(_)));
        Some(drawn)
    }
}

/// What is seen while it runs.
fn line<W: Workload>(run: &Run<W>, injected: &Injected) -> String {
    let recovery: Vec<String> = injected
        .recovery
        .iter()
        .map(|took| match took {
            Some(took) if *took <= injected.allowed() => format!("{:.2} s", took.as_secs_f64()),
            Some(took) => format!("{:.2} s: TOO LATE", took.as_secs_f64()),
            None => "NEVER".into(),
        })
        .collect();
    let postgres = injected
        .postgres_start
        .map_or_else(String::new, |took| format!(" (Postgres's own start: {:.2} s)", took.as_secs_f64()));
    let meanwhile = run.history.ended_in(injected.began, injected.ended);
    let unknown = meanwhile.iter().filter(|attempt| attempt.is_unknown()).count();
    let refused = meanwhile.iter().filter(|attempt| attempt.status() == Some(503)).count();
    format!(
        "{:6.1} s  {:<36} recovered after {}{postgres}; {unknown} unknown, {refused} refused of {}",
        injected.ended.as_secs_f64(),
        injected.fault.to_string(),
        recovery.join(" and "),
        meanwhile.len()
    )
}
