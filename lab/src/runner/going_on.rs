//! A record that a run goes on with: only one of the same kind, because the figures of its attempts are put
//! together.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Settings, commit};
use crate::machine;
use crate::record::{Machine, Record, SCHEMA};

/// How git marks a tree with changes.
const DIRTY: &str = "-dirty";

/// `record` as this run goes on with it.
///
/// # Errors
/// It is of another kind; the error says in what.
pub(super) fn continued(settings: &Settings, mut record: Record) -> Result<Record> {
    let wanted = Load {
        tool: settings.driver.name().to_owned(),
        scale: settings.scale,
        seconds: settings.seconds,
        feeds: Some(settings.feeds.fingerprint()),
        kill: Some(settings.kill),
    };
    let unlike = unlike(settings, &record, &machine::machine()?, &commit(&settings.top), &wanted);
    ensure!(
        unlike.is_empty(),
        "{} holds a record that this run cannot go on with; give another --out: {}",
        settings.folder.display(),
        unlike.join("; ")
    );
    if record.attempts.is_empty() && !settings.find_limit {
        record.tool = wanted.tool;
        record.scale = wanted.scale;
        record.seconds = wanted.seconds;
        record.feeds = wanted.feeds;
        record.kill = wanted.kill;
    }
    Ok(record)
}

/// What all attempts of a record have in common, as they are asked for.
struct Load {
    tool: String,
    scale: f64,
    seconds: Option<u32>,
    feeds: Option<String>,
    kill: Option<bool>,
}

/// Why attempts that come now are not of the same kind as those in `record`; nothing is good.
fn unlike(
    settings: &Settings,
    record: &Record,
    machine: &Machine,
    commit: &str,
    wanted: &Load,
) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut same = |what: &str, there: Value, now: Value| {
        if there != now {
            reasons.push(format!("its {what} is {there}, and this one's {now}"));
        }
    };
    same("schema", json!(record.schema), json!(SCHEMA));
    same("contest", json!(record.contest), json!(settings.contest.name));
    same("seed", json!(record.seed), json!(settings.seed));
    same("budget", json!(record.budget), json!(settings.contest.budget));
    same("budget's name", json!(record.budget_name), json!(settings.contest.budget_name));
    same("load", json!(record.load_name), json!(settings.contest.load_name));
    same("commit", json!(record.commit), json!(commit));
    same("CPU", json!(record.machine.cpu_model), json!(machine.cpu_model));
    same("number of cores", json!(record.machine.cores), json!(machine.cores));
    // A search has its own scales and its own generator, and goes beside the contest's attempts.
    if !settings.find_limit && !record.attempts.is_empty() {
        same("tool", json!(record.tool), json!(wanted.tool));
        same("scale", json!(record.scale), json!(wanted.scale));
        same("length in seconds", json!(record.seconds), json!(wanted.seconds));
        same("payloads or terms", json!(record.feeds), json!(wanted.feeds));
        same("kill at the end of an attempt", json!(record.kill), json!(wanted.kill));
    }
    // Two trees with changes on the same commit need not have the same changes.
    if commit.ends_with(DIRTY) {
        reasons.push(format!("the repository has changes that are not committed ({commit})"));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};
    use std::rc::Rc;
    use std::sync::Arc;

    use super::*;
    use crate::contest::Contest;
    use crate::drivers::Native;
    use crate::lines::Lines;
    use crate::record::Attempt;
    use crate::runner::{Feeds, now};

    fn settings() -> Settings {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let lines = Arc::new([&b"one"[..], b"two"].into_iter().collect::<Lines>());
        Settings {
            contest: Contest::load(&top, "people").unwrap(),
            top,
            entrants: Vec::new(),
            times: 1,
            scale: 1.0,
            seconds: None,
            seed: 7,
            driver: Rc::new(Native),
            feeds: Feeds {
                payloads_file: PathBuf::new(),
                payloads: Arc::clone(&lines),
                terms_file: PathBuf::new(),
                terms: lines,
            },
            folder: PathBuf::from("/nonexistent"),
            complete: false,
            find_limit: false,
            kill: true,
            build: false,
            command: String::new(),
        }
    }

    fn wanted() -> Load {
        Load {
            tool: "native".to_owned(),
            scale: 1.0,
            seconds: None,
            feeds: Some("a-b".to_owned()),
            kill: Some(true),
        }
    }

    fn record(settings: &Settings) -> Record {
        let attempt = Attempt { contestant: "x".to_owned(), ..Attempt::default() };
        Record {
            schema: SCHEMA.to_owned(),
            contest: settings.contest.name.clone(),
            oracle: None,
            title: String::new(),
            command: String::new(),
            commit: "abc".to_owned(),
            started_at: now(),
            ended_at: None,
            tool: "native".to_owned(),
            scale: 1.0,
            seed: 7,
            seconds: None,
            feeds: Some("a-b".to_owned()),
            kill: Some(true),
            budget: settings.contest.budget.clone(),
            budget_name: None,
            load_name: None,
            machine: Machine { cpu_model: "chip".to_owned(), cores: 2, ..Machine::default() },
            versions: BTreeMap::new(),
            contestants: Vec::new(),
            attempts: vec![attempt],
            capacities: Vec::new(),
        }
    }

    #[test]
    fn a_record_goes_on_with_its_own_kind_only() {
        let mut settings = settings();
        let record = record(&settings);
        let machine = record.machine.clone();
        let reasons = |settings: &Settings, machine: &Machine, commit: &str, wanted: &Load| {
            unlike(settings, &record, machine, commit, wanted)
        };
        assert_eq!(reasons(&settings, &machine, "abc", &wanted()), [""; 0]);
        let loads = [
            Load { tool: "k6".to_owned(), ..wanted() },
            Load { scale: 2.0, ..wanted() },
            Load { seconds: Some(30), ..wanted() },
            Load { feeds: Some("a-c".to_owned()), ..wanted() },
            Load { kill: Some(false), ..wanted() },
        ];
        for other in &loads {
            assert_eq!(reasons(&settings, &machine, "abc", other).len(), 1);
        }
        let said = reasons(&settings, &machine, "abc", &loads[2]);
        assert_eq!(said, ["its length in seconds is null, and this one's 30"]);
        let others = [
            Machine { cpu_model: "another".to_owned(), ..machine.clone() },
            Machine { cores: 4, ..machine.clone() },
        ];
        for other in &others {
            assert_eq!(reasons(&settings, other, "abc", &wanted()).len(), 1);
        }
        assert_eq!(reasons(&settings, &machine, "abd", &wanted()).len(), 1);
        settings.find_limit = true;
        assert_eq!(reasons(&settings, &machine, "abc", &loads[1]), [""; 0], "a search goes beside attempts");
        let mut dirty = record.clone();
        dirty.commit = "abc-dirty".to_owned();
        let reasons = unlike(&settings, &dirty, &machine, "abc-dirty", &wanted());
        assert!(reasons.len() == 1 && reasons[0].contains("not committed"), "{reasons:?}");
    }

    #[test]
    fn feeds_are_told_apart_by_both_files() {
        let first = settings().feeds;
        let mut other = settings().feeds;
        assert_eq!(first.fingerprint(), other.fingerprint());
        other.terms = Arc::new([&b"one"[..]].into_iter().collect());
        assert_ne!(first.fingerprint(), other.fingerprint());
    }
}
