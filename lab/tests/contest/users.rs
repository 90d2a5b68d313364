//! The contest of users for two seconds on plain processes and a real Postgres: an honest contestant, one that counts once, and
//! one that answers others and changes rows.

use std::fs;
use std::path::Path;
use std::process::Command;

use pouco_lab::contestant::Acknowledges;
use pouco_lab::figures::Metric;
use pouco_lab::record::Status;

use crate::{attempt, database, reserved_port};

#[test]
fn who_counts_once_answers_others_or_changes_rows_is_caught() {
    let (cluster, _data) = database();
    let url = format!("host={} user=tiny dbname=tiny", cluster.sockets().display());
    let (_reserved, port) = reserved_port();
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let contest = folder.path().join("tiny-users");
    fs::create_dir(&contest).unwrap();
    let source = fs::read_to_string(top.join("tests/contest/tiny-users/contest.toml")).unwrap();
    fs::write(contest.join("contest.toml"), source.replace("{port}", &port.to_string())).unwrap();
    for name in ["conformance.toml", "seed.sql"] {
        fs::copy(top.join("contests/users").join(name), contest.join(name)).unwrap();
    }
    let out = folder.path().join("out");
    let output = Command::new(env!("CARGO_BIN_EXE_pouco-lab"))
        .current_dir(top)
        .env("POUCO_LAB_TEST_DATABASE", &url)
        .env("POUCO_LAB_TEST_SERVER", std::env::current_exe().unwrap())
        .arg("--contests")
        .arg(folder.path())
        .arg("--peers")
        .arg(top.join("tests/contest/users-peers"))
        .args(["run", "tiny-users", "--budget", "large", "--tool", "native"])
        .args(["--contestant", "honest,stale,liar", "--out"])
        .arg(&out)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let record = pouco_lab::runner::read(&out).unwrap().unwrap_or_else(|| panic!("no record\n{said}"));
    assert_eq!((record.budget_name.as_deref(), record.budget.processes), (Some("large"), Some(2)));
    assert_eq!(record.kill, Some(false));
    assert!(record.contestants.iter().all(|entry| entry.acknowledges == Acknowledges::ReadOnly));

    let honest = attempt(&record, "honest");
    assert_eq!(honest.verdict.status, Status::Valid, "{:?}\n{said}", honest.verdict);
    let rules = honest.conformance.as_ref().unwrap();
    assert!(rules.failures.is_empty() && rules.total > 30, "{rules:?}");
    let load = honest.load.as_ref().unwrap();
    assert_eq!((load.total.failed, load.total.count), (0, 230), "{load:?}");
    assert_eq!(load.requests["unknown id"].statuses[&404], 10);
    let stored = honest.stored.as_ref().unwrap();
    assert!(stored.exact() && stored.rows == 10_000, "{stored:?}");
    assert!(honest.killed.is_none());
    assert!(Metric::RequestsPerCpu.of(honest).is_none(), "the recorded tree is always at rest");

    let stale = attempt(&record, "stale");
    assert_eq!(stale.verdict.status, Status::Valid, "{:?}", stale.verdict);
    let failures = &stale.conformance.as_ref().unwrap().failures;
    assert!(failures.len() == 1 && failures[0].rule.starts_with("A row that was inserted"), "{failures:?}");

    let liar = attempt(&record, "liar");
    let load = liar.load.as_ref().unwrap();
    // 210 look-ups of which each seventh is somebody else, and those whom it made older.
    assert!((25..=45).contains(&load.total.failed), "{load:?}");
    let others = load.errors.iter().find(|error| error.message.contains("id is not the one")).unwrap();
    assert!(others.count >= 25, "{load:?}");
    let stored = liar.stored.as_ref().unwrap();
    assert!(!stored.exact() && stored.altered >= 3, "{stored:?}");

    let report = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(report.contains("Requests per CPU s") && report.contains("large: 1.00 CPUs"), "{report}");
    for word in ["Answered 201", "Acknowledged before", "201 for a taken nick", "Lost |"] {
        assert!(!report.contains(word), "{word}");
    }
    cluster.stop();
}
