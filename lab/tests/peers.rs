//! Every contest and every contestant of the repository can be read, and fits.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use pouco_lab::contest::Contest;
use pouco_lab::contestant::{Contestant, Role};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Folders in `folder` that hold `file`.
fn folders(folder: &Path, file: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.join(file).is_file()).collect()
}

fn contestants() -> Vec<Contestant> {
    folders(&top().join("peers"), "contestant.toml")
        .iter()
        .map(|path| Contestant::read(path).unwrap())
        .collect()
}

#[test]
fn every_contestant_fits_into_the_budget_of_its_contests() {
    let contestants = contestants();
    assert!(contestants.len() >= 7, "{}", contestants.len());
    for contestant in &contestants {
        assert!(!contestant.contests.is_empty(), "{} enters no contest", contestant.name);
        for name in &contestant.contests {
            let contest = Contest::load(&top(), name).unwrap();
            contestant.fits(&contest.budget).unwrap();
        }
    }
}

#[test]
fn every_contestant_says_what_it_is_made_of_and_has_its_files() {
    for contestant in contestants() {
        assert!(!contestant.versions.is_empty(), "{} names no version", contestant.name);
        for file in &contestant.compose {
            assert!(contestant.folder.join(file).is_file(), "{}: {}", contestant.name, file.display());
        }
        let apis = contestant.services.values().filter(|service| service.role == Role::Api).count();
        assert_eq!(apis, 2, "{}: the contest asks for two instances of the API", contestant.name);
    }
}

/// By itself, without the lab, a contestant must run within the same limits. The lab's file goes over pouco's own.
#[test]
fn the_limits_in_compose_files_are_those_of_the_contestant() {
    for contestant in contestants() {
        let file = contestant.folder.join(&contestant.compose[0]);
        let text = fs::read_to_string(&file).unwrap();
        for (name, service) in &contestant.services {
            let memory = format!("memory: {}M ", service.memory_bytes >> 20);
            let cpus = format!("cpus: \"{:.2}\"", service.cpus);
            let limits = format!("{{ {cpus}, {memory}}}");
            assert!(
                text.contains(&limits),
                "{}: {name}: no `{limits}` in {}",
                contestant.name,
                file.display()
            );
        }
    }
}

#[test]
fn every_contest_can_be_read() {
    for path in folders(&top().join("lab/contests"), "contest.toml") {
        let contest = Contest::read(&path).unwrap();
        assert!(path.join(&contest.conformance).is_file(), "{}", contest.name);
        assert!(contest.seconds() > 0.0);
    }
}
