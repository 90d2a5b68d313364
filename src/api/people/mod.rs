//! The contest's API: people with a unique nickname, found by id or by a part of any of their texts.
//!
//! A person's way: parsed and checked in place, queued, committed with whoever else waits, answered with 201;
//! it enters this replica's directory at once, and the others' with the feed. A person never changes and is
//! never deleted, so a cached one is never stale.

mod directory;
mod following;
mod model;
mod note;
mod openapi;
mod pushed;
mod routes;
mod sql;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use uuid::Uuid;

use self::directory::Directory;
use self::following::Following;
use self::pushed::{Pace, Receiving, Strangers};
use super::kept::{expose_bytes, expose_lookups};
use super::{Api, Configured, Running, Services, Stored};
use crate::cache::Body;
use crate::http::{Method, Router};
use crate::limits;
use crate::metrics::Exposition;
use crate::readiness::Readiness;
use crate::replicas::Number;
use crate::replicas::push::Hub;
use crate::settings::{ConfigError, Setting, Values};
use crate::store::commit::CommitQueue;
use crate::store::{Feed, Gather, Lane, Migration, Pool};

/// The API, as the table has it.
pub(super) static API: Api = Api {
    name: "people",
    in_all: true,
    example: "/pessoas -d \
              '{\"apelido\":\"ana\",\"nome\":\"Ana\",\"nascimento\":\"2000-10-01\",\"stack\":[\"Rust\"]}'",
    openapi: Some(openapi::describe),
    settings: &[CACHE_BYTES, SEARCH_LINE, INDEX_WAIT, INDEX_RETURN],
    stored: Some(Stored {
        schema: None,
        migrations: &[Migration::new("people", include_str!("migrations/0001_people.sql")).formerly(1)],
        // The writer's, and the feed's.
        connections: limits::WRITERS_PER_REPLICA + limits::FEEDS_PER_REPLICA,
        seed: None,
        count: Some("SELECT count(*) FROM people"),
    }),
    configure,
};

const CACHE_BYTES: Setting = Setting::number(
    "POUCO_CACHE_BYTES",
    64 * 1024 * 1024,
    65_536..=1 << 40,
    "bytes",
    "memory for people and their search index; if they do not fit, searches go to Postgres",
);

/// Checked settings.
const SEARCH_LINE: Setting = Setting::number(
    "POUCO_SEARCH_LINE",
    limits::SEARCH_LINE as u64,
    1..=100_000,
    "",
    "searches in memory that may wait for their turn; one more is a 503",
);

const INDEX_WAIT: Setting = Setting::number(
    "POUCO_INDEX_WAIT_MS",
    limits::INDEX_WAIT_MS,
    0..=600_000,
    "ms",
    "how long after the start of a replica a search waits until all people are in memory, at most half of POUCO_READ_DEADLINE_MS; then it goes to Postgres",
);

const INDEX_RETURN: Setting = Setting::number(
    "POUCO_INDEX_RETURN_MS",
    limits::INDEX_RETURN_MS,
    100..=86_400_000,
    "ms",
    "how long a replica whose people did not fit into memory waits before it tries again after some were deleted; doubled after each failure",
);

struct Settings {
    cache_bytes: u64,
    search_line: usize,
    index_wait: Duration,
    index_return: Duration,
}

fn configure(values: &Values) -> Result<Box<dyn Configured>, ConfigError> {
    Ok(Box::new(Settings {
        cache_bytes: values.number(&CACHE_BYTES)?,
        search_line: values.size(&SEARCH_LINE)?,
        index_wait: values.milliseconds(&INDEX_WAIT)?,
        index_return: values.milliseconds(&INDEX_RETURN)?,
    }))
}

/// What the handlers share.
struct People {
    queue: Arc<CommitQueue<sql::People>>,
    pool: Arc<Pool>,
    by_id: Gather<Uuid, Body>,
    count: Gather<(), i64>,
    directory: Arc<Directory>,
    /// The last digits of the ids that are given out.
    replica: Number,
    /// The way to the other replicas.
    hub: Option<Arc<Hub>>,
}

impl Configured for Settings {
    fn mount(self: Box<Self>, services: &Services<'_>, router: &mut Router) -> io::Result<Box<dyn Running>> {
        let (queue, writer) =
            CommitQueue::start(services.connector.clone(), services.commit, services.janitor)?;
        let patience = services.pool.timeout();
        let (bytes, line, wait) = (self.cache_bytes, self.search_line, self.index_wait);
        let directory = Arc::new(Directory::new(bytes, line, patience, wait, services.aside)?);
        let strangers = Arc::new(Strangers::default());
        let receiving = Receiving::new(directory.clone(), strangers.clone());
        let hub = services.replicas.join(services.connector, pushed::CHANNEL, receiving)?;
        let pace = Pace::new(hub.clone(), strangers, services.feed_pushed);
        let following = Following::new(directory.clone(), self.index_return, pace);
        let feed = Feed::start(services.connector.clone(), services.feed_interval, following)?;
        let people = Arc::new(People {
            queue,
            pool: services.pool.clone(),
            by_id: Gather::new(services.pool.clone(), Lane::Lookup, sql::fetch_bodies),
            count: Gather::new(services.pool.clone(), Lane::Scan, sql::count),
            directory,
            replica: services.replicas.number().clone(),
            hub,
        });
        router
            .scope(API.name, people.clone())
            .route(Method::Post, "/pessoas", People::create)
            .route(Method::Get, "/pessoas/{id}", People::by_id)
            .route(Method::Get, "/pessoas", People::search)
            .route(Method::Get, "/contagem-pessoas", |people, _, response| people.count(response));
        Ok(Box::new(Mounted { people, feed, writer: Some(writer) }))
    }
}

struct Mounted {
    people: Arc<People>,
    feed: Feed,
    writer: Option<thread::JoinHandle<()>>,
}

impl Running for Mounted {
    fn stop(&mut self) {
        self.people.queue.close();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            log::error!("the writer of people panicked");
        }
        self.feed.stop();
    }

    fn readiness(&self, readiness: &mut Readiness) {
        readiness.age("people", "the last poll of the feed is old", self.feed.poll_age());
        readiness.age("people", "a creation has waited for long", self.people.queue.oldest());
        if !self.people.directory.is_settled() {
            readiness.own("people", "memory is being filled for the first time");
        }
        if !self.feed.is_alive() {
            readiness.own("people", "the feed has ended");
        }
        if self.writer.as_ref().is_none_or(thread::JoinHandle::is_finished) {
            readiness.own("people", "the writer has ended");
        }
    }

    fn expose(&self, exposition: &mut Exposition) {
        self.people.queue.expose("people", exposition);
        self.feed.expose("people", exposition);
        let known = self.people.directory.figures();
        let help = "1 if searches are answered from memory.";
        exposition.sample("pouco_search_index_complete", help, &[], u64::from(known.complete));
        let help = "Bytes of the index in memory.";
        exposition.sample("pouco_search_index_bytes", help, &[], known.index_bytes);
        exposition.sample("pouco_search_index_people", "People in the index.", &[], known.people);
        let help = "Times that the index was given up, since not everybody fits.";
        exposition.sample("pouco_search_index_given_up_total", help, &[], known.given_up);
        let help = "Times that it was filled again after that.";
        exposition.sample("pouco_search_index_returned_total", help, &[], known.returned);
        let help = "Searches in memory that wait for their turn.";
        exposition.sample("pouco_searches_waiting", help, &[], known.in_line);
        let help = "Searches that wait for the first index.";
        exposition.sample("pouco_searches_held", help, &[], known.held);
        let help = "Searches that went to Postgres since the first index was not there in time.";
        exposition.sample("pouco_searches_early_total", help, &[], known.early);
        let help = "Searches in memory that were refused.";
        for (reason, refused) in [("line", known.line_full), ("deadline", known.late)] {
            exposition.sample("pouco_searches_refused_total", help, &[("reason", reason)], refused);
        }
        let caches = [("people", known.by_id), ("nicknames", known.by_nick), ("searches", known.searches)];
        for (name, (hits, misses)) in caches {
            expose_lookups(exposition, name, hits, misses);
        }
        expose_bytes(exposition, "people", known.body_bytes);
        expose_bytes(exposition, "nicknames", known.nick_bytes);
    }
}
