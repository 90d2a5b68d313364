//! Three counts of the people: the API's, the database's, and what the run's own log says must be stored.
//!
//! The last is judged twice, here and by `stress-test/oracle.py`, which has the rules a second time and reads
//! the log by itself: where the two differ there is no verdict.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::containers::{Engine, POSTGRES, healthy};
use super::{Place, percentiles, sha256, write_json};
use crate::command;
use crate::drivers::{self, Creations};
use crate::lines::Lines;
use crate::oracle::valid_person;
use crate::view::Output;

/// Over 100,000 lines Python needs a few seconds, and a busy machine more.
const JUDGE_LIMIT: Duration = Duration::from_secs(300);
/// Of one statement.
const DATABASE_LIMIT: Duration = Duration::from_secs(60);

/// How many rows there must be. A creation that failed may be stored or not, and the log does not say which
/// line it was: each makes the range one row wider.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
struct Oracle {
    low: u64,
    high: u64,
}

#[derive(Serialize)]
struct Counts {
    api: u64,
    database: u64,
    oracle_low: u64,
    oracle_high: u64,
    equal: bool,
}

/// The newest run's folder, if there is one.
fn newest(place: &Place) -> Option<PathBuf> {
    let runs = fs::read_dir(place.results()).ok()?.flatten();
    let logs = runs.map(|run| run.path().join("simulation.log"));
    let newest = logs.filter_map(|log| Some((log.metadata().ok()?.modified().ok()?, log))).max();
    newest.and_then(|(_, log)| log.parent().map(Path::to_path_buf))
}

/// What a run sent, made again from its seed if it is gone.
fn payloads_of(place: &Place, run: &Path) -> Result<PathBuf> {
    let file = run.join("run.json");
    let bytes = fs::read(&file).ok().with_context(|| {
        format!("{} has no run.json: name the payload file as the second argument", run.display())
    })?;
    let about: Value = serde_json::from_slice(&bytes).with_context(|| file.display().to_string())?;
    let seed = about["seed"].as_u64().with_context(|| format!("{}: no seed", file.display()))?;
    let (payloads, _) = drivers::payloads(seed, super::ROWS, drivers::TERMS, &place.resources())?;
    ensure!(
        about["payload_sha256"] == sha256(&payloads)?.as_str(),
        "{} is not the file that this run sent, which was {}",
        payloads.display(),
        about["payload_file"]
    );
    Ok(payloads)
}

fn judge(place: &Place, run: &Path, payloads: &Path) -> Result<Oracle> {
    let (log, _) = percentiles::log(place, run)?;
    ensure!(
        log.complete(),
        "users have begun and not ended in the log of {}: the run was cut short, and what it sent last is not in it",
        run.display()
    );
    let Creations::Counted { sent, failed, .. } = log.creations() else { bail!("no number of creations") };
    let lines = Lines::read(payloads, "payload")?;
    // Past the end the file begins again, and what comes then is taken already.
    let sent = (0..sent.min(lines.count() as u64)).filter_map(|number| valid_person(lines.get(number)));
    let high = sent.map(|person| person.apelido).collect::<std::collections::HashSet<_>>().len() as u64;
    Ok(Oracle { low: high.saturating_sub(failed), high })
}

/// The second judge.
fn judge_again(place: &Place, run: &Path, payloads: &Path) -> Result<Oracle> {
    let mut python = Command::new("python3");
    python.arg(place.folder.join("oracle.py")).arg("--json").args([run, payloads]);
    let said = command::output(&mut python, JUDGE_LIMIT).context("the second oracle")?;
    serde_json::from_str(&said).with_context(|| format!("the second oracle says {said:?}"))
}

/// One statement, and its bare result.
fn database(statement: &str) -> Result<String> {
    let mut psql = if let Some(url) = url() {
        let mut psql = Command::new("psql");
        psql.args(["--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-Atc", statement, &url]);
        psql
    } else {
        let engine = Engine::of_stack()?.context(
            "no database to ask: no container of the stack is running and DATABASE_URL is not set",
        )?;
        let mut psql = Command::new(engine.0);
        psql.args([
            "exec",
            POSTGRES,
            "psql",
            "--quiet",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "pouco",
            "-d",
            "pouco",
        ]);
        psql.args(["-Atc", statement]);
        psql
    };
    Ok(command::output(&mut psql, DATABASE_LIMIT)?.trim().to_owned())
}

fn url() -> Option<String> {
    std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty())
}

pub(super) fn count(place: &Place, run: Option<&Path>, payloads: Option<&Path>) -> Result<u8> {
    let run = match run {
        Some(run) => run.to_path_buf(),
        None => newest(place).with_context(|| {
            format!("no run in {}; start one with run-test.sh", place.results().display())
        })?,
    };
    ensure!(run.is_dir(), "{}: no such run", run.display());
    let payloads = payloads.map_or_else(|| payloads_of(place, &run), |file| Ok(file.to_path_buf()))?;
    let oracle = judge(place, &run, &payloads)?;
    let again = judge_again(place, &run, &payloads)?;
    ensure!(oracle == again, "the lab's oracle says {oracle:?}, and oracle.py {again:?}");
    let api = place.count()?;
    let api: u64 = api.parse().with_context(|| format!("{}/contagem-pessoas: {api:?}", place.base_url))?;
    let rows = database("SELECT count(*) FROM people")?;
    let rows: u64 = rows.parse().with_context(|| format!("the database's count: {rows:?}"))?;

    let name = run.file_name().unwrap_or(run.as_os_str()).to_string_lossy();
    let (code, text) = verdict(&name, api, rows, oracle);
    write!(Output, "{text}")?;
    let Oracle { low: oracle_low, high: oracle_high } = oracle;
    let counts = Counts { api, database: rows, oracle_low, oracle_high, equal: code == 0 };
    // A run that was archived for keeping may be read-only.
    if rustix::fs::access(&run, rustix::fs::Access::WRITE_OK).is_ok() {
        write_json(&run.join("counts.json"), &counts)?;
    }
    Ok(code)
}

fn verdict(run: &str, api: u64, rows: u64, Oracle { low, high }: Oracle) -> (u8, String) {
    let oracle = match low == high {
        true => high.to_string(),
        false => format!("{low}..{high} (creations without an allowed answer may be stored or not)"),
    };
    let (code, verdict) = if api != rows || !(low..=high).contains(&rows) {
        (1, "DIFFERENT")
    } else if low != high {
        (3, "NOT DECIDED: creations failed")
    } else {
        (0, "equal")
    };
    let text = format!(
        "run                   {run}\nGET /contagem-pessoas {api}\nSELECT count(*)       {rows}\n\
         oracle                {oracle}\n{verdict}\n"
    );
    (code, text)
}

pub(super) fn reset(place: &Place) -> Result<()> {
    if url().is_some() {
        database("TRUNCATE people")?;
        writeln!(
            Output,
            "the table of people is empty (DATABASE_URL). Restart the server now: its caches still know them"
        )?;
        return Ok(());
    }
    let engine =
        Engine::of_stack()?.context("no container of the stack is running and DATABASE_URL is not set")?;
    // Stopped first: what a replica still had to write would arrive in the emptied table.
    engine.replicas("stop")?;
    let emptied = database("TRUNCATE people");
    engine.replicas("start")?; // in any case: they were up before
    emptied.context("the table of people could not be emptied")?;
    healthy(&engine)?;
    let count = place.count_when_up()?;
    ensure!(
        count == "0",
        "{}/contagem-pessoas is {count} after the reset: is it served by this stack?",
        place.base_url
    );
    writeln!(Output, "the database is empty, both replicas have restarted, the API counts 0")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_an_exit_code_and_a_word() {
        let oracle = |low, high| Oracle { low, high };
        let cases = [
            (7, 7, oracle(7, 7), 0, "oracle                7\nequal\n"),
            (7, 7, oracle(6, 7), 3, "may be stored or not)\nNOT DECIDED: creations failed\n"),
            (7, 8, oracle(8, 8), 1, "oracle                8\nDIFFERENT\n"),
            (5, 5, oracle(6, 7), 1, "DIFFERENT\n"),
        ];
        for (api, rows, oracle, code, end) in cases {
            let (got, text) = verdict("run", api, rows, oracle);
            assert!(got == code && text.ends_with(end), "{got}: {text}");
        }
    }
}
