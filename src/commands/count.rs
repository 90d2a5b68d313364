//! `pouco count`: how many rows an API has.

use pouco::api::{APIS, Api};
use pouco::config::Config;
use pouco::store::{Chain, Purpose};

use super::backend::with_session;
use super::{EXIT_USAGE, Failure, print};

/// The statement for this name, or of the first API that has one.
pub(super) fn statement(name: Option<&str>) -> Result<&'static str, Failure> {
    let count = |api: &&'static Api| api.stored.as_ref().and_then(|stored| stored.count);
    let found = match name {
        Some(name) => Api::find(name).as_ref().and_then(count),
        None => APIS.iter().find_map(count),
    };
    found
        .ok_or_else(|| Failure(EXIT_USAGE, format!("`{}` has nothing to count", name.unwrap_or("every API"))))
}

pub(super) fn run(config: &Config, statement: &'static str) -> Result<(), Failure> {
    let count: i64 = with_session(config, Purpose::Read, |session| {
        let rows = session.query(statement, &[]);
        let count = rows.and_then(|rows| rows.first().map_or(Ok(0), |row| row.try_get(0)));
        Ok(count.map_err(|error| format!("cannot count: {}", Chain(&error)))?)
    })?;
    print(&format!("{count}\n"))
}
