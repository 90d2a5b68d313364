//! The statements of users.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use postgres::Row;
use postgres::error::SqlState;
use postgres::types::ToSql;
use time::OffsetDateTime;
use uuid::Uuid;

use super::model::{Change, NewUser, User};
use crate::cache::Body;
use crate::store::{Batch, Session, Transaction, Undo};

macro_rules! columns {
    () => {
        "id, name, email, created_at"
    };
}

/// A column is one value, an array, so that a thousand rows are one row of the protocol, which the client
/// library reads at once. (Postgres aggregates in the order of the rows below, which is that of the index.)
macro_rules! slice_of {
    ($which:literal) => {
        slice_of!("", $which)
    };
    ($more:literal, $which:literal) => {
        concat!(
            "SELECT array_agg(id), array_agg(name), array_agg(email), array_agg(created_at)",
            $more,
            " FROM (SELECT id, name, email, created_at FROM bench.users ",
            $which,
            ") AS slice"
        )
    };
}
pub(super) use slice_of;

const SLICE: &str = slice_of!("WHERE id > $1 ORDER BY id LIMIT $2");

const OF_IDS: &str = concat!("SELECT ", columns!(), " FROM bench.users WHERE id = ANY($1)");

/// `INSERT` stores all rows or, where one conflicts, none; then `INSERT_FREE` stores those that conflict with
/// nothing. Conflicts are rare, and the second statement costs every row more.
macro_rules! insert {
    ($conflict:literal) => {
        concat!(
            "INSERT INTO bench.users (request, name, email)
             SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[])",
            $conflict,
            " RETURNING request, id, created_at"
        )
    };
}
const INSERT: &str = insert!("");
const INSERT_FREE: &str = insert!(" ON CONFLICT DO NOTHING");

/// Reads the whole table, which has no index for this. It is asked only after an answer was lost.
const OF_REQUESTS: &str = "SELECT request, id, created_at FROM bench.users WHERE request = ANY($1)";

/// What is null stays as it is.
const UPDATE: &str = concat!(
    "UPDATE bench.users SET name = coalesce($2, name), email = coalesce($3, email) WHERE id = $1 RETURNING ",
    columns!()
);

const DELETE: &str = "DELETE FROM bench.users WHERE id = $1";
const IS_THERE: &str = "SELECT FROM bench.users WHERE id = $1";

/// So many users, in the order of their ids.
pub(super) struct Slice(Row);

/// The columns of a [`Slice`].
pub(super) struct Columns<'r> {
    ids: Vec<i64>,
    names: Vec<&'r str>,
    emails: Vec<&'r str>,
    created: Vec<OffsetDateTime>,
}

impl Slice {
    /// What a statement made by [`slice_of!`] reads. An aggregate has one row.
    pub(super) fn read(
        session: &mut Session,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Self>, postgres::Error> {
        Ok(session.query(sql, values)?.into_iter().next().map(Self))
    }

    /// The first value of what was read besides the users.
    pub(super) fn beside(&self) -> Result<i64, postgres::Error> {
        self.0.try_get(4)
    }

    /// # Errors
    /// A column is not what it was made as.
    pub(super) fn columns(&self) -> Result<Columns<'_>, postgres::Error> {
        // Of no rows an aggregate is null.
        Ok(Columns {
            ids: self.0.try_get::<_, Option<_>>(0)?.unwrap_or_default(),
            names: self.0.try_get::<_, Option<_>>(1)?.unwrap_or_default(),
            emails: self.0.try_get::<_, Option<_>>(2)?.unwrap_or_default(),
            created: self.0.try_get::<_, Option<_>>(3)?.unwrap_or_default(),
        })
    }
}

impl Columns<'_> {
    /// How many users there are.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Leaves out all but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        self.ids.truncate(len);
    }

    /// Of the last of them.
    pub(super) fn last(&self) -> Option<i64> {
        self.ids.last().copied()
    }

    /// Appends all of them, separated by commas.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let texts = self.names.iter().zip(&self.emails);
        let rows = self.ids.iter().zip(texts).zip(&self.created);
        for (index, ((&id, (&name, &email)), &created_at)) in rows.enumerate() {
            if index > 0 {
                out.push(b',');
            }
            User { id, name, email, created_at }.write(out);
        }
    }
}

/// At most `rows` users whose ids are past `after`.
pub(super) fn slice(session: &mut Session, after: i64, rows: i64) -> Result<Option<Slice>, postgres::Error> {
    Slice::read(session, SLICE, &[&after, &rows])
}

/// The users with these ids, as they are answered.
pub(super) fn fetch_bodies(session: &mut Session, ids: &[i64]) -> Result<Vec<(i64, Body)>, postgres::Error> {
    let rows = session.query(OF_IDS, &[&ids])?;
    rows.iter().map(|row| Ok((row.try_get(0)?, body(row, 0)?))).collect()
}

/// The user whose columns begin at `first`, as it is answered.
pub(super) fn body(row: &Row, first: usize) -> Result<Body, postgres::Error> {
    let user = User {
        id: row.try_get(first)?,
        name: row.try_get(first + 1)?,
        email: row.try_get(first + 2)?,
        created_at: row.try_get(first + 3)?,
    };
    let mut out = Vec::with_capacity(128);
    user.write(&mut out);
    Ok(out.into())
}

/// Changes a user; `None` if there is no such user.
pub(super) fn update<E>(
    transaction: &mut Transaction<'_>,
    id: i64,
    change: &Change,
) -> Result<Option<Body>, Undo<E>> {
    let name = change.name.as_ref().map(|name| name.as_str());
    let email = change.email.as_ref().map(|email| email.as_str());
    let rows = transaction.query_last(UPDATE, &[&id, &name, &email])?;
    Ok(rows.first().map(|row| body(row, 0)).transpose()?)
}

/// Whether there was such a user.
pub(super) fn delete<E>(transaction: &mut Transaction<'_>, id: i64) -> Result<bool, Undo<E>> {
    Ok(transaction.execute_last(DELETE, &[&id])? > 0)
}

pub(super) fn is_there(session: &mut Session, id: i64) -> Result<bool, postgres::Error> {
    Ok(!session.query(IS_THERE, &[&id])?.is_empty())
}

/// What became of a creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creation {
    /// Committed, with what Postgres has chosen.
    Stored { id: i64, created_at: OffsetDateTime },
    /// Somebody else has the e-mail.
    Taken,
    /// Postgres cannot store this user.
    Unstorable,
}

/// Users for the group commit.
pub(super) struct Users;

impl Batch for Users {
    type Item = Arc<NewUser>;
    type Answer = Creation;

    const NAME: &'static str = "bench";

    fn order(one: &Arc<NewUser>, other: &Arc<NewUser>) -> Ordering {
        one.email.as_bytes().cmp(other.email.as_bytes())
    }

    fn bytes(user: &Arc<NewUser>) -> usize {
        size_of::<NewUser>() + user.name.capacity() + user.email.capacity()
    }

    fn label(user: &Arc<NewUser>) -> String {
        user.request.to_string()
    }

    fn place(session: &mut Session, users: &[&Arc<NewUser>]) -> Result<Vec<Creation>, postgres::Error> {
        let requests = requests(users);
        let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
        let emails: Vec<&str> = users.iter().map(|user| user.email.as_str()).collect();
        let values: [&(dyn ToSql + Sync); 3] = [&requests, &names, &emails];
        let rows = match session.query(INSERT, &values) {
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                session.query(INSERT_FREE, &values)?
            }
            inserted => inserted?,
        };
        let stored = stored(&rows)?;
        let creation = |request| stored.get(request).copied().unwrap_or(Creation::Taken);
        Ok(requests.iter().map(creation).collect())
    }

    fn settled(
        session: &mut Session,
        users: &[&Arc<NewUser>],
    ) -> Result<Vec<Option<Creation>>, postgres::Error> {
        let requests = requests(users);
        let stored = stored(&session.query(OF_REQUESTS, &[&requests])?)?;
        Ok(requests.iter().map(|request| stored.get(request).copied()).collect())
    }

    fn unstorable() -> Creation {
        Creation::Unstorable
    }
}

fn requests(users: &[&Arc<NewUser>]) -> Vec<Uuid> {
    users.iter().map(|user| user.request).collect()
}

fn stored(rows: &[Row]) -> Result<HashMap<Uuid, Creation>, postgres::Error> {
    let read = |row: &Row| {
        Ok((row.try_get(0)?, Creation::Stored { id: row.try_get(1)?, created_at: row.try_get(2)? }))
    };
    rows.iter().map(read).collect()
}
