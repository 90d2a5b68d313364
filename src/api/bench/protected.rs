//! `GET /protected`: two guards, one behind the other, as a chain of middleware has them. No token is looked
//! up: any that is long enough is good, so nothing may be kept behind this.

use crate::api::bearer::{Refused, token};
use crate::http::{Request, RequestHead, Response};

/// Bytes of a token, at least.
pub(super) const TOKEN_BYTES: usize = 10;
/// Of a request's id, at most.
pub(super) const REQUEST_ID_BYTES: usize = 128;

/// The first guard: a token names the caller.
pub(super) fn has_token(head: &RequestHead<'_>) -> Result<(), Refused> {
    let mut lines = head.header_lines("authorization");
    let token = lines.next().and_then(token).ok_or(Refused::without_token("a token is needed"))?;
    // Two would let two recipients take a request for two people's.
    match token.len() >= TOKEN_BYTES && lines.next().is_none() {
        true => Ok(()),
        false => Err(Refused::without_token("the token is not valid")),
    }
}

/// The second one: the request has an id.
pub(super) fn has_request_id(head: &RequestHead<'_>) -> Result<(), Refused> {
    let needed = "X-Request-Id is needed, of 1 to 128 visible characters";
    request_id(head).map(drop).ok_or(Refused::without_token(needed))
}

fn request_id<'b>(head: &RequestHead<'b>) -> Option<&'b str> {
    let id = head.header("x-request-id")?;
    let visible = (1..=REQUEST_ID_BYTES).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(id).ok().filter(|_| visible)
}

/// Behind both of them. The answer bears the request's id.
pub(super) fn answer(request: &Request<'_>, response: &mut Response<'_>) {
    if let Some(id) = request_id(request) {
        response.header("x-request-id", id);
    }
    response.json(b"{\"message\":\"Access granted\",\"user\":\"bearer\"}");
}
