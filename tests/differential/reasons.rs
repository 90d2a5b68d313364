//! Why the engine may decide otherwise than `hyper`. Each reason looks at the request's bytes by itself, so
//! that a disagreement over a request without these marks has no excuse.

use std::net::Ipv6Addr;

use pouco::http::Method;

use crate::message::Message;

type Reason = (&'static str, fn(&Message<'_>) -> bool);

/// Where we refuse what `hyper` accepts.
const STRICTER: &[Reason] = &[
    ("a lone LF ends no line (RFC 9112, 2.2: MAY take it)", has_lone_line_feed),
    ("one empty line may stand before a request (RFC 9112, 2.2)", |message| {
        !matches!(message.blank_lines, b"" | b"\r\n")
    }),
    ("an unknown method is a 501 (RFC 9110, 9.1)", |message| method_of(message).is_none()),
    ("a target is in origin or absolute form of http, or an asterisk of OPTIONS (RFC 9112, 3.2)", odd_target),
    ("HTTP/1.1 has one Host, which names one (RFC 9112, 3.2)", odd_host),
    ("a Content-Length is one, in its one spelling (RFC 9112, 6.3)", odd_length),
    ("one framing only (RFC 9112, 6.1)", |message| {
        !message.values("content-length").is_empty() && !message.values("transfer-encoding").is_empty()
    }),
    ("no transfer coding but one chunked, and none in HTTP/1.0 (RFC 9112, 6.1 and 6.3)", odd_codings),
    ("a field of one value comes once (RFC 9110, 5.3)", |message| message.values("content-type").len() > 1),
    ("no expectation but 100-continue (RFC 9110, 10.1.1: MAY be a 417)", |message| {
        message.values("expect").iter().any(|value| !value.eq_ignore_ascii_case(b"100-continue"))
    }),
    ("a WebSocket handshake names a version that is spoken (RFC 6455, 4.4)", |message| {
        message.elements("upgrade").iter().any(|protocol| protocol == b"websocket")
    }),
    ("chunk framing follows its grammar (RFC 9112, 7.1)", odd_chunks),
];

/// Where we accept what `hyper` refuses.
const MORE_LENIENT: &[Reason] = &[
    ("escapes in the name of an absolute form's host (RFC 3986, 3.2.2)", |message| {
        let authority = message.target.splitn(4, |byte| *byte == b'/').nth(2);
        !message.target.starts_with(b"/") && authority.is_some_and(|name| name.contains(&b'%'))
    }),
    ("a minor version to come is read as 1.1 (RFC 9110, 2.5)", |message| {
        matches!(message.version, [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'])
    }),
    ("characters of a target that browsers send raw (RFC 9112, 3: refusing is a SHOULD)", |message| {
        message.target.iter().any(|byte| b"[]^`{|}".contains(byte))
    }),
];

/// Where we end the connection with an answer that `hyper` does not end it with.
const ENDING: &[Reason] = &[(
    "who asks before the body and is refused need not send it (RFC 9110, 10.1.1: MAY end the connection)",
    |message| {
        let asks = message.elements("expect").iter().any(|expectation| expectation == b"100-continue");
        let path = message.target.split(|byte| *byte == b'?').next().unwrap_or_default();
        asks && !(path.ends_with(b"/echo") && matches!(message.method, b"GET" | b"HEAD" | b"POST"))
    },
)];

/// The reason to end the connection with the request at the start of `stream`, if there is one.
pub(crate) fn for_ending(stream: &[u8]) -> Option<&'static str> {
    find(ENDING, stream)
}

/// The reason to refuse the request at the start of `stream`, if there is one.
pub(crate) fn for_refusing(stream: &[u8]) -> Option<&'static str> {
    find(STRICTER, stream)
}

/// The reason to accept it nevertheless.
pub(crate) fn for_accepting(stream: &[u8]) -> Option<&'static str> {
    find(MORE_LENIENT, stream)
}

fn find(reasons: &[Reason], stream: &[u8]) -> Option<&'static str> {
    let message = Message::read(stream);
    reasons.iter().find(|(_, holds)| holds(&message)).map(|(name, _)| *name)
}

fn method_of(message: &Message<'_>) -> Option<Method> {
    Method::parse(std::str::from_utf8(message.method).ok()?)
}

fn has_lone_line_feed(message: &Message<'_>) -> bool {
    let ends_lone = |bytes: &[u8]| {
        bytes.iter().enumerate().any(|(at, byte)| *byte == b'\n' && (at == 0 || bytes[at - 1] != b'\r'))
    };
    // The empty line that ends the head stands between its last line and what follows.
    ends_lone(message.head) || ends_lone(message.blank_lines) || ends_lone(message.empty_line)
}

fn odd_target(message: &Message<'_>) -> bool {
    let target = message.target;
    if target == b"*" {
        return message.method != b"OPTIONS";
    }
    let lower = target.to_ascii_lowercase();
    // `https` is a 421: the connection is a plain one (RFC 9110, 7.4).
    let form = match lower.strip_prefix(b"http://") {
        Some(authority) => {
            let end = authority.iter().position(|byte| b"/?".contains(byte)).unwrap_or(authority.len());
            !is_plain_host(&authority[..end])
        }
        None => !target.starts_with(b"/"),
    };
    let escape =
        |at: usize| target[at..].len() > 2 && target[at + 1..at + 3].iter().all(u8::is_ascii_hexdigit);
    let broken = (0..target.len()).any(|at| target[at] == b'%' && !escape(at));
    form || broken || target.iter().any(|byte| b"#\\\"<>".contains(byte) || !byte.is_ascii_graphic())
}

fn odd_host(message: &Message<'_>) -> bool {
    let hosts = message.values("host");
    let missing = message.version == b"HTTP/1.1" && (hosts.is_empty() || hosts[0].is_empty());
    missing || hosts.len() > 1 || hosts.iter().any(|host| !host.is_empty() && !is_plain_host(host))
}

/// Letters, digits, dots and hyphens, or an IPv6 address in brackets, and a port: all that the valid requests
/// here use.
fn is_plain_host(host: &[u8]) -> bool {
    let port_at = host.iter().rposition(|byte| *byte == b':').filter(|at| !host[*at..].contains(&b']'));
    let (name, port) = host.split_at(port_at.unwrap_or(host.len()));
    let literal = name.strip_prefix(b"[").and_then(|name| name.strip_suffix(b"]"));
    let plain = match literal {
        Some(inner) => std::str::from_utf8(inner).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok()),
        None => name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(byte)),
    };
    !name.is_empty() && plain && port.iter().skip(1).all(u8::is_ascii_digit)
}

fn odd_length(message: &Message<'_>) -> bool {
    let values = message.values("content-length");
    let spelled = values.iter().all(|digits| {
        let number = std::str::from_utf8(digits).ok().and_then(|text| text.parse::<u64>().ok());
        number.is_some_and(|number| number.to_string().as_bytes() == *digits)
    });
    values.len() > 1 || !spelled
}

fn odd_codings(message: &Message<'_>) -> bool {
    if message.values("transfer-encoding").is_empty() {
        return false;
    }
    message.version != b"HTTP/1.1" || message.elements("transfer-encoding") != [b"chunked"]
}

/// Framing beyond `size`, `size;name`, `size;name=token` and trailers of `name: value`: `hyper` reads
/// extensions up to their line's end, and takes blanks behind a size.
fn odd_chunks(message: &Message<'_>) -> bool {
    if message.values("transfer-encoding").is_empty() {
        return false;
    }
    let Some((lines, _)) = message.chunk_lines() else { return true };
    let sizes = lines.iter().take_while(|line| !line.contains(&b':'));
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b';' || *byte == b'=';
    sizes.clone().any(|line| !line.iter().all(plain) || line.ends_with(b";") || line.ends_with(b"="))
        || sizes.clone().any(|line| line.split(|byte| *byte == b';').any(<[u8]>::is_empty))
        || lines[sizes.count()..]
            .iter()
            .any(|line| line.starts_with(b":") || line.contains(&b' ') || line.contains(&b'\t'))
}
