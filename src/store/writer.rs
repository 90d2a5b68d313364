//! The connection of a group commit: opened when it is needed, asked before items are given to it, and never
//! used at the same time as one that was lost.

use std::time::{Duration, Instant};

use super::Unavailable;
use super::connect::{Connector, Purpose};
use super::failure::Chain;
use super::server::Backend;
use super::session::Session;

/// A session that was idle for longer is asked whether it still answers before rows are taken for it.
const PROBE_AFTER: Duration = Duration::from_secs(1);

/// The writer's connection, opened when it is needed.
pub(super) struct Writer<'c> {
    pub(super) connector: &'c Connector,
    session: Option<Session>,
    /// When it last answered.
    pub(super) used: Instant,
    /// Sessions in a row that would not write.
    pub(super) stale: u32,
    /// The backends of sessions that were lost. Nothing tells one that waits for a lock or for a standby that
    /// its client is gone, and it may yet commit.
    lost: Vec<Backend>,
}

impl<'c> Writer<'c> {
    pub(super) fn new(connector: &'c Connector) -> Self {
        Self { connector, session: None, used: Instant::now(), stale: 0, lost: Vec::new() }
    }

    /// A session, and no backend of an earlier one is left: what those have stored is stored by now, and they
    /// will store nothing more.
    pub(super) fn session(&mut self) -> Result<&mut Session, Unavailable> {
        while self.session.is_none() {
            let session = self.session.insert(self.connector.open_patiently(Purpose::Write)?);
            self.used = Instant::now();
            if self.lost.is_empty() {
                break;
            }
            match session.end(&self.lost) {
                Ok(true) => self.lost.clear(),
                Ok(false) => {
                    log::warn!("the backend of a lost connection does not end");
                    self.leave(false);
                }
                Err(error) => {
                    log::warn!("the backends of lost connections are not ended: {}", Chain(&error));
                    self.leave(false);
                    self.connector.rest_before_retry(u32::MAX)?;
                }
            }
        }
        self.session.as_mut().ok_or(Unavailable::ShuttingDown)
    }

    /// Whether a session is there.
    pub(super) fn is_open(&self) -> bool {
        self.session.is_some()
    }

    /// The session is of no more use. If it was lost, its backend may still be at work.
    pub(super) fn leave(&mut self, lost: bool) {
        let Some(session) = self.session.take() else { return };
        if lost {
            self.lost.push(session.backend());
        }
    }

    /// Makes sure that Postgres answers, if it has not for a while. It may have gone or may hang: rows sent
    /// to it would have to wait for their outcome, rows in the queue have their deadline. And a database that
    /// has lost something is not the one that the session was opened for.
    pub(super) fn wake(&mut self) -> Result<(), Unavailable> {
        if self.session.as_ref().is_some_and(Session::is_outdated) {
            self.session = None;
        }
        if self.used.elapsed() >= PROBE_AFTER
            && let Some(session) = &mut self.session
        {
            match session.probe() {
                Ok(()) => self.used = Instant::now(),
                Err(error) => {
                    log::warn!("an idle writing connection was lost: {}", Chain(&error));
                    self.session = None;
                }
            }
        }
        self.session().map(drop)
    }

    /// The session would not write, and another may not either.
    pub(super) fn rest_after_stale(&mut self) {
        // The end of the process is seen where the next session is opened.
        let _ = self.connector.rest_before_retry(self.stale);
        self.stale = self.stale.saturating_add(1);
    }
}
