//! What a handler sees of a request: its head, and its body.

use std::ops::Deref;

use serde::Deserialize;

use super::json::{self, JsonError};
use super::request_head::RequestHead;

/// A request method (RFC 9110 section 9) that the server knows; any other is answered with 501.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)] // the names are the registered methods
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Method {
    /// Every known method, in the order in which `Allow` lists them.
    pub const ALL: [Method; 7] = [
        Method::Get,
        Method::Head,
        Method::Post,
        Method::Put,
        Method::Patch,
        Method::Delete,
        Method::Options,
    ];

    /// The method of a request line; methods are case-sensitive (RFC 9110 section 9.1).
    #[must_use]
    pub fn parse(token: &str) -> Option<Method> {
        Self::ALL.into_iter().find(|method| method.as_str() == token)
    }

    /// The method of the route that answers: HEAD is GET without the body (RFC 9110 section 9.3.2), which the
    /// response drops.
    pub(crate) const fn answered_as(self) -> Method {
        if let Method::Head = self { Method::Get } else { self }
    }

    /// Whether a request asks for no change (RFC 9110 section 9.2.1).
    pub(crate) const fn is_safe(self) -> bool {
        matches!(self, Method::Get | Method::Head | Method::Options)
    }

    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
        }
    }
}

/// A parsed request: its [`RequestHead`], whose methods are those of the request too, and its body. All of it
/// lies in the connection's buffer.
pub struct Request<'b> {
    head: RequestHead<'b>,
    body: &'b mut [u8],
}

impl<'b> Request<'b> {
    pub(in crate::http) fn new(head: RequestHead<'b>, body: &'b mut [u8]) -> Self {
        Self { head, body }
    }

    /// The same request as a route with parameters sees it.
    pub(in crate::http) fn with_path_parameters<'r>(
        &'r mut self,
        parameters: &'r matchit::Params<'r, 'r>,
    ) -> Request<'r> {
        Request { head: self.head.with_path_parameters(parameters), body: &mut *self.body }
    }

    /// All but the body.
    #[must_use]
    pub fn head(&self) -> RequestHead<'b> {
        self.head
    }

    /// The whole body, decoded from chunks where it was chunked. Mutable: JSON is parsed in place.
    pub fn body(&mut self) -> &mut [u8] {
        self.body
    }

    /// The body as JSON, read into a `T` that may borrow its texts from the body. It is parsed in place:
    /// afterwards the body is scratch. `Content-Type` is not looked at, since many clients do not set it.
    ///
    /// Nesting deeper than [`JSON_DEPTH`](crate::limits::JSON_DEPTH) is refused before anything recurses.
    /// Numbers too large for 64 bits are read as floating-point numbers (RFC 8259 section 6).
    ///
    /// # Errors
    /// [`JsonError`], a 400 that says what is wrong.
    pub fn json<'r, T: Deserialize<'r>>(&'r mut self) -> Result<T, JsonError> {
        json::from_slice(self.body)
    }

    /// The same for an API that tells malformed bodies from invalid ones: JSON in which a member is missing,
    /// has another type or is out of range is a 422 that names the member, `{"error":"is
    /// missing","field":"lines[1].product"}`. The path is as exact as `serde` lets it be: of a flattened or
    /// untagged type it ends at the value that has it.
    ///
    /// # Errors
    /// [`JsonError`]: 400 for what is no JSON or is nested too deeply, otherwise 422.
    pub fn valid_json<'r, T: Deserialize<'r>>(&'r mut self) -> Result<T, JsonError> {
        json::from_slice_by_member(self.body)
    }
}

/// Whatever a head knows, its request knows.
impl<'b> Deref for Request<'b> {
    type Target = RequestHead<'b>;

    fn deref(&self) -> &Self::Target {
        &self.head
    }
}
