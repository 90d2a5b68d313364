//! What an oracle is given of an answer, and what it says of it.

use std::time::Duration;

use crate::lines::Lines;

/// An answer with an allowed status.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    #[allow(missing_docs)]
    pub status: u16,
    #[allow(missing_docs)]
    pub body: &'a [u8],
    /// Its `X-Cache-Status`.
    pub cache: Option<&'a [u8]>,
    /// What the user's last creation sent; empty where there was none.
    pub payload: &'a [u8],
    /// Where that is, as the answer to it said.
    pub location: &'a str,
    /// The contest's data, a row a line.
    pub rows: &'a Lines,
    /// The row that was asked for, or at which the page begins.
    pub row: u64,
    /// The user's, in the order of arrival.
    pub user: u64,
}

/// What is right about an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// What it says of its cache, a word of few.
    pub cache: &'static str,
    /// How old it is, if it shows when it was made.
    pub age: Option<Duration>,
}

/// Judges an answer: what is right about it, where the oracle counts that, or what is wrong.
pub type Check = Box<dyn Fn(&Answer<'_>) -> Result<Option<Right>, &'static str> + Send + Sync>;

/// A check of the body of a 200, of which nothing is counted.
#[must_use]
pub fn on_200(check: impl Fn(&Answer<'_>) -> Result<(), &'static str> + Send + Sync + 'static) -> Check {
    Box::new(move |answer| if answer.status == 200 { check(answer).map(|()| None) } else { Ok(None) })
}
