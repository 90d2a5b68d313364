//! The lab's command line: it only wires.

mod commands;

use std::process::ExitCode;

use clap::Parser;
use pouco_lab::cli::{Cli, Command};
use pouco_lab::view;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = commands::Places::find(&cli).and_then(|places| match &cli.command {
        Command::List => commands::list(&places),
        Command::Run(options) => commands::run::run(&places, options),
        Command::Up(options) => commands::up::up(&places, options),
        Command::Down(options) => commands::up::down(&places, options),
        Command::Logs(options) => commands::up::logs(&places, options),
        Command::Load(options) => commands::load::run(&places, options),
        Command::Report { record } => commands::report(record.as_deref()),
        Command::Compare { before, after, threshold } => commands::compare(before, after, *threshold),
        Command::Doctor => commands::doctor(&places),
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            view::say(&format!("pouco-lab: {error:#}"));
            ExitCode::from(2)
        }
    }
}
