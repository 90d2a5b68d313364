//! `pouco-lab meters` as a program of its own, for an image that has nothing else of the lab.
#![warn(clippy::print_stdout, clippy::print_stderr)] // see `view`

use std::process::ExitCode;

use clap::Parser;
use pouco_lab::exporter::{Serving, run};
use pouco_lab::view;

/// Serve CPU, throttling and memory of podman's containers at /metrics, with cAdvisor's metric names.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// What and where.
    #[command(flatten)]
    serving: Serving,
}

fn main() -> ExitCode {
    match run(&Cli::parse().serving) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            view::say(&format!("pouco-meters: {error:#}"));
            ExitCode::from(2)
        }
    }
}
