//! What a page of a campaign that still goes on has in common with its report: the pictures of a load, and
//! the words for what became of a contestant.

use super::chart::{Axes, panels};
use super::{View, words};
use crate::contest::Budget;
use crate::record::{Record, Second};

/// A load so far, as the report will draw it, as HTML: what the generator has `seen`, and what was `used`
/// meanwhile, which need not have the same seconds.
#[must_use]
pub fn course(who: &str, seen: &[Second], used: &[Second], budget: &Budget) -> String {
    let axes = Axes::of(&[seen, used], budget);
    panels("course", who, seen, used, &axes).into_string()
}

/// What became of a contestant's rows or answers in all attempts so far, and how that sounds, as a class of
/// `page.css`; nothing where it is not in the record.
#[must_use]
pub fn verdict(record: &Record, contestant: &str) -> Option<(String, &'static str)> {
    let view = View::new(record);
    let standing = view.standings.iter().find(|standing| standing.entry.id == contestant)?;
    let (symbol, text, tone) = words::correctness(standing);
    Some((format!("{symbol} {text}"), tone.class()))
}

/// The colours and letters of reports, for other pages of the lab's.
pub(crate) const STYLE: &str = super::html::STYLE;
