//! `pouco check`: whether machine, database and settings are usable, before anything is served. It changes
//! nothing; an address that is free is bound for a moment.

use std::fmt;
use std::fs;

use pouco::api::Selection;
use pouco::app::Bound;
use pouco::config::{Config, Database, Listen};
use pouco::http::BACKLOG;
use pouco::limits;
use pouco::process;
use pouco::settings::Values;
use pouco::store::{Purpose, Schema, Session, is_current};
use rustix::process::{Resource, getrlimit};

use super::backend::connector;
use super::{EXIT_USAGE, Failure, print};

/// Whether the role may make tables, in the database and in the schema that is there from the start.
const MAY_CREATE: &str = "
    SELECT has_database_privilege(current_database(), 'CREATE') AND has_schema_privilege('public', 'CREATE')";

/// Tables of these schemas that the role may not read, and those that it may not write to.
const CLOSED: &str = "
    SELECT coalesce(string_agg(table_name, ', ') FILTER (WHERE NOT readable), ''),
           coalesce(string_agg(table_name, ', ') FILTER (WHERE readable AND NOT writable), '')
    FROM (SELECT relation.oid::regclass::text AS table_name,
                 has_table_privilege(relation.oid, 'SELECT') AS readable,
                 has_table_privilege(relation.oid, 'INSERT') AS writable
          FROM pg_class relation JOIN pg_namespace schema ON schema.oid = relnamespace
          WHERE relkind IN ('r', 'p') AND nspname = ANY($1)
            AND relname NOT IN ('schema_migrations', 'api_migrations')) AS of_ours";

/// How a check came out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Came {
    Ok,
    /// It will serve, though not as well as it could.
    Warning,
    /// It will not serve.
    Failed,
}

/// A line for each check, and how many have failed.
#[derive(Default)]
struct Report {
    text: String,
    failed: usize,
}

impl Report {
    fn line(&mut self, came: Came, what: &str, found: impl fmt::Display) {
        let word = match came {
            Came::Ok => "ok",
            Came::Warning => "warning",
            Came::Failed => "failed",
        };
        self.failed += usize::from(came == Came::Failed);
        // Whatever was found stays one line.
        let found = found.to_string().replace(['\n', '\r'], " ");
        self.text.push_str(&format!("{word:<8}{what:<14}{found}\n"));
    }
}

pub(super) fn run() -> Result<(), Failure> {
    let mut report = Report::default();
    let values = Values::from_environment();
    match settings(&values) {
        Ok((config, apis)) => {
            let names: Vec<&str> = apis.apis().iter().map(|api| api.name).collect();
            report.line(Came::Ok, "settings", format!("allowed; APIs: {}", names.join(", ")));
            addresses(&mut report, &config);
            match apis.needs_database() {
                true => database(&mut report, &config, &apis),
                false => report.line(Came::Ok, "database", "none is needed, since nothing is stored"),
            }
            machine(&mut report, config.http.connections);
        }
        Err(why) => {
            report.line(Came::Failed, "settings", why);
            machine(&mut report, limits::CONNECTIONS);
        }
    }
    print(&report.text)?;
    match report.failed {
        0 => Ok(()),
        1 => Err(Failure(EXIT_USAGE, "a check has failed".to_owned())),
        several => Err(Failure(EXIT_USAGE, format!("{several} checks have failed"))),
    }
}

fn settings(values: &Values) -> Result<(Config, Selection), String> {
    let told = |error: pouco::settings::ConfigError| error.to_string();
    let config = Config::read(values).map_err(told)?;
    let apis = Selection::read(values).map_err(told)?;
    apis.check(config.several_replicas).map_err(told)?;
    Ok((config, apis))
}

/// One that a replica has already is none to worry about, if it is that.
fn addresses(report: &mut Report, config: &Config) {
    let all = || config.listen.iter().chain(&config.admin_listen);
    if all().any(|one| matches!(one, Listen::Systemd(_))) {
        return report.line(
            Came::Ok,
            "addresses",
            "some are handed over by a service manager: not looked at",
        );
    }
    match Bound::new(config) {
        Ok(_) => {
            let all: Vec<String> = all().map(ToString::to_string).collect();
            report.line(Came::Ok, "addresses", format!("{} are free", all.join(", ")));
        }
        Err(error) if error.is_in_use() => report.line(Came::Warning, "addresses", error),
        Err(error) => report.line(Came::Failed, "addresses", error),
    }
}

fn database(report: &mut Report, config: &Config, apis: &Selection) {
    let given = match &config.database {
        Database::Given(given) => given,
        Database::Embedded { .. } if cfg!(feature = "embedded") => {
            return report.line(Came::Ok, "database", "embedded: it is looked at when it is started");
        }
        Database::Embedded { .. } => {
            return report.line(Came::Failed, "database", "this build has none of its own: set DATABASE_URL");
        }
    };
    let connector = match connector((**given).clone(), None) {
        Ok(connector) => connector,
        Err(Failure(_, why)) => return report.line(Came::Failed, "database", why),
    };
    connector.need(config.read.connections + apis.connections(), config.replicas);
    if config.refuse_weak {
        connector.refuse_weak();
    }
    let mut session = match connector.open(Purpose::Read) {
        Ok(session) => session,
        Err(error) => return report.line(Came::Failed, "database", format!("DATABASE_URL: {error}")),
    };
    report.line(Came::Ok, "database", "it answers, its version and its encoding are supported");
    let (needed, allowed) = connector.room();
    let found = format!("{needed} are needed by all replicas, {allowed} are allowed");
    let fits = i32::try_from(needed).is_ok_and(|needed| needed <= allowed);
    report.line(if fits { Came::Ok } else { Came::Warning }, "connections", found);
    match connector.durability() {
        None => report.line(Came::Warning, "durability", "the server is read-only: reads alone are served"),
        Some(durability) if durability.is_weak() => {
            report.line(Came::Warning, "durability", format!("{durability}: commits may be lost"));
        }
        Some(durability) if durability.is_raised() => {
            let found = "synchronous_commit is too weak for this role, and raised in each session of ours";
            report.line(Came::Warning, "durability", found);
        }
        Some(durability) => report.line(Came::Ok, "durability", durability),
    }
    match tables(&mut session, &apis.schemas()) {
        Ok((came, found)) => report.line(came, "tables", found),
        Err(why) => report.line(Came::Failed, "tables", why),
    }
}

fn tables(session: &mut Session, schemas: &[Schema]) -> Result<(Came, String), String> {
    let asked = |error: postgres::Error| pouco::store::Chain(&error).to_string();
    if !is_current(session, schemas).map_err(|error| error.to_string())? {
        let rows = session.query(MAY_CREATE, &[]).map_err(asked)?;
        let may = rows.first().is_some_and(|row| row.try_get(0).unwrap_or(false));
        return Ok(match may {
            true => (Came::Ok, "not up to date: the start brings them there, or `pouco migrate`".to_owned()),
            false => (
                Came::Failed,
                "not up to date, and this role may not create: `pouco migrate` by one that may".to_owned(),
            ),
        });
    }
    let names: Vec<&str> = schemas.iter().filter_map(|schema| schema.schema).chain(["public"]).collect();
    let rows = session.query(CLOSED, &[&names]).map_err(asked)?;
    let row = rows.first().ok_or("Postgres does not say what the role may do")?;
    let [unread, unwritten] = [0, 1].map(|column| row.try_get::<_, String>(column).unwrap_or_default());
    Ok(match (unread.as_str(), unwritten.as_str()) {
        ("", "") => (Came::Ok, "up to date, and this role may read and write them".to_owned()),
        ("", _) => (Came::Warning, format!("up to date, but this role may not write to {unwritten}")),
        _ => (Came::Warning, format!("up to date, but this role may not read {unread}")),
    })
}

/// What the kernel allows, against what so many connections need.
fn machine(report: &mut Report, connections: usize) {
    let connections = connections as u64;
    let most = getrlimit(Resource::Nofile).maximum;
    let wanted = connections + limits::OTHER_DESCRIPTORS;
    let found = |have: &str| format!("{have} are allowed, {wanted} are wanted for {connections} connections");
    match most {
        None => report.line(Came::Ok, "descriptors", found("any number")),
        Some(most) => {
            let came = if most >= wanted { Came::Ok } else { Came::Warning };
            report.line(came, "descriptors", found(&most.to_string()));
        }
    }
    let wanted = connections * limits::MAPPINGS_PER_STACK + limits::OTHER_MAPPINGS;
    match process::most_mappings() {
        Err(error) => report.line(Came::Warning, "mappings", format!("vm.max_map_count: {error}")),
        Ok(most) => {
            let came = if most >= wanted { Came::Ok } else { Came::Warning };
            report.line(came, "mappings", format!("vm.max_map_count is {most}, {wanted} are wanted"));
        }
    }
    let somaxconn = fs::read_to_string("/proc/sys/net/core/somaxconn");
    match somaxconn.ok().and_then(|text| text.trim().parse::<i64>().ok()) {
        None => report.line(Came::Warning, "backlog", "net.core.somaxconn cannot be read"),
        Some(most) => {
            let came = if most >= i64::from(BACKLOG) { Came::Ok } else { Came::Warning };
            report.line(came, "backlog", format!("net.core.somaxconn is {most}, {BACKLOG} are wanted"));
        }
    }
}
