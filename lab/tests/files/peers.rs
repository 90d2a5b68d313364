//! Every contest and every contestant of the repository can be read, and fits.

use std::fs;
use std::path::{Path, PathBuf};

use pouco_lab::contest::Contest;
use pouco_lab::contestant::{Acknowledges, Contestant, Role};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Folders in `folder` that hold `file`.
fn folders(folder: &Path, file: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.join(file).is_file()).collect()
}

/// Everybody in every contest, in each of its budgets.
fn contestants() -> Vec<(Contest, Contestant)> {
    let mut all = Vec::new();
    for contest in folders(&top().join("lab/contests"), "contest.toml") {
        let contest = Contest::read(&contest).unwrap();
        for peer in fs::read_dir(top().join("peers")).unwrap() {
            let Some(contestant) = Contestant::entering(&peer.unwrap().path(), &contest.name).unwrap() else {
                continue;
            };
            let names: Vec<Option<&str>> = match contest.budgets.is_empty() {
                true => vec![None],
                false => contest.budgets.keys().map(|name| Some(name.as_str())).collect(),
            };
            for name in names {
                all.push((contest.clone().within(name).unwrap(), contestant.clone().within(name)));
            }
        }
    }
    all
}

#[test]
fn every_contestant_fits_into_the_budget_of_its_contests() {
    let contestants = contestants();
    assert!(contestants.len() >= 7, "{}", contestants.len());
    for (contest, contestant) in &contestants {
        contestant.may_enter(contest).unwrap();
        let reads = contestant.modes.values().all(|mode| mode.acknowledges == Acknowledges::ReadOnly);
        assert_eq!(
            reads,
            contest.kill.is_none() && !contest.oracle.by_endpoint(),
            "{} in {}",
            contestant.name,
            contest.name
        );
    }
}

/// One that no contest's folder holds would be passed over.
#[test]
fn every_file_of_a_contestant_is_found() {
    let found: Vec<PathBuf> = contestants().into_iter().map(|(_, contestant)| contestant.folder).collect();
    for peer in fs::read_dir(top().join("peers")).unwrap().map(|entry| entry.unwrap().path()) {
        let within = if peer.is_dir() { folders(&peer, "contestant.toml") } else { Vec::new() };
        let own = peer.join("contestant.toml").is_file().then(|| peer.clone());
        for folder in within.into_iter().chain(own) {
            assert!(found.contains(&folder), "{} enters no contest", folder.display());
        }
    }
}

#[test]
fn every_contestant_says_what_it_is_made_of_and_has_its_files() {
    for (contest, contestant) in contestants() {
        assert!(!contestant.versions.is_empty(), "{} names no version", contestant.name);
        for file in &contestant.compose {
            assert!(contestant.folder.join(file).is_file(), "{}: {}", contestant.name, file.display());
        }
        let apis = contestant.services.values().filter(|service| service.role == Role::Api).count();
        if contest.name == "people" {
            assert_eq!(apis, 2, "{}: the contest asks for two instances of the API", contestant.name);
        }
    }
}

/// By itself, without the lab, a contestant must run within the same limits. The lab's file goes over pouco's
/// own.
#[test]
fn the_limits_in_compose_files_are_those_of_the_contestant() {
    let default = |contest: &Contest| contest.budget_name == contest.default_budget;
    for (_, contestant) in contestants().into_iter().filter(|(contest, _)| default(contest)) {
        let read = |file| fs::read_to_string(contestant.folder.join(file)).unwrap();
        let text: String = contestant.compose.iter().map(read).collect();
        for (name, service) in &contestant.services {
            let memory = format!("memory: {}M ", service.memory_bytes >> 20);
            let cpus = format!("cpus: \"{:.2}\"", service.cpus);
            let limits = format!("{{ {cpus}, {memory}}}");
            assert!(
                text.contains(&limits),
                "{}: {name}: no `{limits}` in its compose files",
                contestant.folder.display()
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
