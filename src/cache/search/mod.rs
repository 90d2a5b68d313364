//! All records in memory, found by id, by key, or by a part of any of their texts.
//!
//! A term of three bytes or more walks the two rarest of its trigrams' lists and compares the records that are in both; a
//! shorter one compares the records of those blocks that hold its bytes. The answer is exact: the same records, in the same
//! order, as the database would give. A search is cut into slices, so that no caller holds the lock or its worker for
//! long; nothing that grows moves more than a small part of itself at a time, so that adding does not either.

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
use postings::Postings;
pub use query::Search;
use record::Builder;
pub use record::Record;
use table::Table;

/// At most this many records answer a search.
pub const MAX_FOUND: usize = 50;

/// Records that stand together in the lists of terms of one or two bytes, and for the ids: a search in order of ids, of a term
/// that is in every block, compares at most 50 blocks.
const BLOCK_RECORDS: u32 = 128;

/// Parts of the tables by id and by key: at a million records one moves five hundred entries when it grows.
const SHARDS: usize = 2048;

struct Entry {
    id: Uuid,
    /// Where the rest is, in the arena.
    at: u32,
}

/// The index. It grows up to its bound in bytes and is then refused more; its owner decides what that means.
pub struct Index {
    records: Pieces<Entry>,
    by_id: Table<u32>,
    by_key: Table<u32>,
    /// For each block the smallest id from there on, so that a search can tell when no later record belongs to the first ids.
    least_id_from: Vec<Uuid>,
    postings: Postings,
    arena: Arena,
    builder: Builder,
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
            builder: Builder::default(),
            hasher: foldhash::fast::RandomState::default(),
            max_bytes,
        }
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
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

    /// Whether a record is here.
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

    /// Adds a record: its id, a note of its owner's, and its texts, of which the first is its unique key. One that is here
    /// already stays as it is.
    ///
    /// # Errors
    /// [`Full`] if the index may not grow any more. It may then hold a part of the record, and is of no more use.
    pub fn add<'t>(&mut self, id: Uuid, note: u32, texts: impl Iterator<Item = &'t str>) -> Result<(), Full> {
        if self.contains(id) {
            return Ok(());
        }
        let number = u32::try_from(self.len()).map_err(|_| Full)?;
        if self.bytes() >= self.max_bytes {
            return Err(Full);
        }
        self.builder.build(texts);
        let at = self.arena.add(&[&self.builder.header(note), self.builder.joined()]).ok_or(Full)?;
        self.postings.add(number, self.builder.folded()).ok_or(Full)?;
        self.records.push(Entry { id, at });
        self.lower_least_ids(number, id);
        self.enter(number, id);
        Ok(())
    }

    /// A smaller id than those before lowers the least of earlier blocks; ids usually come in order, and then of none.
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

    /// Gives every posting list of three bytes to `look`, as the numbers of its records: for measurements of how to keep them.
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
