//! Settings of the process, the engine and the store: raw values become one checked [`Config`]. Those of an
//! API are in its folder.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::database_url::{self, Target};
use crate::http::{Access, Address, AddressError, Details, Limits, Reporting, TrustedHops};
use crate::limits;
use crate::logging::Format;
use crate::replicas::{self, Numbering, push};
use crate::settings::{ConfigError, Setting, Values};
use crate::store::commit::CommitLimits;

/// Of the path of a Unix socket (unix(7)).
const SOCKET_PATH_BYTES: usize = 107;

macro_rules! settings {
    ($($constant:ident = $kind:ident($($part:expr),+);)+) => {
        $(const $constant: Setting = Setting::$kind($($part),+);)+

        /// Every setting, in the order of `--help`.
        pub const SETTINGS: &[Setting] = &[$($constant),+];
    };
}

settings! {
    LISTEN = text("POUCO_LISTEN", "tcp:0.0.0.0:9999", "tcp:HOST:PORT, unix:/PATH or systemd:NAME, several comma-separated", "where the API is served; port 0 takes a free one, and systemd:NAME takes the sockets that a service manager passes under this name");
    ADMIN_LISTEN = text("POUCO_ADMIN_LISTEN", "tcp:127.0.0.1:9998", "as POUCO_LISTEN, or `off`", "where /healthz, /readyz and /metrics are served; must not be the public port");
    SOCKET_MODE = text("POUCO_SOCKET_MODE", "660", "octal, 0 to 777", "permissions of Unix sockets");
    SHARE_PORT = text("POUCO_SHARE_PORT", "off", "on or off", "several processes listen on the same public TCP ports, and the kernel distributes the connections");
    DATABASE_URL = secret("DATABASE_URL", "embedded", "postgres://… or key=value pairs", "the database; without it an embedded Postgres is fetched and started");
    DURABILITY = text("POUCO_DURABILITY", "warn", "warn or refuse", "what to do about a Postgres with fsync or full_page_writes off, which loses committed rows when its machine crashes; a synchronous_commit that is too weak is raised in any case");
    DATABASE_URL_FILE = text("DATABASE_URL_FILE", "none", "a file with a value of DATABASE_URL", "as DATABASE_URL, for a value that is mounted as a file");
    PASSFILE = text("PGPASSFILE", "none", "a file", "passwords for DATABASE_URL, if it has none: lines of host:port:database:user:password, readable by their owner only (Postgres manual, section 32.16)");
    DATA_DIR = text("POUCO_DATA_DIR", "$XDG_DATA_HOME/pouco, as root /var/lib/pouco", "a folder", "where the embedded Postgres keeps its data");
    PG_BIN_DIR = text("POUCO_PG_BIN_DIR", "an installed Postgres (17 or newer), otherwise fetched", "a folder with initdb and postgres", "the binaries of the embedded Postgres");
    REPLICA = text("POUCO_REPLICA", "auto", "auto, or 0 to 4095", "the last three hexadecimal digits of the ids that this replica assigns, by which a balancer can find the replica that has the row in memory; `auto` is a number that no other replica on the same database has, if possible the one at the end of HOSTNAME");
    HOSTNAME = text("HOSTNAME", "none", "a name", "as Kubernetes sets it: in `people-3`, a pod of a StatefulSet, POUCO_REPLICA=auto takes 3");
    REPLICA_TERM = number("POUCO_REPLICA_TERM_MS", limits::REPLICA_TERM_MS, 3_000..=3_600_000, "ms", "how long the other replicas consider this one alive after its last sign of life; then its number is free");
    PUSH_LISTEN = text("POUCO_PUSH_LISTEN", "off", "tcp:IP:PORT, unix:/PATH or `off`", "where new rows of other replicas are received; new rows of this one are then sent to all others, which are listed in a table of the database and must prove that they know a secret in it; use a private network, since nothing is encrypted");
    PUSH_ADDRESS = text("POUCO_PUSH_ADDRESS", "as POUCO_PUSH_LISTEN", "tcp:IP:PORT or unix:/PATH", "how the others reach it; for 0.0.0.0 it is the address from which the database is reached over TCP");
    PUSH_LINGER = number("POUCO_PUSH_LINGER_MS", limits::PUSH_LINGER_MS, 0..=1_000, "ms", "how long the first new row waits for more, before all are sent to the other replicas");
    PUSH_QUEUE = number("POUCO_PUSH_QUEUE_BYTES", limits::PUSH_QUEUE_BYTES as u64, limits::PUSH_FRAME_BYTES as u64..=1_073_741_824, "bytes", "rows that may wait to be sent, and to be received by each of the others; more are left to the feed");
    MAX_CONNECTIONS = number("POUCO_MAX_CONNECTIONS", limits::CONNECTIONS as u64, 1..=1_000_000, "", "open connections; for one more an idle one is closed, and if none is idle it is answered with 503; fewer if `vm.max_map_count` allows fewer");
    ADDRESS_CONNECTIONS = text("POUCO_MAX_CONNECTIONS_PER_ADDRESS", "half of POUCO_MAX_CONNECTIONS", "0 to 1000000; 0 means no limit", "open connections of one client address (a /64 for IPv6); past it an idle one of the same address is closed, otherwise the answer is 429; connections over Unix sockets have no address, and POUCO_TRUSTED_HOPS have no limit");
    ADDRESS_RATE = number("POUCO_MAX_REQUESTS_PER_SECOND_PER_ADDRESS", 0, 0..=1_000_000, "", "requests per second of one client address, after a burst; more are answered with 429; 0 means no limit");
    ADDRESS_BURST = number("POUCO_REQUEST_BURST_PER_ADDRESS", limits::REQUEST_BURST, 1..=1_000_000, "", "requests of one address that may come at once, if POUCO_MAX_REQUESTS_PER_SECOND_PER_ADDRESS is set");
    TRUSTED_HOPS = text("POUCO_TRUSTED_HOPS", "unix", "none, or comma-separated: unix, IP addresses and blocks such as 10.0.0.0/8", "which peers are trusted to name the client in X-Forwarded-For, X-Forwarded-Proto or a PROXY header; `unix` means every connection over a Unix socket");
    PROXY_PROTOCOL = text("POUCO_PROXY_PROTOCOL", "off", "on or off", "connections of POUCO_TRUSTED_HOPS to POUCO_LISTEN must begin with a header of the PROXY protocol, version 1 or 2; without it they are closed");
    MAX_HEADER_BYTES = number("POUCO_MAX_HEADER_BYTES", limits::HEADER_BYTES as u64, 1024..=1_048_576, "bytes", "request line and header fields; more is a 431 or 414");
    MAX_HEADER_COUNT = number("POUCO_MAX_HEADER_COUNT", limits::HEADER_COUNT as u64, 1..=limits::HEADER_COUNT as u64, "fields", "header fields of a request; one more is a 431");
    MAX_TARGET_BYTES = number("POUCO_MAX_TARGET_BYTES", limits::TARGET_BYTES as u64, 64..=1_048_576, "bytes", "path and query of a request; more is a 414");
    MAX_BODY_BYTES = number("POUCO_MAX_BODY_BYTES", limits::BODY_BYTES as u64, 1024..=16_777_216, "bytes", "request body; more is a 413");
    MAX_REQUEST_BYTES = number("POUCO_MAX_REQUEST_BYTES", limits::REQUEST_BYTES as u64, 1_048_576..=1 << 40, "bytes", "total growth of all request buffers beyond 8 KiB each; more is a 503");
    MAX_ANSWER_BYTES = number("POUCO_MAX_ANSWER_BYTES", limits::ANSWER_BYTES as u64, 1_048_576..=1 << 40, "bytes", "total growth of all response buffers beyond 8 KiB each, until their clients have read them; more is a 503");
    MAX_REQUESTS = number("POUCO_MAX_REQUESTS_PER_CONNECTION", limits::REQUESTS_PER_CONNECTION, 1..=1_000_000_000_000, "", "requests on one connection; the last one closes it");
    HEADER_TIMEOUT = number("POUCO_HEADER_TIMEOUT_MS", limits::HEADER_TIMEOUT_MS, 250..=3_600_000, "ms", "from a request's first byte to the end of its head");
    BODY_TIMEOUT = number("POUCO_BODY_TIMEOUT_MS", limits::BODY_TIMEOUT_MS, 250..=3_600_000, "ms", "from the end of the head to the end of the body");
    IDLE_TIMEOUT = number("POUCO_IDLE_TIMEOUT_MS", limits::IDLE_TIMEOUT_MS, 250..=86_400_000, "ms", "between two requests of a connection");
    WRITE_TIMEOUT = number("POUCO_WRITE_TIMEOUT_MS", limits::WRITE_TIMEOUT_MS, 250..=3_600_000, "ms", "how long a client may read nothing of what is written to it");
    MIN_BYTES_PER_S = number("POUCO_MIN_BYTES_PER_S", limits::MIN_BYTES_PER_S, 0..=1_073_741_824, "bytes a second", "the rate at which a client must read a response, or send a streamed body, while the server waits for it; 0 means no such rate");
    RATE_GRACE = number("POUCO_RATE_GRACE_MS", limits::RATE_GRACE_MS, 250..=3_600_000, "ms", "how far a client may fall behind that rate; then its response is cut, or its body is a 408");
    STREAM_TIMEOUT = number("POUCO_STREAM_TIMEOUT_MS", limits::STREAM_TIMEOUT_MS, 250..=604_800_000, "ms", "for a whole streamed response or body of unknown length; then it is cut, or a 408");
    COMMIT_LINGER = number("POUCO_COMMIT_LINGER_MS", limits::COMMIT_LINGER_MS, 0..=1000, "ms", "how long the first row of a batch waits for more rows, at most");
    COMMIT_BATCH = number("POUCO_COMMIT_BATCH_ROWS", limits::COMMIT_BATCH_ROWS as u64, 1..=10_000, "rows", "rows of one INSERT");
    COMMIT_QUEUE = number("POUCO_COMMIT_QUEUE_ROWS", limits::COMMIT_QUEUE_ROWS as u64, 1..=1_000_000, "rows", "rows that may wait to be sent; one more is a 503");
    COMMIT_QUEUE_BYTES = number("POUCO_COMMIT_QUEUE_BYTES", limits::COMMIT_QUEUE_BYTES as u64, 65_536..=1_073_741_824, "bytes", "bytes that may wait to be sent; more is a 503");
    COMMIT_DEADLINE = number("POUCO_COMMIT_DEADLINE_MS", limits::COMMIT_DEADLINE_MS, 100..=600_000, "ms", "how long a row may wait to be sent; then it is a 503");
    READ_CONNECTIONS = number("POUCO_READ_CONNECTIONS", limits::READERS_PER_REPLICA as u64, 1..=64, "", "connections for reads and transactions, in addition to those that an API has for itself; the last one is for lookups by id");
    REPLICAS = number("POUCO_REPLICAS", limits::REPLICAS as u64, 1..=1000, "", "replicas that share the database; a warning says if Postgres has too few connections for them; more than one need shared secrets, such as POUCO_JWT_SECRET");
    READ_QUEUE = number("POUCO_READ_QUEUE", limits::READ_QUEUE as u64, 1..=1_000_000, "", "reads that may wait for a connection; one more is a 503");
    READ_DEADLINE = number("POUCO_READ_DEADLINE_MS", limits::READ_DEADLINE_MS, 100..=600_000, "ms", "how long a read may take; then it is a 503");
    SILENCE = number("POUCO_SILENCE_MS", limits::SILENCE_MS, 100..=600_000, "ms", "how long Postgres may be silent during a statement; then a second connection asks it, and the first is dropped if that one gets no answer either");
    FEED_INTERVAL = number("POUCO_FEED_INTERVAL_MS", limits::FEED_INTERVAL_MS, 10..=10_000, "ms", "how often a replica looks for what others have committed");
    FEED_PUSHED = number("POUCO_FEED_PUSHED_MS", limits::FEED_PUSHED_MS, 10..=1_500, "ms", "as POUCO_FEED_INTERVAL_MS, while all other replicas send their rows here and polling finds no row that was not sent");
    SHUTDOWN_DELAY = number("POUCO_SHUTDOWN_DELAY_MS", limits::SHUTDOWN_DELAY_MS, 0..=3_600_000, "ms", "how long requests are served as before after SIGTERM, while /readyz is already 503; a second signal ends the delay. Delay, grace and 5 s more must be less than the time that the orchestrator waits before it kills");
    SHUTDOWN_GRACE = number("POUCO_SHUTDOWN_GRACE_MS", limits::SHUTDOWN_GRACE_MS, 0..=3_600_000, "ms", "how long requests may take to finish after SIGTERM");
    LOG = text("POUCO_LOG", "info", "off, error, warn, info, debug", "what is logged to standard error");
    LOG_FORMAT = text("POUCO_LOG_FORMAT", "text", "text or json", "how a log line looks");
    LOG_LEVEL_FILE = text("POUCO_LOG_LEVEL_FILE", "none", "a file", "a file with one of the words of POUCO_LOG, which takes precedence over it; SIGHUP reads it again");
    ACCESS_LOG = text("POUCO_ACCESS_LOG", "off", "off, errors, sampled or all", "which requests are logged, independent of POUCO_LOG: none, those answered with a 5xx, these and one in POUCO_ACCESS_LOG_ONE_IN, or all");
    ACCESS_LOG_ONE_IN = number("POUCO_ACCESS_LOG_ONE_IN", limits::ACCESS_LOG_ONE_IN, 1..=1_000_000, "", "with POUCO_ACCESS_LOG=sampled, one in this many requests is logged");
    ACCESS_LOG_DETAILS = text("POUCO_ACCESS_LOG_DETAILS", "none", "none, or comma-separated: path, query, client, agent", "possibly personal data that such a line contains: path and query as they were sent, the client's address, User-Agent");
    REQUEST_IDS = text("POUCO_REQUEST_IDS", "off", "on or off", "each request has an id, that of its X-Request-Id or a new one, in its response and in every log line about it; a traceparent is passed on too");
}

/// Where the database is.
#[derive(Clone, Debug)]
pub enum Database {
    /// A server that somebody else runs.
    Given(Box<Target>),
    /// A Postgres of our own.
    Embedded {
        /// `None`: the place that suits the user.
        data_dir: Option<PathBuf>,
        /// `None`: an installed one, otherwise a fetched one.
        bin_dir: Option<PathBuf>,
    },
}

/// A socket to answer on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// One of our own.
    At(Address),
    /// Those that a service manager hands over under this name.
    Systemd(String),
}

impl Listen {
    fn read(text: &str) -> Result<Self, AddressError> {
        match text.strip_prefix("systemd:").filter(|name| !name.is_empty()) {
            Some(name) => Ok(Self::Systemd(name.to_owned())),
            None => text.parse().map(Self::At),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => write!(f, "{address}"),
            Self::Systemd(name) => write!(f, "systemd:{name}"),
        }
    }
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
    pub listen: Vec<Listen>,
    pub admin_listen: Vec<Listen>,
    pub socket_mode: u32,
    pub share_port: bool,
    pub trusted_hops: TrustedHops,
    pub proxy_protocol: bool,
    pub database: Database,
    /// Its place among the replicas.
    pub place: replicas::Settings,
    pub http: Limits,
    pub commit: CommitLimits,
    pub read: ReadLimits,
    /// Whether a Postgres that can lose what it has committed is refused.
    pub refuse_weak: bool,
    pub silence: Duration,
    /// Replicas that share the database.
    pub replicas: usize,
    /// Whether those are told to be several, on a database that somebody else runs. The default of the
    /// setting is for the connections alone: a single process started for a try does not mean that there are
    /// two.
    pub several_replicas: bool,
    pub feed_interval: Duration,
    pub feed_pushed: Duration,
    pub shutdown_delay: Duration,
    pub shutdown_grace: Duration,
    pub log_level: log::LevelFilter,
    /// Where the level is, to be read again.
    pub log_level_file: Option<PathBuf>,
    pub log_format: Format,
    pub reporting: Reporting,
}

impl Config {
    /// Checks raw values.
    ///
    /// # Errors
    /// The first setting that is not allowed.
    pub fn read(values: &Values) -> Result<Self, ConfigError> {
        values.check_ends(SETTINGS)?;
        let admin_off = values.text(&ADMIN_LISTEN) == "off";
        Ok(Self {
            listen: addresses(values, &LISTEN)?,
            admin_listen: if admin_off { Vec::new() } else { addresses(values, &ADMIN_LISTEN)? },
            socket_mode: values.parsed(&SOCKET_MODE, |text| {
                u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777)
            })?,
            share_port: values.switch(&SHARE_PORT)?,
            trusted_hops: values.parsed(&TRUSTED_HOPS, TrustedHops::parse)?,
            proxy_protocol: values.switch(&PROXY_PROTOCOL)?,
            database: database(values)?,
            place: replicas::Settings {
                numbering: numbering(values)?,
                term: values.milliseconds(&REPLICA_TERM)?,
                push: push(values)?,
            },
            http: http_limits(values)?,
            commit: commit_limits(values)?,
            read: ReadLimits {
                connections: values.size(&READ_CONNECTIONS)?,
                queue: values.size(&READ_QUEUE)?,
                deadline: values.milliseconds(&READ_DEADLINE)?,
            },
            replicas: values.size(&REPLICAS)?,
            several_replicas: several_replicas(values)?,
            refuse_weak: values.parsed(&DURABILITY, |text| match text {
                "warn" => Some(false),
                "refuse" => Some(true),
                _ => None,
            })?,
            silence: values.milliseconds(&SILENCE)?,
            feed_interval: values.milliseconds(&FEED_INTERVAL)?,
            feed_pushed: values.milliseconds(&FEED_PUSHED)?,
            shutdown_delay: values.milliseconds(&SHUTDOWN_DELAY)?,
            shutdown_grace: values.milliseconds(&SHUTDOWN_GRACE)?,
            log_level: match values.given(&LOG_LEVEL_FILE) {
                Some(file) => level_in(Path::new(file))?,
                None => values.parsed(&LOG, level)?,
            },
            log_level_file: values.given(&LOG_LEVEL_FILE).map(PathBuf::from),
            log_format: values.parsed(&LOG_FORMAT, |text| match text {
                "text" => Some(Format::Text),
                "json" => Some(Format::Json),
                _ => None,
            })?,
            reporting: Reporting {
                names: values.switch(&REQUEST_IDS)?,
                access: access(values)?,
                details: values.parsed(&ACCESS_LOG_DETAILS, Details::parse)?,
            },
        })
    }
}

fn level(text: &str) -> Option<log::LevelFilter> {
    text.parse().ok().filter(|level| *level <= log::LevelFilter::Debug)
}

/// The level that a file holds.
///
/// # Errors
/// If it cannot be read, or holds something else.
pub fn level_in(file: &Path) -> Result<log::LevelFilter, ConfigError> {
    let shown = file.display().to_string();
    let mut text = String::new();
    // A word and a line's end; more is not a level, however much there is.
    let read = File::open(file).and_then(|file| file.take(16).read_to_string(&mut text));
    read.map_err(|error| LOG_LEVEL_FILE.refuse(&shown, error))?;
    let allowed = || format!("the file holds none of {}", LOG.allowed());
    level(text.trim()).ok_or_else(|| LOG_LEVEL_FILE.refuse(&shown, allowed()))
}

fn access(values: &Values) -> Result<Access, ConfigError> {
    let one_in = values.number(&ACCESS_LOG_ONE_IN)?;
    values.parsed(&ACCESS_LOG, |text| match text {
        "off" => Some(Access::Off),
        "errors" => Some(Access::Errors),
        "sampled" => Some(Access::OneIn(one_in)),
        "all" => Some(Access::OneIn(1)),
        _ => None,
    })
}

fn addresses(values: &Values, setting: &Setting) -> Result<Vec<Listen>, ConfigError> {
    let text = values.text(setting);
    let addresses = text.split(',').map(|one| Listen::read(one.trim()));
    addresses.collect::<Result<_, _>>().map_err(|why| setting.refuse(&text, why))
}

fn database(values: &Values) -> Result<Database, ConfigError> {
    let Some(bytes) = values.secret(&DATABASE_URL, &DATABASE_URL_FILE)? else {
        for folder in [&DATA_DIR, &PG_BIN_DIR] {
            // What is no Unicode has been replaced: it would be another folder.
            if let Some(text) = values.given(folder).filter(|text| text.contains(char::REPLACEMENT_CHARACTER))
            {
                return Err(folder.refuse(text, "a folder whose path is UTF-8"));
            }
        }
        return Ok(Database::Embedded {
            data_dir: values.given(&DATA_DIR).map(PathBuf::from),
            bin_dir: values.given(&PG_BIN_DIR).map(PathBuf::from),
        });
    };
    // The value may carry a password: it is not repeated in the message.
    let text = String::from_utf8(bytes).map_err(|_| DATABASE_URL.refuse("…", "it is not UTF-8"))?;
    let mut target = database_url::parse(&text).map_err(|why| DATABASE_URL.refuse("…", why))?;
    target.passfile = target.passfile.or_else(|| values.given(&PASSFILE).map(PathBuf::from));
    Ok(Database::Given(Box::new(target)))
}

/// Rows of other replicas. Those who connect ask nobody for a host's name.
fn push(values: &Values) -> Result<push::Settings, ConfigError> {
    let read = |setting: &Setting| {
        let Some(text) = values.given(setting).filter(|text| *text != "off") else { return Ok(None) };
        let refuse = |why: &dyn fmt::Display| setting.refuse(text, why);
        let address = text.parse::<Address>().map_err(|why| refuse(&why))?;
        match &address {
            Address::Tcp(host_port) if host_port.parse::<SocketAddr>().is_err() => {
                Err(refuse(&setting.allowed()))
            }
            Address::Unix(path) if path.as_os_str().len() > SOCKET_PATH_BYTES => {
                Err(refuse(&format_args!("a path of at most {SOCKET_PATH_BYTES} bytes")))
            }
            _ => Ok(Some(address)),
        }
    };
    let (listen, address) = (read(&PUSH_LISTEN)?, read(&PUSH_ADDRESS)?);
    Ok(push::Settings {
        listen,
        address,
        linger: values.milliseconds(&PUSH_LINGER)?,
        queue_bytes: values.size(&PUSH_QUEUE)?,
    })
}

fn numbering(values: &Values) -> Result<Numbering, ConfigError> {
    let host = values.given(&HOSTNAME).unwrap_or_default();
    values.parsed(&REPLICA, |text| Numbering::read(text, host))
}

fn several_replicas(values: &Values) -> Result<bool, ConfigError> {
    let told = |setting| values.given(setting).is_some();
    let given = (told(&DATABASE_URL) || told(&DATABASE_URL_FILE)) && told(&REPLICAS);
    Ok(given && values.size(&REPLICAS)? > 1)
}

fn http_limits(values: &Values) -> Result<Limits, ConfigError> {
    let connections = values.size(&MAX_CONNECTIONS)?;
    let small = |setting| Ok(u32::try_from(values.number(setting)?).unwrap_or(u32::MAX));
    Ok(Limits {
        connections,
        connections_per_address: match values.given(&ADDRESS_CONNECTIONS) {
            None => connections.div_ceil(limits::PARTS_OF_CONNECTIONS),
            Some(_) => values.parsed(&ADDRESS_CONNECTIONS, |text| {
                text.parse().ok().filter(|number| *number <= 1_000_000)
            })?,
        },
        requests_per_second_per_address: small(&ADDRESS_RATE)?,
        request_burst_per_address: small(&ADDRESS_BURST)?,
        head_bytes: values.size(&MAX_HEADER_BYTES)?,
        header_count: values.size(&MAX_HEADER_COUNT)?,
        target_bytes: values.size(&MAX_TARGET_BYTES)?,
        body_bytes: values.size(&MAX_BODY_BYTES)?,
        requests_per_connection: values.number(&MAX_REQUESTS)?,
        head_timeout_ms: values.number(&HEADER_TIMEOUT)?,
        body_timeout_ms: values.number(&BODY_TIMEOUT)?,
        idle_timeout_ms: values.number(&IDLE_TIMEOUT)?,
        write_timeout_ms: values.number(&WRITE_TIMEOUT)?,
        min_bytes_per_s: values.number(&MIN_BYTES_PER_S)?,
        rate_grace_ms: values.number(&RATE_GRACE)?,
        stream_timeout_ms: values.number(&STREAM_TIMEOUT)?,
        buffer_bytes: limits::BUFFER_BYTES,
        pooled_buffers: limits::POOLED_BUFFERS,
        request_bytes: values.size(&MAX_REQUEST_BYTES)?,
        answer_bytes: values.size(&MAX_ANSWER_BYTES)?,
    })
}

fn commit_limits(values: &Values) -> Result<CommitLimits, ConfigError> {
    Ok(CommitLimits {
        batch_rows: values.size(&COMMIT_BATCH)?,
        linger: values.milliseconds(&COMMIT_LINGER)?,
        queue_rows: values.size(&COMMIT_QUEUE)?,
        queue_bytes: values.size(&COMMIT_QUEUE_BYTES)?,
        deadline: values.milliseconds(&COMMIT_DEADLINE)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::read(&pairs.iter().copied().collect())
    }

    #[test]
    fn the_defaults_are_allowed() {
        config(&[]).unwrap();
    }

    #[test]
    fn every_bad_value_is_found() {
        // Any word may be the name of a folder, or of a host.
        let words = ["PGPASSFILE", "POUCO_DATA_DIR", "POUCO_PG_BIN_DIR", "HOSTNAME"];
        for setting in SETTINGS.iter().filter(|setting| !words.contains(&setting.name)) {
            let error = config(&[(setting.name, "nonsense")]).expect_err(setting.name).to_string();
            assert!(error.starts_with(setting.name), "{error}");
        }
    }

    #[test]
    fn one_address_may_have_half_of_the_connections() {
        let of_one = |pairs: &[(&str, &str)]| config(pairs).unwrap().http.connections_per_address;
        let (all, one) = ("POUCO_MAX_CONNECTIONS", "POUCO_MAX_CONNECTIONS_PER_ADDRESS");
        assert_eq!(of_one(&[]), limits::CONNECTIONS / 2);
        assert_eq!(of_one(&[(all, "9")]), 5);
        assert_eq!(of_one(&[(all, "1")]), 1);
        assert_eq!(of_one(&[(one, "0")]), 0);
        assert_eq!(of_one(&[(all, "9"), (one, "7")]), 7);
        for bad in ["1000001", "-1", "half"] {
            assert!(config(&[(one, bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_place_for_others_rows_is_one_that_they_can_connect_to() {
        let push = |pairs: &[(&str, &str)]| config(pairs).map(|config| config.place.push);
        let (listen, address) = ("POUCO_PUSH_LISTEN", "POUCO_PUSH_ADDRESS");
        assert_eq!(push(&[]).unwrap().listen, None);
        assert_eq!(push(&[(listen, "off")]).unwrap().listen, None);
        for good in ["tcp:127.0.0.1:0", "unix:/run/a.sock", "tcp:[::1]:9997", "tcp:0.0.0.0:9997"] {
            assert_eq!(push(&[(listen, good)]).unwrap().listen.unwrap().to_string(), good);
        }
        let behind = push(&[(listen, "tcp:0.0.0.0:9997"), (address, "tcp:10.0.0.7:9997")]).unwrap();
        assert_eq!(behind.address.unwrap().to_string(), "tcp:10.0.0.7:9997");
        let long = format!("unix:/{}", "x".repeat(SOCKET_PATH_BYTES));
        for bad in ["9997", "tcp:localhost:9997", "unix:", &long] {
            assert!(push(&[(listen, bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_is_not_repeated() {
        let error = config(&[("DATABASE_URL", "postgres://u:secret@h:notaport/d")]).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
