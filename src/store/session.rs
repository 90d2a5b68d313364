//! One connection to Postgres with its prepared statements, used by a thread or by a coroutine.
//!
//! The protocol is that of `tokio-postgres`, on which the `postgres` crate rests; nothing of tokio's runtime
//! is used. What is polled here is one statement with the connection that carries it, and what wakes it is
//! the socket. A thread waits in the kernel; a coroutine parks, and the worker serves others.
//!
//! A session whose server falls silent is not waited for without end. A thread asks the server about it by a
//! second session: one that answers, and says that the backend is busy, is waited for. A coroutine's session
//! is cut by the owner of the sessions ([`super::Pool`]).

use std::io;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;
use postgres::types::ToSql;
use postgres::{Error, Row, Statement};
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::{CancelToken, Client, Connection};

use super::connect::{Activity, Connected, Connector, Ends};
use super::drive::{Woken, between, run};
use super::server::{Backend, LOOK, Server};
use super::socket::{DatabaseSocket, Pipe};
use super::tls::{Prepared, Secured, Way, place, secure};
use super::transact::Transaction;
use super::unconnected::ConnectError;
use crate::limits;
use crate::waiting::interest::Interest;
use crate::waiting::life;

/// A session of a read-only server, where one that writes is preferred, is left after so long for another
/// try.
const MAKESHIFT_LIFE: Duration = Duration::from_secs(5);

/// How long an idle backend that is asked whether it lives may be silent.
const PROBE_SILENCE: Duration = Duration::from_secs(2);

/// How long an answer may be underway whose backend is idle already.
const UNDERWAY: Duration = Duration::from_secs(1);

/// Commits something that is not a row, so that it waits for what an earlier commit had to wait for. A read
/// does not wait, nor does a statement that changes nothing.
const FENCE: &str = "SELECT pg_logical_emit_message(true, 'pouco', '')";

/// Ends backends that this process has left, unless they are another's by now, and waits for their end;
/// `true` once there is none.
const END_BACKENDS: &str = "
    SELECT coalesce(bool_and(pg_terminate_backend(pid, 5000)), true) FROM pg_stat_activity
    JOIN unnest($1::int[], $2::bigint[]) AS left_behind (pid, started) USING (pid)
    WHERE (extract(epoch FROM backend_start) * 1000000)::bigint = started";

/// A session as its opening thread makes it.
pub(super) struct Opened {
    client: Client,
    connection: Connection<Pipe, Secured>,
    socket: Arc<DatabaseSocket>,
    server: Server,
    host: usize,
    is_plain: bool,
    connector: Connector,
    history: u64,
    makeshift: bool,
    connected: Connected,
}

impl Opened {
    /// Connects, says who we are, and looks at the server. Blocks, at most until `deadline`.
    ///
    /// # Errors
    /// What the connection met, or the first look.
    pub(super) fn open(
        connector: &Connector,
        host: usize,
        deadline: Instant,
        ends: Ends,
    ) -> Result<Self, ConnectError> {
        let [first, others @ ..] = connector.security().ways(connector.config(), host) else {
            return Err(io::Error::other("there is no way to the host").into());
        };
        let mut opened = Self::open_by(*first, connector, host, deadline, ends);
        for way in others {
            let Err(refused) = &opened else { break };
            if !refused.asks_for_another_way() {
                break;
            }
            let another = Self::open_by(*way, connector, host, deadline, ends);
            match another {
                Ok(another) => {
                    if *way == Way::Plain {
                        connector.security().tell_plain(&place(connector.config(), host), refused);
                    }
                    opened = Ok(another);
                }
                // The first refusal tells more than that the other way is closed as well.
                Err(error) if !error.asks_for_another_way() => opened = Err(error),
                Err(_) => {}
            }
        }
        opened
    }

    fn open_by(
        way: Way,
        connector: &Connector,
        host: usize,
        deadline: Instant,
        ends: Ends,
    ) -> Result<Self, ConnectError> {
        let socket = Arc::new(DatabaseSocket::connect(connector.config(), host, deadline)?);
        let secured = secure(connector.security(), connector.config(), host, way, &socket, deadline)?;
        let wait = || socket.wait_until(deadline);
        let startup = startup(connector, host, secured.is_some())?;
        let (pipe, woken) = (Pipe(socket.clone()), Woken::new());
        let is_plain = secured.is_none();
        let mut opening = pin!(startup.connect_raw(pipe, Prepared(secured)));
        let (client, mut connection) = loop {
            if let Poll::Ready(opened) = opening.as_mut().poll(&mut Context::from_waker(&woken.1)) {
                break opened?;
            }
            wait();
        };
        let check = limits::CLIENT_CHECK_MS.to_string();
        let [lock, statement] = [ends.lock, ends.statement].map(|end| end.as_millis().to_string());
        let values: [&(dyn ToSql + Sync); 3] = [&check, &lock, &statement];
        let look = client.query_one(LOOK, &values);
        let server = Server::read(&run(&mut connection, &woken, &mut false, look, wait)?)?;
        if is_plain && way == Way::IfOffered {
            connector.security().tell_plain(&place(connector.config(), host), &"the server has no TLS");
        }
        let (connector, connected) = (connector.clone(), connector.count());
        let (history, makeshift) = (0, false);
        Ok(Self {
            client,
            connection,
            socket,
            server,
            host,
            is_plain,
            connector,
            history,
            makeshift,
            connected,
        })
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// What holds for the session once it is chosen.
    pub(super) fn take(&mut self, history: u64, makeshift: bool) {
        (self.history, self.makeshift) = (history, makeshift);
    }

    /// What the one needs who looks after the session from aside.
    pub(super) fn watched(&self) -> Watched {
        let (cancel, host, is_plain) = (self.client.cancel_token(), self.host, self.is_plain);
        Watched { socket: Arc::downgrade(&self.socket), cancel, host, is_plain }
    }

    /// The session in the hands of the coroutine that calls this.
    ///
    /// # Errors
    /// The event loop takes no more sockets.
    pub(super) fn hand_over(self) -> io::Result<Session> {
        let interest = self.socket.hand_over()?;
        Ok(Session { interest: Some(interest), ..Session::of_thread(self) })
    }
}

/// A session, for the one who looks after it from aside.
pub(super) struct Watched {
    pub(super) socket: Weak<DatabaseSocket>,
    cancel: CancelToken,
    host: usize,
    is_plain: bool,
}

impl Watched {
    /// What asks the server to end the session's statement.
    pub(super) fn cancel(&self) -> Cancel {
        Cancel { token: self.cancel.clone(), host: self.host, is_plain: self.is_plain }
    }
}

/// A wish for the end of a session's statement (Postgres manual, section 53.2.8).
pub(super) struct Cancel {
    token: CancelToken,
    host: usize,
    /// As the session itself: what is secret of it is in the wish.
    is_plain: bool,
}

impl Cancel {
    /// Asks the server, by a connection of its own. Blocks, at most until `deadline`.
    ///
    /// # Errors
    /// What that connection met.
    pub(super) fn send(&self, connector: &Connector, deadline: Instant) -> Result<(), ConnectError> {
        let socket = Arc::new(DatabaseSocket::connect(connector.config(), self.host, deadline)?);
        let way = if self.is_plain { Way::Plain } else { Way::Always };
        let secured = secure(connector.security(), connector.config(), self.host, way, &socket, deadline)?;
        let (pipe, woken) = (Pipe(socket.clone()), Woken::new());
        let mut asking = pin!(self.token.cancel_query_raw(pipe, Prepared(secured)));
        loop {
            if let Poll::Ready(asked) = asking.as_mut().poll(&mut Context::from_waker(&woken.1)) {
                return Ok(asked?);
            }
            socket.wait_until(deadline);
        }
    }
}

/// What the start of a session needs; the rest of its settings is for the socket. Where that is encrypted the
/// library takes it as one on which TLS begins at once, and never asks for it.
fn startup(
    connector: &Connector,
    host: usize,
    is_encrypted: bool,
) -> Result<tokio_postgres::Config, ConnectError> {
    let config = connector.config();
    let mut startup = tokio_postgres::Config::new();
    startup.ssl_mode(if is_encrypted { SslMode::Require } else { SslMode::Disable });
    startup.ssl_negotiation(SslNegotiation::Direct).channel_binding(config.get_channel_binding());
    if let Some(user) = config.get_user() {
        startup.user(user);
    }
    match config.get_password() {
        Some(password) => _ = startup.password(password),
        None => {
            if let Some(password) = connector.password(host)? {
                startup.password(password);
            }
        }
    }
    if let Some(database) = config.get_dbname() {
        startup.dbname(database);
    }
    if let Some(options) = config.get_options() {
        startup.options(options);
    }
    if let Some(name) = config.get_application_name() {
        startup.application_name(name);
    }
    Ok(startup)
}

/// An open session. Each statement is prepared once for its life.
pub struct Session {
    // Order matters: leaves the event loop before `socket` closes the descriptor.
    interest: Option<Interest>,
    client: Client,
    connection: Connection<Pipe, Secured>,
    socket: Arc<DatabaseSocket>,
    woken: Woken,
    statements: Vec<(&'static str, Statement)>,
    /// Whether Postgres warned since that was asked last.
    warned: bool,
    watch: Watch,
    history: u64,
    makeshift: bool,
    in_recovery: bool,
    opened: Instant,
    _connected: Connected,
}

impl Session {
    /// The session in the hands of the thread that opened it.
    pub(super) fn of_thread(opened: Opened) -> Self {
        let Opened {
            client, connection, socket, server, host, connector, history, makeshift, connected, ..
        } = opened;
        let patience = connector.silence();
        Self {
            interest: None,
            client,
            connection,
            socket,
            woken: Woken::new(),
            statements: Vec::new(),
            warned: false,
            watch: Watch { connector, host, backend: server.backend, patience, set: None, doubted: false },
            history,
            makeshift,
            in_recovery: server.in_recovery,
            opened: Instant::now(),
            _connected: connected,
        }
    }

    /// The rows of `sql`; waits until they are here.
    ///
    /// # Errors
    /// Those of the statement, or of the connection, which is then of no more use.
    pub fn query(&mut self, sql: &'static str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        let statement = self.statement(sql)?;
        self.with(|client| client.query(&statement, values))
    }

    /// How many rows `sql` has changed.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub fn execute(&mut self, sql: &'static str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, Error> {
        let statement = self.statement(sql)?;
        self.with(|client| client.execute(&statement, values))
    }

    /// Runs `work` as one transaction, which is committed if it succeeds and undone if it does not. For a
    /// batch of several statements; a handler's transaction is [`super::Pool::transact`]'s.
    ///
    /// # Errors
    /// The first that a statement met. Unless the connection was lost the work is then undone.
    ///
    /// # Panics
    /// If `work` keeps the error of a statement to itself, and succeeds: nothing of it is stored.
    pub fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut transaction = Transaction::new(self, &|| true);
        match work(&mut transaction) {
            Ok(value) => {
                let committed = transaction.commit()?;
                assert!(committed.is_ok(), "a statement failed, and its error was kept");
                Ok(value)
            }
            Err(error) => {
                transaction.roll_back()?;
                Err(error)
            }
        }
    }

    /// As [`Session::query`], with statements without values that go with it in the same packet: one before
    /// it, one after it, which is kept back if `sql` cannot be sent.
    pub(super) fn query_between(
        &mut self,
        before: Option<&'static str>,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
        after: Option<&'static str>,
    ) -> Result<Vec<Row>, Error> {
        if before.is_none() && after.is_none() {
            return self.query(sql, values);
        }
        let statement = self.statement(sql)?;
        self.with(|client| between(client, before, client.query(&statement, values), after))
    }

    /// As [`Session::query_between`], for how many rows `sql` has changed.
    pub(super) fn execute_between(
        &mut self,
        before: Option<&'static str>,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
        after: Option<&'static str>,
    ) -> Result<u64, Error> {
        if before.is_none() && after.is_none() {
            return self.execute(sql, values);
        }
        let statement = self.statement(sql)?;
        self.with(|client| between(client, before, client.execute(&statement, values), after))
    }

    /// Gives the rows of `sql` to `take` as they come, until it breaks.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub fn each(
        &mut self,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
        mut take: impl FnMut(&Row) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        let statement = self.statement(sql)?;
        let values = values.iter().map(|value| *value as &dyn ToSql);
        let rows = self.with(|client| client.query_raw(&statement, values.collect::<Vec<_>>()))?;
        let mut rows = pin!(rows);
        loop {
            let next =
                std::future::poll_fn(|context| rows.as_mut().poll_next(context).map(Option::transpose));
            let Some(row) = self.with(|_| next)? else { return Ok(ControlFlow::Continue(())) };
            if take(&row).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    /// Runs statements that are separated by semicolons and have no values.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub fn batch(&mut self, sql: &str) -> Result<(), Error> {
        self.with(|client| client.batch_execute(sql))
    }

    /// Whether somebody still answers an idle session.
    ///
    /// # Errors
    /// The connection is lost, or its server silent.
    pub(super) fn probe(&mut self) -> Result<(), Error> {
        let patience = self.watch.patience;
        self.watch.patience = patience.min(PROBE_SILENCE);
        let answer = self.batch("");
        self.watch.patience = patience;
        answer
    }

    /// Waits until everything that this server has committed, and the session has seen, is as safe as a
    /// commit has to be.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub(super) fn fence(&mut self) -> Result<(), Error> {
        self.query(FENCE, &[]).map(drop)
    }

    /// Whether Postgres has warned since this was asked last. A commit that warns was not waited for as it
    /// had to be.
    pub(super) fn take_warning(&mut self) -> bool {
        std::mem::take(&mut self.warned)
    }

    /// Ends backends of sessions that were left. `false` if one of them is still there.
    pub(super) fn end(&mut self, backends: &[Backend]) -> Result<bool, Error> {
        let pids: Vec<i32> = backends.iter().map(|backend| backend.pid).collect();
        let started: Vec<i64> = backends.iter().map(|backend| backend.started_us).collect();
        let rows = self.query(END_BACKENDS, &[&pids, &started])?;
        rows.first().map_or(Ok(false), |row| row.try_get(0))
    }

    pub(super) fn socket(&self) -> Arc<DatabaseSocket> {
        self.socket.clone()
    }

    pub(super) fn backend(&self) -> Backend {
        self.watch.backend
    }

    /// Whether another session is to take its place: the database is not what it was when this one was
    /// opened, or a better server may be there by now.
    pub(super) fn is_outdated(&self) -> bool {
        self.history != self.watch.connector.history()
            || self.makeshift && self.opened.elapsed() >= MAKESHIFT_LIFE
    }

    /// Until when somebody waits for the next statement; it may be cancelled then. `None`: it has to come to
    /// its own end. `false` if it was cancelled before.
    pub(super) fn set_end(&mut self, end: Option<Instant>) -> bool {
        self.socket.set_end(end)
    }

    /// Whether one of its statements was to be cancelled. The wish may come late, and would meet another one.
    pub(super) fn was_cancelled(&self) -> bool {
        self.socket.was_cancelled()
    }

    /// How long it has had nothing to do.
    pub(super) fn idle(&self) -> Duration {
        self.socket.silence().1
    }

    /// Whether its server is a standby, which may be behind.
    pub(super) fn in_recovery(&self) -> bool {
        self.in_recovery
    }

    /// How often the database had lost something when the session was opened.
    pub(super) fn history(&self) -> u64 {
        self.history
    }

    /// For a thread: how long the server may be silent before it is asked.
    pub(super) fn set_silence(&mut self, silence: Duration) {
        self.watch.patience = silence;
    }

    /// As [`Session::query`] by a thread, for which a silence is the end.
    pub(super) fn query_unwatched(
        &mut self,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        self.watch.set_patience(&self.socket);
        let Self { client, connection, socket, woken, warned, .. } = self;
        let wait = || if socket.was_silent() { socket.give_up() } else { socket.block() };
        run(connection, woken, warned, client.query(sql, values), wait)
    }

    /// Prepares `sql`, if that was not done before.
    pub(super) fn prepare(&mut self, sql: &'static str) -> Result<(), Error> {
        self.statement(sql).map(drop)
    }

    fn statement(&mut self, sql: &'static str) -> Result<Statement, Error> {
        if let Some((_, statement)) = self.statements.iter().find(|(known, _)| std::ptr::eq(*known, sql)) {
            return Ok(statement.clone());
        }
        let statement = self.with(|client| client.prepare(sql))?;
        self.statements.push((sql, statement.clone()));
        Ok(statement)
    }

    /// Runs what `ask` asks of the client.
    fn with<'s, T, F>(&'s mut self, ask: impl FnOnce(&'s Client) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let Self { interest, client, connection, socket, woken, warned, watch, .. } = self;
        let statement = ask(client);
        socket.set_busy(true);
        let answer = match interest {
            Some(interest) => run(connection, woken, warned, statement, || socket.park(interest)),
            None => {
                watch.set_patience(socket);
                run(connection, woken, warned, statement, || watch.wait(socket))
            }
        };
        socket.set_busy(false);
        if answer.is_ok() {
            watch.connector.heard().note();
        }
        answer
    }
}

/// How a thread waits for its session's server.
struct Watch {
    connector: Connector,
    host: usize,
    backend: Backend,
    /// How long the server may be silent before it is asked.
    patience: Duration,
    /// What the socket was told of that.
    set: Option<Duration>,
    /// Whether the backend was idle when it was asked about.
    doubted: bool,
}

impl Watch {
    /// A statement begins.
    fn set_patience(&mut self, socket: &DatabaseSocket) {
        life::beat();
        self.doubted = false;
        self.tell(socket, self.patience);
    }

    fn tell(&mut self, socket: &DatabaseSocket, patience: Duration) {
        if self.set != Some(patience) && socket.set_patience(patience).is_ok() {
            self.set = Some(patience);
        }
    }

    /// Race window: an idle backend may have answered between the silence and the question, so that its
    /// answer is on its way; it has another moment. That it is idle then as well says that the answer was
    /// lost.
    fn wait(&mut self, socket: &DatabaseSocket) {
        // Also for Postgres, for as long as that takes: a thread that waits for it is not stuck.
        life::beat();
        if !socket.was_silent() {
            return socket.block();
        }
        match self.connector.ask(self.host, self.backend) {
            Activity::Busy => socket.block(),
            Activity::Idle if !self.doubted => {
                self.doubted = true;
                self.tell(socket, UNDERWAY);
                socket.block();
            }
            activity => {
                self.connector.note_silence(self.host, activity);
                socket.give_up();
            }
        }
    }
}
