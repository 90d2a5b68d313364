//! Every way in which a request can fail, with its status.

use std::fmt::{self, Display};

use actix_web::ResponseError;
use actix_web::http::StatusCode;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// Syntax: no JSON, or another type than the rules name.
    Malformed,
    /// Understood, and against the rules; a nickname that is taken is one of those.
    Refused,
    /// There is no such person.
    Unknown,
    /// Redis or Postgres does not answer.
    Unavailable,
}

impl Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Unavailable => "unavailable",
        })
    }
}

impl ResponseError for Rejection {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Refused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}
