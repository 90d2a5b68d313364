//! What the header fields say that concerns the engine itself: `Host`, the body's framing, and the connection
//! (RFC 9112 sections 3.2, 6 and 9, RFC 9110 sections 5, 7.8 and 10.1.1).

use std::net::Ipv6Addr;

use super::status::Status;

/// Header fields that a request may carry; more is answered with 431.
pub(crate) const MAX_HEADER_FIELDS: usize = 100;

/// The fields of one head in their order, on the stack of the connection's coroutine.
pub(crate) type FieldList<'b> = heapless::Vec<Field<'b>, MAX_HEADER_FIELDS>;

/// A field line: its name, a token, and its value without the blanks around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field<'b> {
    pub(crate) name: &'b [u8],
    pub(crate) value: &'b [u8],
}

/// A table of the bytes for which a `const fn` holds: one load a byte, where every request has to be checked.
macro_rules! byte_set {
    ($holds:path) => {{
        let mut set = [false; 256];
        let mut byte = u8::MAX;
        loop {
            set[byte as usize] = $holds(byte);
            if byte == 0 {
                break;
            }
            byte -= 1;
        }
        set
    }};
}
pub(crate) use byte_set;

/// How the body is framed (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFraming {
    /// Its length in bytes; zero if there is none.
    Length(u64),
    Chunked,
}

/// The transfer codings read so far, over all fields (RFC 9112 section 6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Codings {
    /// No field of the name.
    #[default]
    Absent,
    /// Fields with nothing in them.
    Empty,
    /// `chunked` alone.
    Chunked,
    /// Codings that we do not implement, and no `chunked` yet.
    Unknown,
    /// Codings that we do not implement, then `chunked`.
    UnknownThenChunked,
    /// Parameters, what is not a token, `chunked` twice, or something behind it.
    Broken,
}

impl Codings {
    fn then(self, coding: &[u8]) -> Self {
        let chunked = coding.eq_ignore_ascii_case(b"chunked");
        match self {
            _ if !coding.iter().all(|byte| is_token_byte(*byte)) => Self::Broken,
            Self::Absent | Self::Empty if chunked => Self::Chunked,
            Self::Unknown if chunked => Self::UnknownThenChunked,
            Self::Absent | Self::Empty | Self::Unknown => Self::Unknown,
            Self::Chunked | Self::UnknownThenChunked | Self::Broken => Self::Broken,
        }
    }
}

/// The fields of one head, as far as the engine needs them.
#[derive(Default)]
pub(crate) struct EngineFields {
    hosts: u32,
    empty_host: bool,
    content_types: u32,
    content_length: Option<u64>,
    codings: Codings,
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    websocket: bool,
    websocket_versions: u32,
    websocket_13: bool,
    /// Lines of `X-Forwarded-Proto`, and whether the last one says `https`.
    forwarded_protos: u32,
    forwarded_https: bool,
    pub(crate) expects_continue: bool,
}

impl EngineFields {
    /// Reads the fields of a head.
    ///
    /// # Errors
    /// The status for a field whose value must not be accepted.
    pub(crate) fn read(list: &[Field<'_>]) -> Result<Self, Status> {
        let mut fields = Self::default();
        for field in list {
            fields.take(field)?;
        }
        Ok(fields)
    }

    fn take(&mut self, field: &Field<'_>) -> Result<(), Status> {
        let value = field.value;
        // Compared by length first: most fields of a request are none of these.
        match field.name.len() {
            4 if field.name.eq_ignore_ascii_case(b"host") => {
                self.hosts += 1;
                self.empty_host = value.is_empty();
                if self.hosts > 1 || !is_host(value) {
                    return Err(Status::BadRequest);
                }
            }
            6 if field.name.eq_ignore_ascii_case(b"expect") => self.take_expect(value)?,
            7 if field.name.eq_ignore_ascii_case(b"upgrade") => self.take_upgrade(value),
            10 if field.name.eq_ignore_ascii_case(b"connection") => self.take_connection(value),
            12 if field.name.eq_ignore_ascii_case(b"content-type") => {
                // A field of one value (RFC 9110 section 5.3): two recipients could each take another one.
                self.content_types += 1;
                if self.content_types > 1 {
                    return Err(Status::BadRequest);
                }
            }
            14 if field.name.eq_ignore_ascii_case(b"content-length") => self.take_content_length(value)?,
            17 if field.name.eq_ignore_ascii_case(b"transfer-encoding") => self.take_codings(value),
            17 if field.name.eq_ignore_ascii_case(b"x-forwarded-proto") => {
                self.forwarded_protos += 1;
                self.forwarded_https = value.eq_ignore_ascii_case(b"https");
            }
            21 if field.name.eq_ignore_ascii_case(b"sec-websocket-version") => {
                self.websocket_versions += 1;
                self.websocket_13 = value == b"13";
            }
            _ => {}
        }
        Ok(())
    }

    /// A list (RFC 9110 section 10.1.1). There is one expectation that we know; a comma in the quoted value
    /// of another one parts it wrongly, and changes nothing.
    fn take_expect(&mut self, value: &[u8]) -> Result<(), Status> {
        for expectation in elements(value).filter(|expectation| !expectation.is_empty()) {
            if !expectation.eq_ignore_ascii_case(b"100-continue") {
                return Err(Status::ExpectationFailed);
            }
            self.expects_continue = true;
        }
        Ok(())
    }

    fn take_connection(&mut self, value: &[u8]) {
        for option in elements(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
    }

    fn take_upgrade(&mut self, value: &[u8]) {
        self.websocket |= elements(value).any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"));
    }

    /// One field, digits only, no overflow (RFC 9112 section 6.3; a repeated or listed length is refused). A
    /// leading zero is refused too: the grammar allows it, but a reader that takes it as octal frames another
    /// body.
    fn take_content_length(&mut self, value: &[u8]) -> Result<(), Status> {
        let leading_zero = value.len() > 1 && value[0] == b'0';
        if self.content_length.is_some()
            || value.is_empty()
            || leading_zero
            || !value.iter().all(u8::is_ascii_digit)
        {
            return Err(Status::BadRequest);
        }
        let length = value
            .iter()
            .try_fold(0_u64, |length, digit| length.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
        self.content_length = Some(length.ok_or(Status::BadRequest)?);
        Ok(())
    }

    /// Empty elements count for nothing (RFC 9110 section 5.6.1.2), but a field with only those is not a list
    /// of codings.
    fn take_codings(&mut self, value: &[u8]) {
        if self.codings == Codings::Absent {
            self.codings = Codings::Empty;
        }
        for coding in elements(value).filter(|coding| !coding.is_empty()) {
            self.codings = self.codings.then(coding);
        }
    }

    /// A request of HTTP/1.1 carries exactly one Host, and it names one (RFC 9112 section 3.2). An empty one
    /// is for targets without authority; an `http` URI always has one.
    pub(crate) fn check_host(&self, http10: bool) -> Result<(), Status> {
        if (self.hosts == 0 || self.empty_host) && !http10 { Err(Status::BadRequest) } else { Ok(()) }
    }

    pub(crate) fn keep_alive(&self, http10: bool) -> bool {
        !self.close && (!http10 || self.keep_alive)
    }

    /// A handshake of RFC 6455; other upgrades are ignored (RFC 9110 section 7.8).
    pub(crate) fn opens_websocket(&self) -> bool {
        self.upgrade && self.websocket
    }

    /// What a handshake must be told that it lacks (RFC 6455 section 4.2.2): a version that is spoken, or
    /// else its service.
    #[cold]
    pub(crate) fn websocket_refusal(&self) -> Status {
        let spoken = self.websocket_13 && self.websocket_versions == 1;
        if spoken { Status::NotFound } else { Status::UpgradeRequired }
    }

    /// Whether one line of `X-Forwarded-Proto` says that the client came over TLS. Whose word that is, and
    /// whether it counts, only the connection knows.
    pub(crate) fn is_forwarded_https(&self) -> bool {
        self.forwarded_https && self.forwarded_protos == 1
    }

    /// Both framings at once, or any transfer coding in HTTP/1.0, are refused (RFC 9112 section 6.1). Where
    /// `chunked` is not the last coding the length is unknown: a 400, which section 6.3 demands, before the
    /// 501 of section 6.1.
    pub(crate) fn framing(&self, http10: bool) -> Result<BodyFraming, Status> {
        match (self.codings, self.content_length) {
            (Codings::Absent, length) => Ok(BodyFraming::Length(length.unwrap_or(0))),
            (_, Some(_)) => Err(Status::BadRequest),
            (_, None) if http10 => Err(Status::BadRequest),
            (Codings::Chunked, None) => Ok(BodyFraming::Chunked),
            (Codings::UnknownThenChunked, None) => Err(Status::NotImplemented),
            (Codings::Empty | Codings::Unknown | Codings::Broken, None) => Err(Status::BadRequest),
        }
    }
}

/// The elements of a list, trimmed; empty ones too (RFC 9110 section 5.6.1).
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim)
}

/// Strips optional white space: blank and tab (RFC 9110 section 5.6.3).
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// A character of a token (RFC 9110 section 5.6.2).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
        || byte.is_ascii_alphanumeric()
}

/// `uri-host [":" port]` by its characters (RFC 3986 sections 3.2.2 and 3.2.3); it has no user part. It may
/// be empty as a whole, but a port stands behind a name (RFC 9110 section 4.2.1). A comma is a character of
/// RFC 3986's names, but no host has one, and it is how two Host fields look once joined.
pub(crate) fn is_host(value: &[u8]) -> bool {
    let name_bytes = value.iter().take_while(|byte| HOST_NAME_BYTES[usize::from(**byte)]).count();
    let port = match &value[name_bytes..] {
        [] => return true,
        [b':', port @ ..] => port,
        _ => return is_unusual_host(value),
    };
    name_bytes > 0 && port.iter().all(u8::is_ascii_digit)
}

/// What nearly every host is made of. A percent sign is left to the slow way.
const HOST_NAME_BYTES: [bool; 256] = byte_set!(is_host_name_byte);

const fn is_host_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Hosts with escapes, with delimiters that a name may have, and the bracketed literals.
#[cold]
fn is_unusual_host(value: &[u8]) -> bool {
    let (host, port) = split_port(value);
    let port_ok = port.iter().all(u8::is_ascii_digit);
    if let [b'[', inner @ .., b']'] = host {
        return port_ok && is_ip_literal(inner);
    }
    let name_byte = |byte: &u8| is_host_name_byte(*byte) || b"%!$&'()*+;=".contains(byte);
    port_ok && !host.is_empty() && host.iter().all(name_byte) && escapes_are_whole(host)
}

/// What may stand in brackets: an IPv6 address, or an address of a version to come (RFC 3986 section 3.2.2).
/// A zone is of meaning to its own machine alone, and has no place in a URI (RFC 9844).
fn is_ip_literal(inner: &[u8]) -> bool {
    if let [b'v' | b'V', future @ ..] = inner {
        let Some(dot) = memchr::memchr(b'.', future) else { return false };
        let (version, address) = (&future[..dot], &future[dot + 1..]);
        let address_byte = |byte: &u8| is_host_name_byte(*byte) || b"!$&'()*+,;=:".contains(byte);
        return !version.is_empty()
            && version.iter().all(u8::is_ascii_hexdigit)
            && !address.is_empty()
            && address.iter().all(address_byte);
    }
    std::str::from_utf8(inner).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// Whether two hexadecimal digits follow each percent sign (RFC 3986 section 2.1).
pub(crate) fn escapes_are_whole(text: &[u8]) -> bool {
    memchr::memchr_iter(b'%', text)
        .all(|at| text.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)))
}

fn split_port(value: &[u8]) -> (&[u8], &[u8]) {
    let after_literal = value.iter().rposition(|byte| *byte == b']').map_or(0, |at| at + 1);
    match memchr::memchr(b':', &value[after_literal..]) {
        Some(at) => (&value[..after_literal + at], &value[after_literal + at + 1..]),
        None => (value, &[]),
    }
}
