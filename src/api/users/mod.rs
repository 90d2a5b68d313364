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

pub(super) use self::seed::seed;
use super::{Running, Services};
use crate::http::{Method, Router};
use crate::metrics::Exposition;
use crate::store::{Gather, Readers};

/// A rendered user; what `GET /users/{id}` answers with.
type Body = Arc<[u8]>;

/// What the handlers share.
struct Users {
    readers: Arc<Readers>,
    by_id: Gather<Uuid, Body>,
}

/// Adds the routes.
pub(super) fn mount(services: &Services<'_>, router: &mut Router) -> io::Result<Box<dyn Running>> {
    let users = Arc::new(Users {
        readers: services.readers.clone(),
        by_id: Gather::new(services.readers.clone(), sql::fetch_bodies),
    });
    router.route(Method::Get, "/healthz", |_, response| response.json(b"{\"status\":\"ok\"}"));
    let one = users.clone();
    router.route(Method::Get, "/users/{id}", move |request, response| one.by_id(request, response));
    router.route(Method::Get, "/users", move |request, response| users.list(request, response));
    Ok(Box::new(Mounted))
}

struct Mounted;

impl Running for Mounted {
    /// Nothing of its own runs.
    fn stop(&mut self) {}

    fn expose(&self, _: &mut Exposition) {}
}
