//! Things that are added and never changed or moved, in pieces of one size: growing copies nothing.
//!
//! A piece is address space; memory is only the part of it that is filled. It is so large that the allocator
//! maps it by itself and gives it back whole (`limits::MAPPED_BYTES`).

const PIECE_BYTES: usize = 4 * 1024 * 1024;

/// The unit in which a piece is filled with memory.
const PAGE_BYTES: usize = 4 * 1024;

/// Bytes, entry by entry.
#[derive(Default)]
pub(super) struct Arena {
    pieces: Vec<Vec<u8>>,
}

impl Arena {
    /// Copies `parts` as one entry and says where it is. `None` if no place is left to name (4 GiB).
    pub(super) fn add(&mut self, parts: &[&[u8]]) -> Option<u32> {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let fits = self.pieces.last().is_some_and(|piece| piece.capacity() - piece.len() >= length);
        if !fits {
            // An entry that is longer than a piece gets one of its own, and nothing follows it there.
            self.pieces.push(Vec::with_capacity(length.max(PIECE_BYTES)));
        }
        let first = (self.pieces.len() - 1) * PIECE_BYTES;
        let piece = self.pieces.last_mut()?;
        let at = u32::try_from(first + piece.len()).ok()?;
        parts.iter().for_each(|part| piece.extend_from_slice(part));
        Some(at)
    }

    /// The bytes from `at` on, at least to the end of its entry.
    pub(super) fn from(&self, at: u32) -> &[u8] {
        &self.pieces[at as usize / PIECE_BYTES][at as usize % PIECE_BYTES..]
    }

    pub(super) fn bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len().next_multiple_of(PAGE_BYTES)).sum()
    }

    /// By how much an entry of so many bytes raises [`Arena::bytes`].
    pub(super) fn growth(&self, length: usize) -> usize {
        let last = self.pieces.last().filter(|piece| piece.capacity() - piece.len() >= length);
        let filled = last.map_or(0, Vec::len);
        (filled + length).next_multiple_of(PAGE_BYTES) - filled.next_multiple_of(PAGE_BYTES)
    }
}

/// A vector in pieces.
pub(super) struct Pieces<T> {
    pieces: Vec<Vec<T>>,
    length: usize,
}

impl<T> Default for Pieces<T> {
    fn default() -> Self {
        Self { pieces: Vec::new(), length: 0 }
    }
}

impl<T> Pieces<T> {
    /// A power of two, for the sake of the division.
    const PER_PIECE: usize = 1 << (PIECE_BYTES / size_of::<T>()).ilog2();

    pub(super) fn push(&mut self, item: T) {
        if self.length == self.pieces.len() * Self::PER_PIECE {
            self.pieces.push(Vec::with_capacity(Self::PER_PIECE));
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.push(item);
            self.length += 1;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn get(&self, index: u32) -> &T {
        &self.pieces[index as usize / Self::PER_PIECE][index as usize % Self::PER_PIECE]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    pub(super) fn get_mut(&mut self, index: u32) -> &mut T {
        &mut self.pieces[index as usize / Self::PER_PIECE][index as usize % Self::PER_PIECE]
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes_of(self.length)
    }

    /// By how much so many items raise [`Pieces::bytes`].
    pub(super) fn growth(&self, more: usize) -> usize {
        self.bytes_of(self.length + more) - self.bytes()
    }

    fn bytes_of(&self, length: usize) -> usize {
        (length * size_of::<T>()).next_multiple_of(PAGE_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stay_where_they_were_put_whatever_their_size() {
        let mut arena = Arena::default();
        let entries: Vec<Vec<u8>> =
            (0..2_000_usize).map(|n| vec![u8::try_from(n % 251).unwrap(); n * n % 1_500]).collect();
        let long = vec![7; PIECE_BYTES + 1];
        let places: Vec<u32> = entries
            .iter()
            .chain([&long])
            .chain(&entries)
            .map(|entry| arena.add(&[&entry[..entry.len() / 2], &entry[entry.len() / 2..]]).unwrap())
            .collect();
        for (entry, at) in entries.iter().chain([&long]).chain(&entries).zip(places) {
            assert_eq!(&arena.from(at)[..entry.len()], entry);
        }
    }

    #[test]
    fn growth_is_known_beforehand() {
        let (mut arena, mut pieces) = (Arena::default(), Pieces::default());
        for n in 0..3_000_usize {
            let length = n * n % 9_000;
            let expected = arena.bytes() + arena.growth(length);
            arena.add(&[&vec![1; length]]).unwrap();
            assert_eq!(arena.bytes(), expected);
            let expected = pieces.bytes() + pieces.growth(n % 5);
            (0..n % 5).for_each(|n| pieces.push(n));
            assert_eq!(pieces.bytes(), expected);
        }
    }
}
