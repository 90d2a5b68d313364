//! Numbered SQL files, applied once each and in order. Several replicas may start at once: an advisory lock lets one of
//! them work while the others wait.

use super::session::{Chain, Session};

/// Number, name and text of every migration, oldest first. Only ever append.
const MIGRATIONS: &[(i32, &str, &str)] = &[
    (1, "people", include_str!("../../migrations/0001_people.sql")),
    (2, "users", include_str!("../../migrations/0002_users.sql")),
];

/// Any constant does, as long as every replica uses the same one.
const LOCK_KEY: i64 = 0x706f_7563_6f01;

/// Brings the schema up to date and returns how many migrations were applied.
///
/// # Errors
/// What Postgres said, with the migration that it concerns.
pub fn migrate(session: &mut Session) -> Result<usize, String> {
    let client = session.client();
    // One transaction for all: the lock goes with it, and a replica that dies half-way leaves nothing behind.
    let mut transaction = client.transaction().map_err(|error| Chain(&error).to_string())?;
    let known = applied(&mut transaction).map_err(|error| Chain(&error).to_string())?;
    let mut count = 0;
    for (number, name, sql) in MIGRATIONS.iter().filter(|(number, _, _)| !known.contains(number)) {
        let recorded = "INSERT INTO schema_migrations (number, name) VALUES ($1, $2)";
        transaction
            .batch_execute(sql)
            .and_then(|()| transaction.execute(recorded, &[number, name]))
            .map_err(|error| format!("migration {number} ({name}): {}", Chain(&error)))?;
        count += 1;
    }
    transaction.commit().map_err(|error| Chain(&error).to_string())?;
    Ok(count)
}

fn applied(transaction: &mut postgres::Transaction<'_>) -> Result<Vec<i32>, postgres::Error> {
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK_KEY])?;
    transaction.batch_execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
             number     integer PRIMARY KEY,
             name       text NOT NULL,
             applied_at timestamptz NOT NULL DEFAULT now()
         )",
    )?;
    let rows = transaction.query("SELECT number FROM schema_migrations", &[])?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
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
