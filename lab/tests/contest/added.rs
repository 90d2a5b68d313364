//! `docs/add-a-contest.md`, followed to the letter: its files are written where it says, its oracle is
//! compiled, and who answers wrongly is caught.

#[allow(unreachable_pub)] // as it is in the lab
mod greeting;

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::AtomicBool;

use pouco_lab::contest::Contest;
use pouco_lab::contestant::Contestant;
use pouco_lab::drivers::Native;
use pouco_lab::figures::{Correctness, standings};
use pouco_lab::oracle;
use pouco_lab::report::markdown;
use pouco_lab::runner::{Entrant, Feeds, Settings, run};
use pouco_lab::view::View;

use crate::listen::{self, variable};

const PEER: &str = r#"
title = "NAME"
language = "Rust"
about = "Says one thing."
contests = ["greeting"]
default_mode = "read-only"

[modes.read-only]
acknowledges = "read-only"
environment = { TINY_GREETING = "SAID" }

[processes.api]
role = "api"
command = ["SERVER", "--exact", "added::serve", "--ignored", "--nocapture"]
cpus = 1.0
memory_bytes = 536_870_912
cgroup_tree = "TREE"
"#;

#[test]
#[ignore = "a server that the contest starts, and no test"]
fn serve() {
    let said = variable("TINY_GREETING");
    listen::serve(move |request| match request.path.as_str() {
        "/hello" => (200, String::new(), format!("{said}\n")),
        _ => (404, String::new(), String::new()),
    });
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The block of code behind the line that ends with this place, in quotes.
fn block<'d>(document: &'d str, place: &str) -> &'d str {
    let (_, rest) = document.split_once(&format!("`{place}`")).unwrap_or_else(|| panic!("no {place}"));
    let (_, code) = rest.split_once("```").and_then(|(_, rest)| rest.split_once('\n')).unwrap();
    code.split_once("```").unwrap().0
}

fn entrant(folder: &Path, name: &str, said: &str) -> Entrant {
    let folder = folder.join(name);
    fs::create_dir(&folder).unwrap();
    let tree = top().join("lab/tests/contest/cgroups/bounded");
    let text = PEER.replace("NAME", name).replace("SAID", said).replace("TREE", tree.to_str().unwrap());
    let text = text.replace("SERVER", std::env::current_exe().unwrap().to_str().unwrap());
    fs::write(folder.join("contestant.toml"), text).unwrap();
    let contestant = Contestant::read(&folder).unwrap();
    Entrant { mode: contestant.default_mode.clone(), contestant, variant: None }
}

#[test]
fn a_contest_is_a_folder_and_an_oracle_as_the_document_has_them() {
    let document = fs::read_to_string(top().join("docs/add-a-contest.md")).unwrap();
    let ours = include_str!("added/greeting.rs");
    assert_eq!(block(&document, "lab/src/oracle/greeting.rs"), ours, "the oracle of the document");
    // The lines that make it known are of the form of those that are there.
    let known = fs::read_to_string(top().join("lab/src/oracle/mod.rs")).unwrap();
    for line in block(&document, "ALL").lines() {
        let there = line.replace("greeting::Greeting", "edge::oracle::Edge").replace("greeting", "edge");
        assert!(known.lines().any(|known| known == there), "{there}");
    }

    let (_reserved, port) = crate::reserved_port();
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("greeting");
    fs::create_dir(&here).unwrap();
    for file in ["contest.toml", "conformance.toml"] {
        let text = block(&document, &format!("lab/contests/greeting/{file}"));
        fs::write(here.join(file), text.replace("9999", &port.to_string())).unwrap();
    }
    oracle::add(&greeting::Greeting);
    let contest = Contest::read(&here).unwrap();
    let empty = folder.path().join("none");
    fs::write(&empty, "payload\n").unwrap();
    let settings = Settings {
        top: top(),
        seed: contest.load.seed,
        contest,
        entrants: vec![entrant(folder.path(), "honest", "hello"), entrant(folder.path(), "liar", "hallo")],
        times: 1,
        scale: 1.0,
        seconds: None,
        driver: Rc::new(Native),
        feeds: Feeds {
            payloads_file: empty.clone(),
            payloads: <_>::default(),
            terms_file: empty,
            terms: <_>::default(),
        },
        folder: folder.path().join("out"),
        complete: false,
        find_limit: false,
        kill: false,
        build: false,
        command: "pouco-lab run greeting".to_owned(),
    };
    let record = run(&settings, &AtomicBool::new(false), &mut View::default()).unwrap();

    let found: Vec<_> = standings(&record).iter().map(|it| (it.entry.name.clone(), it.correctness)).collect();
    let expected = [("honest", Correctness::Exact), ("liar", Correctness::Wrong)];
    assert_eq!(found, expected.map(|(name, correctness)| (name.to_owned(), correctness)), "{record:?}");
    assert_eq!(record.oracle.as_deref(), Some("greeting"));
    for attempt in &record.attempts {
        let rules = attempt.conformance.as_ref().unwrap();
        assert_eq!((rules.passed, rules.total), (2, 2), "{rules:?}");
        assert_eq!(attempt.answers.as_ref().unwrap().checked, 50);
    }
    let report = markdown(&record);
    for words in ["✓ right", "✗ 50 wrong", "hello: the answer is no greeting", "## Answers"] {
        assert!(report.contains(words), "{words}\n{report}");
    }
}
