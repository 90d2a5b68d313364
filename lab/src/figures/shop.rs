//! Figures that only a shop has: orders, what is used besides logins, and whether it stood still.

use std::fmt::{self, Display};

use super::role_cpu;
use crate::meters::Role;
use crate::record::{Attempt, LoadFigures, RequestFigures, Second};

/// So many seconds in a row without a right answer are a standstill: the one bound there is, whoever judges.
/// It is half of a request's timeout; a full collection of garbage takes less.
pub const PATIENCE_SECONDS: u32 = 5;

/// A shop that served nobody. Its stock is exact for just that reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standstill {
    /// For so many seconds in a row no answer was right.
    Seconds(u32),
    /// Not one order was acknowledged.
    NoOrder,
}

impl Display for Standstill {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(seconds) => write!(out, "stood still for {seconds} s"),
            Self::NoOrder => out.write_str("stood still: no order"),
        }
    }
}

/// Whether it stood still, in a shop. Nothing is lost then, and hardly any CPU used, so that it would
/// otherwise stand before those who work.
#[must_use]
pub fn standstill(attempt: &Attempt) -> Option<Standstill> {
    let stored = attempt.stored.as_ref().filter(|stored| stored.stock.is_some())?;
    if stored.acknowledged == 0 {
        return Some(Standstill::NoOrder);
    }
    let seconds = longest_silence(&attempt.series);
    (seconds >= PATIENCE_SECONDS).then_some(Standstill::Seconds(seconds))
}

/// The most seconds in a row without a right answer while somebody waited. Of seconds in which nothing at all
/// happens only what comes next tells: at the end, and before new users (JMeter starts again for each of its
/// steps), nobody waited; before an answer or a failure somebody did.
fn longest_silence(series: &[Second]) -> u32 {
    let (mut longest, mut silent, mut idle) = (0, 0, 0);
    for second in series {
        let Second { started, answers, failed, .. } = *second;
        if started + answers + failed == 0 {
            idle += 1;
            continue;
        }
        silent += if started == 0 { idle } else { 0 };
        idle = 0;
        // What timed out has failed and is not an answer: it says nothing of the other answers.
        let all_wrong = answers == failed;
        let served = answers > 0 && !all_wrong;
        silent += u32::from(!served);
        longest = longest.max(silent);
        if served {
            silent = 0;
        }
    }
    longest
}

pub(super) fn orders_per_second(attempt: &Attempt) -> Option<f64> {
    let stored = attempt.stored.as_ref().filter(|stored| stored.stock.is_some())?;
    let seconds = attempt.load.as_ref()?.seconds;
    (seconds > 0.0).then(|| stored.acknowledged as f64 / seconds)
}

/// CPU seconds of the whole stack, or of the services with a role, less those of the load's logins, of which
/// the API alone hashes.
pub(super) fn without_logins(attempt: &Attempt, role: Option<Role>) -> Option<f64> {
    let logins = attempt.logins.as_ref()?;
    let (all, one) = match role {
        None => (attempt.resources.as_ref()?.total.cpu_seconds, logins.cpu_seconds),
        Some(Role::Api) => (role_cpu(attempt, Role::Api)?, logins.api_cpu_seconds),
        Some(_) => return None,
    };
    Some((all - logins.in_load as f64 * one).max(0.0))
}

/// Whether this is the name of the request that orders, in the words of any tool.
#[must_use]
pub fn is_order(name: &str) -> bool {
    ["order", "create order"].contains(&name)
}

/// Logins that were answered with a token.
#[must_use]
pub fn logins(load: &LoadFigures) -> u64 {
    let is_login = |name: &str| name.replace([' ', '-', '_'], "").eq_ignore_ascii_case("login");
    let succeeded = |of: &RequestFigures| match of.statuses.is_empty() {
        true => of.count.saturating_sub(of.failed),
        false => of.statuses.get(&200).copied().unwrap_or(0),
    };
    load.requests.iter().filter(|(name, _)| is_login(name)).map(|(_, of)| succeeded(of)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(name: &str, of: RequestFigures) -> LoadFigures {
        LoadFigures { requests: [(name.to_owned(), of)].into(), ..LoadFigures::default() }
    }

    #[test]
    fn logins_are_those_that_got_a_token() {
        let of = |statuses: &[(u16, u64)]| RequestFigures {
            count: 9,
            failed: 2,
            statuses: statuses.iter().copied().collect(),
            ..RequestFigures::default()
        };
        assert_eq!(logins(&load("login", of(&[(200, 7), (503, 2)]))), 7);
        assert_eq!(logins(&load("Log in", of(&[(503, 9)]))), 0);
        assert_eq!(logins(&load("login", of(&[]))), 7, "a tool that tells no status");
        assert_eq!(logins(&load("order", of(&[(200, 9)]))), 0);
    }

    #[test]
    fn silence_counts_as_long_as_somebody_waits() {
        let silence = |seconds: &[(u64, u64, u64)]| {
            let second = |&(started, answers, failed): &(u64, u64, u64)| Second {
                started,
                answers,
                failed,
                ..Second::default()
            };
            longest_silence(&seconds.iter().map(second).collect::<Vec<_>>())
        };
        assert_eq!(silence(&[(9, 9, 0), (9, 9, 8), (9, 9, 0)]), 0, "one of nine was right");
        assert_eq!(silence(&[(9, 9, 0), (9, 9, 9), (9, 8, 8), (9, 9, 0)]), 2, "errors are no service");
        assert_eq!(silence(&[(9, 9, 20), (9, 9, 20)]), 0, "right answers beside what timed out");
        assert_eq!(silence(&[(9, 0, 0), (0, 0, 0), (0, 9, 0), (0, 0, 0), (0, 1, 0)]), 2, "clients who wait");
        assert_eq!(silence(&[(9, 9, 0), (9, 0, 0), (9, 0, 0), (0, 0, 0), (0, 0, 18)]), 4, "all timed out");
        assert_eq!(silence(&[(9, 9, 0), (0, 0, 0), (0, 0, 0)]), 0, "nobody waited any more");
        assert_eq!(silence(&[(5, 9, 0), (0, 0, 0), (0, 0, 0), (9, 9, 0)]), 0, "nobody waited yet");
        assert_eq!(silence(&[]), 0);
    }
}
