//! The request head: request line, header fields, and what they say of the body and of the connection
//! (RFC 9112 sections 2 to 6, RFC 9110 sections 5, 7.2 and 10.1.1).
//!
//! `httparse` splits the bytes; every rule it is lenient about is checked here. A head that two parsers could read in
//! two ways is refused, since that is what request smuggling lives on.

use std::mem::MaybeUninit;

use httparse::Header;

use super::request::Method;
use super::status::Status;

/// Header fields that a request may carry; more is answered with 431.
pub(crate) const MAX_HEADER_FIELDS: usize = 100;

/// Room for the parsed fields, on the stack of the connection's coroutine.
pub(crate) type FieldSlots<'b> = [MaybeUninit<Header<'b>>; MAX_HEADER_FIELDS];

/// How the body is framed (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFraming {
    /// Its length in bytes; zero if there is none.
    Length(u64),
    Chunked,
}

/// A complete, valid head.
#[derive(Clone, Copy)]
pub(crate) struct Head<'b> {
    pub(crate) method: Method,
    pub(crate) path: &'b str,
    pub(crate) query: &'b str,
    pub(crate) fields: &'b [Header<'b>],
    pub(crate) http10: bool,
    pub(crate) keep_alive: bool,
    pub(crate) expects_continue: bool,
    pub(crate) framing: BodyFraming,
}

/// Bytes of the complete head at the start of `bytes` with its empty line; `None` while it is incomplete.
///
/// # Errors
/// A status if the bytes cannot become a valid head, so that a client that sends bare line feeds gets its 400 at once.
pub(crate) fn complete_length(bytes: &[u8]) -> Result<Option<usize>, Status> {
    if let Some(at) = memchr::memmem::find(bytes, b"\r\n\r\n") {
        return Ok(Some(at + 4));
    }
    refuse_bare_line_feeds(bytes)?;
    if memchr::memchr(b'\n', bytes).is_some() {
        let mut slots: FieldSlots<'_> = [const { MaybeUninit::uninit() }; MAX_HEADER_FIELDS];
        split(bytes, &mut slots)?;
    }
    Ok(None)
}

/// Parses a head that [`complete_length`] found complete.
///
/// # Errors
/// The status to answer with before the connection is closed.
pub(crate) fn parse<'b>(bytes: &'b [u8], slots: &'b mut FieldSlots<'b>) -> Result<Head<'b>, Status> {
    refuse_bare_line_feeds(bytes)?;
    let Some(request) = split(bytes, slots)? else { return Err(Status::BadRequest) };
    let http10 = request.version == Some(0);
    let method = request.method.and_then(Method::parse).ok_or(Status::NotImplemented)?;
    let (path, query) = split_target(method, request.path.unwrap_or_default())?;
    let mut fields = Fields::default();
    for field in &*request.headers {
        fields.take(field)?;
    }
    fields.check_host(http10)?;
    Ok(Head {
        method,
        path,
        query,
        http10,
        keep_alive: fields.keep_alive(http10),
        expects_continue: fields.expects_continue && !http10,
        framing: fields.framing(http10)?,
        fields: request.headers,
    })
}

/// RFC 9112 section 2.2 lets a recipient take a lone LF as a line end; taking it is what lets two parsers disagree.
fn refuse_bare_line_feeds(bytes: &[u8]) -> Result<(), Status> {
    for at in memchr::memchr_iter(b'\n', bytes) {
        if at == 0 || bytes[at - 1] != b'\r' {
            return Err(Status::BadRequest);
        }
    }
    Ok(())
}

/// Splits the bytes into request line and fields; `None` while they are incomplete.
fn split<'b>(
    bytes: &'b [u8],
    slots: &'b mut FieldSlots<'b>,
) -> Result<Option<httparse::Request<'b, 'b>>, Status> {
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, slots) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => Ok(Some(request)),
        Ok(httparse::Status::Complete(_)) => Err(Status::BadRequest),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(Status::HeaderFieldsTooLarge),
        Err(httparse::Error::Version) if names_another_version(bytes) => Err(Status::HttpVersionNotSupported),
        Err(_) => Err(Status::BadRequest),
    }
}

/// Whether the request line ends in a well-formed HTTP version (RFC 9112 section 2.3), then one we do not speak.
fn names_another_version(bytes: &[u8]) -> bool {
    let line_end = memchr::memchr(b'\r', bytes).unwrap_or(bytes.len());
    let version = bytes[..line_end].rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    matches!(version, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// Path and query of a request target (RFC 9112 section 3.2): origin form, absolute form, or `*` for OPTIONS.
fn split_target(method: Method, target: &str) -> Result<(&str, &str), Status> {
    if target == "*" {
        return if method == Method::Options { Ok((target, "")) } else { Err(Status::BadRequest) };
    }
    let origin = if target.starts_with('/') { target } else { strip_authority(target)? };
    if !origin.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(Status::BadRequest);
    }
    Ok(origin.split_once('?').unwrap_or((origin, "")))
}

/// The origin form inside an absolute form, which a server must accept (RFC 9112 section 3.2.2).
fn strip_authority(target: &str) -> Result<&str, Status> {
    let scheme_end = target.find("://").ok_or(Status::BadRequest)?;
    if !matches!(target[..scheme_end].to_ascii_lowercase().as_str(), "http" | "https") {
        return Err(Status::BadRequest);
    }
    let authority = &target[scheme_end + 3..];
    let path_start = authority.find(['/', '?']).unwrap_or(authority.len());
    if !is_host(&authority.as_bytes()[..path_start]) || path_start == 0 {
        return Err(Status::BadRequest);
    }
    let origin = &authority[path_start..];
    Ok(if origin.is_empty() { "/" } else { origin })
}

/// What the fields say that concerns the engine itself.
#[derive(Default)]
struct Fields {
    hosts: u32,
    content_length: Option<u64>,
    transfer_encoding: Option<bool>,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
}

impl Fields {
    fn take(&mut self, field: &Header<'_>) -> Result<(), Status> {
        let value = trim(field.value);
        // Compared by length first: most fields of a request are none of these.
        match field.name.len() {
            4 if field.name.eq_ignore_ascii_case("host") => {
                self.hosts += 1;
                if self.hosts > 1 || !is_host(value) {
                    return Err(Status::BadRequest);
                }
            }
            6 if field.name.eq_ignore_ascii_case("expect") => self.take_expect(value)?,
            10 if field.name.eq_ignore_ascii_case("connection") => self.take_connection(value),
            14 if field.name.eq_ignore_ascii_case("content-length") => self.take_content_length(value)?,
            17 if field.name.eq_ignore_ascii_case("transfer-encoding") => {
                self.take_transfer_encoding(value)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn take_expect(&mut self, value: &[u8]) -> Result<(), Status> {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Status::ExpectationFailed);
        }
        self.expects_continue = true;
        Ok(())
    }

    fn take_connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(trim) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// One field, digits only, no overflow (RFC 9112 section 6.3; a repeated or listed length is refused).
    fn take_content_length(&mut self, value: &[u8]) -> Result<(), Status> {
        if self.content_length.is_some() || value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(Status::BadRequest);
        }
        let length = value
            .iter()
            .try_fold(0_u64, |length, digit| length.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
        self.content_length = Some(length.ok_or(Status::BadRequest)?);
        Ok(())
    }

    /// `chunked` alone; any other coding is one that we do not implement (RFC 9112 section 6.1).
    fn take_transfer_encoding(&mut self, value: &[u8]) -> Result<(), Status> {
        if self.transfer_encoding.is_some() || value.is_empty() {
            return Err(Status::BadRequest);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            let ends_chunked = value.to_ascii_lowercase().ends_with(b"chunked");
            return Err(if ends_chunked { Status::NotImplemented } else { Status::BadRequest });
        }
        self.transfer_encoding = Some(true);
        Ok(())
    }

    /// A request of HTTP/1.1 carries exactly one Host (RFC 9112 section 3.2).
    fn check_host(&self, http10: bool) -> Result<(), Status> {
        if self.hosts == 0 && !http10 { Err(Status::BadRequest) } else { Ok(()) }
    }

    fn keep_alive(&self, http10: bool) -> bool {
        !self.close && (!http10 || self.keep_alive)
    }

    /// Both framings at once, or chunks in HTTP/1.0, are refused (RFC 9112 sections 6.1 and 6.3).
    fn framing(&self, http10: bool) -> Result<BodyFraming, Status> {
        match (self.transfer_encoding, self.content_length) {
            (Some(_), Some(_)) => Err(Status::BadRequest),
            (Some(_), None) if http10 => Err(Status::BadRequest),
            (Some(_), None) => Ok(BodyFraming::Chunked),
            (None, length) => Ok(BodyFraming::Length(length.unwrap_or(0))),
        }
    }
}

/// Strips optional white space: blank and tab (RFC 9110 section 5.6.3).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// `uri-host [":" port]` by its characters (RFC 3986 sections 3.2.2 and 3.2.3); it may be empty, it has no user part.
fn is_host(value: &[u8]) -> bool {
    let (host, port) = split_port(value);
    let port_ok = port.iter().all(u8::is_ascii_digit);
    if let [b'[', inner @ .., b']'] = host {
        return port_ok
            && !inner.is_empty()
            && inner.iter().all(|byte| byte.is_ascii_alphanumeric() || b":.%-_~".contains(byte));
    }
    let name_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(byte);
    port_ok && host.iter().all(name_byte)
}

fn split_port(value: &[u8]) -> (&[u8], &[u8]) {
    let after_literal = value.iter().rposition(|byte| *byte == b']').map_or(0, |at| at + 1);
    match memchr::memchr(b':', &value[after_literal..]) {
        Some(at) => (&value[..after_literal + at], &value[after_literal + at + 1..]),
        None => (value, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(BodyFraming, bool), Status> {
        let length = complete_length(text.as_bytes())?.expect("complete");
        assert_eq!(length, text.len());
        let mut slots = [const { MaybeUninit::uninit() }; MAX_HEADER_FIELDS];
        parse(text.as_bytes(), &mut slots).map(|head| (head.framing, head.keep_alive))
    }

    #[test]
    fn lengths_are_one_field_of_digits() {
        let length =
            |value: &str| check(&format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:{value}\r\n\r\n"));
        assert_eq!(length(" 12 "), Ok((BodyFraming::Length(12), true)));
        for broken in ["", " abc", " +1", " -1", " 1,1", " 0x10", " 1 1", " 99999999999999999999"] {
            assert_eq!(length(broken), Err(Status::BadRequest), "{broken}");
        }
    }

    #[test]
    fn two_framings_are_refused() {
        let both = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(check(both), Err(Status::BadRequest));
        let twice = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n";
        assert_eq!(check(twice), Err(Status::BadRequest));
    }

    #[test]
    fn hosts_are_one_and_valid() {
        for valid in ["a", "a:80", "127.0.0.1:9999", "[::1]:9999", ""] {
            assert!(check(&format!("GET / HTTP/1.1\r\nHost: {valid}\r\n\r\n")).is_ok(), "{valid}");
        }
        for broken in ["a b", "a/b", "user@a", "a:b", "[::1", "a:80:90"] {
            let head = format!("GET / HTTP/1.1\r\nHost: {broken}\r\n\r\n");
            assert_eq!(check(&head), Err(Status::BadRequest), "{broken}");
        }
        assert_eq!(check("GET / HTTP/1.1\r\n\r\n"), Err(Status::BadRequest));
        assert_eq!(check("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), Err(Status::BadRequest));
    }

    #[test]
    fn line_feeds_need_their_carriage_return() {
        assert_eq!(complete_length(b"GET / HTTP/1.1\nHost: a\n\n"), Err(Status::BadRequest));
        assert_eq!(check("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"), Err(Status::BadRequest));
        assert_eq!(complete_length(b"GET / HTTP/1.1\r\nHost: a\r\n"), Ok(None));
    }

    #[test]
    fn versions_decide_what_happens_to_the_connection() {
        assert_eq!(check("GET / HTTP/1.0\r\n\r\n"), Ok((BodyFraming::Length(0), false)));
        assert_eq!(
            check("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
            Ok((BodyFraming::Length(0), true))
        );
        assert_eq!(
            check("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n"),
            Ok((BodyFraming::Length(0), false))
        );
        assert_eq!(check("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), Err(Status::HttpVersionNotSupported));
        assert_eq!(check("GET / HTTQ/1.1\r\nHost: a\r\n\r\n"), Err(Status::BadRequest));
    }

    #[test]
    fn targets_are_origin_absolute_or_an_asterisk() {
        for valid in ["GET /a?b=c", "GET http://a/b", "GET http://a", "OPTIONS *"] {
            assert!(check(&format!("{valid} HTTP/1.1\r\nHost: a\r\n\r\n")).is_ok(), "{valid}");
        }
        for broken in ["GET *", "GET a", "GET ftp://a/", "GET /a#b", "GET http:///b"] {
            let head = format!("{broken} HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(check(&head), Err(Status::BadRequest), "{broken}");
        }
        assert_eq!(check("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), Err(Status::NotImplemented));
    }
}
