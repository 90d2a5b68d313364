//! The contest's API: people with a unique nickname, found by id or by a part of any of their texts.
//!
//! A person's way: parsed and checked in place, queued, committed with whoever else waits, answered with 201; it enters
//! this replica's directory at once, and the others' with the feed. A person never changes and is never deleted, so a cached one is never stale.

mod directory;
mod model;
mod routes;
mod sql;

use std::io;
use std::sync::Arc;
use std::thread;

use uuid::Uuid;

use self::directory::{Directory, Following};
use super::{Running, Services};
use crate::http::{Method, Router};
use crate::limits;
use crate::metrics::Exposition;
use crate::readiness::Readiness;
use crate::store::commit::CommitQueue;
use crate::store::{Feed, Gather, Lane, Pool};

/// A rendered person; what `GET /pessoas/{id}` answers with.
type Body = Arc<[u8]>;

/// A person to begin with.
pub(super) const EXAMPLE: &str =
    "/pessoas -d '{\"apelido\":\"ana\",\"nome\":\"Ana\",\"nascimento\":\"2000-10-01\",\"stack\":[\"Rust\"]}'";

/// The writer's connection, and the feed's.
pub(super) const CONNECTIONS: usize = limits::WRITERS_PER_REPLICA + limits::FEEDS_PER_REPLICA;

/// What the handlers share.
struct People {
    queue: Arc<CommitQueue<sql::People>>,
    pool: Arc<Pool>,
    by_id: Gather<Uuid, Body>,
    count: Gather<(), i64>,
    directory: Arc<Directory>,
    /// The last digit of the ids that are given out.
    replica: u8,
}

/// Adds the routes and starts the writer.
pub(super) fn mount(services: &Services<'_>, router: &mut Router) -> io::Result<Box<dyn Running>> {
    let config = services.config;
    let (queue, writer) = CommitQueue::start(services.connector.clone(), config.commit, services.janitor)?;
    let directory = Arc::new(Directory::new(config.cache_bytes, services.aside)?);
    let feed = Feed::start(services.connector.clone(), config.feed_interval, Following(directory.clone()))?;
    let people = Arc::new(People {
        queue,
        pool: services.pool.clone(),
        by_id: Gather::new(services.pool.clone(), Lane::Lookup, sql::fetch_bodies),
        count: Gather::new(services.pool.clone(), Lane::Scan, sql::count),
        directory,
        replica: config.replica,
    });
    router
        .scope("people", people.clone())
        .route(Method::Post, "/pessoas", People::create)
        .route(Method::Get, "/pessoas/{id}", People::by_id)
        .route(Method::Get, "/pessoas", People::search)
        .route(Method::Get, "/contagem-pessoas", |people, _, response| people.count(response));
    Ok(Box::new(Mounted { people, feed, writer: Some(writer) }))
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
        exposition.commit_queue("people", &self.people.queue);
        exposition.feed("people", &self.feed);
        self.people.directory.expose(exposition);
    }
}
