//! What the feed brings into the directory: a row of Postgres becomes a person in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::Row;
use time::Date;

use super::directory::Directory;
use super::note::note;
use super::pushed::Pace;
use super::sql::{self, Shrinkage};
use crate::cache::search::Builder;
use crate::limits;
use crate::store::{Follow, Followed, Session};

/// Brings into the directory what the feed reads.
pub(super) struct Following {
    directory: Arc<Directory>,
    builder: Builder,
    comeback: Comeback,
    pace: Pace,
}

/// When an index that was given up may be tried again: people were deleted or changed since, and it rested
/// for long enough. The rest doubles with each time without success, so that whatever is deleted a try costs
/// next to nothing on average.
struct Comeback {
    first_rest: Duration,
    rest: Duration,
    /// Since it was given up.
    waiting: Option<Waiting>,
}

struct Waiting {
    until: Instant,
    table: Shrinkage,
    /// Whether less may be in the table by now.
    shrank: bool,
}

impl Following {
    /// An index that was given up rests for `rest` at least.
    pub(super) fn new(directory: Arc<Directory>, rest: Duration, pace: Pace) -> Self {
        let comeback = Comeback { first_rest: rest, rest, waiting: None };
        Self { directory, builder: Builder::default(), comeback, pace }
    }
}

impl Comeback {
    fn is_due(&mut self, table: Shrinkage, now: Instant) -> bool {
        let longest = Duration::from_millis(limits::LONGEST_INDEX_RETURN_MS);
        let Some(waiting) = &mut self.waiting else {
            self.waiting = Some(Waiting { until: now + self.rest, table, shrank: false });
            self.rest = (2 * self.rest).min(longest.max(self.first_rest));
            return false;
        };
        waiting.shrank |= table.may_be_less_than(&waiting.table);
        waiting.table = table;
        waiting.shrank && now >= waiting.until
    }
}

impl Follow for Following {
    const SQL: &'static str = sql::FEED;

    fn begin_again(&mut self) {
        self.comeback.waiting = None;
        self.directory.begin_again();
    }

    fn prepare(&mut self, session: &mut Session) -> Result<(), postgres::Error> {
        self.directory.make_room(sql::about_how_many(session)?);
        Ok(())
    }

    fn row(&mut self, row: &Row) -> Followed {
        let Ok(id) = row.try_get(3) else { return Followed::Taken };
        // Our own people come back with the feed; they are not read again.
        match self.directory.lacks(id) {
            Some(true) => {}
            Some(false) => return Followed::Taken,
            None => return Followed::Full,
        }
        // Somebody else may have written a date that is not a day, or a stack with a null in it: no person,
        // and no reason to end.
        let (apelido, nome, birth, stack) = match read_person(row) {
            Ok(rest) => rest,
            Err(error) => {
                log::error!("the row {id} is not a person and is not searched: {error}");
                return Followed::Taken;
            }
        };
        // The first reading finds everybody.
        if self.directory.is_complete() {
            self.pace.found(id);
        }
        let texts = [apelido, nome].into_iter().chain(stack.iter().flatten().copied());
        // Nobody but this thread begins another generation.
        let (generation, note) = (self.directory.generation(), note(birth, stack.is_some()));
        match self.directory.follow(&mut self.builder, generation, id, note, texts) {
            true => Followed::Taken,
            false => Followed::Full,
        }
    }

    fn rest(&mut self, interval: Duration) -> Duration {
        self.pace.rest(interval)
    }

    fn caught_up(&mut self) {
        if self.directory.caught_up() {
            self.comeback.rest = self.comeback.first_rest;
            log::info!("searches are answered from memory");
        }
    }

    fn comes_back(&mut self, session: &mut Session) -> Result<bool, postgres::Error> {
        if !self.comeback.is_due(sql::shrinkage(session)?, Instant::now()) {
            return Ok(false);
        }
        log::info!("people were deleted or changed: they may fit into memory, which is filled again");
        self.comeback.waiting = None;
        self.directory.come_back();
        Ok(true)
    }

    fn stand_in(session: &mut Session) -> Result<bool, postgres::Error> {
        sql::ensure_search_index(session)
    }
}

type Read<'r> = (&'r str, &'r str, Date, Option<Vec<&'r str>>);

fn read_person(row: &Row) -> Result<Read<'_>, postgres::Error> {
    Ok((row.try_get(4)?, row.try_get(5)?, row.try_get(6)?, row.try_get(7)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_after_a_rest_that_grows_and_never_without_a_reason() {
        let rest = Duration::from_secs(10);
        let mut comeback = Comeback { first_rest: rest, rest, waiting: None };
        let table = |changes, file, bytes| Shrinkage { changes, file, bytes };
        let mut now = Instant::now();
        // What changed before it was given up is no reason, nor is what is added.
        assert!(!comeback.is_due(table(5, 1, 8_192), now));
        now += 100 * rest;
        assert!(!comeback.is_due(table(5, 1, 16_384), now));
        // A row was deleted or changed; the file is another one; its end was cut off.
        let mut pause = rest;
        for less in [table(6, 1, 16_384), table(5, 2, 16_384), table(5, 1, 8_192)] {
            comeback.waiting = None;
            assert!(!comeback.is_due(table(5, 1, 16_384), now));
            pause = comeback.rest / 2;
            assert!(!comeback.is_due(less, now + pause - Duration::from_millis(1)));
            assert!(comeback.is_due(less, now + pause));
        }
        assert_eq!(pause, 8 * rest);
        for _ in 0..30 {
            comeback.waiting = None;
            assert!(!comeback.is_due(table(5, 1, 16_384), now));
        }
        assert_eq!(comeback.rest, Duration::from_millis(limits::LONGEST_INDEX_RETURN_MS));
    }
}
