//! The APIs: one folder each, with its routes, its model and its SQL. A new one is a copy of such a folder and a line in
//! the table below.

mod dates;
pub mod edge;
mod id;
mod kept;
pub mod people;
mod unavailable;
pub mod users;

use std::io;
use std::sync::Arc;

use crate::config::Config;
use crate::http::Router;
use crate::metrics::Exposition;
use crate::readiness::Readiness;
use crate::store::{Connector, Pool, Session};
use crate::waiting::Janitor;
use crate::waiting::aside::Aside;

/// Every API: its name, the function that mounts it, what it has in Postgres, and a request to begin with.
const APIS: &[(&str, Mount, Stored, &str)] = &[
    ("people", people::mount, Stored::Rows(None, people::CONNECTIONS), people::EXAMPLE),
    ("users", users::mount, Stored::Rows(Some(users::seed), 0), "/users"),
    ("edge", edge::mount, Stored::Nothing, "/static-text"),
];

/// What an API has in Postgres.
enum Stored {
    /// A replica that has no other APIs needs no database.
    Nothing,
    /// Rows; with what fills its table for a try, if there is such a thing, and the number of connections that it
    /// has beside the pool.
    Rows(Option<Seed>, usize),
}

type Mount = fn(&Services<'_>, &mut Router) -> io::Result<Box<dyn Running>>;

/// Adds the first so many rows of a seed and returns how many were not there yet.
pub type Seed = fn(&mut Session, rows: u64, seed: u64) -> Result<u64, String>;

/// One of the known APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Api(usize);

impl Api {
    /// `all`, or names parted by commas. `None` if one of them is unknown.
    #[must_use]
    pub fn parse_list(text: &str) -> Option<Vec<Api>> {
        if text == "all" {
            return Some((0..APIS.len()).map(Api).collect());
        }
        text.split(',')
            .map(|name| APIS.iter().position(|(known, ..)| *known == name.trim()).map(Api))
            .collect()
    }

    /// The names of all of them.
    pub fn names() -> impl Iterator<Item = &'static str> {
        APIS.iter().map(|(name, ..)| *name)
    }

    /// What fills the table of the API of this name. `None` if there is no such API, or nothing to fill.
    #[must_use]
    pub fn seed(name: &str) -> Option<Seed> {
        APIS.iter().find(|(known, ..)| *known == name).and_then(|(_, _, stored, _)| match stored {
            Stored::Rows(seed, _) => *seed,
            Stored::Nothing => None,
        })
    }

    /// It stores something.
    #[must_use]
    pub fn needs_database(self) -> bool {
        self.connections().is_some()
    }

    /// How many connections to Postgres it has beside the pool; `None` if it needs no database.
    #[must_use]
    pub fn connections(self) -> Option<usize> {
        match APIS[self.0].2 {
            Stored::Rows(_, connections) => Some(connections),
            Stored::Nothing => None,
        }
    }

    /// The name in `POUCO_APIS`.
    #[must_use]
    pub fn name(self) -> &'static str {
        APIS[self.0].0
    }

    /// A request to begin with: its path, and what else curl needs for it.
    #[must_use]
    pub fn example(self) -> &'static str {
        APIS[self.0].3
    }

    /// Adds the routes of the API and starts what it needs.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn mount(self, services: &Services<'_>, router: &mut Router) -> io::Result<Box<dyn Running>> {
        (APIS[self.0].1)(services, router)
    }
}

/// What an API may use.
pub struct Services<'s> {
    /// The checked settings.
    pub config: &'s Config,
    /// The way to Postgres, for a writer of its own.
    pub connector: &'s Connector,
    /// The connections that all APIs share.
    pub pool: &'s Arc<Pool>,
    /// Ends what waits too long.
    pub janitor: &'s Janitor,
    /// Does what would block the coroutines' thread.
    pub aside: &'s Arc<Aside>,
}

/// A mounted API.
pub trait Running: Send + Sync {
    /// Writes out what is queued and ends the API's threads. No request comes any more.
    fn stop(&mut self);

    /// Says what stands against a request for this API.
    fn readiness(&self, _readiness: &mut Readiness) {}

    /// Adds the API's counters.
    fn expose(&self, exposition: &mut Exposition);
}
