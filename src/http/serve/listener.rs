//! Listening sockets: addresses, binding, and the care that a Unix socket's file needs.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::ToSocketAddrs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::http::message::client::TrustedHops;

/// Connections that the kernel keeps ready for `accept`; the kernel lowers it to its own limit (`somaxconn`).
pub const BACKLOG: i32 = 4096;

/// Where to listen: `tcp:HOST:PORT` (or only `HOST:PORT`) or `unix:/path/of/socket`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Host and port; the host is resolved when it is bound, and port 0 asks for a free one.
    Tcp(String),
    /// The path of a Unix stream socket.
    Unix(PathBuf),
}

/// A text that is not an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// `unix:` and nothing behind it.
    NoPath,
    /// This is not a number of a port.
    Port(String),
    /// This is neither of the two forms.
    Form(String),
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPath => f.write_str("unix: needs a path"),
            Self::Port(port) => write!(f, "`{port}` is no port (0 to 65535)"),
            Self::Form(text) => write!(f, "`{text}` is neither tcp:HOST:PORT nor unix:/PATH"),
        }
    }
}

impl std::error::Error for AddressError {}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(AddressError::NoPath) } else { Ok(Self::Unix(path.into())) };
        }
        let host_port = text.strip_prefix("tcp:").unwrap_or(text);
        let (host, port) = host_port.rsplit_once(':').ok_or_else(|| AddressError::Form(text.to_owned()))?;
        port.parse::<u16>().map_err(|_| AddressError::Port(port.to_owned()))?;
        let host = if host.is_empty() { "0.0.0.0" } else { host };
        Ok(Self::Tcp(format!("{host}:{port}")))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host_port) => write!(f, "tcp:{host_port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A bound, non-blocking socket that listens once its server starts. A Unix socket's file is removed when
/// this is dropped, unless the socket was handed over.
#[derive(Debug)]
pub struct Listener {
    pub(crate) socket: Socket,
    pub(crate) trust: Arc<Trust>,
    address: Address,
    /// Whether it goes with this process. One that was handed over is its manager's, and serves on.
    owned: bool,
    /// Held while the socket lives: its holder may unlink the path. The file itself stays, since unlinking a
    /// lock file lets two processes lock two files of one name.
    _lock: Option<File>,
}

/// What is believed of those who connect.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    pub(crate) hops: TrustedHops,
    /// Whether trusted hops begin each connection with a header of the PROXY protocol.
    pub(crate) proxy_protocol: bool,
}

impl Listener {
    /// Binds; until `listen` clients are refused. `socket_mode` is the permission of a Unix socket's file.
    ///
    /// # Errors
    /// Those of the system; `AddrInUse` if another process serves the address.
    pub fn bind(address: &Address, socket_mode: u32) -> io::Result<Self> {
        Self::bind_as(address, socket_mode, false)
    }

    /// As [`Listener::bind`], together with other processes that bind the same TCP address in this way: the
    /// kernel gives each of them its part of the connections (`SO_REUSEPORT`, socket(7)). A Unix socket is
    /// one process's in any case.
    ///
    /// # Errors
    /// As for [`Listener::bind`]; `AddrInUse` also if another process, or another user's, has not bound it in
    /// this way.
    pub fn bind_shared(address: &Address, socket_mode: u32) -> io::Result<Self> {
        Self::bind_as(address, socket_mode, true)
    }

    fn bind_as(address: &Address, socket_mode: u32, shared: bool) -> io::Result<Self> {
        let listener = match address {
            Address::Tcp(host_port) => Self::bind_tcp(host_port, shared)?,
            Address::Unix(path) => Self::bind_unix(path, socket_mode)?,
        };
        listener.socket.set_nonblocking(true)?;
        Ok(listener)
    }

    /// A socket that somebody else has bound, listens on, and keeps when this process ends: whoever connects
    /// meanwhile waits for the next one.
    ///
    /// # Errors
    /// Those of the system; `InvalidInput` if it is not a stream socket that listens, or has neither a port
    /// nor a path.
    pub fn inherit(socket: Socket) -> io::Result<Self> {
        let no = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
        if socket.r#type()? != Type::STREAM || !socket.is_listener()? {
            return Err(no("it is no stream socket that listens"));
        }
        let bound = socket.local_addr()?;
        let address = match (bound.as_socket(), bound.as_pathname()) {
            (Some(address), _) => {
                socket.set_tcp_nodelay(true)?;
                Address::Tcp(address.to_string())
            }
            (None, Some(path)) => Address::Unix(path.to_owned()),
            (None, None) => return Err(no("it has neither a port nor a path")),
        };
        socket.set_nonblocking(true)?;
        Ok(Self { socket, trust: Arc::default(), address, owned: false, _lock: None })
    }

    /// Whether it goes with this process.
    pub(crate) fn is_owned(&self) -> bool {
        self.owned
    }

    /// Behind other hops than those that are trusted by default. With `proxy_protocol` each connection of a
    /// trusted one begins with a header of that protocol, version 1 or 2, and is cut without it.
    #[must_use]
    pub fn behind(mut self, hops: TrustedHops, proxy_protocol: bool) -> Self {
        self.trust = Arc::new(Trust { hops, proxy_protocol });
        self
    }

    /// Lets clients connect.
    ///
    /// # Errors
    /// Those of the system; `AddrInUse` if another process came first.
    pub(crate) fn listen(&self) -> io::Result<()> {
        if self.owned { self.socket.listen(BACKLOG) } else { Ok(()) }
    }

    /// The address in use; for port 0 the port that was given.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    fn bind_tcp(host_port: &str, shared: bool) -> io::Result<Self> {
        let resolved = host_port.to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let socket = Socket::new(Domain::for_address(resolved), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(shared)?;
        // Accepted sockets inherit this: answers are written whole, waiting to fill a segment only delays
        // them.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&resolved.into())?;
        let bound = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let address = Address::Tcp(bound.to_string());
        Ok(Self { socket, trust: Arc::default(), address, owned: true, _lock: None })
    }

    /// Race window: between a killed process and its successor the path still exists. Binding needs it gone,
    /// and unlinking it blindly would cut off a living server. So a lock next to it, which the kernel frees
    /// at any death, is taken first; its holder alone may unlink.
    fn bind_unix(path: &Path, socket_mode: u32) -> io::Result<Self> {
        let lock = lock_beside(path)?;
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        fs::set_permissions(path, fs::Permissions::from_mode(socket_mode))?;
        let address = Address::Unix(path.to_owned());
        Ok(Self { socket, trust: Arc::default(), address, owned: true, _lock: Some(lock) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.owned
            && let Address::Unix(path) = &self.address
        {
            // Only the file is left to clean; if that fails the next start does it under the lock.
            let _ = fs::remove_file(path);
        }
    }
}

fn lock_beside(path: &Path) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(name)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(io::ErrorKind::AddrInUse.into()),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Listener};

    #[test]
    fn a_port_is_shared_only_by_those_who_say_so() {
        let any = "tcp:127.0.0.1:0".parse().unwrap();
        let shared = Listener::bind_shared(&any, 0o660).unwrap();
        shared.listen().unwrap();
        let second = Listener::bind_shared(shared.address(), 0o660).unwrap();
        second.listen().unwrap();
        assert!(Listener::bind(shared.address(), 0o660).is_err());
    }

    #[test]
    fn addresses_are_parsed_and_shown() {
        let shown = |text: &str| text.parse::<Address>().map(|address| address.to_string());
        assert_eq!(shown("tcp:127.0.0.1:80"), Ok("tcp:127.0.0.1:80".into()));
        assert_eq!(shown(":9999"), Ok("tcp:0.0.0.0:9999".into()));
        assert_eq!(shown("unix:/run/x.sock"), Ok("unix:/run/x.sock".into()));
        for broken in ["", "unix:", "9999", "localhost:", "localhost:70000"] {
            assert!(shown(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_living_unix_socket_is_not_taken_and_a_stale_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let address = Address::Unix(path.clone());
        let first = Listener::bind(&address, 0o660).unwrap();
        assert_eq!(Listener::bind(&address, 0o660).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
        drop(first);
        assert!(!path.exists());
        // What a killed process leaves behind: the file of a socket that nobody holds.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        Listener::bind(&address, 0o660).unwrap();
    }
}
