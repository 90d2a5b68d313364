//! A comparison as lines for a terminal.

use std::fmt::{Display, Formatter, Result};

use super::{Comparison, FigureChange, Outcome};
use crate::format;
use crate::stats::Estimate;

impl Display for Comparison {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        let mut last = "";
        for line in &self.lines {
            if last != line.contestant {
                let titles = ["", "figure", "before", "after", "ratio", "95 % interval"];
                writeln!(out, "{}{}", if last.is_empty() { "" } else { "\n" }, line.contestant)?;
                row(out, &titles.map(str::to_owned))?;
                last = &line.contestant;
            }
            row(out, &cells(line))?;
        }
        writeln!(out)?;
        for note in &self.notes {
            writeln!(out, "note: {note}")?;
        }
        let regressions = self.lines.iter().filter(|line| line.regression).count();
        let percent = format::significant(self.threshold * 100.0);
        match regressions {
            0 => writeln!(out, "No regression (threshold {percent} %)."),
            1 => writeln!(out, "1 regression (threshold {percent} %)."),
            more => writeln!(out, "{more} regressions (threshold {percent} %)."),
        }
    }
}

fn row(out: &mut Formatter<'_>, cells: &[String; 6]) -> Result {
    let [outcome, figure, before, after, ratio, interval] = cells;
    let line = format!("  {outcome:<14} {figure:<28} {before:>12} {after:>12} {ratio:>7}  {interval}");
    writeln!(out, "{}", line.trim_end())
}

fn cells(line: &FigureChange) -> [String; 6] {
    let outcome = match (line.outcome, line.regression) {
        (_, true) => "REGRESSION",
        (Outcome::Worse, false) => "worse",
        (Outcome::Better, _) => "better",
        (Outcome::NoDifference, _) => "no difference",
    };
    let figure =
        if line.unit.is_empty() { line.figure.clone() } else { format!("{}, {}", line.figure, line.unit) };
    // Correctness is counted; everything else is measured.
    let shown = |estimate: &Estimate| match line.change {
        None => format::count(estimate.median),
        Some(_) => format::significant(estimate.median),
    };
    let (ratio, interval) = match line.change {
        None => (String::new(), "worst round".to_owned()),
        Some(change) => (
            change.ratio.map_or_else(|| "–".to_owned(), format::significant),
            change.ratio_interval.map_or_else(
                || change.difference_interval.map_or_else(|| "no interval".to_owned(), differences),
                |(low, high)| format::range(low, high),
            ),
        ),
    };
    [outcome.to_owned(), figure, shown(&line.before), shown(&line.after), ratio, interval]
}

fn differences((low, high): (f64, f64)) -> String {
    format!("difference {}", format::range(low, high))
}
