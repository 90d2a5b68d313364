//! A picture of a record for a README: CPU, memory and lost rows of all contestants.
//!
//! It stands alone, so it brings its colours with it, paper included: a README is shown on light and on dark
//! pages, and not every reader of SVG knows what its system prefers.

use maud::{Markup, PreEscaped, html};

use super::{View, format, words};
use crate::figures::{Correctness, Metric, Standing};
use crate::record::Record;
use crate::table::Tone;

const WIDTH: f64 = 880.0;
const TOP: f64 = 92.0;
const ROW: f64 = 46.0;
const PAD: f64 = 24.0;
const BAR: f64 = 150.0;
/// Where the columns begin: rows, CPU, memory.
const COLUMNS: [f64; 3] = [250.0, 432.0, 660.0];

/// Without variables, which not every reader of SVG knows; those who know no preference get the light
/// colours.
const STYLE: &str = "
text { font: 14px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1c2127; }
.title { font-size: 17px; font-weight: 600; } .name { font-weight: 600; }
.head, .small { font-size: 12.5px; fill: #5b6570; } .muted { fill: #5b6570; }
.paper { fill: #ffffff; stroke: #dfe3e8; } .rule { stroke: #dfe3e8; }
.bar { fill: #2f6fb0; } .flawed { opacity: .45; }
.good { fill: #19703f; } .warn { fill: #8a5300; font-weight: 600; } .bad { fill: #b3261e; font-weight: 600; }
@media (prefers-color-scheme: dark) {
text { fill: #e8ebee; } .head, .small, .muted { fill: #9aa4af; }
.paper { fill: #14181d; stroke: #2c333b; } .rule { stroke: #2c333b; } .bar { fill: #6aa7e8; }
.good { fill: #63c48d; } .warn { fill: #e0a54a; } .bad { fill: #ff8a80; }
}
";

/// CPU s per 1,000 requests, memory and lost rows of all contestants of `record`, as one SVG file.
#[must_use]
pub fn svg_summary(record: &Record) -> String {
    let view = View::new(record);
    let height = TOP + view.standings.len() as f64 * ROW + 38.0;
    let findings = words::findings(&view);
    let largest = |metric: &Metric| {
        let medians = view.ranked().filter_map(|standing| Some(standing.estimate(metric)?.median));
        medians.fold(0.0, f64::max)
    };
    let (cpu, memory) = (largest(&Metric::CpuPerThousand), largest(&Metric::Memory));
    let heads = [view.words.picture, "CPU, s per 1,000 requests", "Memory, MB"];
    let content = html! {
        title id="t" { (plain(&record.title)) }
        desc id="d" { (plain(&findings.lead)) }
        style { (PreEscaped(STYLE)) }
        rect.paper x="0.5" y="0.5" width=(WIDTH - 1.0) height=(height - 1.0) rx="8" {}
        text.title x=(PAD) y="38" { (plain(&record.title)) }
        text.head x=(PAD) y=(TOP - 16.0) { "Contestant" }
        @for (x, head) in COLUMNS.into_iter().zip(heads) { text.head x=(x) y=(TOP - 16.0) { (head) } }
        @for (index, standing) in view.standings.iter().enumerate() {
            (row(&view, standing, TOP + index as f64 * ROW, cpu, memory))
        }
        line.rule x1=(PAD) x2=(WIDTH - PAD) y1=(height - 38.0) y2=(height - 38.0) {}
        text.small x=(PAD) y=(height - 15.0) { (plain(&foot(&view))) }
    };
    html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(WIDTH) height=(height)
            viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-labelledby="t d" { (content) }
    }
    .into_string()
}

fn row(view: &View<'_>, standing: &Standing<'_>, top: f64, cpu: f64, memory: f64) -> Markup {
    let (symbol, words, tone) = words::correctness(standing);
    let entry = standing.entry;
    let about = format!("{}, {}", entry.language, format::promise(entry.acknowledges));
    let name = super::chart::short(&view.label(standing), 26);
    let flawed = standing.correctness > Correctness::Unchecked;
    html! {
        line.rule x1=(PAD) x2=(WIDTH - PAD) y1=(top) y2=(top) {}
        text.name x=(PAD) y=(top + 20.0) { (plain(&name)) }
        text.small x=(PAD) y=(top + 37.0) { (plain(&super::chart::short(&about, 34))) }
        text class=(tone.class()) x=(COLUMNS[0]) y=(top + 28.0) {
            (symbol) " " (super::chart::short(&words, 24))
        }
        @if standing.ranked() {
            (bar(COLUMNS[1], top, standing, &Metric::CpuPerThousand, cpu, flawed))
            (bar(COLUMNS[2], top, standing, &Metric::Memory, memory, flawed))
        } @else {
            text class={ "small " (Tone::Muted.class()) } x=(COLUMNS[1]) y=(top + 28.0) {
                (plain(&super::chart::short(&words::reasons(standing), 54)))
            }
        }
    }
}

fn bar(x: f64, top: f64, standing: &Standing<'_>, metric: &Metric, largest: f64, flawed: bool) -> Markup {
    let Some(estimate) = standing.estimate(metric) else {
        return html! { text.muted x=(x) y=(top + 28.0) { (format::ABSENT) } };
    };
    let width = if largest > 0.0 { (estimate.median / largest * BAR).max(1.0) } else { 1.0 };
    html! {
        rect class=(if flawed { "bar flawed" } else { "bar" }) x=(x) y=(top + 16.0) width=(format!("{width:.1}")) height="14" rx="2" {}
        text x=(format!("{:.1}", x + width + 8.0)) y=(top + 28.0) { (format::significant(estimate.median)) }
    }
}

fn foot(view: &View<'_>) -> String {
    let record = view.record;
    let rounds = match view.rounds() {
        0 | 1 => String::new(),
        many => format!(", medians of {many} rounds"),
    };
    let budget = &record.budget;
    format!(
        "{}, scale {}{rounds}; each within {}{} CPUs and {} MB; {}; {}",
        record.tool,
        record.scale,
        view.budget_name(),
        format::significant(budget.cpus),
        format::count(budget.memory_bytes as f64 / 1e6),
        record.machine.cpu_model,
        record.started_at.get(..10).unwrap_or(&record.started_at)
    )
}

/// XML, unlike HTML, is broken by control characters.
fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
