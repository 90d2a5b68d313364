//! `pouco migrate`: brings the tables of the selected APIs up to date.

use pouco::api::Selection;
use pouco::config::Config;
use pouco::settings::Values;
use pouco::store::{Purpose, migrate};

use super::backend::with_session;
use super::{Failure, print};

pub(super) fn run(values: &Values, config: &Config) -> Result<(), Failure> {
    let schemas = Selection::read(values)?.schemas();
    let applied = with_session(config, Purpose::Maintain, |session| {
        Ok(migrate(session, &schemas).map_err(|error| error.to_string())?)
    })?;
    print(&format!("{applied} migrations applied\n"))
}
