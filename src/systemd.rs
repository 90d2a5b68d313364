//! What a service manager passes and wants to be told: sockets that it has bound (sd_listen_fds(3)), and the
//! state of the service (sd_notify(3)). The protocol is a few variables and a datagram. A leaf.
//!
//! The only `unsafe` code of this room is here: a descriptor that somebody else has opened becomes ours.
#![allow(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use socket2::Socket;

/// The first descriptor that is handed over (sd_listen_fds(3)).
const FIRST: i32 = 3;

/// More than any unit has; what is named here is asked of the kernel one by one.
const MOST_SOCKETS: i32 = 64;

/// The name of a socket that has none (sd_listen_fds_with_names(3)).
const UNNAMED: &str = "unknown";

/// What a child of ours must not take for its own.
pub const VARIABLES: [&str; 6] =
    ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"];

/// What was handed over, until somebody takes it.
static RECEIVED: Mutex<Vec<(String, Socket)>> = Mutex::new(Vec::new());

/// Looks for sockets that were handed over; [`take_sockets`] has them afterwards. The first thing that a
/// process does: later their numbers may be those of descriptors of its own. No child inherits them.
///
/// # Errors
/// If one of them is not a descriptor.
pub fn receive() -> io::Result<()> {
    if !is_meant("LISTEN_PID") {
        return Ok(());
    }
    let count = number("LISTEN_FDS").and_then(|count| i32::try_from(count).ok()).unwrap_or(0);
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let names = names.to_string_lossy();
    let mut names = names.split(':').filter(|name| !name.is_empty());
    let mut received = RECEIVED.lock();
    // A second call finds its own.
    if !received.is_empty() {
        return Ok(());
    }
    for number in FIRST..FIRST + count.min(MOST_SOCKETS) {
        // SAFETY: nothing in this process has opened anything yet: what is open here was opened by the
        // service manager for this very process (LISTEN_PID is its number). One that is not open fails the
        // call below, and is not owned.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        let flags = fcntl_getfd(descriptor)?;
        // SAFETY: as above, and it is open.
        let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
        fcntl_setfd(&descriptor, flags | FdFlags::CLOEXEC)?;
        received.push((names.next().unwrap_or(UNNAMED).to_owned(), Socket::from(descriptor)));
    }
    Ok(())
}

/// The sockets that were handed over, each with its name; none the second time.
#[must_use]
pub fn take_sockets() -> Vec<(String, Socket)> {
    std::mem::take(&mut *RECEIVED.lock())
}

/// Tells the manager of a new state; nothing where there is no manager that listens.
///
/// # Errors
/// Those of the socket.
pub fn notify(state: &str) -> io::Result<()> {
    let Some(path) = variable("NOTIFY_SOCKET") else { return Ok(()) };
    let socket = UnixDatagram::unbound()?;
    // A manager that reads nothing holds up nobody.
    socket.set_nonblocking(true)?;
    socket.send_to_addr(state.as_bytes(), &address(&path)?)?;
    Ok(())
}

/// How often the manager wants to hear that the service gets on, if it does.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    let meant = variable("WATCHDOG_PID").is_none() || is_meant("WATCHDOG_PID");
    number("WATCHDOG_USEC").filter(|micros| meant && *micros > 0).map(Duration::from_micros)
}

/// A name that begins with `@` is in no file system (unix(7)).
fn address(path: &OsStr) -> io::Result<SocketAddr> {
    match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(path),
    }
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn number(name: &str) -> Option<u64> {
    variable(name)?.to_str()?.parse().ok()
}

fn is_meant(variable: &str) -> bool {
    number(variable) == Some(u64::from(std::process::id()))
}
