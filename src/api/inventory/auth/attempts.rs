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
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::cache::expiring::{self, Expiring};
use crate::cache::{Source, Weigh};
use crate::http::{Rejection, Status};
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
    /// Of the account with this address, in lower case.
    Account(Box<str>),
    Address(IpAddr),
}

impl Weigh for Whose {
    fn weight_bytes(&self) -> u64 {
        let text = if let Self::Account(text) = self { text.len() } else { 0 };
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
    pub(super) fn new(email: &str, address: Option<IpAddr>) -> Self {
        let account = Whose::Account(email.to_lowercase().into());
        Self { account, address: address.map(|address| Whose::Address(network(address))) }
    }
}

/// A client has a whole /64 of IPv6 for itself.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// What has failed in the last minute.
pub(super) struct Attempts {
    limits: Limits,
    failures: Arc<Expiring<Whose, Failures, Infallible>>,
}

impl Attempts {
    pub(super) fn new(limits: Limits, janitor: &Janitor) -> Self {
        let bounds = expiring::Limits { bytes: BYTES, entries: ENTRIES, ttl: limits.window };
        let failures = Expiring::new(bounds);
        janitor.look_after(&failures);
        Self { limits, failures }
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
