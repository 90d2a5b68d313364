//! The judge of what a fault costs the others must find what is planted.

use std::time::Duration;

use super::Failure;
use super::check::Broken;
use super::hostile::Tally;
use super::measure::{Index, LATENCY, Measured, Promise, Ready, SETTLING, TOLD, judge};

const INDEX: Index = Index { is_complete: true, people: 9.0, bytes: 1_000.0, limit: 1_000.0, said: false };

/// When `/readyz` was asked, in seconds, and whether it said that all is well.
fn ready(looks: &[(f64, bool)]) -> Vec<(Duration, bool)> {
    looks.iter().map(|(at, ready)| (Duration::from_secs_f64(*at), *ready)).collect()
}

/// A fault of 5 s in which all is as it must be, if only just.
fn honest() -> Measured {
    Measured {
        fault: "planted".into(),
        replica: 0,
        promise: Promise { ready: Ready::Stays, serves: true, creates: true },
        ended: Duration::from_secs(5),
        idle: 10 << 20,
        peak: 90 << 20,
        accounted: 16 << 20,
        usual: LATENCY / 10,
        usually_created: LATENCY / 10,
        synced: Duration::from_millis(10),
        asked: [vec![LATENCY; 198], vec![LATENCY * 9; 2]].concat(),
        unanswered: Vec::new(),
        created: [vec![LATENCY; 99], vec![LATENCY * 9]].concat(),
        ready: ready(&[(0.1, true), (4.0, true), (5.1, true)]),
        hostile: Tally { tried: 9, served: 3, refused: 3, cut: 3, created: 3, odd: 0 },
        counted: 6.0,
        newcomer: Some(SETTLING),
        index: Some(INDEX),
    }
}

/// When a replica was looked at just before it must have told, or by so much later; in seconds.
fn told(later: f64) -> f64 {
    TOLD.as_secs_f64() - 0.1 + later
}

/// The same where the replica may not be ready meanwhile.
fn honest_while_away() -> Measured {
    Measured {
        promise: Promise { ready: Ready::Goes, serves: true, creates: false },
        ready: ready(&[(0.1, true), (told(0.0), false), (told(5.0), false), (told(5.2), true)]),
        // Nobody was acknowledged.
        created: Vec::new(),
        index: Some(Index { is_complete: false, people: 0.0, bytes: 0.0, said: true, ..INDEX }),
        ..honest()
    }
}

type Plant = fn(&mut Measured);
const PLANTED: &[(&str, Broken, Plant)] = &[
    ("a byte too much", Broken::Memory, |one| one.peak += 1),
    ("accounts that did not grow", Broken::Memory, |one| one.accounted = 0),
    ("others who wait", Broken::Latency, |one| one.asked.push(LATENCY * 9)),
    ("creations that wait", Broken::Latency, |one| one.created.push(LATENCY * 9)),
    ("nobody who could ask", Broken::Latency, |one| one.asked.clear()),
    ("nobody who could create", Broken::Latency, |one| one.created.clear()),
    ("somebody without an answer", Broken::Starved, |one| one.unanswered.push("cut".into())),
    ("a cut that is not counted", Broken::Uncounted, |one| one.hostile.cut += 1),
    ("a refusal that is not counted", Broken::Uncounted, |one| one.counted -= 1.0),
    ("a 500", Broken::UnexpectedStatus, |one| one.hostile.odd = 1),
    ("a door that stays shut", Broken::SlowRecovery, |one| one.newcomer = None),
    ("a door that opens late", Broken::SlowRecovery, |one| one.newcomer = Some(SETTLING * 2)),
    ("not ready without a reason", Broken::Readiness, |one| one.ready[1].1 = false),
    ("not ready after it", Broken::Readiness, |one| one.ready[2].1 = false),
    ("an index past its bound", Broken::IndexLost, |one| one.index = Some(Index { bytes: 1_001.0, ..INDEX })),
    ("an index given up in silence", Broken::IndexLost, |one| {
        one.index = Some(Index { is_complete: false, people: 0.0, bytes: 0.0, ..INDEX });
    }),
    ("an index with some people", Broken::IndexLost, |one| {
        one.index = Some(Index { is_complete: false, said: true, ..INDEX });
    }),
];

const PLANTED_WHILE_AWAY: &[(&str, Broken, Plant)] = &[
    ("told too late", Broken::Readiness, |one| one.ready[1] = ready(&[(told(0.2), false)])[0]),
    ("never told", Broken::Readiness, |one| {
        one.ready = ready(&[(0.1, true), (4.9, true), (told(5.2), true)]);
    }),
    ("never ready again", Broken::Readiness, |one| one.ready[3].1 = false),
    ("ready again, and not", Broken::Readiness, |one| {
        one.ready.extend(ready(&[(told(5.4), false), (told(5.5), true)]));
    }),
    ("not looked at to the end", Broken::Readiness, |one| one.ready.truncate(3)),
];

/// Plants each alone; the number of them.
pub fn run() -> Result<usize, Failure> {
    let scenes: [(fn() -> Measured, _); 2] = [(honest, PLANTED), (honest_while_away, PLANTED_WHILE_AWAY)];
    let mut planted = 0;
    for (honest, plants) in scenes {
        if let Some(violation) = judge(&honest()).first() {
            return Err(format!("found where nothing is: {violation}").into());
        }
        for (what, expected, plant) in plants {
            let mut measured = honest();
            plant(&mut measured);
            let found = judge(&measured);
            if !found.iter().any(|violation| violation.broken == *expected) {
                return Err(format!("{what} is not found; found: {found:?}").into());
            }
            planted += 1;
        }
    }
    Ok(planted)
}
