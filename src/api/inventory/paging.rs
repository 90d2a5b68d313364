//! Pages of lists: `limit`, `skip`, and the keyset `after`. All lists are in the order of their ids.

use crate::api::query::number;
use crate::http::{Rejection, Request, Status};

const LARGEST_LIMIT: i64 = 100;

/// The end of a statement for a page, behind `ID > `, of which `after`, `skip` and `limit` are the values.
/// They are hidden from Postgres's planner. It would plan again for each of them, and look up the ends of the
/// index for that, past every row that was deleted there: longer than the statement takes.
macro_rules! page {
    ($id:literal) => {
        concat!("(SELECT $1::bigint) ORDER BY ", $id, " OFFSET (SELECT $2::bigint) LIMIT (SELECT $3::bigint)")
    };
}
pub(super) use page;

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// From 1 to 100.
    pub(super) limit: i64,
    /// How many are left out, of those behind `after`.
    pub(super) skip: i64,
    /// The last id of the page before; 0 for none.
    pub(super) after: i64,
}

impl Page {
    /// `?limit=&skip=&after=`, each of them optional: 100, 0 and none.
    ///
    /// # Errors
    /// 422 for what is not a number or out of its range.
    pub(super) fn of(request: &Request<'_>) -> Result<Self, Rejection> {
        Ok(Self {
            limit: number(request, "limit", 1..=LARGEST_LIMIT)?.unwrap_or(LARGEST_LIMIT),
            skip: number(request, "skip", 0..=i64::MAX)?.unwrap_or(0),
            after: number(request, "after", 0..=i64::MAX)?.unwrap_or(0),
        })
    }
}

/// The id in a path.
///
/// # Errors
/// 422 for what is not a positive number of 63 bits.
pub(super) fn id(request: &Request<'_>) -> Result<i64, Rejection> {
    let id = request.path_parameter::<i64>("id").ok().filter(|id| *id > 0);
    id.ok_or(Rejection::of_field(Status::UnprocessableContent, "expected a positive whole number", "id"))
}
