//! What a contestant does beside what it is asked for, which makes its figures those of another task: lines
//! in its log for its requests, as those of an ORM that shows its statements; transactions in its database
//! where nothing that is asked for needs one. Both are counted around the load, in a contest of scenarios,
//! whose contestants are compared endpoint by endpoint.
//!
//! **Bounds.** A log that its engine cuts off during the load shows what is left of it, so more than
//! [`MOST_LINES`] are too many however many requests there were. A session of Postgres tells what it did a
//! second later at the earliest, and its last second up to ten later: the load's last second may be missing,
//! and [`FORMER_TRANSACTIONS`] may be of the pass over the rules.

use anyhow::{Context, Result};

use crate::contest::Contest;
use crate::stack::Stack;

/// More lines than this are too many, and more than one for [`REQUESTS_A_LINE`] requests, but for some.
const MOST_LINES: u64 = 1_000;
const REQUESTS_A_LINE: u64 = 2;
const FEW_LINES: u64 = 20;
/// Where none is needed, more than one for so many requests are too many, but for those from before.
const REQUESTS_A_TRANSACTION: u64 = 5;
const FORMER_TRANSACTIONS: u64 = 100;
/// What is answered without a look at stored data.
const NEEDS_NO_DATABASE: [&str; 7] =
    ["/health", "/echo", "/external", "/protected", "/upload", "/auth/public", "/auth/protected/jwt"];
const TRANSACTIONS: &str =
    "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()";

/// The counts from before a load.
pub(super) struct Aside {
    lines: u64,
    /// Absent where a request of the load needs the database.
    transactions: Option<u64>,
}

impl Aside {
    /// Nothing where the contest is none of scenarios.
    ///
    /// # Errors
    /// A log cannot be read, or the database cannot be asked.
    pub(super) fn begin(contest: &Contest, stack: &dyn Stack) -> Result<Option<Self>> {
        if !contest.oracle.by_endpoint() {
            return Ok(None);
        }
        let mut asked = contest.requests();
        let needs_none = asked.all(|request| NEEDS_NO_DATABASE.contains(&request.path.as_str()));
        let transactions = needs_none.then(|| transactions(stack)).transpose()?;
        Ok(Some(Self { lines: stack.log_lines()?, transactions }))
    }

    /// Why the figures of a load of so many `requests` cannot be compared, in sentences.
    ///
    /// # Errors
    /// As for [`Aside::begin`].
    pub(super) fn objections(&self, stack: &dyn Stack, requests: u64) -> Result<Vec<String>> {
        let lines = stack.log_lines()?.saturating_sub(self.lines);
        let mut objections = too_many_lines(lines, requests).into_iter().collect::<Vec<_>>();
        if let Some(before) = self.transactions {
            objections.extend(too_many_transactions(transactions(stack)?.saturating_sub(before), requests));
        }
        Ok(objections)
    }
}

fn transactions(stack: &dyn Stack) -> Result<u64> {
    let answer = stack.sql(TRANSACTIONS)?;
    answer.trim().parse().with_context(|| format!("{answer:?} is no number of transactions"))
}

fn too_many_lines(lines: u64, requests: u64) -> Option<String> {
    let allowed = (requests / REQUESTS_A_LINE).clamp(FEW_LINES, MOST_LINES);
    (lines > allowed).then(|| {
        format!("{lines} lines in its log after {requests} requests: what they cost is in its figures alone")
    })
}

fn too_many_transactions(count: u64, requests: u64) -> Option<String> {
    (count > (requests / REQUESTS_A_TRANSACTION).max(FORMER_TRANSACTIONS)).then(|| {
        format!("{count} transactions in its database after {requests} requests, none of which needs it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_request_is_too_many_and_a_word_at_the_start_is_not() {
        assert_eq!([too_many_lines(20, 0), too_many_lines(100, 200)], [None, None]);
        assert!(too_many_lines(101, 200).unwrap().starts_with("101 lines in its log after 200 requests"));
        // What is left of a log that was cut off.
        assert!(too_many_lines(1_001, 1_000_000).is_some());
        assert_eq!(too_many_transactions(100, 3), None);
        assert!(too_many_transactions(101, 500).is_some() && too_many_transactions(101, 505).is_none());
    }
}
