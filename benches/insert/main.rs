//! What a batch costs Postgres: CPU time of all its processes for each committed batch, by the batch's size,
//! by the statement, and by the kind of ids. `cargo bench --bench insert -- [--rounds N] [--seconds S]`
//!
//! Batches are paced as a stack under load sends them, so each wakes Postgres from sleep; a saturated backend
//! would look cheaper than it is. The variants take turns, round by round, each on a database of its own.
#![allow(missing_docs)]

use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

use postgres::types::ToSql;
use postgres::{Client, NoTls, Statement};
use pouco::embedded::Cluster;
use pouco_tools::bench::{options, processes, stats};
use time::{Date, Month};
use uuid::{Builder, Uuid};

/// About as many as two replicas commit together at the contest's peak.
const BATCHES_PER_SECOND: f64 = 100.0;

/// Rows that are there before anything is measured, so that the indexes have their usual height.
const ROWS_BEFORE: usize = 20_000;

const INSERT: &str = "INSERT INTO people (id, apelido, nome, nascimento, stack)
    SELECT id, apelido, nome, nascimento, stack::text[]
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::date[], $5::text[])
         AS batch (id, apelido, nome, nascimento, stack)";

#[derive(Clone, Copy)]
struct Variant {
    rows: usize,
    skips_conflicts: bool,
    ordered_ids: bool,
}

impl Variant {
    fn name(self) -> String {
        let statement = if self.skips_conflicts { "on conflict do nothing returning" } else { "plain" };
        let ids = if self.ordered_ids { "by time (v7)" } else { "random (v4)" };
        format!("{} | {statement} | {ids}", self.rows)
    }

    fn id(self) -> Uuid {
        let random = fastrand::u128(..).to_be_bytes();
        if !self.ordered_ids {
            return Builder::from_random_bytes(random).into_uuid();
        }
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let tail: [u8; 10] = random[..10].try_into().unwrap_or_default();
        Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
    }
}

fn word(letters: usize) -> String {
    (0..letters).map(|_| fastrand::alphabetic()).collect()
}

struct Writer {
    variant: Variant,
    client: Client,
    statement: Statement,
}

impl Writer {
    fn open(cluster: &Cluster, number: usize, variant: Variant) -> Result<Self, Box<dyn Error>> {
        let name = format!("variant_{number}");
        cluster.config_of("postgres").connect(NoTls)?.batch_execute(&format!("CREATE DATABASE {name}"))?;
        let mut client = cluster.config_of(&name).connect(NoTls)?;
        client.batch_execute(include_str!("../../src/api/people/migrations/0001_people.sql"))?;
        let sql = match variant.skips_conflicts {
            true => format!("{INSERT} ON CONFLICT DO NOTHING RETURNING id"),
            false => INSERT.to_owned(),
        };
        let statement = client.prepare(&sql)?;
        let mut writer = Self { variant, client, statement };
        for _ in 0..ROWS_BEFORE / 1_000 {
            writer.insert(1_000)?;
        }
        Ok(writer)
    }

    fn insert(&mut self, rows: usize) -> Result<(), Box<dyn Error>> {
        let birth = Date::from_calendar_date(1990, Month::May, 3)?;
        let languages = vec!["\"Haskell\""; 13].join(",");
        let ids: Vec<Uuid> = (0..rows).map(|_| self.variant.id()).collect();
        let mut nicks: Vec<String> = (0..rows).map(|_| word(16)).collect();
        nicks.sort();
        let names: Vec<String> = (0..rows).map(|_| word(50)).collect();
        let births = vec![birth; rows];
        let stacks = vec![format!("{{{languages}}}"); rows];
        let values: [&(dyn ToSql + Sync); 5] = [&ids, &nicks, &names, &births, &stacks];
        if self.variant.skips_conflicts {
            self.client.query(&self.statement, &values)?;
        } else {
            self.client.execute(&self.statement, &values)?;
        }
        Ok(())
    }

    /// CPU microseconds of Postgres for each batch.
    fn round(&mut self, postmaster: u32, seconds: f64) -> Result<f64, Box<dyn Error>> {
        let before = processes::cpu_us(postmaster)?;
        let start = Instant::now();
        let mut batches = 0.0;
        while batches < seconds * BATCHES_PER_SECOND {
            let due = start + Duration::from_secs_f64(batches / BATCHES_PER_SECOND);
            // The pace is what is measured: there is nothing to await.
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            self.insert(self.variant.rows)?;
            batches += 1.0;
        }
        Ok((processes::cpu_us(postmaster)? - before) / batches)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (rounds, seconds) = (options::option("--rounds", 8.0)?, options::option("--seconds", 1.5)?);
    let folder = tempfile::tempdir()?;
    // The database's user, who may be another one, has to reach it.
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let cluster =
        Cluster::start(Some(folder.path().join("data")), None).map_err(|error| error.to_string())?;
    let postmaster = cluster.pid();

    let mut variants = Vec::new();
    for rows in [1, 2, 4, 8, 16] {
        variants.push(Variant { rows, skips_conflicts: false, ordered_ids: true });
    }
    variants.push(Variant { rows: 4, skips_conflicts: true, ordered_ids: true });
    variants.push(Variant { rows: 4, skips_conflicts: false, ordered_ids: false });
    let mut writers = Vec::new();
    for (number, variant) in variants.into_iter().enumerate() {
        writers.push((Writer::open(&cluster, number, variant)?, Vec::new()));
    }
    cluster.config_of("postgres").connect(NoTls)?.batch_execute("CHECKPOINT")?;
    let mut round = 0.0;
    while round < rounds {
        for (writer, taken) in &mut writers {
            taken.push(writer.round(postmaster, seconds)?);
        }
        round += 1.0;
    }
    println!("| rows of a batch | statement | ids | CPU us a batch [95 %] | us a row |");
    println!("|---|---|---|---|---|");
    for (writer, taken) in &writers {
        let (low, high) = stats::bootstrap_interval(taken);
        let median = stats::median(taken);
        #[allow(clippy::cast_precision_loss)] // a batch is small
        let rows = writer.variant.rows as f64;
        println!("| {} | {median:.0} [{low:.0}, {high:.0}] | {:.1} |", writer.variant.name(), median / rows);
    }
    Ok(())
}
