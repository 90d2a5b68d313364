//! The open connections: all of them, those of each client's address, and which of them leaves when another
//! one needs its place.
//!
//! A connection that waits between two requests makes room for a new one, the one that has waited longest
//! first: of its own address where that has all that it may have, of all otherwise. Nobody keeps an order of
//! them, since every request would pay for it. The deadline of an idle connection tells how long it has
//! waited, and each search looks at the next [`LOOKS`] connections: the longest idle one where there are no
//! more, and one of the longest idle otherwise. So a search costs the same however many are open.
//!
//! Race window: a request may come to a connection that was told to leave. It is served, as the last one of
//! its connection; until then one connection more is open than may be. There are at most
//! [`LEAVING_CONNECTIONS`] of those.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use may::io::WaitIoWaker;
use parking_lot::Mutex;
use slab::Slab;

use crate::http::message::client::Network;
use crate::http::route::metrics::Limit;
use crate::limits::LEAVING_CONNECTIONS;

/// Connections that one search for an idle one looks at.
const LOOKS: usize = 256;

/// One connection as the sweeper, the drain and those who need its place see it.
pub(crate) struct Registered {
    /// When the wait that the connection is in ends, in the clock's milliseconds; `u64::MAX` while it waits
    /// for nothing.
    pub(crate) deadline_ms: AtomicU64,
    /// Whether it waits between two requests, where a drain may end it.
    pub(crate) idle: AtomicBool,
    /// Whether it was told to make room for another one.
    leaving: AtomicBool,
    waker: Mutex<WaitIoWaker>,
}

impl Registered {
    pub(crate) fn set_waker(&self, waker: WaitIoWaker) {
        *self.waker.lock() = waker;
    }

    pub(super) fn wake(&self) {
        self.waker.lock().wakeup();
    }

    /// Whether it was told to make room for another one.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// The end of its wait between two requests: the earlier, the longer it has waited already.
    fn idle_until(&self) -> Option<u64> {
        let deadline_ms = self.deadline_ms.load(Ordering::Relaxed);
        let waits = deadline_ms != u64::MAX && self.idle.load(Ordering::Relaxed) && !self.is_leaving();
        waits.then_some(deadline_ms)
    }
}

/// How many connections may be open.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) connections: usize,
    /// Of one address; 0 is without a bound.
    pub(super) per_address: usize,
}

/// All open connections.
#[derive(Default)]
pub(super) struct Registry {
    entries: Slab<Entry>,
    addresses: HashMap<Network, Address>,
    /// How many of the entries were told to leave.
    leaving: usize,
    /// Where the next search among all begins.
    next: usize,
}

struct Entry {
    registered: Arc<Registered>,
    /// Whose it is, where that is counted, and its place among the keys of that address.
    of: Option<(Network, usize)>,
}

/// The connections of one address.
#[derive(Default)]
struct Address {
    /// Those that are not registered yet too.
    open: usize,
    leaving: usize,
    keys: Vec<usize>,
    next: usize,
}

impl Registry {
    /// Counts a connection that was just accepted as one of its address. A connection that is returned was
    /// told to make room for it, and must be woken.
    pub(super) fn admit(
        &mut self,
        bounds: Bounds,
        open: usize,
        network: Option<Network>,
    ) -> Result<Option<Arc<Registered>>, Limit> {
        let mut told = network.map_or(Ok(None), |network| self.room_of(network, bounds.per_address))?;
        // Who leaves for one of its own address makes room among all too.
        if told.is_none() && open.saturating_sub(self.leaving) >= bounds.connections {
            told = Some(self.tell_any().ok_or(Limit::Connections)?);
        }
        if let Some(network) = network {
            self.addresses.entry(network).or_default().open += 1;
        }
        Ok(told)
    }

    /// A connection that was admitted and never came here.
    pub(super) fn forget(&mut self, network: Option<Network>) {
        if let Some(network) = network
            && let Some(address) = self.addresses.get_mut(&network)
        {
            address.open -= 1;
            if address.open == 0 {
                self.addresses.remove(&network);
            }
        }
    }

    /// Enters a connection that was admitted.
    pub(super) fn enter(&mut self, waker: WaitIoWaker, network: Option<Network>) -> (usize, Arc<Registered>) {
        let registered = Arc::new(Registered {
            deadline_ms: AtomicU64::new(u64::MAX),
            idle: AtomicBool::new(true),
            leaving: AtomicBool::new(false),
            waker: Mutex::new(waker),
        });
        let key = self.entries.insert(Entry { registered: registered.clone(), of: None });
        if let Some(network) = network {
            self.list(key, network);
        }
        (key, registered)
    }

    /// A hop has said whose an open connection is. As for [`Registry::admit`].
    pub(super) fn assign(
        &mut self,
        key: usize,
        network: Network,
        per_address: usize,
    ) -> Result<Option<Arc<Registered>>, Limit> {
        let told = self.room_of(network, per_address)?;
        self.addresses.entry(network).or_default().open += 1;
        self.list(key, network);
        Ok(told)
    }

    pub(super) fn leave(&mut self, key: usize) {
        let Some(Entry { registered, of }) = self.entries.try_remove(key) else { return };
        let left = usize::from(registered.is_leaving());
        self.leaving -= left;
        let Some((network, at)) = of else { return };
        if let Some(address) = self.addresses.get_mut(&network) {
            address.leaving -= left;
            address.keys.swap_remove(at);
            if let Some((_, moved)) =
                address.keys.get(at).and_then(|key| self.entries.get_mut(*key)?.of.as_mut())
            {
                *moved = at;
            }
        }
        self.forget(Some(network));
    }

    pub(super) fn where_due(&self, due: impl Fn(&Registered) -> bool) -> Vec<Arc<Registered>> {
        let due = self.entries.iter().filter(|(_, entry)| due(&entry.registered));
        due.map(|(_, entry)| entry.registered.clone()).collect()
    }

    fn list(&mut self, key: usize, network: Network) {
        let keys = &mut self.addresses.entry(network).or_default().keys;
        keys.push(key);
        if let Some(entry) = self.entries.get_mut(key) {
            entry.of = Some((network, keys.len() - 1));
        }
    }

    fn room_of(&mut self, network: Network, most: usize) -> Result<Option<Arc<Registered>>, Limit> {
        let Some(address) = self.addresses.get_mut(&network) else { return Ok(None) };
        if most == 0 || address.open - address.leaving < most {
            return Ok(None);
        }
        let count = address.keys.len();
        let looked = (0..count.min(LOOKS)).map(|step| address.keys[(address.next + step) % count]);
        let found = longest_idle(&self.entries, looked);
        address.next = (address.next + LOOKS) % count.max(1);
        found.and_then(|key| self.tell(key)).map(Some).ok_or(Limit::ConnectionsPerAddress)
    }

    fn tell_any(&mut self) -> Option<Arc<Registered>> {
        let count = self.entries.capacity();
        let looked = (0..count.min(LOOKS)).map(|step| (self.next + step) % count);
        let found = longest_idle(&self.entries, looked);
        self.next = (self.next + LOOKS) % count.max(1);
        self.tell(found?)
    }

    fn tell(&mut self, key: usize) -> Option<Arc<Registered>> {
        if self.leaving >= LEAVING_CONNECTIONS {
            return None;
        }
        let entry = self.entries.get(key)?;
        entry.registered.leaving.store(true, Ordering::Relaxed);
        self.leaving += 1;
        if let Some(address) = entry.of.and_then(|(network, _)| self.addresses.get_mut(&network)) {
            address.leaving += 1;
        }
        Some(entry.registered.clone())
    }
}

fn longest_idle(entries: &Slab<Entry>, keys: impl Iterator<Item = usize>) -> Option<usize> {
    let idle = keys.filter_map(|key| Some((entries.get(key)?.registered.idle_until()?, key)));
    idle.min().map(|(_, key)| key)
}
