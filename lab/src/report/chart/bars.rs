//! One figure of all contestants: a bar to the median, a whisker for the interval, a dot for each round.

use maud::{Markup, html};

use super::{Scale, WIDTH, picture, round_up, short};
use crate::format;
use crate::stats::Estimate;
use crate::table::Tone;

const ROW: f64 = 40.0;
const AXIS: f64 = 22.0;
const LEFT: f64 = 6.0;
const RIGHT: f64 = WIDTH - 10.0;

/// A contestant in the picture.
pub(in crate::report) struct Row {
    pub(in crate::report) name: String,
    /// What is wrong with it, in words; nothing if all is well.
    pub(in crate::report) fault: Option<String>,
    pub(in crate::report) tone: Tone,
    pub(in crate::report) values: Vec<f64>,
    pub(in crate::report) estimate: Estimate,
}

/// A picture of one figure.
pub(in crate::report) struct Bars<'a> {
    pub(in crate::report) id: &'a str,
    /// With the unit.
    pub(in crate::report) title: &'a str,
    /// A range from one to thousands: a bar has no beginning then, and only dots are drawn.
    pub(in crate::report) logarithmic: bool,
    pub(in crate::report) rows: Vec<Row>,
}

impl Bars<'_> {
    pub(in crate::report) fn draw(&self) -> Markup {
        let all = || {
            let intervals = self.rows.iter().filter_map(|row| row.estimate.interval);
            let values = self.rows.iter().flat_map(|row| row.values.iter().copied());
            values.chain(intervals.map(|interval| interval.1))
        };
        let scale = if self.logarithmic {
            Scale::logarithmic(all())
        } else {
            Scale::Linear { max: round_up(all().fold(0.0, f64::max)) }
        };
        let height = self.rows.len() as f64 * ROW + AXIS;
        let content = html! {
            @for (value, label) in scale.ticks() {
                @let at = place(scale, value);
                line.grid x1=(at) x2=(at) y1="2" y2=(height - AXIS + 4.0) {}
                text.tick x=(at) y=(height - 4.0) text-anchor=(anchor(at)) { (label) }
            }
            @for (index, row) in self.rows.iter().enumerate() {
                (self.row(row, scale, index as f64 * ROW))
            }
        };
        picture(self.id, self.title, &self.description(), height, &content)
    }

    fn row(&self, row: &Row, scale: Scale, top: f64) -> Markup {
        let middle = top + 28.0;
        let from = place(scale, 0.0);
        let median = place(scale, row.estimate.median);
        let name = match &row.fault {
            None => short(&row.name, 30),
            // Together as many letters as a name without a fault.
            Some(fault) => {
                let room = 31_usize.saturating_sub(fault.chars().count()).max(8);
                format!("{} · {fault}", short(&row.name, room))
            }
        };
        html! {
            g class={ "mark " (row.tone.class()) } {
                text.name x=(LEFT) y=(top + 15.0) { (name) }
                text.value x=(RIGHT) y=(top + 15.0) text-anchor="end" { (format::significant(row.estimate.median)) }
                @if !self.logarithmic {
                    rect.bar x=(from) y=(middle - 4.0) width=(format!("{:.1}", (median - from).max(1.0))) height="8" rx="1.5" {}
                }
                @if let Some((low, high)) = row.estimate.interval {
                    line.whisker x1=(place(scale, low)) x2=(place(scale, high)) y1=(middle) y2=(middle) {}
                }
                @if row.values.len() > 1 {
                    @for value in &row.values { circle.dot cx=(place(scale, *value)) cy=(middle) r="2.2" {} }
                }
                @if self.logarithmic {
                    circle.median cx=(median) cy=(middle) r="4" {}
                } @else {
                    line.median x1=(median) x2=(median) y1=(middle - 6.5) y2=(middle + 6.5) {}
                }
            }
        }
    }

    fn description(&self) -> String {
        let row = |row: &Row| {
            let fault = row.fault.as_ref().map(|fault| format!(" ({fault})")).unwrap_or_default();
            format!("{}{fault}: {}", row.name, format::significant(row.estimate.median))
        };
        self.rows.iter().map(row).collect::<Vec<_>>().join("; ")
    }
}

/// The place of a value, to a tenth of a unit.
fn place(scale: Scale, value: f64) -> f64 {
    ((LEFT + scale.share(value) * (RIGHT - LEFT)) * 10.0).round() / 10.0
}

/// Labels at the ends stay inside.
fn anchor(at: f64) -> &'static str {
    if at < LEFT + 8.0 {
        "start"
    } else if at > RIGHT - 8.0 {
        "end"
    } else {
        "middle"
    }
}
