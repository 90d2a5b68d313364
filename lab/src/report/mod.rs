//! A record as one self-contained HTML file, as Markdown, and as a picture for a README.
//!
//! Tables and sentences are built once, as data (`crate::table`, `ranking`, `details`, `words`), and written
//! twice; pictures are in `chart`. Everything that comes from a record is escaped where it is written, never
//! before.
//!
//! What may not enter: reading figures out of attempts, which is [`crate::figures`]; and any address but that
//! of a heading of the same page, as the file must work from a disk without a network.

mod chart;
mod details;
mod experiment;
mod html;
pub mod live;
mod markdown;
mod ranking;
mod series;
mod summary;
mod variants;
mod words;

pub use chart::{Track, svg_tracks};
pub use experiment::experiment;
pub use html::html;
pub use markdown::markdown;
pub use series::series;
pub use summary::svg_summary;

use crate::contestant::Acknowledges;
use crate::figures::{Metric, Standing, standings};
pub use crate::format;
use crate::oracle::of_record;
use crate::oracle::words::Words;
use crate::record::{Entry, Record};

/// A record with its contestants in order: what all parts of a report are made from.
struct View<'a> {
    record: &'a Record,
    standings: Vec<Standing<'a>>,
    words: &'static Words,
}

impl<'a> View<'a> {
    fn new(record: &'a Record) -> Self {
        Self { record, standings: standings(record), words: of_record(record.oracle()).words() }
    }

    /// Its title, with the mode where two entries have the same, and with its variant.
    fn label(&self, standing: &Standing<'_>) -> String {
        let entry = standing.entry;
        let same = |other: &&Entry| (&other.title, &other.variant) == (&entry.title, &entry.variant);
        let same = self.record.contestants.iter().filter(same).count();
        let mode = if same > 1 { format!(" ({})", entry.mode) } else { String::new() };
        let variant = entry.variant.as_ref().map(|variant| format!(", {variant}")).unwrap_or_default();
        format!("{}{mode}{variant}", entry.title)
    }

    /// Somebody was asked to store something.
    fn writes(&self) -> bool {
        let entries = &self.record.contestants;
        entries.is_empty() || entries.iter().any(|entry| entry.acknowledges != Acknowledges::ReadOnly)
    }

    fn has_database(&self) -> bool {
        self.record.budget.database_connections > 0
    }

    /// This is in the ranking.
    fn ranks_by(&self, metric: &Metric) -> bool {
        (self.words.ranking)(None).iter().any(|(_, it)| it == metric)
    }

    /// `single: ` and the like; nothing where the contest has one budget.
    fn budget_name(&self) -> String {
        self.record.budget_name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default()
    }

    fn ranked(&self) -> impl Iterator<Item = &Standing<'a>> {
        self.standings.iter().filter(|standing| standing.ranked())
    }

    /// The names of all requests, in the order of the alphabet.
    fn requests(&self) -> Vec<String> {
        let mut names = std::collections::BTreeSet::new();
        for load in self.record.attempts.iter().filter_map(|attempt| attempt.load.as_ref()) {
            names.extend(load.requests.keys().cloned());
        }
        names.into_iter().collect()
    }

    /// The request whose times stand in the ranking beside those of all: the one that creates, or orders.
    fn creation(&self) -> Option<String> {
        self.requests().into_iter().find(|name| (self.words.stands_out)(name))
    }

    fn rounds(&self) -> u32 {
        self.record.attempts.iter().map(|attempt| attempt.round).max().unwrap_or(0)
    }
}
