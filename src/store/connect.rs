//! The way to Postgres: which of the servers that `DATABASE_URL` names is taken, how long each of them may
//! take, and the patience to get one back.
//!
//! What may not enter: statements of anybody's tables. What a session does is [`Session`]'s.

mod purpose;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use postgres::Config;
use postgres::config::{LoadBalanceHosts, TargetSessionAttrs};
use postgres::types::PgLsn;

pub(super) use self::purpose::Ends;
pub use self::purpose::Purpose;
use super::Unavailable;
use super::passfile;
use super::pulse::Heard;
use super::server::{Backend, Durability, Lineage, Lost, Origin, Server};
use super::session::{Opened, Session};
use super::tls::Security;
use super::unconnected::{ConnectError, NoSession};
use crate::database_url::Target;
use crate::limits;
use crate::waiting::life::{self, once};

/// Connecting, signing in and the first question together, unless `DATABASE_URL` has a `connect_timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(limits::CONNECT_TIMEOUT_MS);

/// The same, where the server of a silent session is asked about it.
const ASK_TIMEOUT: Duration = Duration::from_millis(limits::ASK_TIMEOUT_MS);

/// A host that fails only after so long counts as silent: nothing listens there, or no route leads there.
const SLOW: Duration = Duration::from_secs(1);

/// A server that another one has succeeded is taken after so long a time in which nothing better answered.
const SUCCEEDED_PATIENCE: Duration = Duration::from_secs(10);

/// Pauses between tries: doubled from the first to the last, which keeps a waiting replica from costing
/// anything.
const FIRST_RETRY: Duration = Duration::from_millis(20);
const LAST_RETRY: Duration = Duration::from_millis(limits::LAST_RETRY_MS);

/// When a TCP connection that goes silent counts as lost, unless `DATABASE_URL` says otherwise. The system's
/// own answer is two hours, or never. A stopped Postgres is not silent: its kernel still acknowledges. Unix
/// sockets need none of this.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);
/// What the client library has for [`KEEPALIVE_IDLE`] if nobody set it.
const UNSET_KEEPALIVE_IDLE: Duration = Duration::from_secs(2 * 60 * 60);

/// The longest pause before the same is tried again on a session that works.
const LONGEST_PAUSE_MS: u64 = 128;

/// The statement by which a second session asks what a first one is at.
const ACTIVITY: &str = "
    SELECT coalesce(state NOT LIKE 'idle%', true) FROM pg_stat_activity
    WHERE pid = $1 AND (extract(epoch FROM backend_start) * 1000000)::bigint = $2";

/// How long a first session is refused before that is believed: a server that is being set up makes its roles
/// and databases while it takes connections already.
const REFUSED_PATIENCE: Duration = Duration::from_secs(5);

/// What a host did when it was tried last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    /// It answered in time, or was not tried yet.
    Answers,
    /// It did not.
    Silent,
    /// ... and is being tried again, aside.
    Asked,
}

/// Where Postgres is, whether the process still wants it, and what is known of its database.
#[derive(Clone)]
pub struct Connector(Arc<Shared>);

struct Shared {
    config: Config,
    security: Security,
    passfile: Option<PathBuf>,
    silence: Duration,
    stopping: AtomicBool,
    connected: AtomicUsize,
    silences: AtomicU64,
    lineage: Mutex<Option<Lineage>>,
    /// Counts the times that the database had lost something.
    history: AtomicU64,
    heard: Heard,
    /// What is known of each host.
    hosts: Mutex<Vec<Host>>,
    /// How many connections all replicas together need.
    needed: AtomicUsize,
    /// How many Postgres allows, as it said last.
    allowed: AtomicI32,
    /// Whether a server that can lose what it has committed is refused.
    strict: AtomicBool,
    /// What the last server that writes keeps.
    durability: Mutex<Option<Durability>>,
}

impl Connector {
    /// A connector for `target`; nothing is opened yet.
    #[must_use]
    pub fn new(target: impl Into<Target>) -> Self {
        Self::with_silence(target, Duration::from_millis(limits::SILENCE_MS))
    }

    /// ... whose sessions may be silent for so long before their server is asked about them.
    #[must_use]
    pub fn with_silence(target: impl Into<Target>, silence: Duration) -> Self {
        let Target { mut config, tls, passfile } = target.into();
        config.application_name("pouco");
        bound_silence(&mut config);
        let hosts = config.get_hosts().len().max(config.get_hostaddrs().len());
        Self(Arc::new(Shared {
            config,
            security: Security::new(&tls),
            passfile,
            silence,
            stopping: AtomicBool::new(false),
            connected: AtomicUsize::new(0),
            silences: AtomicU64::new(0),
            lineage: Mutex::new(None),
            history: AtomicU64::new(0),
            heard: Heard::new(),
            hosts: Mutex::new(vec![Host::Answers; hosts]),
            needed: AtomicUsize::new(0),
            allowed: AtomicI32::new(0),
            strict: AtomicBool::new(false),
            durability: Mutex::new(None),
        }))
    }

    /// Reads the files that `DATABASE_URL` names, for a mistake to be found before anything is opened.
    ///
    /// # Errors
    /// What is wrong with which of them; nothing of what is in it.
    pub fn check(&self) -> Result<(), String> {
        self.0.security.check()?;
        self.0.passfile.as_deref().map_or(Ok(()), |path| passfile::read(path).map(drop))
    }

    /// Makes every wait for a first connection or for a lost one give up.
    pub fn stop_waiting(&self) {
        self.0.stopping.store(true, Ordering::Release);
    }

    /// Rests before something is tried for another time: longer each time, and never the same for two
    /// replicas.
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

    /// How many connections this process keeps open. Each server is asked whether it has room for `replicas`
    /// such processes.
    pub fn need(&self, connections: usize, replicas: usize) {
        self.0.needed.store(connections.saturating_mul(replicas), Ordering::Relaxed);
    }

    /// How many connections all replicas need, and how many Postgres allows; 0 before the first session.
    #[must_use]
    pub fn room(&self) -> (usize, i32) {
        (self.0.needed.load(Ordering::Relaxed), self.0.allowed.load(Ordering::Relaxed))
    }

    fn note_room(&self, server: &Server) {
        let allowed = server.connections;
        let known = self.0.allowed.swap(allowed, Ordering::Relaxed);
        let needed = self.0.needed.load(Ordering::Relaxed);
        if known != allowed && i32::try_from(needed).unwrap_or(i32::MAX) > allowed {
            log::warn!(
                "the replicas need {needed} connections, and Postgres allows {allowed} (max_connections, or the \
                 limit of the role or the database): raise that, or lower POUCO_READ_CONNECTIONS or POUCO_REPLICAS"
            );
        }
    }

    /// Refuses a server that writes and can lose what it has committed. Without this it is warned of.
    pub fn refuse_weak(&self) {
        self.0.strict.store(true, Ordering::Relaxed);
    }

    /// What the last server keeps that writes; `None` if there was none.
    #[must_use]
    pub fn durability(&self) -> Option<Durability> {
        *self.0.durability.lock()
    }

    fn note_durability(&self, server: &Server) {
        if self.0.durability.lock().replace(server.durability) != Some(server.durability) {
            server.durability.warn();
        }
    }

    /// Sessions that are believed to be alive.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.0.connected.load(Ordering::Relaxed)
    }

    /// How often the database had lost something that had been seen in it.
    #[must_use]
    pub fn history(&self) -> u64 {
        self.0.history.load(Ordering::Acquire)
    }

    /// The present history of the database, by this process's own count and by what servers say of it; `None`
    /// before the first session.
    #[must_use]
    pub fn origin(&self) -> Option<(u64, Origin)> {
        let lineage = self.0.lineage.lock();
        lineage.as_ref().map(|lineage| (self.history(), lineage.origin()))
    }

    /// Sessions that were given up because their server was silent.
    #[must_use]
    pub fn silences(&self) -> u64 {
        self.0.silences.load(Ordering::Relaxed)
    }

    /// How long a session may be silent before its server is asked about it.
    pub(super) fn silence(&self) -> Duration {
        self.0.silence
    }

    /// When Postgres has answered last.
    pub(super) fn heard(&self) -> &Heard {
        &self.0.heard
    }

    /// How long a thread that speaks with Postgres may go without a sign of life: for as long as it waits for
    /// one answer, and for what it asks about a silent server.
    pub fn longest_wait(&self) -> Duration {
        self.silence().max(self.connect_timeout()) + ASK_TIMEOUT + limits::LOOP_SILENCE
    }

    pub(super) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(super) fn security(&self) -> &Security {
        &self.0.security
    }

    /// The password for this host in the file of passwords, if there is one.
    pub(super) fn password(&self, host: usize) -> Result<Option<Vec<u8>>, ConnectError> {
        let Some(path) = &self.0.passfile else { return Ok(None) };
        let text = passfile::read(path).map_err(|why| ConnectError::Socket(io::Error::other(why)))?;
        Ok(passfile::password(&text, &passfile::Login::of(&self.0.config, host)))
    }

    /// Opens a session, trying again until it works or [`Connector::stop_waiting`] is called.
    ///
    /// # Errors
    /// [`Unavailable::ShuttingDown`] after a stop.
    pub fn open_patiently(&self, purpose: Purpose) -> Result<Session, Unavailable> {
        self.open_for_handover(purpose).map(Session::of_thread)
    }

    /// As [`Connector::open_patiently`], for the first session of a process: what does not pass by waiting is
    /// waited for only as long as a server may take to make its roles and databases.
    ///
    /// # Errors
    /// [`NoSession`].
    pub fn open_first(&self, purpose: Purpose) -> Result<Session, NoSession> {
        let first = self.wait_for(purpose, Some(REFUSED_PATIENCE))?;
        // Only a second session can tell that the first one's backend is not its own. Any other problem shows
        // up again when one is needed.
        match self.open_once(purpose, true) {
            Err(pooled @ ConnectError::Pooled) => Err(NoSession::Refused(pooled)),
            _ => Ok(Session::of_thread(first)),
        }
    }

    /// As [`Connector::open_patiently`], for a session that may go to a coroutine.
    pub(super) fn open_for_handover(&self, purpose: Purpose) -> Result<Opened, Unavailable> {
        self.wait_for(purpose, None).map_err(|_| Unavailable::ShuttingDown)
    }

    fn wait_for(&self, purpose: Purpose, refused_patience: Option<Duration>) -> Result<Opened, NoSession> {
        let (began, mut pause, mut said) = (Instant::now(), FIRST_RETRY, false);
        // Since when every try was refused in a way that does not pass.
        let mut refused: Option<Instant> = None;
        loop {
            if self.0.stopping.load(Ordering::Acquire) {
                return Err(NoSession::Stopped);
            }
            match self.open_once(purpose, began.elapsed() >= SUCCEEDED_PATIENCE) {
                Ok(session) => {
                    if said {
                        log::info!("Postgres is back");
                    }
                    return Ok(session);
                }
                Err(error) => {
                    refused = error.is_refusal().then(|| refused.unwrap_or_else(Instant::now));
                    let patience = refused_patience.unwrap_or(Duration::MAX);
                    let is_over = |since: Instant| since.elapsed() >= patience;
                    if refused.is_some_and(is_over) || refused_patience.is_some() && error.is_final() {
                        return Err(NoSession::Refused(error));
                    }
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
    /// What the connection to the last of the servers met, or the first look at it.
    pub fn open(&self, purpose: Purpose) -> Result<Session, ConnectError> {
        self.open_once(purpose, true).map(Session::of_thread)
    }

    /// Takes the first server that fits, otherwise the first that will do.
    ///
    /// Nobody waits for a host that was silent while there are others: a standby that has just answered may
    /// be the primary a moment later, and is asked again before that host's time is over.
    fn open_once(&self, purpose: Purpose, succeeded: bool) -> Result<Opened, ConnectError> {
        let mut makeshift = None;
        let mut last: Option<ConnectError> = None;
        // One that may yet come counts more than one that will not have us.
        let mut note = |error: ConnectError| {
            if !error.is_final() || last.as_ref().is_none_or(ConnectError::is_final) {
                last = Some(error);
            }
        };
        let hosts = self.hosts();
        let all_silent = hosts.iter().all(|(_, silent)| *silent);
        for (host, silent) in hosts {
            if silent && !all_silent {
                self.ask_aside(host);
                continue;
            }
            let opened = match self.open_at(host, self.connect_timeout(), purpose.ends()) {
                Ok(opened) => opened,
                Err(error) => {
                    note(error);
                    continue;
                }
            };
            match self.fits(opened.server(), purpose, succeeded) {
                Ok(true) => return Ok(self.take(opened, false)),
                Ok(false) => makeshift = makeshift.or(Some(opened)),
                Err(error) => note(error),
            }
        }
        let refused = || last.unwrap_or_else(|| io::Error::other("no host is given").into());
        makeshift.map(|opened| self.take(opened, true)).ok_or_else(refused)
    }

    fn open_at(&self, host: usize, timeout: Duration, ends: Ends) -> Result<Opened, ConnectError> {
        life::beat();
        let began = Instant::now();
        let opened = Opened::open(self, host, began + timeout, ends);
        let is_silent = |error: &ConnectError| error.is_silence() || began.elapsed() >= SLOW;
        match opened.as_ref().is_err_and(is_silent) {
            true => self.avoid(host),
            false => self.0.hosts.lock()[host] = Host::Answers,
        }
        opened
    }

    /// Tries a silent host on a thread of its own: once it answers it is tried with the others.
    fn ask_aside(&self, host: usize) {
        if std::mem::replace(&mut self.0.hosts.lock()[host], Host::Asked) == Host::Asked {
            return;
        }
        let connector = self.clone();
        let ask = move || drop(connector.open_at(host, connector.connect_timeout(), Purpose::Read.ends()));
        // Without a thread it is asked another time.
        if once("pouco-ask", ask).is_err() {
            self.avoid(host);
        }
    }

    fn connect_timeout(&self) -> Duration {
        self.0.config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT)
    }

    /// The hosts in the order in which they are tried, each with whether it was silent: those come last.
    pub(super) fn hosts(&self) -> Vec<(usize, bool)> {
        let known = self.0.hosts.lock();
        let first = match self.0.config.get_load_balance_hosts() {
            LoadBalanceHosts::Random if !known.is_empty() => fastrand::usize(..known.len()),
            _ => 0,
        };
        let order = (0..known.len()).map(|index| (first + index) % known.len());
        let mut hosts: Vec<_> = order.map(|host| (host, known[host] != Host::Answers)).collect();
        hosts.sort_by_key(|(_, silent)| *silent);
        hosts
    }

    fn avoid(&self, host: usize) {
        self.0.hosts.lock()[host] = Host::Silent;
    }

    /// Whether a server is of the kind that is wanted; `false` for one that will do for a while.
    fn fits(&self, server: &Server, purpose: Purpose, succeeded: bool) -> Result<bool, ConnectError> {
        let (read_only, required) = match (self.0.config.get_target_session_attrs(), purpose) {
            (TargetSessionAttrs::ReadOnly, _) => (true, true),
            (TargetSessionAttrs::ReadWrite, _) | (_, Purpose::Write | Purpose::Maintain) => (false, true),
            (_, Purpose::Read | Purpose::Serve(_)) => (false, false),
        };
        if required && server.read_only != read_only {
            return Err(ConnectError::Session { read_only: server.read_only });
        }
        if !server.read_only && server.durability.is_weak() && self.0.strict.load(Ordering::Relaxed) {
            return Err(ConnectError::Weak(server.durability));
        }
        let seen = self.0.lineage.lock().as_ref().and_then(|lineage| lineage.succeeded(server));
        match seen {
            Some((timeline, seen)) if !succeeded => Err(ConnectError::Succeeded { timeline, seen }),
            Some(_) => Ok(false),
            None => Ok(server.read_only == read_only),
        }
    }

    /// The session is the one: what its server says of the database counts.
    fn take(&self, mut opened: Opened, makeshift: bool) -> Opened {
        let server = opened.server();
        self.note_room(server);
        if !server.read_only {
            self.note_durability(server);
        }
        let mut lineage = self.0.lineage.lock();
        match &mut *lineage {
            Some(known) => match known.lost(server) {
                Some(lost) => {
                    *known = Lineage::of(server);
                    self.begin_history(lost);
                }
                None => known.note(server),
            },
            unknown => *unknown = Some(Lineage::of(server)),
        }
        opened.take(self.history(), makeshift);
        opened
    }

    fn begin_history(&self, lost: Lost) {
        self.0.history.fetch_add(1, Ordering::AcqRel);
        log::warn!("the database has lost what was seen in it: {lost}; memory is filled again");
    }

    /// Something that was seen is not there, although the server says nothing of that.
    pub(super) fn distrust(&self) {
        self.begin_history(Lost::Row);
    }

    /// WAL up to here is safe. `false` if more was seen before, so that what said this is behind.
    pub(super) fn note_flushed(&self, flushed: PgLsn) -> bool {
        self.0.lineage.lock().as_mut().is_none_or(|lineage| lineage.note_flushed(flushed))
    }

    /// Asks a server what one of its backends is at, by another session.
    pub(super) fn ask(&self, host: usize, backend: Backend) -> Activity {
        let deadline = Instant::now() + ASK_TIMEOUT;
        let ends = Ends { statement: ASK_TIMEOUT, lock: ASK_TIMEOUT };
        let asked = self.open_at(host, ASK_TIMEOUT, ends).map(Session::of_thread).and_then(|mut session| {
            let left = deadline.saturating_duration_since(Instant::now());
            // No time at all would be no limit to the kernel.
            session.set_silence(left.max(Duration::from_millis(1)));
            Ok(session.query_unwatched(ACTIVITY, &[&backend.pid, &backend.started_us])?)
        });
        match asked {
            Ok(rows) => match rows.first().map(|row| row.try_get(0)) {
                Some(Ok(false)) => Activity::Idle,
                Some(_) => Activity::Busy,
                None => Activity::Gone,
            },
            Err(error) if error.is_silence() => Activity::Silent,
            // It has answered, and told nothing: too many connections, a start, a shutdown.
            Err(ConnectError::Postgres(error)) if error.as_db_error().is_some() => Activity::Busy,
            Err(_) => Activity::Gone,
        }
    }

    /// A coroutine's session was cut in a statement, for which nobody waits any more.
    pub(super) fn note_cut(&self) {
        self.0.silences.fetch_add(1, Ordering::Relaxed);
    }

    /// A session is left because of its server's silence.
    pub(super) fn note_silence(&self, host: usize, activity: Activity) {
        self.0.silences.fetch_add(1, Ordering::Relaxed);
        if activity == Activity::Silent {
            self.avoid(host);
        }
        log::warn!("a session is given up: {activity}");
    }

    pub(super) fn count(&self) -> Connected {
        self.0.connected.fetch_add(1, Ordering::Relaxed);
        Connected(self.clone())
    }
}

/// What the backend of a silent session is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    /// A statement: it works, or it waits for a lock or for a standby.
    Busy,
    /// Nothing: its answer is underway, or was lost.
    Idle,
    /// There is no such backend, or no server.
    Gone,
    /// The server does not answer another session either.
    Silent,
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "its backend is busy",
            Self::Idle => "its backend has answered, and no answer came",
            Self::Gone => "its backend is gone",
            Self::Silent => "its server does not answer",
        })
    }
}

/// A session that is believed to be alive, for as long as this lives.
pub(super) struct Connected(Connector);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.0.connected.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sets what the user has not set.
fn bound_silence(config: &mut Config) {
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

#[cfg(test)]
mod tests;
