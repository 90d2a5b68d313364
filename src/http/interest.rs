//! What the event loop watches a connection's socket for.
//!
//! `may` watches a socket for input and for output. A Unix socket raises "output" each time its peer takes an answer (a
//! TCP socket only after it was full), so a kept connection would be woken twice a request, the second time for nothing,
//! and its peer would pay for that wake-up too. A connection that has proven to last is therefore watched for input alone,
//! until a write finds the socket full.
#![allow(unsafe_code)] // one descriptor becomes a stream of `may`, which offers no other way

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream as PlainStream;

use may::io::{CoIo, SplitIo, SplitReader, WaitIo, WaitIoWaker};
use may::os::unix::net::UnixStream;
use socket2::Socket;

/// A descriptor that somebody else owns and closes, for the event loop.
///
/// `CoIo` closes what it holds *before* it takes it from epoll; the number may then belong to another connection
/// already, which would lose its events. Holding only the number, and closing the socket after, avoids that.
#[derive(Debug)]
pub(crate) struct FdRef(pub(crate) RawFd);

impl AsRawFd for FdRef {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

/// A socket's place in the event loop.
pub(crate) enum Interest {
    /// Input and output, by the socket's own descriptor.
    Both(CoIo<FdRef>),
    /// Input, by a second descriptor of the same socket.
    Input(InputOnly),
}

impl Interest {
    /// Watches for input and output. What is there already is told with the first wait.
    pub(super) fn both(socket: &Socket) -> io::Result<Self> {
        let io = CoIo::new(FdRef(socket.as_raw_fd())).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self::Both(io))
    }

    /// Watches a Unix socket for input. What is there already is told with the first wait.
    pub(super) fn input(socket: &Socket) -> io::Result<Self> {
        let descriptor = OwnedFd::from(socket.try_clone()?).into_raw_fd();
        // Panics where epoll takes no more descriptors, having closed this one.
        let stream = std::panic::catch_unwind(|| {
            // SAFETY: the descriptor was made above, is open, and nobody else knows it.
            unsafe { UnixStream::from_raw_fd(descriptor) }
        });
        let stream = stream.map_err(|_| io::Error::other("epoll refuses the descriptor"))?;
        // `split` is what narrows the interest of each half; the writing half is not needed.
        let (reader, mut writer) = stream.split()?;
        let writing = take_out(writer.inner_mut());
        drop(writer);
        drop(writing);
        Ok(Self::Input(InputOnly { reader, descriptor: None }))
    }

    pub(super) fn waker(&self) -> WaitIoWaker {
        match self {
            Self::Both(io) => io.waker(),
            Self::Input(input) => input.reader.waker(),
        }
    }

    pub(super) fn wait(&self) -> usize {
        match self {
            Self::Both(io) => io.wait_io(),
            Self::Input(input) => input.reader.wait_io(),
        }
    }
}

pub(crate) struct InputOnly {
    // Leaves epoll before `descriptor` closes what it was known by: see [`FdRef`].
    reader: SplitReader<UnixStream>,
    descriptor: Option<PlainStream>,
}

impl Drop for InputOnly {
    fn drop(&mut self) {
        self.descriptor = take_out(self.reader.inner_mut());
    }
}

/// Puts another descriptor into the stream, to be closed in place of its own. `None` if there is none left: the stream
/// then closes its own.
fn take_out(stream: &mut UnixStream) -> Option<PlainStream> {
    let inner = stream.inner_mut();
    let stand_in = inner.try_clone().ok()?;
    Some(std::mem::replace(inner, stand_in))
}
