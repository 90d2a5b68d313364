//! What a handler sees of a request: slices into the connection's buffer, nothing copied.

use std::borrow::Cow;
use std::str::FromStr;

use serde::Deserialize;

use super::fields::Field;
use super::json::{self, JsonError};
use super::parameter::{self, ParameterError};
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

    /// The method of the route that answers: HEAD is GET without the body (RFC 9110 section 9.3.2), which the response drops.
    pub(crate) const fn answered_as(self) -> Method {
        if let Method::Head = self { Method::Get } else { self }
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
    method: Method,
    path: &'b str,
    query: &'b str,
    headers: &'b [Field<'b>],
    body: &'b mut [u8],
    /// What stands for the parameters of the route's template, if it has any. They lie on the router's stack.
    path_parameters: Option<&'b matchit::Params<'b, 'b>>,
}

impl<'b> Request<'b> {
    pub(crate) fn new(
        method: Method,
        path: &'b str,
        query: &'b str,
        headers: &'b [Field<'b>],
        body: &'b mut [u8],
    ) -> Self {
        Self { method, path, query, headers, body, path_parameters: None }
    }

    /// The same request as a route with parameters sees it. A route without any pays nothing for them.
    pub(crate) fn with_path_parameters<'r>(
        &'r mut self,
        parameters: &'r matchit::Params<'r, 'r>,
    ) -> Request<'r> {
        Request { body: &mut *self.body, path_parameters: Some(parameters), ..*self }
    }

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

    /// The query as it was sent, without its question mark; empty if there is none (RFC 3986 section 3.4).
    #[must_use]
    pub fn query(&self) -> &'b str {
        self.query
    }

    /// What stands for `{name}` or `{*name}` of the route's template, percent-decoded and read as a `T`.
    ///
    /// # Errors
    /// [`ParameterError`], a 400, if it cannot be decoded or is no `T`.
    ///
    /// # Panics
    /// If the template has no such parameter, which is a fault of the program.
    #[track_caller]
    pub fn path_parameter<T: FromStr>(&self, name: &'static str) -> Result<T, ParameterError> {
        parameter::parse(url::decode_path_component(self.raw_path_parameter(name)), name)
    }

    /// What stands for `{name}` or `{*name}` of the route's template, as it was sent. `{name}` never holds a slash,
    /// though `%2F` in it may become one; `{*name}` has no leading slash. Neither is ever empty.
    ///
    /// # Panics
    /// If the template has no such parameter, which is a fault of the program.
    #[must_use]
    #[track_caller]
    pub fn raw_path_parameter(&self, name: &str) -> &'b str {
        let value = self.path_parameters.and_then(|parameters| parameters.get(name));
        value.unwrap_or_else(|| panic!("the route has no path parameter `{name}`"))
    }

    /// The first query parameter `name`, decoded and read as a `T`; `None` if there is none. `?name` and `?name=` are
    /// there and empty.
    ///
    /// # Errors
    /// [`ParameterError`], a 400, if it cannot be decoded or is no `T`.
    pub fn query_parameter<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, ParameterError> {
        self.query_parameters(name).next().transpose()
    }

    /// All query parameters `name` in their order, each decoded and read as a `T`. All or the first error:
    /// `collect::<Result<Vec<_>, _>>()?`.
    pub fn query_parameters<T: FromStr>(
        &self,
        name: &'static str,
    ) -> impl Iterator<Item = Result<T, ParameterError>> + use<'b, T> {
        let values = url::query_values(self.query, name);
        values.map(move |raw| parameter::parse(url::decode_query_component(raw), name))
    }

    /// The first query parameter `name` as text, without a copy unless it holds escapes; `None` if there is none.
    ///
    /// # Errors
    /// [`ParameterError::Encoding`], a 400.
    pub fn query_text(&self, name: &'static str) -> Result<Option<Cow<'b, str>>, ParameterError> {
        let raw = url::query_values(self.query, name).next();
        raw.map(|raw| url::decode_query_component(raw).ok_or(ParameterError::Encoding { name })).transpose()
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

    /// The body as JSON, read into a `T` that may borrow its texts from the body. It is parsed in place: afterwards the
    /// body is scratch. `Content-Type` is not looked at, since many clients do not set it.
    ///
    /// Nesting deeper than [`JSON_DEPTH`](crate::limits::JSON_DEPTH) is refused before anything recurses. Numbers too
    /// large for 64 bits are read as floating-point numbers (RFC 8259 section 6).
    ///
    /// # Errors
    /// [`JsonError`], a 400 that says what is wrong.
    pub fn json<'r, T: Deserialize<'r>>(&'r mut self) -> Result<T, JsonError> {
        json::from_slice(self.body)
    }
}
