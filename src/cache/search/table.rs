//! Hash tables that grow in steps: one that holds a million entries and doubles stops everybody while it moves them, so
//! there are many small ones, each of which grows by itself.

use hashbrown::HashTable;

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

    pub(super) fn find_mut(&mut self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<&mut T> {
        let shard = self.shard(hash);
        self.shards[shard].find_mut(hash, is_it)
    }

    /// Adds an entry that is not there yet. `hash_of` tells the hash of those that have to move.
    pub(super) fn insert(&mut self, hash: u64, entry: T, hash_of: impl Fn(&T) -> u64) {
        let shard = self.shard(hash);
        let table = &mut self.shards[shard];
        let before = table.allocation_size();
        table.insert_unique(hash, entry, hash_of);
        self.bytes += table.allocation_size() - before;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.shards.iter().flat_map(HashTable::iter)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A table looks at the lowest and at the seven highest bits of a hash; these are others.
    #[allow(clippy::cast_possible_truncation)]
    fn shard(&self, hash: u64) -> usize {
        (hash >> 32) as usize & (self.shards.len() - 1)
    }
}
