//! The end of a listener: connections that the kernel has made are served, and no new ones come.
//!
//! Race window: who connects between the last accept and the close of the listener would be cut off without
//! an answer, though the connection was made. So the door is closed first. A Unix socket loses its path; what
//! comes for a TCP port is dropped by a filter, and the client's next try, a second later, is refused. Then
//! the queue is emptied, and what was connected before has its coroutine when the listener goes.
//!
//! A socket that a service manager has handed over stays open, and its queue is the next process's: it is
//! left as it is.

use std::fs;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::SockFilter;

use super::listener::{Address, Listener};
use super::server::{ACCEPT_BURST, ACCEPT_PAUSE, Shared, accepted, is_transient};
use super::wire::Arrival;
use crate::limits;
use crate::waiting::sleep;

/// "Return 0": of each packet nothing is kept (Linux, filter.rst).
const DROP_ALL: [SockFilter; 1] = [SockFilter::new(0x06, 0, 0, 0)];

/// Accepts every connection in the kernel's queue.
pub(super) fn accept_rest(listener: &Listener, shared: &Arc<Shared>) {
    if !listener.is_owned() {
        return;
    }
    if let Err(error) = close_door(listener) {
        log::warn!("{}: clients that connect now may be cut off: {error}", listener.address());
    }
    // Only where the door stays open is there a queue that does not end.
    let end = Instant::now() + Duration::from_millis(limits::DRAIN_FIRST_REQUEST_MS);
    let mut taken = 0;
    while Instant::now() < end {
        match listener.socket.accept() {
            Ok((socket, from)) => {
                accepted(socket, Arrival::new(&from, &listener.trust), shared);
                taken += 1;
                if taken % ACCEPT_BURST == 0 {
                    sleep(ACCEPT_PAUSE);
                }
            }
            Err(error) if is_transient(&error) => {}
            // The queue is empty, or nothing can be accepted any more.
            Err(_) => return,
        }
    }
}

fn close_door(listener: &Listener) -> io::Result<()> {
    match listener.address() {
        Address::Tcp(_) => listener.socket.attach_filter(&DROP_ALL),
        // The lock next to it is held for as long as the listener lives: it is nobody else's by now.
        Address::Unix(path) => fs::remove_file(path),
    }
}
