//! The commands, a file each, and what they share: an exit code with a line for the user, and the help.

mod backend;
mod check;
mod count;
mod health;
mod migrate;
mod seed;
mod serve;

use std::collections::HashSet;
use std::ffi::OsStr;
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
    /// Of an argument that is no UTF-8.
    pub(crate) fn no_text(word: &OsStr) -> Self {
        Self(EXIT_USAGE, format!("an argument is not UTF-8: `{}`", word.to_string_lossy()))
    }

    /// Without a message.
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
        [name, "-h" | "--help", ..] => Command::find(name).map_or_else(|| Err(unknown(name)), Command::help),
        [] | ["serve"] => with_config(|values, config| serve::run(&values, config)),
        ["migrate"] => with_config(|values, config| migrate::run(&values, &config)),
        ["seed", ref options @ ..] => {
            let order = seed::Order::parse(options)?;
            with_config(|_, config| order.run(&config))
        }
        ["check"] => check::run(),
        ["health"] => with_config(|_, config| health::run(&config)),
        ["count", ref name @ ..] if name.len() <= 1 => {
            let statement = count::statement(name.first().copied())?;
            with_config(|_, config| count::run(&config, statement))
        }
        ["-h" | "--help" | "help"] => help(),
        ["-V" | "--version"] => print(&format!("pouco {}\n", env!("CARGO_PKG_VERSION"))),
        [name, ref more @ ..] if Command::find(name).is_some() => {
            let more = more.last().copied().unwrap_or_default();
            Err(Failure(
                EXIT_USAGE,
                format!("`{more}` is not an argument of {name}; see pouco {name} --help"),
            ))
        }
        [other, ..] => Err(unknown(other)),
    }
}

fn unknown(word: &str) -> Failure {
    Failure(EXIT_USAGE, format!("`{word}` is not a command; see pouco --help"))
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

/// A word of the command line.
struct Command {
    name: &'static str,
    arguments: &'static str,
    meaning: &'static str,
}

const COMMANDS: [Command; 6] = [
    Command { name: "serve", arguments: "", meaning: "serve the APIs until SIGTERM or Ctrl-C (default)" },
    Command {
        name: "check",
        arguments: "",
        meaning: "check settings, database and machine, and exit; exit code 2 if one of them is not usable",
    },
    Command { name: "migrate", arguments: "", meaning: "apply the migrations of the served APIs and exit" },
    Command {
        name: "seed",
        arguments: "API [OPTIONS]",
        meaning: "fill the tables of an API with sample data, the same for the same seed",
    },
    Command {
        name: "health",
        arguments: "",
        meaning: "ask a running replica on its admin address; exit code 0 if it is healthy",
    },
    Command {
        name: "count",
        arguments: "[API]",
        meaning: "print the number of rows of an API; of the first one by default",
    },
];

impl Command {
    fn find(name: &str) -> Option<&'static Self> {
        COMMANDS.iter().find(|command| command.name == name)
    }

    fn help(&self) -> Result<(), Failure> {
        let Self { name, arguments, .. } = self;
        let mut text = format!("usage: pouco {name} {arguments}").trim_end().to_owned();
        text.push_str(&format!("\n\n  {}\n\n", self.told()));
        add_settings(&mut text);
        print(&text)
    }

    fn told(&self) -> String {
        match self.name {
            "seed" => format!("{}: {} [--seed 1]", self.meaning, seed::filled()),
            _ => self.meaning.to_owned(),
        }
    }
}

fn help() -> Result<(), Failure> {
    let mut text = "pouco: a backend that needs little\n\nusage: pouco [COMMAND]\n\n".to_owned();
    for command in &COMMANDS {
        text.push_str(&format!("  {:<9}{}\n", command.name, command.told()));
    }
    text.push('\n');
    add_settings(&mut text);
    print(&text)
}

fn add_settings(text: &mut String) {
    text.push_str("settings (environment variables; an empty one counts as not set):\n");
    for setting in settings() {
        text.push_str(&format!(
            "  {}\n      {}\n      default: {}; allowed: {}\n",
            setting.name,
            setting.meaning,
            setting.default(),
            setting.allowed()
        ));
    }
}

/// All of them: those of the process, then those of each API; what several have, once.
fn settings() -> impl Iterator<Item = Setting> {
    let of_apis = APIS.iter().flat_map(|api| api.settings);
    let mut known = HashSet::new();
    let all = SETTINGS.iter().chain([&SELECTED]).chain(of_apis).copied();
    all.filter(move |setting| known.insert(setting.name))
}
