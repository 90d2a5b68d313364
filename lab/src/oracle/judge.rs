//! What every contest's oracle must be able to say.

use std::fmt::Debug;
use std::sync::Arc;

use anyhow::{Result, bail};

use super::answers::Check;
use super::inventory::{Deed, Looks};
use super::people::Excluded;
use super::scenarios::{Tally, Task};
use super::sent::Creations;
use super::words::Words;
use crate::lines::Lines;
use crate::record::Stored;

/// What a contest's file must have.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    /// Contestants keep rows in a database, at which the oracle looks.
    pub database: bool,
    /// These are there before the load, made from a `seed`.
    pub seed: bool,
    /// So are customers, products and stock, made through the API as `shop` says.
    pub shop: bool,
}

/// What generators are fed with.
#[derive(Clone, Copy, Debug)]
pub enum Feeds {
    /// Nothing: what is sent is made while it is sent.
    Nothing,
    /// Files of payloads and of search terms.
    Payloads,
    /// The data: every row as a line, and every id.
    Data(fn() -> (Lines, Lines)),
}

/// What a load has left, for rows to be judged by.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Rows from right before it, a JSON object a line.
    pub before: String,
    /// Users that were there before it, where it adds to them.
    pub users: u64,
    /// The file that creations were taken from.
    pub payloads: Arc<Lines>,
    /// What is not of the load.
    pub excluded: Excluded,
    /// What the API's own count says.
    pub counted: Option<u64>,
    #[allow(missing_docs)]
    pub creations: Creations,
    /// In a shop, everything that may have changed it.
    pub deeds: Vec<Deed>,
    /// What was seen of its stock meanwhile.
    pub looks: Looks,
    /// What answers say of what is stored beside the users.
    pub tally: Tally,
}

/// A contest's judge, and what a report says of its contest.
pub trait Oracle: Debug + Sync {
    /// As in `oracle = "…"` of a contest's file.
    fn name(&self) -> &'static str;

    /// What that file must have.
    fn needs(&self) -> Needs;

    /// What generators are fed with.
    fn feeds(&self) -> Feeds {
        Feeds::Nothing
    }

    /// Contestants are compared endpoint by endpoint: each load finds the data as they were made, and what a
    /// contestant does beside what it is asked for is counted.
    fn by_endpoint(&self) -> bool {
        false
    }

    // Answers.

    /// Whether each answer is right is in the record by itself, beside the rows or without any.
    fn judges_answers(&self) -> bool {
        false
    }

    /// What must be asked, and judged with all that was answered before, for a request of this method and
    /// path.
    ///
    /// # Errors
    /// It is none that can be judged.
    fn task(&self, _method: &str, _path: &str) -> Result<Option<Task>> {
        Ok(None)
    }

    /// What an answer to a request of this path, with its placeholders, must be.
    ///
    /// # Errors
    /// It is none that can be judged.
    fn check(&self, _path: &str) -> Result<Option<Check>> {
        Ok(None)
    }

    // Rows.

    /// Compares rows, a JSON object a line, with what must be there.
    ///
    /// # Errors
    /// A row cannot be read, or the contest has none.
    fn judge(&self, _rows: &str, _evidence: &Evidence) -> Result<Stored> {
        bail!("the oracle {} looks at no rows", self.name())
    }

    /// Why a capacity does not count that was bought with these rows.
    fn objection(&self, stored: &Stored) -> Option<String> {
        let wrong = stored.wrong();
        (wrong > 0).then(|| format!("{wrong} rows of the data are not as they were"))
    }

    // The report.

    /// What it says.
    fn words(&self) -> &'static Words;
}
