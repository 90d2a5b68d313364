//! Every way in which a request can fail, with its status and its body.

use std::fmt::{self, Display};

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// What is wrong with the request.
    Invalid(&'static str),
    /// There is nobody with this id, or nothing at this path.
    NotFound,
    /// Postgres does not answer.
    Unavailable,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
}

impl Rejection {
    fn text(self) -> &'static str {
        match self {
            Self::Invalid(text) => text,
            Self::NotFound => "not_found",
            Self::Unavailable => "unavailable",
        }
    }
}

impl Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl ResponseError for Rejection {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code()).json(Body { error: self.text() })
    }
}
