//! A record's texts as they came, in one piece, from which everything else is made again: their folded form
//! for a comparison, and by the owner the answer's body. Keeping those too took most of the memory.

use uuid::Uuid;

use super::fold::fold_into;
use super::postings::SEPARATOR;

/// Bytes that a writer's buffer keeps from one record to the next.
const KEPT_BYTES: usize = 16 * 1024;

/// A record that is in the index.
#[derive(Clone, Copy, Debug)]
pub struct Record<'i> {
    /// Its id.
    pub id: Uuid,
    /// What its owner wants to know besides the texts.
    pub note: u32,
    joined: &'i [u8],
    ascii: bool,
}

impl<'i> Record<'i> {
    /// The texts, of which the first is the key.
    pub fn texts(&self) -> impl Iterator<Item = &'i str> {
        // They were texts when they came.
        self.joined.split(|byte| *byte == SEPARATOR).map(|text| str::from_utf8(text).unwrap_or_default())
    }

    /// Reads what [`Builder::header`] and the joined texts say.
    pub(super) fn read(id: Uuid, mut bytes: &'i [u8]) -> Self {
        let (mut head, mut shift) = (0_u64, 0);
        while let [byte, rest @ ..] = bytes {
            head |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            bytes = rest;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (note, texts) = bytes.split_first_chunk().unwrap_or((&[0; 4], &[]));
        // The arena is smaller than what a usize counts.
        let length = usize::try_from(head >> 1).unwrap_or(0);
        Self { id, note: u32::from_le_bytes(*note), joined: &texts[..length], ascii: head & 1 == 1 }
    }

    pub(super) fn key(&self) -> &'i [u8] {
        key(self.joined)
    }

    /// About the bytes that folding and comparing it moves; what is not ASCII is folded letter by letter.
    pub(super) fn cost_bytes(&self) -> usize {
        if self.ascii { self.joined.len() } else { 20 * self.joined.len() }
    }

    /// The joined texts in lower case.
    pub(super) fn folded<'f>(&self, folded: &'f mut Vec<u8>) -> &'f [u8] {
        folded.clear();
        if self.ascii {
            folded.extend_from_slice(self.joined);
            folded.make_ascii_lowercase();
        } else {
            for (index, text) in self.texts().enumerate() {
                if index > 0 {
                    folded.push(SEPARATOR);
                }
                fold_into(folded, text);
            }
        }
        folded
    }
}

fn key(joined: &[u8]) -> &[u8] {
    joined.split(|byte| *byte == SEPARATOR).next().unwrap_or_default()
}

/// Puts a record together. Its buffers are used again for the next.
#[derive(Default)]
pub struct Builder {
    joined: Vec<u8>,
    folded: Vec<u8>,
    /// The longest folded text: no term that is longer is found in it.
    longest: usize,
    ascii: bool,
}

impl Builder {
    /// Takes a record's texts, of which the first is its unique key, in the place of those of the one before.
    pub fn build<'t>(&mut self, texts: impl Iterator<Item = &'t str>) {
        self.joined.clear();
        self.folded.clear();
        self.joined.shrink_to(KEPT_BYTES);
        self.folded.shrink_to(KEPT_BYTES);
        self.longest = 0;
        self.ascii = true;
        for (index, text) in texts.enumerate() {
            if index > 0 {
                self.joined.push(SEPARATOR);
                self.folded.push(SEPARATOR);
            }
            self.ascii &= text.is_ascii();
            self.joined.extend_from_slice(text.as_bytes());
            let start = self.folded.len();
            fold_into(&mut self.folded, text);
            self.longest = self.longest.max(self.folded.len() - start);
        }
    }

    pub(super) fn joined(&self) -> &[u8] {
        &self.joined
    }

    pub(super) fn folded(&self) -> &[u8] {
        &self.folded
    }

    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    pub(super) fn key(&self) -> &[u8] {
        key(&self.joined)
    }

    /// What stands before the joined texts: their length, whether they are ASCII, and the note.
    pub(super) fn header(&self, note: u32) -> heapless::Vec<u8, 14> {
        let mut header = heapless::Vec::new();
        let mut head = (self.joined.len() as u64) << 1 | u64::from(self.ascii);
        while head >= 0x80 {
            let _ = header.push((head & 0x7f) as u8 | 0x80);
            head >>= 7;
        }
        let _ = header.push((head & 0x7f) as u8);
        // Ten bytes at most for the length.
        let _ = header.extend_from_slice(&note.to_le_bytes());
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_built() {
        let mut builder = Builder::default();
        for texts in [vec!["Ana"], vec!["ana", "", "É"], vec!["", ""], vec!["日本", &"x".repeat(100_000)]]
        {
            builder.build(texts.iter().copied());
            let bytes = [&builder.header(77), builder.joined(), b"what follows"].concat();
            let record = Record::read(Uuid::nil(), &bytes);
            assert_eq!(record.texts().collect::<Vec<_>>(), texts);
            assert_eq!((record.note, record.key()), (77, texts[0].as_bytes()));
            assert_eq!(record.folded(&mut Vec::new()), builder.folded());
            assert_eq!(builder.longest(), texts.iter().map(|text| text.len()).max().unwrap());
        }
    }
}
