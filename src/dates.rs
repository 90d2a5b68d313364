//! Dates and moments as answers and log lines write them. They are a good part of a rendered row, so their
//! digits are written without the machinery of `fmt`. A leaf.

use time::{Date, OffsetDateTime};

/// `YYYY-MM-DD`; a year before 0 has a minus in front.
pub fn write_date(out: &mut Vec<u8>, date: Date) {
    let (year, month, day) = date.to_calendar_date();
    if year < 0 {
        out.push(b'-');
    }
    write_digits::<4>(out, year.unsigned_abs());
    out.push(b'-');
    write_digits::<2>(out, u8::from(month).into());
    out.push(b'-');
    write_digits::<2>(out, day.into());
}

/// How a moment's second is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fraction {
    /// Three digits.
    Milliseconds,
    /// Six digits, or none where they are all zero: what Postgres keeps.
    MicrosecondsIfAny,
}

/// RFC 3339 section 5.6 in UTC.
pub fn write_moment(out: &mut Vec<u8>, moment: OffsetDateTime, fraction: Fraction) {
    let moment = moment.to_utc();
    write_date(out, moment.date());
    let (hour, minute, second, microsecond) = moment.time().as_hms_micro();
    for (mark, number) in [(b'T', hour), (b':', minute), (b':', second)] {
        out.push(mark);
        write_digits::<2>(out, number.into());
    }
    match fraction {
        Fraction::Milliseconds => {
            out.push(b'.');
            write_digits::<3>(out, microsecond / 1_000);
        }
        Fraction::MicrosecondsIfAny if microsecond > 0 => {
            out.push(b'.');
            write_digits::<6>(out, microsecond);
        }
        Fraction::MicrosecondsIfAny => {}
    }
    out.push(b'Z');
}

/// [`write_moment`] as a text of its own.
#[must_use]
pub fn moment(moment: impl Into<OffsetDateTime>, fraction: Fraction) -> String {
    let mut out = Vec::new();
    write_moment(&mut out, moment.into(), fraction);
    // Digits and marks alone.
    String::from_utf8(out).unwrap_or_default()
}

/// The last `WIDTH` digits of a number, with zeros in front where it has fewer.
fn write_digits<const WIDTH: usize>(out: &mut Vec<u8>, mut number: u32) {
    let mut digits = [0; WIDTH];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits);
}

#[cfg(test)]
mod tests {
    use time::{Month, UtcOffset};

    use super::*;

    fn date(year: i32, month: Month, day: u8) -> Date {
        Date::from_calendar_date(year, month, day).unwrap()
    }

    fn written(date: Date) -> String {
        let mut out = Vec::new();
        write_date(&mut out, date);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dates_have_all_their_zeros() {
        assert_eq!(written(date(2026, Month::November, 21)), "2026-11-21");
        assert_eq!(written(date(7, Month::January, 2)), "0007-01-02");
        assert_eq!(written(date(-44, Month::March, 15)), "-0044-03-15");
    }

    #[test]
    fn moments_are_in_utc_to_the_microsecond_if_it_is_not_zero() {
        let plain = date(2026, Month::January, 31).with_hms(8, 0, 0).unwrap().assume_utc();
        assert_eq!(moment(plain, Fraction::MicrosecondsIfAny), "2026-01-31T08:00:00Z");
        let last = date(9999, Month::December, 31).with_hms_micro(23, 59, 59, 450).unwrap().assume_utc();
        assert_eq!(moment(last, Fraction::MicrosecondsIfAny), "9999-12-31T23:59:59.000450Z");
        assert_eq!(moment(last, Fraction::Milliseconds), "9999-12-31T23:59:59.000Z");
        let east = UtcOffset::from_hms(2, 0, 0).unwrap();
        let new_year = date(2026, Month::January, 1).with_hms_micro(0, 30, 5, 123_456).unwrap();
        assert_eq!(
            moment(new_year.assume_offset(east), Fraction::MicrosecondsIfAny),
            "2025-12-31T22:30:05.123456Z"
        );
    }
}
