//! `GET /users/offset` and `GET /users/cursor`: a list in pages, by two ways. What OFFSET leaves out is read
//! all the same, and so is the whole table where the pages are counted; behind a cursor every page costs the
//! same, and each user who stays is in the walk once, even if others come or go meanwhile.

use std::io::Write;

use super::Bench;
use super::sql::{Slice, slice_of};
use super::users::unreadable;
use crate::api::query::number;
use crate::http::{Method, Rejection, Request, Response, Scope, Status};
use crate::store::{Lane, Unavailable};

/// Users of a page where nobody says how many.
pub(super) const DEFAULT_SIZE: i64 = 20;
/// Users of a page at most.
pub(super) const LARGEST_SIZE: i64 = 1_000;

/// Values are hidden from Postgres's planner, which would plan again for each of them.
const PAGE: &str = slice_of!("ORDER BY id OFFSET (SELECT $1::bigint) LIMIT (SELECT $2::bigint)");
/// The page and the count are of one snapshot.
const PAGE_COUNTED: &str = slice_of!(
    ", (SELECT count(*) FROM bench.users)",
    "ORDER BY id OFFSET (SELECT $1::bigint) LIMIT (SELECT $2::bigint)"
);
const BEHIND: &str = slice_of!("WHERE id > (SELECT $1::bigint) ORDER BY id LIMIT (SELECT $2::bigint)");

fn size(request: &Request<'_>) -> Result<i64, Rejection> {
    Ok(number(request, "size", 1..=LARGEST_SIZE)?.unwrap_or(DEFAULT_SIZE))
}

/// `count`, which is true unless it is said to be false.
fn is_counted(request: &Request<'_>) -> Result<bool, Rejection> {
    let bad = Rejection::of_field(Status::UnprocessableContent, "expected true or false", "count");
    match request.query_text("count")?.as_deref() {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(bad),
    }
}

/// Appends `"name":number`, or null.
fn write_number(out: &mut Vec<u8>, name: &str, number: Option<i64>) {
    // Writing to a Vec does not fail.
    let _ = match number {
        Some(number) => write!(out, ",\"{name}\":{number}"),
        None => write!(out, ",\"{name}\":null"),
    };
}

/// Adds the routes.
pub(super) fn mount(scope: &mut Scope<'_, Bench>) {
    scope.route(Method::Get, "/users/offset", Bench::page).route(Method::Get, "/users/cursor", Bench::walk);
}

impl Bench {
    /// `GET /users/offset?page=&size=&count=`: past the end a page is empty.
    fn page(&self, request: &mut Request<'_>, response: &mut Response<'_>) -> Result<(), Rejection> {
        let page = number(request, "page", 1..=i64::MAX)?.unwrap_or(1);
        let (size, counted) = (size(request)?, is_counted(request)?);
        let skipped = (page - 1).saturating_mul(size);
        let sql = if counted { PAGE_COUNTED } else { PAGE };
        let read =
            self.pool.read(Lane::Scan, move |session| Slice::read(session, sql, &[&skipped, &size]))?;
        let slice = read.ok_or(Unavailable::Refused)?;
        let total = counted.then(|| slice.beside()).transpose().map_err(unreadable)?;
        let columns = slice.columns().map_err(unreadable)?;
        response.body_with("application/json", |out| {
            out.extend_from_slice(b"{\"items\":[");
            columns.write(out);
            out.push(b']');
            write_number(out, "total", total);
            write_number(out, "page", Some(page));
            write_number(out, "size", Some(size));
            write_number(out, "total_pages", total.map(|total| (total + size - 1) / size));
            out.push(b'}');
        });
        Ok(())
    }

    /// `GET /users/cursor?cursor=&size=`: those behind an id. One row more than wanted is read, which says
    /// whether there is a next page.
    fn walk(&self, request: &mut Request<'_>, response: &mut Response<'_>) -> Result<(), Rejection> {
        let cursor = number(request, "cursor", 0..=i64::MAX)?.unwrap_or(0);
        let size = size(request)?;
        let read = self
            .pool
            .read(Lane::Lookup, move |session| Slice::read(session, BEHIND, &[&cursor, &(size + 1)]))?;
        let slice = read.ok_or(Unavailable::Refused)?;
        let mut columns = slice.columns().map_err(unreadable)?;
        let wanted = usize::try_from(size).unwrap_or(usize::MAX);
        let goes_on = columns.len() > wanted;
        columns.truncate(wanted);
        response.body_with("application/json", |out| {
            out.extend_from_slice(b"{\"items\":[");
            columns.write(out);
            out.push(b']');
            write_number(out, "next_cursor", columns.last().filter(|_| goes_on));
            write_number(out, "size", Some(size));
            out.push(b'}');
        });
        Ok(())
    }
}
