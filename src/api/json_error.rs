//! The error bodies of all APIs: `{"error":"…"}`, with the field where one is to blame.

use crate::http::{Response, Status};
use crate::store::Unavailable;

/// Seconds after which a client may try again.
const RETRY_AFTER_S: u32 = 1;

/// A request that is refused, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) status: Status,
    pub(crate) error: &'static str,
    pub(crate) field: Option<&'static str>,
}

impl Rejection {
    pub(crate) const fn new(status: Status, error: &'static str) -> Self {
        Self { status, error, field: None }
    }

    pub(crate) const fn of_field(status: Status, error: &'static str, field: &'static str) -> Self {
        Self { status, error, field: Some(field) }
    }

    pub(crate) fn send(self, response: &mut Response<'_>) {
        response.status(self.status).body_with("application/json", |out| {
            // Both texts are ours and hold nothing that JSON escapes.
            out.extend_from_slice(b"{\"error\":\"");
            out.extend_from_slice(self.error.as_bytes());
            if let Some(field) = self.field {
                out.extend_from_slice(b"\",\"field\":\"");
                out.extend_from_slice(field.as_bytes());
            }
            out.extend_from_slice(b"\"}");
        });
    }
}

/// 503, and when to come back.
pub(crate) fn send_unavailable(reason: Unavailable, response: &mut Response<'_>) {
    response.status(Status::ServiceUnavailable).header("retry-after", RETRY_AFTER_S);
    response.json(format!("{{\"error\":\"{reason}\"}}").as_bytes());
}
