//! Pictures as inline SVG: scales, axes, lines. Each has a title and a description for those who hear it.
//!
//! All are drawn 320 units wide and scale to the width they get, so that letters stay readable on a phone.
//! What may not enter: a fact that stands in no table.

mod bars;
mod curves;
mod series;
mod tracks;

pub(super) use bars::{Bars, Row};
pub(super) use curves::curves;
pub(super) use series::{Axes, panels};
pub use tracks::{Track, svg_tracks};

use maud::{Markup, html};

/// Units of a picture's width.
const WIDTH: f64 = 320.0;

/// Lines have this many colours before dashes begin to tell them apart.
pub(super) const COLOURS: usize = 8;

/// A picture with its name and what can be seen in it.
fn picture(id: &str, title: &str, description: &str, height: f64, content: &Markup) -> Markup {
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-labelledby={ (id) "-t " (id) "-d" } {
            title id={ (id) "-t" } { (title) }
            desc id={ (id) "-d" } { (description) }
            (content)
        }
    }
}

/// From a value to a place.
#[derive(Clone, Copy, Debug)]
enum Scale {
    Linear {
        max: f64,
    },
    /// Both above 0.
    Logarithmic {
        min: f64,
        max: f64,
    },
}

impl Scale {
    /// Around all of `values`, in whole powers of ten.
    fn logarithmic(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values
            .filter(|value| *value > 0.0 && value.is_finite())
            .fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        if high == 0.0 {
            return Self::Logarithmic { min: 1.0, max: 10.0 };
        }
        let (from, mut to) = (low.log10().floor(), high.log10().ceil());
        if to <= from {
            to = from + 1.0;
        }
        Self::Logarithmic { min: 10_f64.powf(from), max: 10_f64.powf(to) }
    }

    /// From 0 to 1, for values from the one end to the other.
    fn share(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear { max } if max > 0.0 => value / max,
            Self::Linear { .. } => 0.0,
            Self::Logarithmic { min, max } => (value.max(min) / min).ln() / (max / min).ln(),
        };
        share.clamp(0.0, 1.0)
    }

    /// Places for lines across, with their labels.
    fn ticks(self) -> Vec<(f64, String)> {
        match self {
            Self::Linear { max } => {
                let step = nice_step(max, 5.0);
                let decimals = if step >= 1.0 {
                    0
                } else if step >= 0.1 {
                    1
                } else {
                    2
                };
                let mut ticks = Vec::new();
                let mut value = 0.0;
                while value <= max * 1.000_1 && ticks.len() < 12 {
                    let label = if decimals == 0 || value == 0.0 {
                        super::format::count(value)
                    } else {
                        format!("{value:.decimals$}")
                    };
                    ticks.push((value, label));
                    value += step;
                }
                ticks
            }
            Self::Logarithmic { min, max } => {
                let mut ticks = Vec::new();
                let mut value = min;
                if max / min <= 10.5 {
                    // A single power of ten has no line within.
                    ticks.extend([1.0, 2.0, 5.0, 10.0].map(|factor| (min * factor, power(min * factor))));
                    return ticks;
                }
                while value <= max * 1.000_1 && ticks.len() < 12 {
                    ticks.push((value, power(value)));
                    value *= 10.0;
                }
                ticks
            }
        }
    }
}

/// A power of ten in as few letters as can be.
fn power(value: f64) -> String {
    if value >= 0.999 { super::format::count(value) } else { format!("{}", (value * 1e6).round() / 1e6) }
}

/// 1, 2 or 5 times a power of ten, about `count` times in `max`.
fn nice_step(max: f64, count: f64) -> f64 {
    if max.is_nan() || max <= 0.0 {
        return 1.0;
    }
    let rough = max / count;
    let size = 10_f64.powf(rough.log10().floor());
    let factor = rough / size;
    size * if factor <= 1.0 {
        1.0
    } else if factor <= 2.0 {
        2.0
    } else if factor <= 5.0 {
        5.0
    } else {
        10.0
    }
}

/// `max` or a little more, so that the highest line across is a round number.
fn round_up(max: f64) -> f64 {
    if max.is_nan() || max <= 0.0 {
        return 1.0;
    }
    let step = nice_step(max, 5.0);
    (max / step).ceil() * step
}

/// A line through `points`, with gaps where there is none.
fn path(points: impl Iterator<Item = Option<(f64, f64)>>) -> String {
    let mut path = String::new();
    let mut pen_down = false;
    for point in points {
        match point {
            Some((x, y)) => {
                path.push_str(&format!("{}{x:.1} {y:.1}", if pen_down { "L" } else { "M" }));
                pen_down = true;
            }
            None => pen_down = false,
        }
    }
    path
}

/// A name cut to what a picture has room for.
pub(super) fn short(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    let kept: String = text.chars().take(letters.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_on_round_numbers() {
        for (max, top) in
            [(0.137, 0.15), (1.5, 1.5), (403.0, 500.0), (61.0, 80.0), (0.0, 1.0), (f64::NAN, 1.0)]
        {
            assert!((round_up(max) - top).abs() < 1e-9, "{max}: {}", round_up(max));
        }
    }

    #[test]
    fn ticks_are_few_and_within_the_axis() {
        for max in [0.0, 1e-9, 0.07, 1.5, 740.0, 3e9] {
            let ticks = Scale::Linear { max: round_up(max) }.ticks();
            assert!((2..=7).contains(&ticks.len()), "{max}: {ticks:?}");
        }
        let labels: Vec<_> = Scale::logarithmic([0.02, 8_106.0].into_iter()).ticks();
        let labels: Vec<_> = labels.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, ["0.01", "0.1", "1", "10", "100", "1,000", "10,000"]);
    }

    #[test]
    fn shares_stay_between_the_ends() {
        let linear = Scale::Linear { max: 10.0 };
        assert_eq!([-1.0, 0.0, 5.0, 99.0].map(|value| linear.share(value)), [0.0, 0.0, 0.5, 1.0]);
        let logarithmic = Scale::Logarithmic { min: 1.0, max: 100.0 };
        assert_eq!([0.0, 1.0, 10.0, 1e9].map(|value| logarithmic.share(value)), [0.0, 0.0, 0.5, 1.0]);
        assert_eq!(Scale::Linear { max: 0.0 }.share(1.0), 0.0);
    }

    #[test]
    fn a_second_without_a_sample_is_a_gap() {
        let points = [Some((0.0, 1.0)), Some((1.0, 2.0)), None, Some((3.0, 4.0))];
        assert_eq!(path(points.into_iter()), "M0.0 1.0L1.0 2.0M3.0 4.0");
    }

    #[test]
    fn long_names_are_cut_at_letters_not_bytes() {
        assert_eq!(short("ação ação", 6), "ação…");
        assert_eq!(short("pouco", 6), "pouco");
    }
}
