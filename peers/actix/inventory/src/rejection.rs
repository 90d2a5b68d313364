//! Every way in which a request can fail, with its status and its body.

use std::borrow::Cow;
use std::fmt::{self, Debug, Display};

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

/// A request that is refused: why, and the member that is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) status: StatusCode,
    pub(crate) error: Cow<'static, str>,
    pub(crate) field: Option<Cow<'static, str>>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

impl Rejection {
    pub(crate) const fn new(status: StatusCode, error: &'static str) -> Self {
        Self { status, error: Cow::Borrowed(error), field: None }
    }

    pub(crate) const fn of_field(status: StatusCode, error: &'static str, field: &'static str) -> Self {
        Self { status, error: Cow::Borrowed(error), field: Some(Cow::Borrowed(field)) }
    }

    /// A broken rule.
    pub(crate) fn invalid(field: impl Into<Cow<'static, str>>, error: impl Into<Cow<'static, str>>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, error: error.into(), field: Some(field.into()) }
    }

    /// Says in the log what the client is not told.
    pub(crate) fn unavailable(error: impl Debug) -> Self {
        eprintln!("a request failed: {error:?}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "try again later")
    }
}

impl Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

impl ResponseError for Rejection {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, "1"));
        }
        response.json(Body { error: &self.error, field: self.field.as_deref() })
    }
}
