//! The tables that compare contestants: the ranking, where the CPU went, times by request.

use super::table::{Cell, Column, Group, Row, Table, Tone};
use super::{View, format, shop, words};
use crate::contestant::{Acknowledges, Role};
use crate::figures::{Correctness, Metric, Percentile, Standing, role_name};
use crate::record::{Attempt, Usage};
use crate::stats::{self, Estimate};

/// The points of a distribution that tables show.
pub(super) const SHOWN: [Percentile; 4] =
    [Percentile::P50, Percentile::P95, Percentile::P99, Percentile::Max];

/// A median with its interval below, as `metric` is written.
pub(super) fn estimated(metric: &Metric, estimate: Option<Estimate>) -> Cell {
    let Some(estimate) = estimate else {
        return Cell::new(format::ABSENT).tone(Tone::Muted);
    };
    // A generator that knows whole milliseconds only shall not look more exact than it is.
    let (low, high) = estimate.interval.unwrap_or((estimate.median, estimate.median));
    let whole = [low, estimate.median, high].iter().all(|value| value.fract() == 0.0);
    let write = |value: f64| match metric {
        Metric::Time(..) if whole => format::count(value),
        Metric::Failed => format::count(value),
        _ => format::significant(value),
    };
    let cell = Cell::new(write(estimate.median));
    match estimate.interval {
        Some((low, high)) if low < high => cell.small(format!("{}–{}", write(low), write(high))),
        _ => cell,
    }
}

/// The first table of a report.
pub(super) fn ranking(view: &View<'_>) -> Table {
    let judged = if view.is_shop() { "Stock" } else { "Correctness" };
    let (columns, metrics) = if view.is_shop() { shop::columns(view) } else { measured(view) };
    let columns = [Column::text(judged), Column::text("Contestant")].into_iter().chain(columns).collect();
    let rounds = match view.rounds() {
        0 => "no rounds".to_owned(),
        1 => "one round".to_owned(),
        many => format!("medians of {many} rounds, below them 95 % intervals"),
    };
    let judged = judged.to_lowercase();
    let mut table =
        Table::new(format!("Ranking: {judged} first, then CPU for each request; {rounds}."), columns);
    table.head = 1;
    for (correctness, title) in titles(view) {
        let of_group = view.standings.iter().filter(|standing| standing.correctness == correctness);
        let rows: Vec<_> = of_group.map(|standing| ranking_row(view, standing, &metrics)).collect();
        if !rows.is_empty() {
            table.groups.push(Group { title: Some(title.to_owned()), rows });
        }
    }
    table
}

/// Columns behind the name, and what stands in them.
fn measured(view: &View<'_>) -> (Vec<Column>, Vec<Metric>) {
    let mut columns = vec![
        Column::of("CPU", "s per 1,000 requests"),
        Column::of("CPU", "s, whole stack"),
        Column::of("CPU", "× the generator's"),
    ];
    let mut metrics = vec![Metric::CpuPerThousand, Metric::Cpu, Metric::CpuByGenerator];
    if view.asks_the_api() {
        columns.push(Column::of("Requests per CPU s", "API"));
        metrics.push(Metric::RequestsPerRoleCpu(Role::Api));
    }
    if view.reads_only() || view.judges_both() {
        columns.push(Column::of("Requests per CPU s", "whole stack"));
        metrics.push(Metric::RequestsPerCpu);
    }
    columns.extend(["working peak", "raw peak"].map(|peak| Column::of("Memory, MB", peak)));
    columns.push(Column::number("Capacity, × the rates"));
    metrics.extend([Metric::Memory, Metric::MemoryRaw, Metric::Capacity]);
    let mut times = |name: Option<String>| {
        let group = format!("{}, ms", name.as_deref().unwrap_or("all requests"));
        columns.extend(SHOWN.map(|point| Column::of(&group, point.name())));
        metrics.extend(SHOWN.map(|point| Metric::Time(name.clone(), point)));
    };
    let creation = view.creation();
    if creation.is_some() {
        times(creation);
    }
    times(None);
    columns.push(Column::number("Failed requests"));
    metrics.push(Metric::Failed);
    (columns, metrics)
}

/// Headings of groups, in their order.
fn titles(view: &View<'_>) -> Vec<(Correctness, &'static str)> {
    if view.is_shop() {
        return shop::TITLES.to_vec();
    }
    if view.judges_both() {
        return vec![
            (Correctness::Wrong, "Caught: its answers or its rows are not as they must be"),
            (Correctness::Exact, "Every answer right and every row exact"),
            (Correctness::KnownToLose, "Loses what it acknowledges, as this variant is known to: not ranked"),
            (Correctness::Unchecked, "Not checked"),
            (Correctness::Disqualified, "Disqualified: figures cannot be compared"),
            (Correctness::Failed, "Did not finish"),
        ];
    }
    let [exact, unchecked, wrong] = match view.has_rows() {
        true => ["Every row exact", "Rows not checked", "Loses or damages rows without any mishap"],
        false => ["Every answer right", "Answers not checked", "Answers wrongly"],
    };
    vec![
        (Correctness::Exact, exact),
        (Correctness::Unchecked, unchecked),
        (
            Correctness::LostWhenKilled,
            "Loses acknowledged rows when it is killed, or does not find them after it",
        ),
        (Correctness::Wrong, wrong),
        (Correctness::Disqualified, "Disqualified: figures cannot be compared"),
        (Correctness::Failed, "Did not finish"),
    ]
}

fn ranking_row(view: &View<'_>, standing: &Standing<'_>, metrics: &[Metric]) -> Row {
    let (symbol, text, tone) = words::correctness(standing);
    let mut remarks = vec![format::promise(standing.entry.acknowledges)];
    let writes = standing.entry.acknowledges != Acknowledges::ReadOnly;
    let may_be_killed = writes && !view.judges_both();
    if may_be_killed
        && standing.correctness == Correctness::Exact
        && standing.values(&Metric::LostKilled).is_empty()
    {
        remarks.push("not killed".to_owned());
    }
    if let Some(broken) = standing.worst(&Metric::BrokenRules).filter(|broken| *broken > 0.0) {
        remarks.push(format!("{} broken", format::plural(broken, "rule", "rules")));
    }
    // Where they stand first, whoever was caught stands above those that have a place.
    let rank =
        standing.rank.filter(|_| !view.names_first() || standing.correctness <= Correctness::Unchecked);
    let place = rank.map(|rank| format!("{rank}. ")).unwrap_or_default();
    let (valid, all) = (standing.valid().count(), standing.attempts.len());
    let mut about = standing.entry.language.clone();
    if standing.ranked() && valid < all {
        about.push_str(&format!(", {valid} of {all} rounds"));
    }
    let mut cells = vec![
        Cell::new(format!("{symbol} {text}")).tone(tone).small(remarks.join(", ")),
        Cell::new(format!("{place}{}", view.label(standing))).small(about),
    ];
    if !standing.ranked() {
        return Row { cells, rest: Some(words::reasons(standing)) };
    }
    for metric in metrics {
        let mut cell = estimated(metric, standing.estimate(metric));
        if *metric == Metric::Capacity && standing.capacity_is_at_least() {
            cell.text.insert_str(0, "≥ ");
        }
        let failed = *metric == Metric::Failed && standing.worst(metric).is_some_and(|worst| worst > 0.0);
        cells.push(if failed { cell.tone(Tone::Bad) } else { cell });
    }
    Row { cells, rest: None }
}

/// Which part of a stack the CPU seconds went to.
pub(super) fn cpu(view: &View<'_>) -> Table {
    let roles = [Role::Database, Role::Api, Role::Balancer, Role::Cache];
    let mut columns = vec![Column::text("Contestant")];
    columns.extend(roles.map(|role| Column::of("CPU, s", role_name(role))));
    columns.extend([
        Column::of("CPU, s", "whole stack"),
        Column::number("Throttled, s"),
        Column::of("Switches, thousands", "voluntary"),
        Column::of("Switches, thousands", "involuntary"),
    ]);
    let mut metrics: Vec<_> = roles.map(Metric::RoleCpu).into();
    metrics.extend([Metric::Cpu, Metric::Throttled]);
    let row = |standing: &Standing<'_>| {
        let mut cells = vec![Cell::new(view.label(standing))];
        cells.extend(metrics.iter().map(|metric| estimated(metric, standing.estimate(metric))));
        let switches = |read: fn(&Usage) -> Option<u64>| {
            let total = |attempt: &Attempt| read(&attempt.resources.as_ref()?.total);
            let values: Vec<f64> = standing.valid().filter_map(total).map(|n| n as f64 / 1e3).collect();
            estimated(&Metric::Cpu, stats::estimate(&values))
        };
        cells.extend([
            switches(|usage| usage.voluntary_switches),
            switches(|usage| usage.involuntary_switches),
        ]);
        Row { cells, rest: None }
    };
    let measured = view.ranked().filter(|standing| !standing.values(&Metric::Cpu).is_empty());
    Table::new("Where the CPU went, by the role of the service.", columns).with(measured.map(row).collect())
}

/// Percentiles of each request by itself.
pub(super) fn times(view: &View<'_>) -> Table {
    let mut columns = vec![Column::text("Contestant"), Column::number("Requests"), Column::number("Failed")];
    columns.extend(SHOWN.map(|point| Column::of("Time to the whole answer, ms", point.name())));
    let mut table = Table::new("Times by request.", columns);
    for name in view.requests() {
        let row = |standing: &Standing<'_>| {
            let figures = |attempt: &Attempt| {
                let figures = attempt.load.as_ref()?.requests.get(&name)?;
                Some((figures.count as f64, figures.failed as f64))
            };
            let counted: Vec<(f64, f64)> = standing.valid().filter_map(figures).collect();
            let counts: Vec<f64> = counted.iter().map(|(count, _)| *count).collect();
            let failed: Vec<f64> = counted.iter().map(|(_, failed)| *failed).collect();
            let cell = |values: &[f64]| estimated(&Metric::Failed, stats::estimate(values));
            let mut cells = vec![Cell::new(view.label(standing)), cell(&counts), cell(&failed)];
            cells.extend(SHOWN.map(|point| {
                let metric = Metric::Time(Some(name.clone()), point);
                estimated(&metric, standing.estimate(&metric))
            }));
            (!counts.is_empty()).then_some(Row { cells, rest: None })
        };
        let rows = view.ranked().filter_map(row).collect();
        table.groups.push(Group { title: Some(name.clone()), rows });
    }
    table
}
