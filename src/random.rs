//! Bytes of the system's own generator: for ids, and for the numbers by which replicas tell their rows and
//! locks apart. Nobody can guess them, and no two replicas get the same. A leaf; `fastrand` is for what may
//! be guessed, or come twice.

use parking_lot::Mutex;
use uuid::{Builder, Uuid};

/// How many are asked for at once: one system call for 64 ids.
const BLOCK_BYTES: usize = 1024;

struct Block {
    bytes: [u8; BLOCK_BYTES],
    used: usize,
}

static BLOCK: Mutex<Block> = Mutex::new(Block { bytes: [0; BLOCK_BYTES], used: BLOCK_BYTES });

/// Bytes that nobody has had before. For an id or the like: what opens something is asked for by itself, and
/// lies nowhere meanwhile.
///
/// # Panics
/// The system has none. Linux always has, once it has begun to give them out; a row without an id that is its
/// own would be worse.
#[must_use]
pub fn bytes<const COUNT: usize>() -> [u8; COUNT] {
    const { assert!(COUNT <= BLOCK_BYTES) };
    let mut block = BLOCK.lock();
    if BLOCK_BYTES - block.used < COUNT {
        if let Err(error) = getrandom::fill(&mut block.bytes) {
            panic!("the system has no random bytes: {error}");
        }
        block.used = 0;
    }
    let mut given = [0; COUNT];
    let range = block.used..block.used + COUNT;
    given.copy_from_slice(&block.bytes[range]);
    block.used += COUNT;
    given
}

/// An id of version 4 (RFC 9562 section 5.4).
#[must_use]
pub fn uuid() -> Uuid {
    Builder::from_random_bytes(bytes()).into_uuid()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Of any length, to any thread, past the end of a block.
    #[test]
    fn nothing_is_given_twice() {
        let drawn = || (0..1_000).flat_map(|_| [bytes::<16>()[..12].to_vec(), bytes::<12>().to_vec()]);
        let threads: Vec<_> =
            (0..4).map(|_| std::thread::spawn(move || drawn().collect::<Vec<_>>())).collect();
        let all: Vec<Vec<u8>> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(all.len(), 8_000);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        // Every bit is set in some and not in others.
        let bits =
            |of: &[u8]| u128::from_le_bytes(std::array::from_fn(|at| of.get(at).copied().unwrap_or(0)));
        let (ones, both) = all.iter().fold((0, !0), |(any, every), one| (any | bits(one), every & bits(one)));
        assert_eq!((ones, both), ((1 << 96) - 1, 0));
    }

    #[test]
    fn an_id_has_its_version() {
        let (one, other) = (uuid(), uuid());
        assert_ne!(one, other);
        assert_eq!((one.get_version_num(), one.get_variant()), (4, uuid::Variant::RFC4122));
    }
}
