//! Accounts: who somebody is, and what proves it.
//!
//! A login takes a password and gives two tokens. The access token is a JWT that says who its bearer is for
//! half an hour: no request asks Postgres about it but the first of a user in a few seconds. The refresh
//! token is random, is kept as a hash, and gets a new pair once.
//!
//! A hash of a password costs as much CPU as thousands of requests, so it is made on a thread of its own, at
//! a lower priority, and refused at once where it would wait for long. What is limited besides that are
//! failed attempts, by account and by the client's address.
//!
//! What may not enter: products, stock and orders. They get a [`Caller`] from the guard [`caller`], and no
//! more.

mod attempts;
mod bearer;
mod input;
mod passwords;
mod refresh;
mod routes;
mod settings;
mod sql;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use self::attempts::Attempts;
pub(super) use self::bearer::Caller;
use self::bearer::Known;
pub(super) use self::bearer::caller;
use self::passwords::Passwords;
pub(super) use self::settings::{SETTINGS, Settings};
use crate::api::Services;
use crate::api::tokens::Tokens;
use crate::http::{Method, Router, Slash};
use crate::metrics::Exposition;
use crate::store::Pool;

/// What accounts need: the state of their handlers and of the guard.
pub(super) struct Auth {
    pool: Arc<Pool>,
    tokens: Tokens,
    passwords: Passwords,
    attempts: Attempts,
    known: Known,
    refresh_lifetime_s: u32,
    logins: Logins,
    refreshes: Refreshes,
}

/// Logins by outcome.
#[derive(Default)]
struct Logins {
    succeeded: AtomicU64,
    /// An unknown address, a wrong password or an inactive account.
    failed: AtomicU64,
    /// After too many that failed.
    limited: AtomicU64,
    /// The password could not be hashed now.
    busy: AtomicU64,
}

/// Refreshes by what became of them.
#[derive(Default)]
struct Refreshes {
    succeeded: AtomicU64,
    /// A token that was used before, or has expired, and has ended its family.
    revoked: AtomicU64,
    /// A token of no family.
    unknown: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Auth {
    /// Starts what accounts need. The threads that hash begin with the first password.
    ///
    /// # Errors
    /// If there is no timer for them, or the kernel has no random bytes for a secret.
    pub(super) fn start(settings: &Settings, services: &Services<'_>) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            pool: services.pool.clone(),
            tokens: Tokens::new(&settings.tokens)?,
            passwords: Passwords::new(settings.hashing)?,
            attempts: Attempts::new(settings.attempts, services.janitor),
            known: Known::new(services),
            refresh_lifetime_s: settings.refresh_lifetime_s,
            logins: Logins::default(),
            refreshes: Refreshes::default(),
        }))
    }

    /// Adds the routes, with and without a slash at the end.
    pub(super) fn mount(self: &Arc<Self>, api: &'static str, router: &mut Router) {
        let mut scope = router.scope(api, self.clone());
        let mut routes = scope.nest("/api/v1/auth");
        routes
            .slash(Slash::Either)
            .route(Method::Post, "/register", Self::register)
            .route(Method::Post, "/login", Self::login)
            .route(Method::Post, "/refresh", Self::refresh);
        routes.guard(caller::<Self>).route(Method::Get, "/me", Self::me);
    }

    /// Ends the threads that hash. For a thread, which blocks for as long as one hash takes.
    pub(super) fn stop(&self) {
        self.passwords.stop();
    }

    /// What was counted.
    pub(super) fn expose(&self, exposition: &mut Exposition) {
        let Logins { succeeded, failed, limited, busy } = &self.logins;
        let logins = [("succeeded", succeeded), ("failed", failed), ("limited", limited), ("busy", busy)];
        for (outcome, value) in logins {
            let help = "Logins by outcome.";
            let value = value.load(Ordering::Relaxed);
            exposition.sample("pouco_logins_total", help, &[("outcome", outcome)], value);
        }
        let Refreshes { succeeded, revoked, unknown } = &self.refreshes;
        for (outcome, value) in [("succeeded", succeeded), ("revoked", revoked), ("unknown", unknown)] {
            let help = "Refresh tokens by outcome.";
            let value = value.load(Ordering::Relaxed);
            exposition.sample("pouco_refreshes_total", help, &[("outcome", outcome)], value);
        }
        self.passwords.expose(exposition);
        self.attempts.expose(exposition);
        self.known.expose(exposition);
    }
}

/// So that the guard serves these handlers too.
impl AsRef<Auth> for Auth {
    fn as_ref(&self) -> &Auth {
        self
    }
}
