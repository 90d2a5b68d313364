//! One table over the records of a series: who was caught first, then a line for each load, a column for each
//! contestant; of a load with variants a line for each of these. What may not enter: anything that a record's
//! own report says better.

use std::fmt::Write as _;

use super::{View, format, words};
use crate::contestant::Role;
use crate::figures::{Correctness, Metric, Standing};
use crate::record::{Entry, Record};

/// Requests for each CPU second of the API, with the place of who has one; or why somebody has none.
#[must_use]
pub fn series(records: &[Record]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for entry in records.iter().flat_map(|record| &record.contestants) {
        if !names.contains(&name(entry)) {
            names.push(name(entry));
        }
    }
    let mut text = String::from("# Requests per CPU second of the API, by scenario\n\n");
    for record in records {
        for standing in View::new(record).standings.iter().filter(|standing| has_failed(standing)) {
            let (symbol, words, _) = words::correctness(standing);
            let why =
                if standing.ranked() { String::new() } else { format!(": {}", words::reasons(standing)) };
            // A string takes all that is written to it.
            let _ = writeln!(text, "* {symbol} **{}** in {}: {words}{why}", standing.entry.id, load(record));
        }
    }
    text.push_str(if text.ends_with("\n\n") { "| |" } else { "\n| |" });
    let line = |text: &mut String, cells: &[String]| {
        for cell in cells {
            let _ = write!(text, " {} |", cell.replace('|', "\\|"));
        }
        text.push('\n');
    };
    line(&mut text, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let _ = writeln!(text, "|---|{}", "--:|".repeat(names.len()));
    for record in records {
        let view = View::new(record);
        let mut variants: Vec<Option<&str>> = Vec::new();
        for variant in record.contestants.iter().map(|entry| entry.variant.as_deref()) {
            if !variants.contains(&variant) {
                variants.push(variant);
            }
        }
        for variant in variants {
            let cells: Vec<String> = names.iter().map(|name| cell(&view, name, variant)).collect();
            let _ = write!(
                text,
                "| {}{} |",
                load(record),
                variant.map(|it| format!(", {it}")).unwrap_or_default()
            );
            line(&mut text, &cells);
        }
    }
    text
}

/// Its id without the variant.
fn name(entry: &Entry) -> &str {
    entry.id.split('@').next().unwrap_or_default()
}

/// Whoever was cut short before the first attempt has not.
fn has_failed(standing: &Standing<'_>) -> bool {
    let good = [Correctness::Exact, Correctness::Unchecked, Correctness::KnownToLose];
    !good.contains(&standing.correctness) && !standing.attempts.is_empty()
}

fn load(record: &Record) -> &str {
    record.load_name.as_deref().unwrap_or(&record.contest)
}

fn cell(view: &View<'_>, of: &str, variant: Option<&str>) -> String {
    let is_it = |standing: &&Standing<'_>| {
        let entry = standing.entry;
        name(entry) == of && entry.variant.as_deref() == variant && !standing.attempts.is_empty()
    };
    let Some(standing) = view.standings.iter().find(is_it) else { return format::ABSENT.to_owned() };
    if has_failed(standing) {
        return words::correctness(standing).0.to_owned();
    }
    let metric = Metric::RequestsPerRoleCpu(Role::Api);
    let value =
        standing.estimate(&metric).map_or(format::ABSENT.to_owned(), |it| format::significant(it.median));
    let rank = standing.rank.filter(|_| standing.correctness != Correctness::KnownToLose);
    rank.map_or(value.clone(), |rank| format!("{rank}. {value}"))
}
