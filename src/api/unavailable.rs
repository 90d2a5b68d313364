//! What the store's errors are to a client. The form of all error bodies is [`Rejection`]'s.

use crate::http::{RETRY_AFTER_S, Rejection, Status};
use crate::store::Unavailable;

/// 503, and when to come back; 500 where it may have been done, so that nobody is told to try again.
impl From<Unavailable> for Rejection {
    fn from(reason: Unavailable) -> Self {
        let (status, retry_after_s) = match reason {
            Unavailable::Unknown => (Status::InternalServerError, None),
            _ => (Status::ServiceUnavailable, Some(RETRY_AFTER_S)),
        };
        Self { status, error: reason.to_string().into(), field: None, retry_after_s }
    }
}
