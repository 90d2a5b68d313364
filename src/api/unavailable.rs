//! What the store's errors are to a client. The form of all error bodies is [`Rejection`]'s.

use crate::http::{Rejection, Status};
use crate::store::Unavailable;

/// Seconds after which a client may try again.
const RETRY_AFTER_S: u32 = 1;

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
