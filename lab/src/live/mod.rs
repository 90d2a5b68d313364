//! The page of a running campaign: which contestant is loaded, at what rate, with which CPU and memory, what
//! has become of those before, what is next, and how long it will take. The page is told by server-sent
//! events.
//!
//! **Nobody who looks disturbs the run.** The run hands each [`Event`] to a bounded queue and never waits:
//! one that finds it full is lost. A thread of its own keeps the state and writes it down after a change;
//! each viewer has a thread that sends what it has not sent yet. There is no queue for a viewer: a slow one
//! gets the newest state once the last one has been sent, and one that reads nothing for 5 s is disconnected.
//!
//! **A new viewer gets the state so far**, and so does one that reconnects: an event has the whole of a part,
//! and those parts that have changed are sent. So nothing has to be repeated.
//!
//! What may not enter: how a contest is run. The run tells what it does through [`crate::view::View`].

mod course;
mod server;
mod state;
#[cfg(test)]
mod tests;

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use self::state::{Frame, State};
use crate::contest::Budget;
use crate::meters::SeriesPoint;
use crate::view::Tick;

/// Events that wait for their turn. A run tells a few a second.
const QUEUE: usize = 1_024;
/// Between two looks at the meters and the clock.
const BEAT: Duration = Duration::from_secs(1);
/// At the end of a run its viewers are told so, and no longer waited for than this.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a run tells.
pub enum Event {
    /// First of all: what this is, and all that will be done, in its order.
    Planned(Campaign, Vec<Planned>),
    /// This attempt begins.
    Begins(Key),
    /// Services are metered from now on, until the reader says that nobody does.
    Metered(Reader),
    /// A step of the procedure.
    Step(String),
    /// A second of a load.
    Tick(Tick),
    /// The load has ended, and its meters go on until the contestant is at rest.
    Loaded,
    /// This attempt has ended.
    Ended(Key, Ended),
}

/// The newest figures of a meter; nothing before the first, and after its end.
pub type Reader = Box<dyn Fn() -> Option<SeriesPoint> + Send>;

/// A whole run.
#[derive(Clone, Debug, Default)]
pub struct Campaign {
    /// The contest's.
    pub title: String,
    /// Who generates the load.
    pub tool: String,
    /// What was typed.
    pub command: String,
    /// What each contestant may use.
    pub budget: Budget,
}

/// Which attempt: unique in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Key {
    /// Of the contest's loads, where it has several.
    pub load: Option<String>,
    /// `NAME` or `NAME:MODE`.
    pub contestant: String,
    /// From 1.
    pub round: u32,
}

/// An attempt, or a search for somebody's capacity.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// Which.
    pub key: Key,
    /// Of its load, or of the search.
    pub seconds: f64,
    /// It had ended before this run began.
    pub ended: Option<Ended>,
}

/// How an attempt ended, as it is shown.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// What became of it.
    pub words: String,
    /// How that sounds: a class of the report's style.
    pub tone: &'static str,
    #[allow(missing_docs)]
    pub requests_per_second: Option<f64>,
    #[allow(missing_docs)]
    pub p99_ms: Option<f64>,
    #[allow(missing_docs)]
    pub failed: Option<u64>,
    /// Of all services.
    pub cpu_seconds: Option<f64>,
    /// The largest sum.
    pub memory_bytes: Option<u64>,
}

/// The run's end of the queue.
#[derive(Clone)]
pub struct Teller(SyncSender<Event>);

impl Teller {
    /// Never waits.
    pub fn tell(&self, event: Event) {
        // Full, it belongs to a page that hangs; without a reader, to one that has gone.
        let _ = self.0.try_send(event);
    }
}

/// A page that is served until this is dropped.
pub struct Live {
    address: SocketAddr,
    teller: Teller,
    shared: Arc<Shared>,
    server: Option<JoinHandle<()>>,
}

impl Live {
    /// Serves at `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// The address is in use, or none of this machine's.
    pub fn start(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).with_context(|| format!("--serve {address}"))?;
        let address = listener.local_addr().context("--serve")?;
        let shared = Arc::<Shared>::default();
        let (sender, events) = sync_channel(QUEUE);
        let of_server = Arc::clone(&shared);
        let named = |name: &str| thread::Builder::new().name(name.into());
        let serve = move || server::run(&listener, &of_server);
        let server = Some(named("live-server").spawn(serve).context("--serve")?);
        let of_keeper = Arc::clone(&shared);
        let keep = move || {
            let mut state = State::new();
            while !of_keeper.ends() {
                match events.recv_timeout(BEAT) {
                    Ok(event) => {
                        state.take(event);
                        events.try_iter().for_each(|event| state.take(event));
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                state.beat();
                of_keeper.show(&state, false);
            }
            events.try_iter().for_each(|event| state.take(event));
            state.over();
            of_keeper.show(&state, true);
        };
        named("live-state").spawn(keep).context("--serve")?;
        Ok(Self { address, teller: Teller(sender), shared, server })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For a run.
    #[must_use]
    pub fn teller(&self) -> Teller {
        self.teller.clone()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let mut held = self.shared.held();
        held.ends = true;
        drop(held);
        // Wakes the keeper, which may wait for a beat.
        self.teller.tell(Event::Step(String::new()));
        let deadline = Instant::now() + FAREWELL;
        let mut held = self.shared.held();
        while (!held.over || held.viewers > 0) && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            held = self.shared.changed.wait_timeout(held, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        // Whatever has become of the keeper.
        held.over = true;
        drop(held);
        if let Some(server) = self.server.take() {
            // It waits for nobody, and the address is free after it.
            let _ = server.join();
        }
    }
}

/// Between the threads.
#[derive(Default)]
struct Shared {
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Default)]
struct Held {
    frame: Arc<Frame>,
    /// The run has ended, and the keeper is to say so.
    ends: bool,
    /// It has: the frame is the last one.
    over: bool,
    /// Connections that are open, and those among them that are told of changes.
    connections: usize,
    viewers: usize,
}

impl Shared {
    /// Nobody panics while he holds it; whoever did would have counted a viewer wrongly.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ends(&self) -> bool {
        self.held().ends
    }

    fn show(&self, state: &State, over: bool) {
        let former = Arc::clone(&self.held().frame);
        let frame = state.frame(&former);
        let mut held = self.held();
        held.over = over;
        if frame.version > former.version || over {
            held.frame = Arc::new(frame);
            self.changed.notify_all();
        }
    }
}
