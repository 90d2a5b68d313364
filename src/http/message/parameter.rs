//! From the text of a parameter to a value of the wanted type.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::rejection::{IntoAnswer, Rejection};
use super::response::Response;
use super::status::Status;

/// A parameter of the path or of the query that is there and is not what the handler asked for: a 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterError {
    /// An escape is broken, or what the escapes stand for is no UTF-8 (RFC 3986 section 2.1).
    Encoding {
        /// The parameter.
        name: &'static str,
    },
    /// The decoded text is not a value of the wanted type.
    Value {
        /// The parameter.
        name: &'static str,
    },
}

impl ParameterError {
    /// The parameter that is to blame.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encoding { name } | Self::Value { name } => name,
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::Encoding { .. } => "is not percent-encoded UTF-8",
            Self::Value { .. } => "is malformed",
        }
    }
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.name(), self.reason())
    }
}

impl std::error::Error for ParameterError {}

impl From<ParameterError> for Rejection {
    fn from(error: ParameterError) -> Self {
        Self::of_field(Status::BadRequest, error.reason(), error.name())
    }
}

impl IntoAnswer for ParameterError {
    fn into_answer(self, response: &mut Response<'_>) {
        Rejection::from(self).into_answer(response);
    }
}

/// Reads what the decoder made of a parameter's text.
pub(in crate::http) fn parse<T: FromStr>(
    decoded: Option<Cow<'_, str>>,
    name: &'static str,
) -> Result<T, ParameterError> {
    let text = decoded.ok_or(ParameterError::Encoding { name })?;
    text.parse().map_err(|_| ParameterError::Value { name })
}
