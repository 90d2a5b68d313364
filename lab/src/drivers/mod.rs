//! Load generators behind one interface: a [`Driver`] turns a [`Job`] into an [`Outcome`].
//!
//! Whatever the tool, a contest's file is the only source of rates, names and allowed statuses, one rule makes a shorter form of
//! it ([`arrivals`]), and a tool that could not send what it was asked to says so in [`Generator::bottleneck`].
//!
//! What may not enter: anything about contestants, and any judgement over what was stored.

pub mod arrivals;
mod figures;
pub mod gatling;
pub mod k6;
mod payloads;
mod process;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::Result;

use crate::contest::Contest;
use crate::record::{Generator, LoadFigures, Second};

pub use arrivals::Arrivals;
pub use gatling::Gatling;
pub use k6::K6;
pub use payloads::payloads;
pub use process::raise_open_files;

/// A load that somebody wants.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// Whose load.
    pub contest: &'a Contest,
    /// The repository.
    pub top: &'a Path,
    /// Multiple of the contest's rates.
    pub scale: f64,
    /// Of payloads and terms; shown by tools that show such things.
    pub seed: u64,
    /// Creation bodies, one a line below the line `payload`.
    pub payloads: &'a Path,
    /// Search terms, one a line below the line `t`.
    pub terms: &'a Path,
    /// Exists, and is for the tool's raw output. What a former load left there makes the next one fail.
    pub folder: &'a Path,
    /// A shorter or longer form with the same phases and rates: see [`arrivals`].
    pub seconds: Option<u32>,
}

/// What came of a load.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Over the whole load.
    pub figures: LoadFigures,
    /// One entry a second, from the first user on.
    pub series: Vec<Second>,
    /// What the oracle needs.
    pub creations: Creations,
    /// What the tool used between the first user and the last answer, and whether it was the bottleneck.
    pub generator: Generator,
    /// Stopped before its end: what was sent last may be missing in all of these.
    pub interrupted: bool,
}

/// What became of the creations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Creations {
    /// One by one.
    Each(Vec<Creation>),
    /// The tool takes payloads in order, so these are the first `sent` lines of the payload file; past its end it begins anew.
    Counted {
        /// Requests that were begun.
        sent: u64,
        /// Answered with 201 and a `Location`.
        acknowledged: u64,
        /// Without an allowed answer: nobody knows whether they were stored.
        failed: u64,
    },
}

/// A creation with its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Creation {
    /// Which line of the payload file, from 0, the header not counted.
    pub payload: u32,
    /// 0 stands for no answer.
    pub status: u16,
    /// Of a 201.
    pub location: Option<Box<str>>,
}

/// How far a load is. Rates are the differences of two snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Since the first user.
    pub second: u32,
    /// Users that should have started by now.
    pub asked: f64,
    /// Users that have.
    pub started: u64,
    /// Answers by now, allowed or not.
    pub answers: u64,
    /// Requests that failed by now.
    pub failed: u64,
    /// Of the answers since the last snapshot, where the tool tells.
    pub p99_ms: Option<f64>,
}

/// A load generator.
pub trait Driver {
    /// As in `--tool` and in records.
    fn name(&self) -> &str;

    /// For the record.
    ///
    /// # Errors
    /// The tool does not tell.
    fn version(&self) -> Result<String>;

    /// Loads until the contest's end, or until `stop` is set. `progress` is called about once a second.
    ///
    /// # Errors
    /// The tool could not start, ended with an error of its own, or left no output that can be read. Requests that fail are
    /// no error.
    fn run(&self, job: &Job<'_>, stop: &AtomicBool, progress: &mut dyn FnMut(&Snapshot)) -> Result<Outcome>;
}
