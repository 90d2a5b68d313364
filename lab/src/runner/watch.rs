//! The watch over a shop's stock: a second session with the contestant's database looks at it a few times a
//! second while a load runs. What it costs is in the CPU of the contestant's database, and the same for
//! everybody: one short query a look, over a session that stays open. It is none of the contestant's
//! connections: the superuser's, for which `proof` allows one more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::contestant::Contestant;
use crate::oracle::inventory::Looks;
use crate::stack::{Session, Stack};

/// Between two looks.
const GAP: Duration = Duration::from_millis(250);

/// Somebody who looks until told to stop.
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    looking: JoinHandle<(Looks, Option<String>)>,
}

impl Watch {
    /// Opens the session, looks once, and goes on beside whatever comes now: the load begins with this.
    ///
    /// # Errors
    /// The stock cannot be read.
    pub(super) fn start(stack: &dyn Stack, contestant: &Contestant) -> Result<Self> {
        let stock = contestant.rows()?.stock.as_deref().context("no database.stock in contestant.toml")?;
        let query = Looks::query(stock);
        let mut session = stack.session()?;
        let mut looks = Looks::default();
        let began = Instant::now();
        look(session.as_mut(), &query, &mut looks, began).context("database.stock in contestant.toml")?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let looking = thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                thread::park_timeout(GAP);
                if let Err(error) = look(session.as_mut(), &query, &mut looks, began) {
                    return (looks, Some(format!("{error:#}")));
                }
            }
            (looks, None)
        });
        Ok(Self { stop, looking })
    }

    /// What was seen, the last time now. The sentence beside it is what a reader should know of it.
    ///
    /// # Errors
    /// It panicked.
    pub(super) fn stop(self) -> Result<(Looks, Option<String>)> {
        self.stop.store(true, Ordering::Relaxed);
        self.looking.thread().unpark();
        let (looks, error) = self.looking.join().map_err(|_| anyhow!("the watch over the stock panicked"))?;
        let warning = error.map(|error| {
            format!("the watch over the stock ended after {} looks, before the load: {error}", looks.count())
        });
        Ok((looks, warning))
    }
}

fn look(session: &mut dyn Session, query: &str, looks: &mut Looks, began: Instant) -> Result<()> {
    let line = session.line(query)?;
    looks.add(&line, began.elapsed().as_secs_f64())
}
