//! A chunked body in any parts is what it is in one piece, and what an independent decoder makes of it.
//!
//! Input: the limit (one byte, times eight), how many bytes of lengths follow, the lengths of the parts, the
//! stream.

use pouco::http::Status;
use pouco::http::fuzzing::{Chunked, decode_chunked};

/// Stands before the body, as a request's head does, and must come out untouched.
const HEAD: &[u8] = b"head\r\n\r\n";

/// Framing that may be held undecoded: the longest line of a trailer section.
const MAX_HELD_FRAMING: usize = 4096;

/// Panics where the engine, the split and the reference disagree.
pub fn check(bytes: &[u8]) {
    let [limit, cuts, rest @ ..] = bytes else { return };
    let max_body_bytes = usize::from(*limit) * 8;
    let (cuts, stream) = rest.split_at(rest.len().min(usize::from(*cuts % 32)));
    let whole = decode_chunked(HEAD, [stream], max_body_bytes);
    let parts = split(stream, cuts);
    let mut split = decode_chunked(HEAD, parts.iter().copied(), max_body_bytes);
    if let Chunked::Whole { body, .. } = &mut split
        && super::canary(|| parts.iter().any(|part| part.starts_with(b"\n")))
    {
        body.pop();
    }
    assert_eq!(split, whole, "{parts:?}");
    match whole {
        Chunked::Whole { body, rest } => {
            assert!(body.len() <= max_body_bytes);
            assert!(stream.ends_with(&rest));
            assert_eq!(reference(stream), Some((body, rest)), "{}", stream.escape_ascii());
        }
        Chunked::Partial { held } => assert!(held <= max_body_bytes + MAX_HELD_FRAMING, "{held} bytes held"),
        Chunked::Refused(status) => assert!(matches!(
            status,
            Status::BadRequest | Status::ContentTooLarge | Status::HeaderFieldsTooLarge
        )),
    }
}

/// `stream` in parts of these lengths; what is left comes byte by byte, but for long streams.
fn split<'s>(mut stream: &'s [u8], cuts: &[u8]) -> Vec<&'s [u8]> {
    let mut parts = Vec::new();
    for cut in cuts {
        let (part, rest) = stream.split_at(stream.len().min(usize::from(*cut)));
        parts.push(part);
        stream = rest;
    }
    parts.extend(stream.chunks(if stream.len() > 512 { 61 } else { 1 }));
    parts
}

/// Body and rest by the plainest reading of RFC 9112 section 7.1; it takes more than the engine does.
fn reference(mut stream: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut body = Vec::new();
    loop {
        let line = take_line(&mut stream)?;
        let digits: String =
            line.iter().map(|byte| char::from(*byte)).take_while(char::is_ascii_hexdigit).collect();
        match usize::from_str_radix(&digits, 16).ok()? {
            0 => break,
            size => {
                body.extend_from_slice(stream.get(..size)?);
                stream = stream[size..].strip_prefix(b"\r\n")?;
            }
        }
    }
    while !take_line(&mut stream)?.is_empty() {}
    Some((body, stream.to_vec()))
}

fn take_line<'s>(stream: &mut &'s [u8]) -> Option<&'s [u8]> {
    let end = stream.windows(2).position(|pair| pair == b"\r\n")?;
    let line = &stream[..end];
    *stream = &stream[end + 2..];
    Some(line)
}
