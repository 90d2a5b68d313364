//! A connection for reads that a coroutine uses: while Postgres is at work, the worker serves others.
//!
//! The protocol is that of `tokio-postgres`, on which the `postgres` crate rests; nothing of tokio's runtime is used. What is
//! polled here is one statement with the connection that carries it, and what wakes it is the socket.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use postgres::config::TargetSessionAttrs;
use postgres::types::ToSql;
use postgres::{Config, Error, NoTls, Row, Statement};
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Client, Connection};

use super::line::{Line, Pipe, hosts};
use super::session::{ConnectError, Connected, SERVER, check_server};
use crate::waiting::interest::Interest;

/// A connection as its opening thread makes it.
pub(crate) struct Opened {
    client: Client,
    connection: Connection<Pipe, NoTlsStream>,
    line: Arc<Line>,
    connected: Connected,
}

impl Opened {
    /// Connects to the first of the hosts that will do. Blocks.
    ///
    /// # Errors
    /// What the connection to the last host met, or the first look at it.
    pub(super) fn open(config: &Config, connected: impl Fn() -> Connected) -> Result<Self, ConnectError> {
        let mut last = ConnectError::Socket(io::Error::other("no host is given"));
        for host in hosts(config) {
            match Self::open_at(config, host, &connected) {
                Ok(opened) => return Ok(opened),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Connects, says who we are, and looks at the server.
    fn open_at(
        config: &Config,
        host: usize,
        connected: impl Fn() -> Connected,
    ) -> Result<Self, ConnectError> {
        let line = Arc::new(Line::connect(config, host).map_err(ConnectError::Socket)?);
        let (startup, pipe) = (startup(config), Pipe(line.clone()));
        let mut opening = pin!(startup.connect_raw(pipe, NoTls));
        let woken = Woken::new();
        let (client, mut connection) = loop {
            if let Poll::Ready(opened) = opening.as_mut().poll(&mut Context::from_waker(&woken.1)) {
                break opened.map_err(ConnectError::Postgres)?;
            }
            line.block();
        };
        let mut ask = |sql| run(&mut connection, &woken, client.query_one(sql, &[]), || line.block());
        check_server(&ask(SERVER).map_err(ConnectError::Postgres)?)?;
        if let Some(wanted) = read_only(config.get_target_session_attrs()) {
            let row = ask("SELECT current_setting('transaction_read_only') = 'on'")
                .map_err(ConnectError::Postgres)?;
            if row.get::<_, bool>(0) != wanted {
                return Err(ConnectError::Session);
            }
        }
        Ok(Self { client, connection, line, connected: connected() })
    }

    /// The connection in the hands of the coroutine that calls this.
    ///
    /// # Errors
    /// The event loop takes no more sockets.
    pub(super) fn hand_over(self) -> io::Result<Reading> {
        let Self { client, connection, line, connected } = self;
        let interest = line.hand_over()?;
        Ok(Reading {
            interest,
            line,
            client,
            connection,
            woken: Woken::new(),
            statements: Vec::new(),
            _connected: connected,
        })
    }
}

/// What the start of a session needs; the rest of `config` is for the socket.
fn startup(config: &Config) -> tokio_postgres::Config {
    let mut startup = tokio_postgres::Config::new();
    startup.ssl_mode(config.get_ssl_mode()).channel_binding(config.get_channel_binding());
    if let Some(user) = config.get_user() {
        startup.user(user);
    }
    if let Some(password) = config.get_password() {
        startup.password(password);
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
    startup
}

/// Whether sessions have to be read-only, if that matters.
fn read_only(wanted: TargetSessionAttrs) -> Option<bool> {
    match wanted {
        TargetSessionAttrs::ReadWrite => Some(false),
        TargetSessionAttrs::ReadOnly => Some(true),
        _ => None,
    }
}

/// An open connection, on a coroutine. Each statement is prepared once for its life.
pub struct Reading {
    // Order matters: leaves the event loop before `line` closes the descriptor.
    interest: Interest,
    client: Client,
    connection: Connection<Pipe, NoTlsStream>,
    line: Arc<Line>,
    woken: Woken,
    statements: Vec<(&'static str, Statement)>,
    _connected: Connected,
}

impl Reading {
    /// The rows of `sql`; parks until they are here.
    ///
    /// # Errors
    /// Those of the statement, or of the connection, which is then of no more use.
    pub fn query(&mut self, sql: &'static str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        let Self { interest, client, connection, line, woken, statements, .. } = self;
        let known = statements.iter().find(|(known, _)| std::ptr::eq(*known, sql));
        let statement = match known {
            Some((_, statement)) => statement.clone(),
            None => {
                let statement = run(connection, woken, client.prepare(sql), || line.park(interest))?;
                statements.push((sql, statement.clone()));
                statement
            }
        };
        run(connection, woken, client.query(&statement, values), || line.park(interest))
    }
}

/// Whether something that is polled was woken by something else that is polled.
struct Woken(Arc<Flag>, Waker);

struct Flag(AtomicBool);

impl Woken {
    fn new() -> Self {
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        Self(flag.clone(), Waker::from(flag))
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `statement` over `connection` until its answer is whole; `wait` waits for the socket.
fn run<T>(
    connection: &mut Connection<Pipe, NoTlsStream>,
    woken: &Woken,
    statement: impl Future<Output = Result<T, Error>>,
    mut wait: impl FnMut(),
) -> Result<T, Error> {
    let mut statement = pin!(statement);
    let context = &mut Context::from_waker(&woken.1);
    loop {
        if let Poll::Ready(answer) = statement.as_mut().poll(context) {
            return answer;
        }
        // What the statement has just said to the connection is heard now; what the connection says to it, in another round.
        loop {
            woken.0.0.store(false, Ordering::Relaxed);
            // In order it ends only after its client, whom the statement holds.
            if let Poll::Ready(Err(error)) = Pin::new(&mut *connection).poll(context) {
                return Err(error);
            }
            if woken.0.0.load(Ordering::Relaxed) {
                break;
            }
            wait();
        }
    }
}
