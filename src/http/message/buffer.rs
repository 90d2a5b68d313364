//! Byte buffers of a connection, and the pool that lends them.
//!
//! A connection that waits for its next request holds no buffer at all: an idle client costs its coroutine's
//! stack and a registry entry. Buffers that grew past their first size are not kept, so one large request
//! does not stay in memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

/// The unread bytes of a connection: `storage[start..end]`, read at the end and consumed at the start.
#[derive(Default)]
pub(crate) struct Input {
    storage: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    pub(crate) fn unread(&self) -> &[u8] {
        &self.storage[self.start..self.end]
    }

    pub(crate) fn unread_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.end]
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn has_storage(&self) -> bool {
        !self.storage.is_empty()
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Removes `count` bytes at offset `at` of the unread bytes (chunk framing, once decoded). It moves what
    /// follows.
    pub(crate) fn remove(&mut self, at: usize, count: usize) {
        if count == 0 {
            return;
        }
        let from = self.start + at;
        self.storage.copy_within(from + count..self.end, from);
        self.end -= count;
    }

    /// Room to read into: at least `wanted` bytes behind the unread ones. Moves or grows only when it must.
    pub(crate) fn room(&mut self, wanted: usize) -> &mut [u8] {
        let size = self.size_for(wanted);
        if size > self.storage.len() {
            self.storage.resize(size, 0);
        }
        &mut self.storage[self.end..]
    }

    /// Makes what room there is at the end, and says how large the storage must be for `wanted` bytes of it.
    fn size_for(&mut self, wanted: usize) -> usize {
        if self.storage.len() - self.end < wanted && self.start > 0 {
            self.storage.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.storage.len() - self.end < wanted {
            (self.end + wanted).next_power_of_two()
        } else {
            self.storage.len()
        }
    }

    pub(crate) fn filled(&mut self, count: usize) {
        self.end += count;
        debug_assert!(self.end <= self.storage.len());
    }
}

/// Bytes that all connections together may still take.
pub(crate) struct Account {
    limit: usize,
    left: AtomicUsize,
}

impl Account {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, left: AtomicUsize::new(limit) }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn taken(&self) -> usize {
        self.limit - self.left.load(Ordering::Relaxed)
    }

    /// Takes so many bytes, if `spared` are still left then.
    pub(crate) fn take(&self, bytes: usize, spared: usize) -> bool {
        let take = |left: usize| left.checked_sub(bytes).filter(|rest| *rest >= spared || bytes == 0);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    pub(crate) fn give(&self, bytes: usize) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Lends the two buffers of a connection together. Bounded: what does not fit is given back to the allocator,
/// and all inputs, and all outputs, together grow past their first size by so many bytes and no more.
///
/// The pair lent last is lent next, so that connections that take turns share the same warm memory.
pub(crate) struct BufferPool {
    free: Mutex<Vec<Pair>>,
    buffer_bytes: usize,
    keep: usize,
    /// What inputs may still grow by; the pool keeps it.
    pub(crate) inputs: Account,
    /// What outputs may still grow by; the writer of an output keeps it.
    pub(crate) outputs: Account,
}

struct Pair {
    /// All of its capacity is initialised; zeroed once, when it is first made.
    storage: Vec<u8>,
    /// Empty.
    output: Vec<u8>,
}

impl BufferPool {
    pub(crate) fn new(buffer_bytes: usize, keep: usize, inputs: Account, outputs: Account) -> Self {
        Self { free: Mutex::new(Vec::with_capacity(keep)), buffer_bytes, keep, inputs, outputs }
    }

    /// As [`Input::room`], for an input that was lent. Where all inputs together may not grow so far it is
    /// what room there is; `None` if there is none.
    pub(crate) fn room<'i>(&self, input: &'i mut Input, wanted: usize) -> Option<&'i mut [u8]> {
        let growth = input.size_for(wanted) - input.storage.len();
        if growth > 0 && !self.inputs.take(growth, 0) {
            let end = input.end;
            return Some(&mut input.storage[end..]).filter(|room| !room.is_empty());
        }
        Some(input.room(wanted))
    }

    /// Gives both their storage. Neither may hold anything.
    pub(crate) fn lend(&self, input: &mut Input, output: &mut Vec<u8>) {
        debug_assert!(input.is_empty() && output.is_empty());
        let pooled = self.free.lock().pop();
        let pair = pooled.unwrap_or_else(|| Pair {
            storage: vec![0; self.buffer_bytes],
            output: Vec::with_capacity(self.buffer_bytes),
        });
        *input = Input { storage: pair.storage, start: 0, end: 0 };
        *output = pair.output;
    }

    /// Takes both back, with what they still hold. What the output had grown by was given back before.
    pub(crate) fn give_back(&self, input: &mut Input, output: &mut Vec<u8>) {
        let storage = std::mem::take(input).storage;
        let mut output = std::mem::take(output);
        self.inputs.give(storage.len().saturating_sub(self.buffer_bytes));
        if storage.len() != self.buffer_bytes || output.capacity() != self.buffer_bytes {
            return;
        }
        output.clear();
        let mut free = self.free.lock();
        if free.len() < self.keep {
            free.push(Pair { storage, output });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Account, BufferPool, Input};

    fn input_with(bytes: &[u8]) -> Input {
        let mut input = Input::default();
        input.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        input.filled(bytes.len());
        input
    }

    #[test]
    fn room_keeps_what_is_unread() {
        let mut input = input_with(b"abcdef");
        input.consume(4);
        assert!(input.room(100).len() >= 100);
        assert_eq!(input.unread(), b"ef");
    }

    #[test]
    fn removed_bytes_close_up() {
        let mut input = input_with(b"head5\r\nhello");
        input.remove(4, 3);
        assert_eq!(input.unread(), b"headhello");
    }

    #[test]
    fn a_grown_buffer_is_not_kept() {
        let pool = BufferPool::new(64, 4, Account::new(1024), Account::new(0));
        let (mut input, mut output) = (Input::default(), Vec::new());
        pool.lend(&mut input, &mut output);
        pool.room(&mut input, 1024).unwrap();
        pool.give_back(&mut input, &mut output);
        assert_eq!(pool.free.lock().len(), 0);
        pool.lend(&mut input, &mut output);
        pool.give_back(&mut input, &mut output);
        assert_eq!(pool.free.lock().len(), 1);
    }

    #[test]
    fn an_account_is_never_overdrawn_and_spares_what_it_should() {
        let account = Account::new(100);
        assert!(account.take(60, 20) && !account.take(21, 20) && account.take(20, 20));
        assert!(account.take(0, 20) && account.take(20, 0) && !account.take(1, 0));
        account.give(100);
        assert_eq!((account.taken(), account.limit()), (0, 100));
    }

    #[test]
    fn all_inputs_together_grow_up_to_a_bound() {
        let pool = BufferPool::new(64, 4, Account::new(128), Account::new(0));
        let mut pairs = [(); 3].map(|()| (Input::default(), Vec::new()));
        pairs.iter_mut().for_each(|(input, output)| pool.lend(input, output));
        let [one, two, three] = &mut pairs;
        assert!(pool.room(&mut one.0, 128).is_some() && pool.room(&mut two.0, 128).is_some());
        assert!(pool.room(&mut three.0, 64).is_some(), "what fits is no growth");
        assert_eq!(pool.room(&mut three.0, 65).unwrap().len(), 64);
        three.0.filled(64);
        assert!(pool.room(&mut three.0, 1).is_none());
        pool.give_back(&mut one.0, &mut one.1);
        assert!(pool.room(&mut three.0, 1).is_some());
    }
}
