//! Users to try the API with: the same ones for the same seed, on every machine.

use fastrand::Rng;
use postgres::types::ToSql;
use time::{Duration, OffsetDateTime};
use uuid::{Builder, Uuid};

use crate::api::{Seed, SeedRows};
use crate::store::Session;

pub(super) const SEED: Seed =
    Seed { rows: &[SeedRows { option: "--rows", name: "users", default: 10_000 }], fill: seed };

/// Rows of one INSERT.
const BATCH_ROWS: usize = 1_000;

/// When the first of them could have been created: 2020-01-01T00:00:00Z.
const FIRST_MOMENT_S: i64 = 1_577_836_800;
/// Seconds of the six years after it, in which all of them were.
const SPAN_S: i64 = 6 * 365 * 24 * 3600;

const COUNTRIES: [&str; 12] = ["US", "BR", "DE", "FR", "IN", "JP", "PT", "GB", "NG", "MX", "CA", "AU"];

const INSERT: &str = "
    INSERT INTO users (id, email, full_name, age, country_code, is_active, created_at)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::text[], $6::bool[], $7::timestamptz[])
    ON CONFLICT DO NOTHING";

#[derive(Default)]
struct Batch {
    ids: Vec<Uuid>,
    emails: Vec<String>,
    names: Vec<String>,
    ages: Vec<i32>,
    countries: Vec<&'static str>,
    active: Vec<bool>,
    created: Vec<OffsetDateTime>,
}

impl Batch {
    fn push(&mut self, number: u64, random: &mut Rng) {
        self.ids.push(Builder::from_random_bytes(random.u128(..).to_be_bytes()).into_uuid());
        self.emails.push(format!("user{number}@example.com"));
        self.names.push(format!("User {number}"));
        self.ages.push(random.i32(18..=90));
        self.countries.push(COUNTRIES[random.usize(..COUNTRIES.len())]);
        self.active.push(random.u8(..10) > 0);
        let moment = FIRST_MOMENT_S + random.i64(0..SPAN_S);
        self.created.push(OffsetDateTime::UNIX_EPOCH + Duration::seconds(moment));
    }

    fn values(&self) -> [&(dyn ToSql + Sync); 7] {
        [&self.ids, &self.emails, &self.names, &self.ages, &self.countries, &self.active, &self.created]
    }
}

/// Adds the first users of `seed`; those that are there already, by id or by email, stay as they are.
/// Returns how many came in.
///
/// # Errors
/// What Postgres said; then none came in, and the session is of no more use.
fn seed(session: &mut Session, counts: &[u64], seed: u64) -> Result<Vec<u64>, postgres::Error> {
    let rows = counts.first().copied().unwrap_or(0);
    let mut random = Rng::with_seed(seed);
    session.batch("BEGIN")?;
    let (mut number, mut added) = (0, 0);
    while number < rows {
        let mut batch = Batch::default();
        while number < rows && batch.ids.len() < BATCH_ROWS {
            number += 1;
            batch.push(number, &mut random);
        }
        added += session.execute(INSERT, &batch.values())?;
    }
    session.batch("COMMIT")?;
    // Counting reads the index alone where the visibility map says that it may, and a plan for no rows is one
    // for none.
    session.batch("VACUUM (ANALYZE) users")?;
    Ok(vec![added])
}
