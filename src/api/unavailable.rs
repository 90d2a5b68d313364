//! What the store's errors are to a client. The form of all error bodies is [`Rejection`]'s.

use crate::http::{RETRY_AFTER_S, Rejection, Status};
use crate::store::Unavailable;

/// 503, and when to come back.
impl From<Unavailable> for Rejection {
    fn from(reason: Unavailable) -> Self {
        Self {
            status: Status::ServiceUnavailable,
            error: reason.to_string().into(),
            field: None,
            retry_after_s: Some(RETRY_AFTER_S),
        }
    }
}
