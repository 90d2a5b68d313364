use std::fs;
use std::path::Path;

use super::*;

/// What may be between the model and a run that was held back.
const ALLOWED: f64 = 0.15;

/// Of the contest's creations those that become rows: the others are refused before, or are taken already.
const STORED: f64 = 0.86;

/// CPU seconds of Postgres and of both replicas, requests, and seconds of an archived run.
fn archived(run: &str) -> (f64, f64, f64, f64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results").join(run);
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(folder.join(name)).unwrap()).unwrap()
    };
    let (used, asked) = (read("resources.json"), read("percentiles.json"));
    let cpu = |name: &str| used["containers"][name]["cpu_s"].as_f64().unwrap();
    let requests = asked["requests"]["all requests"]["count"].as_f64().unwrap();
    (
        cpu("pouco-postgres"),
        cpu("pouco-api1") + cpu("pouco-api2"),
        requests,
        used["seconds"].as_f64().unwrap(),
    )
}

/// The contest's creations, whose phases are as long as this share of the full test's.
fn contest(share: f64) -> Vec<f64> {
    let mut rng = Rng::with_seed(1);
    let (mut found, mut begun) = (Vec::new(), 0.0);
    for (from, to, seconds) in [(2.0, 2.0, 10.0), (5.0, 5.0, 15.0), (6.0, 600.0, 180.0)] {
        let seconds = seconds * share;
        let come = arrivals(from, to, seconds, &mut rng);
        found.extend(come.into_iter().filter(|_| rng.f64() < STORED).map(|at| begun + at));
        begun += seconds;
    }
    found
}

/// How far the model is from a run, for Postgres and for the replicas.
fn errors(run: &str, share: f64, linger_ms: u64, turn_ms: u64) -> (f64, f64) {
    let (postgres, replicas, requests, seconds) = archived(run);
    let writing = Writing {
        replicas: 2,
        turn: Duration::from_millis(turn_ms),
        linger: Duration::from_millis(linger_ms),
        most_rows: 128,
        postgres_cores: 1,
        flush: Duration::from_millis(1),
    };
    let costs = MEASURED;
    let made = batches(&contest(share), &writing, &costs);
    let (count, rows, polls) = (made.count as f64, made.waits_s.len() as f64, 2.0 * seconds / POLL_S);
    let by_postgres = count * costs.batch_s + rows * costs.row_s + polls * costs.poll_s;
    let by_replicas = count * costs.replica_batch_s + requests * costs.request_s;
    (by_postgres / postgres - 1.0, by_replicas / replicas - 1.0)
}

#[test]
fn runs_that_were_held_back_are_foretold() {
    const SHORT: f64 = 60.0 / 205.0;
    for (run, share, linger_ms) in [
        ("2026-11-21-2core-xeon-2/decisions/turns-linger3-1", SHORT, 3),
        ("2026-11-21-2core-xeon-2/decisions/turns-linger3-2", SHORT, 3),
        ("2026-11-21-2core-xeon-2/people/run-1", 1.0, 8),
        ("2026-11-21-2core-xeon-2/people/run-2", 1.0, 8),
        ("2026-11-21-2core-xeon-2/people/run-3", 1.0, 8),
    ] {
        let (postgres, replicas) = errors(run, share, linger_ms, 50);
        assert!(postgres.abs() <= ALLOWED, "{run}: Postgres {postgres:+.3}");
        assert!(replicas.abs() <= ALLOWED, "{run}: replicas {replicas:+.3}");
    }
}

fn question(creations: f64) -> Question {
    Question {
        creations,
        searches: 50.0,
        lookups: creations,
        people: 1e6,
        replica_cores: 1.0,
        p99: Duration::from_millis(50),
        writing: Writing {
            replicas: 1,
            turn: Duration::ZERO,
            linger: Duration::from_millis(8),
            most_rows: 128,
            postgres_cores: 1,
            flush: Duration::from_millis(1),
        },
        seed: 1,
    }
}

#[test]
fn the_same_seed_gives_the_same_answer_and_more_needs_no_less() {
    let one = question(300.0).answer(2, &MEASURED);
    let again = question(300.0).answer(2, &MEASURED);
    assert_eq!((one.batches.count, one.postgres), (again.batches.count, again.postgres));
    let fewest = |creations| question(creations).fewest(1, &MEASURED).map(|it| it.replicas);
    assert_eq!(fewest(300.0), Some(1));
    assert!(fewest(2_000.0) >= fewest(300.0));
    assert_eq!(fewest(30_000.0), None, "no Postgres of one core");
}

#[test]
fn rows_share_batches_as_they_come_closer() {
    let rows = |creations| question(creations).answer(1, &MEASURED).batches.rows();
    assert!(rows(10.0) < 1.2 && rows(1_000.0) > 5.0, "{} {}", rows(10.0), rows(1_000.0));
    let split = question(1_000.0).answer(4, &MEASURED).batches.rows();
    assert!(split < rows(1_000.0), "{split}");
}
