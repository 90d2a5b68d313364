//! Turns for handlers whose work is longer than a slice.
//!
//! `may::coroutine::yield_now` puts a coroutine at the end of the worker's own queue, which is emptied before
//! the worker looks at its sockets again: handlers that only yield starve every connection but their own.
//! Here the coroutine parks and a thread wakes it, one at a time. A wake from another thread arrives as an
//! event among those of the sockets, so all that are ready are served first; and the next turn is given only
//! when the last is over, so whoever asks for a socket waits for one slice, however many handlers take turns.
//!
//! Race window: a coroutine that is woken before it has parked does not park at all, and no socket is looked
//! at. (A thread that is notified often runs at once, in the place of the worker.) So nobody stands in the
//! line before being parked: another coroutine puts the waiting one there, and runs only when that has left
//! the worker.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use may::sync::Blocker;
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::limits;
use crate::waiting::life::{self, keep};

/// Gives turns. Its thread sleeps while nobody waits, and ends with it.
pub struct Turns {
    waitlist: Arc<Waitlist>,
}

/// A turn, which ends when it is dropped.
pub struct Turn<'t> {
    waitlist: &'t Waitlist,
}

#[derive(Default)]
struct Waitlist {
    state: Mutex<State>,
    changed: Condvar,
}

/// Where somebody stands in the waitlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Behind those that came first to the same place, and before all others: for a caller that soon holds
    /// nothing more.
    First,
    /// Behind everybody.
    Last,
}

#[derive(Default)]
struct State {
    /// By place. At most one for each request under way; the connections bound how many those are.
    waiting: [VecDeque<Arc<Waiting>>; 2],
    taken: bool,
    closed: bool,
}

struct Waiting {
    blocker: Blocker,
    called: AtomicBool,
}

impl Turns {
    /// Starts the thread.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start() -> io::Result<Self> {
        let waitlist = Arc::new(Waitlist::default());
        let calling = waitlist.clone();
        // A turn that was given ends with its holder, whoever gives the next.
        keep("pouco-turns", Some(limits::LOOP_SILENCE), move || calling.call())?;
        Ok(Self { waitlist })
    }

    /// Parks until all sockets that are ready were served and no one else has the turn. It ends when the
    /// value is dropped; no one may ask for a second.
    #[must_use]
    pub fn wait(&self, place: Place) -> Turn<'_> {
        let waiting = Arc::new(Waiting { blocker: Blocker::new(true), called: AtomicBool::new(false) });
        let (waitlist, entering) = (self.waitlist.clone(), waiting.clone());
        may::go!(move || {
            waitlist.state().waiting[place as usize].push_back(entering);
            waitlist.changed.notify_one();
        });
        while !waiting.called.load(Ordering::Acquire) {
            let _ = waiting.blocker.park(None);
        }
        Turn { waitlist: &self.waitlist }
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.waitlist.state().closed = true;
        self.waitlist.changed.notify_one();
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.waitlist.state().taken = false;
        self.waitlist.changed.notify_one();
    }
}

impl Waitlist {
    fn call(&self) {
        let mut state = self.state();
        while !state.closed {
            if !state.taken
                && let Some(next) = state.waiting.iter_mut().find_map(VecDeque::pop_front)
            {
                state.taken = true;
                drop(state);
                next.called.store(true, Ordering::Release);
                next.blocker.unpark();
                state = self.state();
            } else {
                life::rest();
                self.changed.wait(&mut state);
                life::beat();
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use super::*;

    /// Each turn is had by one, and everybody gets theirs. (Threads wait as coroutines do.)
    #[test]
    fn turns_are_had_one_at_a_time() {
        let turns = Turns::start().unwrap();
        let (inside, had) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let turn = turns.wait(Place::Last);
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        had.fetch_add(1, Ordering::SeqCst);
                        drop(turn);
                    }
                });
            }
        });
        assert_eq!(had.into_inner(), 800);
    }

    /// The holder of a turn keeps the others waiting; then the first place goes before the last one.
    #[test]
    fn the_first_place_is_served_first() {
        let turns = Turns::start().unwrap();
        let order = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let turn = turns.wait(Place::Last);
            for place in [Place::Last, Place::Last, Place::First, Place::First] {
                let (turns, order) = (&turns, &order);
                let waiting = || turns.waitlist.state().waiting.iter().map(VecDeque::len).sum::<usize>();
                let before = waiting();
                scope.spawn(move || {
                    let _turn = turns.wait(place);
                    order.lock().push(place);
                });
                while waiting() == before {
                    thread::yield_now();
                }
            }
            drop(turn);
        });
        assert_eq!(order.into_inner(), [Place::First, Place::First, Place::Last, Place::Last]);
    }
}
