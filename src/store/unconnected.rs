//! Why there is no session, and whether waiting for one is any use.

use std::fmt;
use std::io;

use super::failure::Chain;
use super::server::Durability;
use super::tls::{self, TlsError};

/// Why there is no first session.
#[derive(Debug)]
pub enum NoSession {
    /// The process ends.
    Stopped,
    /// Postgres refuses us, and will go on to do so.
    Refused(ConnectError),
}

/// Why a session could not be opened.
#[derive(Debug)]
pub enum ConnectError {
    /// The server or the way to it.
    Postgres(postgres::Error),
    /// The way to it, before anything was said.
    Socket(io::Error),
    /// It is not encrypted as it has to be.
    Tls(TlsError),
    /// A server that is read-only where one that writes is wanted, or the other way round.
    Session {
        /// Which it is.
        read_only: bool,
    },
    /// A server that another one has succeeded.
    Succeeded {
        /// Its timeline.
        timeline: i32,
        /// The other one's.
        seen: i32,
    },
    /// A server older than 17, as `server_version_num`.
    TooOld(i32),
    /// A database in another encoding than UTF8.
    Encoding(String),
    /// A pooler that shares backends between the transactions of several sessions.
    Pooled,
    /// A server that can lose what it has committed, where such a one is to be refused.
    Weak(Durability),
}

impl ConnectError {
    /// Whether nobody answered in time.
    pub(super) fn is_silence(&self) -> bool {
        let io = match self {
            Self::Socket(error) => Some(error),
            Self::Tls(error) => error.socket(),
            Self::Postgres(error) => std::error::Error::source(error).and_then(|cause| cause.downcast_ref()),
            _ => None,
        };
        io.is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::TimedOut)
    }

    /// Whether the next try will end alike: somebody has to change a setting, here or there.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::TooOld(_) | Self::Encoding(_) | Self::Weak(_) | Self::Pooled => true,
            Self::Tls(error) => !error.is_unanswered(),
            // Class 28, invalid authorization; 3D000, no such database (Postgres manual, appendix A).
            Self::Postgres(error) => match error.code() {
                Some(state) => state.code().starts_with("28") || state.code() == "3D000",
                None => tls::cause(error).is_some() || is_unauthenticated(error),
            },
            Self::Socket(_) | Self::Session { .. } | Self::Succeeded { .. } => false,
        }
    }
}

impl ConnectError {
    /// Whether waiting is of no use at all, as it may be where a server is being set up.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Tls(error) => error.is_final(),
            Self::Postgres(error) => tls::cause(error).is_some() || is_unauthenticated(error),
            _ => false,
        }
    }

    /// Whether the connection is not as the settings of TLS want it, or not as its files allow.
    #[must_use]
    pub fn is_setting(&self) -> bool {
        self.is_final() || matches!(self, Self::Tls(error) if !error.is_unanswered())
    }

    /// Whether a server that refuses this way may take us with TLS instead of without, or without instead of
    /// with it: the handshake failed, or nothing in pg_hba.conf is for us on this one (28000).
    pub(super) fn asks_for_another_way(&self) -> bool {
        match self {
            Self::Tls(error) => !error.is_unanswered(),
            Self::Postgres(error) => match error.code() {
                Some(state) => state.code() == "28000",
                None => tls::cause(error).is_some(),
            },
            _ => false,
        }
    }
}

/// The way of signing in is not one that we allow: channel binding is required, no password is given.
fn is_unauthenticated(error: &postgres::Error) -> bool {
    // The library has no predicate for it.
    let text = error.to_string();
    ["authentication error", "invalid configuration"].iter().any(|start| text.starts_with(start))
}

impl From<TlsError> for ConnectError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

impl From<postgres::Error> for ConnectError {
    fn from(error: postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(error) => match tls::cause(error) {
                Some(error) => write!(f, "TLS: {}", tls::Told(error)),
                None => write!(f, "{}", Chain(error)),
            },
            Self::Socket(error) => write!(f, "error connecting to server: {error}"),
            Self::Tls(error) => write!(f, "{error}"),
            Self::Session { read_only: true } => f.write_str("the server is read-only"),
            Self::Session { read_only: false } => {
                f.write_str("the server is not read-only, as target_session_attrs asks")
            }
            Self::Succeeded { timeline, seen } => {
                write!(f, "the server is on timeline {timeline}, and one on timeline {seen} has succeeded it")
            }
            Self::TooOld(version) => write!(f, "Postgres {} is too old, 17 is needed", version / 10_000),
            Self::Encoding(encoding) => write!(f, "the database is encoded in {encoding}, UTF8 is needed"),
            Self::Pooled => f.write_str(
                "a pooler shares connections between transactions, and sessions here have settings of their own: \
                 use its session mode (PgBouncer: pool_mode = session), or Postgres itself",
            ),
            Self::Weak(settings) => {
                write!(f, "{settings}, so what is committed may be lost (POUCO_DURABILITY=refuse)")
            }
        }
    }
}

impl std::error::Error for ConnectError {}
