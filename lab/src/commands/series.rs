//! A contest that is a series of loads: which of them a run is of, and the table over all of them.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use pouco_lab::cli::Run;
use pouco_lab::contest::Contest;
use pouco_lab::record::Record;
use pouco_lab::report;
use pouco_lab::view::Output;

/// Over all records of a series, in its folder.
const TABLE: &str = "series.md";

/// The names of the loads that are asked for, in their order; nothing where the run is of one load.
pub(super) fn chosen(contest: &Contest, options: &Run) -> Result<Option<Vec<String>>> {
    let of_series = options.from.is_some() || !options.only.is_empty();
    if !contest.series || options.sent.load.is_some() {
        ensure!(
            !of_series,
            "{}: a first scenario and --only are for a series of all its loads",
            contest.name
        );
        return Ok(None);
    }
    let names: Vec<&str> = contest.loads.keys().map(String::as_str).collect();
    if !options.only.is_empty() {
        let mut only = Vec::new();
        for asked in &options.only {
            only.push(names[place(&names, asked)?].to_owned());
        }
        only.sort_unstable();
        only.dedup();
        return Ok(Some(only));
    }
    let first = options.from.as_ref().map_or(Ok(0), |asked| place(&names, asked))?;
    Ok(Some(names[first..].iter().map(|name| (*name).to_owned()).collect()))
}

/// Of the load that is called so, or begins with this number.
fn place(names: &[&str], asked: &str) -> Result<usize> {
    let is_it = |name: &&str| *name == asked || name.split('-').next() == Some(asked);
    match names.iter().position(is_it) {
        Some(place) => Ok(place),
        None => bail!("no scenario {asked}; there are: {}", names.join(", ")),
    }
}

/// Writes and prints the table.
pub(super) fn tell(folder: &Path, records: &[Record]) -> Result<()> {
    let table = report::series(records);
    let file = folder.join(TABLE);
    fs::write(&file, &table).with_context(|| file.display().to_string())?;
    writeln!(Output, "{table}\n{}", file.display())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::Parser;
    use pouco_lab::cli::{Cli, Command};

    use super::*;

    /// The first two letters of each load that is run, or why there is none.
    fn run_of(line: &str) -> String {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let words = ["pouco-lab", "run"].into_iter().chain(line.split(' '));
        let Command::Run(options) = Cli::parse_from(words).command else { panic!("{line}") };
        let contest = Contest::load(&top, &options.contest).unwrap();
        match chosen(&contest, &options) {
            Ok(Some(names)) => names.iter().map(|name| &name[..2]).collect::<Vec<_>>().join(" "),
            Ok(None) => "one".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_series_is_of_all_from_one_on_or_of_some() {
        assert_eq!(
            run_of("scenarios"),
            (1..=20).map(|number| format!("{number:02}")).collect::<Vec<_>>().join(" ")
        );
        assert_eq!(run_of("scenarios 18"), "18 19 20");
        assert_eq!(run_of("scenarios 19-spike-traffic"), "19 20");
        assert_eq!(run_of("scenarios --only 05"), "05");
        assert_eq!(run_of("scenarios --only 07,02,07"), "02 07");
        assert_eq!(run_of("scenarios --load 03-db-read"), "one");
        assert_eq!(run_of("people"), "one");
        assert!(run_of("scenarios 5").starts_with("no scenario 5; there are: 01-lightweight, "));
        assert!(run_of("people 05").starts_with("people: a first scenario and --only are for a series"));
        assert!(run_of("scenarios --load 03-db-read --only 05").contains("are for a series"));
    }
}
