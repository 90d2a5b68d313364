//! Prices and totals: whole cents inside, JSON numbers with two decimals outside. No sum is ever made of
//! floats.

use serde::de::{Deserialize, Deserializer, Error};

/// The highest price: 9,999,999,999.99, as `NUMERIC(12,2)` has it.
pub(super) const LARGEST_CENTS: i64 = 999_999_999_999;

/// An amount in cents that is not negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cents(pub(super) i64);

impl Cents {
    /// The amount of so many cents that a JSON number stands for; `None` if it is negative, past
    /// [`LARGEST_CENTS`], or has more than two decimals.
    ///
    /// The number comes as the double next to its text. Up to twelve digits each amount has a double of its
    /// own, and a quotient of doubles is the one next to the exact quotient: so the two are equal if and only
    /// if the text means that amount (or differs from it past the sixteenth digit).
    pub(super) fn of_number(number: f64) -> Option<Self> {
        let cents = (number * 100.0).round();
        if !(0.0..=LARGEST_CENTS as f64).contains(&cents) || number.is_sign_negative() && number != 0.0 {
            return None;
        }
        #[allow(clippy::cast_possible_truncation)] // a whole number of the range above
        let amount = cents as i64;
        (amount as f64 / 100.0 == number).then_some(Self(amount))
    }

    /// Appends it as a JSON number with two decimals.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(digits.format(self.0 / 100).as_bytes());
        out.push(b'.');
        let rest = self.0 % 100;
        if rest < 10 {
            out.push(b'0');
        }
        out.extend_from_slice(digits.format(rest).as_bytes());
    }
}

impl<'de> Deserialize<'de> for Cents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        Self::of_number(number).ok_or_else(|| {
            D::Error::custom("expected an amount from 0 to 9999999999.99 with at most two decimals")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(cents: i64) -> String {
        let mut out = Vec::new();
        Cents(cents).write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_amount_is_read_as_it_is_written() {
        let few = (0..10_000).chain(LARGEST_CENTS - 10_000..=LARGEST_CENTS);
        for cents in few.chain((0..40).map(|power| LARGEST_CENTS >> power)) {
            let text = written(cents);
            let number: f64 = text.parse().unwrap();
            assert_eq!(Cents::of_number(number), Some(Cents(cents)), "{text}");
            assert_eq!(text.split('.').nth(1).map(str::len), Some(2), "{text}");
        }
        assert_eq!(written(5), "0.05");
        assert_eq!(written(123_456), "1234.56");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["-0.01", "-1", "0.001", "10.005", "9999999999.991", "10000000000", "1e300", "inf", "NaN"]
        {
            assert_eq!(Cents::of_number(text.parse().unwrap()), None, "{text}");
        }
        assert_eq!(Cents::of_number(-0.0), Some(Cents(0)));
        assert_eq!(Cents::of_number(1e2), Some(Cents(10_000)));
    }
}
