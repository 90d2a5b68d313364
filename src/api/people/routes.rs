//! The handlers. Each runs on its connection's coroutine and parks where it asks the store.

use uuid::Uuid;

use super::People;
use super::sql;
use crate::api::json_error::{Rejection, send_unavailable};
use crate::http::{Request, Response, Status};
use crate::store::commit::Outcome;

const TAKEN: Rejection =
    Rejection::of_field(Status::UnprocessableContent, "this apelido is taken", "apelido");
const UNSTORABLE: Rejection = Rejection::new(Status::UnprocessableContent, "this person cannot be stored");
const NO_PERSON: Rejection = Rejection::new(Status::NotFound, "there is no such person");
const NO_TERM: Rejection = Rejection::of_field(Status::BadRequest, "a search needs a term", "t");
const BROKEN_TERM: Rejection =
    Rejection::of_field(Status::BadRequest, "the term is not percent-encoded UTF-8", "t");

impl People {
    /// `POST /pessoas`: 201 after the commit, 422 or 400 by the rules.
    pub(super) fn create(&self, request: &mut Request<'_>, response: &mut Response<'_>) {
        let person = match self.parsers.parse(request.body()) {
            Ok(person) => person,
            Err(rejection) => return rejection.send(response),
        };
        if self.directory.is_taken(&person.apelido) {
            return TAKEN.send(response);
        }
        let body = person.render();
        match self.queue.commit(person.clone()) {
            Ok(Outcome::Stored) => {
                self.directory.stored(&person, body);
                response
                    .status(Status::Created)
                    .header("location", format_args!("/pessoas/{}", person.id))
                    .empty();
            }
            Ok(Outcome::Duplicate) => {
                self.directory.refused(&person.apelido);
                TAKEN.send(response);
            }
            Ok(Outcome::Invalid) => UNSTORABLE.send(response),
            Err(reason) => send_unavailable(reason, response),
        }
    }

    /// `GET /pessoas/{id}`: from memory, else from Postgres. A miss is never cached.
    pub(super) fn by_id(&self, request: &mut Request<'_>, response: &mut Response<'_>) {
        let Some(id) = parse_id(request.parameter()) else { return NO_PERSON.send(response) };
        if self.directory.answer(id, response) {
            return;
        }
        match self.by_id.get(id) {
            Ok(Some(body)) => {
                response.json(&body);
                self.directory.fetched(id, body);
            }
            Ok(None) => NO_PERSON.send(response),
            Err(reason) => send_unavailable(reason, response),
        }
    }

    /// `GET /pessoas?t=`: at most 50 people, oldest first, from memory if everybody is there.
    pub(super) fn search(&self, request: &mut Request<'_>, response: &mut Response<'_>) {
        let term = match request.query("t") {
            None => return NO_TERM.send(response),
            Some(None) => return BROKEN_TERM.send(response),
            Some(Some(term)) if term.is_empty() => return NO_TERM.send(response),
            Some(Some(term)) => term,
        };
        // Postgres cannot store a NUL, so nobody has one.
        if term.contains('\0') {
            return response.json(b"[]");
        }
        if self.directory.answer_search(&term, response) {
            return;
        }
        let term = term.into_owned();
        match self.readers.read(move |session| sql::search(session, &term)) {
            Ok(body) => response.json(&body),
            Err(reason) => send_unavailable(reason, response),
        }
    }

    /// `GET /contagem-pessoas`: counted by Postgres, as the rules want it.
    pub(super) fn count(&self, response: &mut Response<'_>) {
        match self.readers.read(sql::count) {
            Ok(count) => response.text(count),
            Err(reason) => send_unavailable(reason, response),
        }
    }
}

/// The hyphenated form, in either case; the other forms of a UUID are not what we hand out.
fn parse_id(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}
