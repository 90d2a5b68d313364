//! What the figures of a report mean. What may not enter: a figure.

use super::{View, shop};

/// What each figure means, of those that are shown.
pub(super) fn all(view: &View<'_>) -> Vec<(&'static str, &'static str)> {
    if view.is_shop() {
        return shop::footnotes(&FOOTNOTES);
    }
    let both = view.judges_both();
    if !view.reads_only() && !both {
        return FOOTNOTES.to_vec();
    }
    let replaced = ["Exact", "Lost", "Not found", "201 before or after commit", "Rank"];
    let kept: &[&str] = if both { &replaced[3..4] } else { &[] };
    let others = FOOTNOTES.into_iter().filter(|(term, _)| !replaced.contains(term) || kept.contains(term));
    let [mut exact, requests, mut rank] = FOOTNOTES_OF_READS;
    if both {
        [exact, rank] = FOOTNOTES_OF_BOTH;
    } else if !view.has_rows() {
        [exact, rank] = FOOTNOTES_OF_ANSWERS;
    }
    [exact, requests].into_iter().chain(others).chain([rank]).collect()
}

const FOOTNOTES_OF_READS: [(&str, &str); 3] = [
    (
        "Exact",
        "every row of the data is in the database after the load, once and unaltered, and no other is.",
    ),
    (
        "Requests per CPU s",
        "all requests sent, divided by the CPU seconds of the services that serve the API, or by those of the whole stack.",
    ),
    ("Rank", "contestants whose data are as they were first; within each group by CPU s per 1,000 requests."),
];

const FOOTNOTES_OF_BOTH: [(&str, &str); 2] = [
    (
        "Exact",
        "every answer of the load was looked at and is as the contest asks, and the rows are those of the data and those that were acknowledged, each once and unaltered.",
    ),
    (
        "Rank",
        "of contestants without a wrong answer or row, by CPU s per 1,000 requests; others stand before them and have none.",
    ),
];

const FOOTNOTES_OF_ANSWERS: [(&str, &str); 2] = [
    (
        "Right",
        "nothing is stored, so no rows are counted: every answer of the load was looked at, and is as the contest asks.",
    ),
    ("Rank", "contestants without a wrong answer first; within each group by CPU s per 1,000 requests."),
];

const FOOTNOTES: [(&str, &str); 15] = [
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
