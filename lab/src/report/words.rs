//! Who won what, in sentences. What may not enter: numbers that stand in no table.

use super::{View, format};
use crate::contestant::Role;
use crate::figures::{Correctness, Metric, Percentile, Standing};
use crate::oracle::of_record;
use crate::stats;
use crate::table::Tone;

/// The head of a report.
pub(super) struct Findings {
    /// One paragraph.
    pub(super) lead: String,
    /// One line a question.
    pub(super) points: Vec<Point>,
}

pub(super) struct Point {
    pub(super) label: &'static str,
    pub(super) text: String,
    pub(super) tone: Tone,
}

/// A question that is asked of all contestants.
struct Question {
    metric: Metric,
    label: &'static str,
    /// As in "it used …".
    won: &'static str,
    unit: &'static str,
}

fn questions(view: &View<'_>) -> Vec<Question> {
    let mut all = vec![
        Question {
            metric: Metric::CpuPerThousand,
            label: "Least CPU",
            won: "used the least CPU",
            unit: "s per 1,000 requests",
        },
        Question {
            metric: Metric::CpuByGenerator,
            label: "Least CPU by the generator's",
            won: "used the least CPU",
            unit: "× the generator's CPU in the same round",
        },
        Question { metric: Metric::Memory, label: "Least memory", won: "used the least memory", unit: "MB" },
        Question {
            metric: Metric::Time(None, Percentile::P99),
            label: "Shortest p99",
            won: "answered fastest (p99)",
            unit: "ms",
        },
        Question {
            metric: Metric::Capacity,
            label: "Most capacity",
            won: "took the most load",
            unit: "× the contest's rates",
        },
    ];
    if view.ranks_by(&Metric::OrdersPerSecond) {
        all.insert(
            0,
            Question {
                metric: Metric::OrdersPerSecond,
                label: "Most orders a second",
                won: "took the most orders",
                unit: "orders a second",
            },
        );
    }
    if view.ranks_by(&Metric::RequestsPerRoleCpu(Role::Api)) {
        all.push(Question {
            metric: Metric::RequestsPerRoleCpu(Role::Api),
            label: "Most with the API's CPU",
            won: "did the most with the CPU of its API",
            unit: "requests per CPU s",
        });
    }
    all
}

/// What a variant that is known to lose has lost, in its worst round.
fn known_to_lose(standing: &Standing<'_>) -> String {
    let counted = standing.valid().flat_map(|attempt| &attempt.proofs).filter(|proven| proven.count > 0);
    let worst = counted.max_by_key(|proven| proven.count);
    worst.map_or("lost nothing".to_owned(), |it| format!("{} {}", format::count(it.count as f64), it.what))
}

/// What became of the rows, or what the answers were: a symbol, words and a tone.
pub(super) fn correctness(standing: &Standing<'_>) -> (&'static str, String, Tone) {
    let words = of_record(standing.oracle).words();
    match standing.correctness {
        Correctness::Exact => ("✓", words.exact.to_owned(), Tone::Good),
        Correctness::Unchecked => ("?", words.unchecked.to_owned(), Tone::Muted),
        Correctness::KnownToLose => ("!", known_to_lose(standing), Tone::Warn),
        Correctness::LostWhenKilled => ("!", (words.fault)(standing), Tone::Warn),
        Correctness::Wrong | Correctness::StoodStill => ("✗", (words.fault)(standing), Tone::Bad),
        Correctness::Disqualified => ("⊘", "disqualified".to_owned(), Tone::Bad),
        Correctness::Failed => ("⊘", "did not finish".to_owned(), Tone::Bad),
    }
}

/// The same as the end of a sentence about a contestant that has a rank.
fn fault(standing: &Standing<'_>) -> String {
    match standing.correctness {
        Correctness::KnownToLose => format!("has {}", known_to_lose(standing)),
        _ => (of_record(standing.oracle).words().fault_told)(standing),
    }
}

/// The reasons of all attempts and searches that do not count, each once.
pub(super) fn reasons(standing: &Standing<'_>) -> String {
    let mut all: Vec<&str> = Vec::new();
    let attempts = standing.attempts.iter().flat_map(|attempt| &attempt.verdict.reasons);
    for reason in attempts.chain(standing.capacities.iter().flat_map(|search| &search.reasons)) {
        if !all.contains(&reason.as_str()) {
            all.push(reason);
        }
    }
    if all.is_empty() { "No attempt is in the record.".to_owned() } else { all.join("; ") }
}

/// The head of the report.
pub(super) fn findings(view: &View<'_>) -> Findings {
    // A contestant that loses rows may be faster for just that reason: it is named, but it wins nothing.
    let clean: Vec<_> =
        view.ranked().filter(|standing| standing.correctness <= Correctness::Unchecked).collect();
    let field = if clean.is_empty() { view.ranked().collect() } else { clean };
    let mut points = Vec::new();
    let mut won: Vec<(&'static str, &Standing<'_>)> = Vec::new();
    for question in questions(view) {
        if let Some((winner, clear, text)) = answer(view, &field, &question) {
            // Two questions about the CPU make one merit.
            if clear && won.iter().all(|(what, _)| *what != question.won) {
                won.push((question.won, winner));
            }
            points.push(Point { label: question.label, text, tone: Tone::Plain });
        }
    }
    let rows = rows_point(view);
    let place = if view.words.caught_first { 0 } else { points.len() };
    points.splice(place..place, rows);
    for (label, correctness) in
        [("Disqualified", Correctness::Disqualified), ("Did not finish", Correctness::Failed)]
    {
        for standing in view.standings.iter().filter(|standing| standing.correctness == correctness) {
            let text = format!("{}: {}", view.label(standing), reasons(standing));
            points.push(Point { label, text, tone: Tone::Bad });
        }
    }
    Findings { lead: lead(view, &field, &won), points }
}

fn lead(view: &View<'_>, field: &[&Standing<'_>], won: &[(&'static str, &Standing<'_>)]) -> String {
    let Some(first) = field.first() else {
        return "No contestant has a rank in this run.".to_owned();
    };
    let name = view.label(first);
    let [exact, unchecked, caught] = view.words.of_the_field;
    let field_words = match first.correctness {
        Correctness::Exact => exact,
        Correctness::Unchecked => unchecked,
        _ => caught,
    };
    if let [_] = field {
        let others = view.record.contestants.len() - 1;
        return match others {
            0 => format!("{name} ran alone: there is nothing to rank it against."),
            _ => {
                format!("{name} is the only one of {} contestants {field_words}.", others + 1)
                    + &unlike(view, field)
            }
        };
    }
    let wins = |who: &Standing<'_>| -> Vec<String> {
        let mine = won.iter().filter(|(_, winner)| winner.index == who.index);
        mine.map(|(what, _)| (*what).to_owned()).collect()
    };
    let mut sentences = match wins(first).as_slice() {
        [] => {
            vec![format!("{name} is first of {} contestants {field_words}, by a narrow margin.", field.len())]
        }
        mine => vec![format!(
            "{name} is first of {} contestants {field_words}: it {}.",
            field.len(),
            format::list(mine)
        )],
    };
    for other in &field[1..] {
        let theirs = wins(other);
        if !theirs.is_empty() {
            sentences.push(format!("{} {}.", view.label(other), format::list(&theirs)));
        }
    }
    sentences.join(" ") + &unlike(view, field)
}

/// What became of those that are not in `field`: one is told of in full, several by their names.
fn unlike(view: &View<'_>, field: &[&Standing<'_>]) -> String {
    let others: Vec<_> = view.standings.iter().filter(|standing| !is_in(field, standing)).collect();
    let [loses, lose, _] = view.words.faulty;
    let faulty = [Correctness::LostWhenKilled, Correctness::StoodStill, Correctness::Wrong];
    let groups = [
        (loses, lose, &faulty[..]),
        ("is disqualified", "are disqualified", &[Correctness::Disqualified]),
        ("did not finish", "did not finish", &[Correctness::Failed]),
    ];
    let mut text = String::new();
    for (one, many, members) in groups {
        let of_group: Vec<_> = others.iter().filter(|s| members.contains(&s.correctness)).collect();
        let names: Vec<String> = of_group.iter().map(|standing| view.label(standing)).collect();
        match of_group.as_slice() {
            [] => {}
            [single] if single.ranked() => text.push_str(&format!(" {} {}.", names[0], fault(single))),
            [_] => text.push_str(&format!(" {} {one}.", names[0])),
            _ => text.push_str(&format!(" {} {many}.", format::list(&names))),
        }
    }
    text
}

fn is_in(field: &[&Standing<'_>], standing: &Standing<'_>) -> bool {
    field.iter().any(|one| one.index == standing.index)
}

/// Who answers `question` best among `field`, whether that is clear, and a sentence.
fn answer<'v, 'a>(
    view: &View<'a>,
    field: &[&'v Standing<'a>],
    question: &Question,
) -> Option<(&'v Standing<'a>, bool, String)> {
    let metric = &question.metric;
    let better = |a: f64, b: f64| if metric.less_is_better() { a < b } else { a > b };
    let mut known: Vec<_> =
        field.iter().filter_map(|standing| Some((*standing, standing.estimate(metric)?.median))).collect();
    known.sort_by(|a, b| if metric.less_is_better() { a.1.total_cmp(&b.1) } else { b.1.total_cmp(&a.1) });
    let (winner, best) = *known.first()?;
    let mut text = format!("{}, {} {}", view.label(winner), format::significant(best), question.unit);
    let mut clear = true;
    if let Some((second, value)) = known.get(1) {
        let change = stats::change(&winner.values(metric), &second.values(metric))?;
        clear = match change.ratio_interval {
            Some((low, high)) => low > 1.0 || high < 1.0,
            None => change.difference != 0.0,
        };
        let times = if metric.less_is_better() { value / best } else { best / value };
        let (name, value) = (view.label(second), format::significant(*value));
        if !clear {
            text.push_str(&format!("; no clear difference from {name}, {value}"));
        } else if times.is_finite() {
            text.push_str(&format!("; next is {name}, {value} (a factor of {})", format::significant(times)));
        } else {
            text.push_str(&format!("; next is {name}, {value}"));
        }
    }
    text.push('.');
    let ahead: Vec<String> = view
        .ranked()
        .filter(|other| !is_in(field, other))
        .filter_map(|other| Some((other, other.estimate(metric)?.median)))
        .filter(|(_, value)| better(*value, best))
        .map(|(other, value)| format!("{} ({})", view.label(other), format::significant(value)))
        .collect();
    if !ahead.is_empty() {
        let [.., but] = view.words.faulty;
        text.push_str(&format!(" Ahead of it, but {but}: {}.", format::list(&ahead)));
    }
    Some((winner, clear, text))
}

fn rows_point(view: &View<'_>) -> Option<Point> {
    let exact: Vec<String> = view
        .ranked()
        .filter(|standing| standing.correctness == Correctness::Exact)
        .map(|standing| view.label(standing))
        .collect();
    let faulty: Vec<&Standing<'_>> =
        view.ranked().filter(|standing| standing.correctness > Correctness::Unchecked).collect();
    let mut text = String::new();
    if !exact.is_empty() {
        let what = view.words.clean;
        text = format!("{} {what}.", format::list(&exact));
    }
    for standing in &faulty {
        text.push_str(&format!(" {} {}.", view.label(standing), fault(standing)));
    }
    let tone = if faulty.is_empty() { Tone::Plain } else { Tone::Warn };
    let label = view.words.judged;
    (!text.is_empty()).then(|| Point { label, text: text.trim_start().to_owned(), tone })
}
