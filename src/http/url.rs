//! Percent-decoding and query strings (RFC 3986 section 2.1; `+` as a blank, as HTML forms send it).

use std::borrow::Cow;

/// Decodes one component of a query: `%XX` and `+`. `None` if an escape is broken or the result is no UTF-8.
#[must_use]
pub fn decode_query_component(raw: &str) -> Option<Cow<'_, str>> {
    if memchr::memchr2(b'%', b'+', raw.as_bytes()).is_none() {
        return Some(Cow::Borrowed(raw));
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => {
                let (high, low) = (tail.first()?, tail.get(1)?);
                decoded.push(hex_digit(*high)? << 4 | hex_digit(*low)?);
                rest = &tail[2..];
            }
            other => decoded.push(other),
        }
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// The raw (still encoded) value of the first parameter `name` in a query string; `Some("")` for `?name` and `?name=`.
#[must_use]
pub fn query_parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })
}

/// The value of one hexadecimal digit.
pub(crate) const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{decode_query_component, query_parameter};

    #[test]
    fn plus_and_percent_20_are_blanks() {
        assert_eq!(decode_query_component("a+b%20c").as_deref(), Some("a b c"));
    }

    #[test]
    fn a_broken_escape_or_broken_utf8_is_refused() {
        for raw in ["%", "%2", "%zz", "%ff", "ok%c3"] {
            assert_eq!(decode_query_component(raw), None, "{raw}");
        }
        assert_eq!(decode_query_component("%C3%A9").as_deref(), Some("é"));
    }

    #[test]
    fn the_first_parameter_of_a_name_counts() {
        assert_eq!(query_parameter("x=1&t=ana&t=bia", "t"), Some("ana"));
        assert_eq!(query_parameter("t", "t"), Some(""));
        assert_eq!(query_parameter("tt=1", "t"), None);
        assert_eq!(query_parameter("", "t"), None);
    }
}
