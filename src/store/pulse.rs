//! Whether Postgres answers now, for balancers.
//!
//! What has just been answered says it for nothing. Where nothing was, a session is opened and closed: those
//! that are open may be idle, and may be at long statements, and neither says anything of the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use postgres::error::SqlState;

use super::connect::{Connector, Ends};
use super::session::Opened;
use super::unconnected::ConnectError;
use crate::limits;
use crate::waiting::aside::Aside;
use crate::waiting::sleep;

/// An answer that is younger needs no other.
const FRESH: Duration = Duration::from_millis(limits::READY_HEARD_MS);

/// How long a new session may take.
const PROBE: Duration = Duration::from_millis(limits::READY_PROBE_MS);

/// How often a caller that waits for another one's check looks for its result.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// When Postgres has answered last, to any session.
pub(super) struct Heard {
    started: Instant,
    ms: AtomicU64,
}

impl Heard {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), ms: AtomicU64::new(0) }
    }

    pub(super) fn note(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.ms.store(now, Ordering::Relaxed);
    }

    fn is_fresh(&self) -> bool {
        let heard = Duration::from_millis(self.ms.load(Ordering::Relaxed));
        !heard.is_zero() && self.started.elapsed().saturating_sub(heard) < FRESH
    }
}

/// Asks whether Postgres answers.
pub struct Pulse {
    connector: Connector,
    aside: Arc<Aside>,
    /// Whether somebody asks: one question is enough for all.
    asking: AtomicBool,
}

impl Pulse {
    /// Nothing is asked yet.
    #[must_use]
    pub fn new(connector: &Connector, aside: &Arc<Aside>) -> Self {
        Self { connector: connector.clone(), aside: aside.clone(), asking: AtomicBool::new(false) }
    }

    /// Whether it has answered just now, or does when it is asked. The calling coroutine parks meanwhile.
    #[must_use]
    pub fn is_felt(&self) -> bool {
        let end = Instant::now() + PROBE;
        loop {
            if self.connector.heard().is_fresh() {
                return true;
            }
            if !self.asking.swap(true, Ordering::AcqRel) {
                let connector = self.connector.clone();
                let answers = self.aside.run(end, move || connector.answers(end));
                self.asking.store(false, Ordering::Release);
                return answers.unwrap_or(false);
            }
            if Instant::now() >= end {
                return false;
            }
            sleep(LOOK_AGAIN);
        }
    }
}

impl Connector {
    /// Whether Postgres has answered just now.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.heard().is_fresh()
    }

    /// Whether one of the servers answers a new session. Blocks, at most until `deadline`.
    fn answers(&self, deadline: Instant) -> bool {
        let ends = Ends { statement: PROBE, lock: PROBE };
        self.hosts().into_iter().any(|(host, _)| {
            let answered = match Opened::open(self, host, deadline, ends) {
                Ok(_) => true,
                // It has no room for one more, and works for those that wait.
                Err(ConnectError::Postgres(error)) => error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS),
                Err(_) => false,
            };
            if answered {
                self.heard().note();
            }
            answered
        })
    }
}
