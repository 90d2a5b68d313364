//! What one statement of a coroutine costs as a read, in either kind of lane, and as a transaction of its
//! own: CPU time of this process and of Postgres. `cargo bench --bench transact -- [--rounds N] [--statements
//! N]`
//!
//! They take turns, round by round, on the same pool and with the same lookup by key.
#![allow(missing_docs)]

use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use may::coroutine;
use pouco::embedded::Cluster;
use pouco::store::{Connector, Lane, Pool, Session, Transaction, Undo};
use pouco::waiting::Janitor;
use pouco_tools::bench::{options, processes, stats};
use rustix::time::{ClockId, clock_gettime};

/// Coroutines that ask at once, each for its next key when it has the last.
const CALLERS: i64 = 8;
const KEYS: i64 = 10_000;
const FIND: &str = "SELECT text FROM notes WHERE id = $1";

type Done = Result<(), String>;
type Ask = fn(&Pool, i64) -> Done;

fn read(pool: &Pool, key: i64) -> Done {
    read_in(Lane::Lookup, pool, key)
}

/// In a lane that, as that of transactions, may not take the last connection.
fn scan(pool: &Pool, key: i64) -> Done {
    read_in(Lane::Scan, pool, key)
}

fn read_in(lane: Lane, pool: &Pool, key: i64) -> Done {
    let find = move |session: &mut Session| session.query(FIND, &[&key])?[0].try_get::<_, String>(0);
    pool.read(lane, find).map(drop).map_err(|error| error.to_string())
}

fn transact(pool: &Pool, key: i64) -> Done {
    let settled = |_: &mut Session| Ok(None);
    let find = move |transaction: &mut Transaction<'_>| {
        let rows = transaction.query_last(FIND, &[&key])?;
        Ok::<_, Undo<()>>(rows[0].try_get::<_, String>(0)?)
    };
    pool.transact(settled, find).map(drop).map_err(|error| format!("{error:?}"))
}

/// CPU microseconds a statement: of this process, and of Postgres.
fn round(pool: &Arc<Pool>, postmaster: u32, statements: i64, ask: Ask) -> Result<[f64; 2], Box<dyn Error>> {
    let before = [own_us(), processes::cpu_us(postmaster)?];
    let callers = (0..CALLERS).map(|caller| {
        let pool = pool.clone();
        may::go!(move || (caller..statements).step_by(8).try_for_each(|key| ask(&pool, key % KEYS)))
    });
    for caller in callers.collect::<Vec<coroutine::JoinHandle<Done>>>() {
        caller.join().map_err(|_| "a caller panicked")??;
    }
    #[allow(clippy::cast_precision_loss)] // some ten thousand
    let each = |before: f64, after: f64| (after - before) / statements as f64;
    Ok([each(before[0], own_us()), each(before[1], processes::cpu_us(postmaster)?)])
}

fn own_us() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    #[allow(clippy::cast_precision_loss)] // of a process that lives for minutes
    let us = now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3;
    us
}

fn main() -> Result<(), Box<dyn Error>> {
    let rounds = options::option("--rounds", 12.0)?;
    #[allow(clippy::cast_possible_truncation)] // a count that somebody has typed
    let statements = options::option("--statements", 20_000.0)? as i64;
    let folder = tempfile::tempdir()?;
    // The database's user, who may be another one, has to reach it.
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let cluster =
        Cluster::start(Some(folder.path().join("data")), None).map_err(|error| error.to_string())?;
    let mut client = cluster.config().connect(postgres::NoTls)?;
    client.batch_execute(
        "CREATE TABLE notes (id bigint PRIMARY KEY, text text NOT NULL);
         INSERT INTO notes SELECT id, repeat('x', 100) FROM generate_series(0, 9999) AS id",
    )?;
    client.batch_execute("VACUUM ANALYZE notes")?;
    pouco::http::configure_coroutines();
    let janitor = Janitor::start()?;
    let connector = Connector::new(cluster.config());
    let (pool, threads) = Pool::start(&connector, 3, 1_000, Duration::from_secs(60), &janitor)?;
    let kinds: [(&str, Ask); 3] =
        [("lookup", read), ("read in a slow lane", scan), ("transaction", transact)];
    let mut taken = [Vec::new(), Vec::new(), Vec::new()];
    for (_, ask) in kinds {
        round(&pool, cluster.pid(), statements, ask)?;
    }
    let mut done = 0.0;
    while done < rounds {
        for ((_, ask), taken) in kinds.iter().zip(&mut taken) {
            taken.push(round(&pool, cluster.pid(), statements, *ask)?);
        }
        done += 1.0;
    }
    println!("| one statement as | CPU us, this process [95 %] | CPU us, Postgres [95 %] |\n|---|---|---|");
    for ((name, _), taken) in kinds.iter().zip(&taken) {
        println!(
            "| {name} | {} | {} |",
            shown(taken.iter().map(|us| us[0])),
            shown(taken.iter().map(|us| us[1]))
        );
    }
    for (index, (name, _)) in kinds.iter().enumerate().take(2) {
        let pairs = || taken[index].iter().zip(&taken[2]);
        let own = shown(pairs().map(|(read, own)| own[0] / read[0]));
        let postgres = shown(pairs().map(|(read, own)| own[1] / read[1]));
        let both = shown(pairs().map(|(read, own)| (own[0] + own[1]) / (read[0] + read[1])));
        println!("| transaction ÷ {name} | {own} | {postgres}; both together {both} |");
    }
    pool.close();
    if threads.join() { Ok(()) } else { Err("a part of the pool panicked".into()) }
}

fn shown(values: impl Iterator<Item = f64>) -> String {
    let values: Vec<f64> = values.collect();
    let (low, high) = stats::bootstrap_interval(&values);
    format!("{:.3} [{low:.3}, {high:.3}]", stats::median(&values))
}
