//! The files of the contest `users` agree with each other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pouco_lab::contest::Contest;
use pouco_lab::oracle::users::{self, User};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contests/users")
}

#[test]
fn the_rows_in_the_rules_are_those_of_the_data() {
    let text = fs::read_to_string(folder().join("conformance.toml")).unwrap();
    let file: toml::Table = toml::from_str(&text).unwrap();
    let all = users::seeded();
    let row = |name: &str| -> User { serde_json::from_str(file["values"][name].as_str().unwrap()).unwrap() };
    assert_eq!([row("first"), row("second"), row("third")], all[..3]);
    assert_eq!(&row("last"), all.last().unwrap());
}

/// `KEY=VALUE` lines.
fn settings(name: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder().join(name)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let (key, value) = line.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        })
        .collect()
}

/// For whoever starts a compose file without the lab.
#[test]
fn the_settings_of_a_budget_are_those_of_the_contest() {
    let compose = fs::read_to_string(folder().join("docker-compose.budget.yml")).unwrap();
    for name in ["single", "multi"] {
        let budget = Contest::read(&folder()).unwrap().within(Some(name)).unwrap().budget;
        let settings = settings(&format!(".env.{name}"));
        let number = |key: &str| settings[key].parse::<f64>().unwrap();
        assert!((number("API_CPUS") + number("POSTGRES_CPUS") - budget.cpus).abs() < 1e-9, "{name}");
        assert_eq!(settings["WORKERS"], budget.processes.unwrap().to_string());
        assert_eq!(settings["DATABASE_CONNECTIONS"], budget.database_connections.to_string());
        assert_eq!(
            settings["DATABASE_CONNECTIONS_MIN"],
            budget.database_connections_min.unwrap().to_string()
        );
        for key in settings.keys() {
            assert!(compose.contains(&format!("${{{key}")), "{key} is not used");
        }
    }
    assert_eq!(settings(".env.example")["BUDGET"], "single");
}

#[test]
fn the_load_is_nine_tenths_by_id() {
    let contest = Contest::read(&folder()).unwrap();
    let peak = |name: &str| {
        let scenario = contest.load.scenarios.iter().find(|scenario| scenario.name == name).unwrap();
        scenario.phases.last().unwrap().to
    };
    let by_id = peak("user by id") + peak("unknown id");
    assert!((peak("list") / (peak("list") + by_id) - 0.1).abs() < 1e-9);
    assert!((peak("unknown id") / by_id - 0.01).abs() < 0.002);
}
