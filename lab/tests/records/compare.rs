//! Two records of the sample, changed as a change of a program would change them.

use pouco_lab::compare::{Comparison, DEFAULT_THRESHOLD, FigureChange, Outcome, compare};
use pouco_lab::record::{Attempt, Record, Status};

type Change<T> = fn(&mut T);

fn of(before: &Record, after: &Record) -> Comparison {
    compare(before, after, DEFAULT_THRESHOLD).unwrap()
}

/// The sample, with a change in every attempt of pouco.
fn changed(change: impl Fn(&mut Attempt)) -> Record {
    let mut record = crate::sample::record();
    record.attempts.iter_mut().filter(|attempt| attempt.contestant == "pouco").for_each(change);
    record
}

fn line<'c>(comparison: &'c Comparison, figure: &str) -> &'c FigureChange {
    let of_pouco = |line: &&FigureChange| line.contestant == "pouco" && line.figure == figure;
    comparison.lines.iter().find(of_pouco).unwrap_or_else(|| panic!("no {figure} in\n{comparison}"))
}

fn scale_cpu(factor: f64) -> impl Fn(&mut Attempt) {
    move |attempt| attempt.resources.as_mut().unwrap().total.cpu_seconds *= factor
}

#[test]
fn a_record_does_not_differ_from_itself() {
    let record = crate::sample::record();
    let comparison = of(&record, &record);
    assert!(!comparison.regressed(), "{comparison}");
    assert!(comparison.lines.iter().all(|line| line.outcome == Outcome::NoDifference), "{comparison}");
    for figure in [
        "CPU per 1,000 requests",
        "CPU of the stack",
        "memory",
        "p50 of all",
        "p99 of creation",
        "p99 of invalid search",
        "capacity",
        "rows lost or wrong",
        "rows lost after a kill",
        "failed requests",
    ] {
        line(&comparison, figure);
    }
}

#[test]
fn a_cost_is_judged_by_its_interval_and_the_threshold() {
    // Without the generator's CPU the seconds alone decide.
    let bare = |mut record: Record| {
        record.attempts.iter_mut().for_each(|attempt| attempt.generator = None);
        record
    };
    let before = bare(crate::sample::record());
    let cases = [
        // Rounds of the sample differ by up to 3.5 %, so 2 % are within the interval.
        (1.02, Outcome::NoDifference, false),
        // Beyond the interval, within the threshold.
        (1.04, Outcome::Worse, false),
        (1.10, Outcome::Worse, true),
        (0.50, Outcome::Better, false),
    ];
    for (factor, outcome, regression) in cases {
        let comparison = of(&before, &bare(changed(scale_cpu(factor))));
        let line = line(&comparison, "CPU of the stack");
        assert_eq!((line.outcome, line.regression), (outcome, regression), "{factor}\n{comparison}");
        assert_eq!(comparison.regressed(), regression, "{factor}");
        let change = line.change.unwrap();
        assert!((change.ratio.unwrap() - factor).abs() < 1e-9, "{change:?}");
        let (low, high) = change.ratio_interval.unwrap();
        assert!(low < factor && factor < high, "{change:?}");
    }
}

#[test]
fn less_capacity_is_worse() {
    let before = crate::sample::record();
    let mut after = before.clone();
    after.capacities[0].scale = Some(4.0);
    let comparison = of(&before, &after);
    assert_eq!(line(&comparison, "capacity").outcome, Outcome::Worse);
    // One search each has no interval, and what has no interval is no proof of a regression.
    assert!(!comparison.regressed());
    let mut twice = before.clone();
    twice.capacities.extend(before.capacities.clone());
    let mut after_twice = after.clone();
    after_twice.capacities.extend(after.capacities.clone());
    assert!(of(&twice, &after_twice).regressed());
    after.capacities[0].scale = None;
    assert_eq!(line(&of(&before, &after), "capacity").outcome, Outcome::Worse, "nothing passed");
}

#[test]
fn one_run_each_is_judged_by_the_threshold_and_is_no_regression() {
    let single = |factor| {
        let mut record = changed(scale_cpu(factor));
        record.attempts.retain(|attempt| attempt.round == 1);
        record
    };
    for (factor, outcome) in [(1.04, Outcome::NoDifference), (1.10, Outcome::Worse), (0.90, Outcome::Better)]
    {
        let comparison = of(&single(1.0), &single(factor));
        let line = line(&comparison, "CPU of the stack");
        assert_eq!((line.outcome, line.regression), (outcome, false), "{factor}");
        assert_eq!(line.change.unwrap().ratio_interval, None);
    }
}

#[test]
fn correctness_may_not_become_worse_at_all() {
    let before = crate::sample::record();
    let only_round_two = |change: fn(&mut Attempt)| {
        changed(move |attempt| {
            if attempt.round == 2 {
                change(attempt);
            }
        })
    };
    let changes: [(&str, Change<Attempt>); 6] = [
        ("rows lost or wrong", |attempt| attempt.stored.as_mut().unwrap().lost = 1),
        ("rows lost after a kill", |attempt| attempt.killed.as_mut().unwrap().stored.lost = 1),
        ("people not found after a kill", |attempt| attempt.killed.as_mut().unwrap().invisible = Some(1)),
        ("failed requests", |attempt| attempt.load.as_mut().unwrap().total.failed = 1),
        ("rules not kept", |attempt| {
            let failure = pouco_lab::record::Failure { rule: "a".to_owned(), detail: "b".to_owned() };
            attempt.conformance.as_mut().unwrap().failures.push(failure);
        }),
        ("rounds that do not count", |attempt| attempt.verdict.status = Status::Disqualified),
    ];
    for (figure, change) in changes {
        let after = only_round_two(change);
        let comparison = of(&before, &after);
        let found = line(&comparison, figure);
        assert_eq!((found.outcome, found.regression), (Outcome::Worse, true), "{figure}\n{comparison}");
        assert!(comparison.regressed());
        let back = of(&after, &before);
        assert_eq!(line(&back, figure).outcome, Outcome::Better, "{figure}\n{back}");
        assert!(!back.regressed(), "{back}");
    }
}

#[test]
fn chance_decides_how_many_rows_a_kill_takes_from_one_that_loses_some() {
    let lose = |lost: [u64; 3]| {
        changed(move |attempt| {
            attempt.killed.as_mut().unwrap().stored.lost = lost[attempt.round as usize - 1];
        })
    };
    assert!(!of(&lose([600, 700, 650]), &lose([640, 720, 610])).regressed());
    assert!(of(&lose([600, 700, 650]), &lose([1_200, 1_400, 1_300])).regressed());
}

#[test]
fn a_step_of_a_clock_of_whole_milliseconds_is_no_difference() {
    let p50 = |ms: f64| changed(move |attempt| attempt.load.as_mut().unwrap().total.p50_ms = Some(ms));
    let outcome = |before: f64, after: f64| line(&of(&p50(before), &p50(after)), "p50 of all").outcome;
    assert_eq!(outcome(1.0, 2.0), Outcome::NoDifference);
    assert_eq!(outcome(1.0, 3.0), Outcome::Worse);
    assert_eq!(outcome(1.25, 2.0), Outcome::Worse);
}

#[test]
fn unlike_records_are_refused_in_a_sentence() {
    let before = crate::sample::record();
    let changes: [(&str, Change<Record>); 9] = [
        ("has the schema pouco-lab/0", |record| record.schema = "pouco-lab/0".to_owned()),
        ("different contests cannot be compared: people and cats", |record| {
            record.contest = "cats".to_owned();
        }),
        ("different tools cannot be compared: native and gatling", |record| {
            record.tool = "gatling".to_owned();
        }),
        ("different scales cannot be compared: 1 and 2", |record| record.scale = 2.0),
        ("different lengths cannot be compared: the contest's and 30 s", |record| record.seconds = Some(30)),
        ("different payloads or terms", |record| record.feeds = Some("other".to_owned())),
        ("different ends (with a kill or without)", |record| record.kill = Some(false)),
        ("different budgets", |record| record.budget.cpus = 2.0),
        ("no contestant in common", |record| record.contestants.iter_mut().for_each(|c| c.id.push('2'))),
    ];
    for (sentence, change) in changes {
        let mut after = before.clone();
        change(&mut after);
        let error = compare(&before, &after, DEFAULT_THRESHOLD).unwrap_err().to_string();
        assert!(error.contains(sentence), "{error}");
    }
    // An earlier version of the lab did not say.
    let mut after = before.clone();
    (after.feeds, after.kill) = (None, None);
    assert!(compare(&before, &after, DEFAULT_THRESHOLD).is_ok());
    for threshold in [-0.1, 1.0, f64::NAN] {
        assert!(compare(&before, &before, threshold).is_err(), "{threshold}");
    }
}

#[test]
fn what_is_missing_on_a_side_is_named() {
    let comparison = of(&crate::sample::record(), &crate::sample::partial());
    let text = comparison.to_string();
    assert!(text.contains("pouco: rows lost after a kill is not in the second record"), "{text}");
    assert!(text.contains("pouco: capacity is not in the second record"), "{text}");
    assert!(text.contains("hasty:before-commit, round 1: failed. api1 ended with status 1"), "{text}");
    assert!(comparison.regressed(), "hasty no longer comes to an end");
}

#[test]
fn the_table_says_what_regressed_and_by_how_much() {
    let text = of(&crate::sample::record(), &changed(scale_cpu(1.10))).to_string();
    let row = |figure: &str| {
        let row = text.lines().find(|line| line.contains(figure)).unwrap();
        row.split_whitespace().collect::<Vec<_>>()
    };
    let seconds = ["worse", "CPU", "of", "the", "stack,", "s", "15.7", "17.3", "1.10", "1.06–1.14"];
    assert_eq!(row("CPU of the stack, s"), seconds);
    let beside =
        ["REGRESSION", "CPU", "by", "the", "generator's,", "×", "its", "4.03", "4.43", "1.10", "1.10–1.10"];
    assert_eq!(row("CPU by the generator's"), beside);
    assert!(text.ends_with("1 regression (threshold 5.00 %).\n"), "{text}");
}

#[test]
fn a_slower_machine_is_no_regression_and_another_generator_no_measure() {
    let slower = |attempt: &mut Attempt| {
        scale_cpu(2.0)(attempt);
        attempt.generator.as_mut().unwrap().cpu_seconds *= 2.0;
    };
    let comparison = of(&crate::sample::record(), &changed(slower));
    assert!(!comparison.regressed(), "{comparison}");
    let mut before = crate::sample::record();
    before.versions.insert(before.tool.clone(), "of another day".to_owned());
    assert!(of(&before, &changed(slower)).regressed());
}

#[test]
fn what_an_api_does_with_its_cpu_is_compared_where_nothing_is_written() {
    let before = crate::sample::reads();
    let mut after = crate::sample::reads();
    for attempt in after.attempts.iter_mut().filter(|attempt| attempt.contestant == "pouco") {
        let api = attempt.resources.as_mut().unwrap().services.get_mut("api1").unwrap();
        api.cpu_seconds *= 2.0;
    }
    let comparison = of(&before, &after);
    let api = line(&comparison, "requests per CPU second, APIs");
    assert_eq!(api.outcome, Outcome::Worse, "{comparison}");
    assert!((api.change.unwrap().ratio.unwrap() - 0.5).abs() < 1e-9);
    assert_eq!(line(&comparison, "requests per CPU second").outcome, Outcome::NoDifference);
    let people = of(&crate::sample::record(), &crate::sample::record());
    assert!(people.lines.iter().all(|line| !line.figure.starts_with("requests per")), "{people}");
}

#[test]
fn records_of_two_budgets_are_not_compared() {
    let mut single = crate::sample::reads();
    single.budget_name = Some("single".to_owned());
    let error = compare(&crate::sample::reads(), &single, DEFAULT_THRESHOLD).unwrap_err().to_string();
    assert!(
        error.contains("budgets") && error.contains("multi: 1.5") && error.contains("single: 1.5"),
        "{error}"
    );
}
