//! What a report says, and that nothing from a record can break out of it.

use pouco_lab::contestant::Acknowledges;
use pouco_lab::figures::{Correctness, Metric, standings};
use pouco_lab::record::{ErrorCount, Record, SCHEMA, Status};
use pouco_lab::report::{html, markdown, svg_summary};

fn all(record: &Record) -> [(&'static str, String); 3] {
    [("html", html(record)), ("markdown", markdown(record)), ("svg", svg_summary(record))]
}

/// The text of a page without its marks.
fn text(page: &str) -> String {
    let mut text = String::new();
    let body = page.split("</style>").nth(1).unwrap_or(page);
    for part in body.split('<') {
        text.push_str(part.split_once('>').map_or(part, |(_, rest)| rest));
        text.push(' ');
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn correctness_comes_before_speed() {
    let record = crate::sample::record();
    let order: Vec<_> = standings(&record)
        .into_iter()
        .map(|standing| (standing.entry.id.clone(), standing.correctness, standing.rank))
        .collect();
    assert_eq!(
        order,
        [
            ("pouco".to_owned(), Correctness::Exact, Some(1)),
            ("hasty:before-commit".to_owned(), Correctness::Wrong, Some(2)),
            ("boundless".to_owned(), Correctness::Disqualified, None),
        ]
    );
}

#[test]
fn one_bad_round_is_enough() {
    let worst = |change: fn(&mut pouco_lab::record::Attempt)| {
        let mut record = crate::sample::record();
        let second = record.attempts.iter_mut().find(|a| a.contestant == "pouco" && a.round == 2).unwrap();
        change(second);
        let standings = standings(&record);
        standings.iter().find(|standing| standing.entry.id == "pouco").unwrap().correctness
    };
    assert_eq!(worst(|_| ()), Correctness::Exact);
    assert_eq!(worst(|attempt| attempt.stored.as_mut().unwrap().rows += 1), Correctness::Wrong);
    assert_eq!(worst(|attempt| attempt.stored.as_mut().unwrap().altered = 1), Correctness::Wrong);
    let lose = |attempt: &mut pouco_lab::record::Attempt| attempt.killed.as_mut().unwrap().stored.lost = 1;
    assert_eq!(worst(lose), Correctness::LostWhenKilled);
    assert_eq!(worst(|attempt| attempt.killed.as_mut().unwrap().invisible = None), Correctness::Exact);
    let hide =
        |attempt: &mut pouco_lab::record::Attempt| attempt.killed.as_mut().unwrap().invisible = Some(1);
    assert_eq!(worst(hide), Correctness::LostWhenKilled);
    let miscount = |attempt: &mut pouco_lab::record::Attempt| {
        attempt.killed.as_mut().unwrap().asked[1].counted = Some(49_073);
    };
    assert_eq!(worst(miscount), Correctness::LostWhenKilled);
    assert_eq!(worst(|attempt| attempt.verdict.status = Status::Disqualified), Correctness::Disqualified);
    // A round that did not come to an end leaves two to judge by.
    assert_eq!(worst(|attempt| attempt.verdict.status = Status::Failed), Correctness::Exact);
}

#[test]
fn who_does_not_find_what_it_stored_is_told_of() {
    let mut record = crate::sample::record();
    let second = record.attempts.iter_mut().find(|a| a.contestant == "pouco" && a.round == 2).unwrap();
    let killed = second.killed.as_mut().unwrap();
    killed.invisible = Some(23);
    killed.asked[1].counted = Some(49_051);
    let page = text(&html(&record));
    for words in [
        "! 23 not found after kill",
        "pouco did not find 23 acknowledged rows after a kill.",
        "api1; api2, counts 49,051 of 49,074",
    ] {
        assert!(page.contains(words), "{words}\nis not in\n{page}");
    }
}

#[test]
fn the_head_says_who_won_what_and_who_loses_rows() {
    let page = text(&html(&crate::sample::record()));
    for sentence in [
        "pouco is the only one of 3 contestants whose rows were exact.",
        "lost 1,167 acknowledged rows in a round without any mishap, and 644 acknowledged rows when it was killed.",
        "Least CPU pouco, 0.137 s per 1,000 requests. Ahead of it, but losing rows: Hasty &amp; Sons &lt;queue&gt; (0.121).",
        "Disqualified Boundless: api1: the memory limit was set to 268 MB and the kernel has none.",
    ] {
        assert!(page.contains(sentence), "{sentence}\nis not in\n{}", &page[..3_000.min(page.len())]);
    }
}

#[test]
fn winners_are_named_only_where_the_difference_is_clear() {
    let mut record = crate::sample::record();
    let mut rival = record.contestants[0].clone();
    rival.id = "rival".to_owned();
    rival.title = "Rival".to_owned();
    record.contestants.push(rival);
    let of_pouco: Vec<_> = record.attempts.iter().filter(|a| a.contestant == "pouco").cloned().collect();
    for mut attempt in of_pouco {
        attempt.contestant = "rival".to_owned();
        let total = &mut attempt.resources.as_mut().unwrap().total;
        total.cpu_seconds *= 4.0;
        total.memory_bytes = total.memory_bytes * 101 / 100;
        let times = &mut attempt.load.as_mut().unwrap().total;
        times.p99_ms = times.p99_ms.map(|ms| ms / 2.0);
        record.attempts.push(attempt);
    }
    let page = text(&html(&record));
    for sentence in [
        "pouco is first of 2 contestants whose rows were exact: it used the least CPU and took the most load.",
        "Rival answered fastest (p99).",
        "next is Rival, 0.546 (a factor of 4.00)",
        "Least memory pouco, 95.0 MB; no clear difference from Rival",
    ] {
        assert!(page.contains(sentence), "{sentence}\nis not in\n{}", &page[..2_000]);
    }
}

#[test]
fn a_machine_that_slows_down_leaves_the_ratio_to_the_generators_cpu() {
    let values = |record: &Record, metric: &Metric| standings(record)[0].values(metric);
    let even = crate::sample::record();
    let mut slow = crate::sample::record();
    for attempt in slow.attempts.iter_mut().filter(|attempt| attempt.round == 2) {
        attempt.resources.as_mut().unwrap().total.cpu_seconds *= 2.0;
        attempt.generator.as_mut().unwrap().cpu_seconds *= 2.0;
    }
    assert_ne!(values(&even, &Metric::Cpu), values(&slow, &Metric::Cpu));
    assert_eq!(values(&even, &Metric::CpuByGenerator), values(&slow, &Metric::CpuByGenerator));
    assert!(text(&html(&slow)).contains("× the generator's CPU in the same round"));
    for attempt in &mut slow.attempts {
        attempt.generator.as_mut().unwrap().cpu_seconds = 0.0;
    }
    assert!(values(&slow, &Metric::CpuByGenerator).is_empty(), "nothing is divided by nothing");
}

#[test]
fn figures_stand_in_page_and_markdown_alike() {
    let record = crate::sample::record();
    let page = text(&html(&record));
    let marked = markdown(&record).replace('\\', "");
    for figure in [
        "0.137",
        "0.135–0.139",
        "15.7",
        "95.0",
        "142",
        "8.40",
        "9.10",
        "7.08",
        "1,167 lost",
        "201 before commit",
        "2 rules broken",
        "no limit",
        "a taken nick is refused",
        "expected 422, got 201",
        "fsync = on",
        "12 × creation: connection reset by peer.",
        "612 users were asked for",
        "11,256",
        "67.1",
        "0.612",
        "2023",
        "8a49a44d1f0c2b7e",
        "pouco-lab run people --contestant pouco,hasty,boundless --times 3 --tool native",
        "Intel(R) Xeon(R) Processor @ 2.60GHz",
        "2026-11-21 09:02 UTC",
        "1 MB = 1,000,000 bytes",
    ] {
        assert!(page.contains(figure), "the page lacks {figure}");
        assert!(marked.contains(figure), "the Markdown lacks {figure}");
    }
    for title in ["pouco: Memory, MB", "Boundless: CPU, cores", "limit 1.50", "limit 3,000 ↑"] {
        assert!(page.contains(title), "no picture says {title}");
    }
}

#[test]
fn the_page_needs_nothing_from_outside_and_runs_nothing() {
    let page = html(&crate::sample::crowd());
    for word in ["<script", "src=", "href=", "@import", "<link", "<iframe", "javascript:", "http:", "https:"]
    {
        assert!(!page.contains(word), "{word}");
    }
    // What refers to something refers to something that is there, and only once.
    let ids: Vec<&str> = page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "an id twice");
    for reference in page.split("aria-labelledby=\"").skip(1) {
        for id in reference.split('"').next().unwrap().split(' ') {
            assert!(unique.contains(&id), "{id} is nowhere");
        }
    }
    assert_eq!(page.matches("<caption").count(), page.matches("<table").count());
    let body = page.split("</style>").nth(1).unwrap();
    assert_eq!(body.matches("<th ").count() + body.matches("<th>").count(), body.matches("scope=").count());
}

/// A text that would be marks in every language that we write.
const EVIL: &str = "\u{1}<script>alert(1)</script>\"'&|```**x**`\n# [a](b)";

fn evil() -> Record {
    let mut record = crate::sample::record();
    for text in
        [&mut record.title, &mut record.command, &mut record.commit, &mut record.started_at, &mut record.tool]
    {
        *text = EVIL.to_owned();
    }
    record.machine.cpu_model = EVIL.to_owned();
    record.versions.insert(EVIL.to_owned(), EVIL.to_owned());
    for entry in &mut record.contestants {
        entry.title = format!("{EVIL}{}", entry.id);
        for text in [&mut entry.language, &mut entry.about, &mut entry.mode] {
            *text = EVIL.to_owned();
        }
    }
    for attempt in &mut record.attempts {
        attempt.verdict.reasons.push(EVIL.to_owned());
        attempt.verdict.warnings.push(EVIL.to_owned());
        attempt.proof.as_mut().unwrap().services[0].service = EVIL.to_owned();
        attempt.generator.as_mut().unwrap().bottleneck.push(EVIL.to_owned());
        attempt.stored.as_mut().unwrap().examples.push(EVIL.to_owned());
        let load = attempt.load.as_mut().unwrap();
        load.requests.insert(EVIL.to_owned(), load.total.clone());
    }
    record.capacities[0].rule = EVIL.to_owned();
    record
}

#[test]
fn nothing_from_a_record_is_read_as_marks() {
    let record = evil();
    for (kind, written) in all(&record) {
        let outside_of_code = written.split("````").next().unwrap();
        assert!(!outside_of_code.contains("<script>alert"), "{kind}");
        assert!(written.contains("&lt;script&gt;"), "{kind}");
    }
    let marked = markdown(&record);
    let tables = marked.lines().filter(|line| line.starts_with('|'));
    let bare = |line: &str| line.replace("\\|", "").matches('|').count();
    let mut width = None;
    for line in tables {
        if line.starts_with("| ---") || line.starts_with("| --:") {
            width = Some(bare(line));
        } else if let Some(width) = width.filter(|_| line.contains("script")) {
            // A heading of the next table may come before its rule.
            assert!(bare(line) == width || line.contains("round") || line.contains("ms"), "{line}");
        }
    }
    let code = marked.split("````").nth(1).unwrap();
    assert!(!marked.replace(code, "").lines().any(|line| line.starts_with("# [")), "a new heading");
    assert!(!svg_summary(&record).contains('\u{1}'), "no XML with control characters");
}

#[test]
fn a_search_says_what_was_lost_what_was_stored_before_and_who_set_the_limit() {
    let mut record = crate::sample::record();
    for search in &mut record.capacities {
        search.reasons.clear();
    }
    record.capacities[0].lost = Some(0);
    record.capacities[0].steps[1].errors = vec![ErrorCount { message: "api has ended".to_owned(), count: 1 }];
    record.capacities[1].at_least = true;
    record.capacities[1].warnings = vec!["the generator set the limit".to_owned()];
    record.capacities[2].lost = Some(17);
    record.capacities[2].reasons = vec!["17 of 99 acknowledged rows are lost".to_owned()];
    for (kind, written) in [("html", html(&record)), ("markdown", markdown(&record))] {
        for said in
            ["no row lost", "17 rows lost", "≥ × ", "12,345", "api has ended", "set the limit", "2.50"]
        {
            assert!(written.contains(said), "{kind}: {said}");
        }
        let ranked = written.matches("≥ 9.10").count();
        assert_eq!(ranked, 1, "{kind}: the ranking shows the lower bound");
    }
}

#[test]
fn records_with_little_in_them_are_reports_too() {
    let empty = Record {
        contestants: Vec::new(),
        attempts: Vec::new(),
        capacities: Vec::new(),
        ..crate::sample::record()
    };
    let mut only_capacity = crate::sample::record();
    only_capacity.attempts.clear();
    let mut nothing_measured = crate::sample::record();
    for attempt in &mut nothing_measured.attempts {
        *attempt = crate::sample::failed_attempt(&attempt.contestant, attempt.round);
    }
    let mut bare = crate::sample::record();
    for attempt in &mut bare.attempts {
        let status = attempt.verdict.status;
        *attempt = crate::sample::failed_attempt(&attempt.contestant, attempt.round);
        attempt.verdict.status = status;
    }
    for (name, record) in [
        ("empty", empty),
        ("only capacity", only_capacity),
        ("failed", nothing_measured),
        ("bare", bare),
        ("partial", crate::sample::partial()),
    ] {
        assert_eq!(record.schema, SCHEMA);
        for (kind, written) in all(&record) {
            assert!(written.len() > 1_000, "{name}, {kind}");
            assert!(!written.contains("NaN") && !written.contains("inf "), "{name}, {kind}");
        }
    }
}

#[test]
fn a_contestant_that_did_not_finish_stands_last_with_its_reason() {
    let marked = markdown(&crate::sample::partial());
    let place = |word: &str| marked.find(word).unwrap_or_else(|| panic!("no {word} in\n{marked}"));
    assert!(place("1. pouco") < place("⊘ did not finish"));
    assert!(marked.contains("api1 ended with status 1 before it answered."));
    assert!(marked.contains("not killed"), "no kill test, and the table says so");
}

#[test]
fn two_modes_of_one_contestant_are_told_apart() {
    let mut record = crate::sample::record();
    record.contestants[1].title = "pouco".to_owned();
    record.contestants[1].acknowledges = Acknowledges::BeforeCommit;
    let page = text(&html(&record));
    assert!(page.contains("pouco (after-commit)") && page.contains("pouco (before-commit)"));
}

#[test]
fn a_contest_that_only_reads_has_its_own_columns() {
    let record = crate::sample::reads();
    for (kind, report) in all(&record) {
        for word in ["201 after commit", "Answers 201", "Answered 201", "Acknowledged before", "not killed"] {
            assert!(!report.contains(word), "{kind}: {word}");
        }
        assert!(report.contains("reads only") && report.contains("multi: 1.5"), "{kind}");
    }
    let page = text(&html(&record));
    // 114,957 requests in 15.7 CPU seconds, of which 5.4 are the APIs'.
    for sentence in [
        "Requests per CPU s",
        "Most with the API's CPU pouco, 21,288 requests per CPU s",
        "Must be there Are there Gone Twice",
        "API processes: 4",
        "lost 1,167 rows in a round without any mishap.",
    ] {
        assert!(page.contains(sentence), "{sentence}\nis not in\n{}", &page[..5_000.min(page.len())]);
    }
    let standings = standings(&record);
    let value = |metric: &Metric| standings[0].estimate(metric).unwrap().median;
    assert!((value(&Metric::RequestsPerCpu) - 114_957.0 / 15.7).abs() < 1.0);
    let people = text(&html(&crate::sample::record()));
    assert!(!people.contains("Requests per CPU s") && people.contains("Answers 201"));
}
