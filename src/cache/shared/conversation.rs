//! The thread that talks with Redis: one connection, one command at a time.
//!
//! A lookup and the taking of a lock are one script, and so are storing and giving back: Redis runs each as a
//! whole, so no replica can come in between, and a value that was just stored is never computed again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use redis::{
    Client, Cmd, Connection, ConnectionAddr, ErrorKind, IntoConnectionInfo, RedisConnectionInfo, RedisError,
    RedisResult, TlsCertificates, Value,
};

use super::RedisAddress;
use super::remote::{Answer, Job, LookUp, Remote};
use crate::waiting::queue::Popped;
use crate::{files, limits};

/// How often a Redis that is away is asked whether it is back.
const RETRY: Duration = Duration::from_millis(limits::REDIS_RETRY_MS);
/// How often a lookup looks again whose value another replica computes.
const LOOK_AGAIN: Duration = Duration::from_millis(limits::REDIS_LOCK_LOOK_MS);

/// KEYS: value, lock; ARGV: token, how long the lock lasts, how long a value may be. The value and how long
/// it will live, or 1 if the caller has the lock (also from a try before whose answer was lost), or 0. A
/// value that is longer is none of ours, and is not sent: 2.
const LOOK_UP: &str = "if redis.call('STRLEN', KEYS[1]) > tonumber(ARGV[3]) then return 2 end
local value = redis.call('GET', KEYS[1])
if value then return {value, redis.call('PTTL', KEYS[1])} end
if redis.call('GET', KEYS[2]) == ARGV[1] then return 1 end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return 0";

/// KEYS: value, lock; ARGV: token, value, how long it lives. Only while the caller has the lock: without it
/// another replica computes a younger value.
const FILL: &str = "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return redis.call('DEL', KEYS[2])";

/// KEYS: value, lock; ARGV: token.
const RELEASE: &str = "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[2])";

/// KEYS: value, lock. Without its lock whoever computes the value stores none.
const FORGET: &str = "return redis.call('DEL', KEYS[1], KEYS[2])";

/// Why there is no answer; it is counted and logged already.
struct Failed;

pub(super) struct Conversation {
    remote: Arc<Remote>,
    connection: Option<Connection>,
    /// Lookups whose value another replica computes, and when to look again.
    later: Vec<(Instant, LookUp)>,
    next_try: Instant,
    /// Whether the last command was refused, which is said once.
    refused: bool,
}

impl Conversation {
    pub(super) fn new(remote: Arc<Remote>) -> Self {
        Self { remote, connection: None, later: Vec::new(), next_try: Instant::now(), refused: false }
    }

    /// Until the queue is closed and empty. It may begin again after a panic.
    pub(super) fn run(&mut self) {
        // It may be in the middle of an answer.
        self.connection = None;
        loop {
            let now = Instant::now();
            let away = self.remote.is_away();
            if away && self.next_try <= now {
                self.greet();
                self.next_try = Instant::now() + RETRY;
                continue;
            }
            self.look_again(now);
            let due = self.later.iter().map(|(due, _)| *due).chain(away.then_some(self.next_try)).min();
            match self.remote.jobs.pop_until(due) {
                Popped::Job(job) => self.work(job),
                Popped::Late => {}
                Popped::Closed => return,
            }
        }
    }

    /// Asks a Redis that was away.
    fn greet(&mut self) {
        let greeted = match &mut self.connection {
            Some(connection) => redis::cmd("PING").exec(connection),
            None => connect(&self.remote).map(|connection| self.connection = Some(connection)),
        };
        if let Err(error) = greeted.and_then(|()| self.pay()) {
            self.lose(&error);
        }
    }

    /// Has it forget what it is still to forget; then it may be asked again.
    fn pay(&mut self) -> RedisResult<()> {
        while let Some(keys) = self.remote.take_owed() {
            if keys.is_empty() {
                break;
            }
            for (paid, key) in keys.iter().enumerate() {
                if let Err(error) = self.ask_once(&script(FORGET, key, 0)) {
                    keys[paid..].iter().for_each(|key| self.remote.owe(key, &error));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn work(&mut self, job: Job) {
        match job {
            Job::LookUp(one) => self.look_up(one),
            Job::Fill { key, token, value, ttl } => {
                if value.len() > limits::REDIS_VALUE_BYTES {
                    self.refuse(&"a value is too long for it");
                    let _ = self.ask(&script(RELEASE, &key, token));
                    return;
                }
                let mut fill = script(FILL, &key, token);
                fill.arg(&*value).arg(millis(ttl));
                let _ = self.ask(&fill);
            }
            Job::Release { key, token } => {
                let _ = self.ask(&script(RELEASE, &key, token));
            }
            Job::Forget { key, reply } => match self.ask(&script(FORGET, &key, 0)) {
                Ok(_) => reply.send(Answer::Forgotten),
                Err(Failed) => {
                    self.remote.owe(&key, &"it has not forgotten");
                    reply.send(Answer::Away);
                }
            },
        }
    }

    fn look_again(&mut self, now: Instant) {
        let due = |(due, _): &mut (Instant, LookUp)| *due <= now;
        let due: Vec<_> = self.later.extract_if(.., due).collect();
        due.into_iter().for_each(|(_, one)| self.look_up(one));
    }

    fn look_up(&mut self, one: LookUp) {
        if one.reply.is_settled() {
            return;
        }
        let mut look_up = script(LOOK_UP, &one.key, one.token);
        look_up.arg(limits::REDIS_LOCK_MS).arg(limits::REDIS_VALUE_BYTES);
        let answer = self.ask(&look_up).map(|value| self.read(value));
        match answer {
            Ok(Answer::Busy) if Instant::now() < one.give_up && self.later.len() < limits::REDIS_QUEUE => {
                self.later.push((Instant::now() + LOOK_AGAIN, one));
            }
            Ok(answer) => one.reply.send(answer),
            Err(Failed) => one.reply.send(Answer::Away),
        }
    }

    /// What the script of a lookup returned.
    fn read(&mut self, value: Value) -> Answer {
        match value {
            Value::Int(1) => return Answer::Claimed,
            Value::Int(0) => return Answer::Busy,
            Value::Int(2) => {
                self.refuse(&"it has a value that is too long to be ours");
                return Answer::Away;
            }
            Value::Array(parts) => {
                if let Ok([Value::BulkString(value), Value::Int(left)]) = <[Value; 2]>::try_from(parts) {
                    let left = Duration::from_millis(u64::try_from(left).unwrap_or_default());
                    return Answer::Found { value: value.into(), left };
                }
            }
            _ => {}
        }
        self.refuse(&"it answers what was not asked for");
        Answer::Away
    }

    /// Sends a command. On a connection that was lost while it was idle it is sent once more on a new one;
    /// the scripts may run twice.
    fn ask(&mut self, command: &Cmd) -> Result<Value, Failed> {
        if self.remote.is_away() {
            return Err(Failed);
        }
        let was_open = self.connection.is_some();
        match self.ask_once(command) {
            Err(error) if was_open && is_lost(&error) && !error.is_timeout() => {
                self.drop_connection();
                self.ask_once(command).map_err(|error| self.fail(&error))
            }
            asked => asked.map_err(|error| self.fail(&error)),
        }
    }

    fn ask_once(&mut self, command: &Cmd) -> RedisResult<Value> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(connect(&self.remote)?),
        };
        self.remote.metrics.commands.fetch_add(1, Ordering::Relaxed);
        let value = command.query(connection)?;
        self.refused = false;
        Ok(value)
    }

    fn fail(&mut self, error: &RedisError) -> Failed {
        match is_lost(error) {
            true => self.lose(error),
            false => self.refuse(error),
        }
        Failed
    }

    fn lose(&mut self, error: &RedisError) {
        self.drop_connection();
        // The system calls it "temporarily unavailable".
        match error.is_timeout() {
            true => self.remote.lost(&"no answer in time"),
            false => self.remote.lost(error),
        }
        self.next_try = Instant::now() + RETRY;
    }

    fn drop_connection(&mut self) {
        self.connection = None;
        self.remote.metrics.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Redis is there and does not want to: the next command may fare better.
    fn refuse(&mut self, why: &dyn std::fmt::Display) {
        self.remote.metrics.refused.fetch_add(1, Ordering::Relaxed);
        if !std::mem::replace(&mut self.refused, true) {
            log::warn!("Redis at {} refuses: {why}", self.remote.settings.address);
        }
    }
}

/// Opens a connection and is greeted, each within the timeout. (To connect to a socket file takes no time, or
/// has none to wait for; the lookup of a host's name has no bound here.)
fn connect(remote: &Remote) -> RedisResult<Connection> {
    let timeout = remote.settings.timeout;
    let mut connection = client(remote)?.get_connection_with_timeout(timeout)?;
    connection.set_read_timeout(Some(timeout))?;
    connection.set_write_timeout(Some(timeout))?;
    // By us: the library signs in before an answer has any bound. TLS is agreed on with what is sent first.
    if let Some(login) = &remote.settings.login {
        redis::cmd("AUTH").arg(&login.user).arg(&login.password).exec(&mut connection)?;
    }
    redis::cmd("PING").exec(&mut connection)?;
    Ok(connection)
}

fn client(remote: &Remote) -> RedisResult<Client> {
    let address = match &remote.settings.address {
        RedisAddress::Tcp(host, port) => ConnectionAddr::Tcp(host.clone(), *port),
        RedisAddress::Tls(host, port) => {
            ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
        }
        RedisAddress::Unix(path) => ConnectionAddr::Unix(path.clone()),
    };
    let encrypted = matches!(address, ConnectionAddr::TcpTls { .. });
    // Nothing is sent but what is asked for.
    let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
    let info = address.into_connection_info()?.set_redis_settings(settings);
    if !encrypted {
        return Client::open(info);
    }
    // Another one may be there already, and is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Read with each connection: a file that is replaced needs no restart.
    let authorities = remote.settings.authorities.as_deref();
    let root_cert = authorities.map(|path| files::read(path, limits::CERTIFICATES_BYTES)).transpose()?;
    let root_cert = root_cert.map(|(text, _)| text);
    Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })
}

/// Whether the connection is of no more use; otherwise Redis has answered, and refused. One that may not sign
/// in need not ask.
fn is_lost(error: &RedisError) -> bool {
    use ErrorKind::{AuthenticationFailed, InvalidClientConfig, Io, Parse};
    let away = matches!(error.kind(), Io | Parse | AuthenticationFailed | InvalidClientConfig);
    away || matches!(error.code(), Some("WRONGPASS" | "NOAUTH"))
}

fn script(script: &str, key: &str, token: u64) -> Cmd {
    let mut command = redis::cmd("EVAL");
    // In braces: a cluster keeps both in the same place.
    command.arg(script).arg(2).arg(key).arg(format!("{{{key}}}:lock")).arg(token);
    command
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
