//! Numbers in the query of a request.

use std::ops::RangeInclusive;

use crate::http::{Rejection, Request, Status};

/// The number `name`; `None` if there is none.
///
/// # Errors
/// 422 for what is not a number or out of its range.
pub(super) fn number(
    request: &Request<'_>,
    name: &'static str,
    allowed: RangeInclusive<i64>,
) -> Result<Option<i64>, Rejection> {
    match request.query_parameter::<i64>(name) {
        Ok(None) => Ok(None),
        Ok(Some(number)) if allowed.contains(&number) => Ok(Some(number)),
        _ => Err(Rejection {
            error: format!("expected a whole number from {} to {}", allowed.start(), allowed.end()).into(),
            ..Rejection::of_field(Status::UnprocessableContent, "", name)
        }),
    }
}

/// As [`number`], where there must be one.
///
/// # Errors
/// As there, and where it is missing.
pub(super) fn needed(
    request: &Request<'_>,
    name: &'static str,
    allowed: RangeInclusive<i64>,
) -> Result<i64, Rejection> {
    let missing = Rejection::of_field(Status::UnprocessableContent, "is missing", name);
    number(request, name, allowed)?.ok_or(missing)
}
