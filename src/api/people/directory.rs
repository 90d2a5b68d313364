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
use postgres::Row;
use time::{Date, Month};
use uuid::Uuid;

use super::model::{Person, render};
use super::sql;
use crate::cache::search::{Index, Record};
use crate::cache::{Body, Bounded};
use crate::http::{Response, Turns};
use crate::instruments::Counter;
use crate::metrics::Exposition;
use crate::store::{Follow, Followed, Session};
use crate::waiting::aside::Aside;

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
    fn count(&self, found: bool) -> bool {
        let counter = if found { &self.hits } else { &self.misses };
        counter.add(1);
        found
    }
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

    /// Answers with a known person. `false` if Postgres has to be asked: a miss says nothing.
    pub(super) fn answer(&self, id: Uuid, response: &mut Response<'_>) -> bool {
        if let Some(index) = self.index().as_ref() {
            let answer = |record| response.body_with("application/json", |out| render_record(out, record));
            return self.by_id.count(index.get(id).map(answer).is_some());
        }
        self.bodies.get(&id).map(|body| response.json(&body)).is_some()
    }

    /// Whether a nickname is known to be taken; nobody is ever deleted, so it stays so. `false` says nothing.
    pub(super) fn is_taken(&self, nick: &str) -> bool {
        match self.index().as_ref() {
            Some(index) => self.by_nick.count(index.has_key(nick)),
            None => self.taken.get(nick).is_some(),
        }
    }

    /// Answers a search from memory, if everybody is there.
    pub(super) fn answer_search(&self, term: &str, response: &mut Response<'_>) -> bool {
        self.searches.count(self.search(term, response))
    }

    /// Race window: between two slices the lock is free and the worker serves others. The index may be given
    /// up then, or another one may be in its place; so the search is given up, with what it has written, and
    /// Postgres is asked.
    fn search(&self, term: &str, response: &mut Response<'_>) -> bool {
        if !self.complete.load(Ordering::Acquire) {
            return false;
        }
        let generation = self.generation();
        let Some(mut search) = self.index().as_ref().map(|index| index.search(term)) else { return false };
        let mut body = Vec::new();
        let mut turn = None;
        loop {
            {
                let index = self.index();
                let Some(index) = index.as_ref().filter(|_| self.generation() == generation) else {
                    return false;
                };
                if index.advance(&mut search) && index.write_found(&mut search, &mut body, render_record) {
                    break;
                }
            }
            drop(turn.take());
            turn = Some(self.turns.wait());
        }
        response.json(&body);
        true
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

    /// Forgets everybody.
    fn begin_again(&self) {
        let mut known = self.index();
        self.complete.store(false, Ordering::Release);
        self.generation.fetch_add(1, Ordering::AcqRel);
        let former = known.replace(empty_index(self.bytes));
        self.bodies.clear();
        self.taken.clear();
        drop(known);
        self.free(former);
    }

    pub(super) fn expose(&self, exposition: &mut Exposition) {
        let (bytes, people) = self.index().as_ref().map_or((0, 0), |index| (index.bytes(), index.len()));
        let complete = u64::from(self.complete.load(Ordering::Acquire));
        exposition.sample(
            "pouco_search_index_complete",
            "1 if searches are answered from memory.",
            &[],
            complete,
        );
        exposition.sample("pouco_search_index_bytes", "Bytes of the index in memory.", &[], bytes as u64);
        exposition.sample("pouco_search_index_people", "People in the index.", &[], people as u64);
        let (bodies, taken) = (&self.bodies, &self.taken);
        let (by_id, by_nick, searches) = (&self.by_id, &self.by_nick, &self.searches);
        exposition.cache("people", by_id.hits.get() + bodies.hits(), by_id.misses.get() + bodies.misses());
        exposition.cache(
            "nicknames",
            by_nick.hits.get() + taken.hits(),
            by_nick.misses.get() + taken.misses(),
        );
        exposition.cache("searches", searches.hits.get(), searches.misses.get());
        exposition.cache_bytes("people", bodies.bytes());
        exposition.cache_bytes("nicknames", taken.bytes());
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

/// Brings into the directory what the feed reads.
pub(super) struct Following(pub(super) Arc<Directory>);

impl Follow for Following {
    const SQL: &'static str = sql::FEED;

    fn begin_again(&mut self) {
        self.0.begin_again();
    }

    fn row(&mut self, row: &Row) -> Followed {
        let Ok(id) = row.try_get(3) else { return Followed::Taken };
        // Our own people come back with the feed; they are not read again.
        match self.0.index().as_ref() {
            Some(index) if index.contains(id) => return Followed::Taken,
            Some(_) => {}
            // Without an index there is nothing to follow for.
            None => return Followed::Full,
        }
        // Somebody else may have written a date that is no day, or a stack with a null in it: no person, and
        // no reason to end.
        let (apelido, nome, birth, stack) = match read_person(row) {
            Ok(rest) => rest,
            Err(error) => {
                log::error!("the row {id} is no person and is not searched: {error}");
                return Followed::Taken;
            }
        };
        let texts = [apelido, nome].into_iter().chain(stack.iter().flatten().copied());
        match self.0.add(&mut self.0.index(), id, note(birth, stack.is_some()), texts) {
            true => Followed::Taken,
            false => Followed::Full,
        }
    }

    fn caught_up(&mut self) {
        // Under the lock: it must not be given up between the question and the answer.
        let index = self.0.index();
        if index.is_some() && !self.0.complete.swap(true, Ordering::AcqRel) {
            self.0.settled.store(true, Ordering::Release);
            log::info!("searches are answered from memory");
        }
    }

    fn stand_in(session: &mut Session) -> Result<(), postgres::Error> {
        sql::ensure_search_index(session)
    }
}

type Read<'r> = (&'r str, &'r str, Date, Option<Vec<&'r str>>);

fn read_person(row: &Row) -> Result<Read<'_>, postgres::Error> {
    Ok((row.try_get(4)?, row.try_get(5)?, row.try_get(6)?, row.try_get(7)?))
}

/// What a person has beside texts, in one number: year, month and day of birth, and whether there is a stack.
fn note(birth: Date, has_stack: bool) -> u32 {
    let month_and_day = u32::from(u8::from(birth.month())) << 6 | u32::from(birth.day()) << 1;
    birth.year().cast_unsigned() << 10 | month_and_day | u32::from(has_stack)
}

fn birth(note: u32) -> Option<Date> {
    let month = Month::try_from((note >> 6 & 0xf) as u8).ok()?;
    Date::from_calendar_date(note.cast_signed() >> 10, month, (note >> 1 & 0x1f) as u8).ok()
}

/// Appends the body of `GET /pessoas/{id}`.
fn render_record(out: &mut Vec<u8>, record: Record<'_>) {
    let mut texts = record.texts();
    let (apelido, nome) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
    let birth = birth(record.note).unwrap_or(Date::MIN);
    let stack = (record.note & 1 == 1).then_some(texts);
    render(out, record.id, apelido, nome, birth, stack);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_gives_back_every_date() {
        for day in Date::MIN.to_julian_day()..=Date::MAX.to_julian_day() {
            let date = Date::from_julian_day(day).unwrap();
            for has_stack in [false, true] {
                let note = note(date, has_stack);
                assert_eq!((birth(note), note & 1 == 1), (Some(date), has_stack));
            }
        }
    }
}
