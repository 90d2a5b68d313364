//! Hash tables that grow in steps: one that holds a million entries and doubles stops everybody while it
//! moves them, so there are many small ones, each of which grows by itself.

use hashbrown::HashTable;

/// Buckets of the smallest table, and of those that are looked at together.
const FEWEST_BUCKETS: usize = 4;
const GROUP_BYTES: usize = if cfg!(target_feature = "sse2") { 16 } else { 8 };

/// Many tables in the place of one.
pub(super) struct Table<T> {
    shards: Vec<HashTable<T>>,
    bytes: usize,
}

impl<T> Table<T> {
    /// As many tables as a power of two.
    pub(super) fn new(shards: usize) -> Self {
        debug_assert!(shards.is_power_of_two());
        let shards: Vec<_> = std::iter::repeat_with(HashTable::new).take(shards).collect();
        let bytes = shards.capacity() * size_of::<HashTable<T>>();
        Self { shards, bytes }
    }

    pub(super) fn find(&self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<&T> {
        self.shards[self.shard(hash)].find(hash, is_it)
    }

    /// The table that an entry comes into. A table looks at the lowest and at the seven highest bits of a
    /// hash; these are others.
    #[allow(clippy::cast_possible_truncation)]
    pub(super) fn shard(&self, hash: u64) -> usize {
        (hash >> 32) as usize & (self.shards.len() - 1)
    }

    pub(super) fn len(&self, shard: usize) -> usize {
        self.shards[shard].len()
    }

    /// By how many bytes so many more entries of one of the tables make it grow: `hashbrown` doubles its
    /// buckets, four at first, and fills seven eighths of them, all but one of fewer than sixteen. A test
    /// holds this against what it does.
    pub(super) fn growth(&self, shard: usize, more: usize) -> usize {
        let table = &self.shards[shard];
        let (needed, now) = (table.len() + more, table.allocation_size());
        if needed <= table.capacity() {
            return 0;
        }
        let holds = |buckets: usize| if buckets < 16 { buckets - 1 } else { buckets / 8 * 7 };
        let mut buckets = FEWEST_BUCKETS;
        while holds(buckets) < needed {
            buckets *= 2;
        }
        // The entries, and a byte for each with a group of them more.
        (buckets * size_of::<T>()).next_multiple_of(GROUP_BYTES) + buckets + GROUP_BYTES - now
    }

    /// Adds an entry that is not there yet. `hash_of` tells the hash of those that have to move.
    pub(super) fn insert(&mut self, hash: u64, entry: T, hash_of: impl Fn(&T) -> u64) {
        let shard = self.shard(hash);
        let table = &mut self.shards[shard];
        let before = table.allocation_size();
        table.insert_unique(hash, entry, hash_of);
        self.bytes += table.allocation_size() - before;
    }

    /// Makes room for so many entries in one of the tables: later they need not be moved.
    pub(super) fn reserve(&mut self, shard: usize, entries: usize, hash_of: impl Fn(&T) -> u64) {
        let table = &mut self.shards[shard];
        let before = table.allocation_size();
        table.reserve(entries.saturating_sub(table.len()), hash_of);
        self.bytes += table.allocation_size() - before;
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_known_beforehand() {
        fn check<T: Copy>(entry: T) {
            let mut table = Table::new(1);
            for number in 0..5_000_u64 {
                // Alone, and as one of several.
                let expected = table.bytes() + table.growth(0, 1);
                let later = table.bytes() + table.growth(0, 100);
                table.insert(number, entry, |_| 0);
                assert_eq!(table.bytes(), expected, "{number}");
                if number % 100 == 0 {
                    (0..99).for_each(|_| table.insert(number, entry, |_| 0));
                    assert_eq!(table.bytes(), later, "{number}");
                }
            }
        }
        check(1_u32);
        check([1_u32; 7]);
    }
}
