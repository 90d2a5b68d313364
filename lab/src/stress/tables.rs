//! How tables write their cells.

use crate::report::format;

const MIB: f64 = 1_048_576.0;

/// A column of names on the left, the others on the right.
pub(super) fn row(first: &str, cells: &[String], width: usize) -> String {
    let cells: String = cells.iter().map(|cell| format!("{cell:>width$}")).collect();
    format!("{first:<16}{cells}\n")
}

/// With commas between thousands.
pub(super) fn whole(value: u64) -> String {
    format::count(value as f64)
}

pub(super) fn mib(bytes: Option<u64>) -> String {
    bytes.map_or("-".to_owned(), |bytes| {
        let tenths = (bytes as f64 / MIB * 10.0).round();
        format!("{}.{}", format::count((tenths / 10.0).floor()), tenths % 10.0)
    })
}

/// A number of cores in three digits, or that there is no limit.
pub(super) fn cores(value: Option<f64>) -> String {
    value.map_or("none".to_owned(), |value| format!("{}", (value * 1_000.0).round() / 1_000.0))
}
