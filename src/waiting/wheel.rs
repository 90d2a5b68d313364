//! What is to be told at a certain time, in a wheel of ticks: adding, taking out and finding the first cost
//! the same however many there are.
//!
//! A hierarchy of wheels with 64 slots each. The lowest has a slot for each tick, the next one for each 64
//! ticks, and so on. What is due at a tick stands at the highest of its base-64 digits that differs from the
//! present tick's; whenever the present reaches a slot above the lowest wheel, what stands there moves down.
//! The wheels together have more digits than a tick, so nothing is ever too far in the future for them, and
//! no slot has what belongs to another turn.
//!
//! Only arithmetic: no clock, no lock, no coroutine.

/// Bits of a digit.
const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = 8;

/// The last tick of all.
pub(super) const LAST_TICK: u64 = (1 << (DIGIT_BITS as usize * LEVELS)) - 1;

/// The heads of the slots' lists come first among the nodes.
const HEADS: usize = LEVELS * SLOTS;

/// The end of the list of free nodes; no such node is a free one.
const NONE: usize = 0;

/// An entry, from [`Wheel::insert`] to [`Wheel::remove`]. Its owner removes it, once.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key(usize);

struct Node<T> {
    previous: usize,
    next: usize,
    due: u64,
    /// `None` in a head, in a free node, and once it has come due.
    item: Option<T>,
}

pub(super) struct Wheel<T> {
    /// Circular lists, in the order of insertion.
    nodes: Vec<Node<T>>,
    free: usize,
    /// What is due at a tick before this one has been told.
    now: u64,
    /// A bit for each slot of each wheel that is not empty.
    occupied: [u64; LEVELS],
}

/// The slot to be visited next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Visit {
    level: usize,
    slot: usize,
    /// The first tick of the slot.
    tick: u64,
}

impl<T> Wheel<T> {
    pub(super) fn new() -> Self {
        let head = |at| Node { previous: at, next: at, due: 0, item: None };
        Self { nodes: (0..HEADS).map(head).collect(), free: NONE, now: 0, occupied: [0; LEVELS] }
    }

    /// Adds what is due at a tick; if that has gone by, with the next turn.
    pub(super) fn insert(&mut self, due: u64, item: T) -> Key {
        let due = due.clamp(self.now, LAST_TICK);
        let node = Node { previous: NONE, next: NONE, due, item: Some(item) };
        let at = if self.free == NONE {
            self.nodes.push(node);
            self.nodes.len() - 1
        } else {
            let at = self.free;
            self.free = self.nodes[at].next;
            self.nodes[at] = node;
            at
        };
        self.link(at);
        Key(at)
    }

    /// Whether the entry has come due.
    pub(super) fn is_due(&self, key: &Key) -> bool {
        self.nodes[key.0].item.is_none()
    }

    /// Forgets an entry, and gives back what had not come due.
    #[allow(clippy::needless_pass_by_value)] // nobody may use it again
    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let at = key.0;
        let item = self.nodes[at].item.take();
        if item.is_some() {
            self.unlink(at);
        }
        self.nodes[at].next = std::mem::replace(&mut self.free, at);
        item
    }

    /// The tick of the next turn that has something to do: to tell of something, or to move it down.
    pub(super) fn next_tick(&self) -> Option<u64> {
        self.next_visit().map(|visit| visit.tick)
    }

    /// Brings the present up to a tick before which there is nothing to do, so that what is added next goes
    /// into the lowest wheel that it can.
    pub(super) fn catch_up(&mut self, tick: u64) {
        if self.next_tick().is_none_or(|next| next > tick) {
            self.now = self.now.max(tick.min(LAST_TICK));
        }
    }

    /// Goes on to a tick, and adds to `due` what is due until then, in that order.
    pub(super) fn turn(&mut self, tick: u64, due: &mut Vec<T>) {
        while let Some(visit) = self.next_visit().filter(|visit| visit.tick <= tick) {
            self.now = visit.tick;
            self.occupied[visit.level] &= !(1 << visit.slot);
            let head = visit.level * SLOTS + visit.slot;
            let mut at = self.nodes[head].next;
            (self.nodes[head].previous, self.nodes[head].next) = (head, head);
            while at != head {
                let next = self.nodes[at].next;
                if visit.level == 0 {
                    due.extend(self.nodes[at].item.take());
                } else {
                    self.link(at);
                }
                at = next;
            }
        }
        self.now = self.now.max(tick.min(LAST_TICK));
    }

    /// The lowest wheel has the nearest: what stands in a higher one differs from the present in a higher
    /// digit.
    fn next_visit(&self) -> Option<Visit> {
        let level = self.occupied.iter().position(|slots| *slots != 0)?;
        let slot = self.occupied[level].trailing_zeros() as usize;
        let digit_at = DIGIT_BITS as usize * level;
        let above = self.now >> digit_at >> DIGIT_BITS << DIGIT_BITS << digit_at;
        Some(Visit { level, slot, tick: above | (slot as u64) << digit_at })
    }

    fn link(&mut self, at: usize) {
        let due = self.nodes[at].due;
        let level = ((due ^ self.now) | 1).ilog2() / DIGIT_BITS;
        #[allow(clippy::cast_possible_truncation)] // a digit
        let slot = (due >> (level * DIGIT_BITS)) as usize % SLOTS;
        self.occupied[level as usize] |= 1 << slot;
        let head = level as usize * SLOTS + slot;
        let last = std::mem::replace(&mut self.nodes[head].previous, at);
        self.nodes[last].next = at;
        (self.nodes[at].previous, self.nodes[at].next) = (last, head);
    }

    fn unlink(&mut self, at: usize) {
        let (previous, next) = (self.nodes[at].previous, self.nodes[at].next);
        self.nodes[previous].next = next;
        self.nodes[next].previous = previous;
        // Only a head is its own neighbour's neighbour on both sides.
        if previous == next && previous < HEADS {
            self.occupied[previous / SLOTS] &= !(1 << (previous % SLOTS));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn turned<T>(wheel: &mut Wheel<T>, tick: u64) -> Vec<T> {
        let mut due = Vec::new();
        wheel.turn(tick, &mut due);
        due
    }

    /// All ticks at which the wheel has something to do, and what comes due there.
    fn run<T>(wheel: &mut Wheel<T>) -> Vec<(u64, Vec<T>)> {
        let mut turns = Vec::new();
        while let Some(tick) = wheel.next_tick() {
            let due = turned(wheel, tick);
            turns.push((tick, due));
        }
        turns
    }

    #[test]
    fn what_is_due_comes_at_its_tick_and_not_before() {
        let mut wheel = Wheel::new();
        let key = wheel.insert(5, 'a');
        assert_eq!(wheel.next_tick(), Some(5));
        assert!(turned(&mut wheel, 4).is_empty());
        assert!(!wheel.is_due(&key));
        assert_eq!(turned(&mut wheel, 5), ['a']);
        assert!(wheel.is_due(&key));
        assert_eq!(wheel.remove(key), None);
        assert_eq!(wheel.next_tick(), None);
    }

    #[test]
    fn a_slot_keeps_the_order_of_insertion_also_when_it_moves_down() {
        let mut wheel = Wheel::new();
        for name in ['a', 'b', 'c'] {
            wheel.insert(70, name);
        }
        // 70 is 1·64 + 6: the slot is visited at 64, and what is in it goes to the sixth tick behind that.
        assert_eq!(run(&mut wheel), [(64, vec![]), (70, vec!['a', 'b', 'c'])]);
        wheel.insert(80, 'd');
        wheel.insert(80, 'e');
        assert_eq!(run(&mut wheel), [(80, vec!['d', 'e'])]);
    }

    #[test]
    fn a_wheel_is_used_again_after_its_last_slot() {
        let mut wheel = Wheel::new();
        turned(&mut wheel, 60);
        wheel.insert(63, 'a');
        // The same slots of the lowest wheel as 1 and 2, but of its next turn: they wait in the wheel above.
        wheel.insert(65, 'b');
        wheel.insert(66, 'c');
        let turns = [(63, vec!['a']), (64, vec![]), (65, vec!['b']), (66, vec!['c'])];
        assert_eq!(run(&mut wheel), turns);
        // The last tick before a carry through three wheels, and the first one behind it.
        let carry = 64 * 64 * 64;
        turned(&mut wheel, carry - 2);
        wheel.insert(carry - 1, 'd');
        wheel.insert(carry, 'e');
        assert_eq!(run(&mut wheel), [(carry - 1, vec!['d']), (carry, vec!['e'])]);
    }

    #[test]
    fn what_is_far_moves_down_one_wheel_at_a_time() {
        let mut wheel = Wheel::new();
        let due = 3 * 64 * 64 + 2 * 64 + 1;
        wheel.insert(due, 'a');
        let turns = [(3 * 64 * 64, vec![]), (3 * 64 * 64 + 2 * 64, vec![]), (due, vec!['a'])];
        assert_eq!(run(&mut wheel), turns);
    }

    #[test]
    fn a_turn_that_comes_late_tells_of_all_in_order() {
        let mut wheel = Wheel::new();
        for due in [5_000, 3, 64, 4_096, 700, 65] {
            wheel.insert(due, due);
        }
        assert_eq!(turned(&mut wheel, 4_999), [3, 64, 65, 700, 4_096]);
        assert_eq!(turned(&mut wheel, u64::MAX), [5_000]);
    }

    #[test]
    fn the_far_future_has_its_slot() {
        let mut wheel = Wheel::new();
        wheel.insert(u64::MAX, 'b');
        wheel.insert(LAST_TICK - 1, 'a');
        assert!(turned(&mut wheel, LAST_TICK - 2).is_empty());
        assert_eq!(run(&mut wheel), [(LAST_TICK - 1, vec!['a']), (LAST_TICK, vec!['b'])]);
        // There is no tick behind the last one, and a turn to it again finds what was added since.
        wheel.insert(u64::MAX, 'c');
        assert_eq!(turned(&mut wheel, u64::MAX), ['c']);
    }

    #[test]
    fn what_is_past_comes_with_the_next_turn() {
        let mut wheel = Wheel::new();
        turned(&mut wheel, 1_000);
        wheel.insert(7, 'a');
        assert_eq!(wheel.next_tick(), Some(1_000));
        assert_eq!(turned(&mut wheel, 1_000), ['a']);
    }

    #[test]
    fn what_is_removed_leaves_nothing_behind() {
        let mut wheel = Wheel::new();
        let dues = [5, 5, 5, 300, 300, 70_000];
        let keys: Vec<Key> = dues.into_iter().map(|due| wheel.insert(due, due)).collect();
        let nodes = wheel.nodes.len();
        // The middle, the first and the last of a slot; then slots with several and with one.
        let mut keys: Vec<_> = keys.into_iter().map(Some).collect();
        for at in [1, 0, 2, 4, 3, 5] {
            assert_eq!(wheel.remove(keys[at].take().unwrap()), Some(dues[at]));
        }
        assert_eq!((wheel.next_tick(), wheel.occupied), (None, [0; LEVELS]));
        let again: Vec<Key> = dues.into_iter().map(|due| wheel.insert(due, due)).collect();
        assert_eq!(wheel.nodes.len(), nodes, "nodes are used again");
        assert_eq!(turned(&mut wheel, 70_000), dues);
        again.into_iter().for_each(|key| assert_eq!(wheel.remove(key), None));
    }

    #[test]
    fn the_present_catches_up_with_what_is_idle() {
        let mut wheel = Wheel::new();
        wheel.catch_up(1_000_000);
        wheel.insert(1_000_003, 'a');
        // In the lowest wheel: nothing has to be moved down first.
        assert_eq!(wheel.next_tick(), Some(1_000_003));
        wheel.catch_up(1_000_002);
        // Not past what is to be told.
        wheel.catch_up(2_000_000);
        assert_eq!(wheel.now, 1_000_002);
        assert_eq!(turned(&mut wheel, 1_000_003), ['a']);
    }

    /// Against a sorted map, which needs no argument.
    #[test]
    fn it_does_what_a_sorted_map_does() {
        for seed in 0..50 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut wheel, mut model) = (Wheel::new(), BTreeMap::new());
            let (mut now, mut keys) = (0, Vec::new());
            for name in 0..2_000_u64 {
                match random.u8(..10) {
                    0..6 => {
                        let due = now + (random.u64(1..64) << random.u32(0..24));
                        wheel.catch_up(now);
                        keys.push((due, name, wheel.insert(due, name)));
                        model.insert((due, name), ());
                    }
                    6..8 if !keys.is_empty() => {
                        let (due, name, key) = keys.swap_remove(random.usize(..keys.len()));
                        assert_eq!(wheel.is_due(&key), !model.contains_key(&(due, name)));
                        assert_eq!(wheel.remove(key), model.remove(&(due, name)).map(|()| name));
                    }
                    _ => {
                        now += random.u64(..64) << random.u32(0..20);
                        let later = model.split_off(&(now + 1, 0));
                        let due: Vec<u64> =
                            std::mem::replace(&mut model, later).into_keys().map(|it| it.1).collect();
                        assert_eq!(turned(&mut wheel, now), due, "seed {seed}");
                    }
                }
                // It may have to move something down before, but never tells late.
                match (wheel.next_tick(), model.first_key_value()) {
                    (Some(next), Some(((due, _), ()))) => assert!(next <= *due),
                    (next, first) => assert_eq!(next.is_some(), first.is_some()),
                }
            }
        }
    }
}
