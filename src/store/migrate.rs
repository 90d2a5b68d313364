//! Numbered SQL files, applied once each and in order. Each API counts its own. Several replicas may start at
//! once: an advisory lock lets one of them work while the others wait.
//!
//! A new API's tables are in a schema of its own. Those that are older than this rule stay in `public`, and
//! their first migrations once had numbers in common ([`Migration::formerly`]): a program of that time finds
//! these where it looks for them, so that both can run side by side.

use std::fmt;

use super::failure::Chain;
use super::session::Session;

/// The tables of one API.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Whose they are.
    pub api: &'static str,
    /// The schema in Postgres that they are in, made if it is not there. `None`: the first of the search
    /// path, which is `public` unless `DATABASE_URL` says otherwise.
    pub schema: Option<&'static str>,
    /// Oldest first, the first one being number 1. Only ever append.
    pub migrations: &'static [Migration],
}

/// One step of an API's tables.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    name: &'static str,
    sql: &'static str,
    former: Option<i32>,
}

impl Migration {
    /// A step of this name with these statements. Names without a schema are in the API's.
    #[must_use]
    pub const fn new(name: &'static str, sql: &'static str) -> Self {
        Self { name, sql, former: None }
    }

    /// ... which had this number in `schema_migrations`, in which all APIs once counted together.
    #[must_use]
    pub const fn formerly(self, number: i32) -> Self {
        Self { former: Some(number), ..self }
    }
}

/// Why the tables are not what they are to be. The session is of no more use.
#[derive(Debug)]
pub enum MigrateError {
    /// A migration failed, and with it all of them.
    Failed {
        /// Whose it is.
        api: &'static str,
        /// What it brings.
        name: &'static str,
        /// What Postgres said.
        error: postgres::Error,
    },
    /// A newer program was here. This one does not know what it has changed.
    Newer {
        /// Whose tables they are.
        api: &'static str,
        /// The migration that was applied last.
        applied: i32,
        /// The last one that is known here.
        known: i32,
    },
    /// What Postgres said before or after all of them.
    Postgres(postgres::Error),
}

impl fmt::Display for MigrateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { api, name, error } => write!(f, "{api}: migration `{name}`: {}", Chain(error)),
            Self::Newer { api, applied, known } => write!(
                f,
                "the tables of `{api}` are newer than this program: they have had migration {applied}, and the \
                 last that is known here is {known}"
            ),
            Self::Postgres(error) => write!(f, "{}", Chain(error)),
        }
    }
}

impl std::error::Error for MigrateError {}

impl From<postgres::Error> for MigrateError {
    fn from(error: postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

/// Any constant does, as long as every replica of every version uses the same one.
const LOCK_KEY: i64 = 0x706f_7563_6f01;

const LOCK: &str = "SELECT pg_advisory_xact_lock($1)";
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS schema_migrations (
        number     integer PRIMARY KEY,
        name       text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE IF NOT EXISTS api_migrations (
        api        text NOT NULL,
        number     integer NOT NULL,
        name       text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (api, number)
    )";
const ARE_COUNTED: &str = "SELECT to_regclass('api_migrations') IS NOT NULL";
const KNOWN_SCHEMA: &str = "SELECT FROM pg_namespace WHERE nspname = $1";
const APPLIED: &str = "SELECT coalesce(max(number), 0) FROM api_migrations WHERE api = $1";
const RECORD: &str = "INSERT INTO api_migrations (api, number, name) VALUES ($1, $2, $3)";
const FORMER: &str = "SELECT FROM schema_migrations WHERE number = $1";
const RECORD_FORMER: &str = "INSERT INTO schema_migrations (number, name) VALUES ($1, $2)";

/// Whether the tables of these APIs are up to date. Asked by reading alone: a role that may not create, and a
/// server that is read-only, serve what is there.
///
/// # Errors
/// [`MigrateError::Newer`], or that it cannot be read.
pub fn is_current(session: &mut Session, schemas: &[Schema]) -> Result<bool, MigrateError> {
    let counted =
        matches!(session.query(ARE_COUNTED, &[])?.first().map(|row| row.try_get(0)), Some(Ok(true)));
    if !counted {
        return Ok(false);
    }
    for schema in schemas {
        let (applied, known) = count(session, schema)?;
        if applied < known {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How many migrations were applied, and how many are known.
fn count(session: &mut Session, schema: &Schema) -> Result<(i32, i32), MigrateError> {
    let Schema { api, migrations, .. } = *schema;
    let known = i32::try_from(migrations.len()).unwrap_or(i32::MAX);
    let applied: i32 = match session.query(APPLIED, &[&api])?.first() {
        Some(row) => row.try_get(0)?,
        None => 0,
    };
    if applied > known {
        return Err(MigrateError::Newer { api, applied, known });
    }
    Ok((applied, known))
}

/// Brings the tables of these APIs up to date and returns how many migrations were applied.
///
/// # Errors
/// Then nothing was applied.
pub fn migrate(session: &mut Session, schemas: &[Schema]) -> Result<usize, MigrateError> {
    // One transaction for all: the lock goes with it, and a replica that dies half-way leaves nothing behind.
    // A migration may take its time.
    session.batch("BEGIN; SET LOCAL lock_timeout = 0")?;
    session.query(LOCK, &[&LOCK_KEY])?;
    session.batch(TABLES)?;
    let mut count = 0;
    for schema in schemas {
        count += bring_up_to_date(session, schema)?;
    }
    session.batch("COMMIT")?;
    Ok(count)
}

fn bring_up_to_date(session: &mut Session, schema: &Schema) -> Result<usize, MigrateError> {
    let Schema { api, migrations, .. } = *schema;
    let (applied, _) = self::count(session, schema)?;
    let mut count = 0;
    for (number, migration) in (1..).zip(migrations).skip(usize::try_from(applied).unwrap_or(0)) {
        let failed = |error| MigrateError::Failed { api, name: migration.name, error };
        if !is_there(session, migration)? {
            apply(session, schema.schema, migration).map_err(failed)?;
            count += 1;
        }
        session.execute(RECORD, &[&api, &number, &migration.name])?;
    }
    Ok(count)
}

/// Whether it was applied by a program that knew it by its former number.
fn is_there(session: &mut Session, migration: &Migration) -> Result<bool, postgres::Error> {
    let Some(number) = migration.former else { return Ok(false) };
    Ok(!session.query(FORMER, &[&number])?.is_empty())
}

fn apply(session: &mut Session, schema: Option<&str>, migration: &Migration) -> Result<(), postgres::Error> {
    if let Some(schema) = schema {
        // Without the question this would need a right that only the first of the replicas' starts needs.
        if session.query(KNOWN_SCHEMA, &[&schema])?.is_empty() {
            session.batch(&format!("CREATE SCHEMA \"{schema}\""))?;
        }
        session.batch(&format!("SET LOCAL search_path TO \"{schema}\", public"))?;
    }
    session.batch(migration.sql)?;
    session.batch("RESET search_path")?;
    if let Some(number) = migration.former {
        session.execute(RECORD_FORMER, &[&number, &migration.name])?;
    }
    Ok(())
}
