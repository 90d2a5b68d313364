//! The proof that a contestant runs within the budget, and keeps what it promises: read from the kernel and from Postgres, and
//! not from what was configured.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::contest::Budget;
use crate::contestant::Contestant;
use crate::meters::{Cgroup, Target, limits_hold};
use crate::record::{Limits, Proof, ServiceProof};
use crate::stack::{Stack, shares};

/// What a 201 stands on. All of them must be `on`.
const DURABILITY: [&str; 3] = ["fsync", "full_page_writes", "synchronous_commit"];

/// Sets the bound on connections, for all sessions that begin after it.
///
/// # Errors
/// The database refuses.
pub fn limit_connections(stack: &dyn Stack, contestant: &Contestant, budget: &Budget) -> Result<()> {
    let statement = format!(
        "ALTER DATABASE \"{}\" CONNECTION LIMIT {}",
        contestant.database.name, budget.database_connections
    );
    stack.sql(&statement).map(drop)
}

/// The limits of everything that runs, before the load.
///
/// # Errors
/// A limit cannot be read, or the database cannot be asked.
pub fn before(stack: &dyn Stack, contestant: &Contestant) -> Result<Proof> {
    let shares = shares(contestant);
    let mut proof = Proof { durability: durability(stack)?, ..Proof::default() };
    for target in stack.targets()? {
        let set = shares.iter().find(|(name, ..)| *name == target.service).map(|(_, _, limits)| *limits);
        let before = found(&target)?;
        proof.services.push(ServiceProof {
            service: target.service,
            role: target.role,
            set,
            before,
            after: before,
        });
    }
    let limit = stack.sql(&format!(
        "SELECT datconnlimit FROM pg_database WHERE datname = '{}'",
        contestant.database.name.replace('\'', "''")
    ))?;
    // -1 is no limit, and no number of connections.
    proof.database_connections_limit = limit.trim().parse().unwrap_or(u32::MAX);
    Ok(proof)
}

/// Reads all limits again after the load: a container that may write its own cgroup could have lifted them since.
///
/// # Errors
/// As for [`before`].
pub fn after(stack: &dyn Stack, proof: &mut Proof) -> Result<()> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for target in stack.targets()? {
        let now = found(&target)?;
        // Several may have one name; a further one than before is new.
        let place = places.entry(target.service.clone()).or_default();
        let known = proof.services.iter_mut().filter(|service| service.service == target.service).nth(*place);
        *place += 1;
        match known {
            Some(service) => service.after = now,
            // Started during the load.
            None => proof.services.push(ServiceProof {
                service: target.service,
                role: target.role,
                set: None,
                before: now,
                after: now,
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
        for (when, limits) in [("before", &service.before), ("after", &service.after)] {
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

/// Postgres's settings, with what is laid over them for a role or database; and tables that a crash would empty.
fn durability(stack: &dyn Stack) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for name in DURABILITY {
        found.insert(name.to_owned(), stack.sql(&format!("SHOW {name}"))?.trim().to_owned());
    }
    let overlaid = stack.sql("SELECT unnest(setconfig) FROM pg_db_role_setting")?;
    for line in overlaid.lines() {
        if let Some((name, value)) = line.split_once('=').filter(|(name, _)| DURABILITY.contains(name)) {
            found.insert(format!("{name} (overlaid)"), value.to_owned());
        }
    }
    let unlogged = stack.sql("SELECT relname FROM pg_class WHERE relpersistence = 'u' AND relkind = 'r'")?;
    for table in unlogged.lines() {
        found.insert(format!("the write-ahead log of table {table}"), "off".to_owned());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_service_in_two_containers_is_an_objection() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let contestant = Contestant::read(&top.join("../peers/pouco")).expect("peers/pouco");
        let contest = crate::contest::Contest::read(&top.join("contests/people")).expect("contests/people");
        let service = |(service, role, limits)| ServiceProof {
            service,
            role: Some(role),
            set: Some(limits),
            before: limits,
            after: limits,
        };
        let mut proof =
            Proof { services: shares(&contestant).into_iter().map(service).collect(), ..Proof::default() };
        assert_eq!(objections(&proof, &contestant, &contest.budget), Vec::<String>::new());
        // Small enough that the budget is kept.
        let small = Limits { cpus: Some(0.0), memory_bytes: Some(1) };
        let more =
            ServiceProof { before: small, after: small, set: Some(small), ..proof.services[0].clone() };
        proof.services.push(more);
        let found = objections(&proof, &contestant, &contest.budget);
        assert!(found.len() == 1 && found[0].contains("2 containers"), "{found:?}");
    }
}
