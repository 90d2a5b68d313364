//! The people that this replica knows: all of them while they fit into memory, else those that were asked for
//! last.
//!
//! Postgres is the truth. The index is a replica of it that is rebuilt at any start: the feed reads
//! everything once and follows what all replicas commit. Should the database turn out to have lost what was
//! seen in it, an empty index takes the old one's place and is filled anew; Postgres answers meanwhile. Past
//! its bound in bytes the index is given up as a whole, which is logged and counted: a search over a part of
//! the people would be wrong, so searches then go to Postgres, and a bounded cache takes the place of the
//! bodies.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use uuid::Uuid;

use super::model::Person;
use super::note::note;
use crate::cache::search::{Index, Record};
use crate::cache::{Body, Bounded};
use crate::instruments::Counter;
use crate::waiting::aside::Aside;
use crate::waiting::turn::Turns;

/// A quarter of the cache's bytes goes to the nicknames.
const NICK_SHARE: u64 = 4;

pub(super) struct Directory {
    /// `None` once it was given up. Locked for microseconds; never over a yield.
    index: Mutex<Option<Index>>,
    /// Whether the index holds everybody, so that a search in it is exact. Changed only under the lock, and
    /// with the index.
    complete: AtomicBool,
    /// Counts the indexes. What was learnt of the database before the present one began is not added to it.
    /// Changed only under the lock, and with the index.
    generation: AtomicU64,
    /// Whether the first index has been complete or was given up.
    settled: AtomicBool,
    bytes: u64,
    turns: Turns,
    aside: Arc<Aside>,
    // In use only without the index, so the bound holds for both together.
    bodies: Bounded<Uuid, Body>,
    taken: Bounded<Box<str>, ()>,
    // What the index answered of the same look-ups.
    by_id: Lookups,
    by_nick: Lookups,
    searches: Lookups,
}

/// Counted by the handlers alone, which all run on one thread.
#[derive(Default)]
struct Lookups {
    hits: Counter,
    misses: Counter,
}

impl Lookups {
    fn count(&self, found: bool) {
        let counter = if found { &self.hits } else { &self.misses };
        counter.add(1);
    }

    /// Hits and misses, with those of a cache that has answered the same.
    fn and(&self, hits: u64, misses: u64) -> (u64, u64) {
        (self.hits.get() + hits, self.misses.get() + misses)
    }
}

/// A person that is known.
pub(super) enum Known<'d> {
    /// In the index.
    Record(Record<'d>),
    /// In the cache, as it is answered.
    Body(Body),
}

/// What a directory holds, and what it was asked.
pub(super) struct Figures {
    pub(super) complete: bool,
    pub(super) index_bytes: usize,
    pub(super) people: usize,
    pub(super) body_bytes: u64,
    pub(super) nick_bytes: u64,
    /// Hits and misses, as the next two.
    pub(super) by_id: (u64, u64),
    pub(super) by_nick: (u64, u64),
    pub(super) searches: (u64, u64),
}

impl Directory {
    pub(super) fn new(bytes: u64, aside: &Arc<Aside>) -> io::Result<Self> {
        let nick_bytes = bytes / NICK_SHARE;
        Ok(Self {
            index: Mutex::new(Some(empty_index(bytes))),
            complete: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            settled: AtomicBool::new(false),
            bytes,
            turns: Turns::start()?,
            aside: aside.clone(),
            bodies: Bounded::new(bytes - nick_bytes),
            taken: Bounded::new(nick_bytes),
            by_id: Lookups::default(),
            by_nick: Lookups::default(),
            searches: Lookups::default(),
        })
    }

    /// Which index this is; to be asked before the database is.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether the first index is past its reading.
    pub(super) fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }

    /// What `show` makes of a known person, under the lock. `None` if Postgres has to be asked: a miss says nothing.
    pub(super) fn find<T>(&self, id: Uuid, show: impl FnOnce(Known<'_>) -> T) -> Option<T> {
        if let Some(index) = self.index().as_ref() {
            let found = index.get(id).map(|record| show(Known::Record(record)));
            self.by_id.count(found.is_some());
            return found;
        }
        self.bodies.get(&id).map(|body| show(Known::Body(body)))
    }

    /// Whether a nickname is known to be taken; nobody is ever deleted, so it stays so. `false` says nothing.
    pub(super) fn is_taken(&self, nick: &str) -> bool {
        match self.index().as_ref() {
            Some(index) => {
                let known = index.has_key(nick);
                self.by_nick.count(known);
                known
            }
            None => self.taken.get(nick).is_some(),
        }
    }

    /// The people whose texts hold `term`, as `write` writes each of them into one list. `None` if not everybody is in
    /// memory, so that Postgres has to be asked.
    pub(super) fn search(&self, term: &str, write: fn(&mut Vec<u8>, Record<'_>)) -> Option<Vec<u8>> {
        let found = self.search_in_slices(term, write);
        self.searches.count(found.is_some());
        found
    }

    /// Race window: between two slices the lock is free and the worker serves others. The index may be given
    /// up then, or another one may be in its place; so the search is given up, with what it has written, and
    /// Postgres is asked.
    fn search_in_slices(&self, term: &str, write: fn(&mut Vec<u8>, Record<'_>)) -> Option<Vec<u8>> {
        if !self.complete.load(Ordering::Acquire) {
            return None;
        }
        let generation = self.generation();
        let mut search = self.index().as_ref()?.search(term);
        let mut body = Vec::new();
        let mut turn = None;
        loop {
            {
                let index = self.index();
                let index = index.as_ref().filter(|_| self.generation() == generation)?;
                if index.advance(&mut search) && index.write_found(&mut search, &mut body, write) {
                    return Some(body);
                }
            }
            drop(turn.take());
            turn = Some(self.turns.wait());
        }
    }

    /// A person that this replica has just committed; `generation` is that of the time before.
    ///
    /// Race window: the database may have lost this person since. Then the index is another one by now, or is
    /// about to be: the person is not added to the new one, and the old one goes. If the person is not lost
    /// the feed brings it.
    pub(super) fn stored(&self, person: &Person, generation: u64) {
        let note = note(person.nascimento, person.stack.is_some());
        let mut known = self.index();
        if self.generation() != generation {
            return;
        }
        if !self.add(&mut known, person.id, note, person.texts()) {
            self.taken.insert(person.apelido.as_str().into(), ());
            self.bodies.insert(person.id, person.render().into());
        }
    }

    /// A nickname that Postgres refused as taken; the feed will bring its owner.
    pub(super) fn refused(&self, nick: &str, generation: u64) {
        if self.is_without_index(generation).is_some() {
            self.taken.insert(nick.into(), ());
        }
    }

    /// A person that was read from Postgres by id.
    pub(super) fn fetched(&self, id: Uuid, body: Body, generation: u64) {
        if self.is_without_index(generation).is_some() {
            self.bodies.insert(id, body);
        }
    }

    /// The lock, if the caches are in use and are still those of this generation.
    fn is_without_index(&self, generation: u64) -> Option<MutexGuard<'_, Option<Index>>> {
        Some(self.index()).filter(|index| index.is_none() && self.generation() == generation)
    }

    /// Whether the feed has to bring this person. `None`: there is no index any more to follow for.
    pub(super) fn lacks(&self, id: Uuid) -> Option<bool> {
        self.index().as_ref().map(|index| !index.contains(id))
    }

    /// A person that the feed brings. `false` if there is no index, or none any more.
    pub(super) fn follow<'t>(&self, id: Uuid, note: u32, texts: impl Iterator<Item = &'t str>) -> bool {
        self.add(&mut self.index(), id, note, texts)
    }

    /// The feed has brought everybody. `true` if searches are answered from memory from now on.
    pub(super) fn caught_up(&self) -> bool {
        // Under the lock: it must not be given up between the question and the answer.
        let index = self.index();
        let begins = index.is_some() && !self.complete.swap(true, Ordering::AcqRel);
        if begins {
            self.settled.store(true, Ordering::Release);
        }
        begins
    }

    /// Forgets everybody.
    pub(super) fn begin_again(&self) {
        let mut known = self.index();
        self.complete.store(false, Ordering::Release);
        self.generation.fetch_add(1, Ordering::AcqRel);
        let former = known.replace(empty_index(self.bytes));
        self.bodies.clear();
        self.taken.clear();
        drop(known);
        self.free(former);
    }

    /// What there is to tell in metrics.
    pub(super) fn figures(&self) -> Figures {
        let (index_bytes, people) =
            self.index().as_ref().map_or((0, 0), |index| (index.bytes(), index.len()));
        let (bodies, taken) = (&self.bodies, &self.taken);
        Figures {
            complete: self.complete.load(Ordering::Acquire),
            index_bytes,
            people,
            body_bytes: bodies.bytes(),
            nick_bytes: taken.bytes(),
            by_id: self.by_id.and(bodies.hits(), bodies.misses()),
            by_nick: self.by_nick.and(taken.hits(), taken.misses()),
            searches: self.searches.and(0, 0),
        }
    }

    /// Adds to the index, if there is one. `false` if there is none, or none any more.
    ///
    /// The index that cannot take a person is given up before anybody can search in it without that person.
    fn add<'t>(
        &self,
        known: &mut Option<Index>,
        id: Uuid,
        note: u32,
        texts: impl Iterator<Item = &'t str>,
    ) -> bool {
        let Some(index) = known.as_mut() else { return false };
        if index.add(id, note, texts) == Ok(()) {
            return true;
        }
        self.complete.store(false, Ordering::Release);
        self.settled.store(true, Ordering::Release);
        log::warn!("people do not fit into POUCO_CACHE_BYTES any more: searches go to Postgres from now on");
        self.free(known.take());
        false
    }

    /// An index has many pieces to free, and the worker others to serve. What is refused is freed here.
    fn free(&self, index: Option<Index>) {
        let _ = self.aside.leave(move || drop(index));
    }

    fn index(&self) -> MutexGuard<'_, Option<Index>> {
        self.index.lock()
    }
}

fn empty_index(bytes: u64) -> Index {
    Index::new(usize::try_from(bytes).unwrap_or(usize::MAX))
}
