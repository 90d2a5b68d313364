//! The command line: an exit code and at most one line for the user.

mod commands;

use std::process::ExitCode;

use commands::Failure;
use pouco::logging;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let code = match commands::run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(code, line)) => {
            if !line.is_empty() {
                logging::say(&format!("pouco: {line}"));
            }
            ExitCode::from(code)
        }
    };
    logging::flush();
    code
}
