//! `pouco serve`: from the sockets to the last line, with the signals between them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use parking_lot::Mutex;
use pouco::api::Selection;
use pouco::app::{App, Bound, StartError, fit_connections};
use pouco::config::{Config, level_in};
use pouco::front;
use pouco::http::Address;
use pouco::limits;
use pouco::process;
use pouco::settings::Values;
use pouco::store::Connector;
use pouco::systemd;
use pouco::waiting::life;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::backend::{Backend, connector, refused};
use super::{EXIT_FAILURE, Failure, exit, print};

/// Serves until a signal.
pub(super) fn run(values: &Values, mut config: Config) -> Result<(), Failure> {
    map_large_blocks();
    let apis = Selection::read(values)?;
    apis.check(config.several_replicas)?;
    let stop = Stop::watch(config.log_level_file.clone())?;
    let bound = Bound::new(&config).map_err(|error| error.to_string())?;
    let backend = if apis.needs_database() { Some(Backend::open(&config.database)?) } else { None };
    let target = backend.as_ref().map(|it| it.target.clone()).unwrap_or_default();
    let connector = connector(target, Some(config.silence))?;
    if config.refuse_weak {
        connector.refuse_weak();
    }
    stop.while_starting(&connector);
    // After Postgres was started, which would inherit the limit of open files.
    fit_connections(&mut config.http);
    pouco::http::configure_coroutines();
    let delay = config.shutdown_delay;
    tell_manager("STATUS=waiting for Postgres");
    let greeting = greeting(&bound, backend.as_ref(), &apis);
    let app = App::start(config, apis, connector, bound).map_err(|error| match error {
        // Stopped by someone who needs no message.
        StartError::Stopped => Failure::silent(),
        StartError::Database(error) => refused(&error),
        error => Failure::from(error.to_string()),
    })?;
    stop.started();
    print(&greeting)?;
    tell_manager("READY=1\nSTATUS=serving");
    keep_manager_told()?;
    stop.wait();
    tell_manager("STOPPING=1\nSTATUS=finishing what has begun");
    if !delay.is_zero() {
        log::info!("stopping: not ready any more, serving on for {} ms", delay.as_millis());
        app.announce_end();
        stop.delay(delay);
    }
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

/// SIGTERM, Ctrl-C, and a terminal that goes away. The first one stops in order, also while Postgres is
/// waited for; a second one ends the delay before that, otherwise the process.
struct Stop {
    lifecycle: Arc<Mutex<Lifecycle>>,
    signalled: mpsc::Receiver<()>,
}

enum Lifecycle {
    /// Nothing is served and nothing is queued: a signal ends the process, the embedded Postgres goes with
    /// it.
    Early,
    /// Waiting for Postgres: a signal ends the wait.
    Starting(Connector),
    /// A signal wakes the main thread.
    Started,
    /// So does any now, and the end goes on in order.
    Delaying,
}

impl Stop {
    fn watch(level_file: Option<PathBuf>) -> Result<Self, Failure> {
        // A process started by nohup must go on without its terminal.
        let terminal = process::has_terminal();
        let hangs_up = if process::ignores(SIGHUP) { None } else { Some(SIGHUP) };
        let signals = [SIGTERM, SIGINT].into_iter().chain(hangs_up);
        let mut signals = Signals::new(signals).map_err(|error| format!("signals: {error}"))?;
        let lifecycle = Arc::new(Mutex::new(Lifecycle::Early));
        let (stop, signalled) = mpsc::channel();
        let watched = lifecycle.clone();
        let mut count = 0;
        let watch = move || {
            for signal in signals.forever() {
                if signal == SIGHUP && (!terminal || process::has_terminal()) {
                    read_level_anew(level_file.as_deref());
                    continue;
                }
                count += 1;
                match &*watched.lock() {
                    Lifecycle::Delaying => {}
                    _ if count > 1 => exit(EXIT_FAILURE),
                    Lifecycle::Early => exit(0),
                    Lifecycle::Starting(connector) => {
                        connector.stop_waiting();
                        leave_at_last();
                    }
                    Lifecycle::Started => {}
                }
                // If nobody listens any more the process is ending already.
                let _ = stop.send(());
            }
        };
        // It may begin again: a signal that came meanwhile is kept.
        let started = life::keep("pouco-signals", None, watch);
        started.map_err(|error| format!("no thread for signals: {error}"))?;
        Ok(Self { lifecycle, signalled })
    }

    fn while_starting(&self, connector: &Connector) {
        *self.lifecycle.lock() = Lifecycle::Starting(connector.clone());
    }

    fn started(&self) {
        *self.lifecycle.lock() = Lifecycle::Started;
    }

    /// Blocks for a time, or until another signal.
    fn delay(&self, delay: Duration) {
        *self.lifecycle.lock() = Lifecycle::Delaying;
        let _ = self.signalled.recv_timeout(delay);
        *self.lifecycle.lock() = Lifecycle::Started;
    }

    /// Blocks until the first signal; a watcher that ended counts as one.
    fn wait(&self) {
        let _ = self.signalled.recv();
    }
}

/// SIGHUP by the operator. If the file cannot be read, nothing changes.
fn read_level_anew(file: Option<&Path>) {
    let Some(file) = file else {
        return log::info!("SIGHUP: there is nothing to read, since POUCO_LOG_LEVEL_FILE is not set");
    };
    match level_in(file) {
        Ok(level) => {
            // Said while it is heard: before a level that is lower, or after one that is higher.
            let known = log::max_level();
            log::set_max_level(known.max(level));
            log::info!("SIGHUP: the level of the log is {level}, it was {known}");
            log::set_max_level(level);
        }
        Err(error) => log::warn!("SIGHUP: the level of the log stays: {error}"),
    }
}

/// Nobody serves worse where the manager does not listen.
fn tell_manager(state: &str) {
    if let Err(error) = systemd::notify(state) {
        log::warn!("the service manager does not hear of `{}`: {error}", state.replace('\n', ", "));
    }
}

/// A manager that has a watchdog hears twice in its time that all parts get on, or nothing.
fn keep_manager_told() -> Result<(), Failure> {
    let Some(period) = systemd::watchdog() else { return Ok(()) };
    let watch = move || {
        loop {
            std::thread::sleep(period / 2);
            if life::stuck().is_empty() {
                tell_manager("WATCHDOG=1");
            }
        }
    };
    let started = life::keep("pouco-manager", None, watch);
    started.map(drop).map_err(|error| Failure::from(format!("no thread for the service manager: {error}")))
}

/// Ends a start that does not end by itself: a Postgres that stands still takes a connection and never greets
/// it.
fn leave_at_last() {
    let leave = || {
        std::thread::sleep(Duration::from_millis(limits::STOP_REST_MS));
        std::process::exit(i32::from(EXIT_FAILURE));
    };
    if life::vital("pouco-leave", leave).is_err() {
        std::process::exit(i32::from(EXIT_FAILURE));
    }
}

/// glibc would raise the size from which it maps blocks to that of the largest one that was freed; large
/// answers then share one piece of memory with everything else, and what is free between them is given back
/// to nobody (mallopt(3), `M_MMAP_THRESHOLD`).
#[allow(unsafe_code)]
fn map_large_blocks() {
    #[cfg(target_env = "gnu")]
    {
        let bytes = libc::c_int::try_from(limits::MAPPED_BYTES).unwrap_or(libc::c_int::MAX);
        // SAFETY: it takes two numbers, under the allocator's own lock.
        if unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, bytes) } == 0 {
            log::warn!("the allocator does not map blocks of {bytes} bytes by themselves");
        }
    }
}

fn greeting(bound: &Bound, backend: Option<&Backend>, apis: &Selection) -> String {
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
        text.push_str(&format!("  docs:     http://{host_port}{}\n", front::PAGE));
        for example in apis.examples() {
            text.push_str(&format!("  try: curl -i http://{host_port}{example}\n"));
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
