//! The command line: an exit code and at most one line for the user.

mod commands;

use std::ffi::OsString;
use std::process::ExitCode;

use commands::Failure;
use pouco::{logging, systemd};

fn main() -> ExitCode {
    // Before anything is opened.
    if let Err(error) = systemd::receive() {
        logging::say(&format!("pouco: the sockets that were handed over (LISTEN_FDS): {error}"));
        return ExitCode::FAILURE;
    }
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words = arguments.iter().map(|word| word.to_str().ok_or_else(|| Failure::no_text(word)));
    let words = words.collect::<Result<Vec<&str>, Failure>>();
    let code = match words.and_then(|words| commands::run(&words)) {
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
