//! TLS to Postgres: whether it is used, which server is trusted, and what prevents it.
//!
//! A session is encrypted before anything of it is said, by the thread that opens it: a handshake takes more
//! stack than a coroutine has. From then on the same calls go through [`Secured`] that otherwise go to the
//! socket; without TLS nothing of this is passed.

mod certificates;
mod handshake;
mod stream;
mod verifier;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use postgres::Config;
use postgres::config::Host;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, Error};

use crate::database_url::{Mode, Tls};
use certificates::Certificates;

pub(super) use handshake::secure;
pub(super) use stream::{Prepared, Secured};

/// How a server is asked for TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Not at all.
    Plain,
    /// If it has none, in plain text.
    IfOffered,
    /// If it has none, not at all.
    Always,
}

/// What is wanted of TLS, and what that needs.
pub(super) struct Security {
    wanted: Tls,
    certificates: Certificates,
    /// Whether it was told that a session is in plain text.
    told: AtomicBool,
}

impl Security {
    /// Nothing is read yet.
    pub(super) fn new(wanted: &Tls) -> Self {
        let certificates = Certificates::of(wanted);
        Self { wanted: wanted.clone(), certificates, told: AtomicBool::new(false) }
    }

    /// Reads the files, for a mistake to be found before anything is opened.
    ///
    /// # Errors
    /// What is wrong with which of them.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.wanted.mode {
            Mode::Disable => Ok(()),
            _ => self.certificates.current().map(drop),
        }
    }

    /// In which ways a host is to be tried, one after the other. A Unix socket is never encrypted.
    pub(super) fn ways(&self, config: &Config, host: usize) -> &'static [Way] {
        let is_unix = config.get_hostaddrs().get(host).is_none()
            && matches!(config.get_hosts().get(host), Some(Host::Unix(_)));
        match self.wanted.mode {
            _ if is_unix => &[Way::Plain],
            Mode::Disable => &[Way::Plain],
            Mode::Allow => &[Way::Plain, Way::Always],
            Mode::Prefer => &[Way::IfOffered, Way::Plain],
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => &[Way::Always],
        }
    }

    /// Says once that what is said can be read on the way, where that is not what was asked for.
    pub(super) fn tell_plain(&self, place: &str, why: &dyn fmt::Display) {
        if !self.told.swap(true, Ordering::Relaxed) {
            log::warn!(
                "the sessions with {place} are in plain text: {why}; sslmode=verify-full in DATABASE_URL makes \
                 sure of TLS, sslmode=disable does without"
            );
        }
    }

    fn failure(&self, place: &str, why: Why) -> TlsError {
        TlsError { mode: self.wanted.mode, place: place.to_owned(), why }
    }
}

/// Host and port, as they are told.
pub(super) fn place(config: &Config, host: usize) -> String {
    let ports = config.get_ports();
    let port = ports.get(host).or(ports.first()).copied().unwrap_or(super::socket::DEFAULT_PORT);
    match (config.get_hosts().get(host), config.get_hostaddrs().get(host)) {
        (Some(Host::Tcp(name)), _) => format!("{name}:{port}"),
        (_, Some(address)) => SocketAddr::new(*address, port).to_string(),
        (Some(Host::Unix(folder)), None) => folder.display().to_string(),
        (None, None) => "nowhere".to_owned(),
    }
}

/// The name that the certificate must be for. `None`: no certificate can have such a name.
fn server_name(config: &Config, host: usize) -> Option<ServerName<'static>> {
    match (config.get_hosts().get(host), config.get_hostaddrs().get(host)) {
        (Some(Host::Tcp(name)), _) => ServerName::try_from(name.clone()).ok(),
        (_, Some(address)) => Some(ServerName::from(*address)),
        _ => None,
    }
}

/// Stands for a name that is not looked at; nothing of it is sent.
fn nameless() -> ServerName<'static> {
    ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// Why a session cannot be encrypted as it has to be.
#[derive(Debug)]
pub struct TlsError {
    mode: Mode,
    place: String,
    why: Why,
}

#[derive(Debug)]
enum Why {
    /// The server has no TLS.
    Refused,
    /// What it answers is neither yes nor no.
    NoAnswer(u8),
    /// It knows nothing of a TLS that begins at once.
    NotDirect,
    /// The name of the host is none that a certificate can have.
    Name,
    /// A file that was there at the start is not what it was.
    Files(String),
    /// What came of the handshake, or later.
    Handshake(Error),
    /// The connection ended, or was silent, before the server said whether it has TLS.
    Unanswered(io::Error),
    /// ... or in the handshake.
    Socket(io::Error),
}

impl TlsError {
    /// The cause, if it is the socket's.
    pub(super) fn socket(&self) -> Option<&io::Error> {
        match &self.why {
            Why::Unanswered(error) | Why::Socket(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the server has said nothing, of TLS or of anything else.
    pub(super) fn is_unanswered(&self) -> bool {
        match &self.why {
            Why::Unanswered(_) => true,
            Why::Socket(error) => error.kind() == io::ErrorKind::TimedOut,
            _ => false,
        }
    }

    /// Whether waiting is of no use at all: a setting has to be changed, or a certificate.
    pub(super) fn is_final(&self) -> bool {
        self.socket().is_none()
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, place, why } = self;
        write!(f, "no TLS with {place} (sslmode={}): ", mode.name())?;
        match why {
            Why::Refused => f.write_str("the server has none"),
            Why::NoAnswer(byte) => {
                write!(f, "asked for it, the server answers {byte:#04x}, which is no Postgres")
            }
            Why::NotDirect => f.write_str(
                "the server does not speak Postgres at once (sslnegotiation=direct needs Postgres 17)",
            ),
            Why::Name => f.write_str("no certificate can be for a host of this name"),
            Why::Files(why) => f.write_str(why),
            Why::Handshake(error) => write!(f, "{}", Told(error)),
            Why::Socket(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("the server ends the connection in the handshake")
            }
            Why::Unanswered(error) | Why::Socket(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for TlsError {}

/// In words for the operator; the library's where they are as good.
pub(super) struct Told<'e>(pub(super) &'e Error);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use CertificateError as Bad;
        match self.0 {
        Error::InvalidCertificate(bad) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => f.write_str("the server's certificate has expired"),
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                f.write_str("the server's certificate is not valid yet (is the clock right?)")
            }
            Bad::UnknownIssuer => f.write_str(
                "the server's certificate is by an authority that is not known here (sslrootcert names those \
                 that are)",
            ),
            Bad::NotValidForNameContext { expected, presented } if presented.is_empty() => {
                write!(f, "the server's certificate is for no host at all, and not for {}", expected.to_str())
            }
            Bad::NotValidForNameContext { expected, presented } => {
                let presented = presented.join(", ");
                write!(f, "the server's certificate is for {presented} and not for {}", expected.to_str())
            }
            Bad::NotValidForName => f.write_str("the server's certificate is for another host"),
            bad => write!(f, "the server's certificate is not accepted: {bad}"),
        },
        Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied,
        ) => write!(f, "the server does not accept our certificate (sslcert): {}", self.0),
        Error::InvalidMessage(_) => f.write_str("what the server sends is no TLS"),
        error => write!(f, "{error}"),
    }
    }
}

/// The error of TLS in an error of the client library, if there is one.
pub(super) fn cause(error: &postgres::Error) -> Option<&Error> {
    let io = std::error::Error::source(error)?.downcast_ref::<io::Error>()?;
    io.get_ref()?.downcast_ref()
}
