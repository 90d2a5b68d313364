//! The socket of a reading connection: opened by a thread that may block, then used by a coroutine that parks.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use postgres::Config;
use postgres::config::{Host, LoadBalanceHosts};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::waiting::interest::{HUNG_UP, Interest, WRITABLE};

/// Where Postgres listens if nobody says.
const DEFAULT_PORT: u16 = 5432;

/// A connected socket.
pub(super) struct Line {
    socket: Socket,
    /// Whether who reads it is a thread, which waits in the kernel.
    blocking: AtomicBool,
    /// Whether a read may find something: a read that leaves room has emptied the socket, and what comes later raises a new
    /// edge (epoll(7)).
    readable: AtomicBool,
    /// Whether a write found no room.
    full: AtomicBool,
    /// Whether the end or an error was announced, which is not done again.
    hung_up: AtomicBool,
    /// Whether the event loop does not take it, so that nobody can wait for it.
    unwatched: AtomicBool,
}

impl Line {
    /// Connects to the host of this index. Blocks, for each of its addresses at most as long as `config` says.
    ///
    /// # Errors
    /// Those of its last address.
    pub(super) fn connect(config: &Config, host: usize) -> io::Result<Self> {
        Self::new(connect_to(config, host)?, config)
    }

    fn new(socket: Socket, config: &Config) -> io::Result<Self> {
        // Nobody waits longer for the first answers than for the connection.
        socket.set_read_timeout(config.get_connect_timeout().copied())?;
        Ok(Self {
            socket,
            blocking: AtomicBool::new(true),
            readable: AtomicBool::new(false),
            full: AtomicBool::new(false),
            hung_up: AtomicBool::new(false),
            unwatched: AtomicBool::new(false),
        })
    }

    /// From now on a coroutine uses it, and waits with this.
    pub(super) fn hand_over(&self) -> io::Result<Interest> {
        self.socket.set_read_timeout(None)?;
        self.socket.set_nonblocking(true)?;
        self.blocking.store(false, Ordering::Relaxed);
        self.readable.store(true, Ordering::Relaxed);
        match self.socket.domain()? {
            Domain::UNIX => match Interest::input(&self.socket)? {
                Some(interest) => Ok(interest),
                None => Interest::both(&self.socket),
            },
            _ => Interest::both(&self.socket),
        }
    }

    /// For the opening thread: its next read waits for what comes.
    pub(super) fn block(&self) {
        self.readable.store(true, Ordering::Relaxed);
    }

    /// For a coroutine: parks until a read may find something, or until there may be room where a write found none.
    pub(super) fn park(&self, interest: &mut Interest) {
        let full = self.full.swap(false, Ordering::Relaxed);
        if full && interest.is_input() {
            // Tells of room, also of what there is by now.
            match Interest::both(&self.socket) {
                Ok(both) => *interest = both,
                Err(_) => return self.unwatched.store(true, Ordering::Relaxed),
            }
        }
        while !self.readable.load(Ordering::Relaxed) {
            let events = interest.wait();
            if events & !WRITABLE != 0 {
                self.readable.store(true, Ordering::Relaxed);
            }
            if events & HUNG_UP != 0 {
                self.hung_up.store(true, Ordering::Relaxed);
            }
            if full {
                return;
            }
        }
    }

    /// Reads what has come. `None` if there is nothing.
    fn read(&self, room: &mut [u8]) -> io::Result<Option<usize>> {
        if self.unwatched.load(Ordering::Relaxed) {
            return Err(io::Error::other("the event loop takes no more sockets"));
        }
        let blocking = self.blocking.load(Ordering::Relaxed);
        while self.readable.load(Ordering::Relaxed) {
            match recv(&self.socket, &mut *room, RecvFlags::empty()) {
                Ok((count, _)) => {
                    // A thread would wait in the next read; it knows better whether there is more to come.
                    let more = !blocking && (count == room.len() || self.hung_up.load(Ordering::Relaxed));
                    self.readable.store(more, Ordering::Relaxed);
                    return Ok(Some(count));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if blocking => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "Postgres does not answer"));
                }
                Err(Errno::AGAIN) => self.readable.store(false, Ordering::Relaxed),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Sends something of `bytes`. `None` if there is no room.
    fn write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        loop {
            match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(count) => return Ok(Some(count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.full.store(true, Ordering::Relaxed);
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The hosts of `config`, in the order in which they are to be tried.
pub(super) fn hosts(config: &Config) -> impl Iterator<Item = usize> {
    let all = config.get_hosts().len().max(config.get_hostaddrs().len());
    let first = match config.get_load_balance_hosts() {
        LoadBalanceHosts::Random if all > 0 => fastrand::usize(..all),
        _ => 0,
    };
    (0..all).map(move |index| (first + index) % all)
}

/// Connects to the host of this index, at the first of its addresses that takes it.
fn connect_to(config: &Config, index: usize) -> io::Result<Socket> {
    let ports = config.get_ports();
    let port = ports.get(index).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
    if let Some(address) = config.get_hostaddrs().get(index) {
        return connect_tcp(config, SocketAddr::new(*address, port));
    }
    match &config.get_hosts()[index] {
        Host::Unix(folder) => {
            let address = SockAddr::unix(folder.join(format!(".s.PGSQL.{port}")))?;
            connect(Domain::UNIX, &address, config.get_connect_timeout())
        }
        Host::Tcp(name) => {
            let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
            for address in (name.as_str(), port).to_socket_addrs()? {
                match connect_tcp(config, address) {
                    Ok(socket) => return Ok(socket),
                    Err(error) => last = error,
                }
            }
            Err(last)
        }
    }
}

fn connect_tcp(config: &Config, address: SocketAddr) -> io::Result<Socket> {
    let socket = connect(Domain::for_address(address), &address.into(), config.get_connect_timeout())?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(config.get_tcp_user_timeout().copied())?;
    if config.get_keepalives() {
        let mut keepalive = TcpKeepalive::new().with_time(config.get_keepalives_idle());
        if let Some(interval) = config.get_keepalives_interval() {
            keepalive = keepalive.with_interval(interval);
        }
        if let Some(retries) = config.get_keepalives_retries() {
            keepalive = keepalive.with_retries(retries);
        }
        socket.set_tcp_keepalive(&keepalive)?;
    }
    Ok(socket)
}

fn connect(domain: Domain, address: &SockAddr, timeout: Option<&Duration>) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::STREAM, None)?;
    match timeout {
        Some(timeout) => socket.connect_timeout(address, *timeout)?,
        None => socket.connect(address)?,
    }
    Ok(socket)
}

/// What the client library reads from and writes to. It is never woken through its context: whoever polls it waits by
/// [`Line::park`] before the next time.
pub(super) struct Pipe(pub(super) Arc<Line>);

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(count) = self.0.read(room.initialize_unfilled())? else { return Poll::Pending };
        room.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(count) = self.0.write(bytes)? else { return Poll::Pending };
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_tcp_connection_is_kept_alive_as_the_settings_say() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connected = |settings: &str| {
            let config = format!("host=127.0.0.1 port={port} user=anyone {settings}").parse().unwrap();
            connect_to(&config, 0).unwrap()
        };
        let kept =
            connected("keepalives_idle=7 keepalives_interval=3 keepalives_retries=2 tcp_user_timeout=9");
        assert!(kept.tcp_nodelay().unwrap() && kept.keepalive().unwrap());
        assert_eq!(kept.tcp_keepalive_time().unwrap(), Duration::from_secs(7));
        assert_eq!(kept.tcp_keepalive_interval().unwrap(), Duration::from_secs(3));
        assert_eq!(kept.tcp_keepalive_retries().unwrap(), 2);
        assert_eq!(kept.tcp_user_timeout().unwrap(), Some(Duration::from_secs(9)));
        assert!(!connected("keepalives=0").keepalive().unwrap());
    }
}
