//! The guard of everything that belongs to a user: who the bearer of a token is (RFC 6750).
//!
//! A token that is good says so by itself. That its user is still there is asked of Postgres. Both are known
//! for a few seconds afterwards: most requests verify no signature and need no statement, and many that ask
//! at once are one.
//!
//! Race window: an account that is switched off is served for as long as it is known, five seconds at most.
//! The end of a token is looked at each time.

use std::sync::Arc;
use std::time::Duration;

use super::{Auth, sql};
use crate::api::Services;
pub(in crate::api::inventory) use crate::api::bearer::Refused;
use crate::api::bearer::token_of;
use crate::api::kept::expose_expiring;
use crate::api::tokens::{Bearer, Tokens};
use crate::cache::expiring::{self, Expiring};
use crate::http::RequestHead;
use crate::metrics::Exposition;
use crate::store::{Gather, Lane};

/// How long it is known that a token is good and its user there.
const KNOWN_FOR: Duration = Duration::from_secs(5);
const KNOWN_BYTES: u64 = 4 * 1024 * 1024;
const KNOWN_ENTRIES: usize = 32_768;

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api::inventory) struct Caller {
    /// Of the user.
    pub(in crate::api::inventory) id: i64,
}

/// The guard: whose token comes with a request.
///
/// # Errors
/// 401 without a good one, and 503 if Postgres cannot be asked whether its user is there.
pub(in crate::api::inventory) fn caller<S: AsRef<Auth>>(
    state: &S,
    head: &RequestHead<'_>,
) -> Result<Caller, Refused> {
    let auth: &Auth = state.as_ref();
    Ok(Caller { id: auth.known.user_of(token_of(head)?, &auth.tokens)? })
}

/// The tokens that are known to be good, of users that are known to be there.
pub(super) struct Known {
    recent: Arc<Expiring<Vec<u8>, Bearer, Refused>>,
    stored: Gather<i64, ()>,
}

impl Known {
    pub(super) fn new(services: &Services<'_>) -> Self {
        let limits = expiring::Limits { bytes: KNOWN_BYTES, entries: KNOWN_ENTRIES, ttl: KNOWN_FOR };
        let recent = Expiring::new(limits);
        services.janitor.look_after(&recent);
        Self { recent, stored: Gather::new(services.pool.clone(), Lane::Lookup, sql::fetch_active) }
    }

    /// # Errors
    /// It is no good token, or there is no such user, or none that is active; that is not kept. Or Postgres
    /// cannot be asked.
    fn user_of(&self, token: &[u8], tokens: &Tokens) -> Result<i64, Refused> {
        let look = || {
            let bearer = tokens.read(token).ok_or(Refused::of_token())?;
            self.stored.get(bearer.user)?.ok_or(Refused::of_token())?;
            Ok(bearer)
        };
        let bearer = self.recent.get_or_compute(token, look)?.value;
        if bearer.is_over() {
            return Err(Refused::of_token());
        }
        Ok(bearer.user)
    }

    /// What was counted.
    pub(super) fn expose(&self, exposition: &mut Exposition) {
        expose_expiring(exposition, "accounts", &self.recent.counts());
    }
}
