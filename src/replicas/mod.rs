//! A process as one of several that serve from one database: which of them are alive, and the number of each.
//!
//! A table in Postgres has a row for each, with an end that its replica puts off again and again
//! (`pouco_replicas.members`). A replica that does not know its number takes the least that is free, and one
//! whose end has passed has lost it. Where there is no such table to be had (a role without rights, a server
//! that is read-only) everything else goes on: see [`Number`].
//!
//! The same table tells where each is reached, so that new rows go from one to the other directly ([`push`]).
//!
//! What may not enter: any API, and what its rows mean.

mod exposition;
mod number;
pub mod push;
mod register;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use may::coroutine;
use parking_lot::Mutex;
use uuid::Uuid;

pub use self::number::{NUMBERS, Number, Numbering};
use self::push::{Hub, Receive, Told};
pub use self::register::make_tables;
use self::register::{Own, Registered, leave, register};
use crate::http::Listener;
use crate::random;
use crate::store::{Connector, Lane, Pool};
use crate::waiting::life::Life;
use crate::waiting::sleep;

/// How often in its term a lease is renewed.
const RENEWALS: u32 = 3;

/// The checked settings of a replica among others.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its number comes from.
    pub numbering: Numbering,
    /// How long others take it to be there after it was heard of last.
    pub term: Duration,
    /// The way to the others.
    pub push: push::Settings,
}

/// This process among the others.
pub struct Replicas {
    settings: Settings,
    /// From the start to the end of this process.
    instance: Uuid,
    number: Number,
    ended: AtomicBool,
    known: Mutex<Known>,
    /// Where the others' rows are taken, until somebody wants them.
    listener: Mutex<Option<Listener>>,
    /// What rows this process commits that others keep in memory.
    channel: OnceLock<&'static str>,
    hub: OnceLock<Arc<Hub>>,
}

/// What the table has said last.
#[derive(Default)]
struct Known {
    /// When the lease was renewed last.
    renewed: Option<Instant>,
    had: Option<u16>,
    others: usize,
    /// Why there is no lease, as it was logged.
    refused: Option<String>,
    /// Whether another one was seen with the same number.
    clashed: bool,
}

impl Replicas {
    /// A replica that nobody knows of yet. `listener` is bound where the settings say that others' rows are
    /// taken.
    #[must_use]
    pub fn new(settings: Settings, listener: Option<Listener>) -> Arc<Self> {
        Arc::new(Self {
            instance: uuid::Builder::from_random_bytes(random::bytes()).into_uuid(),
            number: Number::new(settings.numbering.first()),
            settings,
            ended: AtomicBool::new(false),
            known: Mutex::default(),
            listener: Mutex::new(listener),
            channel: OnceLock::new(),
            hub: OnceLock::new(),
        })
    }

    /// The number of this replica.
    #[must_use]
    pub fn number(&self) -> &Number {
        &self.number
    }

    /// Takes the rows that other replicas commit, and a way to send them one's own. `None` where no such rows
    /// are taken, or somebody else takes them already. To be called before [`Replicas::keep_lease`].
    ///
    /// # Errors
    /// No thread can be started, or there are no descriptors.
    pub fn join(
        &self,
        connector: &Connector,
        channel: &'static str,
        receiver: impl Receive,
    ) -> io::Result<Option<Arc<Hub>>> {
        if self.channel.set(channel).is_err() {
            return Ok(None);
        }
        let Some(listener) = self.listener.lock().take() else { return Ok(None) };
        let settings = &self.settings.push;
        let hub = Hub::start(settings, listener, self.instance, connector, channel, receiver)?;
        Ok(Some(self.hub.get_or_init(|| hub).clone()))
    }

    /// Starts what keeps this replica among those that are there. It ends with either of the two.
    ///
    /// # Errors
    /// If there is no coroutine to be had.
    pub fn keep_lease(self: &Arc<Self>, pool: &Arc<Pool>) -> io::Result<()> {
        let (replicas, pool) = (Arc::downgrade(self), Arc::downgrade(pool));
        let builder = coroutine::Builder::new().name("pouco-lease".into());
        may::go!(builder, move || {
            // A wait for Postgres here has the pool's deadline: only panics are looked for.
            Life::begin("pouco-lease", None).keep(|| renew_until_ended(&replicas, &pool), sleep);
        })?;
        Ok(())
    }

    /// Sends what there is to send, and takes nothing any more.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
        if let Some(hub) = self.hub.get() {
            hub.end();
        }
    }

    /// Leaves the table, so that nobody looks for this replica any more.
    pub fn leave(&self, pool: &Pool) {
        let instance = self.instance;
        // What is not done now ends by itself.
        let _ = pool.read(Lane::Lookup, move |session| leave(session, instance));
    }

    /// Renews the lease, and says how long to rest after that.
    fn renew(&self, pool: &Pool) -> Duration {
        let Settings { numbering, term, .. } = self.settings;
        let own = Own {
            instance: self.instance,
            numbering,
            had: self.known.lock().had,
            address: self.hub.get().map(|hub| hub.address().to_owned()),
            channel: self.channel.get().copied(),
            term_s: term.as_secs_f64(),
        };
        match pool.read(Lane::Lookup, move |session| register(session, &own)) {
            Ok(Ok(registered)) => self.take(registered),
            Ok(Err(why)) => {
                self.go_without(why);
                return term;
            }
            // Postgres is away or at its limits, which others say.
            Err(_) => {}
        }
        term / RENEWALS
    }

    fn take(&self, registered: Registered) {
        let Some(number) = registered.number else {
            return self.go_without("all numbers are taken".to_owned());
        };
        let mut known = self.known.lock();
        let is_new = known.had.replace(number) != Some(number) || known.refused.is_some();
        (known.renewed, known.refused) = (Some(Instant::now()), None);
        known.others = registered.others.len();
        let clashes = registered.others.iter().any(|other| other.number == i32::from(number));
        let clashed = std::mem::replace(&mut known.clashed, clashes);
        drop(known);
        self.number.set(number);
        if let (Some(hub), Some(secret)) = (self.hub.get(), registered.secret) {
            // The rest has nothing that would be missed.
            let others = registered.others.into_iter().filter(|other| other.channel.is_some()).collect();
            hub.tell(Told { secret, others });
        }
        if is_new {
            log::info!("this is replica {number}");
        }
        if clashes && !clashed {
            log::warn!(
                "another replica has the number {number}, too: lookups may go to the wrong one of them, which then \
                 asks Postgres; set another POUCO_REPLICA, or none"
            );
        }
    }

    /// The number stays what it is.
    fn go_without(&self, why: String) {
        let mut known = self.known.lock();
        if known.refused.as_ref() != Some(&why) {
            let (number, numbering) = (self.number.get(), self.settings.numbering);
            log::warn!(
                "this replica has no place among the others, and the number {number}, {numbering}: {why}; another one \
                 may have that number, too, which costs lookups and loses nothing"
            );
        }
        known.refused = Some(why);
    }
}

fn renew_until_ended(replicas: &Weak<Replicas>, pool: &Weak<Pool>) {
    loop {
        let pause = match (replicas.upgrade(), pool.upgrade()) {
            (Some(replicas), Some(pool)) if !replicas.ended.load(Ordering::Acquire) => replicas.renew(&pool),
            _ => return,
        };
        sleep(pause);
    }
}
