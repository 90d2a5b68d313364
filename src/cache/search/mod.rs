//! All records in memory, found by id or by a part of any of their texts.
//!
//! A term of three bytes or more walks the two rarest of its trigrams' lists and compares the records that are in both; a
//! shorter one compares all records. The answer is exact: the same records, in the same order, as the database would give.
//! A search is cut into slices, so that no caller holds the lock or its worker for long.

mod arena;
mod fold;
mod postings;

use std::collections::BinaryHeap;

use hashbrown::HashTable;
use memchr::memmem;
use uuid::Uuid;

use arena::{Arena, Place};
pub use fold::{fold, fold_char, fold_into};
use postings::{Position, Postings, SEPARATOR};

/// At most this many records answer a search.
pub const MAX_FOUND: usize = 50;

/// Records whose smallest id is kept, so that a search can tell when no later record belongs to the first ids.
const BLOCK_RECORDS: u32 = 256;

/// About the work of comparing a record, in bytes of text compared: a miss in the processor's cache.
const RECORD_COST_BYTES: usize = 1_000;

/// Work of a slice, in bytes compared: well below 200 µs.
const SLICE_COST_BYTES: usize = 600_000;

struct Record {
    id: Uuid,
    /// Folded texts, then the key, then the body.
    place: Place,
    text_bytes: u32,
    key_bytes: u32,
}

/// The index. It grows up to its bound in bytes and is then refused more; its owner decides what that means.
pub struct Index {
    records: Vec<Record>,
    by_id: HashTable<u32>,
    by_key: HashTable<u32>,
    smallest_id_of_block: Vec<Uuid>,
    postings: Postings,
    arena: Arena,
    hasher: foldhash::fast::RandomState,
    max_bytes: usize,
}

/// The index holds as many bytes as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A search under way; it can be put aside between two slices.
pub struct Search {
    finder: memmem::Finder<'static>,
    lists: Option<[Position; 2]>,
    next: u32,
    /// The largest id on top: what goes when a smaller one comes.
    found: BinaryHeap<(Uuid, u32)>,
    done: bool,
}

impl Index {
    /// An empty index of at most `max_bytes`.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self {
            records: Vec::new(),
            by_id: HashTable::new(),
            by_key: HashTable::new(),
            smallest_id_of_block: Vec::new(),
            postings: Postings::default(),
            arena: Arena::default(),
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
        self.records.is_empty()
    }

    /// Bytes held: records, texts, bodies, lists and tables.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let tables = 5 * (self.by_id.capacity() + self.by_key.capacity()) * 8 / 7;
        let records = self.records.capacity() * size_of::<Record>();
        records
            + tables
            + self.arena.bytes()
            + self.postings.bytes()
            + self.smallest_id_of_block.capacity() * 16
    }

    /// Whether a record is here.
    #[must_use]
    pub fn contains(&self, id: Uuid) -> bool {
        self.find(id).is_some()
    }

    /// The body of a record.
    #[must_use]
    pub fn body(&self, id: Uuid) -> Option<&[u8]> {
        self.find(id).map(|number| self.body_of(&self.records[number as usize]))
    }

    /// Whether a record has this unique key.
    #[must_use]
    pub fn has_key(&self, key: &str) -> bool {
        self.by_key.find(self.hash(key.as_bytes()), |number| self.key_of(*number) == key.as_bytes()).is_some()
    }

    /// Adds a record: its id, its unique key, its texts (which are folded here), and its body. One that is here already
    /// stays as it is.
    ///
    /// # Errors
    /// [`Full`] if the index may not grow any more; nothing is added then.
    pub fn add<'t>(
        &mut self,
        id: Uuid,
        key: &str,
        texts: impl Iterator<Item = &'t str>,
        body: &[u8],
    ) -> Result<(), Full> {
        if self.contains(id) {
            return Ok(());
        }
        let number = u32::try_from(self.records.len()).map_err(|_| Full)?;
        if self.bytes() >= self.max_bytes {
            return Err(Full);
        }
        let mut text = Vec::with_capacity(2 * key.len() + 128);
        for (index, part) in texts.enumerate() {
            if index > 0 {
                text.push(SEPARATOR);
            }
            fold_into(&mut text, part);
        }
        let place = self.arena.add(&[&text, key.as_bytes(), body]).ok_or(Full)?;
        self.postings.add(number, &text);
        let (text_bytes, key_bytes) = (as_u32(text.len()), as_u32(key.len()));
        self.records.push(Record { id, place, text_bytes, key_bytes });
        if number.is_multiple_of(BLOCK_RECORDS) {
            self.smallest_id_of_block.push(id);
        } else if let Some(smallest) = self.smallest_id_of_block.last_mut() {
            *smallest = id.min(*smallest);
        }
        self.enter(number, id, key);
        Ok(())
    }

    fn enter(&mut self, number: u32, id: Uuid, key: &str) {
        let (id_hash, key_hash) = (self.hash(id.as_bytes()), self.hash(key.as_bytes()));
        let (records, arena, hasher) = (&self.records, &self.arena, &self.hasher);
        self.by_id
            .insert_unique(id_hash, number, |number| hash(hasher, records[*number as usize].id.as_bytes()));
        self.by_key.insert_unique(key_hash, number, |number| {
            hash(hasher, key_in(arena, &records[*number as usize]))
        });
    }

    /// Begins a search for a term, which is folded here.
    #[must_use]
    pub fn search(&self, term: &str) -> Search {
        let term = fold(term);
        let bytes = term.as_bytes();
        let lists = if bytes.len() >= 3 { self.postings.rarest_two(bytes) } else { None };
        // A trigram that is nowhere: done before it began.
        let done = bytes.len() >= 3 && lists.is_none();
        let finder = memmem::Finder::new(bytes).into_owned();
        Search { finder, lists, next: 0, found: BinaryHeap::new(), done }
    }

    /// Goes on with a search for one slice. `true` when it is done.
    pub fn advance(&self, search: &mut Search) -> bool {
        let mut cost = 0;
        while !search.done && cost < SLICE_COST_BYTES {
            let before = search.next;
            let Some(number) = self.candidate(search) else {
                search.done = true;
                break;
            };
            if before / BLOCK_RECORDS != number / BLOCK_RECORDS && self.no_smaller_id_follows(search, number)
            {
                search.done = true;
                break;
            }
            search.next = number + 1;
            let record = &self.records[number as usize];
            cost += RECORD_COST_BYTES + record.text_bytes as usize;
            if search.finder.find(self.text_of(record)).is_some() {
                search.keep(record.id, number);
            }
        }
        search.done
    }

    /// Appends the bodies of what was found, by id, as a JSON array.
    pub fn write_found(&self, search: Search, out: &mut Vec<u8>) {
        out.push(b'[');
        for (index, (_, number)) in search.found.into_sorted_vec().into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(self.body_of(&self.records[number as usize]));
        }
        out.push(b']');
    }

    /// The next record that may match.
    fn candidate(&self, search: &mut Search) -> Option<u32> {
        let Some([one, other]) = &mut search.lists else {
            return (search.next < as_u32(self.records.len())).then_some(search.next);
        };
        let mut least = search.next;
        loop {
            let number = self.postings.seek(one, least)?;
            least = self.postings.seek(other, number)?;
            if least == number {
                return Some(number);
            }
        }
    }

    /// Whether the search is full and every record from `number`'s block on has a larger id than all that it found.
    fn no_smaller_id_follows(&self, search: &Search, number: u32) -> bool {
        let Some((largest, _)) = search.found.peek().filter(|_| search.found.len() == MAX_FOUND) else {
            return false;
        };
        let blocks = &self.smallest_id_of_block[(number / BLOCK_RECORDS) as usize..];
        blocks.iter().all(|smallest| smallest > largest)
    }

    fn find(&self, id: Uuid) -> Option<u32> {
        let hash = self.hash(id.as_bytes());
        self.by_id.find(hash, |number| self.records[*number as usize].id == id).copied()
    }

    fn hash(&self, bytes: &[u8]) -> u64 {
        hash(&self.hasher, bytes)
    }

    fn text_of(&self, record: &Record) -> &[u8] {
        &self.arena.get(record.place)[..record.text_bytes as usize]
    }

    fn key_of(&self, number: u32) -> &[u8] {
        key_in(&self.arena, &self.records[number as usize])
    }

    fn body_of(&self, record: &Record) -> &[u8] {
        &self.arena.get(record.place)[(record.text_bytes + record.key_bytes) as usize..]
    }
}

impl Search {
    fn keep(&mut self, id: Uuid, number: u32) {
        if self.found.len() < MAX_FOUND {
            self.found.push((id, number));
        } else if self.found.peek().is_some_and(|(largest, _)| id < *largest) {
            self.found.pop();
            self.found.push((id, number));
        }
    }
}

fn key_in<'a>(arena: &'a Arena, record: &Record) -> &'a [u8] {
    &arena.get(record.place)[record.text_bytes as usize..][..record.key_bytes as usize]
}

fn hash(hasher: &foldhash::fast::RandomState, bytes: &[u8]) -> u64 {
    use std::hash::BuildHasher;
    hasher.hash_one(bytes)
}

/// Lengths of a place in the arena, which has checked that the whole fits.
fn as_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index_of(texts: &[(u128, &str)]) -> Index {
        let mut index = Index::new(usize::MAX);
        for (id, text) in texts {
            index.add(Uuid::from_u128(*id), text, text.split('|'), format!("\"{text}\"").as_bytes()).unwrap();
        }
        index
    }

    fn found(index: &Index, term: &str) -> String {
        let mut search = index.search(term);
        while !index.advance(&mut search) {}
        let mut out = Vec::new();
        index.write_found(search, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn terms_are_found_in_each_text_and_across_none() {
        let index = index_of(&[(2, "Ana|Ana Barbosa|Rust"), (1, "bia|Bia Lima"), (3, "Édson|x")]);
        assert_eq!(found(&index, "BARB"), "[\"Ana|Ana Barbosa|Rust\"]");
        assert_eq!(found(&index, "a"), "[\"bia|Bia Lima\",\"Ana|Ana Barbosa|Rust\"]");
        assert_eq!(found(&index, "éds"), "[\"Édson|x\"]");
        for nothing in ["anaana", "bosarust", "xyz", "barbosas", "a|b"] {
            assert_eq!(found(&index, nothing), "[]", "{nothing}");
        }
    }

    #[test]
    fn the_first_fifty_by_id_are_found_in_whatever_order_they_came() {
        let mut ids: Vec<u128> = (0..5_000).collect();
        fastrand::Rng::with_seed(7).shuffle(&mut ids);
        let texts: Vec<(u128, String)> = ids.iter().map(|id| (*id, format!("nick{id}"))).collect();
        let index = index_of(&texts.iter().map(|(id, text)| (*id, text.as_str())).collect::<Vec<_>>());
        let expected =
            format!("[{}]", (0..50).map(|id| format!("\"nick{id}\"")).collect::<Vec<_>>().join(","));
        assert_eq!(found(&index, "nick"), expected);
        assert_eq!(found(&index, "i"), expected);
        assert_eq!(found(&index, "nick4999"), "[\"nick4999\"]");
    }

    #[test]
    fn memory_agrees_with_a_plain_scan() {
        let mut random = fastrand::Rng::with_seed(11);
        let mut word = |most: usize| -> String {
            (0..random.usize(0..=most))
                .map(|_| *random.choice(&['a', 'b', 'é', 'B', ' ', '日']).unwrap())
                .collect()
        };
        let texts: Vec<(u128, String)> =
            (0..2_000).map(|id| (id, format!("{}|{}", word(6), word(12)))).collect();
        let index = index_of(&texts.iter().map(|(id, text)| (*id, text.as_str())).collect::<Vec<_>>());
        for _ in 0..500 {
            let term = word(5);
            let folded = fold(&term);
            let matches = |text: &String| text.split('|').any(|part| fold(part).contains(folded.as_ref()));
            let expected: Vec<String> = texts
                .iter()
                .filter(|(_, text)| matches(text))
                .take(MAX_FOUND)
                .map(|(_, text)| format!("\"{text}\""))
                .collect();
            assert_eq!(found(&index, &term), format!("[{}]", expected.join(",")), "{term}");
        }
    }

    #[test]
    fn ids_keys_and_the_bound() {
        let mut index = index_of(&[(1, "ana"), (1, "other")]);
        assert_eq!(index.len(), 1);
        assert_eq!(index.body(Uuid::from_u128(1)), Some(&b"\"ana\""[..]));
        assert!(index.has_key("ana") && !index.has_key("other"));
        index.max_bytes = index.bytes();
        assert_eq!(index.add(Uuid::from_u128(2), "b", ["b"].into_iter(), b""), Err(Full));
        assert!(!index.contains(Uuid::from_u128(2)));
    }
}
