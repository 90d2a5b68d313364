//! The read-heavy API: users by id and in pages.
//!
//! Every answer comes from Postgres, unless `USERS_CACHE` is on; look-ups that meet on their way there become one statement.
//! Nobody is created through this API: rows come from elsewhere, so nothing may be taken for the whole of them.

mod model;
mod routes;
mod seed;
mod sql;

use std::io;
use std::sync::Arc;

use uuid::Uuid;

use self::routes::Key;
pub(super) use self::seed::seed;
use super::kept::expose_expiring;
use super::{Running, Services};
use crate::cache::expiring::Expiring;
use crate::http::{Method, Rejection, Router};
use crate::metrics::Exposition;
use crate::store::{Gather, Lane, Pool};

/// A rendered user; what `GET /users/{id}` answers with.
type Body = Arc<[u8]>;

/// What the handlers share.
struct Users {
    pool: Arc<Pool>,
    by_id: Gather<Uuid, Body>,
    /// Answers that may be a little old, if that is wanted. What is not there is not kept.
    cache: Option<Arc<Expiring<Key, Body, Rejection>>>,
}

/// Adds the routes.
pub(super) fn mount(services: &Services<'_>, router: &mut Router) -> io::Result<Box<dyn Running>> {
    let cache = services.config.users_cache.map(Expiring::new);
    if let Some(cache) = &cache {
        services.janitor.look_after(cache);
    }
    let users = Arc::new(Users {
        pool: services.pool.clone(),
        by_id: Gather::new(services.pool.clone(), Lane::Lookup, sql::fetch_bodies),
        cache,
    });
    router
        .scope("users", users.clone())
        .route(Method::Get, "/healthz", |_, _, response| response.json(b"{\"status\":\"ok\"}"))
        .route(Method::Get, "/users/{id}", Users::by_id)
        .route(Method::Get, "/users", Users::list);
    Ok(Box::new(Mounted(users)))
}

struct Mounted(Arc<Users>);

impl Running for Mounted {
    /// Nothing of its own runs.
    fn stop(&mut self) {}

    fn expose(&self, exposition: &mut Exposition) {
        // Zeros where it is off: the series of a replica do not depend on its settings.
        let counts = self.0.cache.as_ref().map(|cache| cache.counts()).unwrap_or_default();
        expose_expiring(exposition, "users", &counts);
    }
}
