//! Payloads and search terms: made by `stress-test/generate.py`, as for a run of `stress-test/run-test.sh`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::arrivals::{Arrivals, whole};
use crate::contest::Contest;

/// Files are made in whole multiples of this many lines: of the contest itself at scale 1, and so of most
/// runs, one is enough.
const ROWS_STEP: u64 = 100_000;
/// As many as `stress-test/generate.py` makes. Beyond it they are sent again, and the sender warns.
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

/// Makes what is missing of the payload file, of so many `rows`, and of the terms file for `seed` in
/// `folder`, and says where they are.
///
/// # Errors
/// There is no `python3`, or the generator failed.
pub fn payloads(top: &Path, seed: u64, rows: u32, folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let generator = top.join("stress-test/generate.py");
    ensure!(
        generator.is_file(),
        "{}: no such file; is {} the repository?",
        generator.display(),
        top.display()
    );
    let seed = u32::try_from(seed).ok().with_context(|| format!("seed {seed}: at most {}", u32::MAX))?;
    let output = Command::new("python3")
        .arg(&generator)
        .args(["--seed", &seed.to_string(), "--rows", &rows.to_string(), "--if-missing", "--out"])
        .arg(folder)
        .output()
        .context(
            "python3 cannot be started; it makes the payloads. On Debian and Ubuntu: apt-get install python3",
        )?;
    if !output.status.success() {
        bail!(
            "{}: {}: {}",
            generator.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    two_paths(&String::from_utf8_lossy(&output.stdout)).with_context(|| generator.display().to_string())
}

/// What the generator prints: the payload file and the terms file, one a line.
fn two_paths(printed: &str) -> Result<(PathBuf, PathBuf)> {
    let mut lines = printed.lines().map(PathBuf::from);
    match (lines.next(), lines.next(), lines.next()) {
        (Some(payloads), Some(terms), None) => {
            for path in [&payloads, &terms] {
                ensure!(path.is_file(), "{} was not made", path.display());
            }
            Ok((payloads, terms))
        }
        _ => bail!("printed {printed:?}, not the paths of two files"),
    }
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

    #[test]
    fn both_paths_must_be_printed_and_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["payloads.tsv", "terms.tsv"].map(|name| folder.path().join(name));
        let printed = format!("{}\n{}\n", one.display(), other.display());
        std::fs::write(&one, "payload\n").unwrap();
        assert!(two_paths(&printed).unwrap_err().to_string().contains("terms.tsv was not made"));
        std::fs::write(&other, "t\n").unwrap();
        assert_eq!(two_paths(&printed).unwrap(), (one, other));
        assert!(two_paths("a word\n").unwrap_err().to_string().contains("two files"));
    }

    #[test]
    fn what_cannot_be_made_is_said_before_python_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let message = payloads(folder.path(), 1, 10, folder.path()).unwrap_err().to_string();
        assert!(message.contains("generate.py: no such file"), "{message}");
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let message = payloads(&top, u64::MAX, 10, folder.path()).unwrap_err().to_string();
        assert!(message.contains("at most 4294967295"), "{message}");
    }
}
