//! What made headlines of the original comparison wrong (`docs/artefacts.md`), planted into one contestant at
//! once, and caught each by its name. That 100 rows are not 1,000, and that whoever was caught has no place,
//! is in `scenarios.rs`.

use std::fs;

use pouco_lab::figures::{Correctness, standings};
use pouco_lab::record::Status;

use crate::{database, scenarios};

/// Rules that a server breaks whose refusals are answers 200, and one that keeps no connection.
const BROKEN_RULES: [&str; 5] = [
    "A connection is kept from one answer to the next",
    "An e-mail address is of one user only",
    "A user without an e-mail address is refused",
    "An id that nobody has is a 404",
    "Without a token there is no access",
];

#[test]
fn each_artefact_of_the_original_is_caught_by_its_name() {
    let (cluster, _data) = database();
    let folder = tempfile::tempdir().unwrap();
    let (_port, mut lab) = scenarios::lab_of(
        folder.path(),
        &cluster,
        "artefact-peers",
        &["run", "tiny-scenarios", "--only", "06"],
    );
    let output = lab.output().unwrap();
    cluster.stop();
    assert_eq!(output.status.code(), Some(1), "what was found shows in the exit code: {output:?}");
    let out = folder.path().join("out/06-middleware-chain");
    let record = pouco_lab::runner::read(&out).unwrap().unwrap();
    let attempt = &record.attempts[0];

    // Its statements are shown, and what is compared with endpoints without a database has one.
    let verdict = &attempt.verdict;
    assert_eq!(verdict.status, Status::Disqualified, "{verdict:?}");
    for said in ["lines in its log after", "transactions in its database after"] {
        assert!(verdict.reasons.iter().any(|reason| reason.contains(said)), "{said}: {verdict:?}");
    }
    // Refusals are answers 200, and connections are not kept.
    let rules = attempt.conformance.as_ref().unwrap();
    for rule in BROKEN_RULES {
        assert!(rules.failures.iter().any(|failure| failure.rule == rule), "{rule}: {rules:?}");
    }
    // The table grows.
    let stored = attempt.stored.as_ref().unwrap();
    assert!(stored.foreign > 0 && stored.lost == 0, "{stored:?}");
    assert_eq!(standings(&record)[0].correctness, Correctness::Disqualified);
    let report = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(report.contains("lines in its log after") && report.contains(BROKEN_RULES[0]), "{report}");
}
