//! How numbers and names are written, once for all tables, charts and sentences.

use crate::record::Acknowledges;

/// Stands where a figure is absent.
pub const ABSENT: &str = "–";

/// Three significant digits, thousands parted by commas: `15,600`, `118`, `15.6`, `1.56`, `0.156`. Zero is
/// `0`.
#[must_use]
pub fn significant(value: f64) -> String {
    if !value.is_finite() {
        return ABSENT.to_owned();
    }
    let size = value.abs();
    // Judged after rounding: 9.996 is written 10.0.
    let digits = match size {
        _ if size == 0.0 => return "0".to_owned(),
        _ if size < 0.000_05 => return "< 0.0001".to_owned(),
        _ if size < 0.099_95 => 4,
        _ if size < 0.999_5 => 3,
        _ if size < 9.995 => 2,
        _ if size < 99.95 => 1,
        _ => return count(value),
    };
    format!("{}{size:.digits$}", if value < 0.0 { "−" } else { "" })
}

/// A whole number, thousands parted by commas.
#[must_use]
pub fn count(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value <= -0.5 { format!("−{text}") } else { text }
}

/// A time of an answer: whole milliseconds stay whole, as some generators know no others.
#[must_use]
pub fn milliseconds(value: f64) -> String {
    if value.fract() == 0.0 { count(value) } else { significant(value) }
}

/// `1.2–3.4`, with the same digits as [`significant`].
#[must_use]
pub fn range(low: f64, high: f64) -> String {
    format!("{}–{}", significant(low), significant(high))
}

/// Bytes as MB: 1,000,000 bytes.
#[must_use]
pub fn megabytes(bytes: u64) -> String {
    significant(bytes as f64 / 1e6)
}

/// When it answers, in words.
#[must_use]
pub fn acknowledges(mode: Acknowledges) -> &'static str {
    match mode {
        Acknowledges::BeforeCommit => "before commit",
        Acknowledges::AfterCommit => "after commit",
        Acknowledges::ReadOnly => ABSENT,
    }
}

/// What an answer promises, in words.
#[must_use]
pub fn promise(mode: Acknowledges) -> String {
    match mode {
        Acknowledges::ReadOnly => "reads only".to_owned(),
        mode => format!("201 {}", acknowledges(mode)),
    }
}

/// `2026-11-21 08:00 UTC` of an RFC 3339 time in UTC; anything else as it is.
#[must_use]
pub fn moment(text: &str) -> String {
    match (text.get(..10), text.get(10..11), text.get(11..16)) {
        (Some(day), Some("T"), Some(minute)) if text.ends_with('Z') => format!("{day} {minute} UTC"),
        _ => text.to_owned(),
    }
}

/// `1 row`, `2 rows`.
#[must_use]
pub fn plural(number: f64, one: &str, many: &str) -> String {
    if number == 1.0 { format!("1 {one}") } else { format!("{} {many}", count(number)) }
}

/// `A, B and C`.
#[must_use]
pub fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count_whatever_the_size() {
        let cases = [
            (0.0, "0"),
            (0.012_34, "0.0123"),
            (0.156_4, "0.156"),
            (0.999_6, "1.00"),
            (9.996, "10.0"),
            (15.64, "15.6"),
            (99.96, "100"),
            (118.4, "118"),
            (46_527.0, "46,527"),
            (1_234_567.0, "1,234,567"),
            (-3.456, "−3.46"),
            (0.000_01, "< 0.0001"),
            (f64::NAN, "–"),
        ];
        for (value, text) in cases {
            assert_eq!(significant(value), text);
        }
    }

    #[test]
    fn whole_numbers_keep_every_digit() {
        let cases = [(0.0, "0"), (999.0, "999"), (1_000.0, "1,000"), (-1_167.0, "−1,167"), (-0.2, "0")];
        for (value, text) in cases {
            assert_eq!(count(value), text);
        }
    }

    #[test]
    fn whole_milliseconds_stay_whole() {
        assert_eq!(milliseconds(5.0), "5");
        assert_eq!(milliseconds(5.25), "5.25");
    }

    #[test]
    fn moments_are_cut_to_the_minute_and_nonsense_is_kept() {
        assert_eq!(moment("2026-11-21T08:00:59Z"), "2026-11-21 08:00 UTC");
        for other in ["yesterday", "", "2026-11-21T08:00:59+02:00", "ééééééééé"] {
            assert_eq!(moment(other), other);
        }
    }

    #[test]
    fn lists_read_as_sentences_do() {
        let items = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(list(&items), "a, b and c");
        assert_eq!(list(&items[..1]), "a");
        assert_eq!(plural(1.0, "row", "rows"), "1 row");
        assert_eq!(plural(1_167.0, "row", "rows"), "1,167 rows");
    }
}
