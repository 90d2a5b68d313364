//! The recorded log is of a real run of Gatling 3.9.5: 5 s at scale 0.5, in which first the replicas and then
//! nginx were killed, so that there are failures of all kinds. `percentiles.json` is what an earlier tool, in
//! Python, made of it.
//!
//! Where a run is tested, a shell script takes Gatling's place: that tests how a tool is started, followed
//! and ended, and no more.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::read::GzDecoder;

use super::*;
use crate::contest::Contest;
use crate::drivers::Creations;
use crate::drivers::testing::write_program;
use crate::record::{LoadFigures, RequestFigures, Second};

static LOG: LazyLock<String> = LazyLock::new(|| {
    let packed = include_bytes!("../../../tests/recorded/gatling/simulation.log.gz");
    std::io::read_to_string(GzDecoder::new(&packed[..])).unwrap()
});
const PERCENTILES: &str = include_str!("../../../tests/recorded/gatling/percentiles.json");

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Without what is this machine's: its limit of open files.
fn findings(outcome: &Outcome) -> Vec<&String> {
    outcome.generator.bottleneck.iter().filter(|finding| !finding.contains("files may be open")).collect()
}

fn people() -> Contest {
    Contest::load(&top(), "people").unwrap()
}

fn recorded_arrivals() -> Arrivals {
    Arrivals::new(&people(), 0.5, Some(5)).unwrap()
}

fn empty_log() -> SimulationLog {
    SimulationLog::new(&people(), &recorded_arrivals())
}

fn recorded_log() -> SimulationLog {
    let mut log = empty_log();
    LOG.lines().for_each(|line| log.line(line).unwrap());
    log
}

fn recorded() -> (LoadFigures, Vec<Second>) {
    recorded_log().figures(&recorded_arrivals()).unwrap()
}

#[test]
fn figures_are_those_of_percentiles_py() {
    let (figures, _) = recorded();
    let expected: serde_json::Value = serde_json::from_str(PERCENTILES).unwrap();
    let expected = expected["requests"].as_object().unwrap();
    assert_eq!(expected.len(), figures.requests.len() + 1);
    for (name, expected) in expected {
        let figures = figures.requests.get(name).unwrap_or(&figures.total);
        let same = |found: Option<f64>, key: &str| assert_eq!(found, expected[key].as_f64(), "{name}: {key}");
        assert_eq!(figures.count, expected["count"].as_u64().unwrap(), "{name}");
        assert_eq!(figures.failed, expected["ko"].as_u64().unwrap(), "{name}");
        same(figures.p50_ms, "p50_ms");
        same(figures.p75_ms, "p75_ms");
        same(figures.p95_ms, "p95_ms");
        same(figures.p99_ms, "p99_ms");
        same(figures.max_ms, "max_ms");
    }
    assert_eq!(figures.errors[0].count, 135);
    assert_eq!(figures.errors[0].message, "creation: status.find.in(201,422,400), but actually found 503");
}

#[test]
fn creations_are_counted_by_their_lookups() {
    let log = recorded_log();
    assert!(log.complete());
    assert_eq!(log.creations(), Creations::Counted { sent: 458, acknowledged: 184, failed: 248 });
}

#[test]
fn seconds_add_up_to_the_whole() {
    let (figures, series) = recorded();
    let sum = |of: fn(&Second) -> u64| series.iter().map(of).sum::<u64>();
    assert_eq!(sum(|second| second.started), figures.users_started);
    assert_eq!(sum(|second| second.failed), figures.total.failed);
    // 97 connections were refused and 13 closed early: these are no answers.
    assert_eq!(sum(|second| second.answers), figures.total.count - 97 - 13);
    assert_eq!((figures.users_asked, figures.users_started), (577, 575));
    assert!((figures.seconds - 4.96).abs() < 0.1, "{}", figures.seconds);
    assert_eq!(series.len(), 5);
    assert!(series.iter().all(|second| second.p99_ms >= second.p50_ms && second.p50_ms.is_some()));
}

#[test]
fn names_are_those_of_the_contest_and_of_the_simulation() {
    let error = |line: &str| empty_log().line(line).unwrap_err().to_string();
    assert!(error("USER\tcreate\tSTART\t5").contains("scenario \"create\" is not in the contest"));
    assert!(error("REQUEST\t\tCreation\t1\t2\tOK\t ").contains("request \"Creation\" is not in the contest"));
    let folder = top().join("stress-test/user-files/simulations/rinhabackend");
    let contest = people();
    let simulation = contest.gatling.clone().unwrap();
    let source = fs::read_to_string(folder.join(format!("{simulation}.scala"))).unwrap();
    for scenario in &contest.load.scenarios {
        assert!(source.contains(&format!("scenario(\"{}\")", scenario.name)), "{}", scenario.name);
        for request in &scenario.requests {
            assert!(source.contains(&format!("http(\"{}\")", request.name)), "{}", request.name);
        }
        for phase in &scenario.phases {
            let rates = if phase.from == phase.to {
                format!("constantUsersPerSec({} * scale)", phase.from)
            } else {
                format!("rampUsersPerSec({} * scale).to({} * scale)", phase.from, phase.to)
            };
            assert!(source.contains(&rates), "{rates}");
        }
    }
}

#[test]
fn what_is_no_line_is_refused() {
    let lines = [
        "",
        "hello",
        "RUN\tx",
        "RUN\ta\tb\tsoon\tc\td",
        "USER\tsearch\tPAUSE\t5",
        "USER\tsearch\tSTART\tnow",
        "REQUEST\t\tsearch\t1",
        "REQUEST\t\tsearch\t2\t1\tOK\t ",
        "REQUEST\t\tsearch\t1\t2\tMAYBE\t ",
    ];
    for line in lines {
        let error = empty_log().line(line).unwrap_err().to_string();
        assert!(error.contains("not a line of Gatling 3.9.5"), "{line:?}: {error}");
    }
    let mut log = empty_log();
    log.line("USER\tsearch\tSTART\t5").unwrap();
    let week_later = format!("USER\tsearch\tSTART\t{}", 8 * 24 * 3_600 * 1_000_u64);
    assert!(log.line(&week_later).unwrap_err().to_string().contains("at most"));
    let error = log.figures(&recorded_arrivals()).unwrap_err().to_string();
    assert!(error.contains("no RUN line"), "{error}");
}

#[test]
fn a_pause_at_the_beginning_counts() {
    let arrivals = Arrivals::new(&people(), 0.1, Some(10)).unwrap();
    let mut log = SimulationLog::new(&people(), &arrivals);
    log.line("RUN\tRinha\trinha\t10000\tabout\t3.9.5").unwrap();
    log.line("USER\tsearch\tSTART\t12345").unwrap();
    let (_, series) = log.figures(&arrivals).unwrap();
    assert_eq!(
        series.iter().map(|second| second.started).collect::<Vec<_>>(),
        [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    );
}

/// Written in pieces that end anywhere, the log says the same; of a line without an end nothing is known.
#[test]
fn a_growing_log_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("simulation.log");
    fs::write(&path, "").unwrap();
    let mut tail = Tail::open(&path).unwrap();
    let mut log = empty_log();
    for length in (0..LOG.len()).step_by(7_777) {
        fs::write(&path, &LOG[..length]).unwrap();
        tail.read(&mut log).unwrap();
    }
    fs::write(&path, &LOG[..LOG.len() - 1]).unwrap();
    tail.read(&mut log).unwrap();
    assert!(!log.complete(), "the last line has no end yet");
    fs::write(&path, &*LOG).unwrap();
    tail.read(&mut log).unwrap();
    assert_eq!(log.creations(), recorded_log().creations());
    assert!(log.complete());

    fs::write(&path, format!("{}nonsense\n", *LOG)).unwrap();
    let error = tail.read(&mut log).unwrap_err().to_string();
    assert!(error.ends_with(&format!("simulation.log:{}", LOG.lines().count() + 1)), "{error}");
}

#[test]
fn snapshots_count_on_and_look_back() {
    let arrivals = recorded_arrivals();
    let mut log = empty_log();
    assert_eq!(log.snapshot(&arrivals, 1.0), None, "nobody has started");
    let lines: Vec<&str> = LOG.lines().collect();
    let (early, late) = lines.split_at(lines.len() / 2);
    early.iter().for_each(|line| log.line(line).unwrap());
    let begin = log.span().unwrap().0;
    let first = log.snapshot(&arrivals, begin + 3.5).unwrap();
    assert_eq!(first.second, 3);
    assert!((first.asked - arrivals.users_until(3.5)).abs() < 1e-3);
    assert!(first.started > 0 && first.p99_ms.is_some());
    late.iter().for_each(|line| log.line(line).unwrap());
    let second = log.snapshot(&arrivals, begin + 5.0).unwrap();
    assert_eq!((second.started, second.failed), (575, 314));
    assert_eq!(log.snapshot(&arrivals, begin + 6.0).unwrap().p99_ms, None, "no answer since");
}

/// A folder that is laid out as Gatling's, with `script` in its place.
fn stand_in(folder: &Path, script: &str) -> Gatling {
    let home = folder.join("home");
    fs::create_dir_all(home.join("bin")).unwrap();
    fs::create_dir_all(home.join("lib")).unwrap();
    fs::write(home.join("lib/gatling-app-3.9.5.jar"), "").unwrap();
    fs::write(home.join("recorded"), &*LOG).unwrap();
    let path = home.join("bin/gatling.sh");
    write_program(&path, &format!("#!/bin/sh\nset -eu\nhome=$(dirname \"$0\")/..\n{script}"));
    Gatling::find(Some(&home)).unwrap()
}

/// Finds the results folder among the arguments, as Gatling would.
const RESULTS: &str = r#"
while [ "$1" != -rf ]; do shift; done
mkdir -p "$2/run-1"
log=$2/run-1/simulation.log
"#;

fn drive(
    driver: &Gatling,
    folder: &Path,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(&Snapshot),
) -> Result<Outcome> {
    let contest = people();
    let (payloads, terms) = (folder.join("payloads.tsv"), folder.join("terms.tsv"));
    let results = folder.join("raw");
    fs::create_dir_all(&results).unwrap();
    let job = Job {
        contest: &contest,
        top: &top(),
        scale: 0.5,
        seed: 7,
        payloads: &payloads,
        terms: &terms,
        folder: &results,
        seconds: Some(5),
        shop: None,
    };
    driver.run(&job, stop, progress)
}

#[test]
fn a_load_is_followed_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    // Waits until the first half has been seen; ends as Gatling does where requests failed.
    let script = format!(
        "{RESULTS}
        env | grep ^POUCO_ | sort
        [ \"$JAVA_OPTS\" ]
        head -n 900 \"$home/recorded\" >\"$log\"
        until [ -e \"$home/seen\" ]; do sleep 0.02; done
        tail -n +901 \"$home/recorded\" >>\"$log\"
        exit 2"
    );
    let driver = stand_in(folder.path(), &script);
    assert_eq!(driver.version().unwrap(), "3.9.5");
    let mut snapshots = Vec::new();
    let seen = folder.path().join("home/seen");
    let mut progress = |snapshot: &Snapshot| {
        snapshots.push(*snapshot);
        fs::write(&seen, "").unwrap();
    };
    let outcome = drive(&driver, folder.path(), &AtomicBool::new(false), &mut progress).unwrap();
    assert!(!outcome.interrupted);
    assert!(snapshots[0].started > 0 && snapshots[0].started < 575, "{snapshots:?}");
    assert_eq!(outcome.creations, recorded_log().creations());
    assert_eq!(outcome.begun_at, recorded_log().span().map(|(from, _)| from));
    let failed = |figures: &RequestFigures| figures.failed;
    assert_eq!(failed(&outcome.figures.total), failed(&recorded().0.total));
    assert_eq!(findings(&outcome), [""; 0]);
    let printed = fs::read_to_string(folder.path().join("raw/gatling.out")).unwrap();
    for expected in [
        "POUCO_BASE_URL=http://127.0.0.1:9999\n",
        "POUCO_TEST_SCALE=0.5\n",
        "POUCO_TEST_SECONDS=5\n",
        "payloads.tsv\n",
        "terms.tsv\n",
    ] {
        assert!(printed.contains(expected), "{printed}");
    }

    let again = drive(&driver, folder.path(), &AtomicBool::new(false), &mut |_| {}).unwrap_err();
    assert!(again.to_string().contains("is not empty"), "{again}");
}

#[test]
fn a_load_that_is_stopped_keeps_what_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("{RESULTS}head -n 900 \"$home/recorded\" >\"$log\"\nsleep 600 & wait");
    let early =
        drive(&stand_in(folder.path(), "sleep 600"), folder.path(), &AtomicBool::new(true), &mut |_| {});
    assert_eq!(early.unwrap_err().to_string(), "gatling was stopped before the first user");
    let stop = AtomicBool::new(false);
    let mut progress = |_: &Snapshot| stop.store(true, Ordering::Relaxed);
    let driver = stand_in(folder.path(), &script);
    let outcome = drive(&driver, folder.path(), &stop, &mut progress).unwrap();
    assert!(outcome.interrupted);
    assert!(outcome.figures.users_started > 0);
    assert_eq!(findings(&outcome), [""; 0], "missing users are intended");
}

#[test]
fn a_tool_that_fails_is_no_outcome() {
    let error = |script: &str| {
        let folder = tempfile::tempdir().unwrap();
        let driver = stand_in(folder.path(), script);
        let error = drive(&driver, folder.path(), &AtomicBool::new(false), &mut |_| {}).unwrap_err();
        format!("{error:#}")
    };
    assert!(error("echo java is missing; exit 3").contains("java is missing"));
    assert!(error("exit 0").contains("exit status: 0"), "and no log");
    let half = format!("{RESULTS}head -n 900 \"$home/recorded\" >\"$log\"");
    assert!(error(&half).contains("not whole"));
    assert!(error(&format!("{RESULTS}echo nonsense >\"$log\"")).contains("simulation.log:1"));
    let nobody = Gatling::find(Some(Path::new("/nonexistent"))).unwrap_err().to_string();
    assert!(nobody.contains("install-gatling.sh"), "{nobody}");
}

#[test]
fn the_arguments_are_those_of_run_test_sh() {
    let folder = tempfile::tempdir().unwrap();
    let driver = stand_in(folder.path(), "");
    let contest = people();
    let here = Path::new("/x");
    let mut job = Job {
        contest: &contest,
        top: here,
        scale: 2.0,
        seed: 7,
        payloads: here,
        terms: here,
        folder: here,
        seconds: None,
        shop: None,
    };
    let command = driver.command(&job, "Simulation", Path::new("/results"));
    let arguments: Vec<&str> = command.get_args().map(|argument| argument.to_str().unwrap()).collect();
    let expected = "-rm|local|-bm|-nr|-s|Simulation|-rd|people, seed 7, scale 2|-rf|/results|\
        -sf|/x/stress-test/user-files/simulations|-rsf|/x/stress-test/user-files/resources";
    assert_eq!(arguments.join("|"), expected);
    let seconds = command.get_envs().find(|(name, _)| *name == "POUCO_TEST_SECONDS");
    assert_eq!(seconds.unwrap().1, None, "one of the user's own would change the load");

    job.seconds = Some(4);
    assert!(checked_arrivals(&job).unwrap_err().to_string().contains("5 to 3600"));
    job.seconds = None;
    job.scale = 101.0;
    assert!(checked_arrivals(&job).unwrap_err().to_string().contains("0.01 to 100"));
}
