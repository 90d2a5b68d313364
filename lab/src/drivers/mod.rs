//! Load generators behind one interface: a [`Driver`] turns a [`Job`] into an [`Outcome`].
//!
//! Whatever the tool, a contest's file is the only source of rates, names and allowed statuses, one rule
//! makes a shorter form of it ([`arrivals`]), and a tool that could not send what it was asked to says so in
//! [`Generator::bottleneck`].
//!
//! What may not enter: anything about contestants, and any judgement over what was stored.

pub mod arrivals;
mod drawn;
mod figures;
pub mod gatling;
pub mod jmeter;
pub mod k6;
mod native;
mod payloads;
mod process;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;

use crate::contest::Contest;
use crate::oracle::inventory::Deed;
use crate::oracle::scenarios::Tally;
use crate::record::{Answers, Generator, LoadFigures, Second};
use crate::shop::Open;

pub use crate::oracle::{Creation, Creations};
pub use arrivals::Arrivals;
pub use gatling::Gatling;
pub use jmeter::Jmeter;
pub use k6::K6;
pub use native::{Native, plan as native_plan};
pub use payloads::{TERMS, payload_rows, payloads};
pub(crate) use process::{Attended, attend_other};
pub use process::{now, raise_open_files};

/// In [`Job::folder`]: what must stay next to the record. Everything else there goes.
pub const KEPT: &str = "kept";

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
    /// Open since before, in a contest that is one.
    pub shop: Option<&'a Arc<Open>>,
}

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Over the whole load.
    pub figures: LoadFigures,
    /// One entry a second, from the first user on.
    pub series: Vec<Second>,
    /// When second 0 of the series began, in seconds since 1970; absent where no user came.
    pub begun_at: Option<f64>,
    /// What the oracle needs.
    pub creations: Creations,
    /// The same in a shop.
    pub deeds: Vec<Deed>,
    /// In advanced scenarios, what the answers say of what is stored besides the users.
    pub tally: Tally,
    /// What it found in answers, where it looks at them alone.
    pub answers: Option<Answers>,
    /// What the tool used between the first user and the last answer, and whether it was the bottleneck.
    pub generator: Generator,
    /// Why the figures cannot stand, whatever is stored: the contestant says yes and does not do it.
    pub faults: Vec<String>,
    /// What a reader should know besides the figures, and changes none.
    pub notes: Vec<String>,
    /// Stopped before its end: what was sent last may be missing in all of these.
    pub interrupted: bool,
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
    /// The tool could not start, ended with an error of its own, or left no output that can be read. Requests
    /// that fail are no error.
    fn run(&self, job: &Job<'_>, stop: &AtomicBool, progress: &mut dyn FnMut(&Snapshot)) -> Result<Outcome>;

    /// Makes a report of its own of what [`Driver::run`] left in [`KEPT`], which is at `folder` now. Nothing
    /// is measured any more.
    ///
    /// # Errors
    /// It could not be made, which changes no figure.
    fn present(&self, folder: &Path) -> Result<()> {
        let _ = folder;
        Ok(())
    }
}

#[cfg(test)]
mod testing {
    use std::path::Path;
    use std::process::Command;

    /// Race window: a file that this process writes is open for writing in each child that another test forks
    /// in that moment, and cannot be executed until that child executes its own program. So another process
    /// writes it.
    pub(super) fn write_program(path: &Path, script: &str) {
        let draft = path.with_extension("draft");
        std::fs::write(&draft, script).unwrap();
        let copy = "cp \"$0\" \"$1\" && chmod 755 \"$1\"";
        let copied = Command::new("sh").args(["-c", copy]).args([draft.as_path(), path]).status().unwrap();
        assert!(copied.success());
    }
}
