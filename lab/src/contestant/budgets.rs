//! What is otherwise with a contestant in one of a contest's budgets: shares of services, and the environment
//! of the APIs.
//!
//! ```toml
//! [budgets.multi]
//! environment = { GOMAXPROCS = "4" }
//!
//! [budgets.multi.services.api]
//! cpus = 4.0
//! ```

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde::Deserialize;

use super::{Contestant, names};

/// What is otherwise in one budget.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// Added to the environment of each mode; of two with one name this one counts.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Other shares, by the name of the service or process.
    #[serde(default)]
    pub services: BTreeMap<String, Share>,
}

/// Another share of the budget.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// In cores; absent: as it was.
    pub cpus: Option<f64>,
    /// Absent: as it was.
    pub memory_bytes: Option<u64>,
}

impl Contestant {
    /// The contestant as it is in the budget of this name: changed where it says so, otherwise as it is.
    #[must_use]
    pub fn within(mut self, budget: Option<&str>) -> Self {
        let Some(changes) = budget.and_then(|name| self.budgets.get(name)).cloned() else { return self };
        for mode in self.modes.values_mut() {
            mode.environment.extend(changes.environment.clone());
        }
        for (name, share) in changes.services {
            let service = self.services.get_mut(&name).map(|it| (&mut it.cpus, &mut it.memory_bytes));
            let process = self.processes.get_mut(&name).map(|it| (&mut it.cpus, &mut it.memory_bytes));
            for (cpus, memory_bytes) in service.into_iter().chain(process) {
                *cpus = share.cpus.unwrap_or(*cpus);
                *memory_bytes = share.memory_bytes.unwrap_or(*memory_bytes);
            }
        }
        self
    }

    pub(super) fn check_budgets(&self) -> Result<()> {
        for (budget, changes) in &self.budgets {
            for (name, share) in &changes.services {
                ensure!(
                    self.services.contains_key(name) || self.processes.contains_key(name),
                    "budgets.{budget}.services.{name}: no such service; there are: {}{}",
                    names(&self.services),
                    names(&self.processes)
                );
                ensure!(
                    share.cpus.is_none_or(|cpus| cpus > 0.0) && share.memory_bytes != Some(0),
                    "budgets.{budget}.services.{name}: cpus and memory_bytes must be above 0"
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::contest::Budget;

    fn write(folder: &Path, contest: &str, more: &str) {
        fs::create_dir_all(folder).unwrap();
        let text = format!(
            r#"
title = "T"
language = "Go"
about = "A."
contests = ["{contest}"]
compose = ["docker-compose.yml"]
default_mode = "reads"
modes.reads = {{ acknowledges = "read-only", environment = {{ A = "1", B = "1" }} }}
database = {{ service = "postgres", user = "u", name = "d", rows = "SELECT 1" }}
services.api = {{ role = "api", cpus = 1.0, memory_bytes = 100 }}
services.postgres = {{ role = "database", cpus = 1.0, memory_bytes = 100 }}
{more}"#
        );
        fs::write(folder.join("contestant.toml"), text).unwrap();
    }

    const MULTI: &str = r#"
[budgets.multi]
environment = { B = "4", C = "4" }
[budgets.multi.services.api]
cpus = 4.0
"#;

    #[test]
    fn a_budget_changes_what_it_names_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "users", MULTI);
        let read = || Contestant::read(folder.path()).unwrap();
        for other in [None, Some("single")] {
            let same = read().within(other);
            assert!(
                (same.services["api"].cpus - 1.0).abs() < 1e-9 && same.modes["reads"].environment["B"] == "1"
            );
        }
        let multi = read().within(Some("multi"));
        assert!((multi.services["api"].cpus - 4.0).abs() < 1e-9);
        assert_eq!(multi.services["api"].memory_bytes, 100);
        assert!((multi.services["postgres"].cpus - 1.0).abs() < 1e-9);
        let environment: Vec<String> =
            multi.modes["reads"].environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(environment, ["A=1", "B=4", "C=4"]);
        let budget = |cpus, processes| Budget {
            cpus,
            memory_bytes: 200,
            database_connections: 1,
            processes: Some(processes),
            ..Budget::default()
        };
        multi.fits(&budget(5.0, 4)).unwrap();
        assert!(multi.fits(&budget(2.0, 4)).unwrap_err().to_string().contains("sum to 5.000"));
        assert!(
            multi.fits(&budget(5.0, 0)).unwrap_err().to_string().contains("1 services with the role api")
        );
    }

    #[test]
    fn a_slip_in_a_budget_is_said() {
        for (more, said) in [
            ("[budgets.multi.services.ap]\ncpus = 1.0", "there are: api, postgres"),
            ("[budgets.multi.services.api]\ncpus = 0.0", "must be above 0"),
            ("[budgets.multi.services.api]\nconnections = 1", "connections"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), "users", more);
            let error = format!("{:#}", Contestant::read(folder.path()).unwrap_err());
            assert!(error.contains(said), "{more}: {error}");
        }
    }

    #[test]
    fn another_contest_is_entered_from_a_folder_within() {
        let folder = tempfile::tempdir().unwrap();
        let peer = folder.path().join("peer");
        write(&peer, "people", "");
        let entering = |contest| Contestant::entering(&peer, contest).unwrap();
        assert_eq!(entering("people").unwrap().folder, peer);
        assert!(entering("users").is_none());
        write(&peer.join("users"), "users", "");
        let users = entering("users").unwrap();
        assert_eq!((users.name.as_str(), users.folder), ("peer", peer.join("users")));
        fs::remove_file(peer.join("contestant.toml")).unwrap();
        assert!(entering("people").is_none() && entering("users").is_some());
        write(&peer.join("users"), "people", "");
        let error = Contestant::entering(&peer, "users").unwrap_err().to_string();
        assert!(error.contains("does not name users"), "{error}");
    }
}
