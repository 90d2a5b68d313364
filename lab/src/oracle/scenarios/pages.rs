//! Pages of users, by their number or by a cursor: each answer must have exactly the users of its page, so
//! that a walk has each of them once. Both are asked for the same pages: each client begins at a place of its
//! own, and goes on with the next. Users who are created meanwhile come after all of these.

use std::collections::HashMap;

use serde::Deserialize;

use super::answers::{Asked, Row};
use super::flow::Flow;
use super::{must, read};

/// Between the pages at which two clients begin: prime, so that they spread over all.
const APART: u64 = 1_009;
/// One page in so many is compared field by field; of all others the ids are.
const WHOLE_EVERY: u64 = 10;

/// How a page is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Page {
    /// By its number, from 1.
    Offset {
        /// Users on it.
        size: u64,
        /// How many there are in all is asked for too.
        count: bool,
    },
    /// By the id after which it begins.
    Cursor {
        /// Users on it.
        size: u64,
    },
}

/// Where each client is in its walk: the users that lie before its next page.
#[derive(Debug, Default)]
pub(super) struct Pages {
    walks: HashMap<u64, u64>,
}

/// What is known of users when an answer comes.
#[derive(Clone, Copy)]
pub(super) struct Known<'k> {
    /// Users of the data; their ids are from 1 to this.
    pub(super) users: u64,
    /// Creations that were sent by now.
    pub(super) sent: u64,
    /// Who changes users meanwhile.
    pub(super) flow: &'k Flow,
}

impl Page {
    fn size(self) -> u64 {
        match self {
            Self::Offset { size, .. } | Self::Cursor { size } => size,
        }
    }
}

impl Pages {
    /// The client's next page: what stands in its path, and how many users lie before it.
    pub(super) fn ask(&mut self, page: Page, client: u64, users: u64) -> (u64, u64) {
        let size = page.size().max(1);
        let pages = (users / size).max(1);
        let before = *self.walks.entry(client).or_insert(client * APART % pages * size);
        if matches!(page, Page::Cursor { .. }) {
            return (before, before);
        }
        self.walks.insert(client, (before + size) % (pages * size));
        (before / size + 1, before)
    }

    pub(super) fn judge(
        &mut self,
        page: Page,
        asked: Asked,
        body: &[u8],
        known: Known<'_>,
    ) -> Result<(), &'static str> {
        let (size, before) = (page.size(), asked.place);
        let answer: Answer<'_> = read(body, "the body is no page of users in JSON")?;
        must(answer.size == size, "the size is not the one that was asked for")?;
        let last = (before + size).min(known.users);
        let cursor = matches!(page, Page::Cursor { .. });
        let ids = || answer.items.iter().map(|row| row.id);
        if !ids().take_while(|id| *id <= known.users).eq(before + 1..=last) {
            return Err(match ids().next() {
                _ if !cursor => "the page has not exactly its users",
                Some(first) if first <= before => "the cursor repeats users",
                _ => "the cursor skips users",
            });
        }
        must(ids().len() as u64 <= size, "the page has more users than were asked for")?;
        if asked.number.is_multiple_of(WHOLE_EVERY) {
            for row in answer.items.iter().filter(|row| !known.flow.changes(row.id)) {
                row.check(row.id <= known.users, known.sent)?;
            }
        }
        match page {
            Page::Offset { count, .. } => total(&answer, count, asked, known),
            Page::Cursor { .. } => {
                let next = answer.next_cursor;
                let ended = last == known.users && asked.acknowledged == 0;
                must(next == ids().next_back() || next.is_none() && ended, "next_cursor is not the last id")?;
                let next = next.filter(|next| *next < known.users).unwrap_or(0);
                self.walks.insert(asked.client, next);
                Ok(())
            }
        }
    }
}

fn total(answer: &Answer<'_>, count: bool, asked: Asked, known: Known<'_>) -> Result<(), &'static str> {
    let size = answer.size.max(1);
    must(answer.page == Some(asked.place / size + 1), "the page is not the one that was asked for")?;
    let Some(total) = answer.total.filter(|_| count) else {
        let none = !count && answer.total.is_none() && answer.total_pages.is_none();
        return must(none, "the total is there where it was not asked for, or the other way round");
    };
    let least = known.users + asked.acknowledged as u64;
    must((least..=known.users + known.sent).contains(&total), "the total is not the number of users")?;
    must(answer.total_pages == Some(total.div_ceil(size)), "total_pages does not fit the total")
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    items: Vec<Row<'a>>,
    size: u64,
    page: Option<u64>,
    total: Option<u64>,
    total_pages: Option<u64>,
    next_cursor: Option<u64>,
}
