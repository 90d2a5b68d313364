//! What a group commit is made for: items of one kind, each with an answer of its own type, that go to
//! Postgres as one transaction.

use std::cmp::Ordering;

use postgres::Error;

use super::session::Session;

/// A kind of item. The store knows no table of its own.
pub trait Batch: Send + Sync + 'static {
    /// What is to be stored. Its maker chooses an id, by which [`Batch::settled`] finds it.
    type Item: Send + 'static;

    /// What its maker is told.
    type Answer: Send + 'static;

    /// The name for logs and metrics.
    const NAME: &'static str;

    /// Whether the first item waits for company even if the batch before was of one: it does where sharing
    /// saves more than the wait costs a single item.
    const LINGERS_ALONE: bool = true;

    /// The order in which [`Batch::place`] takes what it locks. Every batch of every replica is sorted by it:
    /// two batches with overlapping locks in opposite order would deadlock.
    fn order(one: &Self::Item, other: &Self::Item) -> Ordering;

    /// About how many bytes the item holds, for the queue's bound.
    fn bytes(item: &Self::Item) -> usize;

    /// How the item is told in the log: its id, never its data.
    fn label(item: &Self::Item) -> String;

    /// Stores what can be stored of the items, in one transaction: one statement, or several by
    /// [`Session::transaction`]. Returns an answer for each, in the order of the items.
    ///
    /// # Errors
    /// Those of its statements; nothing of the items is then stored, unless the connection was lost.
    fn place(session: &mut Session, items: &[&Self::Item]) -> Result<Vec<Self::Answer>, Error>;

    /// The answers of those items that are stored, read in a statement (and so a snapshot) of its own; `None`
    /// for each of the others. No transaction that could still store one of them is left.
    ///
    /// # Errors
    /// Those of the statement.
    fn settled(session: &mut Session, items: &[&Self::Item]) -> Result<Vec<Option<Self::Answer>>, Error>;

    /// The answer to an item whose data Postgres refuses, whatever else is in its batch.
    fn unstorable() -> Self::Answer;
}
