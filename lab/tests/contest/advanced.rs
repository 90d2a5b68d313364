//! The advanced scenarios on plain processes and a real Postgres: the honest contestant in its variants, and
//! a lie in each scenario, caught by its name. They run side by side: most of their time is waiting.

use postgres::NoTls;
use pouco::embedded::Cluster;
use pouco_lab::figures::{Correctness, Metric, standings};
use pouco_lab::record::{Proven, Record, Status};
use tempfile::TempDir;

use crate::database_with;
use crate::scenarios::{few_at_once, ran_in, standing};

/// A scenario, the variants that are run, and of these the liar's with what is said of it.
struct Case {
    load: &'static str,
    honest: &'static [&'static str],
    liar: &'static str,
    caught: &'static str,
}

const fn case(
    load: &'static str,
    honest: &'static [&'static str],
    [liar, caught]: [&'static str; 2],
) -> Case {
    Case { load, honest, liar, caught }
}

const CASES: [Case; 12] = [
    case("09-db-pagination", &["offset"], ["cursor", "page: the cursor skips users"]),
    case(
        "10-db-n-plus-one",
        &["lazy"],
        ["eager", "authors: the document is not what the lab's own query says"],
    ),
    case("11-db-bulk-operations", &["batch"], ["batch", "insert: the sum is not that of the values"]),
    case("12-db-transactions", &["no-lock", "conditional"], ["pessimistic", " lost updates ("]),
    case("13-cache-hit", &["process"], ["process", "user: the source is not the cache"]),
    case("14-cache-miss-db", &["redis"], ["redis", "Nothing older than a second comes from Redis"]),
    case("14-cache-miss-db", &[], ["process", "99 statements beyond one for somebody who is cold"]),
    case("15-auth-jwt", &["session"], ["jwt", "A tampered token is refused; "]),
    case("16-aggregation", &["kept"], ["kept", "the document is not what the lab's own query says"]),
    case("17-search", &["fts"], ["trgm", "search: the users are not those whom the search must find"]),
    case("18-real-world-flow", &["after"], ["after", "look: its own write is not read"]),
    // How quick an honest one is depends on what else the machine does.
    case(
        "19-spike-traffic",
        &[],
        ["off", " seconds until it was as quick as before (never; p99 before the spike was "],
    ),
];

/// A form of 19 with a second for each of its slopes, and two after them.
const SPIKE_SECONDS: &str = "10";

/// Statements for each request of a variant.
const STATEMENTS: [(&str, f64); 8] = [
    ("no-lock", 2.0),
    ("conditional", 2.0),
    ("process", 0.0),
    // A request that forgets and one that asks the database.
    ("redis", 0.5),
    ("session", 2.0),
    ("lazy", 1.0),
    ("batch", 1.0),
    ("fts", 1.0),
];

/// One that counts statements.
fn counting() -> (Cluster, TempDir) {
    let (cluster, folder) = database_with(&["shared_preload_libraries=pg_stat_statements".to_owned()]);
    let mut client = cluster.config_of("tiny").connect(NoTls).unwrap();
    let allowed = "CREATE EXTENSION pg_stat_statements; GRANT pg_read_all_stats TO tiny;
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO tiny";
    client.batch_execute(allowed).unwrap();
    (cluster, folder)
}

#[test]
fn a_lie_in_a_variant_is_caught_by_name_and_the_honest_has_none() {
    let all = CASES.iter().flat_map(|case| {
        let honest = (!case.honest.is_empty()).then_some((case, honest as fn(&Case)));
        honest.into_iter().chain([(case, liar as fn(&Case))])
    });
    few_at_once(all.map(|(case, check)| move || check(case)).collect());
}

#[test]
fn whoever_is_created_in_a_long_load_goes_again() {
    let (records, said, _folder) = ran_in(counting(), &["--only", "20", "--contestant", "honest"]);
    let record = &records["20-long-running"];
    let honest = standing(record, "honest");
    assert_eq!(honest.correctness, Correctness::Exact, "{said}");
    let attempt = honest.attempts[0];
    let (load, stored) = (attempt.load.as_ref().unwrap(), attempt.stored.as_ref().unwrap());
    assert!(load.requests["removal"].count >= 1 && load.total.failed == 0, "{load:?}");
    assert_eq!((stored.rows, stored.sent), (1_000, load.requests["creation"].count), "{stored:?}");
}

fn run(case: &Case, contestant: &str, variants: &str) -> (Record, String) {
    let seconds = if case.load.starts_with("19") { SPIKE_SECONDS } else { "2" };
    let only = ["--only", &case.load[..2], "--seconds", seconds];
    let arguments = [&only[..], &["--contestant", contestant, "--variant", variants]].concat();
    let (mut records, said, folder) = ran_in(counting(), &arguments);
    let table = std::fs::read_to_string(folder.path().join("out/series.md")).unwrap();
    let report =
        std::fs::read_to_string(folder.path().join("out").join(case.load).join("report.md")).unwrap();
    (records.remove(case.load).unwrap(), format!("{said}\n{table}\n{report}"))
}

fn honest(case: &Case) {
    let name = case.load;
    let (record, said) = run(case, "honest", &case.honest.join(","));
    let all = standings(&record);
    assert_eq!(all.len(), case.honest.len(), "{name}");
    for standing in &all {
        let variant = standing.entry.variant.as_deref().unwrap();
        let attempt = standing.attempts[0];
        assert_eq!(attempt.contestant, format!("honest@{variant}"));
        assert_eq!(attempt.verdict.status, Status::Valid, "{name}: {:?}\n{said}", attempt.verdict);
        let rules = attempt.conformance.as_ref().unwrap();
        assert!(rules.failures.is_empty() && rules.total >= 5, "{name}: {rules:?}");
        let (load, answers) = (attempt.load.as_ref().unwrap(), attempt.answers.as_ref().unwrap());
        assert_eq!((load.total.failed, answers.wrong), (0, 0), "{name}, {variant}: {load:?}");
        assert!(attempt.stored.as_ref().unwrap().exact(), "{name}: {:?}", attempt.stored);
        assert!(attempt.proofs.iter().all(|proven| proven.wrong == 0), "{name}: {:?}", attempt.proofs);
        let of_all = if standing.entry.unranked { Correctness::KnownToLose } else { Correctness::Exact };
        assert_eq!(standing.correctness, of_all, "{name}, {variant}");
        for (_, expected) in STATEMENTS.iter().filter(|(of, _)| *of == variant) {
            let statements = Metric::StatementsPerRequest.of(attempt).unwrap();
            assert!((statements - expected).abs() < 0.25, "{name}, {variant}: {statements}");
            let commits = Metric::CommitsPerRequest.of(attempt).unwrap();
            assert!(commits >= 0.9 * expected, "{name}, {variant}: {commits}");
        }
        assert!(said.contains(&format!("| {name}, {variant} |")), "{said}");
    }
    if name.starts_with("12") {
        let lost = |proven: &&Proven| proven.what == "lost updates";
        let lost = all.iter().map(|it| it.attempts[0].proofs.iter().find(lost).unwrap().count);
        assert!(lost.clone().max() > Some(0) && lost.min() == Some(0), "{said}");
    }
    assert!(said.contains("## Variants"), "{said}");
}

fn liar(case: &Case) {
    let (record, said) = run(case, "liar", case.liar);
    let all = standings(&record);
    let [liar] = all.as_slice() else { panic!("{said}") };
    assert_eq!(liar.correctness, Correctness::Wrong, "{}: {said}", case.load);
    let caught = said.lines().find(|line| line.starts_with("* ✗ **liar@")).unwrap();
    assert!(caught.contains(case.load) && caught.contains(case.caught), "{caught}\n{said}");
}
