//! What is missing on this machine, and how to get it.
//!
//! [`Facts`] are gathered, then [`checks`](self) judge them, one line each; only the gathering touches the
//! machine.
//!
//! What may not enter: anything that changes the machine. It says what to run, and runs nothing of it.

mod checks;
mod facts;
mod finding;
mod kernel;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::contest::Budget;

pub use checks::judge;
pub use facts::{Engine, EngineKind, Facts, Gatling, Tool};
pub use finding::{Finding, Mark};
pub use kernel::Kernel;

/// What the machine is judged for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The repository.
    pub top: PathBuf,
    /// What a contestant may use.
    pub budget: Budget,
    /// The port on which contestants answer.
    pub port: u16,
    /// Where Gatling is, if it is not where [`crate::machine::gatling_places`] says.
    pub gatling_home: Option<PathBuf>,
}

/// Prints one line a check, and says whether a contest with the native generator can run here.
///
/// # Errors
/// `out` cannot be written to, or a file that every Linux has cannot be read.
pub fn run(out: &mut impl Write, settings: &Settings) -> Result<bool> {
    let facts = Facts::gather(settings)?;
    let findings = judge(&facts, settings);
    for finding in &findings {
        writeln!(out, "{finding}").context("the findings cannot be printed")?;
    }
    let missing = findings.iter().filter(|finding| finding.mark == Mark::Missing).count();
    let verdict = match missing {
        0 => "a contest can run here".to_owned(),
        1 => "no contest can run here before the line marked `missing` is settled".to_owned(),
        _ => format!("no contest can run here before the {missing} lines marked `missing` are settled"),
    };
    writeln!(out, "\n{verdict}").context("the findings cannot be printed")?;
    Ok(missing == 0)
}
