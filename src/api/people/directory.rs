//! The people that this replica knows: all of them while they fit into memory, otherwise those that were
//! asked for last.
//!
//! Postgres is the truth. The index is a replica of it that is rebuilt at any start: the feed reads
//! everything once and follows what all replicas commit. Should the database turn out to have lost what was
//! seen in it, an empty index takes the old one's place and is filled again; Postgres answers meanwhile. An
//! index that cannot take a person within its bound in bytes is given up as a whole, which is logged and
//! counted: a search over a part of the people would be wrong, so searches then go to Postgres, and a bounded
//! cache takes the place of the bodies. Once there may be room again another index is filled, up to a part of
//! the bound (docs/decisions/0010-an-index-that-comes-back.md).
//!
//! Searches wait for the first index for a while: in Postgres each would read the whole table, which slows
//! down the filling.
//!
//! Nobody holds the lock for longer than two slices, of a search or of an addition. A coroutine takes a turn
//! before its next slice; additions, whose people are committed already, and answers in writing go before
//! searches.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use uuid::Uuid;

use super::model::Person;
use super::note::note;
use crate::cache::search::{Builder, Full, Index, Record};
use crate::cache::{Body, Bounded};
use crate::instruments::Counter;
use crate::limits;
use crate::waiting::aside::Aside;
use crate::waiting::gate::Gate;
use crate::waiting::turn::{Place, Turns};

/// A quarter of the cache's bytes goes to the nicknames.
const NICK_SHARE: u64 = 4;

pub(super) struct Directory {
    /// `None` once it was given up. Locked for a slice or two, a quarter of a millisecond; never over a
    /// yield.
    index: Mutex<Option<Index>>,
    /// Whether the index holds everybody, so that a search in it is exact. Changed only under the lock, and
    /// with the index.
    complete: AtomicBool,
    /// Counts the indexes. What was learnt of the database before the present one began is not added to it.
    /// Changed only under the lock, and with the index.
    generation: AtomicU64,
    /// Open once the first index has been complete or was given up.
    settled: Gate,
    bytes: u64,
    turns: Turns,
    /// Searches that take turns, and how many may.
    in_line: AtomicUsize,
    line: usize,
    /// How long a search may take.
    patience: Duration,
    aside: Arc<Aside>,
    // In use only without the index, so the bound holds for both together.
    bodies: Bounded<Uuid, Body>,
    taken: Bounded<Box<str>, ()>,
    // What the index answered of the same lookups.
    by_id: Lookups,
    by_nick: Lookups,
    searches: Lookups,
    // Searches that were refused, or for which the first index came too late; counted by the handlers.
    line_full: Counter,
    late: Counter,
    early: Counter,
    // Counted under the lock.
    given_up: Counter,
    returned: Counter,
}

/// Why a search in memory has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Busy {
    /// As many as may take turns already do.
    LineFull,
    /// It has taken turns until its deadline.
    Late,
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
    pub(super) in_line: usize,
    pub(super) held: usize,
    pub(super) early: u64,
    pub(super) line_full: u64,
    pub(super) late: u64,
    pub(super) given_up: u64,
    pub(super) returned: u64,
}

/// A search's place among those that take turns.
struct InLine<'d>(&'d AtomicUsize);

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Directory {
    /// At most `line` searches take turns at once, none for longer than `patience`. For so long as `wait`
    /// from now on, and for half of their patience at most, they wait for the first index.
    pub(super) fn new(
        bytes: u64,
        line: usize,
        patience: Duration,
        wait: Duration,
        aside: &Arc<Aside>,
    ) -> io::Result<Self> {
        let wait = wait.min(patience / 2);
        let nick_bytes = bytes / NICK_SHARE;
        Ok(Self {
            index: Mutex::new(Some(Index::new(size(bytes)))),
            complete: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            settled: Gate::until(Instant::now() + wait)?,
            bytes,
            turns: Turns::start()?,
            in_line: AtomicUsize::new(0),
            line,
            patience,
            aside: aside.clone(),
            bodies: Bounded::new(bytes - nick_bytes),
            taken: Bounded::new(nick_bytes),
            by_id: Lookups::default(),
            by_nick: Lookups::default(),
            searches: Lookups::default(),
            line_full: Counter::default(),
            late: Counter::default(),
            early: Counter::default(),
            given_up: Counter::default(),
            returned: Counter::default(),
        })
    }

    /// Which index this is; to be asked before the database is.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether the first index is past its reading.
    pub(super) fn is_settled(&self) -> bool {
        self.settled.is_open()
    }

    /// Whether the index holds everybody now.
    pub(super) fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// The same of the first index, which is waited for.
    fn comes_soon(&self) -> bool {
        let is_settled = self.settled.pass();
        self.early.add(u64::from(!is_settled));
        is_settled && self.is_complete()
    }

    /// What `show` makes of a known person, under the lock. `None` if Postgres has to be asked: a miss says
    /// nothing.
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

    /// The people whose texts hold `term`, as `write` writes each of them into one list. `None` if not
    /// everybody is in memory, so that Postgres has to be asked.
    pub(super) fn search(
        &self,
        term: &str,
        write: fn(&mut Vec<u8>, Record<'_>),
    ) -> Result<Option<Vec<u8>>, Busy> {
        let found = self.search_in_slices(term, write);
        match &found {
            Ok(found) => self.searches.count(found.is_some()),
            Err(Busy::LineFull) => self.line_full.add(1),
            Err(Busy::Late) => self.late.add(1),
        }
        found
    }

    /// Race window: between two slices the lock is free and the worker serves others. The index may be given
    /// up then, or another one may be in its place; so the search is given up, with what it has written, and
    /// Postgres is asked.
    fn search_in_slices(
        &self,
        term: &str,
        write: fn(&mut Vec<u8>, Record<'_>),
    ) -> Result<Option<Vec<u8>>, Busy> {
        if !self.is_complete() && !self.comes_soon() {
            return Ok(None);
        }
        let generation = self.generation();
        let Some(mut search) = self.index().as_ref().map(|index| index.search(term)) else { return Ok(None) };
        let mut body = Vec::new();
        let (mut line, mut turn) = (None, None);
        loop {
            let place = {
                let index = self.index();
                let Some(index) = index.as_ref().filter(|_| self.generation() == generation) else {
                    return Ok(None);
                };
                let is_over = index.advance(&mut search);
                if is_over && index.write_found(&mut search, &mut body, write) {
                    return Ok(Some(body));
                }
                // The one that writes goes on until the end, and the others have written one slice at most:
                // what answers hold before they are whole is in no account.
                if is_over && turn.is_some() { Place::First } else { Place::Last }
            };
            drop(turn.take());
            let (_, end) = match &line {
                Some(line) => line,
                None => line.insert((self.enter_line()?, Instant::now() + self.patience)),
            };
            turn = Some(self.turns.wait(place));
            // Here and not by an alarm: the line is short, so turns come often.
            if Instant::now() >= *end {
                return Err(Busy::Late);
            }
        }
    }

    fn enter_line(&self) -> Result<InLine<'_>, Busy> {
        let in_line = InLine(&self.in_line);
        if self.in_line.fetch_add(1, Ordering::Relaxed) >= self.line {
            Err(Busy::LineFull)
        } else {
            Ok(in_line)
        }
    }

    /// A person that this replica has just committed; `generation` is that of the time before.
    ///
    /// Race window: the database may have lost this person since. Then the index is another one by now, or is
    /// about to be: the person is not added to the new one, and the old one goes. If the person is not lost
    /// the feed brings it. The same holds between two slices of a large person's addition.
    pub(super) fn stored(&self, person: &Person, generation: u64) {
        let note = note(person.nascimento, person.stack.is_some());
        let (mut begun, mut turn) = (false, None);
        loop {
            {
                let mut known = self.index();
                if self.generation() != generation {
                    return;
                }
                let begin = |index: &mut Index| index.begin(person.id, note, person.texts());
                match self.add_slice(&mut known, person.id, &mut begun, begin) {
                    Some(true) => return,
                    Some(false) => {}
                    None => {
                        self.taken.insert(person.apelido.as_str().into(), ());
                        self.bodies.insert(person.id, person.render().into());
                        drop(known);
                        return self.settled.open();
                    }
                }
            }
            drop(turn.take());
            turn = Some(self.turns.wait(Place::First));
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

    /// The feed is about to bring so many people. A part of the tables at a time, as whoever waits for the
    /// lock.
    pub(super) fn make_room(&self, people: usize) {
        for part in 0..Index::PARTS {
            let Some(index) = &mut *self.index() else { return };
            index.make_room(part, people);
        }
    }

    /// A person that the feed brings, or another replica; as in [`Directory::stored`] not for an index of
    /// another generation. `false` if there is no index, or none any more. Folded without the lock, since
    /// somebody else may have written a row of any size.
    pub(super) fn follow<'t>(
        &self,
        builder: &mut Builder,
        generation: u64,
        id: Uuid,
        note: u32,
        texts: impl Iterator<Item = &'t str>,
    ) -> bool {
        builder.build(texts);
        let mut begun = false;
        loop {
            let mut known = self.index();
            if self.generation() != generation {
                return true;
            }
            let added =
                self.add_slice(&mut known, id, &mut begun, |index| index.begin_with(id, note, builder));
            // To the worker if that waits: this thread would be back before it.
            MutexGuard::unlock_fair(known);
            match added {
                Some(true) => return true,
                Some(false) => {}
                None => {
                    self.settled.open();
                    return false;
                }
            }
        }
    }

    /// The feed has brought everybody. `true` if searches are answered from memory from now on.
    pub(super) fn caught_up(&self) -> bool {
        // Under the lock: it must not be given up between the question and the answer.
        let mut known = self.index();
        let Some(index) = known.as_mut().filter(|_| !self.complete.swap(true, Ordering::AcqRel)) else {
            return false;
        };
        if index.max_bytes() < size(self.bytes) {
            index.set_max_bytes(size(self.bytes));
            self.returned.add(1);
        }
        drop(known);
        self.settled.open();
        true
    }

    /// Forgets everybody, and is filled again.
    pub(super) fn begin_again(&self) {
        self.replace(size(self.bytes));
    }

    /// As [`Directory::begin_again`], for an index that was given up and may fit by now: until everybody is
    /// in it, it may fill a part of its bound.
    pub(super) fn come_back(&self) {
        self.replace(size(self.bytes / 100 * limits::INDEX_RETURN_PERCENT));
    }

    fn replace(&self, max_bytes: usize) {
        let mut known = self.index();
        self.complete.store(false, Ordering::Release);
        self.generation.fetch_add(1, Ordering::AcqRel);
        let former = known.replace(Index::new(max_bytes));
        let cached = (self.bodies.clear(), self.taken.clear());
        // The worker waits for the lock.
        drop(known);
        drop(cached);
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
            in_line: self.in_line.load(Ordering::Relaxed),
            held: self.settled.waiting(),
            early: self.early.get(),
            line_full: self.line_full.get(),
            late: self.late.get(),
            given_up: self.given_up.get(),
            returned: self.returned.get(),
        }
    }

    /// A slice of whatever addition is under way, and if that was its last the first one of ours: whoever
    /// wants to add helps, so that none is left behind by its owner. `true` once ours is whole, `None` if
    /// there is no index, or none any more.
    ///
    /// The index that has no room for a person is given up before anybody can search in it without that
    /// person. The caller must notify those that wait for it, without the lock.
    fn add_slice(
        &self,
        known: &mut Option<Index>,
        id: Uuid,
        begun: &mut bool,
        begin: impl FnOnce(&mut Index) -> Result<(), Full>,
    ) -> Option<bool> {
        let index = known.as_mut()?;
        if *begun && index.contains(id) {
            return Some(true);
        }
        let slice = index.go_on().and_then(|none_left| match none_left {
            true if !*begun => {
                *begun = true;
                begin(index).map(|()| !index.is_adding())
            }
            is_whole => Ok(is_whole),
        });
        if slice.is_err() {
            self.give_up(known);
        }
        slice.ok()
    }

    fn give_up(&self, known: &mut Option<Index>) {
        self.complete.store(false, Ordering::Release);
        self.given_up.add(1);
        let Some(index) = known.take() else { return };
        log::warn!(
            "people do not fit into {} bytes of memory (POUCO_CACHE_BYTES is {}): searches go to Postgres",
            index.max_bytes(),
            self.bytes
        );
        self.free(Some(index));
    }

    /// An index has many pieces to free, and the worker others to serve. What is refused is freed here.
    fn free(&self, index: Option<Index>) {
        let _ = self.aside.leave(move || drop(index));
    }

    fn index(&self) -> MutexGuard<'_, Option<Index>> {
        self.index.lock()
    }
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
