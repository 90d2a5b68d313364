//! The read-heavy API: users by id and in pages.
//!
//! Every answer comes from Postgres, unless `USERS_CACHE` is on; lookups that meet on their way there become
//! one statement. Nobody is created through this API: rows come from elsewhere, so nothing may be taken for
//! the whole of them.

mod model;
mod openapi;
mod routes;
mod seed;
mod sql;

use std::io;
use std::sync::Arc;

use uuid::Uuid;

use self::routes::Key;
use super::kept::expose_expiring;
use super::{Api, Configured, Running, Services, Stored};
use crate::cache::Body;
use crate::cache::expiring::{self, Expiring};
use crate::http::{Method, Rejection, Router};
use crate::metrics::Exposition;
use crate::settings::{ConfigError, Setting, Values};
use crate::store::{Gather, Lane, Migration, Pool};

/// The API, as the table has it.
pub(super) static API: Api = Api {
    name: "users",
    in_all: true,
    example: "/users",
    openapi: Some(openapi::describe),
    settings: &[CACHE, CACHE_TTL, CACHE_BYTES, CACHE_ENTRIES],
    stored: Some(Stored {
        schema: None,
        migrations: &[Migration::new("users", include_str!("migrations/0001_users.sql")).formerly(2)],
        connections: 0,
        seed: Some(seed::SEED),
        count: Some("SELECT count(*) FROM users"),
    }),
    configure,
};

const CACHE: Setting = Setting::text(
    "USERS_CACHE",
    "off",
    "on or off",
    "users and lists of them are kept in the process; off: each answer comes from Postgres",
);
const CACHE_TTL: Setting = Setting::number(
    "POUCO_USERS_CACHE_TTL_MS",
    10_000,
    1..=86_400_000,
    "ms",
    "how old an answer of the users API may be",
);
/// A list of 200 takes some 40 KB.
const CACHE_BYTES: Setting = Setting::number(
    "POUCO_USERS_CACHE_BYTES",
    16 * 1024 * 1024,
    1_024..=1 << 40,
    "bytes",
    "memory for answers of the users API in the process; past it the least recently used go",
);
const CACHE_ENTRIES: Setting = Setting::number(
    "POUCO_USERS_CACHE_ENTRIES",
    65_536,
    1..=1_000_000,
    "",
    "as POUCO_USERS_CACHE_BYTES, in number of answers",
);

/// Checked settings.
struct Settings {
    /// `None` if it is off.
    cache: Option<expiring::Limits>,
}

fn configure(values: &Values) -> Result<Box<dyn Configured>, ConfigError> {
    let limits = expiring::Limits {
        bytes: values.number(&CACHE_BYTES)?,
        entries: values.size(&CACHE_ENTRIES)?,
        ttl: values.milliseconds(&CACHE_TTL)?,
    };
    Ok(Box::new(Settings { cache: values.switch(&CACHE)?.then_some(limits) }))
}

/// What the handlers share.
struct Users {
    pool: Arc<Pool>,
    by_id: Gather<Uuid, Body>,
    /// Answers that may be a little old, if that is wanted. What is not there is not kept.
    cache: Option<Arc<Expiring<Key, Body, Rejection>>>,
}

impl Configured for Settings {
    fn mount(self: Box<Self>, services: &Services<'_>, router: &mut Router) -> io::Result<Box<dyn Running>> {
        let cache = self.cache.map(Expiring::new);
        if let Some(cache) = &cache {
            services.janitor.look_after(cache);
        }
        let users = Arc::new(Users {
            pool: services.pool.clone(),
            by_id: Gather::new(services.pool.clone(), Lane::Lookup, sql::fetch_bodies),
            cache,
        });
        router.scope(API.name, users.clone()).route(Method::Get, "/users/{id}", Users::by_id).route(
            Method::Get,
            "/users",
            Users::list,
        );
        Ok(Box::new(Mounted(users)))
    }
}

struct Mounted(Arc<Users>);

impl Running for Mounted {
    fn expose(&self, exposition: &mut Exposition) {
        // Zeros where it is off: the series of a replica do not depend on its settings.
        let counts = self.0.cache.as_ref().map(|cache| cache.counts()).unwrap_or_default();
        expose_expiring(exposition, "users", &counts);
    }
}
