//! What an experiment has shown: a picture of each of its figures, and a table of all of them. What may not
//! enter: anything that the record's own report, which lies beside it, says better.

use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use super::chart::{Bars, Row};
use super::html::{STYLE, hatch};
use super::{View, details, format, words};
use crate::contestant::Role;
use crate::experiment::{Experiment, Figure, Measured, WAIT};
use crate::figures::{Correctness, Metric, Percentile, Standing};
use crate::record::{Attempt, Record};
use crate::stats;
use crate::table::{Cell, Column, Row as Line, Table, Tone, escape};

/// One file as HTML, one as Markdown.
#[must_use]
pub fn experiment(experiment: &Experiment, record: &Record, measured: &[Measured]) -> (String, String) {
    let view = View::new(record);
    let parts = Parts { experiment, standings: in_order(&view), view, measured };
    (parts.html(), parts.markdown())
}

/// As the experiment names them, and not as they stand.
fn in_order<'a>(view: &View<'a>) -> Vec<Standing<'a>> {
    let mut standings = view.standings.clone();
    standings.sort_by_key(|standing| standing.index);
    standings
}

struct Parts<'a> {
    experiment: &'a Experiment,
    view: View<'a>,
    standings: Vec<Standing<'a>>,
    measured: &'a [Measured],
}

impl Figure {
    fn title(self) -> &'static str {
        match self {
            Self::RequestsPerSecond => "Requests a second",
            Self::P99Ms => "p99, ms",
            Self::WaitP99Ms => "Wait for a connection, p99, ms",
            Self::ApiCpuMs => "CPU of the API, ms a request",
        }
    }

    fn of(self, attempt: &Attempt) -> Option<f64> {
        let load = attempt.load.as_ref()?;
        let requests = load.total.count as f64;
        match self {
            Self::RequestsPerSecond => (load.seconds > 0.0).then(|| requests / load.seconds),
            Self::P99Ms => Metric::Time(None, Percentile::P99).of(attempt),
            Self::WaitP99Ms => Metric::Time(Some(WAIT.to_owned()), Percentile::P99).of(attempt),
            Self::ApiCpuMs => {
                let cpu = Metric::RoleCpu(Role::Api).of(attempt)?;
                (requests > 0.0).then(|| cpu * 1e3 / requests)
            }
        }
    }
}

impl Parts<'_> {
    /// Of all attempts with figures: one that was disqualified is drawn too, by the name of what it did.
    fn values(standing: &Standing<'_>, figure: Figure) -> Vec<f64> {
        standing.attempts.iter().filter_map(|attempt| figure.of(attempt)).collect()
    }

    fn bars(&self, figure: Figure) -> Vec<Row> {
        let row = |standing: &Standing<'_>| {
            let (_, text, tone) = words::correctness(standing);
            let values = Self::values(standing, figure);
            let fault = (standing.correctness > Correctness::Unchecked).then_some(text);
            let estimate = stats::estimate(&values)?;
            Some(Row { name: standing.entry.id.clone(), fault, tone, values, estimate })
        };
        self.standings.iter().filter_map(row).collect()
    }

    /// What the bench has measured, by its names in their order.
    fn bench(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for name in self.measured.iter().map(|one| &one.name) {
            if rows.iter().any(|row| row.name == *name) {
                continue;
            }
            let values: Vec<f64> =
                self.measured.iter().filter(|one| one.name == *name).map(|one| one.value).collect();
            if let Some(estimate) = stats::estimate(&values) {
                rows.push(Row { name: name.clone(), fault: None, tone: Tone::Good, values, estimate });
            }
        }
        rows
    }

    fn bench_title(&self) -> &str {
        self.experiment.bench.as_ref().map_or("", |bench| &bench.title)
    }

    fn table(&self) -> Table {
        let figures = &self.experiment.figures;
        let mut columns = vec![Column::text("Point"), Column::text("Answers and rows")];
        columns.extend(figures.iter().map(|figure| Column::number(figure.title())));
        let row = |standing: &Standing<'_>| {
            let (symbol, text, tone) = words::correctness(standing);
            let judged = Cell::new(format!("{symbol} {text}")).tone(tone);
            let mut cells = vec![Cell::new(&standing.entry.id), judged];
            cells.extend(figures.iter().map(|figure| cell(&Self::values(standing, *figure))));
            let rest = (!standing.ranked()).then(|| words::reasons(standing));
            (cells, rest)
        };
        let mut rows = Vec::new();
        for (cells, reasons) in self.standings.iter().map(row) {
            rows.push(Line { cells, rest: None });
            rows.extend(reasons.map(|reasons| Line { cells: vec![Cell::new("")], rest: Some(reasons) }));
        }
        Table::new("Medians, with the smallest and the largest value of all rounds below.", columns)
            .with(rows)
    }

    fn bench_table(&self) -> Table {
        let row = |row: Row| Line { cells: vec![Cell::new(row.name), cell(&row.values)], rest: None };
        let columns = vec![Column::text("Of the bench"), Column::number(self.bench_title())];
        Table::new("Measured beside, without a server.", columns)
            .with(self.bench().into_iter().map(row).collect())
    }

    fn html(&self) -> String {
        let record = self.view.record;
        let tables = [self.table(), self.bench_table(), details::circumstances(&self.view)];
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
                    header {
                        p.kicker { "pouco-lab · experiment " (self.experiment.name) " · " (format::moment(&record.started_at)) }
                        h1 { (record.title) }
                        p.lead { (self.experiment.about) }
                    }
                    main {
                        (self.pictures())
                        @for (index, table) in tables.iter().enumerate() {
                            @if !table.is_empty() { (table.html(&format!("experiment-{index}"))) }
                        }
                        pre { (record.command) }
                    }
                }
            }
        }
        .into_string()
    }

    fn pictures(&self) -> Markup {
        let of_runs = self.experiment.figures.iter().map(|figure| (figure.title(), self.bars(*figure)));
        let of_bench = (self.bench_title(), self.bench());
        markup! {
            div.charts {
                @for (index, (title, rows)) in of_runs.chain([of_bench]).enumerate() {
                    @if !rows.is_empty() {
                        figure {
                            figcaption { (title) }
                            (Bars { id: &format!("bars-{index}"), title, logarithmic: false, rows }.draw())
                        }
                    }
                }
            }
            p.note { "Mark: median. Line: 95 % interval. Dots: single rounds. Hatched: was caught, as its name says." }
        }
    }

    fn markdown(&self) -> String {
        let record = self.view.record;
        let mut out = format!("# {}\n\n{}\n\n", escape(&record.title), escape(&self.experiment.about));
        for table in [self.table(), self.bench_table(), details::circumstances(&self.view)] {
            if !table.is_empty() {
                out.push_str(&format!("{}\n\n", escape(&table.caption)));
                table.markdown(&mut out);
            }
        }
        out.push_str(&format!("```sh\n{}\n```\n", record.command.replace("```", "")));
        out
    }
}

fn cell(values: &[f64]) -> Cell {
    let Some(estimate) = stats::estimate(values) else { return Cell::new(format::ABSENT).tone(Tone::Muted) };
    let cell = Cell::new(format::significant(estimate.median));
    let (low, high) =
        values.iter().fold((f64::MAX, f64::MIN), |(low, high), it| (low.min(*it), high.max(*it)));
    if values.len() > 1 { cell.small(format::range(low, high)) } else { cell }
}
