//! The lab's command line: it only wires.
#![warn(clippy::print_stdout, clippy::print_stderr)] // see `view`

mod commands;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use commands::Places;
use pouco_lab::cli::{Cli, Command};
use pouco_lab::{exporter, stress, view};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match &cli.command {
        Command::Stress(options) => stress::main(options),
        _ => run(&cli).map(|well| u8::from(!well)),
    };
    outcome.map_or_else(
        |error| {
            view::say(&format!("pouco-lab: {error:#}"));
            ExitCode::from(2)
        },
        ExitCode::from,
    )
}

fn run(cli: &Cli) -> Result<bool> {
    let in_places = |run: &dyn Fn(&Places) -> Result<bool>| Places::find(cli).and_then(|it| run(&it));
    match &cli.command {
        Command::List => in_places(&commands::list),
        Command::Run(options) => in_places(&|places| commands::run::run(places, options)),
        Command::Experiment(options) => in_places(&|places| commands::experiment::run(places, options)),
        Command::Up(options) => in_places(&|places| commands::up::up(places, options)),
        Command::Down(options) => in_places(&|places| commands::up::down(places, options)),
        Command::Logs(options) => in_places(&|places| commands::up::logs(places, options)),
        Command::Check(options) => in_places(&|places| commands::check::run(places, options)),
        Command::Load(options) => in_places(&|places| commands::load::run(places, options)),
        Command::Report { record } => commands::report(record.as_deref()),
        Command::Archive { record, into } => commands::archive(record, into),
        Command::Compare { before, after, threshold } => commands::compare(before, after, *threshold),
        Command::Doctor => in_places(&commands::doctor),
        Command::Meters(options) => exporter::run(options),
        Command::Model(options) => commands::model::run(options),
        Command::Stress(options) => stress::main(options).map(|code| code == 0),
    }
}
