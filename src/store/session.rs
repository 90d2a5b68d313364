//! One connection to Postgres with its prepared statements, and the patience to get it back.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use postgres::error::SqlState;
use postgres::{Client, Config, NoTls, Statement};

use super::Unavailable;

/// A try to connect that takes longer counts as failed.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Pauses between tries: doubled from the first to the last, which keeps a waiting replica from costing anything.
const FIRST_RETRY: Duration = Duration::from_millis(20);
const LAST_RETRY: Duration = Duration::from_millis(500);

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
        config.connect_timeout(CONNECT_TIMEOUT).application_name("pouco");
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
        let mut pause = FIRST_RETRY;
        let mut said = false;
        loop {
            if self.0.stopping.load(Ordering::Acquire) {
                return Err(Unavailable::ShuttingDown);
            }
            match self.open() {
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
        check_server(&mut client)?;
        self.0.connected.fetch_add(1, Ordering::Relaxed);
        Ok(Session { client, statements: Vec::new(), shared: self.0.clone() })
    }
}

fn check_server(client: &mut Client) -> Result<(), ConnectError> {
    let row = client
        .query_one(
            "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')",
            &[],
        )
        .map_err(ConnectError::Postgres)?;
    let (version, encoding): (i32, String) = (row.get(0), row.get(1));
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
    /// A server older than 17, as `server_version_num`.
    TooOld(i32),
    /// A database in another encoding than UTF8.
    Encoding(String),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(error) => write!(f, "{}", Chain(error)),
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
    shared: Arc<ConnectorState>,
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

    /// The bare client, for what is done once.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.connected.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a failed statement means for what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connection is gone; what was sent may or may not have been done.
    Lost,
    /// Undone because of another transaction; the same again will work.
    Conflict,
    /// The data itself was refused.
    Data,
    /// Undone for a reason of the server's (disk full, out of memory, a missing table, …).
    Server,
}

impl Failure {
    pub(crate) fn of(error: &postgres::Error) -> Self {
        let Some(state) = error.code() else { return Self::Lost };
        if *state == SqlState::T_R_SERIALIZATION_FAILURE || *state == SqlState::T_R_DEADLOCK_DETECTED {
            return Self::Conflict;
        }
        match &state.code()[..2] {
            // Operator intervention and connection exceptions: the backend ends with them.
            "57" | "08" => Self::Lost,
            "22" | "23" => Self::Data,
            _ => Self::Server,
        }
    }
}
