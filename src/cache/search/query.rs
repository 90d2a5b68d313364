//! A search, cut into slices of bounded work.
//!
//! What a slice may cost is counted in about nanoseconds of one core of a server: records compared, numbers
//! read from lists, bytes moved. Counting costs nothing and gives the same slices on every run; a clock would
//! do neither.

use std::collections::BinaryHeap;
use std::vec;

use memchr::memmem::Finder;
use uuid::Uuid;

use super::postings::Cursor;
use super::{BLOCK_RECORDS, Index, MAX_FOUND, Record, fold};

/// A record compared: mostly misses in the processor's caches.
const RECORD_COST: usize = 150;
/// Bytes of text that are folded and searched at the cost of one.
const BYTES_PER_COST: usize = 4;
/// A number read from a list, with the misses of its blocks.
const STEP_COST: usize = 20;
/// What a slice may cost, and may be wrong by a factor of two to stay below 200 µs.
const SLICE_COST: usize = 100_000;
/// Bytes of an answer that are written in a slice.
const SLICE_BODY_BYTES: usize = 64 * 1024;

/// A search under way; it can be put aside between two slices.
pub struct Search {
    finder: Finder<'static>,
    walk: Walk,
    /// The first record that was not looked at.
    pub(super) next: u32,
    /// The largest id on top: what goes when a smaller one comes.
    found: BinaryHeap<(Uuid, u32)>,
    /// What was found and is not yet written, by id.
    unwritten: Option<vec::IntoIter<(Uuid, u32)>>,
    folded: Vec<u8>,
}

/// Which records are compared.
enum Walk {
    /// None any more.
    Over,
    /// Those in both lists.
    Both([Cursor; 2]),
    /// Those of the blocks in the list; all records before `sure` that are left are in such a block.
    Blocks { list: Cursor, sure: u32 },
}

impl Index {
    /// Begins a search for a term, which is folded here.
    #[must_use]
    pub fn search(&self, term: &str) -> Search {
        let folded = fold(term);
        let term = folded.as_bytes();
        let walk = match term.len() {
            0 => Walk::Over,
            // A long term has many trigrams to look up, all without success.
            length if length > self.longest => Walk::Over,
            1 | 2 => {
                self.postings.blocks_with(term).map_or(Walk::Over, |list| Walk::Blocks { list, sure: 0 })
            }
            _ => self.postings.rarest_two(term).map_or(Walk::Over, Walk::Both),
        };
        let needle: &[u8] = if matches!(walk, Walk::Over) { &[] } else { term };
        Search {
            finder: Finder::new(needle).into_owned(),
            walk,
            next: 0,
            found: BinaryHeap::new(),
            unwritten: None,
            folded: Vec::new(),
        }
    }

    /// Goes on with a search for one slice. `true` when all is found.
    pub fn advance(&self, search: &mut Search) -> bool {
        let walk = std::mem::replace(&mut search.walk, Walk::Over);
        search.walk = match walk {
            Walk::Over => Walk::Over,
            Walk::Both(lists) => self.advance_in_both(search, lists),
            Walk::Blocks { list, sure } => self.advance_in_blocks(search, list, sure),
        };
        matches!(search.walk, Walk::Over)
    }

    fn advance_in_both(&self, search: &mut Search, [mut one, mut other]: [Cursor; 2]) -> Walk {
        let (Some(mut first), Some(mut second)) = (self.postings.reader(&one), self.postings.reader(&other))
        else {
            return Walk::Over;
        };
        let mut cost = 0;
        while cost + STEP_COST * (first.steps + second.steps) < SLICE_COST {
            let Some(number) = first.seek(search.next) else { return Walk::Over };
            // Not in one call: the lists may be long and meet nowhere.
            let Some(met) = second.seek(number) else { return Walk::Over };
            if met > number {
                search.next = met;
            } else if self.is_whole(search, number) {
                return Walk::Over;
            } else {
                cost += self.compare(search, number);
            }
        }
        one.move_to(&first);
        other.move_to(&second);
        Walk::Both([one, other])
    }

    fn advance_in_blocks(&self, search: &mut Search, mut list: Cursor, mut sure: u32) -> Walk {
        let Some(mut reader) = self.postings.reader(&list) else { return Walk::Over };
        let mut cost = 0;
        while cost + STEP_COST * reader.steps < SLICE_COST {
            if search.next >= sure {
                let Some(block) = reader.seek(search.next / BLOCK_RECORDS) else { return Walk::Over };
                search.next = search.next.max(block * BLOCK_RECORDS);
                sure = (block + 1) * BLOCK_RECORDS;
            }
            if search.next as usize >= self.records.len() || self.is_whole(search, search.next) {
                return Walk::Over;
            }
            cost += self.compare(search, search.next);
        }
        list.move_to(&reader);
        Walk::Blocks { list, sure }
    }

    /// Looks at a record, and says what that cost.
    fn compare(&self, search: &mut Search, number: u32) -> usize {
        search.next = number + 1;
        let entry = self.records.get(number);
        // One that would be thrown out again need not be compared.
        if search.found.len() == MAX_FOUND && search.found.peek().is_some_and(|(most, _)| *most < entry.id) {
            return STEP_COST;
        }
        let record = self.record(entry);
        if search.finder.find(record.folded(&mut search.folded)).is_some() {
            search.found.push((entry.id, number));
            if search.found.len() > MAX_FOUND {
                search.found.pop();
            }
        }
        RECORD_COST + record.cost_bytes() / BYTES_PER_COST
    }

    /// Whether the search is full and every record from `number`'s block on has a larger id than all that it
    /// found.
    fn is_whole(&self, search: &Search, number: u32) -> bool {
        search.found.len() == MAX_FOUND
            && search.found.peek().is_some_and(|(most, _)| {
                self.least_id_from.get((number / BLOCK_RECORDS) as usize).is_some_and(|least| least > most)
            })
    }

    /// Appends what was found, by id, as a JSON array of what `render` makes of a record; a slice of it.
    /// `true` when the array is whole.
    pub fn write_found(
        &self,
        search: &mut Search,
        out: &mut Vec<u8>,
        mut render: impl FnMut(&mut Vec<u8>, Record<'_>),
    ) -> bool {
        let start = out.len();
        let found = &mut search.found;
        let begins = search.unwritten.is_none();
        let unwritten =
            search.unwritten.get_or_insert_with(|| std::mem::take(found).into_sorted_vec().into_iter());
        if begins {
            out.push(b'[');
        }
        let mut follows = !begins;
        while out.len() - start < SLICE_BODY_BYTES {
            let Some((_, number)) = unwritten.next() else {
                out.push(b']');
                return true;
            };
            if follows {
                out.push(b',');
            }
            follows = true;
            render(out, self.record(self.records.get(number)));
        }
        false
    }
}
