//! `pouco-lab check`: the pass over a contest's rules alone, against whatever listens.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use pouco_lab::cli::Check;
use pouco_lab::conformance;
use pouco_lab::view::Output;

use super::Places;

pub(crate) fn run(places: &Places, options: &Check) -> Result<bool> {
    let contest = places.contest(&options.contest)?;
    let address = options.address.as_deref().unwrap_or_else(|| contest.address());
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let seed = options.seed.unwrap_or_else(clock);
    let pass = conformance::run(&contest.folder.join(&contest.conformance), address, seed)?;
    for (what, missed) in [("not kept", &pass.conformance.failures), ("recommended", &pass.warnings)] {
        for one in missed {
            writeln!(Output, "{what}: {}: {}", one.rule, one.detail)?;
        }
    }
    writeln!(Output, "{} of {} rules kept", pass.conformance.passed, pass.conformance.total)?;
    Ok(pass.conformance.failures.is_empty())
}
