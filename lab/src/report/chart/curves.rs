//! Percentiles of one request, a line for each contestant, named at its end.

use maud::{Markup, html};

use super::{COLOURS, Scale, WIDTH, path, picture, short};
use crate::figures::Percentile;
use crate::format;

const HEIGHT: f64 = 230.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = WIDTH - 106.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = HEIGHT - 22.0;
const NAME_HEIGHT: f64 = 12.5;

/// A contestant: its name, its colour, a time for each of [`Percentile::ALL`].
pub(in crate::report) type Curve = (String, usize, Vec<Option<f64>>);

/// Percentiles of `request`. The axis is that of `everything`, so that pictures beside each other can be
/// compared.
pub(in crate::report) fn curves(id: &str, request: &str, curves: &[Curve], everything: &[f64]) -> Markup {
    let scale = Scale::logarithmic(everything.iter().copied());
    let y = |value: f64| BOTTOM - scale.share(value) * (BOTTOM - TOP);
    let step = (RIGHT - LEFT) / (Percentile::ALL.len() - 1) as f64;
    let x = |index: usize| LEFT + index as f64 * step;
    let content = html! {
        @for (value, label) in scale.ticks() {
            line.grid x1=(LEFT) x2=(RIGHT) y1=(tenth(y(value))) y2=(tenth(y(value))) {}
            text.tick x=(LEFT - 5.0) y=(tenth(y(value) + 3.5)) text-anchor="end" { (label) }
        }
        @for (index, point) in Percentile::ALL.iter().enumerate() {
            text.tick x=(tenth(x(index))) y=(HEIGHT - 6.0) text-anchor="middle" { (point.name().trim_start_matches('p')) }
        }
        @for (_, colour, times) in curves {
            @let places = || times.iter().enumerate().map(|(index, time)| time.map(|time| (x(index), y(time))));
            g class={ "curve c" (colour % COLOURS) @if *colour >= COLOURS { " dashed" } } {
                path.line d=(path(places())) {}
                @for (x, y) in places().flatten() { circle cx=(tenth(x)) cy=(tenth(y)) r="2" {} }
            }
        }
        @for (name, colour, at) in names(curves, y) {
            text class={ "curve-name c" (colour % COLOURS) } x=(RIGHT + 6.0) y=(tenth(at + 4.0)) { (short(&name, 14)) }
        }
    };
    picture(id, &format!("Percentiles of {request}, ms"), &description(curves), HEIGHT, &content)
}

/// Names beside the ends of their lines, moved apart where they would cover each other.
fn names(curves: &[Curve], y: impl Fn(f64) -> f64) -> Vec<(String, usize, f64)> {
    let mut names: Vec<_> = curves
        .iter()
        .filter_map(|(name, colour, times)| {
            Some((name.clone(), *colour, y(times.iter().flatten().last().copied()?)))
        })
        .collect();
    names.sort_by(|a, b| a.2.total_cmp(&b.2));
    let mut free = TOP;
    for name in &mut names {
        name.2 = name.2.max(free);
        free = name.2 + NAME_HEIGHT;
    }
    // What was pushed below the axis goes up again, and pushes in its turn.
    let mut free = BOTTOM;
    for name in names.iter_mut().rev() {
        name.2 = name.2.min(free);
        free = name.2 - NAME_HEIGHT;
    }
    names
}

fn description(curves: &[Curve]) -> String {
    let one = |(name, _, times): &Curve| {
        let points = Percentile::ALL.iter().zip(times);
        let known = points
            .filter_map(|(point, time)| Some(format!("{} {}", point.name(), format::milliseconds((*time)?))));
        format!("{name}: {}", known.collect::<Vec<_>>().join(", "))
    };
    curves.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_cover_each_other() {
        let curves: Vec<Curve> = (0..9).map(|i| (format!("n{i}"), i, vec![Some(5.0)])).collect();
        for height in [TOP, 100.0, BOTTOM] {
            let mut places: Vec<f64> = names(&curves, |_| height).into_iter().map(|name| name.2).collect();
            places.sort_by(f64::total_cmp);
            assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= NAME_HEIGHT - 1e-9), "{places:?}");
            assert!(places[0] >= TOP - NAME_HEIGHT && places[8] <= BOTTOM, "{places:?}");
        }
    }
}
