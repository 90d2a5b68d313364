//! The files that generators are fed with.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use pouco_lab::contest::Contest;
use pouco_lab::drivers;
use pouco_lab::lines::Lines;
use pouco_lab::oracle::users;
use pouco_lab::runner::Feeds;
use tempfile::TempDir;

use super::Places;

/// What is sent: the files that were named, or the ones of so many `rows` that the stress test makes from the seed; of a contest
/// that only reads, its data, in files that go with the folder beside them.
pub(crate) fn feeds(
    places: &Places,
    contest: &Contest,
    seed: u64,
    rows: u32,
    payloads: Option<&Path>,
    terms: Option<&Path>,
) -> Result<(Feeds, Option<TempDir>)> {
    if contest.reads_only() || contest.is_shop() {
        ensure!(payloads.or(terms).is_none(), "--payloads and --terms: {} has its own data", contest.name);
        let folder = tempfile::Builder::new().prefix("pouco-lab-data-").tempdir()?;
        let lines = if contest.has_rows() && !contest.is_shop() { users::feeds() } else { <_>::default() };
        return Ok((of_data(folder.path(), lines)?, Some(folder)));
    }
    let (payloads_file, terms_file) = match (payloads, terms) {
        (Some(payloads), Some(terms)) => (payloads.canonicalize()?, terms.canonicalize()?),
        _ => {
            drivers::payloads(&places.top, seed, rows, &places.top.join("stress-test/user-files/resources"))?
        }
    };
    let feeds = Feeds {
        payloads: Arc::new(Lines::read(&payloads_file, "payload")?),
        terms: Arc::new(Lines::read(&terms_file, "t")?),
        payloads_file,
        terms_file,
    };
    Ok((feeds, None))
}

/// Rows as payloads, and their ids as terms, in `folder`; of a contest without rows there is nothing but the files.
fn of_data(folder: &Path, (payloads, terms): (Lines, Lines)) -> Result<Feeds> {
    let write = |name: &str, header: &str, lines: &Lines| {
        let mut text = format!("{header}\n").into_bytes();
        for number in 0..lines.count() as u64 {
            text.extend_from_slice(lines.get(number));
            text.push(b'\n');
        }
        let file = folder.join(name);
        fs::write(&file, text).map(|()| file)
    };
    Ok(Feeds {
        payloads_file: write("rows.tsv", "payload", &payloads)?,
        terms_file: write("ids.tsv", "t", &terms)?,
        payloads: Arc::new(payloads),
        terms: Arc::new(terms),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_files_hold_the_data() {
        let folder = tempfile::tempdir().unwrap();
        let feeds = of_data(folder.path(), users::feeds()).unwrap();
        assert_eq!(Lines::read(&feeds.payloads_file, "payload").unwrap(), *feeds.payloads);
        assert_eq!(Lines::read(&feeds.terms_file, "t").unwrap(), *feeds.terms);
        assert_eq!(feeds.terms.count(), feeds.payloads.count());
    }
}
