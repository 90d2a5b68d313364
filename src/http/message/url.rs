//! Percent-decoding and query strings (RFC 3986 section 2.1; `+` as a blank in a query, as HTML forms send
//! it).

use std::borrow::Cow;

/// Decodes one component of a query: `%XX` and `+`. `None` if an escape is broken or the result is no UTF-8.
#[must_use]
pub fn decode_query_component(raw: &str) -> Option<Cow<'_, str>> {
    match memchr::memchr2(b'%', b'+', raw.as_bytes()) {
        None => Some(Cow::Borrowed(raw)),
        Some(_) => decode(raw, b' ').map(Cow::Owned),
    }
}

/// Decodes a part of a path: `%XX`; a `+` is itself there. `None` if an escape is broken or the result is no
/// UTF-8.
#[must_use]
pub fn decode_path_component(raw: &str) -> Option<Cow<'_, str>> {
    match memchr::memchr(b'%', raw.as_bytes()) {
        None => Some(Cow::Borrowed(raw)),
        Some(_) => decode(raw, b'+').map(Cow::Owned),
    }
}

fn decode(raw: &str, plus: u8) -> Option<String> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' => decoded.push(plus),
            b'%' => {
                let (high, low) = (tail.first()?, tail.get(1)?);
                decoded.push(hex_digit(*high)? << 4 | hex_digit(*low)?);
                rest = &tail[2..];
            }
            other => decoded.push(other),
        }
    }
    String::from_utf8(decoded).ok()
}

/// The raw (still encoded) values of the parameters whose decoded name is `name`, in their order; `""` for
/// `?name` and `?name=`.
pub fn query_values<'q>(query: &'q str, name: &str) -> impl Iterator<Item = &'q str> {
    query.split('&').filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        decode_query_component(key).is_some_and(|key| key == name).then_some(value)
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
    use super::{decode_path_component, decode_query_component, query_values};

    #[test]
    fn plus_and_percent_20_are_blanks() {
        assert_eq!(decode_query_component("a+b%20c").as_deref(), Some("a b c"));
    }

    #[test]
    fn in_a_path_plus_is_plus() {
        assert_eq!(decode_path_component("a+b%20c%2B").as_deref(), Some("a+b c+"));
        assert_eq!(decode_path_component("a%2Fb").as_deref(), Some("a/b"));
    }

    #[test]
    fn a_broken_escape_or_broken_utf8_is_refused() {
        for raw in ["%", "%2", "%zz", "%ff", "ok%c3"] {
            assert_eq!(decode_query_component(raw), None, "{raw}");
            assert_eq!(decode_path_component(raw), None, "{raw}");
        }
        assert_eq!(decode_query_component("%C3%A9").as_deref(), Some("é"));
    }

    #[test]
    fn a_name_is_compared_decoded_and_its_values_come_in_order() {
        let values = |query, name| query_values(query, name).collect::<Vec<_>>();
        assert_eq!(values("x=1&t=ana&t=b%20a", "t"), ["ana", "b%20a"]);
        assert_eq!(values("t", "t"), [""]);
        assert_eq!(values("t==&t=", "t"), ["=", ""]);
        assert_eq!(values("%74=1&a+b=2&a%2Bb=3", "t"), ["1"]);
        assert_eq!(values("%74=1&a+b=2&a%2Bb=3", "a b"), ["2"]);
        assert_eq!(values("%74=1&a+b=2&a%2Bb=3", "a+b"), ["3"]);
        for query in ["tt=1", "", "%zz=1", "T=1"] {
            assert!(values(query, "t").is_empty(), "{query}");
        }
    }
}
