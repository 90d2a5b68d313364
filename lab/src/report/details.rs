//! The tables behind the ranking: rows, kills, budgets, rules, capacity, the generator, the machine.

use super::{View, format};
use crate::figures::{Standing, role_name, status_name};
use crate::oracle::words::Cells;
use crate::record::{Attempt, Capacity, Killed, Limits, Proof, Status};
use crate::table::{Cell, Column, Group, Row, Table, Tone, faults, number, optional};

fn row(cells: Vec<Cell>) -> Row {
    Row { cells, rest: None }
}

/// A group for each contestant, with a row for each of its attempts that `of` finds something in.
pub(super) fn by_attempt(view: &View<'_>, table: &mut Table, of: impl Fn(&Attempt) -> Option<Vec<Cell>>) {
    for standing in &view.standings {
        let rows: Vec<Row> = standing
            .attempts
            .iter()
            .filter_map(|attempt| {
                let mut cells = vec![Cell::new(format!("round {}", attempt.round))];
                cells.extend(of(attempt)?);
                Some(row(cells))
            })
            .collect();
        if !rows.is_empty() {
            table.groups.push(Group { title: Some(view.label(standing)), rows });
        }
    }
}

/// What the oracle has found.
pub(super) fn found(view: &View<'_>) -> Table {
    let Cells { caption, columns, of } = (view.words.found)();
    let mut table = Table::new(caption, [Column::text("Round")].into_iter().chain(columns).collect());
    by_attempt(view, &mut table, of);
    table
}

/// What a login has cost, round by round.
pub(super) fn logins(view: &View<'_>) -> Table {
    let columns = vec![
        Column::text("Round"),
        Column::number("Logins measured"),
        Column::of("CPU of one, ms", "API"),
        Column::of("CPU of one, ms", "whole stack"),
        Column::number("Logins in the load"),
        Column::of("CPU of these, s", "API"),
        Column::of("CPU of these, s", "whole stack"),
    ];
    let caption = "Logins, of which nearly all is the hash of the password: measured alone before the load, and what is \
                   taken off its CPU.";
    let mut table = Table::new(caption, columns);
    by_attempt(view, &mut table, |attempt| {
        let logins = attempt.logins?;
        let all = logins.in_load as f64;
        let figure = |value: f64| optional(Some(format::significant(value)));
        Some(vec![
            number(logins.measured),
            figure(logins.api_cpu_seconds * 1e3),
            figure(logins.cpu_seconds * 1e3),
            number(logins.in_load),
            figure(logins.api_cpu_seconds * all),
            figure(logins.cpu_seconds * all),
        ])
    });
    table
}

/// What a SIGKILL of everything did.
pub(super) fn killed(view: &View<'_>) -> Table {
    let columns = ["Acknowledged", "Are there", "Lost", "Altered or foreign", "Not found", "Unavailable, s"];
    let mut all = vec![Column::text("Round")];
    all.extend(columns.into_iter().map(Column::number));
    all.push(Column::text("Asked"));
    let mut table =
        Table::new("Killed (SIGKILL of all processes) in the midst of a load, and started again.", all);
    by_attempt(view, &mut table, |attempt| {
        let killed = attempt.killed.as_ref()?;
        let stored = &killed.stored;
        Some(vec![
            number(stored.acknowledged),
            number(stored.rows),
            faults(stored.lost),
            faults(stored.altered + stored.foreign + stored.duplicated),
            killed.invisible.map_or_else(|| optional(None), faults),
            optional(killed.unavailable_seconds.map(format::significant)),
            optional((!killed.asked.is_empty()).then(|| asked(killed))),
        ])
    });
    table
}

/// Who was asked for the people after a kill, and a count that was wrong.
fn asked(killed: &Killed) -> String {
    let each = killed.asked.iter().map(|asked| {
        let name = asked.replica.as_deref().unwrap_or("through the balancer");
        match asked.counted {
            Some(counted) if counted != asked.rows => {
                format!(
                    "{name}, counts {} of {}",
                    format::count(counted as f64),
                    format::count(asked.rows as f64)
                )
            }
            _ => name.to_owned(),
        }
    });
    each.collect::<Vec<_>>().join("; ")
}

/// What is wrong with rows, in words.
pub(super) fn examples(view: &View<'_>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for standing in &view.standings {
        for attempt in &standing.attempts {
            let after_load = attempt.stored.iter().flat_map(|stored| &stored.examples);
            let after_kill = attempt.killed.iter().flat_map(|killed| &killed.stored.examples);
            for example in after_load.chain(after_kill) {
                let line = format!("{}: {example}", view.label(standing));
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
    }
    lines
}

/// The attempt whose proof is shown: one that does not hold before one that does.
fn proof<'a>(standing: &Standing<'a>) -> Option<(u32, &'a Proof)> {
    let proofs = || standing.attempts.iter().filter_map(|a| Some((a.round, a.proof.as_ref()?)));
    proofs().find(|(_, proof)| !proof.holds).or_else(|| proofs().next())
}

/// Red is what differs from what was set, if something was.
fn limits(limits: Option<Limits>, set: Option<Limits>) -> [Cell; 2] {
    let tone = |same: bool| if same { Tone::Plain } else { Tone::Bad };
    let Some(limits) = limits else {
        return [optional(None), optional(None)];
    };
    let none = || "no limit".to_owned();
    [
        Cell::new(limits.cpus.map_or_else(none, format::significant))
            .tone(tone(set.is_some_and(|set| set.cpus == limits.cpus))),
        Cell::new(limits.memory_bytes.map_or_else(none, format::megabytes))
            .tone(tone(set.is_some_and(|set| set.memory_bytes == limits.memory_bytes))),
    ]
}

/// Limits as set and as the kernel has them.
pub(super) fn budget(view: &View<'_>) -> Table {
    let mut columns = vec![Column::text("Service"), Column::text("Role")];
    for group in ["Set", "In the kernel before", "In the kernel after"] {
        columns.extend([Column::of(group, "CPUs"), Column::of(group, "MB")]);
    }
    columns.push(Column::text("Holds"));
    let caption = "Limits of each service as the lab set them and as the kernel had them; of several rounds one in which \
                   they did not hold, else the first.";
    let mut table = Table::new(caption, columns);
    for standing in &view.standings {
        let Some((round, proof)) = proof(standing) else { continue };
        let mut group =
            Group { title: Some(format!("{}, round {round}", view.label(standing))), rows: Vec::new() };
        for service in &proof.services {
            let differs = |found: Limits| service.set.is_none_or(|set| set != found);
            let (before, after) = (differs(service.before), service.after.is_none_or(differs));
            let holds = if before || after {
                Cell::new("✗ no").tone(Tone::Bad)
            } else {
                Cell::new("✓ yes").tone(Tone::Good)
            };
            let mut cells =
                vec![Cell::new(&service.service), Cell::new(service.role.map_or("not declared", role_name))];
            cells.extend(limits(service.set, service.set));
            cells.extend(limits(Some(service.before), service.set));
            cells.extend(limits(service.after, service.set));
            cells.push(holds);
            group.rows.push(row(cells));
        }
        table.groups.push(group);
    }
    table
}

/// Connections to the database and whether its promises are kept; of a contest without one whether the limits
/// hold.
pub(super) fn durability(view: &View<'_>) -> Table {
    let of_database = [
        Column::of("Database connections", "limit"),
        Column::of("Database connections", "most seen"),
        Column::text("Durability of the database"),
    ];
    let mut columns = vec![Column::text("Contestant")];
    columns.extend(of_database.into_iter().filter(|_| view.has_database()));
    columns.push(Column::text("All limits hold"));
    let rows = view.standings.iter().filter_map(|standing| {
        let (_, proof) = proof(standing)?;
        let peaks = standing.attempts.iter().filter_map(|a| a.proof.as_ref()?.database_connections_peak);
        let settings: Vec<String> =
            proof.durability.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        let mut cells = vec![Cell::new(view.label(standing))];
        if view.has_database() {
            cells.extend([
                number(u64::from(proof.database_connections_limit)),
                optional(peaks.max().map(|peak| peak.to_string())),
                optional((!settings.is_empty()).then(|| settings.join(", "))),
            ]);
        }
        let (holds, tone) = if proof.holds { ("✓ yes", Tone::Good) } else { ("✗ no", Tone::Bad) };
        cells.push(Cell::new(holds).tone(tone));
        Some(row(cells))
    });
    let caption = if view.has_database() {
        "Connections and durability."
    } else {
        "Whether the limits hold; there is no database."
    };
    Table::new(caption, columns).with(rows.collect())
}

/// Rules of the API that were not kept, each once for a contestant.
pub(super) fn conformance(view: &View<'_>) -> Table {
    let columns = vec![Column::text("Rule"), Column::text("What was expected and what came")];
    let mut table = Table::new("The pass over the rules of the API before the load.", columns);
    for standing in &view.standings {
        let passes: Vec<_> = standing.attempts.iter().filter_map(|a| a.conformance.as_ref()).collect();
        let Some(worst) = passes.iter().max_by_key(|pass| pass.failures.len()) else { continue };
        let failure = |failure: &crate::record::Failure| {
            row(vec![Cell::new(&failure.rule), Cell::new(&failure.detail)])
        };
        let mut rows: Vec<Row> = worst.failures.iter().map(failure).collect();
        if rows.is_empty() {
            rows.push(Row {
                cells: vec![Cell::new("✓ all kept").tone(Tone::Good)],
                rest: Some(String::new()),
            });
        }
        let title = format!("{}: {} of {} as the rules ask", view.label(standing), worst.passed, worst.total);
        table.groups.push(Group { title: Some(title), rows });
    }
    table
}

/// Each step of each search.
pub(super) fn capacity(view: &View<'_>) -> Table {
    let writes = view.writes();
    let mut columns = vec![
        Column::number("Scale"),
        Column::text("Kept the rule"),
        Column::number("Answers/s"),
        Column::number("Failed"),
        Column::number("p99, ms"),
        Column::number("CPU, s"),
        Column::number("Lasted, s"),
        Column::number("At rest after, s"),
    ];
    if writes {
        columns.push(Column::number("Acknowledged before"));
    }
    columns.push(Column::text("Generator"));
    let mut table =
        Table::new("Searches for the largest multiple of the contest's peak rates, step by step.", columns);
    for standing in &view.standings {
        for search in &standing.capacities {
            let steps = search.steps.iter().map(|step| {
                let passed = if step.passed {
                    Cell::new("✓ yes").tone(Tone::Good)
                } else {
                    let why = step.errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>();
                    let cell = Cell::new("✗ no").tone(Tone::Bad);
                    if why.is_empty() { cell } else { cell.small(why.join("; ")) }
                };
                let generator = if step.bottleneck.is_empty() {
                    Cell::new("kept up")
                } else {
                    Cell::new(step.bottleneck.join(" ")).tone(Tone::Warn)
                };
                let mut cells = vec![
                    Cell::new(format!("× {}", format::significant(step.scale))),
                    passed,
                    Cell::new(format::significant(step.requests_per_second)),
                    faults(step.failed),
                    optional(step.p99_ms.map(format::significant)),
                    Cell::new(format::significant(step.cpu_seconds)),
                    Cell::new(format::significant(step.seconds)),
                    optional(step.settled_seconds.map(format::significant)),
                ];
                if writes {
                    cells.push(number(step.acknowledged_before));
                }
                cells.push(generator);
                row(cells)
            });
            let mut title = format!("{}: {}; rule: {}", view.label(standing), scale_of(search), search.rule);
            if !search.reasons.is_empty() {
                title.push_str(&format!(". Does not count: {}", search.reasons.join(" ")));
            }
            if !search.warnings.is_empty() {
                title.push_str(&format!(". To know: {}", search.warnings.join("; ")));
            }
            table.groups.push(Group { title: Some(title), rows: steps.collect() });
        }
    }
    table
}

/// The result of a search, with what became of its rows.
fn scale_of(search: &Capacity) -> String {
    let least = if search.at_least { "≥ " } else { "" };
    let scale = match (search.scale, search.requests_per_second) {
        (Some(scale), Some(rate)) => {
            format!("{least}× {}, {} requests/s", format::significant(scale), format::significant(rate))
        }
        (Some(scale), None) => format!("{least}× {}", format::significant(scale)),
        (None, _) => "no scale was passed".to_owned(),
    };
    let lost = search.lost.map(|lost| match lost {
        0 => "; no row lost".to_owned(),
        lost => format!("; {} lost", format::plural(lost as f64, "row", "rows")),
    });
    scale + &lost.unwrap_or_default()
}

/// What the generator itself used, and whether it was the bottleneck.
pub(super) fn generator(view: &View<'_>) -> Table {
    let columns = vec![
        Column::text("Round"),
        Column::of("Users", "asked for"),
        Column::of("Users", "started"),
        Column::of("Generator", "CPU, s"),
        Column::of("Generator", "memory, MB"),
        Column::text("Bottleneck"),
    ];
    let mut table = Table::new("The generator: whether it kept up, and what it used.", columns);
    by_attempt(view, &mut table, |attempt| {
        let generator = attempt.generator.as_ref()?;
        let load = attempt.load.as_ref();
        let users = |read: fn(&crate::record::LoadFigures) -> u64| {
            optional(load.map(|load| format::count(read(load) as f64)))
        };
        Some(vec![
            users(|load| load.users_asked),
            users(|load| load.users_started),
            Cell::new(format::significant(generator.cpu_seconds)),
            optional(generator.memory_bytes.map(format::megabytes)),
            if generator.bottleneck.is_empty() {
                Cell::new("no")
            } else {
                Cell::new(format!("! {}", generator.bottleneck.join(" "))).tone(Tone::Warn)
            },
        ])
    });
    table
}

/// Every attempt that does not count, every warning, and the most frequent failures.
pub(super) fn remarks(view: &View<'_>) -> Table {
    let columns = vec![Column::text("Round"), Column::text("Outcome"), Column::text("Remarks")];
    let mut table = Table::new("Rounds with a remark.", columns);
    by_attempt(view, &mut table, |attempt| {
        let verdict = &attempt.verdict;
        let mut remarks: Vec<String> = verdict.reasons.iter().chain(&verdict.warnings).cloned().collect();
        for error in attempt.load.iter().flat_map(|load| &load.errors) {
            remarks.push(format!("{} × {}.", format::count(error.count as f64), error.message));
        }
        let tone = if verdict.status == Status::Valid { Tone::Plain } else { Tone::Bad };
        (!remarks.is_empty())
            .then(|| vec![Cell::new(status_name(verdict.status)).tone(tone), Cell::new(remarks.join(" "))])
    });
    table
}

/// Who took part, and of what it is made.
pub(super) fn contestants(view: &View<'_>) -> Table {
    let writes = view.writes();
    let names = ["Contestant", "Language", "Answers 201", "What it is", "Versions"];
    let columns =
        names.into_iter().filter(|name| writes || *name != "Answers 201").map(Column::text).collect();
    let rows = view.standings.iter().map(|standing| {
        let entry = standing.entry;
        let mut cells = vec![Cell::new(view.label(standing)).small(&entry.id), Cell::new(&entry.language)];
        if writes {
            cells.push(Cell::new(format::acknowledges(entry.acknowledges)));
        }
        cells.push(Cell::new(&entry.about));
        cells.push(optional((!entry.versions.is_empty()).then(|| versions(&entry.versions))));
        row(cells)
    });
    Table::new("Contestants.", columns).with(rows.collect())
}

fn versions(versions: &std::collections::BTreeMap<String, String>) -> String {
    versions.iter().map(|(name, version)| format!("{name} {version}")).collect::<Vec<_>>().join(", ")
}

/// Where, when and how it ran.
pub(super) fn circumstances(view: &View<'_>) -> Table {
    let record = view.record;
    let machine = &record.machine;
    let budget = &record.budget;
    let rows = [
        (
            "Machine",
            format!(
                "{}, {} cores, {} MB",
                machine.cpu_model,
                machine.cores,
                format::megabytes(machine.memory_bytes)
            ),
        ),
        ("System", format!("{}, kernel {}, cgroups {}", machine.os, machine.kernel, machine.cgroups)),
        (
            "Budget of each contestant",
            format!(
                "{}{} CPUs, {} MB{}{}",
                view.budget_name(),
                format::significant(budget.cpus),
                format::megabytes(budget.memory_bytes),
                match budget.database_connections {
                    0 => ", no database".to_owned(),
                    some => format!(", {some} database connections"),
                },
                budget.processes.map(|all| format!(", API processes: {all}")).unwrap_or_default()
            ),
        ),
        ("Load", format!("{}, scale {}, seed {}", record.tool, record.scale, record.seed)),
        ("Begun", format::moment(&record.started_at)),
        (
            "Ended",
            record.ended_at.as_deref().map_or_else(|| "not ended, or cut short".to_owned(), format::moment),
        ),
        ("Commit", record.commit.clone()),
        ("Versions", versions(&record.versions)),
        ("Schema of record.json", record.schema.clone()),
    ];
    let rows = rows.into_iter().map(|(name, text)| row(vec![Cell::new(name), Cell::new(text)])).collect();
    let columns = vec![Column::text("What"), Column::text("In this run")];
    Table::new("Where, when and how it ran.", columns).with(rows)
}
