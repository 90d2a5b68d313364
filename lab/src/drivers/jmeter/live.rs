//! What JMeter's samples come to while a plan runs, as Prometheus text on a port that is closed otherwise.
//!
//! It is counted from the JTL, as all figures are, about a second behind JMeter.

use std::collections::{BTreeMap, HashSet};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use pouco_exposition::{Exposition, Snapshot};

use super::jtl::Sample;
use crate::exporter::serve_while;

/// Bounds of the histogram in milliseconds, which is as exact as JMeter is.
const BOUNDS_MS: [u32; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 10_000];

/// Counts of all samples of a plan, by label.
#[derive(Debug, Default)]
pub(super) struct Live {
    labels: BTreeMap<String, Label>,
    threads: HashSet<String>,
}

#[derive(Debug, Default)]
struct Label {
    succeeded: u64,
    failed: u64,
    /// Those that are within each bound, and within no smaller one.
    within: [u64; BOUNDS_MS.len()],
    sum_ms: u64,
}

impl Live {
    /// A label that the plan does not have makes the run fail elsewhere: so there are few.
    pub(super) fn take(&mut self, sample: &Sample<'_>) {
        let good = sample.success && (200..300).contains(&sample.status());
        if !self.threads.contains(sample.thread) {
            self.threads.insert(sample.thread.to_owned());
        }
        let label = self.labels.entry(sample.label.to_owned()).or_default();
        *(if good { &mut label.succeeded } else { &mut label.failed }) += 1;
        label.sum_ms += u64::from(sample.elapsed);
        if let Some(place) = BOUNDS_MS.iter().position(|bound| sample.elapsed <= *bound) {
            label.within[place] += 1;
        }
    }

    pub(super) fn text(&self, application: &str) -> String {
        let mut text = Exposition::default();
        let threads = "Threads of the plan that have sent something.";
        text.sample("jmeter_threads", threads, &[("application", application)], self.threads.len());
        for (name, label) in &self.labels {
            for (success, count) in [("true", label.succeeded), ("false", label.failed)] {
                let labels = [("application", application), ("label", name), ("success", success)];
                text.sample("jmeter_samples_total", "Samples, by the label of the plan.", &labels, count);
            }
            let labels = [("application", application), ("label", name)];
            let help = "From the start of a request to the end of its answer.";
            text.histogram("jmeter_sample_duration_seconds", help, &labels, &label.snapshot());
        }
        text.into_text()
    }
}

impl Label {
    fn snapshot(&self) -> Snapshot {
        let mut below = 0;
        let cumulative = BOUNDS_MS.iter().zip(self.within).map(|(bound, count)| {
            below += count;
            (f64::from(*bound) / 1_000.0, below)
        });
        Snapshot {
            cumulative: cumulative.collect(),
            sum: self.sum_ms as f64 / 1_000.0,
            count: self.succeeded + self.failed,
        }
    }
}

/// Counts that can be asked for until they are dropped.
#[derive(Debug)]
pub(super) struct Published {
    live: Arc<Mutex<Live>>,
    ended: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Published {
    /// Nobody can ask where there is no listener.
    pub(super) fn start(listener: Option<TcpListener>, application: &str) -> Self {
        let live = Arc::<Mutex<Live>>::default();
        let ended = Arc::<AtomicBool>::default();
        let server = listener.map(|listener| {
            let (live, ended, application) = (Arc::clone(&live), Arc::clone(&ended), application.to_owned());
            thread::spawn(move || {
                let goes_on = || !ended.load(Ordering::Relaxed);
                serve_while(&listener, &goes_on, &mut || Ok(held(&live).text(&application)));
            })
        });
        Self { live, ended, server }
    }

    pub(super) fn take(&self, sample: &Sample<'_>) {
        held(&self.live).take(sample);
    }
}

/// Whoever panicked with it has counted a sample less.
fn held(live: &Mutex<Live>) -> MutexGuard<'_, Live> {
    live.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Published {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(server) = self.server.take() {
            // A panic there has cost a scrape, and nothing of the run.
            let _ = server.join();
        }
    }
}
