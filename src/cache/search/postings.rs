//! Which records hold which three bytes: for each trigram the numbers of its records, ascending, as gaps of a few bits.

use hashbrown::HashMap;

/// Bytes that parts of a record are joined with; they occur in no UTF-8, so no term holds one.
pub(super) const SEPARATOR: u8 = 0xff;

/// A list's own memory in the table: key, header, and the table's slack.
const LIST_OVERHEAD_BYTES: usize = 56;

#[derive(Default)]
struct List {
    /// Gaps to the record before, as LEB128; the first is the number itself plus one.
    gaps: Vec<u8>,
    /// The last record plus one; zero if there is none.
    next: u32,
    count: u32,
}

/// The lists of all trigrams.
#[derive(Default)]
pub(super) struct Postings {
    lists: HashMap<u32, List>,
    bytes: usize,
}

/// A place in a list. Lists only grow, so a place stays valid while others add.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    trigram: u32,
    at: usize,
    next: u32,
}

impl Postings {
    /// Adds every trigram of `text` for `record`, which is larger than any before.
    pub(super) fn add(&mut self, record: u32, text: &[u8]) {
        for window in text.windows(3) {
            if window.contains(&SEPARATOR) {
                continue;
            }
            let known = self.lists.len();
            let list = self.lists.entry(key(window)).or_default();
            if list.next == record + 1 {
                continue;
            }
            let before = list.gaps.capacity();
            push_gap(&mut list.gaps, record + 1 - list.next);
            list.next = record + 1;
            list.count += 1;
            self.bytes += list.gaps.capacity() - before;
            self.bytes += (self.lists.len() - known) * LIST_OVERHEAD_BYTES;
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The starts of the two shortest lists among the trigrams of `term` (of one twice if it has one only).
    /// `None` if one of the trigrams is nowhere: nobody can match. `term` has at least three bytes.
    pub(super) fn rarest_two(&self, term: &[u8]) -> Option<[Position; 2]> {
        let mut rarest = [(u32::MAX, 0); 2];
        for window in term.windows(3) {
            let trigram = key(window);
            let count = self.lists.get(&trigram)?.count;
            if trigram == rarest[0].1 || trigram == rarest[1].1 {
                continue;
            }
            if count < rarest[0].0 {
                rarest = [(count, trigram), rarest[0]];
            } else if count < rarest[1].0 {
                rarest[1] = (count, trigram);
            }
        }
        if rarest[1].0 == u32::MAX {
            rarest[1] = rarest[0];
        }
        Some(rarest.map(|(_, trigram)| Position { trigram, at: 0, next: 0 }))
    }

    /// The next record of a list at or after `least`, if there is one yet.
    pub(super) fn seek(&self, position: &mut Position, least: u32) -> Option<u32> {
        let list = self.lists.get(&position.trigram)?;
        while position.next <= least {
            let gap = read_gap(&list.gaps, &mut position.at)?;
            position.next += gap;
        }
        Some(position.next - 1)
    }
}

fn key(window: &[u8]) -> u32 {
    // 0 is the key of no trigram that can be asked for twice in vain: bytes are shifted up by a leading one.
    1 << 24 | u32::from(window[0]) << 16 | u32::from(window[1]) << 8 | u32::from(window[2])
}

fn push_gap(gaps: &mut Vec<u8>, mut gap: u32) {
    while gap >= 0x80 {
        gaps.push((gap & 0x7f) as u8 | 0x80);
        gap >>= 7;
    }
    gaps.push((gap & 0x7f) as u8);
}

fn read_gap(gaps: &[u8], at: &mut usize) -> Option<u32> {
    let mut gap = 0;
    for shift in (0..).step_by(7) {
        let byte = *gaps.get(*at)?;
        *at += 1;
        gap |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_gives_back_what_was_added() {
        let mut postings = Postings::default();
        let records = [0, 1, 5, 127, 128, 300, 100_000, 3_000_000_000];
        for record in records {
            postings.add(record, b"xabcabcx");
        }
        let [mut position, _] = postings.rarest_two(b"abc").unwrap();
        let mut found = Vec::new();
        let mut least = 0;
        while let Some(record) = postings.seek(&mut position, least) {
            found.push(record);
            least = record + 1;
        }
        assert_eq!(found, records);
        // A list may grow while a reader stands at its end.
        postings.add(3_000_000_001, b"abc");
        assert_eq!(postings.seek(&mut position, least), Some(3_000_000_001));
    }

    #[test]
    fn the_rarest_lists_are_chosen_and_a_missing_one_is_noticed() {
        let mut postings = Postings::default();
        (0..10).for_each(|record| postings.add(record, b"abcdef"));
        postings.add(10, b"bcde");
        let [one, other] = postings.rarest_two(b"abcd").unwrap();
        assert_eq!((one.trigram, other.trigram), (key(b"abc"), key(b"bcd")));
        assert!(postings.rarest_two(b"abcx").is_none());
        let text = [b'a', b'b', SEPARATOR, b'c', b'd'];
        postings.add(11, &text);
        assert!(postings.rarest_two(&text[..3]).is_none());
    }
}
