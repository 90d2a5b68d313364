//! `pouco seed`: fills the tables of an API with sample data.

use pouco::api::{APIS, Api, Seed};
use pouco::config::Config;
use pouco::limits;
use pouco::store::{Chain, Purpose, Schema, migrate};

use super::backend::with_session;
use super::{EXIT_USAGE, Failure, print};

/// The APIs that can be filled, each with its options.
pub(super) fn filled() -> String {
    let filled = APIS.iter().filter_map(|api| {
        let rows = api.stored.as_ref()?.seed?.rows.iter();
        let options: Vec<String> = rows.map(|rows| format!("[{} {}]", rows.option, rows.default)).collect();
        Some(format!("{} {}", api.name, options.join(" ")))
    });
    filled.collect::<Vec<_>>().join(" | ")
}

/// `seed API [--rows N] [--seed N]`; an API with several kinds of rows has an option for each.
pub(super) struct Order {
    schema: Schema,
    seed: Seed,
    counts: Vec<u64>,
    number: u64,
}

impl Order {
    pub(super) fn parse(words: &[&str]) -> Result<Self, Failure> {
        Self::read(words).map_err(|why| {
            let usage = format!("usage: pouco seed {} [--seed 1]", filled());
            Failure(EXIT_USAGE, if why.is_empty() { usage } else { format!("{why}; {usage}") })
        })
    }

    fn read(words: &[&str]) -> Result<Self, String> {
        let [name, options @ ..] = words else { return Err(String::new()) };
        let nothing = || format!("`{name}` has nothing to fill");
        let api = Api::find(name).ok_or_else(nothing)?;
        let seed = api.stored.as_ref().and_then(|stored| stored.seed).ok_or_else(nothing)?;
        let counts = seed.rows.iter().map(|rows| rows.default).collect();
        let mut order = Self { schema: api.schema().ok_or_else(nothing)?, seed, counts, number: 1 };
        for pair in options.chunks(2) {
            let option = pair[0];
            let number = pair.get(1).and_then(|text| text.parse::<u64>().ok());
            let place = seed.rows.iter().position(|rows| rows.option == option);
            match (place, number) {
                (Some(place), Some(count)) if count <= limits::SEED_ROWS => order.counts[place] = count,
                (Some(_), Some(_)) => return Err(format!("{option} is at most {}", limits::SEED_ROWS)),
                (None, Some(number)) if option == "--seed" => order.number = number,
                _ => return Err(format!("`{option}` is not an option, or has no number")),
            }
        }
        Ok(order)
    }

    pub(super) fn run(&self, config: &Config) -> Result<(), Failure> {
        let api = self.schema.api;
        let added = with_session(config, Purpose::Maintain, |session| {
            migrate(session, &[self.schema]).map_err(|error| error.to_string())?;
            let added = (self.seed.fill)(session, &self.counts, self.number);
            Ok(added.map_err(|error| format!("cannot fill {api}: {}", Chain(&error)))?)
        })?;
        for ((rows, count), added) in self.seed.rows.iter().zip(&self.counts).zip(added) {
            print(&format!("{added} of {count} {} added; the others were there\n", rows.name))?;
        }
        Ok(())
    }
}
