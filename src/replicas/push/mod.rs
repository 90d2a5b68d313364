//! New rows go from replica to replica directly.
//!
//! Each replica connects to all others that the table tells of and sends them what it has committed, over a
//! Unix socket or TCP. The feed stays the truth: it brings what is lost on the way, and a replica that has no
//! room, no secret or another version is dropped, counted, and tried again later. Nobody who creates waits
//! for any of this: a row is added to a bounded piece of memory, and one thread does everything else.
//!
//! Race window: the database may have lost a row since it was committed. So a frame names the history that
//! its rows were committed in, as it was before their commit, and a replica whose database is in another one
//! does not take it. Older data that is put back under the same timeline does not change that name: only a
//! replica that stood still over all of that could still find a lost row in its socket, until it is filled
//! again.

mod card;
mod frame;
mod inbound;
mod outbound;
mod thread;

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::event::{EventfdFlags, eventfd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use uuid::Uuid;

use self::frame::Pending;
use self::thread::Pushing;
use super::register::Other;
use crate::http::{Address, Listener};
use crate::limits;
use crate::store::{Connector, Origin};
use crate::waiting::life::keep;

/// The checked settings of the way between replicas.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the others' rows are taken; `None`: nowhere, and nothing is sent either.
    pub listen: Option<Address>,
    /// How the others reach that, if they do not by the same.
    pub address: Option<Address>,
    /// How long the first row waits for others.
    pub linger: Duration,
    /// Bytes that may wait to be sent, and to be taken by each of the others.
    pub queue_bytes: usize,
}

/// Takes the rows of other replicas.
pub trait Receive: Send + 'static {
    /// Rows come. Whatever is true of the database now holds for them, if they are of its present history.
    fn begin(&mut self);

    /// A row that another replica has committed, and that may be known already.
    ///
    /// # Errors
    /// It is not a row.
    fn row(&mut self, row: &[u8]) -> Result<(), Rubbish>;
}

/// Bytes that are no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rubbish;

/// Why another replica was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It speaks another version, or of other rows.
    Version,
    /// It does not know the secret, or is another one than was looked for.
    Stranger,
    /// What it sends is nothing that is known.
    Rubbish,
    /// It was silent where it had to say something, or did not take what was sent.
    Standstill,
}

impl Refusal {
    pub(super) const ALL: [Self; 4] = [Self::Version, Self::Stranger, Self::Rubbish, Self::Standstill];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Stranger => "stranger",
            Self::Rubbish => "rubbish",
            Self::Standstill => "standstill",
        }
    }
}

/// What was counted, by the thread alone but for rows without room.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) sent: AtomicU64,
    pub(super) received: AtomicU64,
    /// Rows that found no room, here or on their way.
    pub(super) dropped: AtomicU64,
    /// Rows of another history.
    pub(super) foreign: AtomicU64,
    pub(super) refused: [AtomicU64; Refusal::ALL.len()],
    /// Others that are sent to, and that send, now.
    pub(super) out: AtomicUsize,
    pub(super) into: AtomicUsize,
}

impl Counts {
    pub(super) fn refuse(&self, refusal: Refusal) {
        self.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// The history that a row is about to be committed in.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    history: u64,
    origin: Origin,
}

/// The way to the others.
pub struct Hub {
    connector: Connector,
    channel: &'static str,
    instance: Uuid,
    address: String,
    linger: Duration,
    queue_bytes: usize,
    pending: Mutex<Pending>,
    /// Whether anybody takes rows.
    is_wanted: AtomicBool,
    /// Ends the linger.
    timer: OwnedFd,
    /// Rings when the table has told something, and at the end.
    bell: OwnedFd,
    told: Mutex<Option<Told>>,
    is_whole: AtomicBool,
    pub(super) counts: Counts,
    ended: AtomicBool,
}

/// How the others reach what is bound here. What is bound everywhere is reached as the database is.
fn reached(settings: &Settings, bound: &Address, connector: &Connector) -> io::Result<Address> {
    let bound = settings.address.as_ref().unwrap_or(bound);
    let Address::Tcp(host_port) = bound else { return Ok(bound.clone()) };
    let mut address: SocketAddr = host_port.parse().map_err(io::Error::other)?;
    if address.ip().is_unspecified() {
        let why = "POUCO_PUSH_ADDRESS is needed: the database is not reached over TCP, so nothing tells by which \
                   address the other replicas reach this one";
        address.set_ip(connector.local_ip().ok_or_else(|| io::Error::other(why))?);
    }
    Ok(Address::Tcp(address.to_string()))
}

/// What the table says.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) secret: Vec<u8>,
    pub(super) others: Vec<Other>,
}

impl Hub {
    /// Starts the thread, which takes rows for `receiver` and sends what is offered. `channel` names what the
    /// rows are, and in which version, in 16 characters.
    pub(super) fn start(
        settings: &Settings,
        listener: Listener,
        instance: Uuid,
        connector: &Connector,
        channel: &'static str,
        receiver: impl Receive,
    ) -> io::Result<Arc<Self>> {
        let address = reached(settings, listener.address(), connector)?.to_string();
        let hub = Arc::new(Self {
            connector: connector.clone(),
            channel,
            instance,
            address,
            linger: settings.linger,
            queue_bytes: settings.queue_bytes,
            pending: Mutex::default(),
            is_wanted: AtomicBool::new(false),
            timer: timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?,
            bell: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
            told: Mutex::default(),
            is_whole: AtomicBool::new(false),
            counts: Counts::default(),
            ended: AtomicBool::new(false),
        });
        listener.listen()?;
        let mut pushing = Pushing::new(hub.clone(), listener, Box::new(receiver));
        // Its end is waited for by nobody: what is not sent then the feed brings.
        keep("pouco-push", Some(limits::LOOP_SILENCE), move || pushing.push_until_ended())?;
        Ok(hub)
    }

    /// Where the others reach this replica.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// To be asked before a row is committed. `None` if nobody takes rows.
    #[must_use]
    pub fn stamp(&self) -> Option<Stamp> {
        if !self.is_wanted.load(Ordering::Relaxed) {
            return None;
        }
        let (history, origin) = self.connector.origin()?;
        Some(Stamp { history, origin })
    }

    /// Sends a row, as `write` appends it, to all who take rows. Never waits.
    pub fn offer(&self, stamp: Stamp, write: impl FnOnce(&mut Vec<u8>)) {
        if self.connector.history() != stamp.history {
            return;
        }
        let mut pending = self.pending.lock();
        let was_empty = pending.is_empty();
        let dropped = pending.add(stamp.origin, self.queue_bytes, write);
        let begins = was_empty && !pending.is_empty();
        drop(pending);
        if dropped > 0 {
            self.counts.dropped.fetch_add(dropped, Ordering::Relaxed);
        }
        if begins {
            self.arm();
        }
    }

    /// Whether all other replicas that there are send their rows here, and there is one.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_whole.load(Ordering::Relaxed)
    }

    /// The table has been read.
    pub(super) fn tell(&self, told: Told) {
        *self.told.lock() = Some(told);
        self.ring();
    }

    /// What is offered by now is sent as far as it goes at once, and the thread ends.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.ring();
    }

    fn ring(&self) {
        // It fails only after 2^64 rings (eventfd(2)).
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    fn arm(&self) {
        // Zero would disarm it.
        let linger = self.linger.max(Duration::from_nanos(1));
        let value = Timespec {
            tv_sec: linger.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: linger.subsec_nanos().into(),
        };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        // No time that is made here is refused (timerfd_settime(2)); were it, the next beat would send.
        let _ = timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once);
    }
}
