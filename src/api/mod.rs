//! The APIs: one folder each, with its settings, its tables, its routes and its model. A new one is such a
//! folder and a line in the table below; nothing else knows an API by name.

mod bearer;
pub(crate) mod describe;
mod email;
mod errors;
mod id;
mod kept;
mod query;
mod redis;
mod secrets;
mod text;
mod tokens;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use utoipa::openapi::{OpenApi, PathItem};

use crate::http::Router;
use crate::metrics::Exposition;
use crate::readiness::Readiness;
use crate::replicas::Replicas;
use crate::settings::{ConfigError, Setting, Values};
use crate::store::commit::CommitLimits;
use crate::store::{Connector, Migration, Pool, Schema, Session};
use crate::waiting::Janitor;
use crate::waiting::aside::Aside;

macro_rules! apis {
    ($($visibility:vis mod $name:ident;)+) => {
        $($visibility mod $name;)+

        /// Every API.
        pub static APIS: &[&Api] = &[$(&$name::API),+];
    };
}

// rustfmt does not look into a macro: tests/lints.sh names these folders to it.
apis! {
    mod people;
    mod users;
    pub mod edge;
    mod inventory;
    mod bench;
}

/// Which of them are served.
pub const SELECTED: Setting = Setting::text(
    "POUCO_APIS",
    "all",
    "comma-separated names",
    "which APIs are served; bench only if it is named, since some of its paths are also those of others",
);

/// One API, as its folder describes it. docs/add-an-api.md makes one.
pub struct Api {
    /// Its name in `POUCO_APIS`, in metrics and on the command line: lower-case letters.
    pub name: &'static str,
    /// Whether `all` in `POUCO_APIS` means this one too. One that has paths of others is served where it is
    /// named.
    pub in_all: bool,
    /// A request to begin with: its path, and what else curl needs for it.
    pub example: &'static str,
    /// Its routes, types and errors for OpenAPI. A route that is not described is in the document all the
    /// same, as far as its template says what it is.
    pub openapi: Option<fn() -> OpenApi>,
    /// What of the environment it reads.
    pub settings: &'static [Setting],
    /// What it has in Postgres. A replica whose APIs have nothing needs no database.
    pub stored: Option<Stored>,
    /// Checks the settings, before anything is opened.
    pub configure: fn(&Values) -> Result<Box<dyn Configured>, ConfigError>,
}

/// What an API has in Postgres.
#[derive(Clone, Copy)]
pub struct Stored {
    /// The schema that its tables are in; `None` for `public`, where only the oldest APIs are.
    pub schema: Option<&'static str>,
    /// Its tables, oldest step first. Only ever append.
    pub migrations: &'static [Migration],
    /// How many connections it has besides the pool.
    pub connections: usize,
    /// What fills its tables for a try.
    pub seed: Option<Seed>,
    /// A statement for `pouco count`: one row with one bigint.
    pub count: Option<&'static str>,
}

/// What fills the tables of an API for a try, the same for the same seed.
#[derive(Clone, Copy)]
pub struct Seed {
    /// What there is to be filled, in the order in which it is.
    pub rows: &'static [SeedRows],
    /// What adds them.
    pub fill: Fill,
}

/// Adds the first so many of each kind, in the order of the kinds, and returns how many were not there yet.
/// After an error none of them is there, and the session is of no more use.
pub type Fill = fn(&mut Session, counts: &[u64], seed: u64) -> Result<Vec<u64>, postgres::Error>;

/// One kind of rows of a [`Seed`].
#[derive(Clone, Copy)]
pub struct SeedRows {
    /// The option that says how many: `--rows`.
    pub option: &'static str,
    /// What they are called.
    pub name: &'static str,
    /// How many where nobody says it.
    pub default: u64,
}

/// An API whose settings are checked.
pub trait Configured: Send {
    /// Checks what depends on the others: whether several replicas serve on one database.
    ///
    /// # Errors
    /// A setting that is not allowed then.
    fn check(&self, _several_replicas: bool) -> Result<(), ConfigError> {
        Ok(())
    }

    /// Adds the routes and starts what the API needs.
    ///
    /// # Errors
    /// If a thread cannot be started.
    fn mount(self: Box<Self>, services: &Services<'_>, router: &mut Router) -> io::Result<Box<dyn Running>>;
}

impl Api {
    /// The API of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        APIS.iter().copied().find(|api| api.name == name)
    }

    /// Its tables, if it has any.
    #[must_use]
    pub fn schema(&self) -> Option<Schema> {
        let stored = self.stored.as_ref()?;
        Some(Schema { api: self.name, schema: stored.schema, migrations: stored.migrations })
    }

    /// What it answers, as far as it describes that: `GET /users/{id}`.
    fn described(&self) -> Vec<String> {
        let paths = self.openapi.map(|describe| describe().paths.paths).unwrap_or_default();
        let named = |(path, item): (String, PathItem)| {
            let PathItem { get, put, post, delete, patch, .. } = item;
            let all = [("GET", get), ("PUT", put), ("POST", post), ("DELETE", delete), ("PATCH", patch)];
            all.into_iter()
                .filter_map(move |(method, operation)| operation.map(|_| format!("{method} {path}")))
        };
        paths.into_iter().flat_map(named).collect()
    }
}

/// The APIs that are to be served, with their settings checked.
pub struct Selection(Vec<(&'static Api, Box<dyn Configured>)>);

impl Selection {
    /// Those that `POUCO_APIS` names.
    ///
    /// # Errors
    /// One of them is unknown or named twice, or a setting is not allowed.
    pub fn read(values: &Values) -> Result<Self, ConfigError> {
        let apis = named(values)?;
        let configured = apis.into_iter().map(|api| {
            values.check_ends(api.settings)?;
            Ok((api, (api.configure)(values)?))
        });
        configured.collect::<Result<_, _>>().map(Self)
    }

    /// Checks what is asked only of those that serve, and not of `pouco migrate`: that no two of them answer
    /// one path, as far as they describe themselves. (What they do not describe clashes in the router.)
    ///
    /// # Errors
    /// The first setting that is not allowed.
    pub fn check(&self, several_replicas: bool) -> Result<(), ConfigError> {
        let mut known = HashMap::new();
        for api in self.apis() {
            for route in api.described() {
                if let Some(first) = known.insert(route.clone(), api.name) {
                    let names: Vec<&str> = self.apis().iter().map(|api| api.name).collect();
                    let why = format!("both {first} and {} have {route}", api.name);
                    return Err(SELECTED.refuse(&names.join(","), why));
                }
            }
        }
        self.0.iter().try_for_each(|(_, configured)| configured.check(several_replicas))
    }

    /// One of them stores something.
    #[must_use]
    pub fn needs_database(&self) -> bool {
        self.stored().next().is_some()
    }

    /// How many connections to Postgres they have besides the pool.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.stored().map(|stored| stored.connections).sum()
    }

    /// Their tables.
    #[must_use]
    pub fn schemas(&self) -> Vec<Schema> {
        self.0.iter().filter_map(|(api, _)| api.schema()).collect()
    }

    /// A request to begin with, for each.
    pub fn examples(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(api, _)| api.example)
    }

    /// Those that are served.
    #[must_use]
    pub fn apis(&self) -> Vec<&'static Api> {
        self.0.iter().map(|(api, _)| *api).collect()
    }

    /// Adds all routes and starts what they need.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn mount(self, services: &Services<'_>, router: &mut Router) -> io::Result<Vec<Box<dyn Running>>> {
        self.0.into_iter().map(|(_, configured)| configured.mount(services, router)).collect()
    }

    fn stored(&self) -> impl Iterator<Item = &'static Stored> {
        self.0.iter().filter_map(|(api, _)| api.stored.as_ref())
    }
}

fn named(values: &Values) -> Result<Vec<&'static Api>, ConfigError> {
    let text = values.text(&SELECTED);
    if text == "all" {
        return Ok(APIS.iter().copied().filter(|api| api.in_all).collect());
    }
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    let known: Option<Vec<_>> = names.iter().map(|name| Api::find(name)).collect();
    let twice = names.iter().enumerate().any(|(index, name)| names[..index].contains(name));
    known.filter(|_| !twice).ok_or_else(|| {
        let all: Vec<&str> = APIS.iter().map(|api| api.name).collect();
        SELECTED.refuse(&text, format!("{}: {}", SELECTED.allowed(), all.join(", ")))
    })
}

/// What an API may use.
pub struct Services<'s> {
    /// The way to Postgres, for a writer of its own.
    pub connector: &'s Connector,
    /// The connections that all APIs share.
    pub pool: &'s Arc<Pool>,
    /// Ends what waits too long.
    pub janitor: &'s Janitor,
    /// Does what would block the coroutines' thread.
    pub aside: &'s Arc<Aside>,
    /// The bounds of each group commit.
    pub commit: CommitLimits,
    /// How often a replica looks for what others have committed.
    pub feed_interval: Duration,
    /// Several replicas are known to serve on one database.
    pub several_replicas: bool,
    /// ... while the other replicas send it directly.
    pub feed_pushed: Duration,
    /// This replica among the others.
    pub replicas: &'s Replicas,
    /// No other API is mounted: `/` and `/metrics` of the public address are this one's, if it has such
    /// pages. Otherwise they are the replica's, and an API that adds them clashes with it at the start.
    pub alone: bool,
}

/// A mounted API.
pub trait Running: Send + Sync {
    /// Writes out what is queued and ends the API's threads. No request comes any more.
    fn stop(&mut self) {}

    /// Says what stands against a request for this API.
    fn readiness(&self, _readiness: &mut Readiness) {}

    /// Adds the API's counters.
    fn expose(&self, _exposition: &mut Exposition) {}
}

/// An API that runs nothing, and counts nothing that the router does not count for it.
impl Running for () {}

#[cfg(test)]
mod tests {
    use super::{APIS, Api, Selection};
    use crate::settings::Values;

    fn read(apis: &str) -> Result<Selection, String> {
        Selection::read(&[("POUCO_APIS", apis)].into_iter().collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_that_is_not_right_is_told_the_known_names() {
        let known: Vec<&str> = APIS.iter().map(|api| api.name).collect();
        let twice = [known[0], known[0]].join(",");
        for list in ["cats", twice.as_str(), " ", ","] {
            let Err(error) = read(list) else { panic!("{list} is taken") };
            let names = known.join(", ");
            assert_eq!(error, format!("POUCO_APIS=`{list}` is not allowed: comma-separated names: {names}"));
        }
    }

    #[test]
    fn only_what_is_selected_counts() {
        let all = read("all").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(all.examples().count(), APIS.iter().filter(|api| api.in_all).count());
        for api in APIS {
            let one = read(api.name).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(one.needs_database(), api.stored.is_some());
            assert_eq!(one.schemas().len(), usize::from(api.stored.is_some()));
        }
    }

    /// Those of `all` have no path in common; one that has is told which, before anything is opened.
    #[test]
    fn two_apis_with_one_path_are_refused() {
        assert_eq!(read("all").unwrap_or_else(|error| panic!("{error}")).check(false), Ok(()));
        let first = APIS.iter().find(|api| api.in_all && !api.described().is_empty());
        let twin = |api: &'static Api| (api, (api.configure)(&Values::default()).unwrap());
        let twins = first.map(|api| Selection(vec![twin(api), twin(api)]));
        let Some(Err(error)) = twins.map(|twins| twins.check(false)) else { panic!("they are taken") };
        let (name, route) = first.map(|api| (api.name, api.described().remove(0))).unwrap();
        let expected =
            format!("POUCO_APIS=`{name},{name}` is not allowed: both {name} and {name} have {route}");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn every_bad_value_of_a_setting_is_found() {
        for (api, setting) in APIS.iter().flat_map(|api| api.settings.iter().map(move |one| (api, one))) {
            let values = [(setting.name, "not a value"), ("POUCO_APIS", api.name)].into_iter().collect();
            let Err(error) = Selection::read(&values) else { panic!("{} takes anything", setting.name) };
            assert!(error.to_string().starts_with(setting.name), "{error}");
        }
    }
}
