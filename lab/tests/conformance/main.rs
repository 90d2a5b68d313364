//! The pass over the people contest's rules: a contestant that keeps them passes, and one that breaks a rule fails that rule and
//! no other.
#![allow(clippy::unwrap_used)]

mod broken;
mod pouco_replicas;
mod reference;
mod served;

use std::path::{Path, PathBuf};

use pouco_lab::conformance::{Pass, run};

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contests/people/conformance.toml")
}

/// As [`pass`], for a server of which nothing lags: what is wrong at once stays wrong.
fn impatient_pass(address: &str, seed: u64) -> Pass {
    let text = std::fs::read_to_string(file()).unwrap();
    let patience = |line: &&str| !line.starts_with("within_seconds");
    let copy = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(copy.path(), text.lines().filter(patience).collect::<Vec<_>>().join("\n")).unwrap();
    run(copy.path(), address, seed).unwrap()
}

fn pass(address: &str, seed: u64) -> Pass {
    run(&file(), address, seed).unwrap()
}

/// Rules that were not kept.
fn failures(pass: &Pass) -> Vec<&str> {
    pass.conformance.failures.iter().map(|failure| failure.rule.as_str()).collect()
}
