//! The short way through a head: the request that nearly everybody sends, in one pass.
//!
//! It takes a part of what `httparse` and `head.rs` take, and never anything else: GET or POST, a target in
//! origin form, whose escapes are whole, HTTP/1.1, CRLF behind every line, no tab in a value. Whatever is not
//! exactly that, it leaves to the long way, which knows every rule and the status for each that is broken; so
//! nothing is refused here. The property test below and the fuzz target `request_head` hold both ways against
//! each other.

use super::fields::{Field, FieldList, byte_set, is_token_byte};
use super::head::{Split, is_target_byte};
use super::request::Method;

const TOKEN_BYTES: [bool; 256] = byte_set!(is_token_byte);

/// Reads the head at the start of `bytes`; `None` if it is incomplete or anything but usual, and the list is
/// then of no use.
#[inline]
pub(crate) fn scan<'b>(bytes: &'b [u8], fields: &mut FieldList<'b>) -> Option<Split<'b>> {
    let (method, target_at) = match bytes {
        [b'G', b'E', b'T', b' ', b'/', ..] => (Method::Get, 4),
        [b'P', b'O', b'S', b'T', b' ', b'/', ..] => (Method::Post, 5),
        _ => return None,
    };
    let rest = &bytes[target_at..];
    let path_bytes = span(rest, &PATH_BYTES)?;
    let (query_at, target_bytes) = if rest[path_bytes] == b'?' {
        let query_at = path_bytes + 1;
        (query_at, query_at + span(&rest[query_at..], &QUERY_BYTES)?)
    } else {
        (path_bytes, path_bytes)
    };
    const LINE_END: &[u8] = b" HTTP/1.1\r\n";
    let line_end = rest.get(target_bytes..target_bytes + LINE_END.len())?;
    if line_end != LINE_END {
        return None;
    }
    let head_bytes = scan_fields(bytes, target_at + target_bytes + LINE_END.len(), fields)?;
    let target = std::str::from_utf8(&rest[..target_bytes]).ok()?;
    let (path, query) = (&target[..path_bytes], &target[query_at..]);
    Some(Split { head_bytes, method, path, query, authority: "", http10: false, https: false })
}

/// What a path is made of: a query's bytes but for the mark that ends it.
const PATH_BYTES: [bool; 256] = byte_set!(is_path_byte);

const fn is_path_byte(byte: u8) -> bool {
    is_query_byte(byte) && byte != b'?'
}

/// What a query is made of: a target's bytes but for the one that begins an escape.
const QUERY_BYTES: [bool; 256] = byte_set!(is_query_byte);

const fn is_query_byte(byte: u8) -> bool {
    is_target_byte(byte) && byte != b'%'
}

/// How many bytes at the start are of the set or an escape; `None` if nothing follows them, or a broken
/// escape. A text without escapes pays nothing for those.
#[inline]
fn span(bytes: &[u8], set: &[bool; 256]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += bytes[at..].iter().position(|byte| !set[usize::from(*byte)])?;
        match bytes[at..] {
            [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => at += 3,
            [b'%', ..] => return None,
            _ => return Some(at),
        }
    }
}

/// Reads field lines from `at` to the empty line; the length of the head.
#[inline]
fn scan_fields<'b>(bytes: &'b [u8], mut at: usize, fields: &mut FieldList<'b>) -> Option<usize> {
    loop {
        let line = &bytes[at..];
        let name_bytes = line.iter().position(|byte| !TOKEN_BYTES[usize::from(*byte)])?;
        if name_bytes == 0 {
            return line.starts_with(b"\r\n").then_some(at + 2);
        }
        if line[name_bytes] != b':' {
            return None;
        }
        let mut value_at = name_bytes + 1;
        while line.get(value_at) == Some(&b' ') {
            value_at += 1;
        }
        let line_bytes = value_at + text_length(&line[value_at..])?;
        if line.get(line_bytes..line_bytes + 2) != Some(b"\r\n") {
            return None;
        }
        let mut value_end = line_bytes;
        while value_end > value_at && line[value_end - 1] == b' ' {
            value_end -= 1;
        }
        fields.push(Field { name: &line[..name_bytes], value: &line[value_at..value_end] }).ok()?;
        at += line_bytes + 2;
    }
}

/// How many bytes stand before the first control character (below 0x20, or 0x7f); `None` if there is none.
///
/// Eight bytes at once: a byte's top bit is set in `below` or `delete` where it is one, and the lowest such
/// bit is exact (those above it may stem from a borrow).
#[inline]
fn text_length(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = ONES << 7;
    let mut at = 0;
    while let Some(eight) = bytes.get(at..at + 8).and_then(|eight| <[u8; 8]>::try_from(eight).ok()) {
        let word = u64::from_le_bytes(eight);
        let below = word.wrapping_sub(ONES * 0x20) & !word;
        let flipped = word ^ (ONES * 0x7f);
        let delete = flipped.wrapping_sub(ONES) & !flipped;
        let found = (below | delete) & TOPS;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    bytes[at..].iter().position(u8::is_ascii_control).map(|found| at + found)
}

#[cfg(test)]
mod tests {
    use super::{FieldList, scan, text_length};
    use crate::http::message::head;

    /// Whether the short way took the head; whatever it takes, the long way takes too and reads the same.
    fn short(bytes: &[u8]) -> bool {
        let (mut fields, mut expected_fields) = (FieldList::new(), FieldList::new());
        let Some(found) = scan(bytes, &mut fields) else { return false };
        let expected = head::split(bytes, &mut expected_fields).unwrap().expect("complete");
        assert_eq!(found.method.as_str(), expected.method.as_str());
        assert_eq!((found.path, found.query), (expected.path, expected.query));
        assert_eq!((found.head_bytes, found.http10), (expected.head_bytes, expected.http10));
        assert!(!found.https && !expected.https);
        assert_eq!(fields, expected_fields);
        true
    }

    #[test]
    fn the_usual_request_goes_the_short_way() {
        assert!(short(b"GET /pessoas?t=a%20b HTTP/1.1\r\nHost: localhost:9999\r\nAccept: */*\r\n\r\nrest"));
        assert!(short(b"POST /? HTTP/1.1\r\nHost:a\r\nX-Empty:\r\nX-Blanks:   \xc3\xa9 b  \r\n\r\n{}"));
        assert!(short(b"GET / HTTP/1.1\r\n\r\n"));
    }

    #[test]
    fn everything_else_goes_the_long_way() {
        let usual: &[u8] = b"GET /a%2fa?b%C3 HTTP/1.1\r\nHost: localhost\r\nAccept: text/html, */*\r\n\r\n";
        for length in 0..usual.len() {
            assert!(!short(&usual[..length]), "{length}");
        }
        // Every byte in every place, one at a time: most break the head, and some do not.
        for at in 0..usual.len() {
            for byte in 0..=u8::MAX {
                let mut changed = usual.to_vec();
                changed[at] = byte;
                short(&changed);
                changed.insert(at, byte);
                short(&changed);
            }
        }
    }

    #[test]
    fn a_control_character_is_found_wherever_it_stands() {
        for length in 0..40 {
            let text = vec![0x80_u8; length];
            assert_eq!(text_length(&text), None);
            for control in (0..0x20).chain([0x7f]) {
                let bytes = [&text[..], &[control, b'a', control, 0xff, b'\n', b' ', b'~', 0x80, 1]].concat();
                assert_eq!(text_length(&bytes), Some(length), "{control}");
            }
        }
    }
}
