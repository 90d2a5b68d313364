//! Files of payloads and search terms, as many as a run needs, made once for each seed.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::arrivals::{Arrivals, whole};
use super::drawn;
use crate::contest::Contest;

/// Part of the files' names: another one once the same seed gives other bytes than before.
const FORMAT: u32 = 1;
/// More than the 9,590 searches of the contest's full run, so that none repeats within it.
pub const TERMS: u32 = 10_000;

/// Files are made in whole multiples of this many lines: of the contest itself at scale 1, and so of most
/// runs, one is enough.
const ROWS_STEP: u64 = 100_000;
/// Of 2 GB. Beyond it they are sent again, and the sender warns.
const MOST_ROWS: u64 = 10_000_000;
/// Random arrivals may be some more than their expected number.
const ROWS_MARGIN: f64 = 1.05;

/// How many payloads a run needs, its kill included, so that none is sent twice.
///
/// # Errors
/// The scale or the length is not allowed.
pub fn payload_rows(contest: &Contest, scale: f64, seconds: Option<u32>) -> Result<u32> {
    let arrivals = Arrivals::new(contest, scale, seconds)?;
    let creations: u64 = contest
        .load
        .scenarios
        .iter()
        .zip(&arrivals.scenarios)
        .map(|(scenario, arrivals)| {
            let creating = scenario.requests.iter().filter(|request| request.body.is_some()).count();
            arrivals.users() * creating as u64
        })
        .sum();
    let of_kill = contest.kill.as_ref().map_or(0.0, |kill| kill.rate * kill.seconds);
    let wanted = whole((creations as f64 + of_kill) * ROWS_MARGIN);
    let rows = wanted.div_ceil(ROWS_STEP).max(1) * ROWS_STEP;
    u32::try_from(rows.min(MOST_ROWS)).context("the number of payloads")
}

/// Makes what is missing of the payload file, of so many `rows`, and of the file of `terms` for `seed` in
/// `folder`, and says where they are.
///
/// # Errors
/// A file cannot be written, or the seed is larger than allowed.
pub fn payloads(seed: u64, rows: u32, terms: u32, folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let seed = u32::try_from(seed).ok().with_context(|| format!("seed {seed}: at most {}", u32::MAX))?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let payloads = folder.join(format!("payloads-v{FORMAT}-seed{seed}-{rows}.tsv"));
    if !payloads.exists() {
        write_lines(&payloads, "payload", drawn::people(seed, rows))?;
    }
    let terms_file = folder.join(format!("terms-v{FORMAT}-seed{seed}-{terms}.tsv"));
    if !terms_file.exists() {
        write_lines(&terms_file, "t", drawn::terms(seed, terms))?;
    }
    Ok((payloads, terms_file))
}

/// Beside its place, and then there: a file of this name is always whole.
fn write_lines(path: &Path, header: &str, lines: impl Iterator<Item = String>) -> Result<()> {
    let partial = path.with_extension(format!("partial.{}", std::process::id()));
    let write = || {
        let mut file = BufWriter::new(File::create(&partial)?);
        writeln!(file, "{header}")?;
        lines.into_iter().try_for_each(|line| writeln!(file, "{line}"))?;
        file.into_inner()?.sync_data()?;
        fs::rename(&partial, path)
    };
    write().with_context(|| path.display().to_string()).inspect_err(|_| {
        // It may not even have been made.
        let _ = fs::remove_file(&partial);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_payloads_for_its_load_and_its_kill() {
        let contest = Contest::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), "people").unwrap();
        let rows = |scale, seconds| payload_rows(&contest, scale, seconds).unwrap();
        assert_eq!([rows(1.0, None), rows(0.1, Some(10)), rows(1.7, None)], [100_000; 3]);
        // 98,343 creations and the 2,000 of the kill.
        assert_eq!([rows(1.8, None), rows(2.0, None), rows(8.0, Some(30))], [200_000, 200_000, 100_000]);
        assert_eq!(rows(1_000.0, None), 10_000_000);
        assert!(payload_rows(&contest, 0.0, None).is_err());
    }

    /// With the hash that an archived run has of its file.
    #[test]
    fn the_file_of_a_seed_is_the_one_of_archived_runs() {
        let folder = tempfile::tempdir().unwrap();
        let (payloads, terms) = super::payloads(2023, 100_000, TERMS, folder.path()).unwrap();
        let kept = include_str!("../../../results/2026-11-21-2core-xeon-2/people/run-1/run.json");
        let kept: serde_json::Value = serde_json::from_str(kept).unwrap();
        assert_eq!(payloads.file_name().unwrap().to_str(), kept["payload_file"].as_str());
        assert_eq!(terms.file_name().unwrap().to_str(), kept["terms_file"].as_str());
        assert_eq!(Some(crate::stress::sha256(&payloads).unwrap().as_str()), kept["payload_sha256"].as_str());

        fs::write(&terms, "t\nmine\n").unwrap();
        super::payloads(2023, 100_000, TERMS, folder.path()).unwrap();
        assert_eq!(fs::read_to_string(&terms).unwrap(), "t\nmine\n", "what is there is kept");
        let message = super::payloads(u64::MAX, 10, 1, folder.path()).unwrap_err().to_string();
        assert!(message.contains("at most 4294967295"), "{message}");
    }
}
