//! Contestants as they run: as a compose project ([`compose`]), or as plain processes ([`processes`]).
//!
//! What may not enter: what is measured, asked or judged. A stack is started, found, stopped, killed and
//! taken down here, and its database is asked.

pub mod compose;
mod port;
pub mod processes;
mod session;

use std::time::Duration;

use anyhow::{Result, bail};

use crate::contest::Contest;
use crate::contestant::{Contestant, Role};
use crate::meters::Target;
use crate::record::Limits;

pub use self::session::Session;

/// A contestant in a mode that can be started. Dropping it takes everything down that it started, its volumes
/// too.
pub trait Stack {
    /// Makes what it runs from. Nothing for processes.
    ///
    /// # Errors
    /// A build failed.
    fn build(&mut self) -> Result<()> {
        Ok(())
    }

    /// Starts it with an empty database, if it has one; what a former run left is removed before.
    ///
    /// # Errors
    /// Something else serves at the contest's address, the engine refused, or a process could not be started.
    fn up(&mut self) -> Result<()>;

    /// Stops all of it in order, and starts it again with its data.
    ///
    /// # Errors
    /// As for [`Stack::up`].
    fn restart(&mut self) -> Result<()>;

    /// SIGKILL to every process of it at once. They are gone when it returns.
    ///
    /// # Errors
    /// Nothing runs, or a process could not be killed.
    fn kill(&mut self) -> Result<()> {
        bail!("nobody is killed here")
    }

    /// Starts everything again after [`Stack::kill`].
    ///
    /// # Errors
    /// Something does not start again.
    fn revive(&mut self) -> Result<()> {
        bail!("nobody is killed here")
    }

    /// Everything that runs, declared or not, for the meters and for the proof.
    ///
    /// # Errors
    /// The engine cannot be asked.
    fn targets(&self) -> Result<Vec<Target>>;

    /// Its replicas with addresses of their own ([`crate::contestant::Service::address`]), as far as they
    /// run; none where it names no addresses.
    ///
    /// # Errors
    /// The engine cannot be asked.
    fn replicas(&self) -> Result<Vec<Replica>> {
        Ok(Vec::new())
    }

    /// Answers of its database, a line a row, columns separated by `|`; asked as the superuser.
    ///
    /// # Errors
    /// The database cannot be asked, or refuses.
    fn sql(&self, statement: &str) -> Result<String>;

    /// The answer to `query` as [`Stack::sql`] has it, for answers of any length: nothing within the
    /// contestant's limits may keep it whole.
    ///
    /// # Errors
    /// As for [`Stack::sql`]; or not all rows came.
    fn rows(&self, query: &str) -> Result<String> {
        self.sql(query)
    }

    /// Runs `statements` one after the other, each by itself, in one session of [`Stack::sql`]'s.
    ///
    /// # Errors
    /// As for [`Stack::sql`]; or there is no such session here.
    fn script(&self, statements: &[String]) -> Result<()> {
        bail!("{} statements, and no session for them", statements.len())
    }

    /// A session of [`Stack::sql`]'s that stays open, for questions while a load runs.
    ///
    /// # Errors
    /// The database cannot be asked.
    fn session(&self) -> Result<Box<dyn Session>> {
        bail!("no session stays open here")
    }

    /// The service that is its database, where it is one of its own.
    fn database(&self) -> Option<&str> {
        None
    }

    /// What its services wrote to their logs, at most the last lines of each.
    fn logs(&self) -> String {
        String::new()
    }

    /// Lines that its services with the role `api` have in their logs.
    ///
    /// # Errors
    /// A log cannot be read.
    fn log_lines(&self) -> Result<u64> {
        Ok(0)
    }

    /// Stops it and removes all that it made.
    ///
    /// # Errors
    /// The engine refused, or something is left; the message says what.
    fn down(&mut self) -> Result<()>;

    /// Lets what runs go on when this is dropped.
    ///
    /// # Errors
    /// It cannot outlive the lab.
    fn leave(&mut self) -> Result<()> {
        bail!("plain processes end with the lab")
    }

    /// Takes what [`Stack::leave`] left as its own, so that [`Stack::down`] takes it down.
    fn adopt(&mut self) {}
}

/// One of several that serve the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Its service.
    pub service: String,
    /// A host and a port, or the path of a Unix socket, as it is reached from here.
    pub address: String,
}

/// How `contestant` runs, in `mode`.
///
/// # Errors
/// There is no container engine, or the contestant's files cannot be used.
pub fn open(contest: &Contest, contestant: &Contestant, mode: &str) -> Result<Box<dyn Stack>> {
    if contestant.processes.is_empty() {
        Ok(Box::new(compose::Compose::new(contest, contestant, mode)?))
    } else {
        Ok(Box::new(processes::Processes::new(contest, contestant, mode)?))
    }
}

/// What the lab sets for a service, by its name: its role, and its share of the budget.
#[must_use]
pub fn shares(contestant: &Contestant) -> Vec<(String, Role, Limits)> {
    let limits = |cpus, memory_bytes| Limits { cpus: Some(cpus), memory_bytes: Some(memory_bytes) };
    let services = contestant
        .services
        .iter()
        .map(|(name, it)| (name.clone(), it.role, limits(it.cpus, it.memory_bytes)));
    let processes = contestant
        .processes
        .iter()
        .map(|(name, it)| (name.clone(), it.role, limits(it.cpus, it.memory_bytes)));
    services.chain(processes).collect()
}

/// The environment of every service that serves the API: the load's, the mode's, the variant's, and its share
/// of the database's connections.
///
/// One connection in ten stays for migrations and for whatever asks once. But where the budget says how many
/// processes there are, all connections are in their pools: each process divides `DATABASE_CONNECTIONS` by
/// `WORKERS`.
fn api_environment(contest: &Contest, contestant: &Contestant, mode: &str) -> Vec<(String, String)> {
    let apis = shares(contestant).iter().filter(|(_, role, _)| *role == Role::Api).count().max(1);
    let all = usize::try_from(contest.budget.database_connections).unwrap_or(usize::MAX);
    let reserve = if contest.budget.processes.is_some() { 0 } else { all / 10 };
    let each = ((all - reserve) / apis).max(1);
    // A contestant whose one process uses all cores, or for which fewer connections are better, may say so in
    // its own environment, which comes after. More connections than the budget has, the database refuses.
    let of_budget = [
        ("WORKERS", contest.budget.processes),
        ("DATABASE_CONNECTIONS_MIN", contest.budget.database_connections_min),
    ];
    let share = |all: u32| (usize::try_from(all).unwrap_or(usize::MAX) / apis).max(1).to_string();
    let mut environment: Vec<(String, String)> =
        of_budget.into_iter().filter_map(|(name, all)| Some((name.to_owned(), share(all?)))).collect();
    if all > 0 {
        environment.push(("DATABASE_CONNECTIONS".into(), each.to_string()));
    }
    let own = contest.load.environment.iter().chain(contestant.environment(contest, mode));
    environment.extend(own.map(|(name, value)| (name.clone(), value.clone())));
    environment
}

/// An orderly stop may take this long before it is made one by force.
const STOP_LIMIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_with_processes_gives_all_connections_to_their_pools() {
        let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut contestant = Contestant::read(&top.join("tests/contest/peers/honest")).unwrap();
        let people = Contest::read(&top.join("contests/people")).unwrap();
        let shown = |contest: &Contest, contestant: &Contestant| -> Vec<String> {
            let environment = api_environment(contest, contestant, &contestant.default_mode);
            environment.iter().map(|(name, value)| format!("{name}={value}")).collect()
        };
        assert!(shown(&people, &contestant).contains(&"DATABASE_CONNECTIONS=18".to_owned()));
        assert!(!shown(&people, &contestant).iter().any(|it| it.starts_with("WORKERS")));
        let multi = Contest::read(&top.join("contests/users")).unwrap().within(Some("multi")).unwrap();
        let environment = shown(&multi, &contestant);
        assert_eq!(environment[..2], ["WORKERS=4", "DATABASE_CONNECTIONS_MIN=8"]);
        assert!(environment.contains(&"DATABASE_CONNECTIONS=40".to_owned()), "{environment:?}");
        // What a contestant says itself comes later, and the later one counts.
        let edge = Contest::read(&top.join("contests/edge")).unwrap();
        assert!(!shown(&edge, &contestant).iter().any(|it| it.starts_with("DATABASE")), "it has none");
        let mode = contestant.modes.values_mut().next().unwrap();
        for name in ["WORKERS", "DATABASE_CONNECTIONS"] {
            mode.environment.insert(name.to_owned(), "1".to_owned());
        }
        let shown = shown(&multi, &contestant);
        for own in ["WORKERS=1", "DATABASE_CONNECTIONS=1"] {
            let name = &own[..own.len() - 1];
            assert_eq!(shown.iter().rfind(|it| it.starts_with(name)).map(String::as_str), Some(own));
        }
    }
}
