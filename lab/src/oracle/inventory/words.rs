//! What a report says of a shop: stock first, then orders, then what they cost without the logins.

use crate::figures::shop::{is_order, standstill};
use crate::figures::{Correctness, Metric, Percentile, Standing};
use crate::format;
use crate::meters::Role;
use crate::oracle::words::{
    CAUGHT, Cells, DISQUALIFIED, FAILED, ROWS, SHOWN, Words, expected, footnotes as with,
};
use crate::record::Stored;
use crate::table::{Column, faults, number, optional};

pub(super) const WORDS: Words = Words {
    judged: "Stock and orders",
    column: "Stock",
    picture: "Stock",
    things: "orders",
    unchecked: "unknown",
    clean: "kept every piece and every order",
    of_the_field: [
        "whose stock and orders were exact",
        "whose stock was not checked",
        "with a rank, all of which were caught",
    ],
    faulty: CAUGHT,
    caught_first: true,
    titles: &[
        (Correctness::Wrong, "Caught: its stock or its orders are wrong without any mishap"),
        (Correctness::StoodStill, "Caught: it served nobody"),
        (
            Correctness::LostWhenKilled,
            "Caught: its stock or its orders are wrong, or not found, after it was killed",
        ),
        (Correctness::Exact, "Every piece and every order as it must be"),
        (Correctness::Unchecked, "Stock not checked"),
        DISQUALIFIED,
        FAILED,
    ],
    stands_out: is_order,
    ranking,
    found,
    fault,
    fault_told: fault,
    footnotes: || with(&FOOTNOTES, &["Exact", "Lost", "Not found", "Rank"], None),
    ..ROWS
};

/// Columns of the ranking.
fn ranking(order: Option<String>) -> Vec<(Column, Metric)> {
    let cpu_without = "CPU without logins, s";
    let mut columns = vec![
        (Column::of("Orders", "a second"), Metric::OrdersPerSecond),
        (Column::of("Orders", "p99, ms"), Metric::Time(order, Percentile::P99)),
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
    columns
        .extend(SHOWN.map(|point| (Column::of("all requests, ms", point.name()), Metric::Time(None, point))));
    columns.push((Column::number("Failed requests"), Metric::Failed));
    columns
}

/// What was found, in words that go on after a name as well.
fn fault(standing: &Standing<'_>) -> String {
    let valid = || standing.valid();
    if standing.correctness == Correctness::StoodStill {
        return valid().filter_map(standstill).max().map(|it| it.to_string()).unwrap_or_default();
    }
    if standing.correctness != Correctness::LostWhenKilled {
        return finding(&valid().filter_map(|attempt| attempt.stored.as_ref()).collect::<Vec<_>>());
    }
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
    format!("{found} after kill")
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

/// Orders and stock after the load.
fn found() -> Cells {
    let of_orders =
        ["Sent", "Acknowledged", "Must be there", "Are there", "Lost", "Twice", "Altered", "Foreign"];
    let of_stock = ["products", "exact", "oversold", "vanished", "below 0"];
    let orders = of_orders.into_iter().chain(["Refused wrongly"]).map(|title| Column::of("Orders", title));
    let stock = of_stock.map(|title| Column::of("Stock", title));
    Cells {
        caption: "Orders and stock in the database after the load; oversold and vanished are pieces.",
        columns: orders.chain(stock).chain([Column::number("Settled after, s")]).collect(),
        of: |attempt| {
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
        },
    }
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
