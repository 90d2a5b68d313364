//! The whole replica: store, APIs, the public server and the admin server, started and stopped in order.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak, mpsc};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::Socket;

use crate::api::{Running, Selection, Services};
use crate::config::{Config, Listen};
use crate::front;
use crate::http::{Address, Limits, Listener, Method, Rejection, Response, Router, Server, Status};
use crate::limits;
use crate::logging;
use crate::metrics::Exposition;
use crate::process::{self, Process};
use crate::readiness::{Readiness, health as health_json};
use crate::replicas::Replicas;
use crate::store::{
    ConnectError, Connector, MigrateError, NoSession, Pool, PoolThreads, Pulse, Purpose, is_current, migrate,
};
use crate::systemd;
use crate::waiting::aside::Aside;
use crate::waiting::life::{self, Watchdog};
use crate::waiting::{Janitor, sleep};

/// Between the first connection and the end of the start.
const STARTING: Rejection = Rejection::new(Status::ServiceUnavailable, "it is just starting");

/// What `/healthz` answers, on the public address and the other: the process serves, and all its parts get
/// on. That Postgres is away is none of its concern.
fn health(response: &mut Response<'_>) {
    let mut stuck = life::stuck();
    if !stuck.is_empty() {
        sleep(limits::HEALTH_SECOND_LOOK);
        stuck = life::stuck();
    }
    if !stuck.is_empty() {
        response.status(Status::ServiceUnavailable);
    }
    response.json(health_json(&stuck).as_bytes());
}

/// A running replica.
pub struct App {
    inner: Arc<Inner>,
    admin: Option<Server>,
    pool_threads: PoolThreads,
    config: Config,
}

struct Inner {
    server: Server,
    pool: Arc<Pool>,
    connector: Connector,
    /// Where an API needs a database.
    pulse: Option<Pulse>,
    draining: AtomicBool,
    apis: Mutex<Vec<Box<dyn Running>>>,
    aside: Arc<Aside>,
    replicas: Arc<Replicas>,
    // Its thread ends with it, and what it looks after is looked after for as long.
    _janitor: Arc<Janitor>,
    _watchdog: Arc<Watchdog>,
}

/// Sockets that are bound before anything slow happens, so that an address in use is found at once. They do
/// not listen yet: a client is refused and not kept waiting.
pub struct Bound {
    public: Vec<Listener>,
    admin: Vec<Listener>,
    /// For rows of other replicas.
    push: Option<Listener>,
}

impl Bound {
    /// Binds every address of the configuration.
    ///
    /// # Errors
    /// The first that cannot be bound.
    pub fn new(config: &Config) -> Result<Self, BindError> {
        let mut inherited = HandedOver(systemd::take_sockets());
        let mut bind_all = |addresses: &[Listen], shared: bool, proxy_protocol: bool| {
            let mut bound = Vec::new();
            for address in addresses {
                let bind = if shared { Listener::bind_shared } else { Listener::bind };
                let listeners = match address {
                    Listen::Systemd(name) => inherited.named(name),
                    Listen::At(address) => bind(address, config.socket_mode).map(|listener| vec![listener]),
                };
                let listeners = listeners.map_err(|error| BindError { address: address.clone(), error })?;
                let behind = |one: Listener| one.behind(config.trusted_hops.clone(), proxy_protocol);
                bound.extend(listeners.into_iter().map(behind));
            }
            Ok(bound)
        };
        // What a process says of itself must not come from another.
        let admin = bind_all(&config.admin_listen, false, false)?;
        let public = bind_all(&config.listen, config.share_port, config.proxy_protocol)?;
        inherited.warn_of_rest();
        let listen = config.place.push.listen.as_ref();
        let bind = |address: &Address| {
            let bound = Listener::bind(address, config.socket_mode);
            bound.map_err(|error| BindError { address: Listen::At(address.clone()), error })
        };
        let push = listen.map(bind).transpose()?;
        Ok(Self { public, admin, push })
    }

    /// The public addresses, with the port that was given for port 0.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.public.iter().map(Listener::address)
    }

    /// The admin addresses.
    pub fn admin_addresses(&self) -> impl Iterator<Item = &Address> {
        self.admin.iter().map(Listener::address)
    }
}

/// Sockets that a service manager has bound, until somebody takes them by name.
struct HandedOver(Vec<(String, Socket)>);

impl HandedOver {
    /// All of this name: a unit may have several.
    fn named(&mut self, wanted: &str) -> io::Result<Vec<Listener>> {
        let (named, rest) = std::mem::take(&mut self.0).into_iter().partition(|(name, _)| name == wanted);
        self.0 = rest;
        let named: Vec<(String, Socket)> = named;
        if named.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no socket of this name was handed over"));
        }
        named.into_iter().map(|(_, socket)| Listener::inherit(socket)).collect()
    }

    fn warn_of_rest(&self) {
        for (name, _) in &self.0 {
            log::warn!("a socket `{name}` was passed that no setting asks for: POUCO_LISTEN=systemd:{name}");
        }
    }
}

/// An address that cannot be bound.
#[derive(Debug)]
pub struct BindError {
    address: Listen,
    error: io::Error,
}

impl BindError {
    /// Whether another process has it.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.error.kind() == io::ErrorKind::AddrInUse
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, error } = self;
        match error.kind() {
            io::ErrorKind::AddrInUse => write!(f, "{address} is in use by another process"),
            _ => write!(f, "cannot bind {address}: {error}"),
        }
    }
}

impl std::error::Error for BindError {}

/// Why a replica does not start.
#[derive(Debug)]
pub enum StartError {
    /// The wait for Postgres was ended on purpose.
    Stopped,
    /// Postgres refuses us, and will go on to do so: a wrong password, no such database.
    Database(ConnectError),
    /// The tables are not what they are to be.
    Migrate(MigrateError),
    /// A thread, a coroutine or a socket.
    Io(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped before Postgres was there"),
            Self::Database(error) => write!(f, "DATABASE_URL: {error}"),
            Self::Migrate(error) => write!(f, "{error}"),
            Self::Io(error) => write!(f, "cannot start: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<NoSession> for StartError {
    fn from(why: NoSession) -> Self {
        match why {
            NoSession::Stopped => Self::Stopped,
            NoSession::Refused(error) => Self::Database(error),
        }
    }
}

/// Finds room for the connections that are allowed. The soft limit of open files is lifted to the hard one;
/// where even that is too low a line says so, and clients past it are closed unanswered. Where the kernel has
/// no room for the stacks of so many, fewer are allowed, so that clients past those are refused with a 503.
pub fn fit_connections(http: &mut Limits) {
    raise_descriptor_limit(http.connections);
    match process::most_mappings() {
        Ok(mappings) => lower_to_mappings(http, mappings),
        // Without /proc nobody can tell; a client without a stack is closed unanswered.
        Err(error) => log::warn!("vm.max_map_count cannot be read: {error}"),
    }
}

fn raise_descriptor_limit(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let open_files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(error) => {
            log::warn!("the limit of open files stays as it is: {error}");
            limit.current
        }
    };
    // Without a limit there is nothing to fit into.
    let Some(open_files) = open_files else { return };
    let wanted = connections as u64 + limits::OTHER_DESCRIPTORS;
    if open_files < wanted {
        log::warn!(
            "POUCO_MAX_CONNECTIONS={connections} does not fit into a limit of {open_files} open files: \
             raise the hard limit (ulimit -Hn) to {wanted}, or lower the setting"
        );
    }
}

/// One address keeps its part of what there is.
fn lower_to_mappings(http: &mut Limits, mappings: u64) {
    let (connections, per_stack) = (http.connections, limits::MAPPINGS_PER_STACK);
    let wanted = connections as u64 * per_stack + limits::OTHER_MAPPINGS;
    if mappings >= wanted {
        return;
    }
    let fitting = (mappings.saturating_sub(limits::OTHER_MAPPINGS) / per_stack).max(1);
    http.connections = usize::try_from(fitting).unwrap_or(connections);
    http.connections_per_address = (http.connections_per_address * http.connections).div_ceil(connections);
    log::warn!(
        "POUCO_MAX_CONNECTIONS={connections} does not fit into vm.max_map_count={mappings}: {fitting} connections are \
         allowed; raise it (sysctl -w vm.max_map_count={wanted}), or lower the setting"
    );
}

/// Waits for Postgres. Where the tables are up to date nothing is written: a role without CREATE serves, and
/// a server that is read-only serves what it can.
fn bring_up_to_date(connector: &Connector, apis: &Selection) -> Result<(), StartError> {
    let schemas = apis.schemas();
    let mut session = connector.open_first(Purpose::Read)?;
    if is_current(&mut session, &schemas).map_err(StartError::Migrate)? {
        return Ok(());
    }
    drop(session);
    let mut session = connector.open_first(Purpose::Maintain)?;
    let applied = migrate(&mut session, &schemas).map_err(StartError::Migrate)?;
    if applied > 0 {
        log::info!("{applied} migrations applied");
    }
    Ok(())
}

impl App {
    /// Waits for Postgres and migrates, if an API needs that, and starts to serve.
    ///
    /// # Errors
    /// [`StartError::Stopped`] after [`Connector::stop_waiting`], otherwise what is in the way and does not
    /// pass.
    pub fn start(
        config: Config,
        apis: Selection,
        connector: Connector,
        bound: Bound,
    ) -> Result<Self, StartError> {
        if apis.needs_database() {
            connector.need(config.read.connections + apis.connections(), config.replicas);
            bring_up_to_date(&connector, &apis)?;
        }
        Self::serve(config, apis, connector, bound).map_err(StartError::Io)
    }

    fn serve(config: Config, apis: Selection, connector: Connector, bound: Bound) -> io::Result<Self> {
        let janitor = Janitor::start()?;
        let watchdog = Watchdog::start()?;
        janitor.look_after(&watchdog);
        let aside = Arc::new(Aside::new()?);
        let (read, needs_database) = (config.read, apis.needs_database());
        let connections = if needs_database { read.connections } else { 0 };
        let (pool, pool_threads) = Pool::start(&connector, connections, read.queue, read.deadline, &janitor)?;
        let replicas = Replicas::new(config.place.clone(), bound.push);
        let mut router = Router::new();
        router.route(Method::Get, "/healthz", |_, response| health(response));
        let services = Services {
            connector: &connector,
            pool: &pool,
            janitor: &janitor,
            aside: &aside,
            commit: config.commit,
            feed_interval: config.feed_interval,
            several_replicas: config.several_replicas,
            feed_pushed: config.feed_pushed,
            replicas: &replicas,
            alone: apis.apis().len() == 1,
        };
        let mounted = apis.apis();
        let apis = apis.mount(&services, &mut router)?;
        if needs_database {
            replicas.keep_lease(&pool)?;
        }
        // The server counts what its own route shows, so the way from there to here comes later, and holds
        // nothing.
        let shown = Arc::new(OnceLock::<Weak<Inner>>::new());
        let asked = shown.clone();
        front::mount(&mut router, &mounted, move |response| {
            let inner = asked.get().and_then(Weak::upgrade).ok_or(STARTING)?;
            inner.expose(response);
            Ok::<_, Rejection>(())
        });
        let server = Server::start_reporting(bound.public, router, config.http, config.reporting)?;
        let apis = Mutex::new(apis);
        let draining = AtomicBool::new(false);
        let pulse = needs_database.then(|| Pulse::new(&connector, &aside));
        let inner = Arc::new(Inner {
            server,
            pool,
            connector,
            pulse,
            draining,
            apis,
            aside,
            replicas,
            _janitor: janitor,
            _watchdog: watchdog,
        });
        let _ = shown.set(Arc::downgrade(&inner));
        let admin = match bound.admin.is_empty() {
            true => None,
            false => Some(Server::start(bound.admin, admin_routes(&inner), admin_limits(config.http))?),
        };
        Ok(Self { inner, admin, pool_threads, config })
    }

    /// From now on `/readyz` says that it ends, to balancers too. Requests are served as before.
    pub fn announce_end(&self) {
        self.inner.draining.store(true, Ordering::Release);
    }

    /// Stops in the order in which nothing is lost: requests first, then what they queued, then the readers.
    /// `true` if every request had ended within the grace period.
    pub fn stop(self) -> bool {
        self.announce_end();
        let drained = self.inner.server.shutdown(self.config.shutdown_grace);
        // Every answer is sent, or out of time: a session that has lost the database need not find it again.
        self.inner.connector.stop_waiting();
        // A thread that waits for a Postgres that stands still cannot be woken. Nobody waits for it any more,
        // and what it sent is Postgres's to finish: the process leaves without it.
        let (ending, ended) = mpsc::channel::<()>();
        let rest = life::once("pouco-stop", move || {
            self.end_threads();
            drop(ending);
        });
        let patience = Duration::from_millis(limits::STOP_REST_MS);
        if rest.is_err() || ended.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout) {
            log::warn!("Postgres does not answer: leaving without the threads that wait for it");
        }
        drained
    }

    fn end_threads(self) {
        // Taken out, so that a scrape does not wait for the lock while they end.
        let apis = std::mem::take(&mut *self.inner.apis.lock());
        for mut api in apis {
            api.stop();
        }
        self.inner.replicas.end();
        // A Postgres that stands still is not waited for.
        if self.inner.pulse.is_some() && self.inner.connector.is_heard() {
            self.inner.replicas.leave(&self.inner.pool);
        }
        self.inner.pool.close();
        if let Some(admin) = self.admin {
            // Nobody's data is in its requests, and the patience with Postgres is not to be spent on them.
            admin.shutdown(self.config.shutdown_grace.min(limits::ADMIN_GRACE));
        }
        if !self.pool_threads.join() {
            log::error!("a coroutine of the pool panicked");
        }
        // Last: a scrape may have asked for it until now, and what is left to free goes with the process.
        self.inner.aside.close();
    }
}

impl Inner {
    /// What stands against this replica; of its own faults alone, if only they are asked for.
    fn readiness(&self, own: bool) -> Readiness {
        let mut readiness = Readiness::default();
        if self.draining.load(Ordering::Acquire) {
            readiness.own("server", "it is shutting down");
        }
        let connected = self.pulse.is_none() || self.connector.connected() > 0;
        if !connected {
            readiness.outside("database", "there is no connection to Postgres");
        }
        if !self.pool.are_whole() {
            readiness.own("database", "a coroutine of the pool has ended");
        }
        for api in self.apis.lock().iter() {
            api.readiness(&mut readiness);
        }
        if own {
            readiness.keep_own();
        } else if connected && self.pulse.as_ref().is_some_and(|pulse| !pulse.is_felt()) {
            readiness.outside("database", "Postgres does not answer");
        }
        readiness
    }

    /// Answers with what all rooms have counted.
    fn expose(&self, response: &mut Response<'_>) {
        let mut exposition = Exposition::default();
        self.server.expose(&mut exposition);
        self.pool.expose(&mut exposition);
        self.connector.expose(&mut exposition);
        self.replicas.expose(&mut exposition);
        for api in self.apis.lock().iter() {
            api.expose(&mut exposition);
        }
        let help = "Log lines that standard error was too slow for.";
        exposition.sample("pouco_log_lines_dropped_total", help, &[], logging::dropped_lines());
        let help = "Lines of the access log that standard error was too slow for.";
        exposition.sample("pouco_access_log_lines_dropped_total", help, &[], logging::dropped_events());
        self.aside.expose(&mut exposition);
        life::expose(&mut exposition);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        exposition.sample("pouco_build_info", "1, with the version.", &version, 1);
        match Process::read_aside(&self.aside) {
            Ok(process) => process.expose(&mut exposition),
            Err(error) => log::warn!("/metrics lacks what the kernel knows of the process: {error}"),
        }
        response.body(front::EXPOSITION, exposition.into_text().as_bytes());
    }
}

/// Operators have one address for all that they ask.
fn admin_limits(http: Limits) -> Limits {
    Limits { connections_per_address: 0, requests_per_second_per_address: 0, ..http }
}

/// `/healthz`: the process and its parts get on. `/readyz`: all is well. `/readyz?traffic`: no other replica
/// would do better. `/metrics`: what it counted.
fn admin_routes(inner: &Arc<Inner>) -> Router {
    let mut router = Router::new();
    router.route(Method::Get, "/healthz", |_, response| health(response));
    let asked = inner.clone();
    router.route(Method::Get, "/readyz", move |request, response| {
        let own = request.query_text("traffic").is_ok_and(|word| word.is_some());
        let readiness = asked.readiness(own);
        if !readiness.is_ready() {
            response.status(Status::ServiceUnavailable);
        }
        response.json(readiness.json().as_bytes());
    });
    let asked = inner.clone();
    router.route(Method::Get, "/metrics", move |_, response| asked.expose(response));
    router
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lowered(connections: usize, per_address: usize, mappings: u64) -> (usize, usize) {
        let mut http = Limits { connections, connections_per_address: per_address, ..Limits::default() };
        lower_to_mappings(&mut http, mappings);
        (http.connections, http.connections_per_address)
    }

    #[test]
    fn no_more_connections_are_allowed_than_there_are_mappings_for_their_stacks() {
        let default = 65_530;
        assert_eq!(lowered(16_000, 8_000, default), (16_000, 8_000));
        assert_eq!(lowered(40_000, 20_000, default), (31_741, 15_871));
        assert_eq!(lowered(16_000, 8_000, 32_000 + limits::OTHER_MAPPINGS), (16_000, 8_000));
        assert_eq!(lowered(16_000, 8_000, 31_999 + limits::OTHER_MAPPINGS), (15_999, 8_000));
        // As in `shared/cases/33`; and so few that a single one is left.
        assert_eq!(lowered(16_000, 8_000, 3_000), (476, 238));
        assert_eq!(lowered(16_000, 8_000, 100), (1, 1));
        assert_eq!(lowered(16_000, 0, 3_000), (476, 0), "no bound stays none");
    }
}
