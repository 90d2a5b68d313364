//! `pouco migrate`: brings the tables of the selected APIs up to date.

use pouco::api::Selection;
use pouco::config::Config;
use pouco::replicas;
use pouco::settings::Values;
use pouco::store::{Chain, Purpose, migrate};

use super::backend::with_session;
use super::{Failure, print};

pub(super) fn run(values: &Values, config: &Config) -> Result<(), Failure> {
    let schemas = Selection::read(values)?.schemas();
    let applied = with_session(config, Purpose::Maintain, |session| {
        let applied = migrate(session, &schemas).map_err(|error| error.to_string())?;
        // The replicas do without, and may make them by themselves.
        if let Err(error) = replicas::make_tables(session) {
            log::warn!("the table of the replicas is not made: {}", Chain(&error));
        }
        Ok(applied)
    })?;
    print(&format!("{applied} migrations applied\n"))
}
