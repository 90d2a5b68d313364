//! Dates and moments as the answers write them. They are a good part of a rendered row, so their digits are written
//! without the machinery of `fmt`.

use time::{Date, OffsetDateTime};

/// `YYYY-MM-DD`; a year before 0 has a minus in front.
pub(super) fn write_date(out: &mut Vec<u8>, date: Date) {
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

/// RFC 3339 section 5.6 in UTC; with the microseconds that Postgres keeps, if there are any.
pub(super) fn write_moment(out: &mut Vec<u8>, moment: OffsetDateTime) {
    let moment = moment.to_utc();
    write_date(out, moment.date());
    let (hour, minute, second, microsecond) = moment.time().as_hms_micro();
    for (mark, number) in [(b'T', hour), (b':', minute), (b':', second)] {
        out.push(mark);
        write_digits::<2>(out, number.into());
    }
    if microsecond > 0 {
        out.push(b'.');
        write_digits::<6>(out, microsecond);
    }
    out.push(b'Z');
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

    fn written<T>(write: fn(&mut Vec<u8>, T), value: T) -> String {
        let mut out = Vec::new();
        write(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dates_have_all_their_zeros() {
        assert_eq!(written(write_date, date(2026, Month::November, 21)), "2026-11-21");
        assert_eq!(written(write_date, date(7, Month::January, 2)), "0007-01-02");
        assert_eq!(written(write_date, date(-44, Month::March, 15)), "-0044-03-15");
    }

    #[test]
    fn moments_are_in_utc_to_the_microsecond_if_it_is_not_zero() {
        let plain = date(2026, Month::January, 31).with_hms(8, 0, 0).unwrap().assume_utc();
        assert_eq!(written(write_moment, plain), "2026-01-31T08:00:00Z");
        let last = date(9999, Month::December, 31).with_hms_micro(23, 59, 59, 450).unwrap().assume_utc();
        assert_eq!(written(write_moment, last), "9999-12-31T23:59:59.000450Z");
        let east = UtcOffset::from_hms(2, 0, 0).unwrap();
        let new_year = date(2026, Month::January, 1).with_hms_micro(0, 30, 5, 123_456).unwrap();
        assert_eq!(written(write_moment, new_year.assume_offset(east)), "2025-12-31T22:30:05.123456Z");
    }
}
