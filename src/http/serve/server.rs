//! The server: accept coroutines, the registry of connections, the sweeper that ends their waits, and the
//! drain.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use may::coroutine;
use may::io::WaitIoWaker;
use parking_lot::{Condvar, Mutex};
use socket2::Socket;

use super::backlog;
use super::clock::Clock;
use super::connection;
use super::listener::Listener;
use super::rates::Rates;
use super::registry::{Bounds, Registered, Registry};
use super::report::Reporting;
use super::wire::Arrival;
use crate::http::message::buffer::{Account, BufferPool};
use crate::http::message::client::Network;
use crate::http::message::fields::MAX_HEADER_FIELDS;
use crate::http::message::head::{self, Head};
use crate::http::message::response::{Persistence, Response};
use crate::http::message::status::Status;
use crate::http::route::latency::Stopwatch;
use crate::http::route::metrics::{Limit, Metrics};
use crate::http::route::router::Router;
use crate::identity;
use crate::limits;
use crate::waiting::interest::Interest;
use crate::waiting::life::{self, Life};
use crate::waiting::{Round, Timer, configure_coroutines, sleep};

/// How often the sweeper looks: the resolution of every timeout, and of the `Date` field.
const SWEEP_INTERVAL_MS: u64 = 250;

/// Connections taken from the kernel's queue in a row before those that are open get their turn: a flood of
/// clients, each of whom costs no more than a refusal, would otherwise hold the worker for as long as it
/// lasts.
pub(super) const ACCEPT_BURST: u32 = 64;

/// The pause after that. It has to be a wait: a yield only goes behind the coroutines that are ready already,
/// and the scheduler looks for sockets that have become ready when there are none. The end of a sleep is an
/// event among theirs.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(1);

/// How long an accept coroutine pauses when the process has no descriptor or memory left.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// Every bound of the engine. Hitting one is answered as RFC 9110 says, and counted.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections; for one more the longest idle one is closed, and without one it is answered with 503
    /// and closed.
    pub connections: usize,
    /// Those of one client's address (of IPv6 a /64), with 429; 0 is without a bound. Over a Unix socket
    /// nobody has an address, and trusted hops have as many as they like.
    pub connections_per_address: usize,
    /// Requests a second of one client's address, past a burst; more are answered with 429. 0 is without a
    /// bound.
    pub requests_per_second_per_address: u32,
    /// Requests of one address that may come at once.
    pub request_burst_per_address: u32,
    /// Bytes of request line and header fields (431, or 414 if the target alone fills them).
    pub head_bytes: usize,
    /// Header fields of a request (431).
    pub header_count: usize,
    /// Bytes of the request target (414).
    pub target_bytes: usize,
    /// Bytes of a decoded body (413, before it is read).
    pub body_bytes: usize,
    /// Requests on one connection; the last one is answered with `Connection: close`.
    pub requests_per_connection: u64,
    /// From the first byte of a request to the end of its head (408).
    pub head_timeout_ms: u64,
    /// From the end of the head to the end of the body (408).
    pub body_timeout_ms: u64,
    /// Between two requests; then the connection is closed without a word.
    pub idle_timeout_ms: u64,
    /// For a client to take some of what was written to it.
    pub write_timeout_ms: u64,
    /// Bytes a second that a client must take of an answer, or send of a streamed body, on average while it
    /// is waited for; 0 is none. Past the grace an answer is cut, and a body a 408.
    pub min_bytes_per_s: u64,
    /// How far a client may be behind the least rate.
    pub rate_grace_ms: u64,
    /// For a streamed body or answer whose length nobody knows, as a whole (408, or it is cut).
    pub stream_timeout_ms: u64,
    /// First size of a connection's buffers.
    pub buffer_bytes: usize,
    /// Buffers kept for the next requests.
    pub pooled_buffers: usize,
    /// Bytes by which the buffers of all requests together may grow past their first size; past it 503.
    pub request_bytes: usize,
    /// Bytes by which the buffers of all answers together may grow past their first size; past it 503.
    pub answer_bytes: usize,
}

impl Default for Limits {
    /// The bounds of [`crate::limits`].
    #[allow(clippy::cast_possible_truncation)] // a constant of some hundreds
    fn default() -> Self {
        Self {
            connections: limits::CONNECTIONS,
            connections_per_address: limits::CONNECTIONS / limits::PARTS_OF_CONNECTIONS,
            requests_per_second_per_address: 0,
            request_burst_per_address: limits::REQUEST_BURST as u32,
            head_bytes: limits::HEADER_BYTES,
            header_count: limits::HEADER_COUNT,
            target_bytes: limits::TARGET_BYTES,
            body_bytes: limits::BODY_BYTES,
            requests_per_connection: limits::REQUESTS_PER_CONNECTION,
            head_timeout_ms: limits::HEADER_TIMEOUT_MS,
            body_timeout_ms: limits::BODY_TIMEOUT_MS,
            idle_timeout_ms: limits::IDLE_TIMEOUT_MS,
            write_timeout_ms: limits::WRITE_TIMEOUT_MS,
            min_bytes_per_s: limits::MIN_BYTES_PER_S,
            rate_grace_ms: limits::RATE_GRACE_MS,
            stream_timeout_ms: limits::STREAM_TIMEOUT_MS,
            buffer_bytes: limits::BUFFER_BYTES,
            pooled_buffers: limits::POOLED_BUFFERS,
            request_bytes: limits::REQUEST_BYTES,
            answer_bytes: limits::ANSWER_BYTES,
        }
    }
}

impl Limits {
    /// The status for a head, complete or not, whose target is too long; `None` where it fits.
    #[inline]
    pub(crate) fn refuse_target(&self, head: &[u8]) -> Option<Status> {
        // A head that is no longer than a target may be ends the search for nearly every request.
        if head.len() <= self.target_bytes { None } else { self.refuse_target_of(head) }
    }

    fn refuse_target_of(&self, head: &[u8]) -> Option<Status> {
        let start = memchr::memchr(b' ', head)? + 1;
        let target = &head[start..];
        let bytes = memchr::memchr3(b' ', b'\r', b'\n', target).unwrap_or(target.len());
        (bytes > self.target_bytes).then(|| head::too_long(head, start + self.target_bytes))
    }
}

// What is parsed into a fixed table cannot be allowed to be more.
const _: () = assert!(limits::HEADER_COUNT == MAX_HEADER_FIELDS);

pub(crate) struct Shared {
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    pub(crate) stopwatch: Stopwatch,
    pub(super) reporting: Reporting,
    /// Whether it asks for anything.
    pub(super) reports: bool,
    pub(crate) buffers: BufferPool,
    pub(crate) draining: AtomicBool,
    /// When that began, in the clock's milliseconds.
    pub(super) draining_since_ms: AtomicU64,
    /// Connections that are watched for input alone.
    pub(crate) lasting: AtomicUsize,
    stopped: AtomicBool,
    pub(super) rates: Option<Rates>,
    registry: Mutex<Registry>,
    /// Known once its thread runs.
    sweeper: OnceLock<Thread>,
    /// Whether the sweeper rests until somebody is accepted.
    resting: AtomicBool,
    /// Rung when a connection leaves the registry during a drain.
    left: Condvar,
}

impl Shared {
    /// Counts a connection that was just accepted, and tells an idle one to make room if there is none.
    fn admit(&self, network: Option<Network>) -> Result<(), Limit> {
        let open =
            usize::try_from(self.metrics.open_connections.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        let told = self.registry.lock().admit(self.bounds(), open, network)?;
        self.wake_leaving(told);
        Ok(())
    }

    /// A connection that was admitted and is not served.
    pub(super) fn dismiss(&self, network: Option<Network>) {
        self.registry.lock().forget(network);
        self.metrics.open_connections.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn register(&self, waker: WaitIoWaker, network: Option<Network>) -> (usize, Arc<Registered>) {
        self.registry.lock().enter(waker, network)
    }

    /// Counts an open connection as one of this address, as in [`Shared::admit`].
    pub(super) fn assign(&self, key: usize, network: Network) -> Result<(), Limit> {
        let told = self.registry.lock().assign(key, network, self.limits.connections_per_address)?;
        self.wake_leaving(told);
        Ok(())
    }

    fn bounds(&self) -> Bounds {
        let Limits { connections, connections_per_address: per_address, .. } = self.limits;
        Bounds { connections, per_address }
    }

    fn wake_leaving(&self, told: Option<Arc<Registered>>) {
        if let Some(leaving) = told {
            self.metrics.evicted.fetch_add(1, Ordering::Relaxed);
            leaving.wake();
        }
    }

    pub(crate) fn leave(&self, key: usize) {
        self.registry.lock().leave(key);
        self.metrics.open_connections.fetch_sub(1, Ordering::Relaxed);
        if self.draining.load(Ordering::Acquire) {
            self.left.notify_all();
        }
    }

    /// Whether this request is refused whatever its body holds.
    pub(crate) fn refuses(&self, head: &Head<'_>) -> bool {
        head.refused_websocket.is_some() || self.router.refuses(head.method, head.path)
    }

    /// Ends the sweeper's rest; the time is right at once, and not when the thread has had its turn.
    ///
    /// Race window: an accepted connection is counted before this looks whether the sweeper rests, and the
    /// sweeper looks at the count after it has said so. One of them sees the other.
    fn end_rest(&self) {
        if self.resting.load(Ordering::SeqCst) {
            self.clock.tick();
            if self.resting.swap(false, Ordering::SeqCst)
                && let Some(sweeper) = self.sweeper.get()
            {
                sweeper.unpark();
            }
        }
    }

    /// Wakes every connection for which `due` holds; each finds out by itself why.
    fn wake_where(&self, due: impl Fn(&Registered) -> bool) {
        let due = self.registry.lock().where_due(due);
        for registered in due {
            registered.wake();
        }
    }
}

/// A running server. Dropping it does not stop it; [`Server::shutdown`] does.
pub struct Server {
    shared: Arc<Shared>,
    /// Emptied by the shutdown.
    accepting: Mutex<Vec<Accepting>>,
    sweeper: thread::JoinHandle<()>,
}

struct Accepting {
    waker: WaitIoWaker,
    handle: coroutine::JoinHandle<()>,
}

impl Server {
    /// Starts serving `router` on every listener.
    ///
    /// # Errors
    /// If the timer, the sweeper's thread or a listener's registration fails; a
    /// [`RouteError`](crate::http::RouteError) with the kind `InvalidInput` if a route could not be added.
    pub fn start(listeners: Vec<Listener>, router: Router, limits: Limits) -> io::Result<Self> {
        Self::start_reporting(listeners, router, limits, Reporting::default())
    }

    /// As [`Server::start`], and tells of single requests.
    ///
    /// # Errors
    /// As there.
    pub fn start_reporting(
        listeners: Vec<Listener>,
        router: Router,
        limits: Limits,
        reporting: Reporting,
    ) -> io::Result<Self> {
        if reporting.names {
            identity::enable();
        }
        router.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        configure_coroutines();
        // While there are descriptors: who accepts sleeps where there is none.
        Timer::get()?;
        Round::get()?;
        let stopwatch = Stopwatch::new(router.is_measured());
        let shared = Arc::new(Shared {
            router,
            limits,
            metrics: Metrics::default(),
            clock: Clock::new(),
            stopwatch,
            reporting,
            reports: reporting.is_on(),
            buffers: BufferPool::new(
                limits.buffer_bytes,
                limits.pooled_buffers,
                Account::new(limits.request_bytes),
                Account::new(limits.answer_bytes),
            ),
            draining: AtomicBool::new(false),
            draining_since_ms: AtomicU64::new(0),
            lasting: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            rates: Rates::new(limits.requests_per_second_per_address, limits.request_burst_per_address),
            registry: Mutex::default(),
            sweeper: OnceLock::new(),
            resting: AtomicBool::new(false),
            left: Condvar::new(),
        });
        let sweeping = shared.clone();
        let bound = Some(limits::LOOP_SILENCE);
        let sweeper = life::keep("pouco-sweeper", bound, move || sweep(&sweeping))?;
        let accepting = listeners
            .into_iter()
            .map(|listener| start_accepting(listener, &shared))
            .collect::<io::Result<_>>()?;
        Ok(Self { shared, accepting: Mutex::new(accepting), sweeper })
    }

    /// What the engine counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// The bounds that it was started with.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// By how many bytes the buffers of all requests have grown now; see [`Limits::request_bytes`].
    #[must_use]
    pub fn request_bytes(&self) -> usize {
        self.shared.buffers.inputs.taken()
    }

    /// By how many bytes the buffers of all answers have grown now; see [`Limits::answer_bytes`].
    #[must_use]
    pub fn answer_bytes(&self) -> usize {
        self.shared.buffers.outputs.taken()
    }

    /// The routes, for their counts.
    #[must_use]
    pub fn router(&self) -> &Router {
        &self.shared.router
    }

    /// Blocks the calling thread until the server is shut down by another one.
    pub fn wait(&self) {
        // `stopped` is set under the same lock: between the look at it and the wait nobody can ring.
        let running = |_: &mut Registry| !self.shared.stopped.load(Ordering::Acquire);
        self.shared.left.wait_while(&mut self.shared.registry.lock(), running);
    }

    /// Accepts whom the kernel has connected, and nobody else, removes socket files, lets requests that have
    /// begun finish with `Connection: close`, and closes idle connections. `true` if all had ended within
    /// `grace`.
    pub fn shutdown(&self, grace: Duration) -> bool {
        let deadline = Instant::now() + grace;
        self.shared.clock.tick();
        self.shared.draining_since_ms.store(self.shared.clock.now_ms(), Ordering::Relaxed);
        self.shared.draining.store(true, Ordering::Release);
        let accepting = std::mem::take(&mut *self.accepting.lock());
        for accepting in accepting {
            accepting.waker.wakeup();
            // The coroutine ends at its next look at `draining`; a panic in it would have been logged.
            let _ = accepting.handle.join();
        }
        let drained = loop {
            self.shared.wake_where(|one| one.idle.load(Ordering::Acquire));
            let mut registry = self.shared.registry.lock();
            let left = deadline.saturating_duration_since(Instant::now());
            // Not the registry's length: a connection that was accepted and has not run yet is not in it.
            let none_open = self.shared.metrics.open_connections.load(Ordering::Acquire) == 0;
            if none_open || left.is_zero() {
                break none_open;
            }
            // Woken early by each leave; the timeout re-wakes a connection that turned idle in between.
            let wait = left.min(Duration::from_millis(SWEEP_INTERVAL_MS));
            self.shared.left.wait_for(&mut registry, wait);
        };
        let registry = self.shared.registry.lock();
        self.shared.stopped.store(true, Ordering::Release);
        drop(registry);
        self.shared.left.notify_all();
        self.sweeper.thread().unpark();
        drained
    }
}

fn sweep(shared: &Shared) {
    shared.sweeper.get_or_init(thread::current);
    while !shared.stopped.load(Ordering::Acquire) {
        rest_or_wait(shared);
        life::beat();
        shared.clock.tick();
        shared.stopwatch.refill();
        let now_ms = shared.clock.now_ms();
        shared.wake_where(|one| one.deadline_ms.load(Ordering::Relaxed) <= now_ms);
    }
}

/// Until the next sweep is due: with nobody connected there is none.
fn rest_or_wait(shared: &Shared) {
    shared.resting.store(true, Ordering::SeqCst);
    if shared.metrics.open_connections.load(Ordering::SeqCst) == 0 {
        life::rest();
        // Also after a wake by mistake the time goes on, and the next call rests again.
        thread::park();
    } else {
        shared.resting.store(false, Ordering::SeqCst);
        thread::park_timeout(Duration::from_millis(SWEEP_INTERVAL_MS));
    }
}

fn start_accepting(listener: Listener, shared: &Arc<Shared>) -> io::Result<Accepting> {
    listener.listen()?;
    let interest = Interest::both(&listener.socket)?;
    let waker = interest.waker();
    let shared = shared.clone();
    let builder = coroutine::Builder::new().name("pouco-accept".into());
    let handle = may::go!(builder, move || accept_whatever_happens(&interest, &listener, &shared))?;
    Ok(Accepting { waker, handle })
}

/// A port that nobody accepts on looks open and answers nobody: a panic is counted, and accepting goes on.
fn accept_whatever_happens(interest: &Interest, listener: &Listener, shared: &Arc<Shared>) {
    let life = Life::begin("pouco-accept", Some(limits::LOOP_SILENCE));
    life.keep(|| accept_until_drained(interest, listener, shared, &life), sleep);
    life.keep(|| backlog::accept_rest(listener, shared), sleep);
}

/// Race window: the drain sets `draining` before it wakes, and the wake leaves a flag that the next wait
/// sees, so a wake between the look at `draining` and the wait is not lost.
fn accept_until_drained(interest: &Interest, listener: &Listener, shared: &Arc<Shared>, life: &Life) {
    let mut spare = Spare::open();
    let mut taken = 0;
    let mut failing = false;
    while !shared.draining.load(Ordering::Acquire) {
        match listener.socket.accept() {
            Ok((socket, from)) => {
                if !accepted(socket, Arrival::new(&from, &listener.trust), shared) {
                    // There will be memory again when others have left.
                    sleep(ACCEPT_BACKOFF);
                    continue;
                }
                failing = false;
                taken += 1;
                if taken == ACCEPT_BURST {
                    taken = 0;
                    sleep(ACCEPT_PAUSE);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                taken = 0;
                life.rest();
                interest.wait();
                life.beat();
            }
            Err(error) if is_transient(&error) => {}
            Err(error) => {
                shared.metrics.accept_failures.fetch_add(1, Ordering::Relaxed);
                // Once until it recovers: there are twenty of them a second, and the counter has each.
                if !std::mem::replace(&mut failing, true) {
                    log::warn!("accept on {}: {error}; clients are closed unanswered", listener.address());
                }
                spare.refuse_one(&listener.socket);
                sleep(ACCEPT_BACKOFF);
            }
        }
    }
}

/// A descriptor kept for the moment when there is none left: it is given up to accept and close one client,
/// which then sees an end in place of a wait without one.
struct Spare(Option<File>);

impl Spare {
    fn open() -> Self {
        Self(File::open("/dev/null").ok())
    }

    fn refuse_one(&mut self, socket: &Socket) {
        drop(self.0.take());
        drop(socket.accept());
        *self = Self::open();
    }
}

/// The client went away before it was accepted, or a signal came: nothing is wrong here.
pub(super) fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}

/// `false` if there was no coroutine to be had for it, so that it is closed. For want of memory for a stack
/// `may` does not return an error but panics.
pub(super) fn accepted(socket: Socket, arrival: Arrival, shared: &Arc<Shared>) -> bool {
    shared.metrics.accepted.fetch_add(1, Ordering::Relaxed);
    let network = arrival.network().filter(|_| shared.limits.connections_per_address > 0);
    if let Err(limit) = shared.admit(network) {
        refuse(&socket, limit, shared);
        return true;
    }
    // Counted here and not in the coroutine, or a burst would pass the limit before the first of them runs.
    shared.metrics.open_connections.fetch_add(1, Ordering::SeqCst);
    shared.end_rest();
    let serving = shared.clone();
    let serve = move || connection::run(socket, arrival, network, &serving);
    let spawn = || may::go!(coroutine::Builder::new(), serve);
    let spawned =
        catch_unwind(AssertUnwindSafe(spawn)).unwrap_or_else(|_| Err(io::ErrorKind::OutOfMemory.into()));
    if let Err(error) = &spawned {
        shared.dismiss(network);
        shared.metrics.accept_failures.fetch_add(1, Ordering::Relaxed);
        log::warn!("no coroutine for a new connection, which is closed: {error}");
    }
    spawned.is_ok()
}

/// 503 and close, or 429 for one address, in one non-blocking write: a client that does not take it gets only
/// the close.
fn refuse(socket: &Socket, limit: Limit, shared: &Shared) {
    let status = match limit {
        Limit::ConnectionsPerAddress => Status::TooManyRequests,
        _ => Status::ServiceUnavailable,
    };
    shared.metrics.hit(limit);
    shared.router.count_other(status);
    // Where none at all is allowed, nobody else did.
    shared.end_rest();
    let mut out = Vec::new();
    let mut response = Response::new(&mut out, &shared.clock.date, Persistence::Close, false);
    response.refuse(status);
    // A new socket has room for one answer, but no accept loop must depend on it.
    if socket.set_nonblocking(true).is_ok() {
        let _ = socket.send(&out);
    }
}
