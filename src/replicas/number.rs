//! The number of a replica: three hexadecimal digits of the ids that it gives out.
//!
//! It is a hint for a balancer, which may send a lookup to the replica that has the row in memory. Nothing
//! rests on it: two replicas with one number give out different ids all the same, and a replica that does not
//! know an id asks Postgres.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// How many numbers there are.
pub const NUMBERS: u16 = 1 << 12;

/// The present number of this replica. Its lease may bring another one.
#[derive(Clone, Debug)]
pub struct Number(Arc<AtomicU16>);

impl Number {
    pub(super) fn new(number: u16) -> Self {
        Self(Arc::new(AtomicU16::new(number)))
    }

    /// The number, below [`NUMBERS`].
    #[must_use]
    pub fn get(&self) -> u16 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, number: u16) {
        self.0.store(number % NUMBERS, Ordering::Relaxed);
    }
}

/// Where a replica has its number from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// From the operator.
    Set(u16),
    /// From a lease, which is asked for the pod's ordinal if there is one.
    Leased(Option<u16>),
}

impl Numbering {
    /// By the setting's text, and by what the host is called. `None` if the text is neither `auto` nor a
    /// number.
    #[must_use]
    pub fn read(text: &str, host: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Leased(ordinal(host))),
            digits => number(digits).map(Self::Set),
        }
    }

    /// What it begins with, and stays with where there is no lease to be had.
    pub(super) fn first(self) -> u16 {
        match self {
            Self::Set(number) | Self::Leased(Some(number)) => number,
            Self::Leased(None) => fastrand::u16(..NUMBERS),
        }
    }
}

impl fmt::Display for Numbering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set(_) => "as it is set",
            Self::Leased(Some(_)) => "by the host's name",
            Self::Leased(None) => "by chance",
        })
    }
}

/// The last part of a name as a StatefulSet gives it to its pods: 3 of `pods-3`.
fn ordinal(host: &str) -> Option<u16> {
    number(host.rsplit_once('-')?.1)
}

fn number(digits: &str) -> Option<u16> {
    let is_plain = digits.bytes().all(|digit| digit.is_ascii_digit());
    digits.parse().ok().filter(|number| is_plain && *number < NUMBERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_set_or_the_pod_s_own_or_a_lease_s() {
        let read = |text| Numbering::read(text, "pods-7");
        assert_eq!(read("auto"), Some(Numbering::Leased(Some(7))));
        assert_eq!(read("0"), Some(Numbering::Set(0)));
        assert_eq!(read("4095"), Some(Numbering::Set(4095)));
        for wrong in ["4096", "-1", "+1", "1.0", "", "Auto", "99999999"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        // A Deployment's pods end in five letters and digits, which may happen to be digits.
        for host in ["pods", "pods-", "pods-a", "pods-7d4b9c6f5-24679", "pods-+1", ""] {
            assert_eq!(Numbering::read("auto", host), Some(Numbering::Leased(None)), "{host}");
        }
        assert!(Numbering::Leased(None).first() < NUMBERS);
    }
}
