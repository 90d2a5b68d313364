//! JMeter itself, with the contest's plan, against a shop in memory: what it says of an honest one, and of
//! one whose yes has an error in it. And what the lab says where there is no JMeter, or no Java.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pouco_lab::contest::Contest;
use pouco_lab::contest::Steps;
use pouco_lab::drivers::{Driver, Jmeter, Job, KEPT, Outcome};
use pouco_lab::oracle::inventory::{Deed, Shop, judge};
use pouco_lab::record::Stored;
use pouco_lab::shop;

use crate::shop::{Fault, rows_of, start};

const THREADS: u32 = 2;
const LOOPS: u32 = 3;

/// One that is there, or is made of Maven's artifacts. None where it cannot be: with CI=true that fails.
fn jmeter() -> Option<Jmeter> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if let Ok(jmeter) = Jmeter::find(None, &top) {
        return Some(jmeter);
    }
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("jmeter");
    let install = top.join("lab/contests/inventory/jmeter/install.sh");
    let made = Command::new(install).arg(&home).output().unwrap();
    match Jmeter::find(Some(&home), &top) {
        Ok(jmeter) => Some(jmeter),
        Err(error) => {
            let said = String::from_utf8_lossy(&made.stderr).into_owned();
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{error}: {said}");
            eprintln!("SKIPPED: {error}: {said}");
            None
        }
    }
}

/// A short load of it, with JMeter's report where `presented`, and what is stored.
fn loaded(jmeter: &Jmeter, fault: Fault, presented: bool) -> (Outcome, Stored) {
    let address = start(fault);
    let mut contest =
        Contest::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("contests/inventory")).unwrap();
    contest.url = format!("http://{address}");
    contest = contest.with_load(Some("plan")).unwrap();
    contest.load.jmeter =
        Some(Steps { threads: vec![THREADS], ramp_seconds: 0, loops: Some(LOOPS), seconds: 120 });
    let open = Arc::new(shop::open(contest.address(), contest.load.shop.unwrap()).unwrap());
    let customer = open.customers[0].clone();
    let before = Shop::read(rows_of(&address, &customer.token).as_bytes()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let job = Job {
        contest: &contest,
        top: here,
        scale: 1.0,
        seed: 1,
        payloads: here,
        terms: here,
        folder: here,
        seconds: None,
        shop: Some(&open),
    };
    let outcome = jmeter.run(&job, &AtomicBool::new(false), &mut |_| {}).unwrap_or_else(|error| {
        let printed = std::fs::read_to_string(here.join("jmeter-02.out")).unwrap_or_default();
        panic!("{error:#}\n{printed}")
    });
    if presented {
        jmeter.present(&here.join(KEPT)).unwrap();
        let page = std::fs::read_to_string(here.join(KEPT).join("02-threads.report/index.html")).unwrap();
        assert!(page.contains("Dashboard"), "{page}");
    }
    let after = Shop::read(rows_of(&address, &customer.token).as_bytes()).unwrap();
    let stored = judge(&before, &outcome.deeds, &after);
    (outcome, stored)
}

#[test]
fn jmeter_loads_the_honest_and_names_an_error_behind_a_200() {
    let Some(jmeter) = jmeter() else { return };
    assert_eq!(jmeter.version().unwrap(), "5.6.3");
    let (outcome, stored) = loaded(&jmeter, Fault::None, true);
    let figures = &outcome.figures;
    let requests = u64::from(THREADS * (1 + LOOPS * 11));
    assert_eq!((figures.total.count, figures.total.failed), (requests, 0), "{:?}", figures.errors);
    assert_eq!(figures.requests["create order"].statuses, [(201, u64::from(THREADS * LOOPS))].into());
    assert!(figures.requests.len() == 12 && figures.total.p99_ms.is_some());
    assert!(outcome.generator.cpu_seconds > 0.0 && outcome.generator.memory_bytes.is_some());
    assert_eq!(outcome.faults, [""; 0]);
    let orders = outcome.deeds.iter().filter(|deed| matches!(deed, Deed::Order { .. })).count();
    assert_eq!((orders, outcome.deeds.len()), (6, 24));
    assert!(stored.exact() && stored.acknowledged == 6, "{stored:?}");

    let (outcome, _) = loaded(&jmeter, Fault::ErrorsBehind200, false);
    let faults = outcome.faults.join("\n");
    assert!(faults.contains("6 failed samples behind a 200: get order: Test failed"), "{faults}");
    assert_eq!(outcome.faults.len(), 1, "{faults}");
}

/// What the lab says where `path` is all it finds programs in: its exit code, and its words.
fn refused(path: &Path, options: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_pouco-lab"))
        .current_dir(folder.path())
        .env("PATH", path)
        .env("JMETER_HOME", folder.path())
        .args(["run", "inventory"])
        .args(options)
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn without_java_or_jmeter_the_lab_ends_at_once_and_says_what_to_do() {
    let empty = tempfile::tempdir().unwrap();
    let jmeter = ["--tool", "jmeter"];
    let (code, said) = refused(empty.path(), &jmeter);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.lines().count() == 1 && said.contains("JMeter needs Java"), "{said}");

    // A Java that is never started.
    std::os::unix::fs::symlink("/bin/false", empty.path().join("java")).unwrap();
    let (code, said) = refused(empty.path(), &["--load", "steps"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.lines().count() == 1 && said.contains("jmeter/install.sh target/jmeter"), "{said}");

    for (options, words) in [
        (&["--tool", "jmeter", "--load", "mix"][..], "JMeter has no plan for this load"),
        (&["--tool", "native", "--load", "plan"], "JMeter alone can send this load"),
        (&["--tool", "jmeter", "--find-limit"], "no search for its limit"),
    ] {
        let (code, said) = refused(empty.path(), options);
        assert!(code == Some(2) && said.contains(words), "{options:?}: {said}");
    }
}
