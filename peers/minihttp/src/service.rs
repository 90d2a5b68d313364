//! The handler.

use std::fmt::Write;
use std::io::{self, Read};

use may_minihttp::{HttpService, Request, Response};
use serde::Serialize;
use uuid::Uuid;

use crate::database::{Database, Unavailable};
use crate::person::{Invalid, Person};
use crate::routes::Route;

/// A usual body. nginx refuses those past 64 KB.
const USUAL_BODY_BYTES: usize = 1024;

/// `Location: /pessoas/` and a UUID.
const LOCATION_BYTES: usize = 56;

#[derive(Clone)]
pub(crate) struct People {
    database: Database,
}

impl HttpService for People {
    fn call(&mut self, request: Request<'_, '_, '_>, response: &mut Response<'_>) -> io::Result<()> {
        let route = Route::of(request.method(), request.path());
        // Always read, also where nobody asked for a body: what is left would be taken for the next request.
        let mut body = Vec::with_capacity(USUAL_BODY_BYTES);
        request.body().read_to_end(&mut body)?;

        let answered = match route {
            Route::Create => self.create(&mut body, response),
            Route::Fetch(id) => self.fetch(id, response),
            Route::Search(term) => self.search(term, response),
            Route::Count => self.count(response),
            Route::OtherMethod => Err(Refusal(405, "Method Not Allowed")),
            Route::Unknown => Err(NOT_FOUND),
        };
        if let Err(Refusal(code, reason)) = answered {
            response.status_code(code, reason);
        }
        Ok(())
    }
}

/// A status without a body.
struct Refusal(usize, &'static str);

const MALFORMED: Refusal = Refusal(400, "Bad Request");
const NOT_FOUND: Refusal = Refusal(404, "Not Found");
const REFUSED: Refusal = Refusal(422, "Unprocessable Content");
const UNAVAILABLE: Refusal = Refusal(503, "Service Unavailable");

impl From<Unavailable> for Refusal {
    fn from(_: Unavailable) -> Self {
        UNAVAILABLE
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        match invalid {
            Invalid::Malformed => MALFORMED,
            Invalid::Refused => REFUSED,
        }
    }
}

impl People {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    fn create(&self, body: &mut [u8], response: &mut Response<'_>) -> Result<(), Refusal> {
        let person = Person::parse(body)?;
        let id = person.id;
        if !self.database.insert(person)? {
            return Err(REFUSED);
        }
        response.status_code(201, "Created").header(location(id));
        Ok(())
    }

    fn fetch(&self, id: Option<Uuid>, response: &mut Response<'_>) -> Result<(), Refusal> {
        let person = self.database.fetch(id.ok_or(NOT_FOUND)?)?;
        json(&person.ok_or(NOT_FOUND)?, response)
    }

    fn search(&self, term: Option<String>, response: &mut Response<'_>) -> Result<(), Refusal> {
        let term = term.ok_or(MALFORMED)?;
        // No stored text has a NUL, and Postgres would not even take the question.
        let people = if term.contains('\0') { Vec::new() } else { self.database.search(&term)? };
        json(&people, response)
    }

    fn count(&self, response: &mut Response<'_>) -> Result<(), Refusal> {
        let count = self.database.count()?;
        response.header("Content-Type: text/plain; charset=utf-8").body_vec(count.to_string().into_bytes());
        Ok(())
    }
}

fn json<T: Serialize>(value: &T, response: &mut Response<'_>) -> Result<(), Refusal> {
    let json = simd_json::serde::to_vec(value).map_err(|error| {
        eprintln!("no JSON: {error}");
        UNAVAILABLE
    })?;
    response.header("Content-Type: application/json").body_vec(json);
    Ok(())
}

/// The header line of a creation. may_minihttp takes nothing that lives shorter than the process, so each
/// creation leaves these 55 bytes behind for good (README.md has what that comes to).
fn location(id: Uuid) -> &'static str {
    let mut line = heapless::String::<LOCATION_BYTES>::new();
    // It has the length that it always has.
    let _ = write!(line, "Location: /pessoas/{id}");
    Box::leak(line.as_str().into())
}
