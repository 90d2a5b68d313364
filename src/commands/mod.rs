//! The commands, a file each, and what they share: an exit code with a line for the user, and the help.

mod backend;
mod count;
mod health;
mod migrate;
mod seed;
mod serve;

use std::io::{self, Write};

use pouco::api::{APIS, SELECTED};
use pouco::config::{Config, SETTINGS};
use pouco::logging;
use pouco::settings::{ConfigError, Setting, Values};

/// A setting or an argument is wrong.
const EXIT_USAGE: u8 = 2;
/// The work itself failed.
const EXIT_FAILURE: u8 = 1;

/// The exit code, and a line for the user or none.
pub(crate) struct Failure(pub(crate) u8, pub(crate) String);

impl Failure {
    /// Of whom nobody needs to hear.
    fn silent() -> Self {
        Self(EXIT_FAILURE, String::new())
    }
}

impl From<String> for Failure {
    fn from(line: String) -> Self {
        Self(EXIT_FAILURE, line)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self(EXIT_USAGE, error.to_string())
    }
}

/// Runs what the command line asks for.
pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    match *words {
        [] | ["serve"] => with_config(|values, config| serve::run(&values, config)),
        ["migrate"] => with_config(|values, config| migrate::run(&values, &config)),
        ["seed", ref options @ ..] => {
            let order = seed::Order::parse(options)?;
            with_config(|_, config| order.run(&config))
        }
        ["health"] => with_config(|_, config| health::run(&config)),
        ["count", ref name @ ..] if name.len() <= 1 => {
            let statement = count::statement(name.first().copied())?;
            with_config(|_, config| count::run(&config, statement))
        }
        ["-h" | "--help" | "help"] => help(),
        ["-V" | "--version"] => print(&format!("pouco {}\n", env!("CARGO_PKG_VERSION"))),
        [other, ..] => Err(Failure(EXIT_USAGE, format!("`{other}` is no command; see pouco --help"))),
    }
}

fn with_config(run: impl FnOnce(Values, Config) -> Result<(), Failure>) -> Result<(), Failure> {
    let values = Values::from_environment();
    let config = Config::read(&values)?;
    logging::install(config.log_level, config.log_format)
        .map_err(|error| format!("no thread for the log: {error}"))?;
    run(values, config)
}

/// Ends the process from a thread that is not the main one.
fn exit(code: u8) -> ! {
    logging::flush();
    std::process::exit(i32::from(code))
}

/// Standard output may be a closed pipe; that is no reason to panic.
fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::from(error.to_string())),
        _ => Ok(()),
    }
}

fn help() -> Result<(), Failure> {
    let mut text = format!(
        "pouco: a backend that needs little\n\n\
         usage: pouco [serve | migrate | seed API [OPTIONS] | health | count [API]]\n\n  \
         serve    serve the APIs until SIGTERM or Ctrl-C (default)\n  \
         migrate  bring the tables of these APIs up to date and end\n  \
         seed     fill the tables of an API for a try, the same for the same seed: {} [--seed 1]\n  \
         health   ask a running replica on its admin address; exit code 0 if it answers\n  \
         count    print how many rows an API has, the first of them unless told\n\n\
         settings (environment variables; an empty one counts as not set):\n",
        seed::filled()
    );
    for setting in settings() {
        text.push_str(&format!(
            "  {}\n      {}\n      default: {}; allowed: {}\n",
            setting.name,
            setting.meaning,
            setting.default(),
            setting.allowed()
        ));
    }
    print(&text)
}

/// All of them: those of the process, then those of each API.
fn settings() -> impl Iterator<Item = Setting> {
    let of_apis = APIS.iter().flat_map(|api| api.settings);
    SETTINGS.iter().chain([&SELECTED]).chain(of_apis).copied()
}
