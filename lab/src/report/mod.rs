//! A record as one self-contained HTML file, as Markdown, and as a picture for a README.
//!
//! Tables and sentences are built once, as data ([`table`], `ranking`, `details`, `words`), and written
//! twice; pictures are in `chart`. Everything that comes from a record is escaped where it is written, never
//! before.
//!
//! What may not enter: reading figures out of attempts, which is [`crate::figures`]; and any address but that
//! of a heading of the same page, as the file must work from a disk without a network.

mod chart;
mod details;
mod experiment;
mod footnotes;
pub mod format;
mod html;
pub mod live;
mod markdown;
mod ranking;
mod series;
mod shop;
mod summary;
mod table;
mod variants;
mod words;

pub use chart::{Track, svg_tracks};
pub use experiment::experiment;
pub use html::html;
pub use markdown::markdown;
pub use series::series;
pub use summary::svg_summary;

use crate::contestant::Acknowledges;
use crate::figures::{self, Standing, standings};
use crate::record::{Entry, Record};

/// A record with its contestants in order: what all parts of a report are made from.
struct View<'a> {
    record: &'a Record,
    standings: Vec<Standing<'a>>,
}

impl<'a> View<'a> {
    fn new(record: &'a Record) -> Self {
        Self { record, standings: standings(record) }
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

    /// Nobody was asked to store anything.
    fn reads_only(&self) -> bool {
        let entries = &self.record.contestants;
        !entries.is_empty() && entries.iter().all(|entry| entry.acknowledges == Acknowledges::ReadOnly)
    }

    /// The contest has rows to look at; else its answers are what is judged.
    fn has_rows(&self) -> bool {
        self.record.budget.database_connections > 0
    }

    /// Stock is what its contestants are judged by.
    fn is_shop(&self) -> bool {
        figures::shop::is_shop(self.record)
    }

    /// Answers are what its contestants are judged by, and rows too.
    fn judges_both(&self) -> bool {
        self.standings.iter().any(Standing::judged_by_both)
    }

    /// Whoever was caught stands first, so that nobody overlooks it, and without a place.
    fn names_first(&self) -> bool {
        self.is_shop() || self.judges_both()
    }

    /// What the oracle looked at: the title of that part.
    fn judged(&self) -> &'static str {
        match (self.is_shop(), self.has_rows()) {
            (true, _) => "Stock and orders",
            (false, true) => "Rows",
            (false, false) => "Answers",
        }
    }

    /// No kind of request stands out, and each is the API's: without rows a cache before it may answer nearly
    /// all of them, and what the API does with its CPU says nothing.
    fn asks_the_api(&self) -> bool {
        self.reads_only() && self.has_rows() || self.judges_both()
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
        if self.is_shop() {
            return figures::shop::order_request(&self.requests()).cloned();
        }
        self.requests().into_iter().find(|name| name.starts_with("creat"))
    }

    fn rounds(&self) -> u32 {
        self.record.attempts.iter().map(|attempt| attempt.round).max().unwrap_or(0)
    }
}
