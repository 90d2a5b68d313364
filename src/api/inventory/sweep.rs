//! Deletes what is kept for a day only, occasionally, a little at a time.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::store::{Chain, Connector, Purpose, Session};
use crate::waiting::life::{self, keep};

/// How often it is looked for.
const INTERVAL: Duration = Duration::from_secs(600);
/// Between two statements: others want the disk as well.
const PAUSE: Duration = Duration::from_millis(50);

/// Deletes some, and says whether that was all.
pub(super) type Sweep = fn(&mut Session) -> Result<bool, postgres::Error>;

/// The thread that sweeps.
pub(super) struct Sweeper {
    // Dropping it ends the thread.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Sweeper {
    /// # Errors
    /// If no thread can be started.
    pub(super) fn start(connector: Connector, sweeps: &'static [Sweep]) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = keep("pouco-sweep", Some(connector.longest_wait()), move || {
            loop {
                life::rest();
                if stopped.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                life::beat();
                for sweep in sweeps {
                    sweep_all(&connector, *sweep, &stopped);
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    pub(super) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the sweeper of the inventory panicked");
        }
    }
}

/// With a connection of its own, which is closed again. What fails now is done the next time.
fn sweep_all(connector: &Connector, sweep: Sweep, stopped: &mpsc::Receiver<()>) {
    let Ok(mut session) = connector.open(Purpose::Write) else { return };
    loop {
        match sweep(&mut session) {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => return log::warn!("old keys of the inventory are not deleted: {}", Chain(&error)),
        }
        if stopped.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}
