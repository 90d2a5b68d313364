//! Things that are added and never changed or moved, in pieces of one size: growing copies nothing, and what is not yet
//! used of the last piece is address space and not memory.

/// Size of a piece. The allocator maps blocks of this size from the system and gives them back when they are freed. A few
/// words less than a power of two, since its own header stands before them.
const PIECE_BYTES: usize = 256 * 1024 - 64;

/// Bytes, entry by entry.
#[derive(Default)]
pub(super) struct Arena {
    pieces: Vec<Vec<u8>>,
    bytes: usize,
}

impl Arena {
    /// Copies `parts` as one entry and says where it is. `None` if no place is left to name (4 GiB).
    pub(super) fn add(&mut self, parts: &[&[u8]]) -> Option<u32> {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let fits = self.pieces.last().is_some_and(|piece| piece.capacity() - piece.len() >= length);
        if !fits {
            // An entry that is longer than a piece gets one of its own, and nothing follows it there.
            let piece = Vec::with_capacity(length.max(PIECE_BYTES));
            self.bytes += piece.capacity();
            self.pieces.push(piece);
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
        self.bytes + self.pieces.capacity() * size_of::<Vec<u8>>()
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
    const PER_PIECE: usize = PIECE_BYTES / size_of::<T>();

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

    pub(super) fn get_mut(&mut self, index: u32) -> &mut T {
        &mut self.pieces[index as usize / Self::PER_PIECE][index as usize % Self::PER_PIECE]
    }

    pub(super) fn bytes(&self) -> usize {
        self.pieces.len() * Self::PER_PIECE * size_of::<T>() + self.pieces.capacity() * size_of::<Vec<T>>()
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
        let long = vec![7; 3 * PIECE_BYTES];
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
}
