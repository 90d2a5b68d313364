//! The contest of users for two seconds on plain processes and a real Postgres: an honest contestant, one
//! that counts once, and one that answers others and changes rows.

use pouco_lab::contestant::Acknowledges;
use pouco_lab::figures::Metric;
use pouco_lab::record::Status;

use crate::{Contest, Ran, attempt};

#[test]
fn who_counts_once_answers_others_or_changes_rows_is_caught() {
    let contest = Contest {
        name: "tiny-users",
        files: &["contests/users/conformance.toml", "contests/users/seed.sql"],
        peers: "users-peers",
        has_database: true,
    };
    let arguments = ["--budget", "large", "--tool", "native", "--contestant", "honest,stale,liar"];
    let Ran { said, record, report, .. } = contest.run(tempfile::tempdir().unwrap(), &arguments);
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

    assert!(report.contains("Requests per CPU s") && report.contains("large: 1.00 CPUs"), "{report}");
    for word in ["Answered 201", "Acknowledged before", "201 for a taken nick", "Lost |"] {
        assert!(!report.contains(word), "{word}");
    }
}
