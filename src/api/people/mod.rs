//! The contest's API: people with a unique nickname, found by id or by a part of any of their texts.
//!
//! A person's way: parsed and checked in place, queued, committed with whoever else waits, answered with 201, and only
//! then cached. A person never changes and is never deleted, so a cached one is never stale.

mod model;
mod routes;
mod sql;

use std::io;
use std::sync::Arc;
use std::thread;

use uuid::Uuid;

use self::sql::PeopleTable;
use super::{Running, Services};
use crate::cache::Bounded;
use crate::http::{Method, Router};
use crate::metrics::Exposition;
use crate::store::commit::CommitQueue;
use crate::store::{Gather, Readers};

/// A rendered person; what `GET /pessoas/{id}` answers with.
type Body = Arc<[u8]>;

/// About the size of a rendered person of the contest, for the cache's first size.
const TYPICAL_BODY_BYTES: u64 = 300;
/// About the size of a nickname.
const TYPICAL_NICK_BYTES: u64 = 16;
/// A quarter of the cache's bytes goes to the nicknames.
const NICK_SHARE: u64 = 4;

/// What the handlers share.
struct People {
    queue: Arc<CommitQueue<PeopleTable>>,
    readers: Arc<Readers>,
    by_id: Gather<Uuid, Body>,
    bodies: Bounded<Uuid, Body>,
    /// Nicknames known to be taken. One that is not here may be taken all the same.
    taken: Bounded<Box<str>, ()>,
    parsers: model::ParserPool,
}

/// Adds the routes and starts the writer.
pub(super) fn mount(services: &Services<'_>, router: &mut Router) -> io::Result<Box<dyn Running>> {
    let config = services.config;
    let (queue, writer) = CommitQueue::start(services.connector.clone(), config.commit, services.janitor)?;
    let nick_bytes = config.cache_bytes / NICK_SHARE;
    let people = Arc::new(People {
        queue,
        readers: services.readers.clone(),
        by_id: Gather::new(services.readers.clone(), sql::fetch_bodies),
        bodies: Bounded::new(config.cache_bytes - nick_bytes, TYPICAL_BODY_BYTES),
        taken: Bounded::new(nick_bytes, TYPICAL_NICK_BYTES),
        parsers: model::ParserPool::default(),
    });
    let one = people.clone();
    router.route(Method::Post, "/pessoas", move |request, response| one.create(request, response));
    let one = people.clone();
    router.route(Method::Get, "/pessoas/{id}", move |request, response| one.by_id(request, response));
    let one = people.clone();
    router.route(Method::Get, "/pessoas", move |request, response| one.search(request, response));
    let one = people.clone();
    router.route(Method::Get, "/contagem-pessoas", move |_, response| one.count(response));
    Ok(Box::new(Mounted { people, writer: Some(writer) }))
}

struct Mounted {
    people: Arc<People>,
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
    }

    fn expose(&self, exposition: &mut Exposition) {
        exposition.commit_queue("people", self.people.queue.metrics());
        exposition.cache("people", &self.people.bodies);
        exposition.cache("nicknames", &self.people.taken);
    }
}
