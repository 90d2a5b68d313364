//! All records in memory, found by id, by key, or by a part of any of their texts.
//!
//! A term of three bytes or more walks the two rarest of its trigrams' lists and compares the records that
//! are in both; a shorter one compares the records of those blocks that hold its bytes. The answer is exact:
//! the same records, in the same order, as the database would give. Searches and additions are cut into
//! slices, so that no caller holds the lock or its worker for long; nothing that grows moves more than a
//! small part of itself at a time.

mod arena;
mod fold;
mod gaps;
mod postings;
mod query;
mod record;
mod table;

use uuid::Uuid;

use arena::{Arena, Pieces};
pub use fold::{fold, fold_char, fold_into};
use postings::{Postings, Weight};
pub use query::Search;
pub use record::{Builder, Record};
use table::Table;

/// At most this many records answer a search.
pub const MAX_FOUND: usize = 50;

/// Records that stand together in the lists of terms of one or two bytes, and for the ids: a search in order
/// of ids, of a term that is in every block, compares at most 50 blocks.
const BLOCK_RECORDS: u32 = 128;

/// Parts of the tables by id and by key: at a million records one moves five hundred entries when it grows.
const SHARDS: usize = 2048;

/// Bytes of text that are weighed or entered in a slice, each with up to three lists to be looked up and
/// written: some 150 µs on one core of a server. A person of the contest's kind has 300 at most and is
/// entered in one.
const SLICE_TEXT_BYTES: usize = 400;

struct Entry {
    id: Uuid,
    /// Where the rest is, in the arena.
    at: u32,
}

/// A record that is not whole yet. Its text is in the index's builder.
struct Adding {
    id: Uuid,
    note: u32,
    /// How much of its text is done in the present step.
    done: usize,
    step: Step,
}

enum Step {
    /// Nothing of it is in the index.
    Weighing(Weight),
    /// Searches may find it; it has this number.
    Entering(u32),
}

/// The index. It grows up to its bound in bytes and is then refused more; its owner decides what that means.
pub struct Index {
    records: Pieces<Entry>,
    by_id: Table<u32>,
    by_key: Table<u32>,
    /// For each block the smallest id from there on, so that a search can tell when no later record belongs
    /// to the first ids.
    least_id_from: Vec<Uuid>,
    postings: Postings,
    arena: Arena,
    /// The longest text: no term that is longer is found.
    longest: usize,
    builder: Builder,
    adding: Option<Adding>,
    hasher: foldhash::fast::RandomState,
    max_bytes: usize,
}

/// The index holds as many bytes as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The bytes of an index by owner.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bytes {
    /// Id and place of each record.
    pub records: usize,
    /// The tables by id and by key.
    pub tables: usize,
    /// The texts, with a few bytes before each record's.
    pub texts: usize,
    /// The table of the posting lists.
    pub lists: usize,
    /// The posting lists.
    pub postings: usize,
}

impl Bytes {
    /// All of them.
    #[must_use]
    pub fn sum(&self) -> usize {
        self.records + self.tables + self.texts + self.lists + self.postings
    }
}

impl Index {
    /// Of the tables by id and by key.
    pub const PARTS: usize = SHARDS;

    /// An empty index of at most `max_bytes`.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self {
            records: Pieces::default(),
            by_id: Table::new(SHARDS),
            by_key: Table::new(SHARDS),
            least_id_from: Vec::new(),
            postings: Postings::default(),
            arena: Arena::default(),
            longest: 0,
            builder: Builder::default(),
            adding: None,
            hasher: foldhash::fast::RandomState::default(),
            max_bytes,
        }
    }

    /// How many whole records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len() - usize::from(self.is_entering())
    }

    fn is_entering(&self) -> bool {
        self.adding.as_ref().is_some_and(|adding| matches!(adding.step, Step::Entering(_)))
    }

    /// Makes room for about so many records in one of [`Index::PARTS`] parts of its tables, if that is not
    /// more than they may hold: a table that grows looks at all that is in it.
    pub fn make_room(&mut self, part: usize, records: usize) {
        // Where a table ends up at the next size it grows once more; it never ends up smaller.
        let each = records / SHARDS / 4 * 3;
        let growth = |table: &Table<u32>| table.growth(part, each.saturating_sub(table.len(part)));
        let growth = growth(&self.by_id) + growth(&self.by_key);
        if growth > self.max_bytes.saturating_sub(self.bytes()) / SHARDS {
            return;
        }
        let (records, arena, hasher) = (&self.records, &self.arena, &self.hasher);
        self.by_id.reserve(part, each, |number| hash(hasher, records.get(*number).id.as_bytes()));
        self.by_key.reserve(part, each, |number| hash(hasher, read(arena, records.get(*number)).key()));
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes_by_owner().sum()
    }

    /// Bytes held, by owner.
    #[must_use]
    pub fn bytes_by_owner(&self) -> Bytes {
        let [lists, postings] = self.postings.bytes();
        Bytes {
            records: self.records.bytes() + self.least_id_from.capacity() * size_of::<Uuid>(),
            tables: self.by_id.bytes() + self.by_key.bytes(),
            texts: self.arena.bytes(),
            lists,
            postings,
        }
    }

    /// How many bytes it may hold.
    #[must_use]
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// From now on it may hold so many bytes.
    pub fn set_max_bytes(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
    }

    /// Whether a record is here, as a whole.
    #[must_use]
    pub fn contains(&self, id: Uuid) -> bool {
        self.find(id).is_some()
    }

    /// A record.
    #[must_use]
    pub fn get(&self, id: Uuid) -> Option<Record<'_>> {
        self.find(id).map(|number| self.record(self.records.get(number)))
    }

    /// Whether a record has this unique key.
    #[must_use]
    pub fn has_key(&self, key: &str) -> bool {
        let has = |number: &u32| self.record(self.records.get(*number)).key() == key.as_bytes();
        self.by_key.find(self.hash(key.as_bytes()), has).is_some()
    }

    /// Adds a record at once, whatever that takes; see [`Index::begin`].
    ///
    /// # Errors
    /// As there.
    pub fn add<'t>(&mut self, id: Uuid, note: u32, texts: impl Iterator<Item = &'t str>) -> Result<(), Full> {
        self.begin(id, note, texts)?;
        while !self.go_on()? {}
        Ok(())
    }

    /// Begins to add a record, and does a slice of that: its id, a note of its owner's, and its texts, of
    /// which the first is its unique key. One that is here already stays as it is. No other addition may be
    /// under way.
    ///
    /// # Errors
    /// [`Full`] if the index would hold more bytes than it may. It is then as it was before.
    pub fn begin<'t>(
        &mut self,
        id: Uuid,
        note: u32,
        texts: impl Iterator<Item = &'t str>,
    ) -> Result<(), Full> {
        self.builder.build(texts);
        self.begin_built(id, note)
    }

    /// As [`Index::begin`], with a record that was built before: folding a long one takes its time.
    ///
    /// # Errors
    /// As there.
    pub fn begin_with(&mut self, id: Uuid, note: u32, builder: &mut Builder) -> Result<(), Full> {
        std::mem::swap(&mut self.builder, builder);
        self.begin_built(id, note)
    }

    fn begin_built(&mut self, id: Uuid, note: u32) -> Result<(), Full> {
        debug_assert!(!self.is_adding(), "one after the other: a list's numbers ascend");
        if self.contains(id) {
            return Ok(());
        }
        // Looking up every list beforehand is worth it only near the bound.
        let most = self.postings.most_growth(self.builder.folded().len());
        let step = if self.has_room(id, note, most) {
            self.enter_text(id, note)?
        } else {
            Step::Weighing(Weight::nothing())
        };
        self.adding = Some(Adding { id, note, done: 0, step });
        self.go_on().map(drop)
    }

    /// Whether an addition is under way.
    #[must_use]
    pub fn is_adding(&self) -> bool {
        self.adding.is_some()
    }

    /// Does a slice of the addition that is under way. `true` when there is none any more.
    ///
    /// # Errors
    /// [`Full`] as in [`Index::begin`].
    pub fn go_on(&mut self) -> Result<bool, Full> {
        let Some(Adding { id, note, done, step }) = self.adding.take() else { return Ok(true) };
        let text = self.builder.folded();
        let part = done..text.len().min(done + SLICE_TEXT_BYTES);
        let (end, is_last) = (part.end, part.end == text.len());
        let (done, step) = match step {
            Step::Weighing(mut weight) => {
                let number = u32::try_from(self.records.len()).map_err(|_| Full)?;
                self.postings.weigh(&mut weight, number, text, part);
                if !self.has_room(id, note, self.postings.growth(&weight)) {
                    return Err(Full);
                }
                if is_last { (0, self.enter_text(id, note)?) } else { (end, Step::Weighing(weight)) }
            }
            Step::Entering(number) => {
                self.postings.enter(number, text, part).ok_or(Full)?;
                if is_last {
                    self.enter(number, id);
                    return Ok(true);
                }
                (end, step)
            }
        };
        self.adding = Some(Adding { id, note, done, step });
        Ok(false)
    }

    /// Whether there is room for what was built, with lists that grow by so many bytes.
    fn has_room(&self, id: Uuid, note: u32, lists: usize) -> bool {
        let of_table = |table: &Table<u32>, hash: u64| table.growth(table.shard(hash), 1);
        let ids = &self.least_id_from;
        let begins_block = self.records.len().is_multiple_of(BLOCK_RECORDS as usize);
        let reserved = if begins_block && ids.len() == ids.capacity() { ids.capacity().max(4) } else { 0 };
        let growth = self.records.growth(1)
            + reserved * size_of::<Uuid>()
            + of_table(&self.by_id, self.hash(id.as_bytes()))
            + of_table(&self.by_key, self.hash(self.builder.key()))
            + self.arena.growth(self.builder.header(note).len() + self.builder.joined().len());
        growth.saturating_add(lists) <= self.max_bytes.saturating_sub(self.bytes())
    }

    /// The record has a number from now on, and its text a place.
    fn enter_text(&mut self, id: Uuid, note: u32) -> Result<Step, Full> {
        let number = u32::try_from(self.records.len()).map_err(|_| Full)?;
        let at = self.arena.add(&[&self.builder.header(note), self.builder.joined()]).ok_or(Full)?;
        self.longest = self.longest.max(self.builder.longest());
        self.records.push(Entry { id, at });
        self.lower_least_ids(number, id);
        Ok(Step::Entering(number))
    }

    /// A smaller id than those before lowers the least of earlier blocks; ids usually come in order, and then
    /// of none.
    fn lower_least_ids(&mut self, number: u32, id: Uuid) {
        if number.is_multiple_of(BLOCK_RECORDS) {
            self.least_id_from.push(id);
        }
        self.least_id_from.iter_mut().rev().take_while(|least| **least > id).for_each(|least| *least = id);
    }

    fn enter(&mut self, number: u32, id: Uuid) {
        let (records, arena, hasher) = (&self.records, &self.arena, &self.hasher);
        let id_of = |number: &u32| hash(hasher, records.get(*number).id.as_bytes());
        self.by_id.insert(hash(hasher, id.as_bytes()), number, id_of);
        let key_of = |number: &u32| hash(hasher, read(arena, records.get(*number)).key());
        self.by_key.insert(key_of(&number), number, key_of);
    }

    fn find(&self, id: Uuid) -> Option<u32> {
        self.by_id.find(self.hash(id.as_bytes()), |number| self.records.get(*number).id == id).copied()
    }

    fn record(&self, entry: &Entry) -> Record<'_> {
        read(&self.arena, entry)
    }

    fn hash(&self, bytes: &[u8]) -> u64 {
        hash(&self.hasher, bytes)
    }

    /// Gives every posting list of three bytes to `look`, as the numbers of its records: for measurements of
    /// how to keep them.
    pub fn each_list(&self, look: impl FnMut(&[u32])) {
        self.postings.each(look);
    }
}

fn read<'a>(arena: &'a Arena, entry: &Entry) -> Record<'a> {
    Record::read(entry.id, arena.from(entry.at))
}

fn hash(hasher: &foldhash::fast::RandomState, bytes: &[u8]) -> u64 {
    use std::hash::BuildHasher;
    hasher.hash_one(bytes)
}

#[cfg(test)]
mod tests;
