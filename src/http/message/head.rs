//! The request head: its end, its request line, its version and its target
//! (RFC 9112 sections 2 to 5). The fields that concern the engine are read in `fields.rs`.
//!
//! `httparse` splits the bytes; every rule it is lenient about is checked here. A head that two parsers could
//! read in two ways is refused, since that is what request smuggling lives on.

use std::mem::MaybeUninit;

use super::fields::{
    BodyFraming, EngineFields, Field, FieldList, MAX_HEADER_FIELDS, escapes_are_whole, is_host, trim,
};
use super::request::Method;
use super::scan::scan;
use super::status::Status;

/// A complete, valid head; its fields are in the list next to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head<'b> {
    /// Its length with the empty line.
    pub(crate) head_bytes: usize,
    pub(crate) method: Method,
    pub(crate) path: &'b str,
    pub(crate) query: &'b str,
    /// Of a target in absolute form; otherwise empty.
    pub(crate) authority: &'b str,
    pub(crate) http10: bool,
    pub(crate) keep_alive: bool,
    pub(crate) expects_continue: bool,
    pub(crate) framing: BodyFraming,
    /// The status that refuses a WebSocket handshake; such a request has no other answer.
    pub(crate) refused_websocket: Option<Status>,
    /// What the target says of the way that the request must have come.
    pub(crate) scheme: Scheme,
}

impl Head<'_> {
    /// All of it that borrows nothing.
    pub(crate) fn without_texts(&self) -> Head<'static> {
        let Self {
            head_bytes,
            method,
            http10,
            keep_alive,
            expects_continue,
            framing,
            refused_websocket,
            scheme,
            ..
        } = *self;
        Head {
            head_bytes,
            method,
            path: "",
            query: "",
            authority: "",
            http10,
            keep_alive,
            expects_continue,
            framing,
            refused_websocket,
            scheme,
        }
    }
}

/// The scheme of a target, where it says one (RFC 9112 section 3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `http`, or origin form.
    Plain,
    /// `https` in absolute form.
    Tls,
    /// The same, and one `X-Forwarded-Proto` that says so too.
    ForwardedTls,
}

/// A head whose lines are understood, but not yet what its fields say.
pub(crate) struct Split<'b> {
    pub(crate) head_bytes: usize,
    pub(crate) method: Method,
    pub(crate) path: &'b str,
    pub(crate) query: &'b str,
    pub(crate) authority: &'b str,
    pub(crate) http10: bool,
    pub(crate) https: bool,
}

/// Bytes of the head at the start of `bytes` with its empty line, where it is complete and its line ends are
/// CRLF.
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    let mut line = 0;
    loop {
        let at = line + memchr::memchr(b'\n', &bytes[line..])?;
        match bytes[line..at] {
            [b'\r'] => return Some(at + 1),
            [.., b'\r'] => line = at + 1,
            _ => return None,
        }
    }
}

/// Parses the head at the start of `bytes` into `list`, which is empty; `None` while it is incomplete.
///
/// # Errors
/// The status to answer with before the connection is closed, as soon as the bytes cannot become a valid
/// head.
#[inline]
pub(crate) fn parse<'b>(bytes: &'b [u8], list: &mut FieldList<'b>) -> Result<Option<Head<'b>>, Status> {
    let split = match scan(bytes, list) {
        Some(split) => split,
        None => match split(bytes, list)? {
            Some(split) => split,
            None => return Ok(None),
        },
    };
    let http10 = split.http10;
    let fields = EngineFields::read(list)?;
    fields.check_host(http10)?;
    let handshake = fields.opens_websocket() && split.method == Method::Get && !http10;
    Ok(Some(Head {
        head_bytes: split.head_bytes,
        method: split.method,
        path: split.path,
        query: split.query,
        authority: split.authority,
        http10,
        keep_alive: fields.keep_alive(http10),
        expects_continue: fields.expects_continue && !http10,
        framing: fields.framing(http10)?,
        refused_websocket: handshake.then(|| fields.websocket_refusal()),
        scheme: match split.https {
            false => Scheme::Plain,
            true if fields.is_forwarded_https() => Scheme::ForwardedTls,
            true => Scheme::Tls,
        },
    }))
}

/// The long way: `httparse`, and then what it is lenient about.
#[cold]
pub(crate) fn split<'b>(bytes: &'b [u8], list: &mut FieldList<'b>) -> Result<Option<Split<'b>>, Status> {
    list.clear();
    let mut slots = [const { MaybeUninit::uninit() }; MAX_HEADER_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let head_bytes = match request.parse_with_uninit_headers(bytes, &mut slots) {
        Ok(httparse::Status::Complete(head_bytes)) => head_bytes,
        Ok(httparse::Status::Partial) => return refuse_bare_line_feeds(bytes).map(|()| None),
        Err(httparse::Error::Version) if ends_in_a_version(bytes) => return Ok(None),
        Err(error) => return Err(refusal(error, bytes)),
    };
    for header in &*request.headers {
        let field = Field { name: header.name.as_bytes(), value: trim(header.value) };
        list.push(field).map_err(|_| Status::HeaderFieldsTooLarge)?;
    }
    check_line_ends(&bytes[..head_bytes], list)?;
    let method = request.method.and_then(Method::parse).ok_or(Status::NotImplemented)?;
    let Target { authority, path, query, https } = split_target(method, request.path.unwrap_or_default())?;
    let http10 = request.version == Some(0);
    Ok(Some(Split { head_bytes, method, path, query, authority, http10, https }))
}

/// RFC 9112 section 2.2 lets a recipient take a lone LF as a line end; taking it is what lets two parsers
/// disagree. `httparse` takes it. A field's name stands right behind a line end and its value holds none, so
/// that a look at the two bytes before each name and at the last four bytes sees every line end of the head.
fn check_line_ends(head: &[u8], fields: &[Field<'_>]) -> Result<(), Status> {
    let start = head.as_ptr().addr();
    let follows_crlf = |field: &Field<'_>| {
        let at = field.name.as_ptr().addr().wrapping_sub(start);
        at.checked_sub(2).is_some_and(|before| head.get(before..at) == Some(b"\r\n"))
    };
    // An empty line before the request line would be one more line end; the connection has skipped what it
    // allows.
    if head.ends_with(b"\r\n\r\n") && !matches!(head[0], b'\r' | b'\n') && fields.iter().all(follows_crlf) {
        Ok(())
    } else {
        Err(Status::BadRequest)
    }
}

/// The same for a head that is still incomplete, so that a client that sends bare line feeds gets its 400 at
/// once.
#[cold]
fn refuse_bare_line_feeds(bytes: &[u8]) -> Result<(), Status> {
    let bare = |at: usize| at == 0 || bytes[at - 1] != b'\r';
    if memchr::memchr_iter(b'\n', bytes).any(bare) { Err(Status::BadRequest) } else { Ok(()) }
}

#[cold]
fn refusal(error: httparse::Error, bytes: &[u8]) -> Status {
    match error {
        httparse::Error::TooManyHeaders => Status::HeaderFieldsTooLarge,
        httparse::Error::Version if names_another_version(bytes) => Status::HttpVersionNotSupported,
        _ => Status::BadRequest,
    }
}

/// Whether the request line is well-formed but for a version that `httparse` does not know (RFC 9112 section
/// 2.3).
fn names_another_version(bytes: &[u8]) -> bool {
    let Some(line_end) = memchr::memchr(b'\r', bytes) else { return false };
    let mut parts = bytes[..line_end].split(|byte| *byte == b' ');
    let (_method, _target, version) = (parts.next(), parts.next(), parts.next());
    parts.next().is_none()
        && matches!(version, Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
            if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// Whether the bytes end within the request line, in what may be such a version: its status waits for the
/// line's end, so that it does not depend on how the bytes are split.
fn ends_in_a_version(bytes: &[u8]) -> bool {
    let mut parts = bytes.splitn(3, |byte| *byte == b' ').skip(2);
    let fits = |(at, byte): (usize, &u8)| match at {
        0..5 | 6 => *byte == b"HTTP/ ."[at],
        5 | 7 => byte.is_ascii_digit(),
        _ => false,
    };
    parts.next().is_some_and(|version| version.iter().enumerate().all(fits))
}

/// Rewrites HTTP/1.2 to HTTP/1.9 into HTTP/1.1, as whose message RFC 9110 section 2.5 wants it processed.
/// Called only where the parser has refused the version, so that the usual request pays nothing. `true` if
/// there was one.
pub(crate) fn lower_minor_version(bytes: &mut [u8]) -> bool {
    let line_end = memchr::memchr(b'\r', bytes).unwrap_or(0);
    match &mut bytes[..line_end] {
        [.., b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'2'..=b'9'] => {
            *minor = b'1';
            true
        }
        _ => false,
    }
}

/// The status for a head past the limit: 431 where the fields fill it, 414 where the target does, and where
/// it is the method, 501 for one that ends (RFC 9112 section 3) and 400 for what may be no request at all.
pub(crate) fn too_long(bytes: &[u8], limit: usize) -> Status {
    let bytes = &bytes[..limit.min(bytes.len())];
    if memchr::memchr(b'\n', bytes).is_some() {
        return Status::HeaderFieldsTooLarge;
    }
    match memchr::memchr(b' ', bytes).map(|at| std::str::from_utf8(&bytes[..at]).map(Method::parse)) {
        Some(Ok(Some(_))) => Status::UriTooLong,
        Some(Ok(None)) => Status::NotImplemented,
        Some(Err(_)) | None => Status::BadRequest,
    }
}

struct Target<'b> {
    /// Of absolute form; otherwise empty.
    authority: &'b str,
    path: &'b str,
    query: &'b str,
    https: bool,
}

/// What a request target names (RFC 9112 section 3.2): origin form, absolute form, or `*` for OPTIONS.
fn split_target(method: Method, target: &str) -> Result<Target<'_>, Status> {
    let (authority, origin, https) = match target.as_bytes() {
        [b'/', ..] => ("", target, false),
        b"*" if method == Method::Options => {
            return Ok(Target { authority: "", path: target, query: "", https: false });
        }
        _ => split_authority(target)?,
    };
    if !origin.bytes().all(is_target_byte) || !escapes_are_whole(origin.as_bytes()) {
        return Err(Status::BadRequest);
    }
    let (path, query) = origin.split_once('?').unwrap_or((origin, ""));
    // `http://a?b` names the same resource as `http://a/?b` (RFC 9110 section 4.2.3).
    Ok(Target { authority, path: if path.is_empty() { "/" } else { path }, query, https })
}

/// Printable ASCII, but neither a fragment's `#`, nor a backslash, which some recipients read as a slash, nor
/// the quotation mark and the angle brackets, which browsers escape everywhere.
///
/// RFC 3986 has no raw `[`, `]`, `^`, `` ` ``, `{`, `|` and `}` in a path or query either. They are let
/// through since browsers send them (the URL standard does not escape them in a query), refusing is only a
/// SHOULD (RFC 9112 section 3), and none of them parts anything in HTTP: no two parsers see two different
/// requests.
pub(crate) const fn is_target_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\' | b'"' | b'<' | b'>')
}

/// The authority of an absolute form, which a server must accept (RFC 9112 section 3.2.2), what follows it
/// (the origin form, perhaps without its path), and whether the scheme is `https`.
fn split_authority(target: &str) -> Result<(&str, &str, bool), Status> {
    let scheme_end = target.find("://").ok_or(Status::BadRequest)?;
    let https = target[..scheme_end].eq_ignore_ascii_case("https");
    if !https && !target[..scheme_end].eq_ignore_ascii_case("http") {
        return Err(Status::BadRequest);
    }
    let authority = &target[scheme_end + 3..];
    let path_start = authority.find(['/', '?']).unwrap_or(authority.len());
    // An http URI without a host is invalid (RFC 9110 section 4.2.1).
    let authority_bytes = &authority.as_bytes()[..path_start];
    if authority_bytes.is_empty() || !is_host(authority_bytes) {
        return Err(Status::BadRequest);
    }
    let (authority, origin) = authority.split_at(path_start);
    Ok((authority, origin, https))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(BodyFraming, bool), Status> {
        let head = parse(text.as_bytes(), &mut FieldList::new())?.expect("complete");
        assert_eq!((head.head_bytes, length(text.as_bytes())), (text.len(), Some(text.len())));
        Ok((head.framing, head.keep_alive))
    }

    #[test]
    fn lengths_are_one_field_of_digits() {
        let length =
            |value: &str| check(&format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:{value}\r\n\r\n"));
        assert_eq!(length(" 12"), Ok((BodyFraming::Length(12), true)));
        assert_eq!(length("0"), Ok((BodyFraming::Length(0), true)));
        for blanks in ["  1", "\t1", " 1 ", " 1\t"] {
            assert_eq!(length(blanks), Ok((BodyFraming::Length(1), true)), "{}", blanks.escape_debug());
        }
        for broken in
            ["", " abc", " +1", " -1", " 1,1", " 0x10", " 1 1", " 99999999999999999999", " 00", " 012"]
        {
            assert_eq!(length(broken), Err(Status::BadRequest), "{broken}");
        }
    }

    #[test]
    fn codings_are_one_list_over_all_fields() {
        let codings = |fields: &str| check(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        for chunked in [
            "Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding: CHUNKED \r\n",
            "Transfer-Encoding: , chunked,,\r\n",
            "Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n",
        ] {
            assert_eq!(codings(chunked), Ok((BodyFraming::Chunked, true)), "{chunked}");
        }
        for (status, refused) in [
            (Status::NotImplemented, "gzip, chunked"),
            (Status::NotImplemented, "gzip\r\nTransfer-Encoding: chunked"),
            (Status::BadRequest, "gzip"),
            (Status::BadRequest, "chunked, gzip"),
            (Status::BadRequest, "chunked, chunked"),
            (Status::BadRequest, "chunked;a=b"),
            (Status::BadRequest, ","),
            (Status::BadRequest, "gzip, chunked\r\nContent-Length: 1"),
        ] {
            assert_eq!(codings(&format!("Transfer-Encoding: {refused}\r\n")), Err(status), "{refused}");
        }
    }

    #[test]
    fn a_minor_version_to_come_is_read_as_ours() {
        let mut head = *b"GET / HTTP/1.7\r\nHost: a\r\n\r\n";
        assert_eq!(check(std::str::from_utf8(&head).unwrap()), Err(Status::HttpVersionNotSupported));
        assert!(lower_minor_version(&mut head));
        assert_eq!(check(std::str::from_utf8(&head).unwrap()), Ok((BodyFraming::Length(0), true)));
        assert!(!lower_minor_version(&mut head));
        assert_eq!(check("GET / a HTTP/1.1\r\nHost: a\r\n\r\n"), Err(Status::BadRequest));
        for begun in ["GET / H", "GET / HTTP/2", "GET / HTTP/1.", "GET / HTTP/1.7", "GET / HTTP/0.9"] {
            assert!(matches!(parse(begun.as_bytes(), &mut FieldList::new()), Ok(None)), "{begun}");
        }
        for broken in ["GET / HTTQ", "GET / HTTP/1.77", "GET / HTTP/a"] {
            let found = parse(broken.as_bytes(), &mut FieldList::new()).map(|head| head.is_some());
            assert_eq!(found, Err(Status::BadRequest), "{broken}");
        }
    }

    #[test]
    fn what_fills_the_limit_decides_the_status() {
        let status = |head: &str| too_long(head.as_bytes(), 10);
        assert_eq!(status("GET / HTTP/1.1\r\n"), Status::UriTooLong);
        assert_eq!(status("GET /\r\na: bcdef"), Status::HeaderFieldsTooLarge);
        assert_eq!(status("BREWED / HTTP/1.1"), Status::NotImplemented);
        assert_eq!(status("AAAAAAAAAAAAA / "), Status::BadRequest);
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
        for valid in [
            "a",
            "a:80",
            "127.0.0.1:9999",
            "[::1]:9999",
            "a:",
            "%41",
            "[::ffff:1.2.3.4]",
            "[v1f.a:b]",
            "[::]",
        ] {
            assert!(check(&format!("GET / HTTP/1.1\r\nHost: {valid}\r\n\r\n")).is_ok(), "{valid}");
        }
        let names =
            ["", ":", ":80", "a b", "a/b", "a, b", "a,b", "user@a", "a:b", "a:80:90", "%", "a%4", "%zz"];
        let literals =
            ["[::1", "[::1%]", "[fe80::1%25e]", "[]", "[a]", "[1.2.3.4]", "[:::]", "[1:2]", "[::1]a"];
        let futures = ["[v.a]", "[v1.]", "[v1]", "[vg.a]", "[v1.a/]", "[v1.%41]"];
        for broken in names.into_iter().chain(literals).chain(futures) {
            let head = format!("GET / HTTP/1.1\r\nHost: {broken}\r\n\r\n");
            assert_eq!(check(&head), Err(Status::BadRequest), "{broken}");
        }
        assert_eq!(check("GET / HTTP/1.1\r\n\r\n"), Err(Status::BadRequest));
        assert_eq!(check("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), Err(Status::BadRequest));
    }

    #[test]
    fn line_feeds_need_their_carriage_return() {
        for broken in
            ["GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\nHo", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"]
        {
            assert_eq!(check(broken), Err(Status::BadRequest), "{broken:?}");
            assert_eq!(length(broken.as_bytes()), None, "{broken:?}");
        }
        assert_eq!(check("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"), Err(Status::BadRequest));
        assert_eq!(length(b"GET / HTTP/1.1\r\nHost: a\r\n"), None);
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
        for (absolute, scheme) in [
            ("http://a", Scheme::Plain),
            ("http://a?b", Scheme::Plain),
            ("https://a:1/?b", Scheme::Tls),
            ("https://a/ HTTP/1.1\r\nX-Forwarded-Proto: https", Scheme::ForwardedTls),
            ("https://a/ HTTP/1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Proto: https", Scheme::Tls),
            ("https://a/ HTTP/1.1\r\nX-Forwarded-Proto: http, https", Scheme::Tls),
        ] {
            let version = if absolute.contains(' ') { "" } else { " HTTP/1.1" };
            let text = format!("GET {absolute}{version}\r\nHost: a\r\n\r\n");
            let head = parse(text.as_bytes(), &mut FieldList::new());
            let head = head.map(|head| head.map(|head| (head.path, head.scheme)));
            assert_eq!(head, Ok(Some(("/", scheme))), "{absolute}");
        }
        for broken in [
            "GET *",
            "GET a",
            "GET ftp://a/",
            "GET /a#b",
            "GET /a\\b",
            "GET /a?<",
            "GET http:///b",
            "GET http://:80/b",
            "GET http://[a]/b",
            "GET /%zz",
            "GET /a?%",
            "GET /a?b=%4",
            "GET http://a/%4g",
        ] {
            let head = format!("{broken} HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(check(&head), Err(Status::BadRequest), "{broken}");
        }
        assert_eq!(check("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), Err(Status::NotImplemented));
    }
}
