//! The proof that a contestant runs within the budget, and keeps what it promises: read from the kernel and
//! from Postgres, and not from what was configured.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::contest::Budget;
use crate::contestant::{Contestant, Database};
use crate::meters::{Cgroup, Target, limits_hold};
use crate::record::{Limits, Proof, ServiceProof};
use crate::stack::{Stack, shares};

/// What a 201 stands on. All of them must be `on`.
const DURABILITY: [&str; 3] = ["fsync", "full_page_writes", "synchronous_commit"];

/// Sets the bound on connections, for all sessions that begin after it; where there is no database, none.
///
/// # Errors
/// The database refuses.
pub fn limit_connections(stack: &dyn Stack, contestant: &Contestant, budget: &Budget) -> Result<()> {
    let Some(database) = &contestant.database else { return Ok(()) };
    stack.sql(&bound(database, budget)).map(drop)
}

fn bound(database: &Database, budget: &Budget) -> String {
    let (name, limit) = (&database.name, budget.database_connections + watching(database));
    format!("ALTER DATABASE \"{name}\" CONNECTION LIMIT {limit}")
}

/// The limits of everything that runs, before the load.
///
/// # Errors
/// A limit cannot be read, or the database cannot be asked.
pub fn before(stack: &dyn Stack, contestant: &Contestant) -> Result<Proof> {
    let shares = shares(contestant);
    let mut proof = Proof::default();
    if let Some(database) = &contestant.database {
        let told = Told::ask(stack, database)?;
        proof.database_connections_limit = told.connections_limit(database);
        proof.superuser = told.superuser;
        proof.durability = told.durability();
    }
    for target in stack.targets()? {
        let set = shares.iter().find(|(name, ..)| *name == target.service).map(|(_, _, limits)| *limits);
        let before = found(&target)?;
        proof.services.push(ServiceProof {
            service: target.service,
            role: target.role,
            set,
            before,
            after: None,
        });
    }
    Ok(proof)
}

/// Reads all of it again after the load: a container that may write its own cgroup could have lifted its
/// limits since, and one that may change its database's settings could have changed them. What is worse
/// stays.
///
/// # Errors
/// As for [`before`].
pub fn after(stack: &dyn Stack, contestant: &Contestant, proof: &mut Proof) -> Result<()> {
    if let Some(database) = &contestant.database {
        let told = Told::ask(stack, database)?;
        let limit = told.connections_limit(database);
        proof.database_connections_limit = proof.database_connections_limit.max(limit);
        proof.superuser = proof.superuser.max(told.superuser);
        changed(&mut proof.durability, told.durability());
    }
    for target in stack.targets()? {
        let now = found(&target)?;
        // Of two containers of one service each is another one.
        let unread = |it: &&mut ServiceProof| it.service == target.service && it.after.is_none();
        match proof.services.iter_mut().find(unread) {
            Some(service) => service.after = Some(now),
            // Started during the load.
            None => proof.services.push(ServiceProof {
                service: target.service,
                role: target.role,
                set: None,
                before: now,
                after: Some(now),
            }),
        }
    }
    Ok(())
}

/// Judges the proof: why the contestant is disqualified, in sentences. None is good.
#[must_use]
pub fn objections(proof: &Proof, contestant: &Contestant, budget: &Budget) -> Vec<String> {
    let mut objections = Vec::new();
    for (name, ..) in shares(contestant) {
        match proof.services.iter().filter(|service| service.service == name).count() {
            0 => objections.push(format!("{name}: is declared and does not run")),
            1 => {}
            several => {
                objections.push(format!("{name}: runs in {several} containers, and its share is of one"));
            }
        }
    }
    for service in &proof.services {
        let Some(set) = &service.set else {
            objections.push(format!("{}: runs and is not declared", service.service));
            continue;
        };
        if service.after.is_none() {
            objections.push(format!("{}: does not run any more after the load", service.service));
        }
        let found = [("before", Some(&service.before)), ("after", service.after.as_ref())];
        for (when, limits) in found.into_iter().filter_map(|(when, limits)| Some((when, limits?))) {
            if let Some(reason) = limits_hold(set, limits) {
                objections.push(format!("{}, {when} the load: {reason}", service.service));
            }
        }
    }
    let cpus: f64 = proof.services.iter().filter_map(|service| service.before.cpus).sum();
    let memory_bytes: u64 = proof.services.iter().filter_map(|service| service.before.memory_bytes).sum();
    if cpus > budget.cpus + 1e-9 || memory_bytes > budget.memory_bytes {
        objections
            .push(format!("everything that runs may use {cpus} CPUs and {memory_bytes} bytes together"));
    }
    if proof.database_connections_limit > budget.database_connections {
        objections.push("the database does not bound its connections as it was told".to_owned());
    }
    if let Some(database) = contestant.database.as_ref().filter(|_| proof.superuser == Some(true)) {
        objections.push(format!(
            "the role {} is a superuser of Postgres, for whom no limit of connections holds",
            database.user
        ));
    }
    if let Some(peak) = proof.database_connections_peak.filter(|peak| *peak > budget.database_connections) {
        objections.push(format!(
            "{peak} connections to the database were seen, of {}",
            budget.database_connections
        ));
    }
    for (name, value) in &proof.durability {
        if value != "on" {
            objections.push(format!("{name} is {value} in Postgres"));
        }
    }
    objections
}

fn found(target: &Target) -> Result<Limits> {
    let limits = Cgroup::open(target).and_then(|cgroup| cgroup.limits());
    limits.with_context(|| format!("limits of {}", target.service))
}

/// The lab's own session, which watches a shop's stock: Postgres counts whoever is connected to a database,
/// superusers too, and would refuse the contestant its last connection.
fn watching(database: &Database) -> u32 {
    u32::from(database.stock.is_some())
}

/// What Postgres says of itself, asked in one statement: each costs a process in the contestant's container.
#[derive(Deserialize)]
struct Told {
    /// -1 is no limit, and no number of connections.
    limit: Option<i64>,
    /// Absent where there is no such role.
    superuser: Option<bool>,
    settings: BTreeMap<String, String>,
    /// Settings for a role or database, `NAME=VALUE`.
    overlaid: Vec<String>,
    /// Tables that a crash would empty.
    unlogged: Vec<String>,
}

impl Told {
    fn ask(stack: &dyn Stack, database: &Database) -> Result<Self> {
        let (name, user) = (text_literal(&database.name), text_literal(&database.user));
        let settings = DURABILITY.map(text_literal).join(", ");
        let statement = format!(
            "SELECT json_build_object(
               'limit', (SELECT datconnlimit FROM pg_database WHERE datname = {name}),
               'superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = {user}),
               'settings', (SELECT json_object_agg(name, setting) FROM pg_settings WHERE name IN ({settings})),
               'overlaid', (SELECT coalesce(json_agg(it), '[]') FROM pg_db_role_setting, unnest(setconfig) AS it),
               'unlogged', (SELECT coalesce(json_agg(relname), '[]') FROM pg_class
                            WHERE relpersistence = 'u' AND relkind = 'r'))"
        );
        let told = stack.sql(&statement)?;
        serde_json::from_str(told.trim()).with_context(|| format!("{told:?}: of limits and durability"))
    }

    /// Less the one that is not the contestant's.
    fn connections_limit(&self, database: &Database) -> u32 {
        let limit = self.limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(u32::MAX);
        limit.saturating_sub(watching(database))
    }

    /// Postgres's settings, with what is laid over them for a role or database; and tables that a crash would
    /// empty.
    fn durability(self) -> BTreeMap<String, String> {
        let mut found = self.settings;
        for line in &self.overlaid {
            if let Some((name, value)) = line.split_once('=').filter(|(name, _)| DURABILITY.contains(name)) {
                found.insert(format!("{name} (overlaid)"), value.to_owned());
            }
        }
        for table in self.unlogged {
            found.insert(format!("the write-ahead log of table {table}"), "off".to_owned());
        }
        found
    }
}

fn text_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Adds to what was found before the load what is otherwise after it. What has gone by then was there all the
/// same.
fn changed(durability: &mut BTreeMap<String, String>, now: BTreeMap<String, String>) {
    for (name, value) in now {
        if durability.get(&name) != Some(&value) {
            durability.insert(format!("{name} (after the load)"), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contest::Contest;

    fn pouco() -> (Contestant, Contest) {
        let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        (Contestant::read(&top.join("peers/pouco")).unwrap(), Contest::load(&top, "people").unwrap())
    }

    /// As it is where everything holds.
    fn good(contestant: &Contestant, budget: &Budget) -> Proof {
        let service = |(service, role, limits)| ServiceProof {
            service,
            role: Some(role),
            set: Some(limits),
            before: limits,
            after: Some(limits),
        };
        Proof {
            services: shares(contestant).into_iter().map(service).collect(),
            database_connections_limit: budget.database_connections,
            durability: DURABILITY.map(|name| (name.to_owned(), "on".to_owned())).into(),
            superuser: Some(false),
            ..Proof::default()
        }
    }

    #[test]
    fn what_is_no_more_or_has_changed_after_the_load_is_an_objection() {
        type Change = fn(&mut Proof);
        let (contestant, contest) = pouco();
        let objections = |change: Change| {
            let mut proof = good(&contestant, &contest.budget);
            change(&mut proof);
            super::objections(&proof, &contestant, &contest.budget)
        };
        assert_eq!(objections(|_| {}), [""; 0]);
        let cases: [(Change, &str); 4] = [
            (|proof| proof.services[0].after = None, "does not run any more after the load"),
            (|proof| proof.services[0].after = Some(Limits::default()), "after the load: CPU"),
            (|proof| proof.superuser = Some(true), "is a superuser"),
            (
                |proof| {
                    let now =
                        [("fsync".to_owned(), "off".to_owned()), ("full_page_writes".into(), "on".into())];
                    changed(&mut proof.durability, now.into());
                },
                "fsync (after the load) is off",
            ),
        ];
        for (change, said) in cases {
            let found = objections(change);
            assert!(found.len() == 1 && found[0].contains(said), "{found:?}");
        }
    }

    /// A database that answers the same to each question.
    struct Answers(serde_json::Value);

    impl Stack for Answers {
        fn up(&mut self) -> Result<()> {
            Ok(())
        }
        fn restart(&mut self) -> Result<()> {
            Ok(())
        }
        fn targets(&self) -> Result<Vec<Target>> {
            Ok(Vec::new())
        }
        fn sql(&self, _: &str) -> Result<String> {
            Ok(format!("{}\n", self.0))
        }
        fn down(&mut self) -> Result<()> {
            Ok(())
        }
    }

    fn answers(limit: i64, superuser: bool, durable: &str, unlogged: &[&str]) -> Answers {
        let settings: BTreeMap<&str, &str> = DURABILITY.map(|name| (name, durable)).into();
        Answers(serde_json::json!({
            "limit": limit, "superuser": superuser, "settings": settings, "overlaid": [], "unlogged": unlogged,
        }))
    }

    #[test]
    fn the_database_is_asked_again_after_the_load() {
        let (contestant, contest) = pouco();
        let right = || answers(20, false, "on", &[]);
        let wrong = || answers(-1, true, "on", &["people"]);
        let mut proof = before(&right(), &contestant).unwrap();
        assert_eq!((proof.database_connections_limit, proof.superuser), (20, Some(false)));
        after(&wrong(), &contestant, &mut proof).unwrap();
        let found = objections(&proof, &contestant, &contest.budget);
        for said in
            ["does not bound its connections", "is a superuser", "table people (after the load) is off"]
        {
            assert!(found.iter().any(|objection| objection.contains(said)), "{said}: {found:?}");
        }
        // Put right again: it was wrong all the same.
        let mut proof = before(&wrong(), &contestant).unwrap();
        after(&right(), &contestant, &mut proof).unwrap();
        assert_eq!((proof.database_connections_limit, proof.superuser), (u32::MAX, Some(true)));
        assert!(proof.durability.values().any(|value| value == "off"), "{:?}", proof.durability);
    }

    #[test]
    fn the_watch_over_a_stock_takes_none_of_the_contestants_connections() {
        let (mut contestant, contest) = pouco();
        contestant.database.as_mut().unwrap().stock = Some("SELECT product, quantity FROM stock".to_owned());
        let budget = Budget { database_connections: 50, ..contest.budget };
        let set = bound(contestant.rows().unwrap(), &budget);
        assert!(set.ends_with("CONNECTION LIMIT 51"), "{set}");
        let limit = |found| {
            before(&answers(found, false, "on", &[]), &contestant).unwrap().database_connections_limit
        };
        assert_eq!([limit(51), limit(52)], [50, 51]);
        assert!(limit(-1) > 1_000_000);
    }

    #[test]
    fn without_a_database_nothing_is_asked_of_one() {
        let (mut contestant, contest) = pouco();
        contestant.database = None;
        let answers = answers(-1, true, "off", &[]);
        limit_connections(&answers, &contestant, &contest.budget).unwrap();
        let mut proof = before(&answers, &contestant).unwrap();
        after(&answers, &contestant, &mut proof).unwrap();
        assert!(proof.durability.is_empty() && proof.superuser.is_none(), "{proof:?}");
        let found = objections(&proof, &contestant, &Budget { database_connections: 0, ..contest.budget });
        assert!(found.iter().all(|objection| objection.ends_with("does not run")), "{found:?}");
    }

    #[test]
    fn a_service_in_two_containers_is_an_objection() {
        let (contestant, contest) = pouco();
        let mut proof = good(&contestant, &contest.budget);
        // Small enough that the budget is kept.
        let small = Limits { cpus: Some(0.0), memory_bytes: Some(1) };
        let more =
            ServiceProof { before: small, after: Some(small), set: Some(small), ..proof.services[0].clone() };
        proof.services.push(more);
        let found = objections(&proof, &contestant, &contest.budget);
        assert!(found.len() == 1 && found[0].contains("2 containers"), "{found:?}");
    }
}
