//! What the lab asks of this contest's oracle.

use anyhow::{Context, Result};

use super::{Task, judge};
use crate::figures::{Correctness, Standing};
use crate::format;
use crate::oracle::judge::{Evidence, Needs, Oracle};
use crate::oracle::words::{self, CAUGHT, DISQUALIFIED, FAILED, ROWS, Words};
use crate::record::{Attempt, Proven, Stored};

/// Answers and rows, where a load adds to data that were there before.
#[derive(Debug)]
pub struct Scenarios;

impl Oracle for Scenarios {
    fn name(&self) -> &'static str {
        "scenarios"
    }

    fn needs(&self) -> Needs {
        Needs { database: true, seed: true, shop: false }
    }

    fn by_endpoint(&self) -> bool {
        true
    }

    fn judges_answers(&self) -> bool {
        true
    }

    fn task(&self, method: &str, path: &str) -> Result<Option<Task>> {
        Task::of(method, path).context("method and path: no task of the contest that can be judged").map(Some)
    }

    fn judge(&self, rows: &str, left: &Evidence) -> Result<Stored> {
        judge(rows.as_bytes(), &left.creations, left.users, &left.tally)
    }

    fn words(&self) -> &'static Words {
        &WORDS
    }
}

const WORDS: Words = Words {
    clean: "answered all as it must be, and lost none",
    of_the_field: [
        "whose answers and rows were exact",
        "whose rows were not checked",
        "with a rank, all of which were caught",
    ],
    faulty: CAUGHT,
    caught_first: true,
    titles: &[
        (Correctness::Wrong, "Caught: its answers or its rows are not as they must be"),
        (Correctness::Exact, "Every answer right and every row exact"),
        (Correctness::KnownToLose, "Loses what it acknowledges, as this variant is known to: not ranked"),
        (Correctness::Unchecked, "Not checked"),
        DISQUALIFIED,
        FAILED,
    ],
    ranking: |creation| words::measured(&words::OF_CPU, creation),
    fault: caught,
    fault_told: caught,
    footnotes: || {
        let exact = (
            "Exact",
            "every answer of the load was looked at and is as the contest asks, and the rows are those of the data and those that were acknowledged, each once and unaltered.",
        );
        let rank = (
            "Rank",
            "of contestants without a wrong answer or row, by CPU s per 1,000 requests; others stand before them and have none.",
        );
        let replaced = ["Exact", "Lost", "Not found", "Rank"];
        words::footnotes(&[exact, words::REQUESTS_PER_CPU], &replaced, Some(rank))
    },
    ..ROWS
};

/// The worst round of each finding, with the most frequent failure by its name.
fn caught(standing: &Standing<'_>) -> String {
    let count = |count: u64| format::count(count as f64);
    let wrong = |attempt: &&Attempt| attempt.answers.as_ref().map_or(0, |answers| answers.wrong);
    let worst = standing.valid().max_by_key(wrong).filter(|attempt| wrong(attempt) > 0);
    let answers = worst.map(|attempt| {
        let first = attempt.load.as_ref().and_then(|load| load.errors.first());
        let name = first.map(|error| format!(" ({})", error.message)).unwrap_or_default();
        format!("gave {} wrong answers{name}", count(wrong(&attempt)))
    });
    let rows = match (standing.most(|stored| stored.lost), standing.most(Stored::wrong)) {
        (0, 0) => None,
        (0, rows) => Some(format!("had {} rows wrong", count(rows))),
        (lost, _) => Some(format!("lost {} rows", count(lost))),
    };
    format::list(&rows.into_iter().chain(proofs(standing)).chain(answers).collect::<Vec<_>>())
}

/// What is wrong beside answers and rows of users, each by its name in its worst round.
fn proofs(standing: &Standing<'_>) -> Vec<String> {
    let mut worst: Vec<&Proven> = Vec::new();
    let all = standing.valid().flat_map(|attempt| &attempt.proofs).filter(|proven| proven.wrong > 0);
    for proven in all {
        match worst.iter_mut().find(|it| it.what == proven.what) {
            Some(known) if known.wrong >= proven.wrong => {}
            Some(known) => *known = proven,
            None => worst.push(proven),
        }
    }
    let told = |proven: &&Proven| {
        let found = Some(&proven.found).filter(|found| !found.is_empty());
        let found = found.map(|found| format!(" ({found})")).unwrap_or_default();
        format!("had {} {}{found}", format::count(proven.wrong as f64), proven.what)
    };
    worst.iter().map(told).collect()
}
