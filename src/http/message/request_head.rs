//! What precedes a body: method, target and fields, for handlers and for the guards that run before the body
//! is read. Slices into the connection's buffer, nothing copied; what needs parsing is parsed when it is
//! asked for.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::client::TrustedHops;
use super::fields::Field;
use super::head::Head;
use super::parameter::{self, ParameterError};
use super::request::Method;
use super::url;

/// The other end of a connection, as the socket or the PROXY protocol has it. Behind any other proxy that is
/// the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// A process of this machine, over a Unix socket.
    Unix,
    /// A client over TCP.
    Tcp(SocketAddr),
    /// There was never a socket (in a unit test).
    Unknown,
}

/// What knows the other end of the connection.
pub(in crate::http) trait Peer {
    fn remote(&self) -> Remote;
    /// Peers that are trusted to name the client.
    fn hops(&self) -> &TrustedHops;
}

/// A request without its body. All text lies in the connection's buffer.
#[derive(Clone, Copy)]
pub struct RequestHead<'b> {
    method: Method,
    path: &'b str,
    query: &'b str,
    /// Of a target in absolute form; empty for the other forms, which have none.
    authority: &'b str,
    fields: &'b [Field<'b>],
    /// What stands for the parameters of the route's template, if it has any. They lie on the router's stack.
    path_parameters: Option<&'b matchit::Params<'b, 'b>>,
    peer: Option<&'b (dyn Peer + 'b)>,
}

impl<'b> RequestHead<'b> {
    pub(in crate::http) fn new(
        head: &Head<'b>,
        fields: &'b [Field<'b>],
        peer: Option<&'b (dyn Peer + 'b)>,
    ) -> Self {
        Self {
            method: head.method,
            path: head.path,
            query: head.query,
            authority: head.authority,
            fields,
            path_parameters: None,
            peer,
        }
    }

    /// The same head as a route with parameters sees it. A route without any pays nothing for them.
    pub(in crate::http) fn with_path_parameters<'r>(
        &self,
        parameters: &'r matchit::Params<'r, 'r>,
    ) -> RequestHead<'r>
    where
        'b: 'r,
    {
        RequestHead { path_parameters: Some(parameters), ..*self }
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

    /// The host, with its port if one was named, that the request is meant for, as it was sent: that of a
    /// target in absolute form, which goes before `Host` (RFC 9112 sections 3.2.2 and 3.3), otherwise the
    /// value of `Host`. Hosts are compared without case (RFC 3986 section 3.2.2). `None` only for HTTP/1.0,
    /// where `Host` may be missing or empty.
    #[must_use]
    pub fn authority(&self) -> Option<&'b str> {
        if !self.authority.is_empty() {
            return Some(self.authority);
        }
        // Checked when the head was parsed: ASCII alone.
        std::str::from_utf8(self.header("host")?).ok().filter(|host| !host.is_empty())
    }

    /// The other end of the connection.
    #[must_use]
    pub fn remote(&self) -> Remote {
        self.peer.map_or(Remote::Unknown, Peer::remote)
    }

    /// The address of the client: that of the connection, or where it is a trusted hop's the last address
    /// that `X-Forwarded-For` (without it `X-Real-IP`) has and that is none of a trusted hop. `None` where
    /// nobody says so.
    #[must_use]
    pub fn client(&self) -> Option<IpAddr> {
        let peer = self.peer?;
        let lines = |name| {
            let named = move |field: &&Field<'_>| field.name.eq_ignore_ascii_case(name);
            self.fields.iter().rev().filter(named).map(|field| field.value)
        };
        let mut forwarded = lines(b"x-forwarded-for".as_slice()).peekable();
        let other = if forwarded.peek().is_none() { Some(lines(b"x-real-ip".as_slice())) } else { None };
        let elements = |value: &'b [u8]| value.rsplit(|byte| *byte == b',');
        peer.hops().client(peer.remote(), forwarded.chain(other.into_iter().flatten()).flat_map(elements))
    }

    /// The first header field `name` (compared without case), as it was sent.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'b [u8]> {
        self.header_lines(name).next()
    }

    /// The values of all field lines `name` (compared without case), in the order in which they were sent.
    /// Where the field is a list, its elements are those of all lines in this order (RFC 9110 section 5.3).
    pub fn header_lines<'n>(&self, name: &'n str) -> impl Iterator<Item = &'b [u8]> + use<'b, 'n> {
        let named = move |field: &&Field<'_>| field.name.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(named).map(|field| field.value)
    }

    /// Every field line, in the order in which they were sent: its name as it was sent, and its value without
    /// the blanks around it (RFC 9110 section 5.1).
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&'b str, &'b [u8])> + use<'b> {
        // A name is a token, which is ASCII.
        self.fields.iter().map(|field| (std::str::from_utf8(field.name).unwrap_or_default(), field.value))
    }

    /// How long the body says it is; `None` if it is chunked, 0 if there is none (RFC 9112 section 6.3).
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        if self.header("transfer-encoding").is_some() {
            return None;
        }
        let Some(length) = self.header("content-length") else { return Some(0) };
        std::str::from_utf8(length).ok()?.parse().ok()
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

    /// What stands for `{name}` or `{*name}` of the route's template, as it was sent. `{name}` never holds a
    /// slash, though `%2F` in it may become one; `{*name}` has no leading slash. Neither is ever empty.
    ///
    /// # Panics
    /// If the template has no such parameter, which is a fault of the program.
    #[must_use]
    #[track_caller]
    pub fn raw_path_parameter(&self, name: &str) -> &'b str {
        let value = self.path_parameters.and_then(|parameters| parameters.get(name));
        value.unwrap_or_else(|| panic!("the route has no path parameter `{name}`"))
    }

    /// The first query parameter `name`, decoded and read as a `T`; `None` if there is none. `?name` and
    /// `?name=` are there and empty.
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

    /// The first query parameter `name` as text, without a copy unless it holds escapes; `None` if there is
    /// none.
    ///
    /// # Errors
    /// [`ParameterError::Encoding`], a 400.
    pub fn query_text(&self, name: &'static str) -> Result<Option<Cow<'b, str>>, ParameterError> {
        let raw = url::query_values(self.query, name).next();
        raw.map(|raw| url::decode_query_component(raw).ok_or(ParameterError::Encoding { name })).transpose()
    }
}

/// Method and path alone: fields and queries may hold secrets.
impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.as_str(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::message::fields::FieldList;
    use crate::http::message::head;

    fn with_head<R>(text: &str, look: impl FnOnce(RequestHead<'_>) -> R) -> R {
        let mut fields = FieldList::new();
        let head = head::parse(text.as_bytes(), &mut fields).expect("valid").expect("complete");
        look(RequestHead::new(&head, &fields, None))
    }

    #[test]
    fn rfc_9112_3_2_2_the_authority_of_an_absolute_target_goes_before_host() {
        let authority = |text: &str| with_head(text, |head| head.authority().map(str::to_owned));
        let cases = [
            ("GET /a HTTP/1.1\r\nHost: One:8080\r\n\r\n", Some("One:8080")),
            ("GET http://two/a HTTP/1.1\r\nHost: one\r\n\r\n", Some("two")),
            ("GET http://two:81?a HTTP/1.1\r\nHost: one\r\n\r\n", Some("two:81")),
            ("GET http://[::1]:81/ HTTP/1.1\r\nHost: one\r\n\r\n", Some("[::1]:81")),
            ("GET http://two/ HTTP/1.0\r\n\r\n", Some("two")),
            ("OPTIONS * HTTP/1.1\r\nHost: one\r\n\r\n", Some("one")),
            ("GET / HTTP/1.0\r\n\r\n", None),
            ("GET / HTTP/1.0\r\nHost:\r\n\r\n", None),
        ];
        for (text, expected) in cases {
            assert_eq!(authority(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn rfc_9110_5_3_all_lines_of_a_name_come_in_their_order() {
        let text =
            "GET / HTTP/1.1\r\nHost: a\r\nX-Tag: one, two\r\nx-other: b\r\nX-TAG:\r\nx-tag:  three \r\n\r\n";
        with_head(text, |head| {
            let lines: Vec<_> = head.header_lines("x-tag").collect();
            assert_eq!(lines, [&b"one, two"[..], b"", b"three"]);
            assert_eq!(head.header("X-tag"), Some(&b"one, two"[..]));
            assert_eq!(head.header_lines("x-ta").count(), 0);
            let names: Vec<_> = head.headers().map(|(name, _)| name).collect();
            assert_eq!(names, ["Host", "X-Tag", "x-other", "X-TAG", "x-tag"]);
        });
    }

    #[test]
    fn a_length_is_known_unless_the_body_is_chunked() {
        let length = |fields: &str| {
            with_head(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"), |head| head.content_length())
        };
        assert_eq!(length(""), Some(0));
        assert_eq!(length("Content-Length: 12\r\n"), Some(12));
        assert_eq!(length("Transfer-Encoding: chunked\r\n"), None);
    }
}
