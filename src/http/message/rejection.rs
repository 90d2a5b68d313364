//! How a handler ends: with the answer that it has written, or with an error that writes one.

use std::borrow::Cow;
use std::io;

use super::json;
use super::response::Response;
use super::status::Status;

/// What a handler may return. The engine calls it with the response that the handler had.
///
/// `()` says that the answer is written. `Result<(), E>` says so with `Ok`; with `Err` the error writes the
/// answer, so that `?` works in handlers. Implement it for an error type of your own:
///
/// ```
/// use pouco::http::{IntoAnswer, ParameterError, Response, Status};
///
/// enum Failure {
///     Parameter(ParameterError),
///     OutOfStock { left: u32 },
/// }
///
/// impl From<ParameterError> for Failure {
///     fn from(error: ParameterError) -> Self {
///         Self::Parameter(error)
///     }
/// }
///
/// impl IntoAnswer for Failure {
///     fn into_answer(self, response: &mut Response<'_>) {
///         match self {
///             Self::Parameter(error) => error.into_answer(response),
///             Self::OutOfStock { left } => {
///                 response.status(Status::UnprocessableContent).text(format_args!("only {left} left"));
///             }
///         }
///     }
/// }
/// ```
pub trait IntoAnswer {
    /// Writes the answer. Header fields that the handler has set before go with it.
    fn into_answer(self, response: &mut Response<'_>);
}

impl IntoAnswer for () {
    fn into_answer(self, _: &mut Response<'_>) {}
}

/// Of a body that is streamed: where the client is to blame, the engine answers with the status that says so.
/// Any other error is a 500, and is logged.
impl IntoAnswer for io::Error {
    fn into_answer(self, _: &mut Response<'_>) {
        log::warn!("a handler failed: {self}");
    }
}

/// # Panics
/// If the handler fails after it has answered: a second answer would be taken for that of the next request.
/// The client gets a 500 in place of both.
impl<E: IntoAnswer> IntoAnswer for Result<(), E> {
    fn into_answer(self, response: &mut Response<'_>) {
        if let Err(error) = self {
            assert!(response.is_unwritten(), "a handler failed after it had answered");
            error.into_answer(response);
        }
    }
}

/// A request that is refused, and why: a status with `{"error":"…"}`, and `"field":"…"` where one is to
/// blame.
///
/// The engine's own errors turn into it, so `Result<(), Rejection>` is enough for most handlers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The status of the answer.
    pub status: Status,
    /// Why, for the people who read it.
    pub error: Cow<'static, str>,
    /// The parameter that is to blame, or the path of the member of the body.
    pub field: Option<Cow<'static, str>>,
    /// After how many seconds the client may try again: `Retry-After` (RFC 9110 section 10.2.3).
    pub retry_after_s: Option<u32>,
}

impl Rejection {
    /// A request that is refused as a whole.
    #[must_use]
    pub const fn new(status: Status, error: &'static str) -> Self {
        Self { status, error: Cow::Borrowed(error), field: None, retry_after_s: None }
    }

    /// A request that is refused because of one parameter or member of its body.
    #[must_use]
    pub const fn of_field(status: Status, error: &'static str, field: &'static str) -> Self {
        let (error, field) = (Cow::Borrowed(error), Some(Cow::Borrowed(field)));
        Self { status, error, field, retry_after_s: None }
    }

    /// Appends the body of the answer.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"error\":");
        json::write_string(out, &self.error);
        if let Some(field) = &self.field {
            out.extend_from_slice(b",\"field\":");
            json::write_string(out, field);
        }
        out.push(b'}');
    }
}

impl IntoAnswer for Rejection {
    fn into_answer(self, response: &mut Response<'_>) {
        if let Some(seconds) = self.retry_after_s {
            response.header("retry-after", seconds);
        }
        response.status(self.status).body_with("application/json", |out| self.write(out));
    }
}
