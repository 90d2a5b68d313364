//! Which records hold which bytes: for each three bytes the numbers of their records, and for each byte and
//! each two bytes the numbers of the blocks of records, which takes next to nothing and bounds the scan for a
//! term that short.

use std::collections::HashSet;
use std::ops::Range;

use super::BLOCK_RECORDS;
use super::arena::Pieces;
use super::gaps::{Blocks, List, Position, Reader};
use super::table::Table;

/// Bytes that parts of a record are joined with; they occur in no UTF-8, so no term holds one.
pub(super) const SEPARATOR: u8 = 0xff;

/// There are about 20,000 lists, or a million where people write in many scripts: a part of them then moves a
/// thousand entries when it grows.
const SHARDS: usize = 1024;

/// More than a gram takes that no list is there for yet, or the next block of its list, but for the doubling
/// of the tables.
const MOST_GRAM_BYTES: usize = 128;

/// Bytes that most names, nicknames and languages are made of. Where two or three of them have their list is
/// known without a search, for which each letter of each text would wait at a start.
const COMMON_BYTES: &[u8; 1 << COMMON_BITS] = b"abcdefghijklmnopqrstuvwxyz #+-.'";
const COMMON_BITS: u32 = 5;
const COMMON_GRAMS: usize = (1 << (3 * COMMON_BITS)) + (1 << (2 * COMMON_BITS));

/// For each byte its place in [`COMMON_BYTES`], or [`UNCOMMON`].
const PLACES: [u8; 256] = {
    let mut places = [UNCOMMON; 256];
    let mut place = 0_u8;
    while (place as usize) < COMMON_BYTES.len() {
        places[COMMON_BYTES[place as usize] as usize] = place;
        place += 1;
    }
    places
};
const UNCOMMON: u8 = 1 << 7;

/// In the place of a list: there is none.
const NO_LIST: u32 = u32::MAX;

struct Entry {
    gram: u32,
    list: List,
}

/// The lists of all grams.
pub(super) struct Postings {
    /// Apart from their table, whose doubling would cost as much as they do.
    lists: Pieces<Entry>,
    /// The lists of grams of three common bytes, and behind them of two.
    common: Box<[u32; COMMON_GRAMS]>,
    /// Those of all others.
    by_gram: Table<u32>,
    blocks: Blocks,
    hasher: foldhash::fast::FixedState,
    /// The one and two bytes that are known to be in the newest block of records, a bit each.
    newest: Box<[u64; (1 << 16) / 64]>,
    newest_bytes: [u64; 4],
    /// The trigrams of a slice, with the lists of those that have one; empty between two calls.
    found: Vec<(u32, Option<u32>)>,
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
            lists: Pieces::default(),
            common: Box::new([NO_LIST; _]),
            by_gram: Table::new(SHARDS),
            blocks: Blocks::default(),
            hasher: foldhash::fast::FixedState::default(),
            newest: Box::new([0; _]),
            newest_bytes: [0; _],
            found: Vec::new(),
        }
    }
}

/// What it takes to enter a text, as far as that was weighed.
pub(super) struct Weight {
    /// New lists in each part of the table, and of common grams, which are in no table.
    lists: Vec<u32>,
    common: usize,
    blocks: usize,
    /// The grams that were counted.
    counted: HashSet<u32>,
}

impl Weight {
    pub(super) fn nothing() -> Self {
        Self { lists: vec![0; SHARDS], common: 0, blocks: 0, counted: HashSet::new() }
    }
}

impl Postings {
    /// Enters the grams of `text` that begin in `part` for `record`, which is larger than any before; all
    /// parts follow each other. `None` if no place is left to name.
    pub(super) fn enter(&mut self, record: u32, text: &[u8], part: Range<usize>) -> Option<()> {
        if part.start == 0 && record.is_multiple_of(BLOCK_RECORDS) {
            *self.newest = [0; _];
            self.newest_bytes = [0; _];
        }
        let mut found = std::mem::take(&mut self.found);
        for at in part {
            let longest = longest_gram(text, at);
            if let [one, ..] = longest
                && is_new(&mut self.newest_bytes, (*one).into())
            {
                self.push(gram(&[*one]), record / BLOCK_RECORDS)?;
            }
            if let [one, other, ..] = longest
                && is_new(&mut *self.newest, pair(*one, *other))
            {
                self.push(gram(&[*one, *other]), record / BLOCK_RECORDS)?;
            }
            if let [_, _, _] = longest {
                found.push((gram(longest), None));
            }
        }
        self.find_all(&mut found);
        let pushed = found.drain(..).try_for_each(|(gram, list)| match list {
            Some(list) => self.push_to(list, record),
            None => self.push(gram, record),
        });
        self.found = found;
        pushed
    }

    /// The lists of many grams, each with the end that is written next. They are far apart, and seldom in the
    /// processor's caches after other processes have had their turn; nothing here waits for the one before.
    fn find_all(&self, grams: &mut [(u32, Option<u32>)]) {
        for (gram, list) in grams.iter_mut() {
            *list = self.find(*gram);
        }
        let ends = grams.iter().filter_map(|(_, list)| Some(self.blocks.end(&self.lists.get((*list)?).list)));
        std::hint::black_box(ends.fold(0, u32::wrapping_add));
    }

    /// Adds what it takes to enter a part of a text, without entering anything.
    pub(super) fn weigh(&self, weight: &mut Weight, record: u32, text: &[u8], part: Range<usize>) {
        let begins_block = record.is_multiple_of(BLOCK_RECORDS);
        for bytes in part.flat_map(|at| grams(text, at)) {
            let number = match bytes.len() {
                3 => record,
                _ if !begins_block && self.is_in_block(bytes) => continue,
                _ => record / BLOCK_RECORDS,
            };
            let gram = gram(bytes);
            let list = self.list(gram);
            if list.is_some_and(|list| list.ends_with(number) || !list.grows_with(number))
                || !weight.counted.insert(gram)
            {
                continue;
            }
            match list {
                Some(_) => weight.blocks += 1,
                None if common(gram).is_some() => weight.common += 1,
                None => weight.lists[self.by_gram.shard(hash(&self.hasher, gram))] += 1,
            }
        }
    }

    /// By how many bytes entering what was weighed makes the lists grow.
    pub(super) fn growth(&self, weight: &Weight) -> usize {
        let lists = weight.lists.iter().map(|lists| *lists as usize);
        let tables: usize =
            lists.clone().enumerate().map(|(shard, lists)| self.by_gram.growth(shard, lists)).sum();
        tables + self.lists.growth(lists.sum::<usize>() + weight.common) + self.blocks.growth(weight.blocks)
    }

    /// No text of so many bytes makes the lists grow by more.
    pub(super) fn most_growth(&self, text_bytes: usize) -> usize {
        self.by_gram.bytes()
            + MOST_GRAM_BYTES * (3 * text_bytes)
            + self.lists.growth(1)
            + self.blocks.growth(1)
    }

    /// Whether one or two bytes are known to be in the newest block of records.
    fn is_in_block(&self, bytes: &[u8]) -> bool {
        match bytes {
            [one, other] => self.newest[pair(*one, *other) / 64] >> (pair(*one, *other) % 64) & 1 == 1,
            [one, ..] => self.newest_bytes[usize::from(*one) / 64] >> (one % 64) & 1 == 1,
            [] => true,
        }
    }

    fn push(&mut self, gram: u32, number: u32) -> Option<()> {
        if let Some(known) = self.find(gram) {
            return self.push_to(known, number);
        }
        let list = self.blocks.list(number)?;
        let new = u32::try_from(self.lists.len()).ok().filter(|new| *new != NO_LIST)?;
        self.lists.push(Entry { gram, list });
        if let Some(place) = common(gram) {
            self.common[place] = new;
        } else {
            let (lists, hasher) = (&self.lists, &self.hasher);
            self.by_gram.insert(hash(hasher, gram), new, |list| hash(hasher, lists.get(*list).gram));
        }
        Some(())
    }

    fn push_to(&mut self, list: u32, number: u32) -> Option<()> {
        let list = &mut self.lists.get_mut(list).list;
        if list.ends_with(number) {
            return Some(());
        }
        self.blocks.push(list, number)
    }

    fn find(&self, gram: u32) -> Option<u32> {
        if let Some(place) = common(gram) {
            return Some(self.common[place]).filter(|list| *list != NO_LIST);
        }
        let is_it = |list: &u32| self.lists.get(*list).gram == gram;
        self.by_gram.find(hash(&self.hasher, gram), is_it).copied()
    }

    fn list(&self, gram: u32) -> Option<&List> {
        self.find(gram).map(|list| &self.lists.get(list).list)
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

    /// Bytes of the lists with their table, and of their blocks.
    pub(super) fn bytes(&self) -> [usize; 2] {
        let fixed = size_of_val(&*self.newest) + size_of_val(&*self.common);
        [self.by_gram.bytes() + self.lists.bytes() + fixed, self.blocks.bytes()]
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

/// The pieces of one to three bytes that begin at `at` in a text, without the separator.
fn grams(text: &[u8], at: usize) -> impl Iterator<Item = &[u8]> {
    let longest = longest_gram(text, at);
    (1..=longest.len()).map(move |length| &longest[..length])
}

/// The longest of them; nothing at a separator.
fn longest_gram(text: &[u8], at: usize) -> &[u8] {
    let rest = &text[at..text.len().min(at + 3)];
    let length = rest.iter().position(|byte| *byte == SEPARATOR).unwrap_or(rest.len());
    &rest[..length]
}

fn pair(one: u8, other: u8) -> usize {
    usize::from(one) << 8 | usize::from(other)
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

/// The place of a gram of two or three common bytes among the common ones.
fn common(gram: u32) -> Option<usize> {
    let [lead, bytes @ ..] = gram.to_be_bytes();
    let [first, second, third] = bytes.map(|byte| usize::from(PLACES[usize::from(byte)]));
    let pair = second << COMMON_BITS | third;
    match lead {
        1 if (first | second | third) < UNCOMMON.into() => Some(first << (2 * COMMON_BITS) | pair),
        0 if bytes[0] == 1 && (second | third) < UNCOMMON.into() => Some((1 << (3 * COMMON_BITS)) + pair),
        _ => None,
    }
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
        (0..10).for_each(|record| postings.enter(record, b"abcdef", 0..6).unwrap());
        postings.enter(10, b"bcde", 0..4).unwrap();
        let [one, other] = postings.rarest_two(b"abcd").unwrap();
        assert_eq!((one.gram, other.gram), (gram(b"abc"), gram(b"bcd")));
        assert!(postings.rarest_two(b"abcx").is_none());
        let [one, other] = postings.rarest_two(b"efefef").map_or([None; 2], |both| both.map(Some));
        assert!(one.is_none() && other.is_none());
        let text = [b'a', b'b', SEPARATOR, b'c', b'd'];
        postings.enter(11, &text, 0..5).unwrap();
        assert!(postings.rarest_two(&text[..3]).is_none());
    }

    #[test]
    fn short_terms_have_the_blocks_that_hold_them() {
        let mut postings = Postings::default();
        for record in 0..10 * BLOCK_RECORDS {
            let rare = record == 3 * BLOCK_RECORDS + 1 || record == 7 * BLOCK_RECORDS;
            postings.enter(record, if rare { b"xyab" } else { b"abab" }, 0..4).unwrap();
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
