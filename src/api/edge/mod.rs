//! The edge cache: an index page, a static text, the time and the counters of these, each behind three caches
//! by prefix.
//!
//! `/memory/…` (also without a prefix, unless the server is told otherwise) is kept in this process,
//! `/redis/…` in a Redis that all replicas share, and `/nginx/…` by the nginx before them, so here it is
//! always computed. `X-Cache-Status` says what the cache did. `/metrics` without a prefix is the one page
//! that no cache keeps. It and `/` are here only where no other API is.

mod openapi;
mod pages;
mod routes;

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use self::pages::Page;
pub use self::routes::Layer;
use self::routes::mounted;
use super::kept::{expose_coalesced, expose_expiring, expose_lookups};
use super::redis::{self, REDIS_HOST, REDIS_PASSWORD, REDIS_PASSWORD_FILE, REDIS_ROOT_CERT, REDIS_TIMEOUT};
use super::redis::{REDIS_URL, REDIS_USER};
use super::{Api, Configured, Running, Services};
use crate::cache::Body;
use crate::cache::expiring::{self, Expiring};
use crate::cache::shared::{RedisSettings, Shared};
use crate::http::{Method, Router, Tally};
use crate::instruments::Counter;
use crate::metrics::Exposition;
use crate::settings::{ConfigError, Setting, Values};
use crate::waiting::Janitor;

/// What the handlers share.
struct Edge {
    /// Of the paths without a prefix.
    plain: Layer,
    /// No other API is mounted.
    alone: bool,
    memory: Arc<Expiring<Page, Body, Infallible>>,
    redis: Shared<Infallible>,
    /// What the router counts of these routes, once they are added.
    tallies: OnceLock<Vec<Arc<Tally>>>,
    /// How often each page was computed for each layer. Written by the handlers alone.
    computed: [[Counter; Page::ALL.len()]; Layer::ALL.len()],
}

/// The API, as the table has it.
pub(super) static API: Api = Api {
    name: "edge",
    in_all: true,
    example: "/static-text",
    openapi: Some(openapi::describe),
    settings: &[
        KEEPER,
        TTL,
        BYTES,
        ENTRIES,
        REDIS_HOST,
        REDIS_URL,
        REDIS_USER,
        REDIS_PASSWORD,
        REDIS_PASSWORD_FILE,
        REDIS_ROOT_CERT,
        REDIS_TTL,
        REDIS_TIMEOUT,
    ],
    stored: None,
    configure,
};

const KEEPER: Setting = Setting::text(
    "POUCO_EDGE_CACHE",
    "memory",
    "memory, nginx or redis",
    "which cache keeps the pages of the edge API that have no prefix; with nginx, the cache is in front of the server, which computes each page",
);
const TTL: Setting = Setting::number(
    "POUCO_EDGE_CACHE_TTL_MS",
    10_000,
    1..=86_400_000,
    "ms",
    "how long a page of the edge API lives in the process",
);
/// There are few pages; the bounds are for what may be added.
const BYTES: Setting = Setting::number(
    "POUCO_EDGE_CACHE_BYTES",
    4 * 1024 * 1024,
    1_024..=1 << 40,
    "bytes",
    "memory for pages of the edge API in the process; past it the least recently used go",
);
const ENTRIES: Setting = Setting::number(
    "POUCO_EDGE_CACHE_ENTRIES",
    1_024,
    1..=1_000_000,
    "",
    "as POUCO_EDGE_CACHE_BYTES, in number of pages",
);
const REDIS_TTL: Setting =
    Setting::number("POUCO_REDIS_TTL_MS", 60_000, 1..=86_400_000, "ms", "how long a value lives in Redis");
/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What keeps the paths without a prefix.
    pub plain: Layer,
    /// The bounds of what this process keeps.
    pub memory: expiring::Limits,
    /// `None`: what would be there is computed each time.
    pub redis: Option<RedisSettings>,
    /// How long a value lives there.
    pub redis_ttl: Duration,
}

impl Settings {
    /// Checks raw values.
    ///
    /// # Errors
    /// The first setting that is not allowed.
    pub fn read(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self {
            plain: values.parsed(&KEEPER, Layer::parse)?,
            memory: expiring::Limits {
                bytes: values.number(&BYTES)?,
                entries: values.size(&ENTRIES)?,
                ttl: values.milliseconds(&TTL)?,
            },
            redis: redis::read(values)?,
            redis_ttl: values.milliseconds(&REDIS_TTL)?,
        })
    }

    /// Adds the routes and starts what they need, for servers that have nothing else: this API needs no
    /// database.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn mount(&self, janitor: &Janitor, router: &mut Router) -> io::Result<Box<dyn Running>> {
        self.mount_where(true, janitor, router)
    }

    fn mount_where(
        &self,
        alone: bool,
        janitor: &Janitor,
        router: &mut Router,
    ) -> io::Result<Box<dyn Running>> {
        let memory = Expiring::new(self.memory);
        janitor.look_after(&memory);
        let edge = Arc::new(Edge {
            plain: self.plain,
            alone,
            memory,
            redis: Shared::start(self.redis.as_ref(), self.redis_ttl, janitor)?,
            tallies: OnceLock::new(),
            computed: Default::default(),
        });
        let mut scope = router.scope(API.name, edge.clone());
        for route in mounted(alone) {
            scope.route(Method::Get, route.path, move |edge, _, response| {
                edge.answer(route, response);
            });
        }
        edge.tallies.get_or_init(|| router.tallies(API.name));
        Ok(Box::new(Mounted(edge)))
    }
}

fn configure(values: &Values) -> Result<Box<dyn Configured>, ConfigError> {
    Ok(Box::new(Settings::read(values)?))
}

impl Configured for Settings {
    fn mount(self: Box<Self>, services: &Services<'_>, router: &mut Router) -> io::Result<Box<dyn Running>> {
        self.mount_where(services.alone, services.janitor, router)
    }
}

struct Mounted(Arc<Edge>);

impl Running for Mounted {
    fn stop(&mut self) {
        self.0.redis.stop();
    }

    fn expose(&self, exposition: &mut Exposition) {
        let edge = &self.0;
        expose_expiring(exposition, "edge_memory", &edge.memory.counts());
        let shared = edge.redis.counts();
        expose_lookups(exposition, "edge_redis", shared.hits, shared.misses);
        expose_coalesced(exposition, "edge_redis", shared.coalesced);
        for layer in Layer::ALL {
            for page in Page::ALL {
                let labels = [("cache", layer.name()), ("page", page.name())];
                let count = edge.computed[layer as usize][page as usize].get();
                exposition.sample("pouco_edge_computed_total", "Pages computed.", &labels, count);
            }
        }
        let remote = shared.remote;
        exposition.sample("pouco_redis_up", "1 if Redis answers.", &[], u64::from(remote.up));
        exposition.sample("pouco_redis_commands_total", "Commands sent to Redis.", &[], remote.commands);
        let help = "Connections to Redis that were lost or could not be opened.";
        exposition.sample("pouco_redis_failures_total", help, &[], remote.failures);
        exposition.sample("pouco_redis_refused_total", "Commands that Redis refused.", &[], remote.refused);
        let help = "Lookups that were not sent to Redis, since it was away.";
        exposition.sample("pouco_redis_bypassed_total", help, &[], remote.bypassed);
        let help = "Lookups in Redis that reached their deadline.";
        exposition.sample("pouco_redis_expired_total", help, &[], remote.expired);
    }
}
