//! The statements of the users API.

use std::sync::Arc;

use postgres::Row;
use uuid::Uuid;

use super::model::User;
use crate::cache::Body;
use crate::store::Session;

macro_rules! columns {
    () => {
        "id, email, full_name, age, country_code, is_active, created_at"
    };
}

const FETCH: &str = concat!("SELECT ", columns!(), " FROM users WHERE id = ANY($1)");

/// The total and the page are of one snapshot. The total comes with every row, and on a row of its own where
/// the page is empty.
///
/// What OFFSET leaves out is walked in the index alone: ids are random, so each of these users is on another
/// page of the table.
macro_rules! page {
    ($place:literal) => {
        concat!(
            "SELECT total.count, page.*
             FROM (SELECT count(*) FROM users) AS total
                  LEFT JOIN (SELECT ",
            columns!(),
            " FROM users ",
            $place,
            ") AS page ON true
             ORDER BY page.id"
        )
    };
}
const PAGE_AT: &str =
    page!("WHERE id >= (SELECT id FROM users ORDER BY id LIMIT 1 OFFSET $2) ORDER BY id LIMIT $1");
const PAGE_AFTER: &str = page!("WHERE id > $2 ORDER BY id LIMIT $1");

/// Where a page begins, in the order of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Start {
    /// So many users are left out; they are read all the same, so a far page costs more than a near one.
    Offset(i64),
    /// With the first id past this one; every page costs the same.
    After(Uuid),
}

/// A part of the list.
pub(super) struct Page {
    /// A JSON array.
    pub(super) items: Vec<u8>,
    /// Of its last user.
    pub(super) last: Option<Uuid>,
    /// How many users it has.
    pub(super) len: usize,
    /// How many there are.
    pub(super) total: i64,
}

/// The users with these ids, rendered.
pub(super) fn fetch_bodies(
    session: &mut Session,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, Body)>, postgres::Error> {
    let rows = session.query(FETCH, &[&ids])?;
    let mut out = Vec::new();
    let body = |row: &Row| {
        out.clear();
        let user = user(row, 0)?;
        user.render(&mut out);
        Ok((user.id, Arc::from(out.as_slice())))
    };
    rows.iter().map(body).collect()
}

/// At most `limit` users from `start` on, and how many there are.
pub(super) fn page(session: &mut Session, limit: i64, start: Start) -> Result<Page, postgres::Error> {
    let rows = match start {
        Start::Offset(offset) => session.query(PAGE_AT, &[&limit, &offset])?,
        Start::After(id) => session.query(PAGE_AFTER, &[&limit, &id])?,
    };
    let mut page = Page { items: vec![b'['], last: None, len: 0, total: 0 };
    for row in &rows {
        page.total = row.try_get(0)?;
        if row.try_get::<_, Option<Uuid>>(1)?.is_none() {
            break;
        }
        if page.len > 0 {
            page.items.push(b',');
        }
        let user = user(row, 1)?;
        user.render(&mut page.items);
        page.last = Some(user.id);
        page.len += 1;
    }
    page.items.push(b']');
    Ok(page)
}

/// The user whose columns start at `first`.
fn user(row: &Row, first: usize) -> Result<User<'_>, postgres::Error> {
    Ok(User {
        id: row.try_get(first)?,
        email: row.try_get(first + 1)?,
        full_name: row.try_get(first + 2)?,
        age: row.try_get(first + 3)?,
        country_code: row.try_get(first + 4)?,
        is_active: row.try_get(first + 5)?,
        created_at: row.try_get(first + 6)?,
    })
}
