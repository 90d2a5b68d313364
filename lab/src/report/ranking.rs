//! The tables that compare contestants: the ranking, where the CPU went, times by request.

use super::{View, format};
use crate::contestant::Role;
use crate::figures::{Correctness, Metric, Standing, role_name};
use crate::oracle::words::SHOWN;
use crate::record::{Attempt, Usage};
use crate::stats::{self, Estimate};
use crate::table::{Cell, Column, Group, Row, Table, Tone};

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
    let words = view.words;
    let judged = words.column;
    let (columns, metrics): (Vec<_>, Vec<_>) = (view.words.ranking)(view.creation()).into_iter().unzip();
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
    for (correctness, title) in words.titles {
        let of_group = view.standings.iter().filter(|standing| standing.correctness == *correctness);
        let rows: Vec<_> = of_group.map(|standing| ranking_row(view, standing, &metrics)).collect();
        if !rows.is_empty() {
            table.groups.push(Group { title: Some((*title).to_owned()), rows });
        }
    }
    table
}

fn ranking_row(view: &View<'_>, standing: &Standing<'_>, metrics: &[Metric]) -> Row {
    let (symbol, text, tone) = super::words::correctness(standing);
    let mut remarks = vec![format::promise(standing.entry.acknowledges)];
    let words = view.words;
    let is_killed = words.titles.iter().any(|(group, _)| *group == Correctness::LostWhenKilled);
    if is_killed
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
        standing.rank.filter(|_| !words.caught_first || standing.correctness <= Correctness::Unchecked);
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
        return Row { cells, rest: Some(super::words::reasons(standing)) };
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
