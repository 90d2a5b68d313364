//! What a report says of a shop: stock first, then orders, then what they cost without the logins. What may
//! not enter: anything that holds for other contests too.

use super::details::{by_attempt, expected, faults, number, optional};
use super::table::{Column, Table, Tone};
use super::{View, format, ranking};
use crate::contestant::Role;
use crate::figures::shop::standstill;
use crate::figures::{Correctness, Metric, Percentile, Standing};
use crate::record::Stored;

/// Columns of the ranking behind the stock and the name, and what stands in them.
pub(super) fn columns(view: &View<'_>) -> (Vec<Column>, Vec<Metric>) {
    let cpu_without = "CPU without logins, s";
    let mut columns = vec![
        (Column::of("Orders", "a second"), Metric::OrdersPerSecond),
        (Column::of("Orders", "p99, ms"), Metric::Time(view.creation(), Percentile::P99)),
        (Column::of("CPU, s", "API"), Metric::RoleCpu(Role::Api)),
        (Column::of("CPU, s", "whole stack"), Metric::Cpu),
        (Column::of(cpu_without, "API"), Metric::WithoutLogins(Some(Role::Api))),
        (Column::of(cpu_without, "whole stack"), Metric::WithoutLogins(None)),
        (Column::of("CPU", "ms a login"), Metric::Login),
        (Column::of("CPU", "s per 1,000 requests"), Metric::CpuPerThousand),
        (Column::of("CPU", "× the generator's"), Metric::CpuByGenerator),
        (Column::of("Memory, MB", "API"), Metric::RoleMemory(Role::Api)),
        (Column::of("Memory, MB", "working peak"), Metric::Memory),
        (Column::of("Memory, MB", "raw peak"), Metric::MemoryRaw),
        (Column::number("Capacity, × the rates"), Metric::Capacity),
    ];
    columns.extend(
        ranking::SHOWN.map(|point| (Column::of("all requests, ms", point.name()), Metric::Time(None, point))),
    );
    columns.push((Column::number("Failed requests"), Metric::Failed));
    columns.into_iter().unzip()
}

/// Headings of the ranking. Whoever was caught stands first, so that nobody overlooks it, and without a
/// place.
pub(super) const TITLES: [(Correctness, &str); 7] = [
    (Correctness::Wrong, "Caught: its stock or its orders are wrong without any mishap"),
    (Correctness::StoodStill, "Caught: it served nobody"),
    (
        Correctness::LostWhenKilled,
        "Caught: its stock or its orders are wrong, or not found, after it was killed",
    ),
    (Correctness::Exact, "Every piece and every order as it must be"),
    (Correctness::Unchecked, "Stock not checked"),
    (Correctness::Disqualified, "Disqualified: figures cannot be compared"),
    (Correctness::Failed, "Did not finish"),
];

/// What became of stock and orders: a symbol, words that go on after a name as well, and a tone.
pub(super) fn correctness(standing: &Standing<'_>) -> (&'static str, String, Tone) {
    let valid = || standing.valid();
    match standing.correctness {
        Correctness::Exact => ("✓", "exact".to_owned(), Tone::Good),
        Correctness::Unchecked | Correctness::KnownToLose => ("?", "unknown".to_owned(), Tone::Muted),
        Correctness::LostWhenKilled => {
            let killed: Vec<_> = valid().filter_map(|attempt| attempt.killed.as_ref()).collect();
            let stored: Vec<&Stored> =
                killed.iter().map(|killed| &killed.stored).filter(|stored| !stored.exact()).collect();
            let found = match stored.as_slice() {
                [] => {
                    let invisible = killed.iter().filter_map(|killed| killed.invisible).max();
                    format!("did not find {}", format::count(invisible.unwrap_or(0) as f64))
                }
                some => finding(some),
            };
            ("!", format!("{found} after kill"), Tone::Warn)
        }
        Correctness::StoodStill => {
            let worst = valid().filter_map(standstill).max();
            ("✗", worst.map(|it| it.to_string()).unwrap_or_default(), Tone::Bad)
        }
        Correctness::Wrong => {
            let stored: Vec<&Stored> = valid().filter_map(|attempt| attempt.stored.as_ref()).collect();
            ("✗", finding(&stored), Tone::Bad)
        }
        Correctness::Disqualified => ("⊘", "disqualified".to_owned(), Tone::Bad),
        Correctness::Failed => ("⊘", "did not finish".to_owned(), Tone::Bad),
    }
}

/// The finding by its name, of each kind the worst round.
fn finding(stored: &[&Stored]) -> String {
    let worst = |of: &dyn Fn(&Stored) -> u64| stored.iter().map(|stored| of(stored)).max().unwrap_or(0);
    let named = [
        ("oversold by ", worst(&|it| it.stock.map_or(0, |stock| stock.oversold))),
        ("lost ", worst(&|it| it.lost)),
        ("made vanish ", worst(&|it| it.stock.map_or(0, |stock| stock.vanished))),
    ];
    let named: Vec<String> = named
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(verb, count)| format!("{verb}{}", format::count(count as f64)))
        .collect();
    match named.as_slice() {
        [] => format!("had {} wrong", format::count(worst(&Stored::wrong) as f64)),
        _ => named.join(", "),
    }
}

/// Orders and stock after the load, round by round.
pub(super) fn stored(view: &View<'_>) -> Table {
    let of_orders =
        ["Sent", "Acknowledged", "Must be there", "Are there", "Lost", "Twice", "Altered", "Foreign"];
    let of_stock = ["products", "exact", "oversold", "vanished", "below 0"];
    let mut columns = vec![Column::text("Round")];
    columns.extend(of_orders.map(|title| Column::of("Orders", title)));
    columns.push(Column::of("Orders", "Refused wrongly"));
    columns.extend(of_stock.map(|title| Column::of("Stock", title)));
    columns.push(Column::number("Settled after, s"));
    let caption = "Orders and stock in the database after the load; oversold and vanished are pieces.";
    let mut table = Table::new(caption, columns);
    by_attempt(view, &mut table, |attempt| {
        let stored = attempt.stored.as_ref()?;
        let stock = stored.stock.unwrap_or_default();
        Some(vec![
            number(stored.sent),
            number(stored.acknowledged),
            expected(stored),
            number(stored.rows),
            faults(stored.lost),
            faults(stored.duplicated),
            faults(stored.altered),
            faults(stored.foreign),
            faults(stored.wrongly_refused),
            number(stock.products),
            number(stock.exact),
            faults(stock.oversold),
            faults(stock.vanished),
            faults(stock.below_zero),
            optional(stored.settled_seconds.map(format::significant)),
        ])
    });
    table
}

/// How the CPU of a login was measured, round by round.
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
        let cells = [logins.api_cpu_seconds * 1e3, logins.cpu_seconds * 1e3];
        let of_load = [logins.api_cpu_seconds * all, logins.cpu_seconds * all];
        let cell = |value: f64| optional(Some(format::significant(value)));
        let mut row = vec![number(logins.measured)];
        row.extend(cells.map(cell));
        row.push(number(logins.in_load));
        row.extend(of_load.map(cell));
        Some(row)
    });
    table
}

/// Those of all contests, and in place of some of them a shop's own.
pub(super) fn footnotes(all: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let replaced = ["Exact", "Lost", "Not found", "Rank"];
    let others = all.iter().filter(|(term, _)| !replaced.contains(term)).copied();
    FOOTNOTES.into_iter().chain(others).collect()
}

const FOOTNOTES: [(&str, &str); 8] = [
    (
        "Exact",
        "for every product the stock is that of before, and what was acknowledged since, to the piece; every acknowledged \
         order is stored once, with its customer, lines, prices and total, and no other is; after a kill too, where one is \
         recorded.",
    ),
    (
        "Oversold by, lost, made vanish",
        "of the worst round: pieces that were sold and are still for sale, or never were there; orders that were \
         acknowledged and are not stored; pieces that are gone and that nobody has.",
    ),
    (
        "Stood still",
        "no order was acknowledged at all, or no answer was right for 5 s or more. An exact stock is no merit then.",
    ),
    ("Unknown", "nobody looked at the rows."),
    ("Orders a second", "acknowledged orders, by the seconds from the first request to the last answer."),
    (
        "CPU without logins, s",
        "the CPU seconds of the load, less as many times the CPU of a login as the load had logins that were answered with \
         a token. A login is measured alone, before the load, and is meant whole: its request, its query and the hash of \
         the password, which is slow on purpose, costs everybody the same and is nearly all of it.",
    ),
    ("Memory, MB, API", "the working peaks of the services that serve the API, added up."),
    (
        "Rank",
        "whoever was caught stands first in the table and has no place. Of the others those whose stock is exact come \
         first; within each group by CPU s per 1,000 requests.",
    ),
];
