//! The page. What may not enter: figures and sentences, which are made elsewhere; scripts; anything from
//! outside the file.

use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use super::chart::{Axes, Bars, Row, curves, panels};
use super::{View, details, format, ranking, variants, words};
use crate::figures::{Correctness, Metric, Percentile, Standing};
use crate::record::{Record, Second};
use crate::table::Table;

/// Light and dark by what the reader's system prefers.
pub(super) const STYLE: &str = include_str!("page.css");

/// `record` as one HTML file that needs nothing beside it.
#[must_use]
pub fn html(record: &Record) -> String {
    let view = View::new(record);
    markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (record.title) " – pouco-lab" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (hatch())
                (header(&view))
                main {
                    (section("ranking", "Ranking", &ranking_part(&view)))
                    (section("variants", "Variants", &tables("variants", &[variants::pairs(&view)])))
                    (section("times", "Answer times", &times_part(&view)))
                    (section("course", "The load second by second", &course_part(&view)))
                    (section("rows", view.words.judged, &rows_part(&view)))
                    (section("budget", "The budget and its proof", &tables(
                        "budget", &[details::budget(&view), details::durability(&view)])))
                    (section("rules", "Rules of the API", &tables("rules", &[details::conformance(&view)])))
                    (section("capacity", "Capacity, step by step", &tables("capacity", &[details::capacity(&view)])))
                    (section("generator", "Generator and remarks", &tables(
                        "generator", &[details::generator(&view), details::remarks(&view)])))
                    (section("run", "The run, and how to repeat it", &run_part(&view)))
                    (section("terms", "What each figure means", &terms(&view)))
                }
            }
        }
    }
    .into_string()
}

/// The filling of bars whose contestant loses rows, for all pictures of the page.
pub(super) fn hatch() -> Markup {
    markup! {
        svg.defs aria-hidden="true" {
            defs {
                pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    line.hatch x1="0" y1="0" x2="0" y2="6" {}
                }
            }
        }
    }
}

fn header(view: &View<'_>) -> Markup {
    let findings = words::findings(view);
    let record = view.record;
    markup! {
        header {
            p.kicker {
                "pouco-lab · " (format::moment(&record.started_at)) " · " (record.tool) " · scale " (record.scale)
                " · " (format::plural(f64::from(view.rounds()), "round", "rounds"))
            }
            h1 { (record.title) }
            p.lead { (findings.lead) }
            dl.findings {
                @for point in &findings.points {
                    div class=(point.tone.class()) { dt { (point.label) } dd { (point.text) } }
                }
            }
        }
    }
}

/// Nothing at all where there is nothing to show.
fn section(id: &str, title: &str, content: &Markup) -> Markup {
    markup! {
        @if !content.0.is_empty() {
            section id=(id) aria-labelledby={ (id) "-title" } {
                h2 id={ (id) "-title" } { (title) }
                (content)
            }
        }
    }
}

fn tables(id: &str, tables: &[Table]) -> Markup {
    markup! {
        @for (index, table) in tables.iter().enumerate() {
            @if !table.is_empty() { (table.html(&format!("{id}-{index}"))) }
        }
    }
}

fn ranking_part(view: &View<'_>) -> Markup {
    let orders = ("orders", "Orders a second", Metric::OrdersPerSecond, false);
    let of_all = [
        ("cpu", "CPU, s per 1,000 requests", Metric::CpuPerThousand, false),
        ("memory", "Memory, MB (working peak)", Metric::Memory, false),
        ("p99", "p99 of all requests, ms (logarithmic)", Metric::Time(None, Percentile::P99), true),
        ("scale", "Capacity, × the contest's rates", Metric::Capacity, false),
    ];
    let drawn = view.ranks_by(&orders.2).then_some(orders).into_iter().chain(of_all).collect::<Vec<_>>();
    let [hatched, ..] = view.words.faulty;
    markup! {
        (ranking::ranking(view).html("ranking-0"))
        div.charts.four {
            @for (id, title, metric, logarithmic) in &drawn {
                @let rows: Vec<Row> = view.ranked().filter_map(|standing| bar(view, standing, metric)).collect();
                @if !rows.is_empty() {
                    figure {
                        figcaption { (title) }
                        (Bars { id: &format!("bars-{id}"), title, logarithmic: *logarithmic, rows }.draw())
                    }
                }
            }
        }
        @if view.ranked().next().is_some() {
            p.note {
                "Mark: median. Line: 95 % interval. Dots: single rounds. Hatched: " (hatched) ", as its name says. \
                 Disqualified contestants are not drawn."
            }
        }
        (tables("cpu", &[ranking::cpu(view), details::logins(view)]))
    }
}

fn bar(view: &View<'_>, standing: &Standing<'_>, metric: &Metric) -> Option<Row> {
    let (_, text, tone) = words::correctness(standing);
    Some(Row {
        name: view.label(standing),
        fault: (standing.correctness > Correctness::Unchecked).then_some(text),
        tone,
        values: standing.values(metric),
        estimate: standing.estimate(metric)?,
    })
}

fn times_part(view: &View<'_>) -> Markup {
    let mut names: Vec<Option<String>> = vec![None];
    names.extend(view.requests().into_iter().map(Some));
    let of = |name: &Option<String>| -> Vec<(String, usize, Vec<Option<f64>>)> {
        let curve = |standing: &Standing<'_>| {
            let median = |point| Some(standing.estimate(&Metric::Time(name.clone(), point))?.median);
            let times: Vec<_> = Percentile::ALL.into_iter().map(median).collect();
            times.iter().any(Option::is_some).then(|| (view.label(standing), standing.index, times))
        };
        view.ranked().filter_map(curve).collect()
    };
    let all: Vec<_> =
        names.iter().map(|name| (name.as_deref().unwrap_or("all requests"), of(name))).collect();
    let everything: Vec<f64> = all
        .iter()
        .flat_map(|(_, curves)| curves.iter().flat_map(|curve| curve.2.iter().flatten()))
        .copied()
        .collect();
    if everything.is_empty() {
        return markup! {};
    }
    markup! {
        div.charts {
            @for (index, (name, lines)) in all.iter().enumerate() {
                @if !lines.is_empty() {
                    figure {
                        figcaption { (name) ", ms by percentile (logarithmic)" }
                        (curves(&format!("curves-{index}"), name, lines, &everything))
                    }
                }
            }
        }
        (tables("times", &[ranking::times(view)]))
    }
}

fn course_part(view: &View<'_>) -> Markup {
    let drawn: Vec<_> =
        view.standings.iter().filter_map(|standing| Some((standing, standing.typical()?))).collect();
    if drawn.is_empty() {
        return markup! {};
    }
    let series: Vec<&[Second]> = drawn.iter().map(|(_, attempt)| attempt.series.as_slice()).collect();
    let axes = Axes::of(&series, &view.record.budget);
    markup! {
        p.note {
            "The round whose CPU seconds are in the middle. All contestants have the same axes; that of p99 is logarithmic. "
            span.key.answers { "answers" } span.key.started { "users started" } span.key.asked { "users asked for" }
            span.key.failure { "a second with failed requests" }
        }
        @for (standing, attempt) in drawn {
            @let (symbol, text, tone) = words::correctness(standing);
            h3 {
                (view.label(standing)) " " span class={ "badge " (tone.class()) } { (symbol) " " (text) }
                " " small { "round " (attempt.round) }
            }
            @let (id, who) = (format!("course-{}", standing.index), view.label(standing));
            (panels(&id, &who, &attempt.series, &attempt.series, &axes))
        }
    }
}

fn rows_part(view: &View<'_>) -> Markup {
    let examples = details::examples(view);
    markup! {
        (tables("rows", &[details::found(view), variants::proofs(view), details::killed(view)]))
        @if !examples.is_empty() {
            p { "A few of what is wrong:" }
            ul { @for example in &examples { li { (example) } } }
        }
    }
}

fn run_part(view: &View<'_>) -> Markup {
    markup! {
        (tables("run", &[details::circumstances(view), details::contestants(view)]))
        p { "To repeat it, at that commit:" }
        pre tabindex="0" { code { (view.record.command) } }
    }
}

fn terms(view: &View<'_>) -> Markup {
    markup! {
        dl.terms { @for (term, meaning) in (view.words.footnotes)() { dt { (term) } dd { (meaning) } } }
    }
}
