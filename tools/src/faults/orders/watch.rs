//! A session of its own that reads the stock all the time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use postgres::{Config, NoTls};

use super::super::Failure;
use super::super::promised;
use super::super::stack::Stack;

/// The rest between two readings, and before the next try where there is no Postgres.
const REST: Duration = Duration::from_millis(2);
const LOST_REST: Duration = Duration::from_millis(50);

/// How long a reading may take, so that the watch ends.
const CONNECT_PATIENCE: Duration = promised(5_000);

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    pub count: u64,
    /// By product.
    pub lowest: BTreeMap<i64, i64>,
}

impl Readings {
    pub fn note(&mut self, product: i64, quantity: i64) {
        let lowest = self.lowest.entry(product).or_insert(quantity);
        *lowest = (*lowest).min(quantity);
    }
}

/// It ends with this value.
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<Readings>>,
}

impl Watch {
    pub fn start(stack: &Stack) -> Result<Self, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut config = stack.primary().config()?;
        config.application_name("watch").connect_timeout(CONNECT_PATIENCE);
        let stopped = stop.clone();
        let thread = thread::Builder::new().name("watch".into()).spawn(move || watch(&config, &stopped))?;
        Ok(Self { stop, thread: Some(thread) })
    }

    pub fn finish(mut self) -> Result<Readings, Failure> {
        self.stop.store(true, Ordering::Release);
        let readings = self.thread.take().and_then(|thread| thread.join().ok());
        readings.ok_or_else(|| "the watch panicked".into())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

fn watch(config: &Config, stop: &AtomicBool) -> Readings {
    let mut readings = Readings::default();
    while !stop.load(Ordering::Acquire) {
        // Postgres may be killed under it, and then it comes back.
        if read_until_lost(config, stop, &mut readings).is_err() {
            thread::sleep(LOST_REST);
        }
    }
    readings
}

fn read_until_lost(
    config: &Config,
    stop: &AtomicBool,
    readings: &mut Readings,
) -> Result<(), postgres::Error> {
    let mut client = config.connect(NoTls)?;
    let statement = client.prepare("SELECT product_id, quantity FROM inventory.stock")?;
    while !stop.load(Ordering::Acquire) {
        for row in client.query(&statement, &[])? {
            readings.note(row.try_get(0)?, row.try_get(1)?);
        }
        readings.count += 1;
        thread::sleep(REST);
    }
    Ok(())
}
