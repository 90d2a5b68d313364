//! A contestant's load second by second, in four panels whose axes are those of all other contestants.

use maud::{Markup, html};

use super::{Scale, WIDTH, path, picture, round_up};
use crate::contest::Budget;
use crate::format;
use crate::record::Second;

const HEIGHT: f64 = 150.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = WIDTH - 8.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = HEIGHT - 20.0;

/// A limit this many times the largest value would press the line flat: it is then named at the upper edge.
const LIMIT_OFF_SCALE: f64 = 3.0;

/// The ends of the axes, over all contestants.
pub(in crate::report) struct Axes {
    seconds: f64,
    rate: f64,
    p99: Scale,
    cpus: f64,
    memory_mb: f64,
    limit_cpus: f64,
    limit_memory_mb: f64,
}

impl Axes {
    /// Wide enough for all of `series`.
    pub(in crate::report) fn of(series: &[&[Second]], budget: &Budget) -> Self {
        let all = || series.iter().copied().flatten();
        let largest = |read: fn(&Second) -> f64| all().map(read).fold(0.0, f64::max);
        let limit_memory_mb = budget.memory_bytes as f64 / 1e6;
        Self {
            seconds: largest(|second| f64::from(second.second) + 1.0),
            rate: round_up(largest(|second| {
                second.asked.max(second.started as f64).max(second.answers as f64)
            })),
            p99: Scale::logarithmic(all().filter_map(|second| second.p99_ms)),
            cpus: with_limit(largest(|second| second.cpus.unwrap_or(0.0)), budget.cpus),
            memory_mb: with_limit(largest(megabytes), limit_memory_mb),
            limit_cpus: budget.cpus,
            limit_memory_mb,
        }
    }
}

fn megabytes(second: &Second) -> f64 {
    second.memory_bytes.unwrap_or(0) as f64 / 1e6
}

/// The end of an axis: beyond the limit, unless that is far off.
pub(super) fn with_limit(largest: f64, limit: f64) -> f64 {
    round_up(if limit <= largest * LIMIT_OFF_SCALE { limit.max(largest) } else { largest })
}

/// A line of a panel.
pub(super) struct Line<'a> {
    pub(super) class: &'static str,
    pub(super) read: &'a dyn Fn(&Second) -> Option<f64>,
}

/// A panel of one attempt.
pub(super) struct Panel<'a> {
    pub(super) id: String,
    pub(super) title: &'a str,
    pub(super) scale: Scale,
    /// Its value and its name.
    pub(super) limit: Option<(f64, String)>,
    pub(super) lines: &'a [Line<'a>],
    pub(super) failures: bool,
}

/// The four panels of one load: two of what the generator saw, two of what was `used` meanwhile. While the
/// generator has told nothing yet its two are not drawn.
pub(in crate::report) fn panels(
    id: &str,
    who: &str,
    seen: &[Second],
    used: &[Second],
    axes: &Axes,
) -> Markup {
    let rate: [Line<'_>; 3] = [
        Line { class: "answers", read: &|second| Some(second.answers as f64) },
        Line { class: "asked", read: &|second| Some(second.asked) },
        Line { class: "started", read: &|second| Some(second.started as f64) },
    ];
    let p99: [Line<'_>; 1] = [Line { class: "p99", read: &|second| second.p99_ms }];
    let cpus: [Line<'_>; 1] = [Line { class: "cpu", read: &|second| second.cpus }];
    let memory: [Line<'_>; 1] =
        [Line { class: "memory", read: &|second| second.memory_bytes.map(|bytes| bytes as f64 / 1e6) }];
    let cpu_limit = (axes.limit_cpus, format!("limit {}", format::significant(axes.limit_cpus)));
    let memory_limit = (axes.limit_memory_mb, format!("limit {}", format::significant(axes.limit_memory_mb)));
    let linear = |max: f64| Scale::Linear { max };
    let all = [
        ("rate", "Users and answers, 1/s", linear(axes.rate), None, &rate[..], seen),
        ("p99", "p99, ms", axes.p99, None, &p99[..], seen),
        ("cpu", "CPU, cores", linear(axes.cpus), Some(cpu_limit), &cpus[..], used),
        ("memory", "Memory, MB", linear(axes.memory_mb), Some(memory_limit), &memory[..], used),
    ];
    html! {
        div.panels {
            @for (name, title, scale, limit, lines, series) in all.into_iter().filter(|panel| !panel.5.is_empty()) {
                figure {
                    figcaption { (title) }
                    (Panel { id: format!("{id}-{name}"), title, scale, limit, lines, failures: name == "rate" }
                        .draw(who, series, axes.seconds))
                }
            }
        }
    }
}

impl Panel<'_> {
    pub(super) fn draw(&self, who: &str, series: &[Second], seconds: f64) -> Markup {
        let x = |second: f64| LEFT + second / seconds.max(1.0) * (RIGHT - LEFT);
        let y = |value: f64| BOTTOM - self.scale.share(value) * (BOTTOM - TOP);
        let content = html! {
            @for (value, label) in self.scale.ticks() {
                line.grid x1=(LEFT) x2=(RIGHT) y1=(tenth(y(value))) y2=(tenth(y(value))) {}
                text.tick x=(LEFT - 5.0) y=(tenth(y(value) + 3.5)) text-anchor="end" { (label) }
            }
            @for second in x_ticks(seconds) {
                text.tick x=(tenth(x(second))) y=(HEIGHT - 5.0) text-anchor="middle" { (format::count(second)) " s" }
            }
            @for line in self.lines {
                path class={ "line " (line.class) }
                    d=(path(series.iter().map(|second| {
                        (line.read)(second).map(|value| (x(f64::from(second.second)), y(value)))
                    }))) {}
            }
            @if self.failures {
                @for second in series.iter().filter(|second| second.failed > 0) {
                    line.failure x1=(tenth(x(f64::from(second.second)))) x2=(tenth(x(f64::from(second.second))))
                        y1=(BOTTOM - 5.0) y2=(BOTTOM) {}
                }
            }
            @if let Some((value, label)) = &self.limit { (self.limit(*value, label)) }
        };
        picture(&self.id, &format!("{who}: {}", self.title), &self.description(series), HEIGHT, &content)
    }

    /// The limit as a line, or as an arrow upwards where it is far above.
    fn limit(&self, value: f64, label: &str) -> Markup {
        let inside = matches!(self.scale, Scale::Linear { max } if value <= max);
        let at = if inside { BOTTOM - self.scale.share(value) * (BOTTOM - TOP) } else { TOP };
        html! {
            @if inside { line.limit x1=(LEFT) x2=(RIGHT) y1=(tenth(at)) y2=(tenth(at)) {} }
            text.limit-text x=(RIGHT) y=(tenth(at - 4.0)) text-anchor="end" {
                (label) @if !inside { " ↑" }
            }
        }
    }

    fn description(&self, series: &[Second]) -> String {
        let mut parts = Vec::new();
        for line in self.lines {
            let values: Vec<f64> = series.iter().filter_map(line.read).collect();
            let largest = values.iter().copied().fold(0.0, f64::max);
            if !values.is_empty() {
                parts.push(format!("{}: at most {}", line.class, format::significant(largest)));
            }
        }
        if self.failures {
            let failed: u64 = series.iter().map(|second| second.failed).sum();
            parts.push(format!("failed requests: {}", format::count(failed as f64)));
        }
        if let Some((_, label)) = &self.limit {
            parts.push(label.clone());
        }
        format!("{} over {} s.", parts.join("; "), series.len())
    }
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// From 0 on, never so far right that the label leaves the picture.
fn x_ticks(seconds: f64) -> Vec<f64> {
    let step = super::nice_step(seconds, 5.0);
    let mut ticks = Vec::new();
    let mut at = 0.0;
    while at <= seconds * 0.98 && ticks.len() < 12 {
        ticks.push(at);
        at += step;
    }
    ticks
}
