//! The contest of a shop for two seconds on plain processes and a real Postgres: an honest contestant, and
//! those who oversell, acknowledge without a row, stand still, sell for a moment what they do not have, or
//! know after a kill less than they have stored.

use pouco_lab::figures::{Correctness, standings};
use pouco_lab::record::{Attempt, Status};

use crate::{Contest, Ran, attempt};

fn run(options: &[&str]) -> Ran {
    let contest = Contest {
        name: "tiny-shop",
        files: &["tests/contest/tiny-shop/conformance.toml"],
        peers: "shop-peers",
        has_database: true,
    };
    contest.run(tempfile::tempdir().unwrap(), options)
}

/// Of an attempt that came to its end: what its rows are like, and what was said of them.
fn examples(attempt: &Attempt) -> &[String] {
    assert_eq!(attempt.verdict.status, Status::Valid, "{:?}", attempt.verdict);
    &attempt.stored.as_ref().unwrap().examples
}

#[test]
fn who_oversells_is_caught_and_who_is_honest_keeps_all_through_a_kill() {
    let Ran { record, report, .. } = run(&["--contestant", "oversells,blind,honest"]);
    let honest = attempt(&record, "honest");
    assert_eq!(examples(honest), [""; 0], "{:?}", honest.stored);
    let load = honest.load.as_ref().unwrap();
    assert!(load.total.failed == 0 && load.requests["delivery"].count == 40, "{load:?}");
    let stored = honest.stored.as_ref().unwrap();
    assert!(stored.exact() && stored.acknowledged > 5, "{stored:?}");
    assert_eq!(stored.stock.unwrap().products, 3, "{stored:?}");
    let watched = stored.watched.unwrap();
    // Four a second, if the machine has nothing else to do; fewer otherwise.
    assert!(watched.looks >= 1 && watched.wrong() == 0, "{watched:?}");
    assert!(honest.verdict.warnings.iter().all(|it| !it.contains("watch over")), "{:?}", honest.verdict);

    let killed = honest.killed.as_ref().unwrap();
    assert!(killed.kept() && killed.unavailable_seconds.is_some(), "{killed:?}");
    assert!(killed.stored.acknowledged > 0 && killed.stored.stock.unwrap().exact == 6, "{killed:?}");
    assert!(killed.stored.watched.unwrap().looks > 0, "{killed:?}");
    let asked: Vec<_> = killed.asked.iter().map(|it| (it.replica.as_deref(), it.people)).collect();
    let acknowledged = killed.stored.acknowledged;
    assert_eq!(asked, [(Some("api1"), acknowledged), (Some("api2"), acknowledged)], "{killed:?}");

    let oversells = attempt(&record, "oversells");
    let stock = oversells.stored.as_ref().unwrap().stock.unwrap();
    assert!(stock.oversold > 0 && stock.vanished == 0, "{stock:?}");
    assert!(examples(oversells).iter().any(|it| it.contains("in stock, and")), "{oversells:?}");
    assert_eq!(oversells.stored.as_ref().unwrap().lost, 0, "every order is there");

    let blind = attempt(&record, "blind");
    assert!(examples(blind).is_empty() && !blind.killed.as_ref().unwrap().kept(), "{blind:?}");
    let killed = blind.killed.as_ref().unwrap();
    assert!(killed.stored.exact() && killed.invisible > Some(0), "{killed:?}");
    let [one, other] = killed.asked.as_slice() else { panic!("{killed:?}") };
    assert_eq!((one.missing_by_id, one.wrong_stocks), (0, Some(0)), "{killed:?}");
    assert_eq!(Some(other.missing_by_id), killed.invisible, "{killed:?}");
    assert!(other.wrong_stocks > Some(0) && other.people == killed.stored.acknowledged, "{killed:?}");
    let said = |end: &str| killed.stored.examples.iter().any(|it| it.ends_with(end));
    assert!(said("and not answered so: api2") && said("are answered: api2"), "{killed:?}");

    let ranked: Vec<_> =
        standings(&record).iter().map(|it| (it.entry.name.clone(), it.correctness)).collect();
    let expected = [
        ("honest", Correctness::Exact),
        ("blind", Correctness::LostWhenKilled),
        ("oversells", Correctness::Wrong),
    ];
    assert_eq!(ranked, expected.map(|(name, correctness)| (name.to_owned(), correctness)));
    assert!(report.contains("oversells"), "{report}");
}

#[test]
fn who_has_no_row_stands_still_or_dips_below_zero_is_caught_by_name() {
    let Ran { record, report, .. } = run(&["--no-kill", "--contestant", "forgets,stands,dips"]);
    let forgets = attempt(&record, "forgets");
    let stored = forgets.stored.as_ref().unwrap();
    assert!(stored.lost >= 2 && stored.stock.unwrap().exact < 3, "{stored:?}");
    assert!(
        examples(forgets).iter().any(|it| it.ends_with("was acknowledged and is not stored")),
        "{stored:?}"
    );
    assert!(report.contains("was acknowledged and is not stored"), "{report}");

    let stands = attempt(&record, "stands");
    assert_eq!(examples(stands), [""; 0], "{:?}", stands.stored);
    assert!(report.contains("stood still: no order"), "{report}");

    // At the end its stock is right to the piece: only who looks while the load runs can see it.
    let dips = attempt(&record, "dips");
    let stored = dips.stored.as_ref().unwrap();
    let stock = stored.stock.unwrap();
    assert_eq!((stock.exact, stock.oversold, stock.below_zero), (3, 0, 0), "{stored:?}");
    assert_eq!(stored.lost + stored.altered + stored.foreign + stored.wrongly_refused, 0, "{stored:?}");
    let watched = stored.watched.unwrap();
    assert_eq!((watched.below_zero, watched.above), (1, 0), "{watched:?}");
    assert!(!stored.exact() && stored.wrong() == 1);
    let [said] = examples(dips) else { panic!("{stored:?}") };
    assert!(said.starts_with("product ") && said.contains(" had -"), "{said}");
    assert!(said.ends_with(" s after the load began") && report.contains(said.as_str()), "{report}");

    let found = standings(&record).iter().map(|it| it.correctness).collect::<Vec<_>>();
    assert_eq!(found, [Correctness::StoodStill, Correctness::Wrong, Correctness::Wrong]);
}
