//! The socket of one connection: reads and writes that park the coroutine, each with its deadline.
//!
//! There is no timer per request. Before each wait the connection writes down when the wait must end; the
//! sweeper wakes a coroutine that is past that time, and the woken connection looks at the clock itself.

mod pace;
mod sending;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use socket2::{Domain, SockAddr, Socket};

use self::pace::{Missed, Pace};
use super::listener::Trust;
use super::registry::Registered;
use super::server::Shared;
use crate::http::message::buffer::Input;
use crate::http::message::client::{Network, TrustedHops};
use crate::http::message::fields::BodyFraming;
use crate::http::message::head::Scheme;
use crate::http::message::reader::{ReadFailure, Source};
use crate::http::message::request_head::{Peer, Remote};
use crate::http::message::status::Status;
use crate::http::message::writer::Broken;
use crate::http::route::metrics::{Limit, Timeout};
use crate::limits;
use crate::waiting::interest::{HUNG_UP, Interest, WRITABLE};
use crate::waiting::let_sockets_go_first;

/// Bytes of a refused request that are read and dropped, so that the client reads our answer before a reset.
const LINGER_BYTES: usize = 256 * 1024;

/// How long a closing connection waits for the client's end.
const LINGER_MS: u64 = 2_000;

/// A connection that has waited for so many requests will wait for more: worth the system calls that narrow
/// its interest.
const LASTING_REQUESTS: u32 = 32;

/// Where a connection comes from.
pub(crate) struct Arrival {
    remote: Remote,
    trust: Arc<Trust>,
}

impl Arrival {
    pub(crate) fn new(from: &SockAddr, trust: &Arc<Trust>) -> Self {
        let remote = match from.as_socket() {
            Some(address) => Remote::Tcp(address),
            None if from.domain() == Domain::UNIX => Remote::Unix,
            None => Remote::Unknown,
        };
        Self { remote, trust: trust.clone() }
    }

    /// The client by whom the connection is counted: none for a hop, which has those of many.
    pub(crate) fn network(&self) -> Option<Network> {
        match self.remote {
            Remote::Tcp(address) if !self.trust.hops.trusts(self.remote) => Some(Network::of(address.ip())),
            _ => None,
        }
    }

    /// Whether it begins with a header of the PROXY protocol.
    pub(crate) fn is_proxied(&self) -> bool {
        self.trust.proxy_protocol && self.trust.hops.trusts(self.remote)
    }
}

pub(crate) struct Wire<'s> {
    // Order matters: `interest` leaves epoll before `socket` closes the descriptor. Changed only between two
    // waits.
    interest: RefCell<Interest>,
    socket: Socket,
    pub(crate) shared: &'s Shared,
    pub(crate) registered: Arc<Registered>,
    key: usize,
    arrival: Arrival,
    /// What it has done since it last waited, see [`limits::WORK_IN_A_ROW`].
    work: Cell<u32>,
    /// Requests that were waited for.
    waits: Cell<u32>,
    /// Whether a read may find something. A read that leaves room has emptied the socket, and what comes
    /// later raises a new edge (epoll(7)), so a wait can follow it without the read that would only return
    /// EAGAIN.
    readable: Cell<bool>,
    /// Whether the client's end or an error was announced; it may have been announced together with the last
    /// bytes, and is not announced again.
    hung_up: Cell<bool>,
    /// Whether a part of the present request's answer has left, after which nothing else may be said (RFC
    /// 9110 section 15.2).
    pub(crate) answering: Cell<bool>,
    /// The capacity that the output may have: its first size, and what was taken from the account.
    held: Cell<usize>,
    /// The pace of the streamed answer of the present request.
    stream_pace: Cell<Option<Pace>>,
    /// The pace of its streamed body.
    body_pace: Cell<Option<Pace>>,
}

impl<'s> Wire<'s> {
    /// Registers the socket with the event loop and the sweeper; sets it to non-blocking.
    pub(crate) fn new(
        socket: Socket,
        arrival: Arrival,
        network: Option<Network>,
        shared: &'s Shared,
    ) -> io::Result<Self> {
        let interest = Interest::both(&socket)?;
        let (key, registered) = shared.register(interest.waker(), network);
        Ok(Self {
            interest: RefCell::new(interest),
            socket,
            shared,
            registered,
            key,
            arrival,
            work: Cell::new(0),
            waits: Cell::new(0),
            readable: Cell::new(true),
            hung_up: Cell::new(false),
            answering: Cell::new(false),
            held: Cell::new(shared.limits.buffer_bytes),
            stream_pace: Cell::new(None),
            body_pace: Cell::new(None),
        })
    }

    /// Closes the socket and leaves the registry, in this order: a drain that sees the registry empty may end
    /// the process.
    pub(crate) fn close(self) {
        let (shared, key) = (self.shared, self.key);
        if self.interest.borrow().is_input() {
            shared.lasting.fetch_sub(1, Ordering::Relaxed);
        }
        drop(self);
        shared.leave(key);
    }

    /// Lets the close be a reset, so that a client of HTTP/1.0 does not take a part for the whole. A Unix
    /// socket has no such thing; its client sees the end alone.
    pub(crate) fn reset_on_close(&self) {
        // What cannot be set leaves the usual close.
        let _ = self.socket.set_linger(Some(Duration::ZERO));
    }

    fn is_unix(&self) -> bool {
        matches!(self.socket.domain(), Ok(Domain::UNIX))
    }

    /// Whether a request for `https` has come over TLS (RFC 9110 section 7.4). Nobody here speaks it, so it
    /// is the word of a hop that does. Of anybody else the field means nothing.
    #[cold]
    pub(crate) fn vouches_for(&self, scheme: Scheme) -> bool {
        scheme == Scheme::ForwardedTls && self.arrival.trust.hops.trusts(self.arrival.remote)
    }

    /// A hop has said who its client is, by whom the connection is counted from now on.
    pub(crate) fn name_client(&mut self, client: SocketAddr) -> Result<(), Limit> {
        self.arrival.remote = Remote::Tcp(client);
        match self.arrival.network() {
            Some(network) if self.shared.limits.connections_per_address > 0 => {
                self.shared.assign(self.key, network)
            }
            _ => Ok(()),
        }
    }

    /// Counts what was done since the last wait.
    pub(crate) fn note_work(&self, work: u32) {
        self.work.set(self.work.get() + work);
    }

    /// Lets other sockets have their turn where this one has had its own: a client that always has more to
    /// send, or takes whatever there is, never makes the connection wait.
    pub(crate) fn be_fair(&self) {
        if self.has_worked_enough() {
            self.work.set(0);
            let_sockets_go_first();
        }
    }

    pub(crate) fn has_worked_enough(&self) -> bool {
        self.work.get() >= limits::WORK_IN_A_ROW
    }

    /// Called before each wait for a request: a Unix connection that lasts is watched for input alone from
    /// now on.
    pub(crate) fn expect_request(&self) -> Result<(), Broken> {
        self.waits.set(self.waits.get().saturating_add(1));
        if self.waits.get() == LASTING_REQUESTS
            && self.shared.lasting.load(Ordering::Relaxed) < limits::LASTING_CONNECTIONS
            && self.is_unix()
            && let Some(interest) = Interest::input(&self.socket).map_err(|_| Broken::Gone)?
        {
            self.shared.lasting.fetch_add(1, Ordering::Relaxed);
            self.watch(interest);
        }
        Ok(())
    }

    /// Race window: a wake that meets the old waker is lost. Sweeper and drain wake again until they are
    /// heard.
    fn watch(&self, interest: Interest) {
        self.registered.set_waker(interest.waker());
        drop(self.interest.replace(interest));
    }

    /// The socket is full: its next room must be told.
    fn expect_room(&self) -> Result<(), Broken> {
        let input_only = self.interest.borrow().is_input();
        if input_only {
            let both = Interest::both(&self.socket).map_err(|_| Broken::Gone)?;
            self.shared.lasting.fetch_sub(1, Ordering::Relaxed);
            self.watch(both);
        }
        Ok(())
    }

    /// Whether [`Wire::read`] is worth a call.
    pub(crate) fn may_be_readable(&self) -> bool {
        self.readable.get()
    }

    /// Makes the next [`Wire::read`] worth a call.
    pub(crate) fn suspect_bytes(&self) {
        self.readable.set(true);
    }

    /// Reads what has come, into at least one byte of room. `None` if there is nothing.
    pub(crate) fn read(&self, room: &mut [u8]) -> Result<Option<usize>, Broken> {
        loop {
            match recv(&self.socket, &mut *room, RecvFlags::empty()).map(|(count, _)| count) {
                Ok(0) => return Err(Broken::Gone),
                Ok(count) => {
                    self.note_work(limits::READ_WORK);
                    self.readable.set(count == room.len() || self.hung_up.get());
                    return Ok(Some(count));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.readable.set(false);
                    return Ok(None);
                }
                Err(_) => return Err(Broken::Gone),
            }
        }
    }

    /// Waits for the socket, for the sweeper or for the drain; the caller tries again and finds out which it
    /// was.
    ///
    /// Race window: a wake between the store of the deadline and the wait leaves its flag, and the wait
    /// returns at once.
    pub(crate) fn wait_until(&self, deadline_ms: u64) -> Result<(), Broken> {
        if self.shared.clock.now_ms() >= deadline_ms {
            return Err(Broken::Late);
        }
        self.wait(deadline_ms);
        Ok(())
    }

    /// The same, where the caller has looked at the clock.
    fn wait(&self, deadline_ms: u64) {
        self.work.set(0);
        self.registered.deadline_ms.store(deadline_ms, Ordering::Relaxed);
        let events = self.interest.borrow().wait();
        self.registered.deadline_ms.store(u64::MAX, Ordering::Relaxed);
        // Also after a wake by the drain, which must not close over a request that has come and whose own
        // event is still to be delivered.
        if events & !WRITABLE != 0 {
            self.readable.set(true);
        }
        if events & HUNG_UP != 0 {
            self.hung_up.set(true);
        }
    }

    /// The body of the present request will be read by its handler.
    pub(crate) fn expect_body(&self, framing: BodyFraming) {
        let limits = &self.shared.limits;
        let most_ms = match framing {
            BodyFraming::Length(_) => u64::MAX,
            BodyFraming::Chunked => limits.stream_timeout_ms,
        };
        let ends_ms = self.shared.clock.now_ms().saturating_add(most_ms);
        let pace = Pace::new(limits.min_bytes_per_s, limits.rate_grace_ms, limits.body_timeout_ms, ends_ms);
        self.body_pace.set(Some(pace));
    }

    /// Ends our side so that the client can read the last answer: a close with unread bytes would send a
    /// reset, and the reset may reach the client before it has read (RFC 9112 section 9.6).
    // Never a part of its caller, whose stack every waiting connection keeps.
    #[inline(never)]
    pub(crate) fn linger(&self) {
        if self.socket.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let deadline_ms = self.shared.clock.now_ms() + LINGER_MS;
        // It has nothing more to lose than a connection that waits for a request.
        self.registered.idle.store(true, Ordering::Release);
        let mut scrap = [0; 4096];
        let mut dropped = 0;
        while dropped < LINGER_BYTES {
            match self.read(&mut scrap) {
                Ok(Some(count)) => dropped += count,
                Ok(None) if !self.registered.is_leaving() && self.wait_until(deadline_ms).is_ok() => {}
                Ok(None) | Err(_) => return,
            }
        }
    }
}

impl Peer for Wire<'_> {
    fn remote(&self) -> Remote {
        self.arrival.remote
    }

    fn hops(&self) -> &TrustedHops {
        &self.arrival.trust.hops
    }
}

impl Source for Wire<'_> {
    fn invite(&self) -> Result<(), ReadFailure> {
        if self.answering.get() {
            return Err(ReadFailure::Uninvited);
        }
        // A client that does not read this reads no status either.
        self.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").map_err(|_| ReadFailure::Gone)
    }

    fn read_more(&self, input: &mut Input, deadline_ms: u64) -> Result<(), ReadFailure> {
        let shared = self.shared;
        self.be_fair();
        let mut pace = self.body_pace.get();
        loop {
            let now_ms = shared.clock.now_ms();
            let missed = pace.and_then(|pace| pace.missed(now_ms));
            // What has come in time is taken, unless it is the body that does not end.
            if self.may_be_readable() && missed != Some(Missed::End) {
                let Some(room) = shared.buffers.room(input, shared.limits.buffer_bytes / 2) else {
                    shared.metrics.hit(Limit::RequestBytes);
                    return Err(ReadFailure::Refused(Status::ServiceUnavailable));
                };
                if let Some(count) = self.read(room).map_err(|_| ReadFailure::Gone)? {
                    input.filled(count);
                    pace.iter_mut().for_each(|pace| pace.moved(count));
                    self.body_pace.set(pace);
                    return Ok(());
                }
            }
            match missed {
                _ if now_ms >= deadline_ms => shared.metrics.timed_out(Timeout::Body),
                Some(Missed::Rate) => shared.metrics.hit(Limit::BodyRate),
                Some(Missed::End) => shared.metrics.hit(Limit::BodyTime),
                None => {
                    let until_ms = pace.map_or(u64::MAX, |pace| pace.until_ms(now_ms, 1));
                    self.wait(deadline_ms.min(until_ms));
                    pace.iter_mut().for_each(|pace| pace.waited(shared.clock.now_ms() - now_ms));
                    continue;
                }
            }
            return Err(ReadFailure::Refused(Status::RequestTimeout));
        }
    }

    fn deadline_ms(&self) -> u64 {
        self.shared.clock.now_ms() + self.shared.limits.body_timeout_ms
    }
}
