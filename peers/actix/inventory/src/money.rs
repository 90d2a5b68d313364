//! Amounts of money: whole cents inside, a JSON number outside.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The highest price.
const MOST: f64 = 999_999_999_999.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cents(pub(crate) i64);

impl Cents {
    /// Up to twelve digits each amount has a double of its own, and a quotient of doubles is the one next to
    /// the exact quotient: the two are equal only if the text means that amount.
    fn of_number(number: f64) -> Option<Self> {
        let cents = (number * 100.0).round();
        if !(0.0..=MOST).contains(&cents) || cents / 100.0 != number {
            return None;
        }
        #[allow(clippy::cast_possible_truncation)] // a whole number of the range above
        Some(Self(cents as i64))
    }
}

impl<'de> Deserialize<'de> for Cents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "expected an amount from 0 to 9999999999.99 with at most two decimals";
        Self::of_number(f64::deserialize(deserializer)?).ok_or_else(|| D::Error::custom(expected))
    }
}

impl Serialize for Cents {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_amount_is_read_as_it_is_written() {
        for cents in (0..10_000).chain((0..40).map(|power| 999_999_999_999 >> power)) {
            let text = serde_json::to_string(&Cents(cents)).unwrap();
            assert_eq!(serde_json::from_str::<Cents>(&text).unwrap(), Cents(cents), "{text}");
        }
        assert_eq!(serde_json::to_string(&Cents(123_405)).unwrap(), "1234.05");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in
            ["-0.01", "0.001", "10.005", "1e-9", "9999999999.991", "10000000000", "1e300", "\"1\"", "null"]
        {
            assert!(serde_json::from_str::<Cents>(text).is_err(), "{text}");
        }
        assert_eq!(serde_json::from_str::<Cents>("1e2").unwrap(), Cents(10_000));
    }
}
