//! Doors into the parsers for the targets in `fuzz/`, behind the feature `fuzzing`, and in debug builds for
//! `fuzz/replay.rs`: thin, and no part of the interface. What leads through them is owned, so that a target
//! can compare two answers without holding both inputs.

use crate::http::message::body::ChunkedDecoder;
use crate::http::message::buffer::Input;
use crate::http::message::fields::{BodyFraming, Field, FieldList};
use crate::http::message::head;
use crate::http::message::request::Method;
use crate::http::message::scan;
use crate::http::message::status::Status;

/// A head that the engine accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenHead {
    /// Of the request line.
    pub method: Method,
    /// Of the target, without its authority.
    pub path: String,
    /// Of the target, without the question mark.
    pub query: String,
    /// Names and values, in order.
    pub fields: Vec<(String, Vec<u8>)>,
    /// Whether the version is HTTP/1.0.
    pub http10: bool,
    /// Whether the connection goes on after the answer.
    pub keep_alive: bool,
    /// Whether the client waits for a 100.
    pub expects_continue: bool,
    /// The body's length; `None` if it is chunked.
    pub length: Option<u64>,
}

/// What a chunked body came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunked {
    /// The plain body, and what follows its last chunk.
    Whole {
        /// Without framing.
        body: Vec<u8>,
        /// Bytes of the next request.
        rest: Vec<u8>,
    },
    /// It needs more bytes; so many are held meanwhile, decoded or not.
    Partial {
        /// Bytes behind the head.
        held: usize,
    },
    /// It is refused.
    Refused(Status),
}

/// Parses the head at the start of `bytes`, and says how long it is; `None` while it is incomplete.
///
/// # Errors
/// The status that it is refused with.
pub fn parse_head(bytes: &[u8]) -> Result<Option<(SeenHead, usize)>, Status> {
    let mut list = FieldList::new();
    let Some(head) = head::parse(bytes, &mut list)? else { return Ok(None) };
    compare_ways(bytes);
    let seen = SeenHead {
        method: head.method,
        path: head.path.to_owned(),
        query: head.query.to_owned(),
        fields: list.iter().map(|field| (name_of(field), field.value.to_vec())).collect(),
        http10: head.http10,
        keep_alive: head.keep_alive,
        expects_continue: head.expects_continue,
        length: match head.framing {
            BodyFraming::Length(length) => Some(length),
            BodyFraming::Chunked => None,
        },
    };
    Ok(Some((seen, head.head_bytes)))
}

fn name_of(field: &Field<'_>) -> String {
    String::from_utf8_lossy(field.name).into_owned()
}

/// What goes the short way must come out the same on the long one.
fn compare_ways(bytes: &[u8]) {
    let (mut short, mut long) = (FieldList::new(), FieldList::new());
    let Some(found) = scan::scan(bytes, &mut short) else { return };
    match head::split(bytes, &mut long) {
        Ok(Some(split)) => {
            assert_eq!(
                (found.method, found.path, found.query, found.head_bytes, found.http10, found.https),
                (split.method, split.path, split.query, split.head_bytes, split.http10, split.https)
            );
            assert_eq!(short, long);
        }
        other => panic!("the long way refuses it: {:?}", other.err()),
    }
}

/// The length of the head at the start of `bytes` by its line ends alone.
#[must_use]
pub fn head_length(bytes: &[u8]) -> Option<usize> {
    head::length(bytes)
}

/// Decodes a chunked body that comes in these parts behind `head`, as a connection does.
///
/// # Panics
/// If the decoder touches the head.
pub fn decode_chunked<'p>(
    head: &[u8],
    parts: impl IntoIterator<Item = &'p [u8]>,
    max_body_bytes: usize,
) -> Chunked {
    let mut input = Input::default();
    append(&mut input, head);
    let mut decoder = ChunkedDecoder::new(max_body_bytes);
    let mut parts = parts.into_iter();
    while let Some(part) = parts.next() {
        append(&mut input, part);
        let decoded = decoder.advance(&mut input, head.len());
        assert!(input.unread().starts_with(head), "the head was written to");
        match decoded {
            Err(status) => return Chunked::Refused(status),
            Ok(None) => {}
            Ok(Some(whole)) => {
                parts.for_each(|part| append(&mut input, part));
                let behind = &input.unread()[head.len()..];
                return Chunked::Whole {
                    body: behind[..whole.body_bytes].to_vec(),
                    rest: behind[whole.framed_bytes..].to_vec(),
                };
            }
        }
    }
    Chunked::Partial { held: input.len() - head.len() }
}

/// Appends as a read from the socket does: behind what is unread, into as little room as it needs.
fn append(input: &mut Input, bytes: &[u8]) {
    input.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
    input.filled(bytes.len());
}
