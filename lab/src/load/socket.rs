//! The system calls: sockets that never block, what the event loop waits for, and how many descriptors there
//! may be.
//!
//! A user with one request costs `socket`, `connect`, `setsockopt`, `send`, `epoll_ctl`, `recv` and `close`,
//! and shares the wait with others: on the loopback interface `connect` has ended when it returns, so the
//! request is sent at once, and the socket is watched for input alone.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use rustix::process::{Resource, Rlimit};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags};

use super::Ending;

/// Descriptors that are not for connections: the event loop's, the lab's meters, files and pipes.
const RESERVED_DESCRIPTORS: u64 = 128;

/// Events that are fetched at once.
const EVENTS: usize = 512;

/// The mark of the timer's event; no connection has it.
const TIMER: u64 = u64::MAX;

/// Raises the soft limit of descriptors to the hard one, and says how many connections that allows.
pub(super) fn most_connections() -> Result<usize> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        rustix::process::setrlimit(Resource::Nofile, raised).context("raising the limit of open files")?;
    }
    let open = std::fs::read_dir("/proc/self/fd").context("/proc/self/fd")?.count();
    let most = usize::try_from(limit.maximum.unwrap_or(1 << 20).saturating_sub(RESERVED_DESCRIPTORS))
        .unwrap_or(usize::MAX)
        .saturating_sub(open);
    ensure!(most > 0, "the limit of open files (ulimit -Hn) leaves none for connections");
    Ok(most)
}

/// A new connection, on its way or already there.
pub(super) fn open(target: &SocketAddr, ending: Ending) -> Result<OwnedFd, Errno> {
    let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    if ending == Ending::Reset {
        sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    }
    match rustix::net::connect(&socket, target) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}

/// How many bytes were taken; 0 if none could be now.
pub(super) fn send(socket: &OwnedFd, bytes: &[u8]) -> Result<usize, Errno> {
    match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL) {
        Ok(sent) => Ok(sent),
        // The second: the connection is not there yet.
        Err(Errno::AGAIN | Errno::NOTCONN | Errno::INTR) => Ok(0),
        Err(error) => Err(error),
    }
}

/// What came: `None` if nothing is there now, 0 at the end.
pub(super) fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Result<Option<usize>, Errno> {
    loop {
        match rustix::net::recv(socket, &mut *buffer, RecvFlags::empty()) {
            Ok((length, _)) => return Ok(Some(length)),
            Err(Errno::AGAIN) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// A failed system call in words that are the same each time.
pub(super) fn words(error: Errno) -> String {
    match error {
        Errno::CONNREFUSED => "connection refused".into(),
        Errno::CONNRESET | Errno::PIPE => "connection reset".into(),
        Errno::ADDRNOTAVAIL => NO_PORT.into(),
        Errno::MFILE | Errno::NFILE => NO_DESCRIPTOR.into(),
        other => std::io::Error::from(other).to_string(),
    }
}

pub(super) const NO_PORT: &str = "no source port is free (net.ipv4.ip_local_port_range)";
pub(super) const NO_DESCRIPTOR: &str = "no file descriptor is free";

/// What a socket is ready for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    pub(super) mark: u64,
    pub(super) output: bool,
    pub(super) input: bool,
}

/// Waits for sockets and for the next moment at which something is due.
///
/// `epoll` itself counts milliseconds, which is more than many an answer takes, so a timer of the kernel's is
/// among what it watches. It is set anew only when the moment has changed.
pub(super) struct Poller {
    epoll: OwnedFd,
    timer: OwnedFd,
    armed: Option<u64>,
    events: Vec<epoll::Event>,
}

impl Poller {
    pub(super) fn new() -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll_create")?;
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer =
            rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags).context("timerfd_create")?;
        let mark = epoll::EventData::new_u64(TIMER);
        epoll::add(&epoll, &timer, mark, epoll::EventFlags::IN | epoll::EventFlags::ET)
            .context("epoll_ctl")?;
        Ok(Self { epoll, timer, armed: None, events: Vec::with_capacity(EVENTS) })
    }

    /// Watches a socket for input, and for output too while something waits to be sent.
    pub(super) fn add(&self, socket: &OwnedFd, mark: u64, output: bool) -> Result<(), Errno> {
        epoll::add(&self.epoll, socket, epoll::EventData::new_u64(mark), interest(output))
    }

    /// Watches a socket that is watched already for output too.
    pub(super) fn add_output(&self, socket: &OwnedFd, mark: u64) -> Result<(), Errno> {
        epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(mark), interest(true))
    }

    /// Waits until `due` at most (both in nanoseconds of the same clock), and appends what is ready to
    /// `ready`.
    pub(super) fn wait(&mut self, now: u64, due: u64, ready: &mut Vec<Ready>) -> Result<()> {
        let mut timeout = Some(Timespec { tv_sec: 0, tv_nsec: 0 });
        if due > now {
            self.arm(now, due)?;
            timeout = None;
        }
        self.events.clear();
        let spare = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, spare, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("epoll_wait"),
        }
        for event in &self.events {
            let (mark, flags) = (event.data.u64(), event.flags);
            if mark == TIMER {
                self.armed = None;
                continue;
            }
            let broken = flags.intersects(epoll::EventFlags::ERR | epoll::EventFlags::HUP);
            let output = broken || flags.contains(epoll::EventFlags::OUT);
            let input = broken || flags.contains(epoll::EventFlags::IN);
            ready.push(Ready { mark, output, input });
        }
        Ok(())
    }

    fn arm(&mut self, now: u64, due: u64) -> Result<()> {
        if self.armed == Some(due) {
            return Ok(());
        }
        let wait = Duration::from_nanos(due - now);
        let value = Timespec::try_from(wait).context("a moment too far ahead")?;
        let spec = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec)
            .context("timerfd_settime")?;
        self.armed = Some(due);
        Ok(())
    }
}

/// Told once for each change, so a reader must read until nothing is left or until it has all it wants.
fn interest(output: bool) -> epoll::EventFlags {
    let input = epoll::EventFlags::IN | epoll::EventFlags::ET;
    if output { input | epoll::EventFlags::OUT } else { input }
}
