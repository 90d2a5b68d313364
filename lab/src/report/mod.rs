//! A record as one self-contained HTML file, as Markdown, and as a picture for a README.
//!
//! Tables and sentences are built once, as data ([`table`], `ranking`, `details`, `words`), and written twice; pictures are in
//! `chart`. Everything that comes from a record is escaped where it is written, never before.
//!
//! What may not enter: reading figures out of attempts, which is [`crate::figures`]; and any address but that of a
//! heading of the same page, as the file must work from a disk without a network.

mod chart;
mod details;
pub mod format;
mod html;
mod markdown;
mod ranking;
mod summary;
mod table;
mod words;

pub use html::html;
pub use markdown::markdown;
pub use summary::svg_summary;

use crate::contestant::Acknowledges;
use crate::figures::{Standing, standings};
use crate::record::Record;

/// A record with its contestants in order: what all parts of a report are made from.
struct View<'a> {
    record: &'a Record,
    standings: Vec<Standing<'a>>,
}

impl<'a> View<'a> {
    fn new(record: &'a Record) -> Self {
        Self { record, standings: standings(record) }
    }

    /// Its title, with the mode where two entries have the same.
    fn label(&self, standing: &Standing<'_>) -> String {
        let entry = standing.entry;
        let same = self.record.contestants.iter().filter(|other| other.title == entry.title).count();
        if same > 1 { format!("{} ({})", entry.title, entry.mode) } else { entry.title.clone() }
    }

    /// Nobody was asked to store anything.
    fn reads_only(&self) -> bool {
        let entries = &self.record.contestants;
        !entries.is_empty() && entries.iter().all(|entry| entry.acknowledges == Acknowledges::ReadOnly)
    }

    /// The contest has rows to look at; else its answers are what is judged.
    fn has_rows(&self) -> bool {
        self.record.budget.database_connections > 0
    }

    /// Nothing is stored, and yet each request is the API's: without rows a cache before it may answer nearly all of them, and what
    /// the API does with its CPU says nothing.
    fn asks_the_api(&self) -> bool {
        self.reads_only() && self.has_rows()
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

    /// The request whose times stand in the ranking beside those of all: the one that creates.
    fn creation(&self) -> Option<String> {
        self.requests().into_iter().find(|name| name.starts_with("creat"))
    }

    fn rounds(&self) -> u32 {
        self.record.attempts.iter().map(|attempt| attempt.round).max().unwrap_or(0)
    }
}
