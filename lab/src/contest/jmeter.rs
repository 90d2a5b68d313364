//! What a contest's file says of JMeter: the plan, and how many threads go through it in a load.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde::Deserialize;

/// A plan of JMeter's, `[jmeter]` of a contest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// In the contest's folder.
    pub plan: PathBuf,
    /// The load that JMeter sends where none is asked for.
    pub default_load: String,
    /// Labels of what each thread sends once, at its beginning.
    pub once: Vec<String>,
    /// Labels of what it sends in each of its loops, in this order.
    #[serde(rename = "loop")]
    pub each_loop: Vec<String>,
}

/// A load that JMeter sends: step by step, each a run of JMeter with so many threads.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// Of each step.
    pub threads: Vec<u32>,
    /// Until all threads of a step are there.
    pub ramp_seconds: u32,
    /// So often each thread goes through the plan's loop; absent: until the time is over.
    pub loops: Option<u32>,
    /// How long a step goes on; with `loops`, when it is ended and has failed.
    pub seconds: u32,
}

/// More threads than anybody's machine sends with.
const MAX_THREADS: u32 = 10_000;

impl Steps {
    pub(crate) fn check(&self, plan: Option<&Plan>) -> Result<()> {
        ensure!(plan.is_some(), "a load of JMeter's needs a plan ([jmeter])");
        ensure!(!self.threads.is_empty(), "jmeter: threads of no step");
        for threads in &self.threads {
            ensure!((1..=MAX_THREADS).contains(threads), "jmeter: {threads} threads: 1 to {MAX_THREADS}");
        }
        ensure!(self.seconds > 0 && self.loops != Some(0), "jmeter: seconds and loops must be above 0");
        Ok(())
    }

    /// How long the threads go on, as far as that is known.
    #[must_use]
    pub fn all_seconds(&self) -> f64 {
        if self.loops.is_some() {
            return f64::from(self.ramp_seconds);
        }
        self.threads.len() as f64 * f64::from(self.seconds)
    }

    /// The same steps, each for so many seconds, whatever its loops.
    #[must_use]
    pub(crate) fn lasting(&self, seconds: u32) -> Self {
        let ramp_seconds = self.ramp_seconds.min(seconds / 2);
        Self { seconds, ramp_seconds, loops: None, ..self.clone() }
    }
}

impl Plan {
    /// The samples of each label that a step with loops has.
    pub(crate) fn samples(&self, threads: u32, loops: u32) -> impl Iterator<Item = (&str, u64)> {
        let threads = u64::from(threads);
        let once = self.once.iter().map(move |label| (label.as_str(), threads));
        once.chain(self.each_loop.iter().map(move |label| (label.as_str(), threads * u64::from(loops))))
    }

    /// Whether a sample of this label may come.
    pub(crate) fn has(&self, label: &str) -> bool {
        self.once.iter().chain(&self.each_loop).any(|known| known == label)
    }
}
