//! The contest of pages for two seconds on plain processes, without any database: an honest contestant, one
//! that shows a time which is too old, and one that does not always answer the same.

use pouco_lab::figures::{Correctness, standings};
use pouco_lab::record::Status;

use crate::{Contest, Ran, attempt};

#[test]
fn who_shows_what_is_too_old_or_answers_otherwise_is_caught_without_a_database() {
    let contest = Contest {
        name: "tiny-edge",
        files: &["contests/edge/conformance.toml"],
        peers: "edge-peers",
        has_database: false,
    };
    let arguments = ["--tool", "native", "--contestant", "honest,old,liar"];
    let Ran { said, record, report, .. } = contest.run(tempfile::tempdir().unwrap(), &arguments);

    let honest = attempt(&record, "honest");
    assert_eq!(honest.verdict.status, Status::Valid, "{:?}\n{said}", honest.verdict);
    let rules = honest.conformance.as_ref().unwrap();
    assert!(rules.failures.is_empty() && rules.total >= 10, "{rules:?}");
    let proof = honest.proof.as_ref().unwrap();
    assert!(proof.holds && proof.durability.is_empty(), "{proof:?}");
    assert!(honest.stored.is_none() && honest.killed.is_none());
    let answers = honest.answers.as_ref().unwrap();
    assert!(answers.right() && answers.checked == 200, "{answers:?}");
    assert_eq!(answers.by_cache.iter().collect::<Vec<_>>(), [(&"HIT".to_owned(), &200)]);
    assert!((31.0..60.0).contains(&answers.oldest_seconds.unwrap()), "{answers:?}");

    let wrong = |name: &str, message: &str| {
        let attempt = attempt(&record, name);
        let (load, answers) = (attempt.load.as_ref().unwrap(), attempt.answers.as_ref().unwrap());
        assert_eq!((load.total.failed, load.errors[0].count), (answers.wrong, answers.wrong), "{load:?}");
        assert!(load.errors[0].message.contains(message), "{load:?}");
        answers.wrong
    };
    assert_eq!(wrong("old", "time: the time is older than anything may be kept"), 100);
    let others = wrong("liar", "static text: the text is not the contest's");
    assert!((12..=16).contains(&others), "{others} of 100");

    let correctness = |name: &str| {
        standings(&record).into_iter().find(|standing| standing.entry.name == name).unwrap().correctness
    };
    let all = ["honest", "old", "liar"].map(correctness);
    assert_eq!(all, [Correctness::Exact, Correctness::Wrong, Correctness::Wrong]);
    for words in
        ["This contest stores nothing, so no rows were counted", "✓ right", "✗ 100 wrong", "no database"]
    {
        assert!(report.contains(words), "{words}\n{report}");
    }
    for words in [
        "database connections",
        "Durability",
        "## Rows",
        "lost none",
        "Rows not checked",
        "Requests per CPU s API",
    ] {
        assert!(!report.contains(words), "{words}\n{report}");
    }
}
