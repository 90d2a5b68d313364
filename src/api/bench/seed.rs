//! Users to try the API with: the same ones for the same seed, on every machine.

use fastrand::Rng;
use time::{Duration, OffsetDateTime};

use crate::api::{Seed, SeedRows};
use crate::store::Session;

pub(super) const SEED: Seed =
    Seed { rows: &[SeedRows { option: "--rows", name: "rows", default: 1_000 }], fill };

/// Rows of one INSERT.
const BATCH_ROWS: u64 = 1_000;

/// When the first of them could have been created: 2024-01-01T00:00:00Z.
const FIRST_MOMENT_S: i64 = 1_704_067_200;
/// Seconds of the year after it, in which all of them were.
const SPAN_S: i64 = 366 * 24 * 3600;

const FIRST: [&str; 8] = ["Ana", "Björn", "Chloé", "Emre", "Fátima", "Grace", "Hiro", "Đorđe"];
const LAST: [&str; 7] = ["Almeida", "Brown", "Costa", "Dvořák", "Eriksson", "O'Neill", "Şahin"];

/// In the order of their numbers, so that the ids of an empty table are in it too.
const INSERT: &str = "
    INSERT INTO bench.users (name, email, created_at)
    SELECT name, email, created_at
    FROM unnest($1::text[], $2::text[], $3::timestamptz[])
         WITH ORDINALITY AS new (name, email, created_at, number)
    ORDER BY number
    ON CONFLICT DO NOTHING";

#[derive(Default)]
struct Batch {
    names: Vec<String>,
    emails: Vec<String>,
    created: Vec<OffsetDateTime>,
}

impl Batch {
    fn push(&mut self, number: u64, random: &mut Rng) {
        let (first, last) = (FIRST[random.usize(..FIRST.len())], LAST[random.usize(..LAST.len())]);
        self.names.push(format!("{first} {last}"));
        self.emails.push(format!("user{number}@example.com"));
        let moment = FIRST_MOMENT_S + random.i64(0..SPAN_S);
        self.created.push(OffsetDateTime::UNIX_EPOCH + Duration::seconds(moment));
    }
}

/// Adds the first users of `seed`; those that are there already, by e-mail, stay as they are.
///
/// # Errors
/// What Postgres said; then none came in, and the session is of no more use.
fn fill(session: &mut Session, counts: &[u64], seed: u64) -> Result<Vec<u64>, postgres::Error> {
    let rows = counts.first().copied().unwrap_or(0);
    let mut random = Rng::with_seed(seed);
    session.batch("BEGIN")?;
    let (mut number, mut added) = (0, 0);
    while number < rows {
        let mut batch = Batch::default();
        for _ in 0..BATCH_ROWS.min(rows - number) {
            number += 1;
            batch.push(number, &mut random);
        }
        added += session.execute(INSERT, &[&batch.names, &batch.emails, &batch.created])?;
    }
    session.batch("COMMIT")?;
    // A plan for no rows is one for none.
    session.batch("VACUUM (ANALYZE) bench.users")?;
    Ok(vec![added])
}
