//! What the event loop watches a socket for.
//!
//! `may` watches a socket for input and for output. A Unix socket raises "output" each time its peer takes
//! what was sent (a TCP socket only after it was full), so a kept connection would be woken twice a request,
//! the second time for nothing, and its peer would pay for that wake-up too. A connection that lasts is
//! therefore watched for input alone, until a write finds the socket full.
#![allow(unsafe_code)] // one descriptor becomes a stream of `may`, which offers no other way

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream as PlainStream;

use may::io::{CoIo, SplitIo, SplitReader, WaitIo, WaitIoWaker};
use may::os::unix::net::UnixStream;
use socket2::Socket;

/// The event of [`Interest::wait`] after which a read finds nothing (epoll_ctl(2)): OUT, which a Unix socket
/// raises whenever its peer takes something. After any other one it may.
pub(crate) const WRITABLE: usize = 0x4;

/// The events after which every read returns at once, with the end or the error: ERR, HUP, RDHUP.
pub(crate) const HUNG_UP: usize = 0x8 | 0x10 | 0x2000;

/// A descriptor that somebody else owns and closes, for the event loop.
///
/// `CoIo` closes what it holds *before* it takes it from epoll; the number may then belong to another
/// connection already, which would lose its events. Holding only the number, and closing the socket after,
/// avoids that.
#[derive(Debug)]
pub(crate) struct FdRef(RawFd);

impl AsRawFd for FdRef {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

/// Has the event loop watch a descriptor, which must outlive what is returned, for input and output; sets it
/// to non-blocking. What is there already is told with the first wait.
pub(crate) fn watch(descriptor: &impl AsFd) -> io::Result<CoIo<FdRef>> {
    let descriptor = FdRef(descriptor.as_fd().as_raw_fd());
    CoIo::new(descriptor).map_err(|error| io::Error::other(error.to_string()))
}

/// A socket's place in the event loop; a listener's is never narrowed.
pub(crate) enum Interest {
    /// Input and output, by the socket's own descriptor.
    Both(CoIo<FdRef>),
    /// Input, by a second descriptor of the same socket.
    Input(InputOnly),
}

impl Interest {
    /// Watches for input and output. What is there already is told with the first wait.
    pub(crate) fn both(socket: &Socket) -> io::Result<Self> {
        Ok(Self::Both(watch(socket)?))
    }

    /// Watches a Unix socket for input. What is there already is told with the first wait. `None` if there
    /// are not the descriptors for it, and nothing has changed.
    ///
    /// # Errors
    /// After one the socket must be closed before anybody waits: `may` has freed what epoll still knows of
    /// it, and only the end of the socket makes epoll forget.
    pub(crate) fn input(socket: &Socket) -> io::Result<Option<Self>> {
        // Whatever could lack a descriptor comes before the first registration; the last of them is for
        // `split`.
        let copies = [copy(socket), copy(socket), copy(socket), copy(socket)];
        let [Ok(watched), Ok(reading), Ok(writing), Ok(spare)] = copies else { return Ok(None) };
        let descriptor = watched.into_raw_fd();
        // Panics where epoll takes no more descriptors, having closed this one.
        let stream = std::panic::catch_unwind(|| {
            // SAFETY: the descriptor was made above, is open, and nobody else knows it.
            unsafe { UnixStream::from_raw_fd(descriptor) }
        });
        let Ok(stream) = stream else { return Ok(None) };
        drop(spare);
        // `split` is what narrows the interest of each half; the writing half is not needed.
        let (reader, mut writer) = stream.split()?;
        let descriptor = std::mem::replace(writer.inner_mut().inner_mut(), writing);
        drop(writer);
        drop(descriptor);
        Ok(Some(Self::Input(InputOnly { reader, stand_in: Some(reading), descriptor: None })))
    }

    pub(crate) fn is_input(&self) -> bool {
        matches!(self, Self::Input(_))
    }

    pub(crate) fn waker(&self) -> WaitIoWaker {
        match self {
            Self::Both(io) => io.waker(),
            Self::Input(input) => input.reader.waker(),
        }
    }

    pub(crate) fn wait(&self) -> usize {
        match self {
            Self::Both(io) => io.wait_io(),
            Self::Input(input) => input.reader.wait_io(),
        }
    }
}

pub(crate) struct InputOnly {
    // Leaves epoll before `descriptor` closes what it was known by: see [`FdRef`].
    reader: SplitReader<UnixStream>,
    /// What the stream closes in place of its own. Had from the start: at the end there might be none left.
    stand_in: Option<PlainStream>,
    descriptor: Option<PlainStream>,
}

impl Drop for InputOnly {
    fn drop(&mut self) {
        if let Some(stand_in) = self.stand_in.take() {
            self.descriptor = Some(std::mem::replace(self.reader.inner_mut().inner_mut(), stand_in));
        }
    }
}

fn copy(socket: &Socket) -> io::Result<PlainStream> {
    Ok(PlainStream::from(OwnedFd::from(socket.try_clone()?)))
}
