//! The handlers. Each runs on its connection's coroutine and parks where it asks the store.

use std::io::Write;
use std::ops::RangeInclusive;

use uuid::Uuid;

use super::super::id;
use super::Users;
use super::sql::{self, Page, Start};
use crate::cache::Body;
use crate::cache::Weigh;
use crate::http::{Rejection, Request, Response, Status};
use crate::store::Lane;

/// Users of a page where nobody says how many.
pub(super) const DEFAULT_LIMIT: i64 = 50;
/// Users of a page at most.
pub(super) const LARGEST_LIMIT: i64 = 200;

const NOT_FOUND: Rejection = Rejection::new(Status::NotFound, "not_found");

const fn bad(parameter: &'static str) -> Rejection {
    Rejection::of_field(Status::BadRequest, "bad_request", parameter)
}

/// What an answer is kept by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    One(Uuid),
    Page { limit: i64, start: Start },
}

impl Weigh for Key {
    fn weight_bytes(&self) -> u64 {
        size_of::<Self>() as u64
    }
}

impl Users {
    /// `GET /users/{id}`: 404 if there is none, 400 if it is no UUID.
    pub(super) fn by_id(
        &self,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let id = id::parse(request.raw_path_parameter("id")).ok_or(bad("id"))?;
        let read = || self.by_id.get(id)?.ok_or(NOT_FOUND);
        let body = match &self.cache {
            Some(cache) => cache.get_or_compute(&Key::One(id), read)?.value,
            None => read()?,
        };
        response.json(&body);
        Ok(())
    }

    /// `GET /users?limit=&offset=` or `?limit=&after=`: a page in the order of ids, and how many users there
    /// are.
    pub(super) fn list(
        &self,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let limit = number(request, "limit", 1..=LARGEST_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
        let start = start(request)?;
        let read = || self.pool.read(Lane::Scan, move |session| sql::page(session, limit, start));
        let Some(cache) = &self.cache else {
            let page = read()?;
            response.body_with("application/json", |out| render(out, &page, limit, start));
            return Ok(());
        };
        let rendered = || {
            let mut out = Vec::new();
            render(&mut out, &read()?, limit, start);
            Ok(Body::from(out))
        };
        response.json(&cache.get_or_compute(&Key::Page { limit, start }, rendered)?.value);
        Ok(())
    }
}

fn start(request: &Request<'_>) -> Result<Start, Rejection> {
    let offset = number(request, "offset", 0..=i64::MAX)?;
    let after = request.query_text("after").map_err(|_| bad("after"))?;
    let Some(after) = after else { return Ok(Start::Offset(offset.unwrap_or(0))) };
    // Both at once is a mistake, and guessing which one was meant would hide it.
    let after = id::parse(&after).filter(|_| offset.is_none());
    after.map(Start::After).ok_or(bad("after"))
}

fn number(
    request: &Request<'_>,
    name: &'static str,
    allowed: RangeInclusive<i64>,
) -> Result<Option<i64>, Rejection> {
    match request.query_parameter(name) {
        Ok(None) => Ok(None),
        Ok(Some(number)) if allowed.contains(&number) => Ok(Some(number)),
        _ => Err(bad(name)),
    }
}

fn render(out: &mut Vec<u8>, page: &Page, limit: i64, start: Start) {
    out.extend_from_slice(b"{\"items\":");
    out.extend_from_slice(&page.items);
    let _ = write!(out, ",\"limit\":{limit}");
    match start {
        Start::Offset(offset) => {
            let _ = write!(out, ",\"offset\":{offset}");
        }
        Start::After(id) => {
            let _ = write!(out, ",\"after\":\"{id}\",\"next\":");
            // A full page may be the last one; then the next is empty, and says so.
            match page.last.filter(|_| i64::try_from(page.len) == Ok(limit)) {
                Some(last) => drop(write!(out, "\"{last}\"")),
                None => out.extend_from_slice(b"null"),
            }
        }
    }
    let _ = write!(out, ",\"total\":{}}}", page.total);
}
