//! The command line: it only wires. `serve` (default), `migrate`, `seed`, `health` and `count`.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use pouco::api::{Api, Seed};
use pouco::app::{App, Bound, raise_descriptor_limit};
use pouco::config::{Config, Database, SETTINGS};
use pouco::http::Address;
use pouco::limits;
use pouco::logging;
use pouco::store::{Connector, Purpose, migrate};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// A setting or an argument is wrong.
const EXIT_USAGE: u8 = 2;
/// The work itself failed.
const EXIT_FAILURE: u8 = 1;

/// How long `pouco health` waits for its answer.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

/// A line for the user, and the exit code.
struct Failure(u8, String);

impl From<String> for Failure {
    fn from(line: String) -> Self {
        Self(EXIT_FAILURE, line)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["serve"] => with_config(serve),
        ["migrate"] => with_config(|config| run_migrations(&config)),
        ["seed", ref options @ ..] => {
            let order = SeedOrder::parse(options).map_err(|line| Failure(EXIT_USAGE, line));
            order.and_then(|order| with_config(|config| order.run(&config)))
        }
        ["health"] => with_config(|config| health(&config)),
        ["count"] => with_config(|config| count(&config)),
        ["-h" | "--help" | "help"] => help(),
        ["-V" | "--version"] => print(&format!("pouco {}\n", env!("CARGO_PKG_VERSION"))),
        [other, ..] => Err(Failure(EXIT_USAGE, format!("`{other}` is no command; see pouco --help"))),
    };
    let code = match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(code, line)) => {
            if !line.is_empty() {
                logging::say(&format!("pouco: {line}"));
            }
            ExitCode::from(code)
        }
    };
    logging::flush();
    code
}

fn with_config(run: impl FnOnce(Config) -> Result<(), Failure>) -> Result<(), Failure> {
    let config = Config::from_environment().map_err(|error| Failure(EXIT_USAGE, error.to_string()))?;
    logging::install(config.log_level, config.log_format)
        .map_err(|error| format!("no thread for the log: {error}"))?;
    run(config)
}

/// Ends the process from a thread that is not the main one.
fn exit(code: u8) -> ! {
    logging::flush();
    std::process::exit(i32::from(code))
}

/// Standard output may be a closed pipe; that is no reason to panic.
fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::from(error.to_string())),
        _ => Ok(()),
    }
}

fn help() -> Result<(), Failure> {
    let mut text = String::from(
        "pouco: a backend that needs little\n\n\
         usage: pouco [serve | migrate | seed API [--rows N] [--seed N] | health | count]\n\n  \
         serve    serve the APIs until SIGTERM or Ctrl-C (default)\n  \
         migrate  bring the database's schema up to date and end\n  \
         seed     fill the table of an API for a try, the same for the same seed: users (10000 rows, seed 1)\n  \
         health   ask a running replica on its admin address; exit code 0 if it answers\n  \
         count    print the number of people in the database\n\n\
         settings (environment variables; an empty one counts as not set):\n",
    );
    for setting in SETTINGS {
        text.push_str(&format!(
            "  {}\n      {}\n      default: {}; allowed: {}\n",
            setting.name, setting.meaning, setting.default, setting.range
        ));
    }
    print(&text)
}

/// The database of this process: somebody else's, or one that we run and stop ourselves.
struct Backend {
    config: postgres::Config,
    #[cfg(feature = "embedded")]
    cluster: Option<pouco::embedded::Cluster>,
}

impl Backend {
    #[cfg(feature = "embedded")]
    fn open(database: &Database) -> Result<Self, Failure> {
        match database {
            Database::Given(config) => Ok(Self { config: (**config).clone(), cluster: None }),
            Database::Embedded { data_dir, bin_dir } => {
                let cluster = pouco::embedded::Cluster::start(data_dir.clone(), bin_dir.clone())
                    .map_err(|error| error.to_string())?;
                Ok(Self { config: cluster.config(), cluster: Some(cluster) })
            }
        }
    }

    #[cfg(not(feature = "embedded"))]
    fn open(database: &Database) -> Result<Self, Failure> {
        match database {
            Database::Given(config) => Ok(Self { config: (**config).clone() }),
            Database::Embedded { .. } => {
                Err(Failure(EXIT_USAGE, "this build has no embedded Postgres: set DATABASE_URL".into()))
            }
        }
    }

    fn describe(&self) -> String {
        #[cfg(feature = "embedded")]
        if let Some(cluster) = &self.cluster {
            return format!(
                "embedded Postgres, data in {}; try: psql -h {} -U pouco",
                cluster.folder().display(),
                cluster.sockets().display()
            );
        }
        let hosts: Vec<String> = self.config.get_hosts().iter().map(|host| format!("{host:?}")).collect();
        format!("Postgres at {}", hosts.join(", "))
    }
}

fn serve(config: Config) -> Result<(), Failure> {
    let stop = Stop::watch()?;
    let bound = Bound::new(&config)?;
    let backend = if config.needs_database() { Some(Backend::open(&config.database)?) } else { None };
    let database = backend.as_ref().map(|it| it.config.clone()).unwrap_or_default();
    let connector = Connector::with_silence(database, config.silence);
    stop.while_starting(&connector);
    // After Postgres was started, which would inherit it.
    raise_descriptor_limit(config.http.connections);
    pouco::http::configure_coroutines();
    let greeting = greeting(&bound, backend.as_ref(), &config.apis);
    let app = App::start(config, connector, bound)?;
    stop.started();
    print(&greeting)?;
    stop.wait();
    log::info!("stopping: finishing what has begun");
    let drained = app.stop();
    drop(backend);
    if drained {
        log::info!("stopped");
        Ok(())
    } else {
        Err(Failure::from("some requests had not ended within the grace period".to_owned()))
    }
}

/// SIGTERM and Ctrl-C. The first one stops in order, also while Postgres is waited for; a second one ends the process.
struct Stop {
    phase: Arc<Mutex<Phase>>,
    signalled: mpsc::Receiver<()>,
}

enum Phase {
    /// Nothing is served and nothing is queued: a signal ends the process, the embedded Postgres goes with it.
    Early,
    /// Waiting for Postgres: a signal ends the wait.
    Starting(Connector),
    /// A signal wakes the main thread.
    Started,
}

impl Stop {
    fn watch() -> Result<Self, Failure> {
        let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(|error| format!("signals: {error}"))?;
        let phase = Arc::new(Mutex::new(Phase::Early));
        let (signal, signalled) = mpsc::channel();
        let watched = phase.clone();
        let watch = move || {
            for (count, _) in signals.forever().enumerate() {
                if count > 0 {
                    exit(EXIT_FAILURE);
                }
                match &*watched.lock().unwrap_or_else(PoisonError::into_inner) {
                    Phase::Early => exit(0),
                    Phase::Starting(connector) => {
                        connector.stop_waiting();
                        leave_at_last();
                    }
                    Phase::Started => {}
                }
                // If nobody listens any more the process is ending already.
                let _ = signal.send(());
            }
        };
        let started = std::thread::Builder::new().name("pouco-signals".into()).spawn(watch);
        started.map_err(|error| format!("no thread for signals: {error}"))?;
        Ok(Self { phase, signalled })
    }

    fn while_starting(&self, connector: &Connector) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = Phase::Starting(connector.clone());
    }

    fn started(&self) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = Phase::Started;
    }

    /// Blocks until the first signal; a watcher that ended counts as one.
    fn wait(&self) {
        let _ = self.signalled.recv();
    }
}

/// Ends a start that does not end by itself: a Postgres that stands still takes a connection and never greets it.
fn leave_at_last() {
    let leave = || {
        std::thread::sleep(Duration::from_millis(limits::STOP_REST_MS));
        std::process::exit(i32::from(EXIT_FAILURE));
    };
    if std::thread::Builder::new().name("pouco-leave".into()).spawn(leave).is_err() {
        std::process::exit(i32::from(EXIT_FAILURE));
    }
}

fn greeting(bound: &Bound, backend: Option<&Backend>, apis: &[Api]) -> String {
    let mut text = format!("pouco {} is ready\n", env!("CARGO_PKG_VERSION"));
    for address in bound.addresses() {
        text.push_str(&format!("  API:      {}\n", shown(address)));
    }
    for address in bound.admin_addresses() {
        text.push_str(&format!("  admin:    {} (/healthz, /readyz, /metrics)\n", shown(address)));
    }
    let database = backend.map_or_else(|| "none, since nothing is stored".to_owned(), Backend::describe);
    text.push_str(&format!("  database: {database}\n"));
    if let Some(Address::Tcp(host_port)) = bound.addresses().next() {
        let host_port = host_port.replace("0.0.0.0", "localhost");
        for api in apis {
            text.push_str(&format!("  try: curl -i http://{host_port}{}\n", api.example()));
        }
    }
    text.push_str("  stop: Ctrl-C\n");
    text
}

fn shown(address: &Address) -> String {
    match address {
        Address::Tcp(host_port) => format!("http://{}", host_port.replace("0.0.0.0", "localhost")),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn run_migrations(config: &Config) -> Result<(), Failure> {
    let backend = Backend::open(&config.database)?;
    let mut session =
        Connector::new(backend.config).open(Purpose::Maintain).map_err(|error| error.to_string())?;
    let applied = migrate(&mut session)?;
    print(&format!("{applied} migrations applied\n"))
}

/// `seed API [--rows N] [--seed N]`.
struct SeedOrder {
    api: String,
    fill: Seed,
    rows: u64,
    seed: u64,
}

impl SeedOrder {
    fn parse(words: &[&str]) -> Result<Self, String> {
        const USAGE: &str = "usage: pouco seed users [--rows N] [--seed N]";
        let [api, options @ ..] = words else { return Err(USAGE.into()) };
        let fill = Api::seed(api).ok_or_else(|| format!("`{api}` has nothing to fill; {USAGE}"))?;
        let mut order = Self { api: (*api).to_owned(), fill, rows: 10_000, seed: 1 };
        for pair in options.chunks(2) {
            let number = pair.get(1).and_then(|text| text.parse::<u64>().ok());
            match (pair[0], number) {
                ("--rows", Some(rows)) if rows <= limits::SEED_ROWS => order.rows = rows,
                ("--rows", Some(_)) => return Err(format!("--rows is at most {}", limits::SEED_ROWS)),
                ("--seed", Some(seed)) => order.seed = seed,
                (option, _) => return Err(format!("`{option}` is no option, or has no number; {USAGE}")),
            }
        }
        Ok(order)
    }

    fn run(&self, config: &Config) -> Result<(), Failure> {
        let backend = Backend::open(&config.database)?;
        let mut session =
            Connector::new(backend.config).open(Purpose::Maintain).map_err(|error| error.to_string())?;
        migrate(&mut session)?;
        let added = (self.fill)(&mut session, self.rows, self.seed)
            .map_err(|error| format!("cannot fill {}: {error}", self.api))?;
        print(&format!("{added} of {} {} added; the others were there\n", self.rows, self.api))
    }
}

fn count(config: &Config) -> Result<(), Failure> {
    let backend = Backend::open(&config.database)?;
    let connector = Connector::new(backend.config);
    let mut session = connector.open(Purpose::Read).map_err(|error| error.to_string())?;
    let rows = session.query("SELECT count(*) FROM people", &[]);
    let rows = rows.map_err(|error| format!("cannot count: {error}"))?;
    let count: i64 = rows.first().map_or(0, |row| row.get(0));
    print(&format!("{count}\n"))
}

/// One request to the admin address. No HTTP client is needed to read a status line.
fn health(config: &Config) -> Result<(), Failure> {
    let address = config.admin_listen.first().ok_or_else(|| "POUCO_ADMIN_LISTEN is off".to_owned())?;
    let answer = match address {
        Address::Tcp(host_port) => {
            TcpStream::connect(host_port.replace("0.0.0.0", "127.0.0.1")).and_then(|stream| {
                stream.set_read_timeout(Some(HEALTH_TIMEOUT))?;
                ask(stream)
            })
        }
        Address::Unix(path) => UnixStream::connect(path).and_then(|stream| {
            stream.set_read_timeout(Some(HEALTH_TIMEOUT))?;
            ask(stream)
        }),
    };
    let answer = answer.map_err(|error| format!("{address} does not answer: {error}"))?;
    match answer.starts_with("HTTP/1.1 200 ") {
        true => Ok(()),
        false => Err(Failure::from(format!(
            "{address} is not well: {}",
            answer.lines().next().unwrap_or_default()
        ))),
    }
}

fn ask(mut stream: impl Read + Write) -> io::Result<String> {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: pouco\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
