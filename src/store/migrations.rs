//! Numbered SQL files, applied once each and in order. Several replicas may start at once: an advisory lock
//! lets one of them work while the others wait.

use super::failure::Chain;
use super::session::Session;

/// Number, name and text of every migration, oldest first. Only ever append.
const MIGRATIONS: &[(i32, &str, &str)] = &[
    (1, "people", include_str!("../../migrations/0001_people.sql")),
    (2, "users", include_str!("../../migrations/0002_users.sql")),
];

/// Any constant does, as long as every replica uses the same one.
const LOCK_KEY: i64 = 0x706f_7563_6f01;

const LOCK: &str = "SELECT pg_advisory_xact_lock($1)";
const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS schema_migrations (
        number     integer PRIMARY KEY,
        name       text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    )";
const APPLIED: &str = "SELECT number FROM schema_migrations";
const RECORD: &str = "INSERT INTO schema_migrations (number, name) VALUES ($1, $2)";

/// Brings the schema up to date and returns how many migrations were applied. After an error the session is
/// of no more use.
///
/// # Errors
/// What Postgres said, with the migration that it concerns.
pub fn migrate(session: &mut Session) -> Result<usize, String> {
    // One transaction for all: the lock goes with it, and a replica that dies half-way leaves nothing behind.
    let known = begin(session).map_err(|error| Chain(&error).to_string())?;
    let mut count = 0;
    for (number, name, sql) in MIGRATIONS.iter().filter(|(number, _, _)| !known.contains(number)) {
        session
            .batch(sql)
            .and_then(|()| session.execute(RECORD, &[number, name]))
            .map_err(|error| format!("migration {number} ({name}): {}", Chain(&error)))?;
        count += 1;
    }
    session.batch("COMMIT").map_err(|error| Chain(&error).to_string())?;
    Ok(count)
}

/// Begins the transaction, waits for the lock, and says what is applied already. A migration may take its
/// time.
fn begin(session: &mut Session) -> Result<Vec<i32>, postgres::Error> {
    session.batch("BEGIN; SET LOCAL lock_timeout = 0")?;
    session.query(LOCK, &[&LOCK_KEY])?;
    session.batch(TABLE)?;
    session.query(APPLIED, &[])?.iter().map(|row| row.try_get(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;

    #[test]
    fn numbers_count_up_from_one() {
        for (index, (number, _, _)) in MIGRATIONS.iter().enumerate() {
            assert_eq!(usize::try_from(*number), Ok(index + 1));
        }
    }
}
