//! One connection to Postgres with its prepared statements, and the patience to get it back.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use postgres::error::{Severity, SqlState};
use postgres::{Client, Config, NoTls, Row, Statement};

use super::Unavailable;
use super::reading::Opened;

/// A try to connect that takes longer counts as failed.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Pauses between tries: doubled from the first to the last, which keeps a waiting replica from costing anything.
const FIRST_RETRY: Duration = Duration::from_millis(20);
const LAST_RETRY: Duration = Duration::from_millis(500);

/// When a TCP connection that goes silent counts as lost, unless `DATABASE_URL` says otherwise. The system's own answer is
/// two hours, or never. A stopped Postgres is not silent: its kernel still acknowledges. Unix sockets need none of this.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);
/// What the client library has for [`KEEPALIVE_IDLE`] if nobody set it.
const UNSET_KEEPALIVE_IDLE: Duration = Duration::from_secs(2 * 60 * 60);

/// The longest pause before the same is tried again on a session that works.
const LONGEST_PAUSE_MS: u64 = 128;

/// The oldest server that has the builtin locale provider, on which case folding rests.
const OLDEST_SERVER: i32 = 170_000;

/// Where Postgres is, and whether the process still wants it.
#[derive(Clone)]
pub struct Connector(Arc<ConnectorState>);

struct ConnectorState {
    config: Config,
    stopping: AtomicBool,
    connected: AtomicUsize,
}

impl Connector {
    /// A connector for `config`; nothing is opened yet.
    #[must_use]
    pub fn new(mut config: Config) -> Self {
        config.application_name("pouco");
        bound_silence(&mut config);
        Self(Arc::new(ConnectorState {
            config,
            stopping: AtomicBool::new(false),
            connected: AtomicUsize::new(0),
        }))
    }

    /// Makes every wait for a first connection or for a lost one give up.
    pub fn stop_waiting(&self) {
        self.0.stopping.store(true, Ordering::Release);
    }

    /// Rests before something is tried for another time: longer each time, and never the same for two replicas.
    ///
    /// # Errors
    /// [`Unavailable::ShuttingDown`] after [`Connector::stop_waiting`].
    pub(crate) fn rest_before_retry(&self, tries: u32) -> Result<(), Unavailable> {
        let longest = 1_u64.checked_shl(tries).unwrap_or(u64::MAX).min(LONGEST_PAUSE_MS);
        std::thread::sleep(Duration::from_millis(fastrand::u64(longest / 2..=longest)));
        match self.0.stopping.load(Ordering::Acquire) {
            true => Err(Unavailable::ShuttingDown),
            false => Ok(()),
        }
    }

    /// Sessions that are believed to be alive.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.0.connected.load(Ordering::Relaxed)
    }

    /// Opens a session, trying again until it works or [`Connector::stop_waiting`] is called.
    ///
    /// # Errors
    /// [`Unavailable::ShuttingDown`] after a stop.
    pub fn open_patiently(&self) -> Result<Session, Unavailable> {
        self.patiently(|| self.open())
    }

    fn patiently<S>(&self, open: impl Fn() -> Result<S, ConnectError>) -> Result<S, Unavailable> {
        let mut pause = FIRST_RETRY;
        let mut said = false;
        loop {
            if self.0.stopping.load(Ordering::Acquire) {
                return Err(Unavailable::ShuttingDown);
            }
            match open() {
                Ok(session) => {
                    if said {
                        log::info!("Postgres is back");
                    }
                    return Ok(session);
                }
                Err(error) => {
                    if !said {
                        log::warn!("waiting for Postgres: {error}");
                        said = true;
                    }
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(LAST_RETRY);
                }
            }
        }
    }

    /// Opens a session, once.
    ///
    /// # Errors
    /// What the connection or the first look at the server met.
    pub fn open(&self) -> Result<Session, ConnectError> {
        let mut client = self.0.config.connect(NoTls).map_err(ConnectError::Postgres)?;
        check_server(&client.query_one(SERVER, &[]).map_err(ConnectError::Postgres)?)?;
        Ok(Session { client, statements: Vec::new(), _connected: self.count() })
    }

    /// As [`Connector::open_patiently`], for a connection that a coroutine will use.
    pub(super) fn open_for_reading(&self) -> Result<Opened, Unavailable> {
        self.patiently(|| Opened::open(&self.0.config, || self.count()))
    }

    fn count(&self) -> Connected {
        self.0.connected.fetch_add(1, Ordering::Relaxed);
        Connected(self.0.clone())
    }
}

/// A session that is believed to be alive, for as long as this lives.
pub(super) struct Connected(Arc<ConnectorState>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connected.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sets what the user has not set.
fn bound_silence(config: &mut Config) {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNACKNOWLEDGED);
    }
    if config.get_keepalives_idle() == UNSET_KEEPALIVE_IDLE {
        config.keepalives_idle(KEEPALIVE_IDLE);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(KEEPALIVE_INTERVAL);
    }
}

/// Asks for what [`check_server`] looks at.
pub(super) const SERVER: &str =
    "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')";

/// Whether the server is one that this was made for.
pub(super) fn check_server(row: &Row) -> Result<(), ConnectError> {
    let version = row.try_get(0).map_err(ConnectError::Postgres)?;
    let encoding: String = row.try_get(1).map_err(ConnectError::Postgres)?;
    if version < OLDEST_SERVER {
        return Err(ConnectError::TooOld(version));
    }
    if encoding != "UTF8" {
        return Err(ConnectError::Encoding(encoding));
    }
    Ok(())
}

/// Why a session could not be opened.
#[derive(Debug)]
pub enum ConnectError {
    /// The server or the way to it.
    Postgres(postgres::Error),
    /// The way to it, before anything was said.
    Socket(io::Error),
    /// A session that is read-only where one that writes is wanted, or the other way round.
    Session,
    /// A server older than 17, as `server_version_num`.
    TooOld(i32),
    /// A database in another encoding than UTF8.
    Encoding(String),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(error) => write!(f, "{}", Chain(error)),
            Self::Socket(error) => write!(f, "error connecting to server: {error}"),
            Self::Session => f.write_str("the server is not of the kind that target_session_attrs wants"),
            Self::TooOld(version) => write!(f, "Postgres {} is too old, 17 is needed", version / 10_000),
            Self::Encoding(encoding) => write!(f, "the database is encoded in {encoding}, UTF8 is needed"),
        }
    }
}

impl std::error::Error for ConnectError {}

/// An error with its causes: the `postgres` crate's own text is only "db error".
pub(crate) struct Chain<'e>(pub(crate) &'e (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// An open connection. Each statement is prepared once for its life.
pub struct Session {
    client: Client,
    statements: Vec<(&'static str, Statement)>,
    _connected: Connected,
}

impl Session {
    /// The client and the prepared statement for `sql`.
    ///
    /// # Errors
    /// Those of `PREPARE`.
    pub fn prepared(&mut self, sql: &'static str) -> Result<(&mut Client, Statement), postgres::Error> {
        if let Some((_, statement)) = self.statements.iter().find(|(known, _)| std::ptr::eq(*known, sql)) {
            return Ok((&mut self.client, statement.clone()));
        }
        let statement = self.client.prepare(sql)?;
        self.statements.push((sql, statement.clone()));
        Ok((&mut self.client, statement))
    }

    /// Whether somebody still answers; waits for as long as nobody does and the connection is not known to be lost.
    ///
    /// # Errors
    /// The connection is lost.
    pub(crate) fn probe(&mut self) -> Result<(), postgres::Error> {
        self.client.batch_execute("")
    }

    /// The bare client, for what is done once.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// What a failed statement means for what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connection is gone, or Postgres itself does not know; what was sent may or may not have been done.
    Lost,
    /// Undone because of another transaction; the same again will work.
    Conflict,
    /// Undone, and this session will not do it, but another may: it forgot its statements, or its server became a standby.
    Stale,
    /// The data itself was refused.
    Data,
    /// Undone for a reason of the server's (disk full, out of memory, a missing table, cancelled, …).
    Server,
    /// Our own code does not understand the answer: done or not, and the same again will end alike.
    Broken,
}

impl Failure {
    pub(crate) fn of(error: &postgres::Error) -> Self {
        match error.as_db_error() {
            Some(said) => Self::said(said.parsed_severity(), said.code()),
            None => Self::unsaid(&error.to_string()),
        }
    }

    /// By what Postgres said. An ERROR undoes the statement and keeps the session, whatever its code; anything worse ends
    /// the session, and the statement may have been committed before.
    fn said(severity: Option<Severity>, state: &SqlState) -> Self {
        if matches!(severity, Some(Severity::Fatal | Severity::Panic)) {
            return Self::Lost;
        }
        match state.code() {
            "40001" | "40P01" => Self::Conflict,
            // "Statement completion unknown": how a distributed engine says that a commit may have been done.
            "40003" => Self::Lost,
            // Cancelled by hand or by statement_timeout; the session lives.
            "57014" => Self::Server,
            code => match &code[..2] {
                "57" | "08" => Self::Lost,
                // Data, constraints, views' checks, what exceeds a limit (an index entry too long), what a trigger raises.
                "22" | "23" | "44" | "54" | "P0" => Self::Data,
                // "Cached plan must not change result type"; a read-only or broken transaction; an unknown statement.
                "0A" | "25" | "26" => Self::Stale,
                _ => Self::Server,
            },
        }
    }

    /// By what the client library says where Postgres said nothing. It has no predicates, only texts; a test holds them.
    fn unsaid(text: &str) -> Self {
        let starts = |starts: &[&str]| starts.iter().any(|start| text.starts_with(start));
        if starts(&["error serializing parameter", "error encoding message"]) {
            return Self::Data;
        }
        if starts(&["error deserializing", "invalid column", "query returned", "expected "]) {
            return Self::Broken;
        }
        Self::Lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_what_became_of_the_statement() {
        let of = |severity, code| Failure::said(Some(severity), &SqlState::from_code(code));
        for (code, failure) in [
            ("40001", Failure::Conflict),
            ("40P01", Failure::Conflict),
            ("40003", Failure::Lost),
            ("08007", Failure::Lost),
            ("57P01", Failure::Lost),
            ("57014", Failure::Server),
            ("53100", Failure::Server),
            ("53200", Failure::Server),
            ("55P03", Failure::Server),
            ("42P01", Failure::Server),
            ("XX000", Failure::Server),
            ("25006", Failure::Stale),
            ("26000", Failure::Stale),
            ("0A000", Failure::Stale),
            ("22021", Failure::Data),
            ("23514", Failure::Data),
            ("54000", Failure::Data),
            ("P0001", Failure::Data),
        ] {
            assert_eq!(of(Severity::Error, code), failure, "{code}");
            assert_eq!(of(Severity::Fatal, code), Failure::Lost, "{code}");
            assert_eq!(of(Severity::Panic, code), Failure::Lost, "{code}");
        }
    }

    #[test]
    fn what_the_user_set_for_silence_stays() {
        let mut given: Config =
            "host=a user=b connect_timeout=7 tcp_user_timeout=8 keepalives_idle=9 keepalives_interval=6"
                .parse()
                .unwrap();
        bound_silence(&mut given);
        assert_eq!(given.get_connect_timeout(), Some(&Duration::from_secs(7)));
        assert_eq!(given.get_tcp_user_timeout(), Some(&Duration::from_secs(8)));
        assert_eq!(given.get_keepalives_idle(), Duration::from_secs(9));
        assert_eq!(given.get_keepalives_interval(), Some(Duration::from_secs(6)));
        let mut bare: Config = "host=a user=b".parse().unwrap();
        bound_silence(&mut bare);
        assert_eq!(bare.get_connect_timeout(), Some(&CONNECT_TIMEOUT));
        assert_eq!(bare.get_tcp_user_timeout(), Some(&UNACKNOWLEDGED));
        assert_eq!(bare.get_keepalives_idle(), KEEPALIVE_IDLE);
        assert_eq!(bare.get_keepalives_interval(), Some(KEEPALIVE_INTERVAL));
    }
}
