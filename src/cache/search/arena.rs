//! Bytes that are added and never changed or moved, in chunks.

/// Size of a chunk; a longer entry gets a chunk of its own.
const CHUNK_BYTES: usize = 256 * 1024;

/// Where an entry lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    chunk: u32,
    at: u32,
    length: u32,
}

#[derive(Default)]
pub(super) struct Arena {
    chunks: Vec<Vec<u8>>,
    bytes: usize,
}

impl Arena {
    /// Copies `parts` as one entry. `None` if it cannot be addressed (4 GiB of one entry or of chunks).
    pub(super) fn add(&mut self, parts: &[&[u8]]) -> Option<Place> {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let fits = self.chunks.last().is_some_and(|chunk| chunk.capacity() - chunk.len() >= length);
        if !fits {
            let chunk = Vec::with_capacity(length.max(CHUNK_BYTES));
            self.bytes += chunk.capacity();
            self.chunks.push(chunk);
        }
        let number = u32::try_from(self.chunks.len() - 1).ok()?;
        let chunk = self.chunks.last_mut()?;
        let place = Place {
            chunk: number,
            at: u32::try_from(chunk.len()).ok()?,
            length: u32::try_from(length).ok()?,
        };
        parts.iter().for_each(|part| chunk.extend_from_slice(part));
        Some(place)
    }

    pub(super) fn get(&self, place: Place) -> &[u8] {
        &self.chunks[place.chunk as usize][place.at as usize..][..place.length as usize]
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
