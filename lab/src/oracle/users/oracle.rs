//! What the lab asks of this contest's oracle.

use anyhow::{Context, Result};

use super::{answer, feeds, judge};
use crate::figures::Correctness;
use crate::format;
use crate::oracle::answers::{Check, on_200};
use crate::oracle::judge::{Evidence, Feeds, Needs, Oracle};
use crate::oracle::words::{self, Cells, DISQUALIFIED, FAILED, ROWS, Words, expected};
use crate::record::Stored;
use crate::table::{Column, faults, number, optional};

/// That nothing has changed, in a contest that only reads.
#[derive(Debug)]
pub struct Users;

impl Oracle for Users {
    fn name(&self) -> &'static str {
        "users"
    }

    fn needs(&self) -> Needs {
        Needs { database: true, seed: true, shop: false }
    }

    fn feeds(&self) -> Feeds {
        Feeds::Data(feeds)
    }

    fn check(&self, path: &str) -> Result<Option<Check>> {
        Ok(if path.contains("{user_id}") {
            Some(on_200(|it| answer::user(it.body, it.rows.get(it.row))))
        } else if path.contains("{unknown_id}") {
            Some(Box::new(|it| answer::not_found(it.body).map(|()| None)))
        } else if path.contains("{offset}") {
            let limit = limit_of(path)?;
            Some(on_200(move |it| {
                let whole = it.user.is_multiple_of(answer::WHOLE_EVERY);
                answer::page(it.body, it.rows, it.row, limit, whole)
            }))
        } else {
            None
        })
    }

    fn judge(&self, rows: &str, _: &Evidence) -> Result<Stored> {
        judge(rows.as_bytes())
    }

    fn words(&self) -> &'static Words {
        &WORDS
    }
}

const WORDS: Words = Words {
    titles: &[
        (Correctness::Exact, "Every row exact"),
        (Correctness::Unchecked, "Rows not checked"),
        (Correctness::Wrong, "Loses or damages rows without any mishap"),
        DISQUALIFIED,
        FAILED,
    ],
    ranking: |creation| words::measured(&words::OF_CPU, creation),
    found,
    footnotes: || {
        let exact = (
            "Exact",
            "every row of the data is in the database after the load, once and unaltered, and no other is.",
        );
        let rank = (
            "Rank",
            "contestants whose data are as they were first; within each group by CPU s per 1,000 requests.",
        );
        words::footnotes(&[exact, words::REQUESTS_PER_CPU], &words::OF_CREATIONS, Some(rank))
    },
    ..ROWS
};

/// None was sent.
fn found() -> Cells {
    let columns = ["Must be there", "Are there", "Gone", "Twice", "Altered", "Foreign", "Settled after, s"];
    Cells {
        caption: "The data in the database after the load.",
        columns: columns.map(Column::number).into(),
        of: |attempt| {
            let stored = attempt.stored.as_ref()?;
            Some(vec![
                expected(stored),
                number(stored.rows),
                faults(stored.lost),
                faults(stored.duplicated),
                faults(stored.altered),
                faults(stored.foreign),
                optional(stored.settled_seconds.map(format::significant)),
            ])
        },
    }
}

/// Beside `{offset}`.
fn limit_of(path: &str) -> Result<usize> {
    let value = path.split(['?', '&']).find_map(|part| part.strip_prefix("limit="));
    value.and_then(|value| value.parse().ok()).context("path: {offset} needs a limit=NUMBER beside it")
}
