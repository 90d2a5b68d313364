//! A turn for the sockets, in the middle of work that has no end of its own.
//!
//! `may::coroutine::yield_now` puts a coroutine at the end of the worker's own queue, which is emptied before
//! the worker looks at its sockets again. Here the coroutine parks, and an event among those of the sockets
//! wakes it: all that are ready by then are served first. Nobody waits for a time, so a worker that has
//! nothing else to do goes on at once. A turn is one write to a descriptor (eventfd(2)) that all who take one
//! share.
//!
//! Race window: a caller that asks while another one's event is under way goes on with that one. Its own
//! event then wakes nobody.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};

use may::coroutine::{self, Coroutine};
use may::io::{CoIo, WaitIo};
use parking_lot::Mutex;
use rustix::event::{EventfdFlags, eventfd};

use super::configure_coroutines;
use super::interest::{FdRef, watch};

/// Room that is kept for waiters that are woken together.
const KEPT: usize = 1_024;

static ROUND: OnceLock<Arc<Round>> = OnceLock::new();

/// Lets all sockets that are ready have their turn before the calling coroutine goes on.
pub(crate) fn let_sockets_go_first() {
    // A server has made it at its start; without a descriptor there is still the queue of the worker.
    let Ok(round) = Round::get() else { return coroutine::yield_now() };
    let number = {
        let mut state = round.state.lock();
        state.waiting.push(coroutine::current());
        state.number
    };
    // It would fail only after 2^64 turns (eventfd(2)).
    if let Err(error) = rustix::io::write(&round.descriptor, &1_u64.to_ne_bytes()) {
        log::error!("a turn for the sockets cannot be asked for: {error}");
        return coroutine::yield_now();
    }
    while round.state.lock().number == number {
        coroutine::park();
    }
}

/// The coroutines that wait for the sockets of the process.
pub(crate) struct Round {
    descriptor: OwnedFd,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Rounds that are over.
    number: u64,
    waiting: Vec<Coroutine>,
}

impl Round {
    /// The one of the process, made if this is the first call.
    ///
    /// # Errors
    /// If there is no descriptor to be had; a later call tries again.
    pub(crate) fn get() -> io::Result<&'static Round> {
        static STARTING: Mutex<()> = Mutex::new(());
        if let Some(round) = ROUND.get() {
            return Ok(round);
        }
        let _alone = STARTING.lock();
        if let Some(round) = ROUND.get() {
            return Ok(round);
        }
        configure_coroutines();
        let descriptor = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let watched = watch(&descriptor)?;
        let round = Arc::new(Round { descriptor, state: Mutex::default() });
        let turning = round.clone();
        let builder = coroutine::Builder::new().name("pouco-round".into());
        may::go!(builder, move || turning.turn_for_ever(&watched))?;
        Ok(ROUND.get_or_init(|| round))
    }

    /// The coroutine that wakes the others. They run after all that the event loop has found alongside this
    /// event.
    fn turn_for_ever(&self, watched: &CoIo<FdRef>) {
        let mut due = Vec::new();
        loop {
            // What has come is told once (epoll(7), edges), and each write is told: nothing needs to be read.
            watched.wait_io();
            {
                let mut state = self.state.lock();
                state.number += 1;
                std::mem::swap(&mut state.waiting, &mut due);
            }
            due.drain(..).for_each(|coroutine| coroutine.unpark());
            due.shrink_to(KEPT);
        }
    }
}
