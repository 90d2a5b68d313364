//! `/cache/…`: a user from the database, from this process or from the Redis that all replicas share. Of many
//! who miss a user at once one asks the database. What is there is the user's JSON, ready to be sent.
//!
//! Race window: whoever changes or deletes a user has the caches forget it between the commit and the answer,
//! and what was read before is not kept after that ([`Expiring::forget`], [`Shared::forget`]). Other
//! processes do not hear of it: where several serve, what they keep themselves lives for a second.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::Bench;
use super::users::NOT_FOUND;
use crate::api::Services;
use crate::api::kept::{expose_coalesced, expose_expiring, expose_lookups};
use crate::api::query::number;
use crate::api::redis;
use crate::cache::expiring::{self, Expiring};
use crate::cache::shared::{RedisSettings, Shared};
use crate::cache::{Body, Served, Source};
use crate::http::{Method, Rejection, Request, Response, Scope, Status};
use crate::metrics::Exposition;
use crate::settings::{ConfigError, Setting, Values};

pub(super) const TTL: Setting = Setting::number(
    "POUCO_BENCH_CACHE_TTL_MS",
    300_000,
    1..=86_400_000,
    "ms",
    "how long a user of the bench API is cached; with several replicas, at most one second in the process",
);
/// A user takes some 300 bytes.
pub(super) const BYTES: Setting = Setting::number(
    "POUCO_BENCH_CACHE_BYTES",
    32 * 1024 * 1024,
    1_024..=1 << 40,
    "bytes",
    "memory for users of the bench API in the process; past it the least recently used go",
);

/// As old as a user may be whom another replica has changed.
const SHARED_TTL: Duration = Duration::from_secs(1);

/// Users of a warm-up where nobody says how many.
pub(super) const DEFAULT_COUNT: i64 = 1_000;
/// Users of a warm-up at most. Each is read by itself: 0.2 ms.
pub(super) const LARGEST_COUNT: i64 = 10_000;

const NO_REDIS: Rejection =
    Rejection::new(Status::NotFound, "there is no Redis: REDIS_HOST or REDIS_URL names it");

/// What keeps a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeper {
    Nothing,
    Redis,
    Process,
}

/// Each by its names in the path.
pub(super) const KEEPERS: [(&str, Keeper); 4] = [
    ("no-cache", Keeper::Nothing),
    ("redis", Keeper::Redis),
    ("cached", Keeper::Redis),
    ("process", Keeper::Process),
];

/// Checked settings.
pub(super) struct CacheSettings {
    bytes: u64,
    ttl: Duration,
    redis: Option<RedisSettings>,
}

impl CacheSettings {
    pub(super) fn read(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self {
            bytes: values.number(&BYTES)?,
            ttl: values.milliseconds(&TTL)?,
            redis: redis::read(values)?,
        })
    }
}

/// What is kept.
pub(super) struct Kept {
    process: Arc<Expiring<i64, Body, Rejection>>,
    redis: Option<Shared<Rejection>>,
}

impl Kept {
    /// # Errors
    /// If there is no thread for Redis.
    pub(super) fn start(settings: &CacheSettings, services: &Services<'_>) -> io::Result<Self> {
        let CacheSettings { bytes, ttl, redis } = settings;
        let own = if services.several_replicas { SHARED_TTL.min(*ttl) } else { *ttl };
        let process = Expiring::new(expiring::Limits { bytes: *bytes, entries: usize::MAX, ttl: own });
        services.janitor.look_after(&process);
        let shared = redis.as_ref().map(|redis| Shared::start(Some(redis), *ttl, services.janitor));
        Ok(Self { process, redis: shared.transpose()? })
    }

    /// Removes a user that has changed from every cache.
    pub(super) fn forget(&self, id: i64) {
        self.process.forget(&id);
        if let Some(redis) = &self.redis {
            redis.forget(&key(id));
        }
    }

    pub(super) fn stop(&self) {
        if let Some(redis) = &self.redis {
            redis.stop();
        }
    }

    /// Zeros where there is no Redis: the series of a replica do not depend on its settings.
    pub(super) fn expose(&self, exposition: &mut Exposition) {
        expose_expiring(exposition, "bench_process", &self.process.counts());
        let shared = self.redis.as_ref().map(|redis| redis.counts()).unwrap_or_default();
        expose_lookups(exposition, "bench_redis", shared.hits, shared.misses);
        expose_coalesced(exposition, "bench_redis", shared.coalesced);
    }
}

/// In Redis, in which others may keep things too.
fn key(id: i64) -> String {
    format!("pouco:bench:user:{id}")
}

/// Adds the routes.
pub(super) fn mount(scope: &mut Scope<'_, Bench>) {
    scope.route(Method::Post, "/cache/warmup", Bench::warm_up).route(
        Method::Delete,
        "/cache/users/{id}",
        Bench::forget_user,
    );
    for (name, keeper) in KEEPERS {
        let path = format!("/cache/users/{{id}}/{name}");
        scope.route(Method::Get, &path, move |bench, request, response| {
            bench.kept_user(keeper, request, response)
        });
    }
}

impl Bench {
    /// `GET /cache/users/{id}/…`: the user, and where it is from.
    fn kept_user(
        &self,
        keeper: Keeper,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let Served { value, source } = self.kept_by(keeper, request.path_parameter("id")?)?;
        let begin: &[u8] = match source {
            Source::Hit { .. } => b"{\"source\":\"cache\",\"user\":",
            Source::Miss | Source::Coalesced | Source::Bypass => b"{\"source\":\"database\",\"user\":",
        };
        response.body_with("application/json", |out| {
            out.extend_from_slice(begin);
            out.extend_from_slice(&value);
            out.push(b'}');
        });
        Ok(())
    }

    fn kept_by(&self, keeper: Keeper, id: i64) -> Result<Served<Body>, Rejection> {
        let read = || self.by_id.get(id)?.ok_or(NOT_FOUND);
        match keeper {
            Keeper::Nothing => Ok(Served { value: read()?, source: Source::Bypass }),
            Keeper::Process => self.kept.process.get_or_compute(&id, read),
            Keeper::Redis => self.kept.redis.as_ref().ok_or(NO_REDIS)?.get_or_compute(&key(id), read),
        }
    }

    /// `POST /cache/warmup?count=`: the users 1 to `count` are read again into every cache that there is.
    /// Each is read as a miss is, so that a change meanwhile is not missed.
    fn warm_up(&self, request: &mut Request<'_>, response: &mut Response<'_>) -> Result<(), Rejection> {
        let wanted = number(request, "count", 1..=LARGEST_COUNT)?.unwrap_or(DEFAULT_COUNT);
        let mut count = 0;
        for id in 1..=wanted {
            self.kept.forget(id);
            match self.kept_by(Keeper::Process, id) {
                Ok(_) => count += 1,
                Err(rejection) if rejection.status == Status::NotFound => continue,
                Err(rejection) => return Err(rejection),
            }
            if self.kept.redis.is_some() {
                self.kept_by(Keeper::Redis, id)?;
            }
        }
        response.body_with("application/json", |out| {
            out.extend_from_slice(b"{\"count\":");
            out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
            out.push(b'}');
        });
        Ok(())
    }

    /// `DELETE /cache/users/{id}`: 204, whether it was kept or not.
    fn forget_user(&self, request: &mut Request<'_>, response: &mut Response<'_>) -> Result<(), Rejection> {
        self.kept.forget(request.path_parameter("id")?);
        response.status(Status::NoContent).empty();
        Ok(())
    }
}
