//! The API that frameworks are compared by: one endpoint for each kind of work that a backend does. A
//! constant, JSON in and out, a table read whole, rows written, a wait for somebody else, fields of the head,
//! a file.
//!
//! Besides these there is work that may be done in several ways, each behind a path of its own, so that they
//! can be compared: a list in pages, authors with their posts, many rows written, a product that many buy, a
//! user from a cache, who asks, groups of rows, a search.
//!
//! Each does what its name says. Whatever is of the database comes from there, at each request, unless the
//! path says that it is from a cache. It is served only where `POUCO_APIS` names it: it has paths that the
//! users API has.

mod access;
mod aggregation;
mod authors;
mod bulk;
mod cached;
mod decrement;
mod echo;
mod external;
mod model;
mod multipart;
mod once;
mod openapi;
mod pagination;
mod protected;
mod search;
mod seed;
mod sql;
mod upload;
mod users;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::Duration;

use self::access::Access;
use self::cached::{CacheSettings, Kept};
use self::decrement::Decrements;
use super::secrets::{SECRET, SECRET_BEFORE, SECRET_BEFORE_FILE, SECRET_FILE, TokenSettings};
use super::{Api, Configured, Running, Services, Stored, redis};
use crate::cache::Body;
use crate::http::{Method, Router, Scope};
use crate::limits;
use crate::metrics::Exposition;
use crate::readiness::Readiness;
use crate::settings::{ConfigError, Setting, Values};
use crate::store::commit::CommitQueue;
use crate::store::{Gather, Lane, Migration, Pool};

/// The API, as the table has it.
pub(super) static API: Api = Api {
    name: "bench",
    in_all: false,
    example: "/users -d '{\"name\":\"Ana\",\"email\":\"ana@example.com\"}'",
    openapi: Some(openapi::describe),
    settings: &[
        EXTERNAL,
        SLICE_ROWS,
        UPLOAD_BYTES,
        cached::TTL,
        cached::BYTES,
        redis::REDIS_HOST,
        redis::REDIS_URL,
        redis::REDIS_USER,
        redis::REDIS_PASSWORD,
        redis::REDIS_PASSWORD_FILE,
        redis::REDIS_ROOT_CERT,
        redis::REDIS_TIMEOUT,
        SECRET,
        SECRET_FILE,
        SECRET_BEFORE,
        SECRET_BEFORE_FILE,
    ],
    stored: Some(Stored {
        schema: Some("bench"),
        migrations: &[
            Migration::new("bench users", include_str!("migrations/0001_users.sql")),
            Migration::new("bench optimizations", include_str!("migrations/0002_optimizations.sql")),
        ],
        // The writers of creations and of decrements.
        connections: 2 * limits::WRITERS_PER_REPLICA,
        seed: Some(seed::SEED),
        count: Some("SELECT count(*) FROM bench.users"),
    }),
    configure,
};

const EXTERNAL: Setting = Setting::number(
    "POUCO_BENCH_EXTERNAL_MS",
    100,
    1..=60_000,
    "ms",
    "how long GET /external sleeps, in place of a call to another service",
);
/// 1,000 rows in memory, read and rendered, are some 200 KB.
const SLICE_ROWS: Setting = Setting::number(
    "POUCO_BENCH_SLICE_ROWS",
    2_048,
    1..=10_000,
    "rows",
    "rows of GET /users that one statement reads; a larger table is sent while it is read",
);
const UPLOAD_BYTES: Setting = Setting::number(
    "POUCO_BENCH_UPLOAD_BYTES",
    10 * 1024 * 1024,
    1_024..=1 << 40,
    "bytes",
    "body of POST /upload; more is a 413",
);

/// Checked settings.
struct Settings {
    external: Duration,
    slice_rows: i64,
    upload_bytes: usize,
    cache: CacheSettings,
    tokens: TokenSettings,
}

fn configure(values: &Values) -> Result<Box<dyn Configured>, ConfigError> {
    Ok(Box::new(Settings {
        external: values.milliseconds(&EXTERNAL)?,
        // Far below what an i64 holds.
        slice_rows: values.number(&SLICE_ROWS)?.cast_signed(),
        upload_bytes: values.size(&UPLOAD_BYTES)?,
        cache: CacheSettings::read(values)?,
        tokens: TokenSettings::read(values, access::LIFETIME_S, Some(API.name))?,
    }))
}

/// What the handlers share.
struct Bench {
    pool: Arc<Pool>,
    by_id: Gather<i64, Body>,
    queue: Arc<CommitQueue<sql::Users>>,
    decrements: Arc<CommitQueue<Decrements>>,
    kept: Kept,
    access: Access,
    external: Duration,
    slice_rows: i64,
    /// Tables of more than one slice that are being sent now.
    large_lists: AtomicUsize,
}

impl Configured for Settings {
    fn check(&self, several_replicas: bool) -> Result<(), ConfigError> {
        self.tokens.check(several_replicas)
    }

    fn mount(self: Box<Self>, services: &Services<'_>, router: &mut Router) -> io::Result<Box<dyn Running>> {
        let (queue, writer) =
            CommitQueue::start(services.connector.clone(), services.commit, services.janitor)?;
        let (decrements, selling) =
            CommitQueue::start(services.connector.clone(), services.commit, services.janitor)?;
        let bench = Arc::new(Bench {
            pool: services.pool.clone(),
            by_id: Gather::new(services.pool.clone(), Lane::Lookup, sql::fetch_bodies),
            queue,
            decrements,
            kept: Kept::start(&self.cache, services)?,
            access: Access::start(&self.tokens, services)?,
            external: self.external,
            slice_rows: self.slice_rows,
            large_lists: AtomicUsize::new(0),
        });
        let mut scope = router.scope(API.name, bench.clone());
        scope
            .route(Method::Get, "/health", |_, _, response| response.json(HEALTH))
            .route(Method::Post, "/echo", |_, request, response| echo::answer(request, response))
            .route(Method::Get, "/users", Bench::list)
            .route(Method::Post, "/users", Bench::create)
            .route(Method::Get, "/users/{id}", Bench::user)
            .route(Method::Put, "/users/{id}", Bench::change)
            .route(Method::Delete, "/users/{id}", Bench::delete)
            .route(Method::Get, "/external", |bench, _, response| external::answer(bench.external, response))
            .route_stream(Method::Post, "/upload", self.upload_bytes, |_, request, body, response| {
                upload::answer(request, body, response)
            });
        scope
            .guard(|_, head| protected::has_token(head))
            .guard(|_, (), head| protected::has_request_id(head))
            .route(Method::Get, "/protected", |_, (), request, response| {
                protected::answer(request, response);
            });
        // Last, since the first templates are found at once.
        WAYS.iter().for_each(|mount| mount(&mut scope));
        Ok(Box::new(Mounted { bench, writers: vec![("creations", writer), ("decrements", selling)] }))
    }
}

/// What may be done in several ways: what adds the routes of each.
const WAYS: [fn(&mut Scope<'_, Bench>); 8] = [
    pagination::mount,
    authors::mount,
    bulk::mount,
    decrement::mount,
    cached::mount,
    access::mount,
    aggregation::mount,
    search::mount,
];

/// Of `GET /health`: that the process answers. What stands against serving is in `/readyz`.
const HEALTH: &[u8] = b"{\"status\":\"ok\",\"server\":\"pouco\"}";

struct Mounted {
    bench: Arc<Bench>,
    /// Each with what it writes.
    writers: Vec<(&'static str, thread::JoinHandle<()>)>,
}

impl Running for Mounted {
    fn stop(&mut self) {
        self.bench.queue.close();
        self.bench.decrements.close();
        self.bench.kept.stop();
        for (what, writer) in self.writers.drain(..) {
            if writer.join().is_err() {
                log::error!("the writer of bench {what} panicked");
            }
        }
    }

    fn readiness(&self, readiness: &mut Readiness) {
        readiness.age(API.name, "a creation has waited for long", self.bench.queue.oldest());
        readiness.age(API.name, "a decrement has waited for long", self.bench.decrements.oldest());
        if self.writers.is_empty() || self.writers.iter().any(|(_, writer)| writer.is_finished()) {
            readiness.own(API.name, "a writer has ended");
        }
    }

    fn expose(&self, exposition: &mut Exposition) {
        self.bench.queue.expose(API.name, exposition);
        self.bench.decrements.expose("decrements", exposition);
        self.bench.kept.expose(exposition);
    }
}
