//! The socket of a session: opened and at first used by a thread, which waits in the kernel with an end to
//! its patience; handed over to a coroutine, which parks.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use postgres::Config;
use postgres::config::Host;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::waiting::interest::{HUNG_UP, Interest, WRITABLE};
use crate::waiting::life::once;

/// Where Postgres listens by default.
pub(super) const DEFAULT_PORT: u16 = 5432;

/// A connected socket.
pub(super) struct DatabaseSocket {
    socket: Socket,
    opened: Instant,
    /// Whether a thread reads it, which waits in the kernel.
    blocking: AtomicBool,
    /// Whether a read may find something: a read that leaves room has emptied the socket, and what comes
    /// later raises a new edge (epoll(7)).
    readable: AtomicBool,
    /// Whether a write found no room.
    full: AtomicBool,
    /// Whether the end or an error was announced, which is not done again.
    hung_up: AtomicBool,
    /// Whether the event loop does not take it, so that nobody can wait for it.
    unwatched: AtomicBool,
    /// Whether a thread waited without success for as long as it has patience.
    silent: AtomicBool,
    /// Whether it is of no more use, although the kernel knows nothing of that.
    given_up: AtomicBool,
    /// Whether a statement is under way.
    busy: AtomicBool,
    /// When Postgres was heard last, or was asked, in milliseconds since `opened`.
    heard_ms: AtomicU64,
    /// Until when somebody waits for the statement, in milliseconds since `opened`; [`ENDLESS`],
    /// [`CANCELLED`].
    end_ms: AtomicU64,
}

/// The statement is not to be cancelled.
const ENDLESS: u64 = u64::MAX;
/// It was.
const CANCELLED: u64 = u64::MAX - 1;

impl DatabaseSocket {
    /// Connects to the host of this index. Blocks, at most until `deadline`.
    ///
    /// # Errors
    /// Those of its last address.
    pub(super) fn connect(config: &Config, host: usize, deadline: Instant) -> io::Result<Self> {
        Ok(Self {
            socket: connect_to(config, host, deadline)?,
            opened: Instant::now(),
            blocking: AtomicBool::new(true),
            readable: AtomicBool::new(false),
            full: AtomicBool::new(false),
            hung_up: AtomicBool::new(false),
            unwatched: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            heard_ms: AtomicU64::new(0),
            end_ms: AtomicU64::new(ENDLESS),
        })
    }

    /// For a thread: how long each of its waits may last.
    pub(super) fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.socket.set_read_timeout(Some(patience))?;
        self.socket.set_write_timeout(Some(patience))
    }

    /// For a thread: its next read, or write if it found no room, waits in the kernel.
    pub(super) fn block(&self) {
        if !self.full.swap(false, Ordering::Relaxed) {
            self.readable.store(true, Ordering::Relaxed);
        }
    }

    /// For a thread: as [`DatabaseSocket::block`], but at most until `deadline`.
    pub(super) fn wait_until(&self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        // A socket that takes no timeout is of no use either.
        match left.is_zero() || self.set_patience(left).is_err() {
            true => self.give_up(),
            false => self.block(),
        }
    }

    /// For a thread: whether its last wait was without success.
    pub(super) fn was_silent(&self) -> bool {
        self.silent.swap(false, Ordering::Relaxed)
    }

    /// For a thread: its next read is an error.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
        self.readable.store(true, Ordering::Relaxed);
    }

    /// Ends the connection from aside: a coroutine that waits for it is woken, and its next read is an error.
    /// `false` if that was done before.
    pub(super) fn cut(&self) -> bool {
        if self.given_up.swap(true, Ordering::Relaxed) {
            return false;
        }
        // One that has ended already is as good.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        true
    }

    /// From now on a coroutine uses it, and waits with this.
    pub(super) fn hand_over(&self) -> io::Result<Interest> {
        self.socket.set_read_timeout(None)?;
        self.socket.set_write_timeout(None)?;
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

    /// For a coroutine: parks until a read may find something, or until there may be room where a write found
    /// none.
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

    /// A statement begins, or ends.
    pub(super) fn set_busy(&self, busy: bool) {
        self.note_heard();
        self.busy.store(busy, Ordering::Relaxed);
    }

    /// Whether a statement is under way, and how long nothing has been heard of Postgres.
    pub(super) fn silence(&self) -> (bool, Duration) {
        let heard = Duration::from_millis(self.heard_ms.load(Ordering::Relaxed));
        (self.busy.load(Ordering::Relaxed), self.opened.elapsed().saturating_sub(heard))
    }

    /// Until when somebody waits for what is sent next. `false` if what was sent before is to be cancelled:
    /// then nothing more may be sent that must not be.
    pub(super) fn set_end(&self, end: Option<Instant>) -> bool {
        let end = end.map_or(ENDLESS, |end| self.millis(end).min(CANCELLED - 1));
        let set = |known| (known != CANCELLED).then_some(end);
        self.end_ms.fetch_update(Ordering::AcqRel, Ordering::Acquire, set).is_ok()
    }

    /// From aside: whether nobody waits any more for the statement under way. Says so once.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        let overdue = |end| (end <= self.millis(now)).then_some(CANCELLED);
        self.busy.load(Ordering::Relaxed)
            && self.end_ms.fetch_update(Ordering::AcqRel, Ordering::Acquire, overdue).is_ok()
    }

    pub(super) fn was_cancelled(&self) -> bool {
        self.end_ms.load(Ordering::Acquire) == CANCELLED
    }

    fn millis(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.opened).as_millis()).unwrap_or(ENDLESS)
    }

    fn note_heard(&self) {
        let now = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard_ms.store(now, Ordering::Relaxed);
    }

    /// Reads what has come. `None` if there is nothing.
    pub(super) fn read(&self, room: &mut [u8]) -> io::Result<Option<usize>> {
        if self.unwatched.load(Ordering::Relaxed) {
            return Err(io::Error::other("the event loop takes no more sockets"));
        }
        if self.given_up.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "Postgres does not answer"));
        }
        let blocking = self.blocking.load(Ordering::Relaxed);
        while self.readable.load(Ordering::Relaxed) {
            match recv(&self.socket, &mut *room, RecvFlags::empty()) {
                Ok((count, _)) => {
                    // A thread would wait in the next read; it knows better whether there is more to come.
                    let more = !blocking && (count == room.len() || self.hung_up.load(Ordering::Relaxed));
                    self.readable.store(more, Ordering::Relaxed);
                    self.note_heard();
                    return Ok(Some(count));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.readable.store(false, Ordering::Relaxed);
                    self.silent.store(blocking, Ordering::Relaxed);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Sends the last bytes of a connection that ends, if there is room; nobody waits for it.
    pub(super) fn say_farewell(&self, bytes: &[u8]) {
        let _ = send(&self.socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    }

    /// Sends something of `bytes`. `None` if there is no room.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        loop {
            match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(count) => return Ok(Some(count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.full.store(true, Ordering::Relaxed);
                    self.silent.store(self.blocking.load(Ordering::Relaxed), Ordering::Relaxed);
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Connects to the host of this index, at the first of its addresses that takes it.
fn connect_to(config: &Config, index: usize, deadline: Instant) -> io::Result<Socket> {
    let ports = config.get_ports();
    let port = ports.get(index).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
    if let Some(address) = config.get_hostaddrs().get(index) {
        return connect_tcp(config, SocketAddr::new(*address, port), left(deadline)?);
    }
    match &config.get_hosts()[index] {
        Host::Unix(folder) => {
            let address = SockAddr::unix(folder.join(format!(".s.PGSQL.{port}")))?;
            connect(Domain::UNIX, &address, left(deadline)?)
        }
        Host::Tcp(name) => {
            let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
            let mut addresses = resolve(name, port, deadline)?;
            while let Some(address) = addresses.pop() {
                // One that stays silent leaves time for the others.
                let others = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
                let timeout = left(deadline)? / others.saturating_add(1);
                match connect_tcp(config, address, timeout) {
                    Ok(socket) => return Ok(socket),
                    Err(error) => last = error,
                }
            }
            Err(last)
        }
    }
}

/// What is left until `deadline`.
fn left(deadline: Instant) -> io::Result<Duration> {
    match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

/// The addresses of a host, the last of them to be tried first.
///
/// The system's resolver takes no timeout: a thread waits for it, which is left to its end if that is too
/// late.
fn resolve(name: &str, port: u16, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (resolved, answer) = mpsc::channel();
    let name = name.to_owned();
    // A panic drops the sender: the waiter gets an error at once.
    once("pouco-resolve", move || {
        let addresses = (name.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        // Too late for who asked.
        let _ = resolved.send(addresses);
    })?;
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the name of the host is not resolved in time");
    let mut addresses = answer.recv_timeout(left(deadline)?).map_err(late)??;
    addresses.reverse();
    Ok(addresses)
}

fn connect_tcp(config: &Config, address: SocketAddr, timeout: Duration) -> io::Result<Socket> {
    let socket = connect(Domain::for_address(address), &address.into(), timeout)?;
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

fn connect(domain: Domain, address: &SockAddr, timeout: Duration) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::STREAM, None)?;
    socket.connect_timeout(address, timeout)?;
    Ok(socket)
}

/// What the client library reads from and writes to. It is never woken through its context: its caller waits
/// by [`DatabaseSocket::block`] or [`DatabaseSocket::park`] before the next poll.
pub(super) struct Pipe(pub(super) Arc<DatabaseSocket>);

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
            connect_to(&config, 0, Instant::now() + Duration::from_secs(5)).unwrap()
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
