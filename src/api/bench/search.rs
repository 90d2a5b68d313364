//! `GET /search/users`: users by a part of their name or e-mail, or by whole words. A part is found by the
//! same statement with and without an index of trigrams (pg_trgm); what is searched for by words is what an
//! index for full text has.

use super::Bench;
use super::sql::{Slice, slice_of};
use super::users::unreadable;
use crate::api::query::number;
use crate::http::{Method, Rejection, Request, Response, Scope, Status};
use crate::store::{Lane, Unavailable};

/// Users where nobody says how many.
pub(super) const DEFAULT_LIMIT: i64 = 50;
/// Users at most.
pub(super) const LARGEST_LIMIT: i64 = 100;
/// Characters of what is searched for.
pub(super) const QUERY_CHARS: usize = 100;

const BY_PART: &str = slice_of!("WHERE name ILIKE $1 OR email ILIKE $1 ORDER BY id LIMIT $2");
const BY_WORDS: &str = slice_of!(
    "WHERE to_tsvector('simple', name || ' ' || email) @@ plainto_tsquery('simple', $1) ORDER BY id LIMIT $2"
);

const fn bad(error: &'static str, parameter: &'static str) -> Rejection {
    Rejection::of_field(Status::UnprocessableContent, error, parameter)
}

/// The text of `q`.
fn wanted(request: &Request<'_>) -> Result<String, Rejection> {
    let text = request.query_text("q")?.filter(|text| !text.is_empty()).ok_or(bad("is missing", "q"))?;
    // A NUL is no text to Postgres.
    match text.chars().count() <= QUERY_CHARS && !text.contains('\0') {
        true => Ok(text.into_owned()),
        false => Err(bad("expected 1 to 100 characters, and no NUL", "q")),
    }
}

/// A pattern that finds the text anywhere, in which no character stands for another one.
fn pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// Adds the routes.
pub(super) fn mount(scope: &mut Scope<'_, Bench>) {
    scope.route(Method::Get, "/search/users", Bench::search);
}

impl Bench {
    /// `GET /search/users?q=&mode=&limit=`: the first of those that match, by id.
    fn search(&self, request: &mut Request<'_>, response: &mut Response<'_>) -> Result<(), Rejection> {
        let text = wanted(request)?;
        let (sql, value) = match request.query_text("mode")?.as_deref() {
            Some("like" | "trgm") => (BY_PART, pattern(&text)),
            Some("fts") => (BY_WORDS, text),
            _ => return Err(bad("expected like, trgm or fts", "mode")),
        };
        let limit = number(request, "limit", 1..=LARGEST_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
        let read = self.pool.read(Lane::Scan, move |session| Slice::read(session, sql, &[&value, &limit]))?;
        let slice = read.ok_or(Unavailable::Refused)?;
        let columns = slice.columns().map_err(unreadable)?;
        response.body_with("application/json", |out| {
            out.extend_from_slice(b"{\"users\":[");
            columns.write(out);
            out.extend_from_slice(b"]}");
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn no_character_stands_for_another_one() {
        for (text, expected) in [("ana", "%ana%"), ("50%_\\", "%50\\%\\_\\\\%"), ("é", "%é%")] {
            assert_eq!(pattern(text), expected);
        }
    }
}
