//! Settings: raw environment variables become one checked [`Config`]. The table below is also what `--help` prints.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::api::Api;
use crate::api::edge::Keeper;
use crate::cache::expiring;
use crate::cache::shared::{RedisAddress, RedisSettings};
use crate::http::{Address, Limits};
use crate::limits;
use crate::logging::Format;
use crate::store::commit::CommitLimits;

/// One environment variable as `--help` and the README show it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The variable.
    pub name: &'static str,
    /// What holds if it is not set.
    pub default: Preset,
    /// What is allowed, with the unit.
    pub range: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// A default as a number that the code uses, or as text.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Preset {
    Number(u64),
    Text(&'static str),
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

macro_rules! settings {
    ($($constant:ident = $name:literal, $default:expr, $range:literal, $meaning:literal;)+) => {
        $(const $constant: Setting =
            Setting { name: $name, default: $default, range: $range, meaning: $meaning };)+

        /// Every setting, in the order of `--help`.
        pub const SETTINGS: &[Setting] = &[$($constant),+];
    };
}

use Preset::{Number as N, Text as T};

settings! {
    LISTEN = "POUCO_LISTEN", T("tcp:0.0.0.0:9999"), "tcp:HOST:PORT or unix:/PATH, several parted by commas",
        "where the API answers; port 0 takes a free one";
    ADMIN_LISTEN = "POUCO_ADMIN_LISTEN", T("tcp:127.0.0.1:9998"), "as POUCO_LISTEN, or `off`",
        "where /healthz, /readyz and /metrics answer; never the public port";
    SOCKET_MODE = "POUCO_SOCKET_MODE", T("660"), "octal, 0 to 777",
        "permissions of Unix sockets";
    SHARE_PORT = "POUCO_SHARE_PORT", T("off"), "on or off",
        "several processes answer on the same public TCP ports, and the kernel shares the connections out";
    DATABASE_URL = "DATABASE_URL", T("embedded"), "postgres://… or key=value pairs",
        "the database; without it a Postgres of our own is fetched and started";
    DATA_DIR = "POUCO_DATA_DIR", T("$XDG_DATA_HOME/pouco, as root /var/lib/pouco"), "a folder",
        "where the embedded Postgres keeps its data";
    PG_BIN_DIR = "POUCO_PG_BIN_DIR", T("an installed Postgres from 17 on, else fetched"), "a folder with initdb and postgres",
        "the binaries of the embedded Postgres";
    APIS = "POUCO_APIS", T("all"), "names parted by commas",
        "which APIs are served";
    REPLICA = "POUCO_REPLICA", N(0), "0 to 15",
        "the last hexadecimal digit of the ids that this replica gives out, by which a balancer can find the replica that has the row in memory";
    MAX_CONNECTIONS = "POUCO_MAX_CONNECTIONS", N(limits::CONNECTIONS as u64), "1 to 1000000",
        "open connections; one more is answered with 503";
    MAX_HEADER_BYTES = "POUCO_MAX_HEADER_BYTES", N(limits::HEADER_BYTES as u64), "1024 to 1048576 bytes",
        "request line and header fields; more is a 431 or 414";
    MAX_HEADER_COUNT = "POUCO_MAX_HEADER_COUNT", N(limits::HEADER_COUNT as u64), "1 to 100 fields",
        "header fields of a request; one more is a 431";
    MAX_TARGET_BYTES = "POUCO_MAX_TARGET_BYTES", N(limits::TARGET_BYTES as u64), "64 to 1048576 bytes",
        "path and query of a request; more is a 414";
    MAX_BODY_BYTES = "POUCO_MAX_BODY_BYTES", N(limits::BODY_BYTES as u64), "1024 to 16777216 bytes",
        "request body; more is a 413";
    MAX_REQUEST_BYTES = "POUCO_MAX_REQUEST_BYTES", N(limits::REQUEST_BYTES as u64), "1048576 to 1099511627776 bytes",
        "what the buffers of all requests together may grow by past 8 KiB each; more is a 503";
    MAX_REQUESTS = "POUCO_MAX_REQUESTS_PER_CONNECTION", N(limits::REQUESTS_PER_CONNECTION), "1 to 1000000000000",
        "requests on one connection; the last one closes it";
    HEADER_TIMEOUT = "POUCO_HEADER_TIMEOUT_MS", N(limits::HEADER_TIMEOUT_MS), "250 to 3600000 ms",
        "from a request's first byte to the end of its head";
    BODY_TIMEOUT = "POUCO_BODY_TIMEOUT_MS", N(limits::BODY_TIMEOUT_MS), "250 to 3600000 ms",
        "from the end of the head to the end of the body";
    IDLE_TIMEOUT = "POUCO_IDLE_TIMEOUT_MS", N(limits::IDLE_TIMEOUT_MS), "250 to 86400000 ms",
        "between two requests of a connection";
    WRITE_TIMEOUT = "POUCO_WRITE_TIMEOUT_MS", N(limits::WRITE_TIMEOUT_MS), "250 to 3600000 ms",
        "for a client to take what is written to it";
    COMMIT_LINGER = "POUCO_COMMIT_LINGER_MS", N(limits::COMMIT_LINGER_MS), "0 to 1000 ms",
        "how long the first row of a batch waits for company";
    COMMIT_BATCH = "POUCO_COMMIT_BATCH_ROWS", N(limits::COMMIT_BATCH_ROWS as u64), "1 to 10000 rows",
        "rows of one INSERT";
    COMMIT_QUEUE = "POUCO_COMMIT_QUEUE_ROWS", N(limits::COMMIT_QUEUE_ROWS as u64), "1 to 1000000 rows",
        "rows that may wait to be sent; one more is a 503";
    COMMIT_QUEUE_BYTES = "POUCO_COMMIT_QUEUE_BYTES", N(limits::COMMIT_QUEUE_BYTES as u64), "65536 to 1073741824 bytes",
        "bytes that may wait to be sent; more is a 503";
    COMMIT_DEADLINE = "POUCO_COMMIT_DEADLINE_MS", N(limits::COMMIT_DEADLINE_MS), "100 to 600000 ms",
        "how long a row may wait to be sent; then it is a 503";
    READ_CONNECTIONS = "POUCO_READ_CONNECTIONS", N(limits::READERS_PER_REPLICA as u64), "1 to 64",
        "connections for reads and transactions, beside those that an API has for itself; the last one is for look-ups by id";
    REPLICAS = "POUCO_REPLICAS", N(limits::REPLICAS as u64), "1 to 1000",
        "replicas that share the database; a warning says if Postgres has too few connections for them";
    READ_QUEUE = "POUCO_READ_QUEUE", N(limits::READ_QUEUE as u64), "1 to 1000000",
        "reads that may wait for a connection; one more is a 503";
    READ_DEADLINE = "POUCO_READ_DEADLINE_MS", N(limits::READ_DEADLINE_MS), "100 to 600000 ms",
        "how long a read may take; then it is a 503";
    SILENCE = "POUCO_SILENCE_MS", N(limits::SILENCE_MS), "100 to 600000 ms",
        "how long Postgres may be silent in a statement; then it is asked by a second connection, and left if it is silent there too";
    CACHE_BYTES = "POUCO_CACHE_BYTES", N(limits::CACHE_BYTES), "65536 to 1099511627776 bytes",
        "people kept in memory with their search index; past it searches go to Postgres";
    FEED_INTERVAL = "POUCO_FEED_INTERVAL_MS", N(limits::FEED_INTERVAL_MS), "10 to 10000 ms",
        "how often a replica looks for what others have committed";
    USERS_CACHE = "USERS_CACHE", T("off"), "on or off",
        "users and lists of them are kept in the process; off: each answer comes from Postgres";
    USERS_CACHE_TTL = "POUCO_USERS_CACHE_TTL_MS", N(limits::USERS_CACHE_TTL_MS), "1 to 86400000 ms",
        "how old an answer of the users API may be";
    USERS_CACHE_BYTES = "POUCO_USERS_CACHE_BYTES", N(limits::USERS_CACHE_BYTES), "1024 to 1099511627776 bytes",
        "answers of the users API in the process; past it those go that were not asked for the longest";
    USERS_CACHE_ENTRIES = "POUCO_USERS_CACHE_ENTRIES", N(limits::USERS_CACHE_ENTRIES), "1 to 1000000",
        "as POUCO_USERS_CACHE_BYTES, in answers";
    EDGE_CACHE = "POUCO_EDGE_CACHE", T("memory"), "memory, nginx or redis",
        "what keeps the pages of the edge API that have no prefix; nginx: one before the server, which computes each time";
    EDGE_CACHE_TTL = "POUCO_EDGE_CACHE_TTL_MS", N(limits::EDGE_CACHE_TTL_MS), "1 to 86400000 ms",
        "how long a page of the edge API lives in the process";
    EDGE_CACHE_BYTES = "POUCO_EDGE_CACHE_BYTES", N(limits::EDGE_CACHE_BYTES), "1024 to 1099511627776 bytes",
        "pages of the edge API in the process; past it those go that were not asked for the longest";
    EDGE_CACHE_ENTRIES = "POUCO_EDGE_CACHE_ENTRIES", N(limits::EDGE_CACHE_ENTRIES), "1 to 1000000",
        "as POUCO_EDGE_CACHE_BYTES, in pages";
    REDIS_HOST = "REDIS_HOST", T("none"), "host, host:port or unix:/PATH",
        "the Redis that the replicas share as a cache; without it those values are computed each time";
    REDIS_TTL = "POUCO_REDIS_TTL_MS", N(limits::REDIS_TTL_MS), "1 to 86400000 ms",
        "how long a value lives in Redis";
    REDIS_TIMEOUT = "POUCO_REDIS_TIMEOUT_MS", N(limits::REDIS_TIMEOUT_MS), "1 to 1000 ms",
        "how long Redis may take to be connected to, and for each answer; then it counts as away";
    SHUTDOWN_GRACE = "POUCO_SHUTDOWN_GRACE_MS", N(limits::SHUTDOWN_GRACE_MS), "0 to 3600000 ms",
        "how long requests may take to finish after SIGTERM";
    LOG = "POUCO_LOG", T("info"), "off, error, warn, info, debug",
        "what is logged to standard error";
    LOG_FORMAT = "POUCO_LOG_FORMAT", T("text"), "text or json",
        "how a log line looks";
}

/// A setting with a value that is not allowed.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    name: &'static str,
    value: String,
    allowed: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=`{}` is not allowed: {}", self.name, self.value, self.allowed)
    }
}

impl std::error::Error for ConfigError {}

/// Where the database is.
#[derive(Clone, Debug)]
pub enum Database {
    /// A server that somebody else runs.
    Given(Box<postgres::Config>),
    /// A Postgres of our own.
    Embedded {
        /// `None`: the place that suits the user.
        data_dir: Option<PathBuf>,
        /// `None`: an installed one, else a fetched one.
        bin_dir: Option<PathBuf>,
    },
}

/// Reading connections and their queue.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// How many connections.
    pub connections: usize,
    /// How many reads may wait for one.
    pub queue: usize,
    /// How long a read may take.
    pub deadline: Duration,
}

/// Checked settings.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // each is the setting of its name
pub struct Config {
    pub listen: Vec<Address>,
    pub admin_listen: Vec<Address>,
    pub socket_mode: u32,
    pub share_port: bool,
    pub database: Database,
    pub apis: Vec<Api>,
    pub replica: u8,
    pub http: Limits,
    pub commit: CommitLimits,
    pub read: ReadLimits,
    pub silence: Duration,
    /// Replicas that share the database.
    pub replicas: usize,
    pub cache_bytes: u64,
    /// `None` if it is off.
    pub users_cache: Option<expiring::Limits>,
    pub edge_cache: expiring::Limits,
    /// What keeps its pages without a prefix.
    pub edge_keeper: Keeper,
    pub redis: Option<RedisSettings>,
    pub redis_ttl: Duration,
    pub feed_interval: Duration,
    pub shutdown_grace: Duration,
    pub log_level: log::LevelFilter,
    pub log_format: Format,
}

impl Config {
    /// One of the APIs stores something.
    #[must_use]
    pub fn needs_database(&self) -> bool {
        self.apis.iter().any(|api| api.needs_database())
    }

    /// Connections to Postgres that the process keeps open.
    #[must_use]
    pub fn connections(&self) -> usize {
        let own = self.apis.iter().filter_map(|api| api.connections());
        if self.needs_database() { self.read.connections + own.sum::<usize>() } else { 0 }
    }

    /// Reads the environment of the process.
    ///
    /// # Errors
    /// The first setting that is not allowed.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let known = |name: &String| SETTINGS.iter().any(|setting| setting.name == name);
        let values = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(known)?;
            Some((name, value.to_string_lossy().into_owned()))
        });
        Self::from_values(&values.collect())
    }

    /// Checks raw values.
    ///
    /// # Errors
    /// The first setting that is not allowed.
    pub fn from_values(values: &HashMap<String, String>) -> Result<Self, ConfigError> {
        let raw = Raw { values };
        Ok(Self {
            listen: raw.addresses(&LISTEN)?,
            admin_listen: if raw.text(&ADMIN_LISTEN) == "off" {
                Vec::new()
            } else {
                raw.addresses(&ADMIN_LISTEN)?
            },
            socket_mode: raw.parsed(&SOCKET_MODE, |text| {
                u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777)
            })?,
            share_port: raw.switch(&SHARE_PORT)?,
            database: raw.database()?,
            apis: raw.apis()?,
            replica: raw.parsed(&REPLICA, |text| text.parse().ok().filter(|number| *number <= 15))?,
            http: raw.http_limits()?,
            commit: raw.commit_limits()?,
            read: ReadLimits {
                connections: raw.size(&READ_CONNECTIONS, 1..=64)?,
                queue: raw.size(&READ_QUEUE, 1..=1_000_000)?,
                deadline: raw.duration(&READ_DEADLINE, 100..=600_000)?,
            },
            replicas: raw.size(&REPLICAS, 1..=1_000)?,
            silence: raw.duration(&SILENCE, 100..=600_000)?,
            feed_interval: raw.duration(&FEED_INTERVAL, 10..=10_000)?,
            cache_bytes: raw.number(&CACHE_BYTES, 65_536..=1 << 40)?,
            users_cache: raw.users_cache()?,
            edge_keeper: raw.parsed(&EDGE_CACHE, Keeper::parse)?,
            edge_cache: expiring::Limits {
                bytes: raw.number(&EDGE_CACHE_BYTES, 1_024..=1 << 40)?,
                entries: raw.size(&EDGE_CACHE_ENTRIES, 1..=1_000_000)?,
                ttl: raw.duration(&EDGE_CACHE_TTL, 1..=86_400_000)?,
            },
            redis: raw.redis()?,
            redis_ttl: raw.duration(&REDIS_TTL, 1..=86_400_000)?,
            shutdown_grace: raw.duration(&SHUTDOWN_GRACE, 0..=3_600_000)?,
            log_level: raw
                .parsed(&LOG, |text| text.parse().ok().filter(|level| *level <= log::LevelFilter::Debug))?,
            log_format: raw.parsed(&LOG_FORMAT, |text| match text {
                "text" => Some(Format::Text),
                "json" => Some(Format::Json),
                _ => None,
            })?,
        })
    }
}

struct Raw<'v> {
    values: &'v HashMap<String, String>,
}

impl Raw<'_> {
    /// The value as text; an empty variable counts as not set, as compose files write it.
    fn given(&self, setting: &Setting) -> Option<&str> {
        self.values.get(setting.name).map(String::as_str).filter(|text| !text.is_empty())
    }

    fn text(&self, setting: &Setting) -> String {
        self.given(setting).map_or_else(|| setting.default.to_string(), str::to_owned)
    }

    fn parsed<V>(&self, setting: &Setting, parse: impl Fn(&str) -> Option<V>) -> Result<V, ConfigError> {
        let text = self.text(setting);
        parse(&text).ok_or_else(|| refuse(setting, &text, setting.range))
    }

    fn switch(&self, setting: &Setting) -> Result<bool, ConfigError> {
        self.parsed(setting, |text| match text {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        })
    }

    fn number(&self, setting: &Setting, range: std::ops::RangeInclusive<u64>) -> Result<u64, ConfigError> {
        self.parsed(setting, |text| text.parse().ok().filter(|number| range.contains(number)))
    }

    fn size(&self, setting: &Setting, range: std::ops::RangeInclusive<u64>) -> Result<usize, ConfigError> {
        let number = self.number(setting, range)?;
        usize::try_from(number).map_err(|_| refuse(setting, &number.to_string(), setting.range))
    }

    fn duration(
        &self,
        setting: &Setting,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Duration, ConfigError> {
        self.number(setting, range).map(Duration::from_millis)
    }

    fn addresses(&self, setting: &Setting) -> Result<Vec<Address>, ConfigError> {
        let text = self.text(setting);
        let addresses = text.split(',').map(|one| one.trim().parse::<Address>());
        addresses.collect::<Result<_, _>>().map_err(|why| refuse(setting, &text, &why))
    }

    fn database(&self) -> Result<Database, ConfigError> {
        let Some(text) = self.given(&DATABASE_URL) else {
            return Ok(Database::Embedded {
                data_dir: self.given(&DATA_DIR).map(PathBuf::from),
                bin_dir: self.given(&PG_BIN_DIR).map(PathBuf::from),
            });
        };
        // The value may carry a password: it is not repeated in the message.
        let config = text.parse().map_err(|error: postgres::Error| {
            let why =
                std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            refuse(&DATABASE_URL, "…", &why)
        })?;
        Ok(Database::Given(Box::new(config)))
    }

    /// The names are those of the table of APIs, so a new one is known here as well.
    fn apis(&self) -> Result<Vec<Api>, ConfigError> {
        let text = self.text(&APIS);
        let known = || format!("{}: {}", APIS.range, Api::names().collect::<Vec<_>>().join(", "));
        Api::parse_list(&text).ok_or_else(|| refuse(&APIS, &text, &known()))
    }

    fn redis(&self) -> Result<Option<RedisSettings>, ConfigError> {
        let timeout = self.duration(&REDIS_TIMEOUT, 1..=1_000)?;
        let Some(text) = self.given(&REDIS_HOST) else { return Ok(None) };
        let address = text.parse::<RedisAddress>().map_err(|why| refuse(&REDIS_HOST, text, why))?;
        Ok(Some(RedisSettings { address, timeout }))
    }

    fn users_cache(&self) -> Result<Option<expiring::Limits>, ConfigError> {
        let limits = expiring::Limits {
            bytes: self.number(&USERS_CACHE_BYTES, 1_024..=1 << 40)?,
            entries: self.size(&USERS_CACHE_ENTRIES, 1..=1_000_000)?,
            ttl: self.duration(&USERS_CACHE_TTL, 1..=86_400_000)?,
        };
        Ok(self.switch(&USERS_CACHE)?.then_some(limits))
    }

    fn http_limits(&self) -> Result<Limits, ConfigError> {
        Ok(Limits {
            connections: self.size(&MAX_CONNECTIONS, 1..=1_000_000)?,
            head_bytes: self.size(&MAX_HEADER_BYTES, 1_024..=1_048_576)?,
            header_count: self.size(&MAX_HEADER_COUNT, 1..=limits::HEADER_COUNT as u64)?,
            target_bytes: self.size(&MAX_TARGET_BYTES, 64..=1_048_576)?,
            body_bytes: self.size(&MAX_BODY_BYTES, 1_024..=16_777_216)?,
            requests_per_connection: self.number(&MAX_REQUESTS, 1..=1_000_000_000_000)?,
            head_timeout_ms: self.number(&HEADER_TIMEOUT, 250..=3_600_000)?,
            body_timeout_ms: self.number(&BODY_TIMEOUT, 250..=3_600_000)?,
            idle_timeout_ms: self.number(&IDLE_TIMEOUT, 250..=86_400_000)?,
            write_timeout_ms: self.number(&WRITE_TIMEOUT, 250..=3_600_000)?,
            buffer_bytes: limits::BUFFER_BYTES,
            pooled_buffers: limits::POOLED_BUFFERS,
            request_bytes: self.size(&MAX_REQUEST_BYTES, 1_048_576..=1 << 40)?,
        })
    }

    fn commit_limits(&self) -> Result<CommitLimits, ConfigError> {
        Ok(CommitLimits {
            batch_rows: self.size(&COMMIT_BATCH, 1..=10_000)?,
            linger: self.duration(&COMMIT_LINGER, 0..=1_000)?,
            queue_rows: self.size(&COMMIT_QUEUE, 1..=1_000_000)?,
            queue_bytes: self.size(&COMMIT_QUEUE_BYTES, 65_536..=1 << 30)?,
            deadline: self.duration(&COMMIT_DEADLINE, 100..=600_000)?,
        })
    }
}

fn refuse(setting: &Setting, value: &str, allowed: &str) -> ConfigError {
    ConfigError { name: setting.name, value: value.to_owned(), allowed: allowed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_values(&pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    #[test]
    fn the_defaults_are_allowed() {
        config(&[]).unwrap();
    }

    #[test]
    fn a_bad_value_names_variable_value_and_range() {
        // Any word may be the name of a folder or of a host.
        let words = ["POUCO_DATA_DIR", "POUCO_PG_BIN_DIR", "REDIS_HOST"];
        for setting in SETTINGS.iter().filter(|setting| !words.contains(&setting.name)) {
            let error = config(&[(setting.name, "nonsense")]).expect_err(setting.name).to_string();
            assert!(error.starts_with(setting.name), "{error}");
        }
        let error = config(&[("POUCO_MAX_CONNECTIONS", "0")]).unwrap_err().to_string();
        assert_eq!(error, "POUCO_MAX_CONNECTIONS=`0` is not allowed: 1 to 1000000");
    }

    #[test]
    fn an_unknown_api_is_told_the_known_ones() {
        let error = config(&[("POUCO_APIS", "people,cats")]).unwrap_err().to_string();
        assert!(
            error.starts_with("POUCO_APIS=`people,cats` is not allowed: names parted by commas: people, "),
            "{error}"
        );
        assert_eq!(config(&[("POUCO_APIS", "people")]).unwrap().apis.len(), 1);
        let needs = |apis| config(&[("POUCO_APIS", apis)]).unwrap().needs_database();
        assert_eq!(["edge", "users", "edge,people", "all"].map(needs), [false, true, true, true]);
    }

    #[test]
    fn redis_is_where_it_is_said_to_be() {
        assert_eq!(config(&[("REDIS_HOST", "")]).unwrap().redis, None);
        let redis = config(&[("REDIS_HOST", "cache:7000")]).unwrap().redis.unwrap();
        assert_eq!((redis.address.to_string().as_str(), redis.timeout.as_millis()), ("cache:7000", 100));
        let error = config(&[("REDIS_HOST", "cache:port")]).unwrap_err().to_string();
        assert_eq!(error, "REDIS_HOST=`cache:port` is not allowed: a port is a number up to 65535");
    }

    #[test]
    fn a_password_is_not_repeated() {
        let error = config(&[("DATABASE_URL", "postgres://u:secret@h:notaport/d")]).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn numbers_in_ranges_match_what_is_enforced() {
        for setting in SETTINGS {
            let Preset::Number(_) = setting.default else { continue };
            let numbers: Vec<&str> =
                setting.range.split(' ').filter(|word| word.parse::<u64>().is_ok()).collect();
            let [low, high] = numbers[..] else { panic!("{}: {}", setting.name, setting.range) };
            config(&[(setting.name, low)]).unwrap();
            config(&[(setting.name, high)]).unwrap();
            let above = high.parse::<u64>().unwrap() + 1;
            config(&[(setting.name, &above.to_string())]).expect_err(setting.name);
        }
    }
}
