//! `pouco seed`: fills the tables of an API for a try.

use pouco::api::{APIS, Api, Seed};
use pouco::config::Config;
use pouco::limits;
use pouco::store::{Chain, Purpose, Schema, migrate};

use super::backend::with_session;
use super::{EXIT_USAGE, Failure, print};

const ROWS: u64 = 10_000;

/// The names of the APIs that can be filled.
pub(super) fn names() -> String {
    let filled = APIS.iter().filter(|api| api.stored.as_ref().is_some_and(|stored| stored.seed.is_some()));
    filled.map(|api| api.name).collect::<Vec<_>>().join(" | ")
}

/// `seed API [--rows N] [--seed N]`.
pub(super) struct Order {
    schema: Schema,
    fill: Seed,
    rows: u64,
    seed: u64,
}

impl Order {
    pub(super) fn parse(words: &[&str]) -> Result<Self, Failure> {
        Self::read(words).map_err(|why| {
            let usage = format!("usage: pouco seed {} [--rows N] [--seed N]", names());
            Failure(EXIT_USAGE, if why.is_empty() { usage } else { format!("{why}; {usage}") })
        })
    }

    fn read(words: &[&str]) -> Result<Self, String> {
        let [name, options @ ..] = words else { return Err(String::new()) };
        let nothing = || format!("`{name}` has nothing to fill");
        let api = Api::find(name).ok_or_else(nothing)?;
        let fill = api.stored.as_ref().and_then(|stored| stored.seed).ok_or_else(nothing)?;
        let mut order = Self { schema: api.schema().ok_or_else(nothing)?, fill, rows: ROWS, seed: 1 };
        for pair in options.chunks(2) {
            let number = pair.get(1).and_then(|text| text.parse::<u64>().ok());
            match (pair[0], number) {
                ("--rows", Some(rows)) if rows <= limits::SEED_ROWS => order.rows = rows,
                ("--rows", Some(_)) => return Err(format!("--rows is at most {}", limits::SEED_ROWS)),
                ("--seed", Some(seed)) => order.seed = seed,
                (option, _) => return Err(format!("`{option}` is no option, or has no number")),
            }
        }
        Ok(order)
    }

    pub(super) fn run(&self, config: &Config) -> Result<(), Failure> {
        let (api, rows) = (self.schema.api, self.rows);
        let added = with_session(&config.database, Purpose::Maintain, |session| {
            migrate(session, &[self.schema]).map_err(|error| error.to_string())?;
            let added = (self.fill)(session, rows, self.seed);
            Ok(added.map_err(|error| format!("cannot fill {api}: {}", Chain(&error)))?)
        })?;
        print(&format!("{added} of {rows} {api} added; the others were there\n"))
    }
}
