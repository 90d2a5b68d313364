//! The queues in front of a pool's connections, one a lane, and which of them is served next.
//!
//! A lookup by key takes far less than a millisecond, a search may take seconds, and a transaction waits for
//! whatever locks there are. So searches and transactions together never have the last connection: that is
//! for lookups alone, which otherwise would wait for the slowest.

use std::collections::VecDeque;
use std::sync::Arc;

use may::sync::Blocker;
use parking_lot::Mutex;

use crate::waiting::queue::Refused;

/// What kind of work it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A lookup by key, which is quick.
    Lookup,
    /// A search, a count, a page: whatever reads many rows.
    Scan,
    /// A transaction, which may wait for locks.
    Transaction,
}

const LANES: [Lane; 3] = [Lane::Lookup, Lane::Scan, Lane::Transaction];

/// Whoever pushes never waits; whoever pops parks.
pub(super) struct Lanes<W> {
    state: Mutex<State<W>>,
    /// What may wait in each lane.
    bound: usize,
    /// Connections that may be busy with what is not a lookup.
    slow: usize,
}

struct State<W> {
    waiting: [VecDeque<W>; LANES.len()],
    /// Connections that are busy with what is not a lookup.
    slow: usize,
    /// The lane whose turn it is, if something waits in it.
    next: usize,
    closed: bool,
    /// The last to come is the first to go, so that a few connections do what they can.
    parked: Vec<Arc<Blocker>>,
}

impl<W> Lanes<W> {
    /// Lanes for so many connections.
    pub(super) fn new(bound: usize, connections: usize) -> Self {
        let waiting = std::array::from_fn(|_| VecDeque::new());
        let state = State { waiting, slow: 0, next: 0, closed: false, parked: Vec::new() };
        Self { state: Mutex::new(state), bound, slow: connections.saturating_sub(1).max(1) }
    }

    pub(super) fn push(&self, lane: Lane, work: W) -> Result<(), Refused> {
        let parked = {
            let mut state = self.state.lock();
            if state.closed {
                return Err(Refused::Closed);
            }
            if state.waiting[lane as usize].len() >= self.bound {
                return Err(Refused::Full);
            }
            state.waiting[lane as usize].push_back(work);
            // Whoever ends something slow looks again.
            if lane != Lane::Lookup && state.slow >= self.slow { None } else { state.parked.pop() }
        };
        if let Some(parked) = parked {
            parked.unpark();
        }
        Ok(())
    }

    /// Waits for the next work; `None` once the lanes are closed and empty. `blocker` is the caller's own.
    pub(super) fn pop(&self, blocker: &Arc<Blocker>) -> Option<Taken<'_, W>> {
        loop {
            {
                let mut state = self.state.lock();
                // A waiter that was woken for another reason is still there.
                state.parked.retain(|one| !Arc::ptr_eq(one, blocker));
                if let Some((lane, work)) = state.take(self.slow) {
                    return Some(Taken { work: Some(work), slot: Slot { lanes: self, lane } });
                }
                if state.closed && state.waiting.iter().all(VecDeque::is_empty) {
                    return None;
                }
                state.parked.push(blocker.clone());
            }
            // The state decides.
            let _ = blocker.park(None);
        }
    }

    /// How many wait in the fullest lane, and how many may.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.state.lock().waiting.iter().map(VecDeque::len).max().unwrap_or_default(), self.bound)
    }

    /// Takes nothing more; whoever pops ends once the lanes are empty.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.wake_all();
    }

    /// Drops what waits.
    pub(super) fn clear(&self) {
        // Dropped without the lock: replies wake their waiters.
        let dropped = self.state.lock().waiting.each_mut().map(std::mem::take);
        drop(dropped);
        self.wake_all();
    }

    fn wake_all(&self) {
        let parked = std::mem::take(&mut self.state.lock().parked);
        parked.iter().for_each(|blocker| blocker.unpark());
    }

    /// Something slow has ended.
    fn release(&self) {
        let parked = {
            let mut state = self.state.lock();
            state.slow -= 1;
            let waits = state.closed || !(state.waiting[1].is_empty() && state.waiting[2].is_empty());
            waits.then(|| state.parked.pop()).flatten()
        };
        if let Some(parked) = parked {
            parked.unpark();
        }
    }
}

impl<W> State<W> {
    /// In turn, so that no lane waits forever for another.
    fn take(&mut self, slow: usize) -> Option<(Lane, W)> {
        for step in 0..LANES.len() {
            let lane = LANES[(self.next + step) % LANES.len()];
            if lane != Lane::Lookup && self.slow >= slow {
                continue;
            }
            if let Some(work) = self.waiting[lane as usize].pop_front() {
                self.next = (lane as usize + 1) % LANES.len();
                self.slow += usize::from(lane != Lane::Lookup);
                return Some((lane, work));
            }
        }
        None
    }
}

/// Work with its place on a connection.
pub(super) struct Taken<'l, W> {
    work: Option<W>,
    slot: Slot<'l, W>,
}

impl<'l, W> Taken<'l, W> {
    /// The work apart; the place is held until the second part is dropped.
    pub(super) fn split(mut self) -> (Option<W>, Slot<'l, W>) {
        (self.work.take(), self.slot)
    }
}

/// A place on a connection, for as long as this lives.
pub(super) struct Slot<'l, W> {
    lanes: &'l Lanes<W>,
    lane: Lane,
}

impl<W> Drop for Slot<'_, W> {
    fn drop(&mut self) {
        if self.lane != Lane::Lookup {
            self.lanes.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take<'l>(lanes: &'l Lanes<u32>, blocker: &Arc<Blocker>) -> (u32, Slot<'l, u32>) {
        let (work, slot) = lanes.pop(blocker).unwrap().split();
        (work.unwrap(), slot)
    }

    #[test]
    fn the_last_connection_is_for_look_ups() {
        let (lanes, blocker) = (Lanes::new(8, 2), Arc::new(Blocker::new(true)));
        lanes.push(Lane::Scan, 1).unwrap();
        lanes.push(Lane::Transaction, 2).unwrap();
        lanes.push(Lane::Lookup, 3).unwrap();
        lanes.push(Lane::Lookup, 4).unwrap();
        let (first, look_up) = take(&lanes, &blocker);
        let (second, scan) = take(&lanes, &blocker);
        assert_eq!([first, second], [3, 1]);
        // The transaction has to wait for the scan, a lookup for nobody.
        assert_eq!(take(&lanes, &blocker).0, 4);
        drop((look_up, scan));
        assert_eq!(take(&lanes, &blocker).0, 2);
    }

    #[test]
    fn lanes_take_turns() {
        let (lanes, blocker) = (Lanes::new(8, 8), Arc::new(Blocker::new(true)));
        for (lane, works) in LANES.into_iter().zip([[1, 2], [3, 4], [5, 6]]) {
            works.into_iter().for_each(|work| lanes.push(lane, work).unwrap());
        }
        let slots: Vec<_> = (0..6).map(|_| take(&lanes, &blocker)).collect();
        assert_eq!(slots.iter().map(|(work, _)| *work).collect::<Vec<_>>(), [1, 3, 5, 2, 4, 6]);
    }

    #[test]
    fn a_full_lane_leaves_the_others_open() {
        let lanes = Lanes::new(1, 2);
        assert_eq!([lanes.push(Lane::Scan, 1), lanes.push(Lane::Scan, 2)], [Ok(()), Err(Refused::Full)]);
        assert_eq!(lanes.push(Lane::Lookup, 3), Ok(()));
        lanes.close();
        assert_eq!(lanes.push(Lane::Lookup, 4), Err(Refused::Closed));
        let blocker = Arc::new(Blocker::new(true));
        assert_eq!([take(&lanes, &blocker).0, take(&lanes, &blocker).0], [3, 1]);
        assert!(lanes.pop(&blocker).is_none());
    }

    /// What is slow waits for its turn also after the close; its waiter is woken in the end.
    #[test]
    fn a_close_leaves_nobody_behind() {
        let lanes = Lanes::new(64, 2);
        let popped = std::thread::scope(|scope| {
            let pop = || {
                let blocker = Arc::new(Blocker::new(true));
                std::iter::from_fn(|| lanes.pop(&blocker).map(|taken| taken.split().0.unwrap())).sum::<u32>()
            };
            let threads = [scope.spawn(pop), scope.spawn(pop)];
            (1..=30).for_each(|work| lanes.push(LANES[work as usize % 3], work).unwrap());
            lanes.close();
            threads.map(|thread| thread.join().unwrap())
        });
        assert_eq!(popped.iter().sum::<u32>(), 465);
    }
}
