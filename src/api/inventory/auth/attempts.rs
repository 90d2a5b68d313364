//! Failed logins, by account and by the client's address: past so many in a minute the answer is 429, and no
//! password is hashed.
//!
//! Logins that succeed are not counted, so nobody is locked out for coming often. An account that does not
//! exist is counted like any other, or the 429 would tell. Memory is bounded: what was asked for the longest
//! ago goes first.
//!
//! Race window: attempts are counted when they have failed, so as many as are being hashed meanwhile may pass
//! the limit. Those are few: what waits for a hash is bounded ([`super::passwords`]).

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::cache::expiring::{self, Expiring};
use crate::cache::{Source, Weigh};
use crate::http::{Network, Rejection, Status};
use crate::metrics::Exposition;
use crate::waiting::Janitor;

const BYTES: u64 = 4 * 1024 * 1024;
const ENTRIES: usize = 32_768;

/// How many may fail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) by_account: u32,
    pub(super) by_address: u32,
    /// In this time from the first one on.
    pub(super) window: Duration,
}

/// Whose attempts are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Whose {
    /// Of a user, by the id: what is one address in two cases only Postgres knows.
    Account(i64),
    /// Of nobody, by the address in lower case.
    Nobodys(Box<str>),
    Address(Network),
}

impl Weigh for Whose {
    fn weight_bytes(&self) -> u64 {
        let text = if let Self::Nobodys(text) = self { text.len() } else { 0 };
        (size_of::<Self>() + text) as u64
    }
}

#[derive(Clone, Default)]
struct Failures(Arc<AtomicU32>);

impl Weigh for Failures {
    fn weight_bytes(&self) -> u64 {
        // Two counters stand before the value.
        size_of::<Self>() as u64 + 24
    }
}

/// One attempt: whose it is.
pub(super) struct Attempt {
    account: Whose,
    address: Option<Whose>,
}

impl Attempt {
    /// By the user that an e-mail address belongs to, if there is one.
    pub(super) fn new(user: Option<i64>, email: &str, address: Option<IpAddr>) -> Self {
        let account = user.map_or_else(|| Whose::Nobodys(email.to_lowercase().into()), Whose::Account);
        Self { account, address: address.map(|address| Whose::Address(Network::of(address))) }
    }
}

/// What has failed in the last minute.
pub(super) struct Attempts {
    limits: Limits,
    failures: Arc<Expiring<Whose, Failures, Infallible>>,
}

impl Attempts {
    pub(super) fn new(limits: Limits, janitor: &Janitor) -> Self {
        let attempts = Self::with_clock(limits, Instant::now);
        janitor.look_after(&attempts.failures);
        attempts
    }

    fn with_clock(limits: Limits, now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        let bounds = expiring::Limits { bytes: BYTES, entries: ENTRIES, ttl: limits.window };
        Self { limits, failures: Expiring::with_clock(bounds, now) }
    }

    /// Whether the attempt may be made.
    ///
    /// # Errors
    /// 429, and when to come back.
    pub(super) fn check(&self, attempt: &Attempt) -> Result<(), Rejection> {
        let asked = [(Some(&attempt.account), self.limits.by_account)];
        let asked = asked.into_iter().chain([(attempt.address.as_ref(), self.limits.by_address)]);
        let left = asked.filter_map(|(whose, limit)| self.left(whose?, limit)).max();
        let Some(left) = left else { return Ok(()) };
        let seconds = u32::try_from(left.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        let rejection = Rejection::new(Status::TooManyRequests, "too many logins have failed");
        Err(Rejection { retry_after_s: Some(seconds), ..rejection })
    }

    /// Until when nobody may try, if so many have failed.
    fn left(&self, whose: &Whose, limit: u32) -> Option<Duration> {
        let served = self.failures.get(whose)?;
        let Source::Hit { left } = served.source else { return None };
        (served.value.0.load(Ordering::Relaxed) >= limit).then_some(left)
    }

    /// Counts an attempt that has failed.
    pub(super) fn note_failure(&self, attempt: &Attempt) {
        for whose in [Some(&attempt.account), attempt.address.as_ref()].into_iter().flatten() {
            let Ok(served) = self.failures.get_or_compute(whose, || Ok(Failures::default()));
            served.value.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was counted.
    pub(super) fn expose(&self, exposition: &mut Exposition) {
        let help = "Accounts and addresses with a failed login in the last minute.";
        exposition.sample("pouco_login_failures_kept", help, &[], self.failures.counts().entries);
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    const LIMITS: Limits = Limits { by_account: 2, by_address: 4, window: Duration::from_secs(60) };

    fn attempt(user: i64, address: &str) -> Attempt {
        Attempt::new(Some(user), "", Some(address.parse().unwrap()))
    }

    fn retry_after_s(attempts: &Attempts, attempt: &Attempt) -> Option<u32> {
        attempts.check(attempt).err().and_then(|rejection| rejection.retry_after_s)
    }

    #[test]
    fn what_has_failed_is_forgotten_a_minute_after_the_first_time() {
        let clock = Arc::new(Mutex::new(Instant::now()));
        let told = clock.clone();
        let attempts = Attempts::with_clock(LIMITS, move || *told.lock());
        let ana = attempt(1, "192.0.2.1");
        attempts.note_failure(&ana);
        *clock.lock() += Duration::from_millis(30_500);
        assert_eq!(retry_after_s(&attempts, &ana), None);
        attempts.note_failure(&ana);
        assert_eq!(retry_after_s(&attempts, &ana), Some(30));
        *clock.lock() += Duration::from_millis(29_400);
        assert_eq!(retry_after_s(&attempts, &ana), Some(1));
        *clock.lock() += Duration::from_millis(100);
        assert_eq!(retry_after_s(&attempts, &ana), None);
    }

    #[test]
    fn accounts_and_addresses_are_counted_apart() {
        let attempts = Attempts::with_clock(LIMITS, Instant::now);
        for user in 1..=4 {
            assert!(attempts.check(&attempt(user, "2001:db8::1")).is_ok(), "{user}");
            attempts.note_failure(&attempt(user, "2001:db8::1"));
        }
        assert!(attempts.check(&attempt(5, "2001:db8::ffff")).is_err(), "the same network");
        assert!(attempts.check(&attempt(5, "2001:db8:0:1::1")).is_ok());
        attempts.note_failure(&attempt(1, "192.0.2.1"));
        assert!(attempts.check(&attempt(1, "192.0.2.2")).is_err(), "the account, wherever it is tried from");
        let nobody = |email: &str| Attempt::new(None, email, None);
        attempts.note_failure(&nobody("a@b.c"));
        attempts.note_failure(&nobody("A@B.C"));
        assert!(attempts.check(&nobody("a@B.c")).is_err() && attempts.check(&nobody("b@b.c")).is_ok());
    }
}
