//! The edge cache: an index page, a static text, the time and the counters of these, each behind three caches by prefix.
//!
//! `/memory/…` (also without a prefix, unless the server is told otherwise) is kept in this process, `/redis/…` in a Redis that all replicas share, and `/nginx/…` by the
//! nginx before them, so here it is always computed. `X-Cache-Status` says what the cache did. `/metrics` without a prefix is
//! the one page that no cache keeps.

mod pages;
mod requests;
mod routes;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use self::pages::Page;
use self::requests::Requests;
pub use self::routes::Keeper;
use self::routes::{Layer, ROUTES};
use super::kept::{expose_coalesced, expose_expiring};
use super::{Running, Services};
use crate::cache::expiring::{self, Expiring};
use crate::cache::shared::{RedisSettings, Shared};
use crate::http::{Method, Router};
use crate::instruments::Counter;
use crate::metrics::Exposition;
use crate::waiting::Janitor;

/// A rendered page.
type Body = Arc<[u8]>;

/// What the handlers share.
struct Edge {
    /// Of the paths without a prefix.
    plain: Layer,
    memory: Arc<Expiring<Page, Body, Infallible>>,
    redis: Shared<Infallible>,
    requests: Requests,
    /// How often each page was computed for each layer. Written by the handlers alone.
    computed: [[Counter; Page::ALL.len()]; Layer::ALL.len()],
}

/// Adds the routes.
pub(super) fn mount(services: &Services<'_>, router: &mut Router) -> io::Result<Box<dyn Running>> {
    let config = services.config;
    let redis = config.redis.as_ref();
    mount_with(config.edge_keeper, config.edge_cache, redis, config.redis_ttl, services.janitor, router)
}

/// As the table of APIs does, for a server that has nothing else: this API needs no database.
///
/// # Errors
/// If no thread can be started.
pub fn mount_with(
    plain: Keeper,
    memory: expiring::Limits,
    redis: Option<&RedisSettings>,
    redis_ttl: Duration,
    janitor: &Janitor,
    router: &mut Router,
) -> io::Result<Box<dyn Running>> {
    let memory = Expiring::new(memory);
    janitor.look_after(&memory);
    let edge = Arc::new(Edge {
        plain: plain.layer(),
        memory,
        redis: Shared::start(redis, redis_ttl, janitor)?,
        requests: Requests::default(),
        computed: Default::default(),
    });
    let mut scope = router.scope("edge", edge.clone());
    for route in &ROUTES {
        scope.route(Method::Get, route.path, move |edge, request, response| {
            edge.answer(route, request, response);
        });
    }
    Ok(Box::new(Mounted(edge)))
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
        exposition.cache("edge_redis", shared.hits, shared.misses);
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
        let help = "Look-ups that were not sent to Redis, since it was away.";
        exposition.sample("pouco_redis_bypassed_total", help, &[], remote.bypassed);
        let help = "Look-ups in Redis that reached their deadline.";
        exposition.sample("pouco_redis_expired_total", help, &[], remote.expired);
    }
}
