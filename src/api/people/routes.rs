//! The handlers. Each runs on its connection's coroutine and parks where it asks the store.

use super::super::id;
use super::People;
use super::directory::{Busy, Known};
use super::model;
use super::note::render_record;
use super::pushed;
use super::sql::{self, Creation};
use crate::http::{RETRY_AFTER_S, Rejection, Request, Response, Status};
use crate::store::Lane;

const TAKEN: Rejection =
    Rejection::of_field(Status::UnprocessableContent, "this apelido is taken", "apelido");
const UNSTORABLE: Rejection = Rejection::new(Status::UnprocessableContent, "this person cannot be stored");
const NO_ID: Rejection = Rejection::new(Status::ServiceUnavailable, "no id was free");
const NO_PERSON: Rejection = Rejection::new(Status::NotFound, "there is no such person");
const NO_TERM: Rejection = Rejection::of_field(Status::BadRequest, "a search needs a term", "t");
const BROKEN_TERM: Rejection =
    Rejection::of_field(Status::BadRequest, "the term is not percent-encoded UTF-8", "t");

/// How many ids a person is given, should others have them.
const ID_TRIES: u32 = 3;

impl From<Busy> for Rejection {
    fn from(busy: Busy) -> Self {
        let error = match busy {
            Busy::LineFull => "too many searches are waiting for their turn",
            Busy::Late => "the search was not over in time",
        };
        Self { retry_after_s: Some(RETRY_AFTER_S), ..Self::new(Status::ServiceUnavailable, error) }
    }
}

impl People {
    /// `POST /pessoas`: 201 after the commit, 422 or 400 by the rules.
    pub(super) fn create(
        &self,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let mut person = model::parse(request.body(), self.replica.get())?;
        if self.directory.is_taken(&person.apelido) {
            return Err(TAKEN);
        }
        let generation = self.directory.generation();
        let stamp = self.hub.as_ref().and_then(|hub| hub.stamp());
        for _ in 0..ID_TRIES {
            match self.queue.commit(person.clone())? {
                Creation::Stored => {
                    if let (Some(hub), Some(stamp)) = (&self.hub, stamp) {
                        hub.offer(stamp, |out| pushed::write(out, &person));
                    }
                    self.directory.stored(&person, generation);
                    response
                        .status(Status::Created)
                        .header("location", format_args!("/pessoas/{}", person.id))
                        .empty();
                    return Ok(());
                }
                Creation::Taken => {
                    self.directory.refused(&person.apelido, generation);
                    return Err(TAKEN);
                }
                Creation::Unstorable => return Err(UNSTORABLE),
                Creation::Clashed => person = person.with_new_id(self.replica.get()),
            }
        }
        Err(Rejection { retry_after_s: Some(RETRY_AFTER_S), ..NO_ID })
    }

    /// `GET /pessoas/{id}`: from memory, otherwise from Postgres. A miss is never cached.
    pub(super) fn by_id(
        &self,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let id = id::parse(request.raw_path_parameter("id")).ok_or(NO_PERSON)?;
        let answer = |known: Known<'_>| match known {
            Known::Record(record) => response.body_with("application/json", |out| render_record(out, record)),
            Known::Body(body) => response.json(&body),
        };
        if self.directory.find(id, answer).is_some() {
            return Ok(());
        }
        let generation = self.directory.generation();
        let body = self.by_id.get(id)?.ok_or(NO_PERSON)?;
        response.json(&body);
        self.directory.fetched(id, body, generation);
        Ok(())
    }

    /// `GET /pessoas?t=`: at most 50 people, oldest first, from memory if everybody is there.
    pub(super) fn search(
        &self,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let term = request.query_text("t").map_err(|_| BROKEN_TERM)?;
        let term = term.filter(|term| !term.is_empty()).ok_or(NO_TERM)?;
        // Postgres cannot store a NUL, so nobody has one.
        if term.contains('\0') {
            response.json(b"[]");
            return Ok(());
        }
        if let Some(found) = self.directory.search(&term, render_record)? {
            response.json(&found);
            return Ok(());
        }
        let (directory, term) = (self.directory.clone(), term.into_owned());
        let found = self.pool.read(Lane::Scan, move |session| {
            // It may have come while this waited for a connection. Then the table need not be read.
            if directory.is_complete()
                && let Ok(Some(found)) = directory.search(&term, render_record)
            {
                return Ok(found);
            }
            sql::search(session, &term)
        })?;
        response.json(&found);
        Ok(())
    }

    /// `GET /contagem-pessoas`: counted by Postgres, as the rules want it.
    pub(super) fn count(&self, response: &mut Response<'_>) -> Result<(), Rejection> {
        response.text(self.count.get(())?.unwrap_or_default());
        Ok(())
    }
}
