//! A load in several forms: each beside the first of the same contestant, what it costs the database, and
//! what else was proven.

use super::ranking::estimated;
use super::{View, format};
use crate::figures::{Metric, Percentile, Standing};
use crate::record::Proven;
use crate::stats;
use crate::table::{Cell, Column, Group, Row, Table, Tone, faults, number, optional};

/// What pairs are compared by.
const COMPARED: [(&str, Metric); 4] = [
    ("Requests a second", Metric::RequestsPerSecond),
    ("CPU, s per 1,000 requests", Metric::CpuPerThousand),
    ("Statements a request", Metric::StatementsPerRequest),
    ("Commits a request", Metric::CommitsPerRequest),
];

/// Of each contestant the first variant, and each other one with its ratio to it.
pub(super) fn pairs(view: &View<'_>) -> Table {
    let mut columns = vec![Column::text("Contestant"), Column::text("Variant")];
    for (title, _) in &COMPARED {
        columns.extend([Column::of(title, "median"), Column::of(title, "× the first's")]);
    }
    let p99 = Metric::Time(None, Percentile::P99);
    columns.push(Column::number("p99, ms"));
    let mut table =
        Table::new("Each variant beside the first one: medians, ratios, and 95 % intervals.", columns);
    table.head = 1;
    let order = &view.record.contestants;
    let of = |id: &str| view.standings.iter().find(|standing| standing.entry.id == id && standing.ranked());
    let mut rows = Vec::new();
    for entry in order.iter().filter(|entry| entry.variant.is_some()) {
        let Some(standing) = of(&entry.id) else { continue };
        let first = order.iter().find(|it| (&it.name, &it.mode) == (&entry.name, &entry.mode));
        let first = first.filter(|it| it.id != entry.id).and_then(|it| of(&it.id));
        let mut cells = vec![Cell::new(&entry.title).small(&entry.mode)];
        cells.push(Cell::new(entry.variant.as_deref().unwrap_or_default()));
        for (_, metric) in &COMPARED {
            cells.push(estimated(metric, standing.estimate(metric)));
            cells.push(ratio(first, standing, metric));
        }
        cells.push(estimated(&p99, standing.estimate(&p99)));
        rows.push(Row { cells, rest: None });
    }
    table.with(rows)
}

fn ratio(first: Option<&Standing<'_>>, standing: &Standing<'_>, metric: &Metric) -> Cell {
    let change = first.and_then(|first| stats::change(&first.values(metric), &standing.values(metric)));
    let Some((ratio, change)) = change.and_then(|change| Some((change.ratio?, change))) else {
        return Cell::new(format::ABSENT).tone(Tone::Muted);
    };
    let cell = Cell::new(format!("× {}", format::significant(ratio)));
    match change.ratio_interval {
        Some((low, high)) if low < high => cell.small(format::range(low, high)),
        _ => cell,
    }
}

/// What must hold beside each answer and each row.
pub(super) fn proofs(view: &View<'_>) -> Table {
    let mut columns: Vec<Column> = ["Round", "What was looked for"].map(Column::text).into();
    columns.extend(["Found", "Of these wrong"].map(Column::number));
    columns.push(Column::text("In words"));
    let mut table = Table::new("What must hold beside each answer and each row of users.", columns);
    for standing in &view.standings {
        let each = standing.attempts.iter().flat_map(|it| it.proofs.iter().map(|proven| (it.round, proven)));
        let rows: Vec<Row> = each.map(|(round, proven)| proof(round, proven)).collect();
        if !rows.is_empty() {
            table.groups.push(Group { title: Some(view.label(standing)), rows });
        }
    }
    table
}

fn proof(round: u32, proven: &Proven) -> Row {
    let cells = vec![
        Cell::new(format!("round {round}")),
        Cell::new(&proven.what),
        number(proven.count),
        faults(proven.wrong),
        optional((!proven.found.is_empty()).then(|| proven.found.clone())),
    ];
    Row { cells, rest: None }
}
