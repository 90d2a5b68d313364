//! Bearer tokens as clients send them (RFC 6750), and the response to a request without a valid one.

use crate::http::{IntoAnswer, JsonError, Rejection, RequestHead, Response, Status};
use crate::store::{NotDone, Unavailable};

/// What stands behind `Bearer`, which is compared without case (RFC 9110 section 11.1).
pub(super) fn token(credentials: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = credentials.split_at_checked("Bearer".len())?;
    let token = token.strip_prefix(b" ")?;
    scheme.eq_ignore_ascii_case(b"Bearer").then(|| token.trim_ascii())
}

/// The token of a request.
///
/// # Errors
/// There is none, or more than one: two would let two recipients take a request for two people's.
pub(super) fn token_of<'b>(head: &RequestHead<'b>) -> Result<&'b [u8], Refused> {
    let mut lines = head.header_lines("authorization");
    let token = lines.next().and_then(token);
    let token = token.ok_or(Refused::without_token("an access token is needed"))?;
    match lines.next() {
        None => Ok(token),
        Some(_) => Err(Refused::of_token()),
    }
}

/// A request that is refused, with what it lacks where that is a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    rejection: Rejection,
    /// Of `WWW-Authenticate`, which every 401 has (RFC 9110 section 15.5.2).
    challenge: Option<&'static str>,
}

impl Refused {
    /// Nothing says who it is (RFC 6750 section 3: then no error is named).
    pub(super) const fn without_token(error: &'static str) -> Self {
        Self { rejection: Rejection::new(Status::Unauthorized, error), challenge: Some("Bearer") }
    }

    pub(super) const fn of_token() -> Self {
        let error = "the access token is not valid, or not any more";
        let challenge = Some("Bearer error=\"invalid_token\"");
        Self { rejection: Rejection::new(Status::Unauthorized, error), challenge }
    }
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self { rejection, challenge: None }
    }
}

impl From<JsonError> for Refused {
    fn from(error: JsonError) -> Self {
        Rejection::from(error).into()
    }
}

impl From<Unavailable> for Refused {
    fn from(reason: Unavailable) -> Self {
        Rejection::from(reason).into()
    }
}

impl From<NotDone<Rejection>> for Refused {
    fn from(reason: NotDone<Rejection>) -> Self {
        Rejection::from(reason).into()
    }
}

impl IntoAnswer for Refused {
    fn into_answer(self, response: &mut Response<'_>) {
        if let Some(challenge) = self.challenge {
            response.header("www-authenticate", challenge);
        }
        self.rejection.into_answer(response);
    }
}

#[cfg(test)]
mod tests {
    use super::token;

    #[test]
    fn rfc_6750_2_1_a_token_stands_behind_its_scheme() {
        let cases = [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("BEARER ", Some("")),
            ("Bearer", None),
            ("Bearerabc", None),
            ("Basic abc", None),
            ("abc", None),
            ("", None),
        ];
        for (credentials, expected) in cases {
            assert_eq!(token(credentials.as_bytes()), expected.map(str::as_bytes), "{credentials}");
        }
    }
}
