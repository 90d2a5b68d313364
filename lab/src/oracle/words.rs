//! What reports say of any contest, and what is said where rows are judged, or answers alone: an oracle takes
//! of it what fits, and says the rest itself.

use crate::figures::{Correctness, Metric, Percentile, Standing};
use crate::format;
use crate::meters::Role;
use crate::record::{Acknowledges, Attempt, Stored};
use crate::table::{Cell, Column, faults, number, optional};

/// What a report says, each where its name says.
pub struct Words {
    /// The title of the part with what was found: `Rows`.
    pub judged: &'static str,
    /// What comes first in the ranking.
    pub column: &'static str,
    /// The same in the picture for a README.
    pub picture: &'static str,
    /// What is asked for after a kill.
    pub things: &'static str,
    /// All is as it must be.
    pub exact: &'static str,
    /// Nobody has looked.
    pub unchecked: &'static str,
    /// As in “A and B lost none”.
    pub clean: &'static str,
    /// As in “the first of 3 contestants whose rows were exact”: exact, not checked, and else.
    pub of_the_field: [&'static str; 3],
    /// As in “A loses rows”, “A and B lose rows” and “ahead of it, but losing rows”.
    pub faulty: [&'static str; 3],
    /// Whoever was caught stands first, so that nobody overlooks it, and without a place.
    pub caught_first: bool,
    /// Headings of the ranking's groups, in their order. Without the one of kills, nobody is killed.
    pub titles: &'static [(Correctness, &'static str)],
    /// Whether the times of this request stand in the ranking beside those of all.
    pub stands_out: fn(&str) -> bool,
    /// Columns of the ranking behind the name, and what stands in them; given is the request that stands out.
    pub ranking: fn(Option<String>) -> Vec<(Column, Metric)>,
    /// What was found after the load, round by round.
    pub found: fn() -> Cells,
    /// What is wrong with a contestant, in few words; its rows or answers are.
    pub fault: fn(&Standing<'_>) -> String,
    /// The same as the end of a sentence that begins with its name.
    pub fault_told: fn(&Standing<'_>) -> String,
    /// What the figures mean.
    pub footnotes: fn() -> Vec<(&'static str, &'static str)>,
}

/// The headings of those whose figures do not count.
pub const DISQUALIFIED: (Correctness, &str) =
    (Correctness::Disqualified, "Disqualified: figures cannot be compared");
#[allow(missing_docs)]
pub const FAILED: (Correctness, &str) = (Correctness::Failed, "Did not finish");

/// Where what is judged are rows.
pub const ROWS: Words = Words {
    judged: "Rows",
    column: "Correctness",
    picture: "Rows",
    things: "people",
    exact: "exact",
    unchecked: "not checked",
    clean: "lost none",
    of_the_field: [
        "whose rows were exact",
        "whose rows were not checked",
        "with a rank, all of which lost rows",
    ],
    faulty: ["loses rows", "lose rows", "losing rows"],
    caught_first: false,
    titles: &[
        (Correctness::Exact, "Every row exact"),
        (Correctness::Unchecked, "Rows not checked"),
        (
            Correctness::LostWhenKilled,
            "Loses acknowledged rows when it is killed, or does not find them after it",
        ),
        (Correctness::Wrong, "Loses or damages rows without any mishap"),
        DISQUALIFIED,
        FAILED,
    ],
    stands_out: |request| request.starts_with("creat"),
    ranking: |creation| measured(&[], creation),
    found: found_in_rows,
    fault: fault_in_rows,
    fault_told: fault_in_rows_told,
    footnotes: || FOOTNOTES.to_vec(),
};

/// Where what is judged are answers alone.
pub const ANSWERS: Words = Words {
    judged: "Answers",
    exact: "right",
    clean: "gave none that is wrong",
    of_the_field: [
        "whose answers were right",
        "whose answers were not checked",
        "with a rank, all of which gave wrong answers",
    ],
    faulty: ["answers wrongly", "answer wrongly", "with wrong answers"],
    titles: &[
        (Correctness::Exact, "Every answer right"),
        (Correctness::Unchecked, "Answers not checked"),
        (Correctness::Wrong, "Answers wrongly"),
        DISQUALIFIED,
        FAILED,
    ],
    found: found_in_answers,
    fault: fault_in_answers,
    fault_told: fault_in_answers_told,
    footnotes: footnotes_of_answers,
    ..ROWS
};

/// [`Words::faulty`] of those who stand first.
pub const CAUGHT: [&str; 3] = ["was caught", "were caught", "caught"];

/// The points of a distribution that tables show.
pub const SHOWN: [Percentile; 4] = [Percentile::P50, Percentile::P95, Percentile::P99, Percentile::Max];

/// Columns of the ranking, with what is done in a CPU second of the API, or of the whole stack.
#[must_use]
pub fn measured(of_cpu: &[Metric], creation: Option<String>) -> Vec<(Column, Metric)> {
    let mut all = vec![
        (Column::of("CPU", "s per 1,000 requests"), Metric::CpuPerThousand),
        (Column::of("CPU", "s, whole stack"), Metric::Cpu),
        (Column::of("CPU", "× the generator's"), Metric::CpuByGenerator),
    ];
    all.extend(of_cpu.iter().map(|metric| {
        let of = if matches!(metric, Metric::RequestsPerCpu) { "whole stack" } else { "API" };
        (Column::of("Requests per CPU s", of), metric.clone())
    }));
    all.extend([
        (Column::of("Memory, MB", "working peak"), Metric::Memory),
        (Column::of("Memory, MB", "raw peak"), Metric::MemoryRaw),
        (Column::number("Capacity, × the rates"), Metric::Capacity),
    ]);
    for name in creation.map(Some).into_iter().chain([None]) {
        let group = format!("{}, ms", name.as_deref().unwrap_or("all requests"));
        let times = SHOWN.map(|at| (Column::of(&group, at.name()), Metric::Time(name.clone(), at)));
        all.extend(times);
    }
    all.push((Column::number("Failed requests"), Metric::Failed));
    all
}

/// Where a contestant does nothing but read or answer.
pub const OF_CPU: [Metric; 2] = [Metric::RequestsPerRoleCpu(Role::Api), Metric::RequestsPerCpu];

/// What was found, as a table with a row a round.
pub struct Cells {
    #[allow(missing_docs)]
    pub caption: &'static str,
    /// Behind the round.
    pub columns: Vec<Column>,
    /// The cells of an attempt, if something was found in it.
    pub of: fn(&Attempt) -> Option<Vec<Cell>>,
}

/// Rows, against what was acknowledged.
fn found_in_rows() -> Cells {
    let columns = ["Sent", "Answered 201", "Must be there", "Are there", "Lost", "201 for a taken nick"];
    let more = ["Twice", "Altered", "Foreign", "Refused wrongly", "Settled after, s"];
    Cells {
        caption: "Rows in the database after the load.",
        columns: columns.into_iter().chain(more).map(Column::number).collect(),
        of: |attempt| {
            let stored = attempt.stored.as_ref()?;
            Some(vec![
                number(stored.sent),
                number(stored.acknowledged),
                expected(stored),
                number(stored.rows),
                faults(stored.lost),
                faults(stored.acknowledged_twice),
                faults(stored.duplicated),
                faults(stored.altered),
                faults(stored.foreign),
                faults(stored.wrongly_refused),
                optional(stored.settled_seconds.map(format::significant)),
            ])
        },
    }
}

/// How many rows there must be.
#[must_use]
pub fn expected(stored: &Stored) -> Cell {
    if stored.expected_low == stored.expected_high {
        return number(stored.expected_low);
    }
    let (low, high) = (stored.expected_low as f64, stored.expected_high as f64);
    Cell::new(format!("{}–{}", format::count(low), format::count(high)))
}

/// Answers, where no rows are counted.
fn found_in_answers() -> Cells {
    let columns = ["Checked", "Wrong", "Oldest, s", "Settled after, s"].map(Column::number);
    let said = Column::text("What caches said of the right ones");
    Cells {
        caption: "This contest stores nothing, so no rows were counted: each answer of the load was checked.",
        columns: columns.into_iter().chain([said]).collect(),
        of: |attempt| {
            let answers = attempt.answers.as_ref()?;
            let count = |(word, count): (&String, &u64)| format!("{} {word}", format::count(*count as f64));
            let by_cache: Vec<String> = answers.by_cache.iter().map(count).collect();
            Some(vec![
                number(answers.checked),
                faults(answers.wrong),
                optional(answers.oldest_seconds.map(format::significant)),
                optional(answers.settled_seconds.map(format::significant)),
                optional((!by_cache.is_empty()).then(|| by_cache.join(", "))),
            ])
        },
    }
}

/// What a contestant has done to rows.
fn fault_in_rows(standing: &Standing<'_>) -> String {
    let worst = |metric| standing.worst(&metric).unwrap_or(0.0);
    if standing.correctness == Correctness::LostWhenKilled {
        let found = [(Metric::LostKilled, "lost"), (Metric::InvisibleKilled, "not found")];
        let found = found.into_iter().map(|(metric, what)| (worst(metric), what));
        let found = found.into_iter().find(|(count, _)| *count > 0.0);
        return found.map_or("rows wrong after kill".to_owned(), |(count, what)| {
            format!("{} {what} after kill", format::count(count))
        });
    }
    match standing.most(|stored| stored.lost) {
        0 => format!("{} wrong", format::count(worst(Metric::WrongRows))),
        lost => format!("{} lost", format::count(lost as f64)),
    }
}

/// The same as the end of a sentence.
fn fault_in_rows_told(standing: &Standing<'_>) -> String {
    let acknowledged = |rows| format::plural(rows, "acknowledged row", "acknowledged rows");
    let writes = standing.entry.acknowledges != Acknowledges::ReadOnly;
    let rows = |lost| if writes { acknowledged(lost) } else { format::plural(lost, "row", "rows") };
    let positive = |metric| standing.worst(&metric).filter(|count| *count > 0.0);
    let killed = positive(Metric::LostKilled).map(|lost| format!("{} when it was killed", rows(lost)));
    if standing.correctness != Correctness::Wrong {
        return match (killed, positive(Metric::InvisibleKilled)) {
            (Some(text), _) => format!("lost {text}"),
            (None, Some(people)) => format!("did not find {} after a kill", acknowledged(people)),
            (None, None) => "had wrong rows after a kill".to_owned(),
        };
    }
    let wrong = standing.worst(&Metric::WrongRows).unwrap_or(0.0);
    let text = match standing.most(|stored| stored.lost) {
        0 => format!("had {} wrong in a round without any mishap", format::plural(wrong, "row", "rows")),
        lost => format!("lost {} in a round without any mishap", rows(lost as f64)),
    };
    killed.map_or(text.clone(), |killed| format!("{text}, and {killed}"))
}

/// [`FOOTNOTES`] with these in front and without those of the terms in `replaced`, and with `last` behind.
#[must_use]
pub fn footnotes(
    front: &[(&'static str, &'static str)],
    replaced: &[&str],
    last: Option<(&'static str, &'static str)>,
) -> Vec<(&'static str, &'static str)> {
    let others = FOOTNOTES.iter().filter(|(term, _)| !replaced.contains(term));
    front.iter().chain(others).copied().chain(last).collect()
}

/// What is done in a CPU second.
pub const REQUESTS_PER_CPU: (&str, &str) = (
    "Requests per CPU s",
    "all requests sent, divided by the CPU seconds of the services that serve the API, or by those of the whole stack.",
);

/// What each figure means.
pub const FOOTNOTES: [(&str, &str); 15] = [
    (
        "Exact",
        "every row that was acknowledged is in the database once and unaltered, and no other is; after a kill too, where one is recorded.",
    ),
    (
        "Lost",
        "rows of the worst round that were acknowledged with 201 and are not there; a 201 for a nick that was taken counts as lost.",
    ),
    (
        "Not found",
        "people acknowledged in the load of a kill and stored, whom a replica did not answer by id, or did not find by search, 10 s after it served again.",
    ),
    (
        "201 before or after commit",
        "whether a creation is answered when it is in memory, or when the database has committed it.",
    ),
    ("CPU, s", "user and system time of all services of the stack during the load, from their cgroups."),
    ("CPU, s per 1,000 requests", "the same, divided by all requests sent."),
    (
        "CPU, × the generator's",
        "the stack's CPU seconds divided by those of the generator in the same round. It does the same work for everybody, so the ratio holds where the machine's speed changes from round to round. Slow or failed answers cost it more, to the good of who gives them.",
    ),
    (
        "Working peak, MB",
        "the largest sum over all services of usage − inactive_file, sampled once a second. 1 MB = 1,000,000 bytes.",
    ),
    ("Raw peak, MB", "the kernel's own peaks, which count page cache that any limit would reclaim."),
    (
        "p50, p95, p99, max, ms",
        "time from the intended start of a request to its whole answer, failures included; p99: 99 % were faster. Where the generator knows no intended starts, from the actual start.",
    ),
    (
        "Capacity",
        "the largest multiple of the contest's peak rates at which the rule of the search was kept; ≥ where the generator, and not the contestant, set the limit.",
    ),
    ("Failed", "requests without an allowed answer in time."),
    (
        "Throttled, s",
        "time that threads waited for the next period of their CPU quota, summed over threads and services.",
    ),
    (
        "Interval",
        "95 % percentile bootstrap of the median, 10,000 resamples. Up to five rounds it is the range from the smallest to the largest value, which holds the true median with a probability of 75 % for three rounds and 94 % for five.",
    ),
    (
        "Rank",
        "contestants without a lost row first, then those that lose rows when killed, then those that lose rows without any mishap; within each group by CPU s per 1,000 requests.",
    ),
];

/// Of these nothing is said where nothing is created.
pub const OF_CREATIONS: [&str; 5] = ["Exact", "Lost", "Not found", "201 before or after commit", "Rank"];

/// How many answers were wrong.
fn fault_in_answers(standing: &Standing<'_>) -> String {
    format!("{} wrong", format::count(standing.worst(&Metric::WrongAnswers).unwrap_or(0.0)))
}

/// The same as the end of a sentence.
fn fault_in_answers_told(standing: &Standing<'_>) -> String {
    let wrong = standing.worst(&Metric::WrongAnswers).unwrap_or(0.0);
    format!("gave {} in a round", format::plural(wrong, "wrong answer", "wrong answers"))
}

/// What the figures mean where answers alone are judged.
fn footnotes_of_answers() -> Vec<(&'static str, &'static str)> {
    let right = (
        "Right",
        "nothing is stored, so no rows are counted: every answer of the load was looked at, and is as the contest asks.",
    );
    let rank =
        ("Rank", "contestants without a wrong answer first; within each group by CPU s per 1,000 requests.");
    footnotes(&[right, REQUESTS_PER_CPU], &OF_CREATIONS, Some(rank))
}
