//! A clock that jumps: libfaketime (Debian's package `faketime`) between the replicas and the system's clock.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use uuid::Uuid;

use crate::harness::fault::Fault;
use crate::harness::load::client;
use crate::harness::promised;
use crate::harness::run::Run;
use crate::{finish, setup, start};

/// The library, where Debian's package and its own Makefile put it.
fn library() -> Option<PathBuf> {
    let name = "faketime/libfaketime.so.1";
    let below = |folder: &str| Path::new(folder).join(name);
    let by_machine = Path::new("/usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH)).join(name);
    [by_machine, below("/usr/lib"), below("/usr/local/lib")].into_iter().find(|path| path.is_file())
}

/// The replicas' clock by a new id, in seconds.
fn told(run: &Run, replica: usize) -> u64 {
    let since = run.history.now();
    let found = run.history.wait_for(promised(10_000), |attempts| {
        let news = attempts.iter().filter(|attempt| attempt.began >= since && attempt.target == replica);
        news.filter_map(|attempt| attempt.acknowledged()).next_back()
    });
    seconds(found.unwrap())
}

/// Version 7 ids begin with the milliseconds since 1970.
fn seconds(id: Uuid) -> u64 {
    u64::try_from(id.as_u128() >> 80).unwrap() / 1_000
}

#[test]
fn a_clock_that_jumps_changes_nothing() {
    let Some(library) = library() else {
        crate::skipped("the test of a jumping clock needs libfaketime (Debian: apt-get install faketime)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("clock");
    // Renamed into place: nobody reads half of it.
    let jump = |by: &str| {
        fs::write(folder.path().join("next"), format!("{by}\n")).unwrap();
        fs::rename(folder.path().join("next"), &clock).unwrap();
    };
    jump("+0");
    let mut setup = setup();
    setup.environment = vec![
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
        // Read at each call, so that a jump is one.
        ("FAKETIME_NO_CACHE", "1".into()),
        // Only the clock of the day jumps; the kernel's monotonic one never does.
        ("DONT_FAKE_MONOTONIC", "1".into()),
    ];
    let mut run = start(&setup);
    let start = [told(&run, 0), told(&run, 1)];
    for (by, seconds) in [("+1h", 3_600), ("-1d", -86_400), ("+0", 0)] {
        jump(by);
        for (replica, start) in start.iter().enumerate() {
            let shift = told(&run, replica).checked_signed_diff(*start).unwrap() - seconds;
            assert!((0..60).contains(&shift), "the clock has not jumped by {by}: {shift} s off");
        }
        run.work_on();
        // Deadlines go by the other clock: still what they were, and still kept.
        let paused = run.inject(Fault::PausePostgres(Duration::from_millis(1_500))).unwrap();
        let meanwhile = run.history.ended_in(paused.began, paused.ended);
        let refused: Vec<_> = meanwhile.iter().filter(|attempt| attempt.status() == Some(503)).collect();
        assert!(!refused.is_empty(), "{by}: nobody was refused");
        for attempt in refused {
            let took = attempt.ended - attempt.began;
            assert!((900..1_700).contains(&took.as_millis()), "{by}: {attempt:?}");
        }
    }
    searches_are_in_order(&run);
    let verdict = finish("clock jumps", run);
    let mut ids: Vec<Uuid> = verdict.attempts.iter().filter_map(|attempt| attempt.acknowledged()).collect();
    let acknowledged = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), acknowledged);
    assert!(seconds(ids[acknowledged - 1]) - seconds(ids[0]) > 24 * 3_600, "ids of more than a day");
}

/// By id, whatever the clock said when they were given out.
fn searches_are_in_order(run: &Run) {
    for replica in 0..2 {
        let answer = client(&run.stack.api(replica)).get("/pessoas?t=unique").unwrap();
        let people: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let ids: Vec<&str> =
            people.as_array().unwrap().iter().map(|person| person["id"].as_str().unwrap()).collect();
        assert!(ids.len() == 50 && ids.is_sorted(), "{ids:?}");
    }
}
