//! The passes over the rules of the contests `people` and `inventory`: a contestant that keeps them passes,
//! and one that breaks a rule fails it.
#![allow(clippy::unwrap_used)]

mod broken;
mod inventory;
mod jmeter;
mod pouco_replicas;
mod reference;
mod served;
mod shop;

use std::path::{Path, PathBuf};

use pouco_lab::conformance::{Pass, run};

fn file(contest: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contests").join(contest).join("conformance.toml")
}

/// As [`pass`], for a server of which nothing lags: what is wrong at once stays wrong.
fn impatient_pass(address: &str, seed: u64) -> Pass {
    let text = std::fs::read_to_string(file("people")).unwrap();
    let patience = |line: &&str| !line.starts_with("within_seconds");
    let copy = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(copy.path(), text.lines().filter(patience).collect::<Vec<_>>().join("\n")).unwrap();
    run(copy.path(), address, seed).unwrap()
}

fn pass(address: &str, seed: u64) -> Pass {
    pass_of("people", address, seed)
}

fn pass_of(contest: &str, address: &str, seed: u64) -> Pass {
    run(&file(contest), address, seed).unwrap()
}

/// Rules that were not kept.
fn failures(pass: &Pass) -> Vec<&str> {
    pass.conformance.failures.iter().map(|failure| failure.rule.as_str()).collect()
}
