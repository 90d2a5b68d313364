//! Each scenario for two seconds on plain processes and a real Postgres: an honest contestant, and one that
//! lies in all of them. The scenarios run side by side: most of their time is waiting.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::thread;

use postgres::NoTls;
use pouco::embedded::Cluster;
use pouco_lab::figures::{Correctness, Standing, standings};
use pouco_lab::record::{Record, Status};
use socket2::Socket;
use tempfile::TempDir;

use crate::{database, reserved_port};

const CONTEST: &str = "tiny-scenarios";

/// The first failure of the liar, and whether its rows tell of it.
const LIES: [(&str, &str, bool); 8] = [
    ("01-lightweight", "health: the status is not ok", false),
    ("02-json-payload", "echo: the message is not the one that was sent", false),
    ("03-db-read", "list: the list has not all rows", false),
    ("04-db-write", "", true),
    ("05-external-api", "external: the answer came before 100 ms had passed", false),
    ("06-middleware-chain", "protected: the message is not `Access granted`", false),
    ("07-file-upload", "upload: the size is not that of the file", false),
    ("08-concurrent-mixed", "list: the list has not all rows", true),
];

/// The real contest on a free port, in `folder`; what it has left is in `out` there.
fn run(folder: &Path, cluster: &Cluster, arguments: &[&str]) -> Output {
    let (_reserved, mut lab) = lab(folder, cluster, arguments);
    lab.output().unwrap()
}

/// The same, not yet started, and the port.
pub(crate) fn lab(folder: &Path, cluster: &Cluster, arguments: &[&str]) -> (Socket, Command) {
    lab_of(folder, cluster, "scenarios-peers", &[&["run", CONTEST], arguments].concat())
}

/// The lab with the real contest and the contestants of this folder, asked for anything.
pub(crate) fn lab_of(folder: &Path, cluster: &Cluster, peers: &str, arguments: &[&str]) -> (Socket, Command) {
    let (reserved, port) = reserved_port();
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (from, to) = (top.join("contests/scenarios"), folder.join(CONTEST));
    fs::create_dir(&to).unwrap();
    let text = fs::read_to_string(from.join("contest.toml")).unwrap();
    let text = text.replace("9999", &port.to_string());
    fs::write(to.join("contest.toml"), smaller(&text)).unwrap();
    for folder in ["", "rules", "seeds"] {
        fs::create_dir_all(to.join(folder)).unwrap();
        for entry in fs::read_dir(from.join(folder)).unwrap().map(|entry| entry.unwrap()) {
            let copied = to.join(folder).join(entry.file_name());
            if entry.path().is_file() && !copied.exists() {
                fs::copy(entry.path(), copied).unwrap();
            }
        }
    }
    let mut lab = Command::new(env!("CARGO_BIN_EXE_pouco-lab"));
    lab.current_dir(top).env("POUCO_LAB_TEST_SERVER", std::env::current_exe().unwrap());
    let url = format!("host={} user=tiny dbname=tiny", cluster.sockets().display());
    lab.env("POUCO_LAB_TEST_DATABASE", url);
    lab.arg("--contests").arg(folder).arg("--peers").arg(top.join("tests/contest").join(peers));
    let seconds: &[&str] = if arguments.contains(&"--seconds") { &[] } else { &["--seconds", "2"] };
    lab.args(arguments).args(seconds).arg("--out").arg(folder.join("out"));
    (reserved, lab)
}

/// The advanced scenarios with fewer rows and clients, who wait a little before each request, so that many of
/// them run side by side; but for a sale, which is one because nobody waits.
fn smaller(text: &str) -> String {
    let text = text.replace("100_000", "2_000").replace("clients = 90", "clients = 20");
    let text = text.replace("count=1000\"\naccept", "count=50\"\naccept");
    let (basic, advanced) = text.split_once("[loads.09").unwrap();
    let waits = |answer: &str| answer.replacen('\n', "\npause_ms = [50.0, 150.0]\n", 1);
    // What is accepted comes last in a request, but for a pause.
    let requests = advanced.split("accept = [");
    let waiting = requests.enumerate().map(|(place, request)| match place {
        0 => request.to_owned(),
        _ if request.starts_with("200, 409") || request.contains("pause_ms") => request.to_owned(),
        _ => waits(request),
    });
    format!("{basic}[loads.09{}", waiting.collect::<Vec<_>>().join("accept = ["))
}

/// One run with a database of its own: the records by the names of their loads, and what was said.
pub(crate) fn ran(arguments: &[&str]) -> (BTreeMap<String, Record>, String, TempDir) {
    ran_in(database(), arguments)
}

/// The same in this database.
pub(crate) fn ran_in(
    (cluster, _data): (Cluster, TempDir),
    arguments: &[&str],
) -> (BTreeMap<String, Record>, String, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &cluster, arguments);
    cluster.stop();
    let said =
        format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}\n{said}");
    let mut records = BTreeMap::new();
    for entry in fs::read_dir(folder.path().join("out")).unwrap().map(|entry| entry.unwrap()) {
        if entry.path().is_dir() {
            let record = pouco_lab::runner::read(&entry.path()).unwrap().unwrap();
            records.insert(entry.file_name().into_string().unwrap(), record);
        }
    }
    (records, said, folder)
}

#[test]
fn whoever_lies_in_a_scenario_is_caught_by_name_and_the_honest_is_not() {
    let one = |(name, lie, of_rows): (&'static str, &'static str, bool)| {
        move || {
            let (records, said, folder) = ran(&["--only", &name[..2]]);
            assert_eq!(records.keys().collect::<Vec<_>>(), [name], "{said}");
            let record = &records[name];
            assert_eq!(record.load_name.as_deref(), Some(name));
            check_honest(name, record, &said);
            check_liar(name, record, lie, of_rows);
            check_table(name, lie, folder.path());
        }
    };
    few_at_once(LIES.map(one).into());
}

#[test]
fn scenarios_run_in_their_order_whatever_was_asked_for_first() {
    let (records, said, folder) = ran(&["--only", "06,01", "--contestant", "honest"]);
    assert_eq!(records.keys().collect::<Vec<_>>(), ["01-lightweight", "06-middleware-chain"]);
    let table = fs::read_to_string(folder.path().join("out/series.md")).unwrap();
    assert!(table.contains("| 01-lightweight | 1. ") && said.contains(&table), "{table}\n{said}");
}

/// How many labs run at a time, each with a Postgres and servers of its own.
const AT_ONCE: usize = 4;

/// Each mostly waits, but a dozen that start at once would keep a small machine from answering anybody.
pub(crate) fn few_at_once<F: FnOnce() + Send>(tasks: Vec<F>) {
    let tasks = Mutex::new(tasks.into_iter());
    let next = || tasks.lock().unwrap().next();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(task) = next() {
                    task();
                }
            });
        }
    });
}

pub(crate) fn standing<'r>(record: &'r Record, name: &str) -> Standing<'r> {
    standings(record).into_iter().find(|standing| standing.entry.name == name).unwrap()
}

fn check_honest(name: &str, record: &Record, said: &str) {
    let honest = standing(record, "honest");
    let attempt = honest.attempts[0];
    assert_eq!(attempt.verdict.status, Status::Valid, "{name}: {:?}\n{said}", attempt.verdict);
    let rules = attempt.conformance.as_ref().unwrap();
    assert!(rules.failures.is_empty() && rules.total == 31, "{name}: {rules:?}");
    let (load, stored) = (attempt.load.as_ref().unwrap(), attempt.stored.as_ref().unwrap());
    assert_eq!(load.total.failed, 0, "{name}: {load:?}");
    let answers = attempt.answers.as_ref().unwrap();
    assert!(answers.right() && answers.checked == load.total.count, "{name}: {answers:?} of {load:?}");
    assert!(stored.exact() && stored.rows == 1_000 + stored.acknowledged, "{name}: {stored:?}");
    assert_eq!(stored.acknowledged > 0, matches!(&name[..2], "04" | "08"), "{name}: {stored:?}");
    assert_eq!((honest.correctness, honest.rank), (Correctness::Exact, Some(1)), "{name}");
    if name.starts_with("08") {
        check_mix(&load.requests.iter().map(|(name, of)| (name.as_str(), of.count)).collect());
    }
}

/// The mix is dealt in twenties, so it differs from the percentages by a part of the last.
fn check_mix(counts: &BTreeMap<&str, u64>) {
    let all: u64 = counts.values().sum();
    let shares =
        [("health", 5), ("echo", 15), ("list", 40), ("creation", 10), ("external", 15), ("protected", 15)];
    for (name, share) in shares {
        let exact = all * share / 100;
        let count = counts.get(name).copied().unwrap_or(0);
        assert!(count.abs_diff(exact) <= share / 5 + 1, "{name}: {counts:?}");
    }
}

fn check_liar(name: &str, record: &Record, lie: &str, of_rows: bool) {
    let liar = standing(record, "liar");
    assert_eq!(liar.correctness, Correctness::Wrong, "{name}");
    let attempt = liar.attempts[0];
    let (load, stored) = (attempt.load.as_ref().unwrap(), attempt.stored.as_ref().unwrap());
    let answers = attempt.answers.as_ref().unwrap();
    let named = load.errors.iter().any(|error| error.message.contains(lie));
    assert_eq!((answers.wrong > 0, named), (!lie.is_empty(), !lie.is_empty()), "{name}: {load:?}");
    assert_eq!(stored.lost > 0, of_rows, "{name}: {stored:?}");
}

/// The liar stands before the honest, with what it did and without a place.
fn check_table(name: &str, lie: &str, folder: &Path) {
    let report = fs::read_to_string(folder.join("out").join(name).join("report.md")).unwrap();
    let ranking = &report[report.find("## Ranking").unwrap()..];
    let (liar, honest) = (ranking.find("liar").unwrap(), ranking.find("1. honest").unwrap());
    assert!(liar < honest && !ranking.contains("2. liar"), "{ranking}");
    assert!(report.contains("honest is the only one of 2 contestants whose answers and rows were exact"));
    let table = fs::read_to_string(folder.join("out/series.md")).unwrap();
    let caught = table.lines().find(|line| line.starts_with("* ✗ **liar**")).unwrap();
    let what = if name.starts_with("04") { "lost " } else { "wrong answers (" };
    assert!(caught.contains(name) && caught.contains(what), "{caught}");
    if !name.starts_with("08") {
        assert!(caught.contains(lie), "{caught}");
    }
}

#[test]
fn a_database_that_others_use_is_refused_and_left_as_it_is() {
    let (cluster, _data) = database();
    let url = format!("host={} user=tiny dbname=tiny application_name=payroll", cluster.sockets().display());
    let mut other = postgres::Client::connect(&url, NoTls).unwrap();
    other.batch_execute("CREATE SCHEMA bench; CREATE TABLE bench.users (salary int)").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &cluster, &["--only", "01", "--contestant", "honest"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let record = pouco_lab::runner::read(&folder.path().join("out/01-lightweight")).unwrap().unwrap();
    let verdict = &record.attempts[0].verdict;
    assert_eq!(verdict.status, Status::Failed);
    assert!(verdict.reasons[0].contains("is used by others, and would be emptied"), "{verdict:?}");
    assert!(verdict.reasons[0].contains("payroll"), "{verdict:?}");
    other.execute("SELECT salary FROM bench.users", &[]).unwrap();
    drop(other);
    cluster.stop();
}
