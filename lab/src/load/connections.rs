//! The open connections: whose each is, which are free, and how many there may be.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use slab::Slab;

use super::answer::Answer;
use super::{Ending, socket};

/// One open connection.
pub(super) struct Connection {
    pub(super) socket: OwnedFd,
    /// Who uses it; a kept one may be free.
    pub(super) user: Option<usize>,
    /// The rest of a request that the socket did not take at once.
    pub(super) unsent: Vec<u8>,
    pub(super) answer: Answer,
    /// What the event loop knows it by: an event that was fetched before its predecessor at this place was
    /// closed has another.
    pub(super) mark: u64,
    pub(super) watched: bool,
}

/// All of them.
pub(super) struct Pool {
    open: Slab<Connection>,
    free: Vec<usize>,
    most: usize,
    opened: u64,
}

impl Pool {
    /// At most `most` at a time.
    pub(super) fn new(most: usize) -> Self {
        Self { open: Slab::new(), free: Vec::new(), most, opened: 0 }
    }

    /// One for `user`: a free one, or a new one. `None` if there are as many as there may be.
    pub(super) fn take(
        &mut self,
        user: usize,
        target: &SocketAddr,
        ending: Ending,
    ) -> Result<Option<usize>, Errno> {
        if let Some(key) = self.free.pop() {
            self.open[key].user = Some(user);
            return Ok(Some(key));
        }
        if self.open.len() >= self.most {
            return Ok(None);
        }
        let socket = socket::open(target, ending)?;
        let place = self.open.vacant_entry();
        let key = place.key();
        // Half the mark is the place, which is below 2^32 as any descriptor is, and half is a number that the
        // next one at the same place does not have.
        self.opened = (self.opened + 1) & 0x7fff_ffff;
        let mark = self.opened << 32 | key as u64;
        let answer = Answer::default();
        place.insert(Connection {
            socket,
            user: Some(user),
            unsent: Vec::new(),
            answer,
            mark,
            watched: false,
        });
        Ok(Some(key))
    }

    /// [`Pool::take`] would give one, unless the kernel refuses.
    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty() || self.open.len() < self.most
    }

    /// The connection of an event, if it is still open.
    pub(super) fn find(&self, mark: u64) -> Option<usize> {
        let key = usize::try_from(mark & 0xffff_ffff).ok()?;
        (self.open.get(key)?.mark == mark).then_some(key)
    }

    pub(super) fn get(&mut self, key: usize) -> &mut Connection {
        &mut self.open[key]
    }

    /// Its user is done with it, the next may have it.
    pub(super) fn give_back(&mut self, key: usize) {
        self.open[key].user = None;
        self.free.push(key);
    }

    /// Closes it.
    pub(super) fn close(&mut self, key: usize) {
        let connection = self.open.remove(key);
        if connection.user.is_none() {
            self.free.retain(|&free| free != key);
        }
    }
}
