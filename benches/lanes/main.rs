//! Lookups by id alongside searches that read every row: a whole server whose memory is too small for its
//! people, so that Postgres answers everything. `cargo bench --bench lanes -- [--people N] [--seconds S]
//! [--searches N]`
//!
//! One client looks people up by chance, one after another; each of the others asks for a term of one
//! character, which no index helps with, and asks again once it is answered.
#![allow(missing_docs)]

use std::error::Error;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use pouco::api::Selection;
use pouco::app::{App, Bound};
use pouco::config::Config;
use pouco::embedded::Cluster;
use pouco::settings::Values;
use pouco::store::Connector;
use pouco_tools::bench::{options, soon, stats};
use pouco_tools::client::{Connection, Target};

const FILL: &str = "INSERT INTO people (id, apelido, nome, nascimento, stack)
    SELECT gen_random_uuid(), 'nick' || n, 'Name ' || md5(n::text), '2000-10-01', array['Rust', md5(n::text)]
    FROM generate_series(1, $1::bigint) AS n";
/// Of the index that the server makes once people do not fit into memory.
const READY: &str = "SELECT count(*) FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE relname = 'people' AND indisvalid AND indexprs IS NOT NULL";

fn get(connection: &mut Connection, path: &str) -> Result<u16, Box<dyn Error>> {
    Ok(connection.exchange(&format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n"), soon())?.status)
}

fn main() -> Result<(), Box<dyn Error>> {
    let people = options::option("--people", 500_000.0)?;
    let seconds = Duration::from_secs_f64(options::option("--seconds", 30.0)?);
    let searches = options::option("--searches", 4.0)?;
    let folder = tempfile::tempdir()?;
    // The database's user, who may be another one, has to reach it.
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let cluster =
        Cluster::start(Some(folder.path().join("data")), None).map_err(|error| error.to_string())?;
    let values = [
        ("POUCO_LISTEN", "tcp:127.0.0.1:0"),
        ("POUCO_ADMIN_LISTEN", "off"),
        ("POUCO_APIS", "people"),
        ("POUCO_CACHE_BYTES", "65536"),
    ];
    let values: Values = values.into_iter().collect();
    pouco::http::configure_coroutines();
    let config = Config::read(&values)?;
    let bound = Bound::new(&config)?;
    let target: Target = bound.addresses().next().ok_or("no address")?.to_string().parse()?;
    let app = App::start(config, Selection::read(&values)?, Connector::new(cluster.config()), bound)?;

    let mut client = cluster.config().connect(NoTls)?;
    #[allow(clippy::cast_possible_truncation)] // a count that somebody has typed
    client.execute(FILL, &[&(people as i64)])?;
    client.batch_execute("VACUUM ANALYZE people")?;
    // Making the index takes about a minute; a VACUUM meanwhile can cost it a try.
    let patience = Instant::now() + Duration::from_secs(600);
    while client.query_one(READY, &[])?.get::<_, i64>(0) == 0 {
        if Instant::now() > patience {
            return Err("the server has made no index".into());
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    let paths = paths(&mut client)?;
    println!(
        "| searches at once | lookups | p50 ms | p99 ms | max ms | refused | searches answered |\n|---|---|---|---|---|---|---|"
    );
    for beside in [0.0, searches] {
        measure(&target, &paths, beside, seconds)?;
    }
    app.stop();
    Ok(())
}

/// Of ten thousand people by chance.
fn paths(client: &mut Client) -> Result<Vec<String>, Box<dyn Error>> {
    let sql = "SELECT '/pessoas/' || id FROM people ORDER BY random() LIMIT 10000";
    Ok(client.query(sql, &[])?.iter().map(|row| row.get(0)).collect())
}

fn measure(target: &Target, paths: &[String], beside: f64, time: Duration) -> Result<(), Box<dyn Error>> {
    let (over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let (mut taken, mut refused) = (Vec::new(), 0);
    std::thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        let mut number = 0.0;
        while number < beside {
            let mut connection = target.try_connect()?;
            let (over, answered) = (&over, &answered);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    match get(&mut connection, "/pessoas?t=%1F") {
                        Ok(200) => drop(answered.fetch_add(1, Ordering::Relaxed)),
                        Ok(_) => {}
                        Err(error) => return eprintln!("a search: {error}"),
                    }
                }
            });
            number += 1.0;
        }
        let mut connection = target.try_connect()?;
        let end = Instant::now() + time;
        for path in paths.iter().cycle().take_while(|_| Instant::now() < end) {
            let begun = Instant::now();
            let status = get(&mut connection, path)?;
            taken.push(begun.elapsed().as_secs_f64() * 1e3);
            refused += u32::from(status != 200);
        }
        over.store(true, Ordering::Relaxed);
        Ok(())
    })?;
    taken.sort_by(f64::total_cmp);
    let at = |percent| stats::percentile(&taken, percent);
    let (count, answered) = (taken.len(), answered.load(Ordering::Relaxed));
    let (median, last) = (at(50), taken.last().copied().unwrap_or(f64::NAN));
    println!("| {beside} | {count} | {median:.2} | {:.2} | {last:.2} | {refused} | {answered} |", at(99));
    Ok(())
}
