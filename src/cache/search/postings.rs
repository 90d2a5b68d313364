//! Which records hold which bytes: for each three bytes the numbers of their records, and for each byte and each two bytes
//! the numbers of the blocks of records, which takes next to nothing and bounds the scan for a term that short.

use super::BLOCK_RECORDS;
use super::gaps::{Blocks, List, Position, Reader};
use super::table::Table;

/// Bytes that parts of a record are joined with; they occur in no UTF-8, so no term holds one.
pub(super) const SEPARATOR: u8 = 0xff;

/// There are about 20,000 lists, or some hundreds of thousands where people write in many scripts.
const SHARDS: usize = 64;

struct Entry {
    gram: u32,
    list: List,
}

/// The lists of all grams.
pub(super) struct Postings {
    lists: Table<Entry>,
    blocks: Blocks,
    hasher: foldhash::fast::FixedState,
    /// The one and two bytes that are known to be in the newest block of records, a bit each.
    newest: Box<[u64; (1 << 16) / 64]>,
    newest_bytes: [u64; 4],
}

/// How far a gram's list was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    gram: u32,
    position: Position,
}

impl Default for Postings {
    fn default() -> Self {
        Self {
            lists: Table::new(SHARDS),
            blocks: Blocks::default(),
            hasher: foldhash::fast::FixedState::default(),
            newest: Box::new([0; _]),
            newest_bytes: [0; _],
        }
    }
}

impl Postings {
    /// Adds every gram of `text` for `record`, which is larger than any before. `None` if no place is left.
    pub(super) fn add(&mut self, record: u32, text: &[u8]) -> Option<()> {
        let block = record / BLOCK_RECORDS;
        if record.is_multiple_of(BLOCK_RECORDS) {
            *self.newest = [0; _];
            self.newest_bytes = [0; _];
        }
        for (at, byte) in text.iter().enumerate().filter(|(_, byte)| **byte != SEPARATOR) {
            if is_new(&mut self.newest_bytes, (*byte).into()) {
                self.enter(gram(&[*byte]), block)?;
            }
            let Some(other) = text.get(at + 1).filter(|other| **other != SEPARATOR) else { continue };
            if is_new(&mut *self.newest, usize::from(*byte) << 8 | usize::from(*other)) {
                self.enter(gram(&[*byte, *other]), block)?;
            }
            let Some(third) = text.get(at + 2).filter(|third| **third != SEPARATOR) else { continue };
            self.enter(gram(&[*byte, *other, *third]), record)?;
        }
        Some(())
    }

    fn enter(&mut self, gram: u32, number: u32) -> Option<()> {
        let hash = hash(&self.hasher, gram);
        let Some(entry) = self.lists.find_mut(hash, |entry| entry.gram == gram) else {
            let mut list = self.blocks.list()?;
            self.blocks.push(&mut list, number)?;
            let hasher = &self.hasher;
            self.lists.insert(hash, Entry { gram, list }, |entry| self::hash(hasher, entry.gram));
            return Some(());
        };
        if entry.list.ends_with(number) {
            return Some(());
        }
        self.blocks.push(&mut entry.list, number)
    }

    fn list(&self, gram: u32) -> Option<&List> {
        let entry = self.lists.find(hash(&self.hasher, gram), |entry| entry.gram == gram)?;
        Some(&entry.list)
    }

    /// The start of the list of a term of one or two bytes: numbers of blocks. `None` if it is nowhere.
    pub(super) fn blocks_with(&self, term: &[u8]) -> Option<Cursor> {
        let gram = gram(term);
        self.list(gram).map(|list| Cursor { gram, position: list.start() })
    }

    /// The starts of the two shortest lists among the trigrams of `term` (of one twice if it has one only).
    /// `None` if one of the trigrams is nowhere: nobody can match. `term` has at least three bytes.
    pub(super) fn rarest_two(&self, term: &[u8]) -> Option<[Cursor; 2]> {
        let mut rarest: [Option<(u32, Cursor)>; 2] = [None; 2];
        for window in term.windows(3) {
            let gram = gram(window);
            if rarest.iter().flatten().any(|(_, cursor)| cursor.gram == gram) {
                continue;
            }
            let list = self.list(gram)?;
            let this = (list.count(), Cursor { gram, position: list.start() });
            if rarest[0].is_none_or(|(count, _)| this.0 < count) {
                rarest = [Some(this), rarest[0]];
            } else if rarest[1].is_none_or(|(count, _)| this.0 < count) {
                rarest[1] = Some(this);
            }
        }
        let (_, first) = rarest[0]?;
        Some([first, rarest[1].map_or(first, |(_, second)| second)])
    }

    /// Goes on reading where a cursor stands; nothing is added meanwhile.
    pub(super) fn reader(&self, cursor: &Cursor) -> Option<Reader<'_>> {
        let list = self.list(cursor.gram)?;
        Some(Reader::new(&self.blocks, list, cursor.position))
    }

    /// Bytes of the table of lists, and of the lists.
    pub(super) fn bytes(&self) -> [usize; 2] {
        [self.lists.bytes() + size_of_val(&*self.newest), self.blocks.bytes()]
    }

    /// The numbers of every list, for measurements.
    pub(super) fn each(&self, mut look: impl FnMut(&[u32])) {
        let mut numbers = Vec::new();
        for entry in self.lists.iter().filter(|entry| entry.gram >= 1 << 24) {
            numbers.clear();
            let mut reader = Reader::new(&self.blocks, &entry.list, entry.list.start());
            while let Some(number) = reader.seek(numbers.last().map_or(0, |last| last + 1)) {
                numbers.push(number);
            }
            look(&numbers);
        }
    }
}

impl Cursor {
    pub(super) fn move_to(&mut self, reader: &Reader<'_>) {
        self.position = reader.position();
    }
}

/// Sets a bit. Whether it was not set.
fn is_new(bits: &mut [u64], number: usize) -> bool {
    let (word, mask) = (&mut bits[number / 64], 1 << (number % 64));
    let was = *word & mask;
    *word |= mask;
    was == 0
}

/// Up to three bytes as a number, with a leading one that tells how many they are.
fn gram(bytes: &[u8]) -> u32 {
    bytes.iter().fold(1, |gram, byte| gram << 8 | u32::from(*byte))
}

fn hash(hasher: &foldhash::fast::FixedState, gram: u32) -> u64 {
    use std::hash::BuildHasher;
    hasher.hash_one(gram)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarest_lists_are_chosen_and_a_missing_one_is_noticed() {
        let mut postings = Postings::default();
        (0..10).for_each(|record| postings.add(record, b"abcdef").unwrap());
        postings.add(10, b"bcde").unwrap();
        let [one, other] = postings.rarest_two(b"abcd").unwrap();
        assert_eq!((one.gram, other.gram), (gram(b"abc"), gram(b"bcd")));
        assert!(postings.rarest_two(b"abcx").is_none());
        let [one, other] = postings.rarest_two(b"efefef").map_or([None; 2], |both| both.map(Some));
        assert!(one.is_none() && other.is_none());
        let text = [b'a', b'b', SEPARATOR, b'c', b'd'];
        postings.add(11, &text).unwrap();
        assert!(postings.rarest_two(&text[..3]).is_none());
    }

    #[test]
    fn short_terms_have_the_blocks_that_hold_them() {
        let mut postings = Postings::default();
        for record in 0..10 * BLOCK_RECORDS {
            let rare = record == 3 * BLOCK_RECORDS + 1 || record == 7 * BLOCK_RECORDS;
            postings.add(record, if rare { b"xyab" } else { b"abab" }).unwrap();
        }
        for (term, expected) in [("xy", vec![3, 7]), ("y", vec![3, 7]), ("ba", (0..10).collect())] {
            let cursor = postings.blocks_with(term.as_bytes()).unwrap();
            let mut reader = postings.reader(&cursor).unwrap();
            let mut found: Vec<u32> = Vec::new();
            while let Some(block) = reader.seek(found.last().map_or(0, |last| last + 1)) {
                found.push(block);
            }
            assert_eq!(found, expected, "{term}");
        }
        assert!(postings.blocks_with(b"bx").is_none() && postings.blocks_with(b"z").is_none());
    }
}
