//! A cache that all replicas share, in Redis. A value is computed once for all of them, and outlives each of
//! them.
//!
//! Of one replica at most one lookup of a key is under way; who asks meanwhile waits for that one (as in
//! [`expiring`](super::expiring)). Of all replicas the first to miss a key takes its lock in Redis and
//! computes; the others look again every few milliseconds. A lock that is not given back ends by itself, and
//! then another one takes it.
//!
//! Redis is a help and never a condition: without it, or while it is away or slow, values are computed. After
//! the first failure nobody asks it any more ([`Source::Bypass`]) until the thread that talks with it has
//! heard from it again.

mod conversation;
mod remote;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

pub use self::remote::RemoteCounts;
use self::remote::{Looked, Remote};
use super::flights::{Flights, Joined};
use super::{Body, Served, Source};
use crate::instruments::Counter;
use crate::waiting::Janitor;

/// Redis's own port.
const DEFAULT_PORT: u16 = 6379;

/// Where Redis listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisAddress {
    /// A host and its port.
    Tcp(String, u16),
    /// The same, with TLS: `rediss://`.
    Tls(String, u16),
    /// A socket.
    Unix(PathBuf),
}

impl FromStr for RedisAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.starts_with('/') {
                true => Ok(Self::Unix(path.into())),
                false => Err("the path of a socket begins with a slash"),
            };
        }
        if text.contains('@') {
            return Err(
                "a host, host:port or unix:/path; user and password are REDIS_USER and REDIS_PASSWORD",
            );
        }
        let (text, make): (_, fn(String, u16) -> Self) = match text.split_once("://") {
            None => (text, Self::Tcp),
            Some(("redis", rest)) => (rest.strip_suffix('/').unwrap_or(rest), Self::Tcp),
            Some(("rediss", rest)) => (rest.strip_suffix('/').unwrap_or(rest), Self::Tls),
            Some(_) => return Err("a URL begins with redis:// or rediss://"),
        };
        let (host, port) = match text.rsplit_once(':') {
            // An address of IPv6 has colons of its own, and stands in brackets if a port follows.
            Some((host, _)) if host.contains(':') && !host.ends_with(']') => (text, None),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/') {
            return Err("a host, host:port, unix:/path or rediss://host:port");
        }
        let port = port.map_or(Ok(DEFAULT_PORT), str::parse);
        Ok(make(host.to_owned(), port.map_err(|_| "a port is a number up to 65535")?))
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Tls(..) = self {
            f.write_str("rediss://")?;
        }
        match self {
            Self::Tcp(host, port) | Self::Tls(host, port) if host.contains(':') => {
                write!(f, "[{host}]:{port}")
            }
            Self::Tcp(host, port) | Self::Tls(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Who we are for Redis. Nothing of it is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// `None`: its default user.
    pub user: Option<String>,
    /// Any bytes.
    pub password: Vec<u8>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

/// Where Redis is, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// Where it listens.
    pub address: RedisAddress,
    /// To connect, and for each answer.
    pub timeout: Duration,
    /// `None`: it asks for none.
    pub login: Option<Login>,
    /// Certificates of the authorities that are believed (PEM); `None`: those that the system knows.
    pub authorities: Option<PathBuf>,
}

/// What was counted of the lookups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SharedCounts {
    /// Lookups that found their entry.
    pub hits: u64,
    /// Lookups that computed it, also those without Redis.
    pub misses: u64,
    /// Lookups that waited for another one of this replica.
    pub coalesced: u64,
    /// Of Redis itself.
    pub remote: RemoteCounts,
}

/// The cache as one replica sees it. `E` is why a value could not be computed.
pub struct Shared<E> {
    remote: Option<Arc<Remote>>,
    ttl: Duration,
    flights: Flights<String, Result<Served<Body>, E>>,
    /// Written by the one thread that runs the handlers.
    hits: Counter,
    misses: Counter,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl<E: Clone> Shared<E> {
    /// A cache in that Redis; without one, every value is computed.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(redis: Option<&RedisSettings>, ttl: Duration, janitor: &Janitor) -> io::Result<Self> {
        let (remote, thread) = match redis {
            None => (None, None),
            Some(settings) => {
                let (remote, thread) = Remote::start(settings.clone(), ttl, janitor)?;
                (Some(remote), Some(thread))
            }
        };
        let (hits, misses) = (Counter::default(), Counter::default());
        Ok(Self { remote, ttl, flights: Flights::new(), hits, misses, thread: Mutex::new(thread) })
    }

    /// The value of `key`: the one in Redis, or what `compute` returns. Parks meanwhile.
    ///
    /// A value that takes longer to compute than [`REDIS_LOCK_MS`](crate::limits::REDIS_LOCK_MS) may be
    /// computed by another replica as well.
    ///
    /// # Errors
    /// What `compute` returned, to all who waited for it.
    pub fn get_or_compute(
        &self,
        key: &str,
        compute: impl FnOnce() -> Result<Body, E>,
    ) -> Result<Served<Body>, E> {
        match self.flights.run(key, || None, || self.look_up(key, compute), |_| ()) {
            Joined::Known(served) | Joined::Led(served) => served,
            Joined::Followed(served) => served.map(|served| match served.source {
                Source::Miss => Served { source: Source::Coalesced, ..served },
                _ => served,
            }),
        }
    }

    /// Forgets the value of `key`, which is not what it was any more, for all replicas; parks meanwhile. Who
    /// computes it now has no lock any more, so that what was read before is not stored. While Redis is away
    /// nobody asks it, and before anybody does again it has forgotten.
    pub fn forget(&self, key: &str) {
        if let Some(remote) = &self.remote {
            remote.forget(key);
        }
        // Later than that: until then a flight may have begun that has found the old value.
        self.flights.end(key, || ());
    }

    /// What was counted until now.
    #[must_use]
    pub fn counts(&self) -> SharedCounts {
        SharedCounts {
            hits: self.hits.get(),
            misses: self.misses.get(),
            coalesced: self.flights.joined(),
            remote: self.remote.as_ref().map(|remote| remote.counts()).unwrap_or_default(),
        }
    }

    /// Ends the thread once it has done what is queued.
    pub fn stop(&self) {
        if let Some(remote) = &self.remote {
            remote.close();
        }
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            log::error!("the thread that talks with Redis panicked");
        }
    }

    fn look_up(&self, key: &str, compute: impl FnOnce() -> Result<Body, E>) -> Result<Served<Body>, E> {
        let looked = self.remote.as_ref().and_then(|remote| remote.look_up(key));
        if let Some(Looked::Found { value, left }) = looked {
            self.hits.add(1);
            return Ok(Served { value, source: Source::Hit { left } });
        }
        self.misses.add(1);
        match looked {
            Some(Looked::Claimed(claim)) => {
                // Dropped without a value it gives the lock back.
                let value = compute()?;
                claim.fill(value.clone(), self.ttl);
                Ok(Served { value, source: Source::Miss })
            }
            // Nobody else was ready in time.
            Some(_) => Ok(Served { value: compute()?, source: Source::Miss }),
            None => Ok(Served { value: compute()?, source: Source::Bypass }),
        }
    }
}

#[cfg(test)]
mod tests;
