//! What is sent, as the options say, and the files that generators are fed with.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use pouco_lab::cli::{Sent, Tool};
use pouco_lab::contest::Contest;
use pouco_lab::drivers;
use pouco_lab::lines::Lines;
use pouco_lab::oracle::Feeds as Of;
use pouco_lab::runner::Feeds;
use tempfile::TempDir;

use super::Places;

/// A search for the largest scale sends this many before the lines begin again, and their nicks are taken.
const PAYLOADS_OF_A_SEARCH: u32 = 1_500_000;

/// The contest with the load that is asked for, or with the `default` one.
pub(crate) fn with_load(contest: Contest, sent: &Sent, default: Option<&str>) -> Result<Contest> {
    ensure!(sent.scale > 0.0 && sent.scale.is_finite(), "--scale {}: must be above 0", sent.scale);
    let contest = contest.with_load(sent.load.as_deref().or(default))?;
    let load = contest.load_name.as_deref().unwrap_or("its load");
    ensure!(
        !sent.find_limit || !contest.load.has_clients(),
        "{}: --find-limit multiplies rates, and {load} is of clients",
        contest.name
    );
    Ok(contest)
}

/// JMeter has loads of its own, and one of them is its default.
pub(crate) fn of_tool(contest: Contest, tool: Option<Tool>, sent: &Sent) -> Result<Contest> {
    let of_jmeter = contest.jmeter.as_ref().filter(|_| matches!(tool, Some(Tool::Jmeter)));
    let default = of_jmeter.map(|jmeter| jmeter.default_load.clone());
    with_load(contest, sent, default.as_deref())
}

/// Of the payloads.
pub(crate) fn seed(contest: &Contest, sent: &Sent) -> u64 {
    sent.seed.unwrap_or(contest.load.seed)
}

/// What is sent: the files that were named, or ones that are made from the seed, with so many
/// rows that no nick is sent twice but where the payloads themselves mean it; of a contest that only reads,
/// its data, in files that go with the folder next to them; nothing where none are sent.
pub(crate) fn feeds(places: &Places, contest: &Contest, sent: &Sent) -> Result<(Feeds, Option<TempDir>)> {
    let rows = match sent.find_limit {
        true => PAYLOADS_OF_A_SEARCH,
        false => drivers::payload_rows(contest, sent.scale, sent.seconds)?,
    };
    let (payloads, terms) = (sent.payloads.as_deref(), sent.terms.as_deref());
    let of = contest.oracle.feeds();
    if !matches!(of, Of::Payloads) {
        ensure!(payloads.or(terms).is_none(), "--payloads and --terms: {} has its own data", contest.name);
        let folder = tempfile::Builder::new().prefix("pouco-lab-data-").tempdir()?;
        let lines = if let Of::Data(data) = of { data() } else { <_>::default() };
        return Ok((of_data(folder.path(), lines)?, Some(folder)));
    }
    let (payloads_file, terms_file) = match (payloads, terms) {
        (Some(payloads), Some(terms)) => (payloads.canonicalize()?, terms.canonicalize()?),
        _ => {
            let folder = places.top.join("stress-test/user-files/resources");
            drivers::payloads(seed(contest, sent), rows, drivers::TERMS, &folder)?
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

/// Rows as payloads, and their ids as terms, in `folder`; of a contest without rows there is nothing but the
/// files.
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

    use pouco_lab::oracle::users;

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
