//! The handlers of users. Each runs on its connection's coroutine and parks where it asks the store.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Bench;
use super::model::{Change, NewUser, User};
use super::sql::{self, Creation, Slice};
use crate::http::{BodyWriter, RETRY_AFTER_S, Rejection, Request, Response, Status};
use crate::store::{Lane, NotDone, Unavailable};

/// Tables of more than one slice that are being sent at once. Each holds a slice, some 0.2 MB and at most 3
/// MB, for as long as its client takes, and is in no other account.
pub(super) const LARGE_LISTS: usize = 32;

pub(super) const NOT_FOUND: Rejection = Rejection::new(Status::NotFound, "no such user");
const TAKEN: Rejection = Rejection::of_field(Status::Conflict, "another user has it", "email");
const UNSTORABLE: Rejection = Rejection::new(Status::UnprocessableContent, "it cannot be stored");
const LISTS_FULL: Rejection = Rejection {
    status: Status::ServiceUnavailable,
    error: Cow::Borrowed("too many large lists are being sent"),
    field: None,
    retry_after_s: Some(RETRY_AFTER_S),
};

const IN_USE: Rejection = Rejection::new(Status::Conflict, "rows of other tables belong to the user");

/// What Postgres refuses of a user is an e-mail that another one has, and to delete one who has rows
/// elsewhere.
fn refused(reason: NotDone<Rejection>) -> Rejection {
    match reason {
        NotDone::Refused(refusal) if refusal.constraint.as_deref() == Some("users_email") => TAKEN,
        NotDone::Refused(refusal) if refusal.code == "23503" => IN_USE,
        other => other.into(),
    }
}

impl Bench {
    /// `GET /users`: all of them in the order of their ids, read at each request.
    ///
    /// A table that is larger than a slice is sent while it is read. Each slice is a statement, and a
    /// snapshot, of its own: a user who exists all the while is in the list once, and one who comes or goes
    /// meanwhile may be.
    pub(super) fn list(&self, _: &mut Request<'_>, response: &mut Response<'_>) -> Result<(), Rejection> {
        let first = self.slice(i64::MIN)?;
        let columns = first.columns().map_err(unreadable)?;
        if !self.is_full(columns.len()) {
            response.body_with("application/json", |out| {
                out.push(b'[');
                columns.write(out);
                out.push(b']');
            });
            return Ok(());
        }
        drop(columns);
        let _place = Place::among(&self.large_lists).ok_or(LISTS_FULL)?;
        response.stream("application/json", None, |out| self.write_slices(first, out));
        Ok(())
    }

    fn slice(&self, after: i64) -> Result<Slice, Unavailable> {
        let rows = self.slice_rows;
        let read = self.pool.read(Lane::Scan, move |session| sql::slice(session, after, rows))?;
        // An aggregate has one row.
        read.ok_or(Unavailable::Refused)
    }

    /// Whether there may be more behind a slice of so many rows.
    fn is_full(&self, rows: usize) -> bool {
        i64::try_from(rows).is_ok_and(|rows| rows >= self.slice_rows)
    }

    fn write_slices(&self, first: Slice, out: &mut BodyWriter<'_>) -> io::Result<()> {
        let mut slice = first;
        let mut piece = vec![b'['];
        loop {
            let columns = slice.columns().map_err(io::Error::other)?;
            if piece.is_empty() && columns.len() > 0 {
                piece.push(b',');
            }
            columns.write(&mut piece);
            let next = columns.last().filter(|_| self.is_full(columns.len()));
            drop(columns);
            drop(slice);
            out.write_all(&piece)?;
            piece.clear();
            let Some(after) = next else { return out.write_all(b"]") };
            slice = self.slice(after).map_err(|reason| io::Error::other(reason.to_string()))?;
        }
    }

    /// `POST /users`: 201 after the commit, 409 for an e-mail that another user has.
    pub(super) fn create(
        &self,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let new: Arc<NewUser> = Arc::new(request.valid_json()?);
        match self.queue.commit(new.clone())? {
            Creation::Stored { id, created_at } => {
                let user = User { id, name: &new.name, email: &new.email, created_at };
                response
                    .status(Status::Created)
                    .header("location", format_args!("/users/{id}"))
                    .body_with("application/json", |out| user.write(out));
                Ok(())
            }
            Creation::Taken => Err(TAKEN),
            Creation::Unstorable => Err(UNSTORABLE),
        }
    }

    /// `GET /users/{id}`. Lookups that wait at the same time are one statement.
    pub(super) fn user(
        &self,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        response.json(&self.by_id.get(request.path_parameter("id")?)?.ok_or(NOT_FOUND)?);
        Ok(())
    }

    /// `PUT /users/{id}` with either member or both. Done twice it comes to the same.
    pub(super) fn change(
        &self,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let id = request.path_parameter("id")?;
        let change: Change = request.valid_json()?;
        let changed = self
            .pool
            .transact::<_, Rejection>(|_| Ok(None), move |transaction| sql::update(transaction, id, &change));
        // Also where it is not known whether it was done.
        self.kept.forget(id);
        response.json(&changed.map_err(refused)?.ok_or(NOT_FOUND)?);
        Ok(())
    }

    /// `DELETE /users/{id}`: 204. After a lost answer a user who is not there is one who was deleted.
    pub(super) fn delete(
        &self,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let id = request.path_parameter("id")?;
        let was_there = self.pool.transact::<_, Rejection>(
            move |session| Ok((!sql::is_there(session, id)?).then_some(true)),
            move |transaction| sql::delete(transaction, id),
        );
        self.kept.forget(id);
        match was_there.map_err(refused)? {
            true => response.status(Status::NoContent).empty(),
            false => return Err(NOT_FOUND),
        }
        Ok(())
    }
}

/// Our own statement has answered with something else.
#[allow(clippy::needless_pass_by_value)] // for map_err
pub(super) fn unreadable(error: postgres::Error) -> Rejection {
    log::error!("users cannot be read: {error}");
    Rejection::new(Status::InternalServerError, "internal server error")
}

/// One of so many that there may be.
struct Place<'c>(&'c AtomicUsize);

impl<'c> Place<'c> {
    fn among(taken: &'c AtomicUsize) -> Option<Self> {
        let place = Self(taken);
        (taken.fetch_add(1, Ordering::Relaxed) < LARGE_LISTS).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
