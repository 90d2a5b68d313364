//! What a handler sees of a request: slices into the connection's buffer, nothing copied.

use std::borrow::Cow;

use super::fields::Field;
use super::url;

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

/// A parsed request. All text lies in the connection's buffer.
pub struct Request<'b> {
    pub(crate) method: Method,
    pub(crate) path: &'b str,
    pub(crate) query: &'b str,
    pub(crate) headers: &'b [Field<'b>],
    pub(crate) body: &'b mut [u8],
    /// The value of the route's `{parameter}`, if it has one.
    pub(crate) parameter: &'b str,
}

impl<'b> Request<'b> {
    /// The method of the request line.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// The path as it was sent, still percent-encoded, without the query.
    #[must_use]
    pub fn path(&self) -> &'b str {
        self.path
    }

    /// What stood for the route's `{parameter}`, still percent-encoded; empty if the route has none.
    #[must_use]
    pub fn parameter(&self) -> &'b str {
        self.parameter
    }

    /// The first query parameter `name`, decoded. `None` if it is absent, `Some(None)` if it cannot be decoded.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<Option<Cow<'b, str>>> {
        url::query_parameter(self.query, name).map(url::decode_query_component)
    }

    /// The first header field `name` (compared without case), as it was sent.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'b [u8]> {
        self.headers
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name.as_bytes()))
            .map(|field| field.value)
    }

    /// The whole body, decoded from chunks where it was chunked. Mutable: JSON is parsed in place.
    pub fn body(&mut self) -> &mut [u8] {
        self.body
    }
}
