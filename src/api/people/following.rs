//! What the feed brings into the directory: a row of Postgres becomes a person in memory.

use std::sync::Arc;

use postgres::Row;
use time::Date;

use super::directory::Directory;
use super::note::note;
use super::sql;
use crate::store::{Follow, Followed, Session};

/// Brings into the directory what the feed reads.
pub(super) struct Following(pub(super) Arc<Directory>);

impl Follow for Following {
    const SQL: &'static str = sql::FEED;

    fn begin_again(&mut self) {
        self.0.begin_again();
    }

    fn row(&mut self, row: &Row) -> Followed {
        let Ok(id) = row.try_get(3) else { return Followed::Taken };
        // Our own people come back with the feed; they are not read again.
        match self.0.lacks(id) {
            Some(true) => {}
            Some(false) => return Followed::Taken,
            None => return Followed::Full,
        }
        // Somebody else may have written a date that is no day, or a stack with a null in it: no person, and
        // no reason to end.
        let (apelido, nome, birth, stack) = match read_person(row) {
            Ok(rest) => rest,
            Err(error) => {
                log::error!("the row {id} is no person and is not searched: {error}");
                return Followed::Taken;
            }
        };
        let texts = [apelido, nome].into_iter().chain(stack.iter().flatten().copied());
        match self.0.follow(id, note(birth, stack.is_some()), texts) {
            true => Followed::Taken,
            false => Followed::Full,
        }
    }

    fn caught_up(&mut self) {
        if self.0.caught_up() {
            log::info!("searches are answered from memory");
        }
    }

    fn stand_in(session: &mut Session) -> Result<bool, postgres::Error> {
        sql::ensure_search_index(session)
    }
}

type Read<'r> = (&'r str, &'r str, Date, Option<Vec<&'r str>>);

fn read_person(row: &Row) -> Result<Read<'_>, postgres::Error> {
    Ok((row.try_get(4)?, row.try_get(5)?, row.try_get(6)?, row.try_get(7)?))
}
