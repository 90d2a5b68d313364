//! A head whose body is still to come: what was read of it, and where its parts stand in the connection's
//! buffer. It borrows nothing, so the buffer can take the body meanwhile, and the head is not parsed a second
//! time.

use std::ops::Range;

use super::fields::{BodyFraming, Field, FieldList};
use super::head::Head;

pub(crate) struct ParkedHead {
    /// Without the texts.
    head: Head<'static>,
    authority: Range<usize>,
    path: Range<usize>,
    query: Range<usize>,
    /// Names and values.
    fields: Box<[(Range<usize>, Range<usize>)]>,
}

impl ParkedHead {
    /// `bytes` begin with the head.
    #[inline(never)] // no part of the usual request's stack
    pub(crate) fn new(head: &Head<'_>, fields: &[Field<'_>], bytes: &[u8]) -> Box<Self> {
        let both = |field: &Field<'_>| (place(field.name, bytes), place(field.value, bytes));
        Box::new(Self {
            authority: place(head.authority.as_bytes(), bytes),
            path: place(head.path.as_bytes(), bytes),
            query: place(head.query.as_bytes(), bytes),
            fields: fields.iter().map(both).collect(),
            head: head.without_texts(),
        })
    }

    pub(crate) fn head_bytes(&self) -> usize {
        self.head.head_bytes
    }

    pub(crate) fn framing(&self) -> BodyFraming {
        self.head.framing
    }

    pub(crate) fn expects_continue(&self) -> bool {
        self.head.expects_continue
    }

    /// The head once more, out of the same bytes at their present place; its fields go into `list`, which is
    /// empty.
    /// `None` if they are not the same.
    pub(crate) fn unpark<'b>(&self, bytes: &'b [u8], list: &mut FieldList<'b>) -> Option<Head<'b>> {
        for (name, value) in &self.fields {
            let field = Field { name: bytes.get(name.clone())?, value: bytes.get(value.clone())? };
            list.push(field).ok()?;
        }
        let text = |place: &Range<usize>| std::str::from_utf8(bytes.get(place.clone())?).ok();
        // The path of `http://a` is no text of the buffer.
        let path = if self.path.is_empty() { "/" } else { text(&self.path)? };
        Some(Head { authority: text(&self.authority)?, path, query: text(&self.query)?, ..self.head })
    }
}

/// Where `part` stands in `whole`; an empty range where it is no part of it.
fn place(part: &[u8], whole: &[u8]) -> Range<usize> {
    let at = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
    match at.checked_add(part.len()) {
        Some(end) if end <= whole.len() => at..end,
        _ => 0..0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::message::head::parse;

    #[test]
    fn a_head_is_the_same_after_its_buffer_has_moved() {
        for text in [
            "POST /a?b=c HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX-Empty:\r\nX:  y \r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            "PUT http://a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n",
            "POST http://a?b HTTP/1.0\r\nContent-Length: 1\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
        ] {
            let mut fields = FieldList::new();
            let head = parse(text.as_bytes(), &mut fields).unwrap().expect("complete");
            let parked = ParkedHead::new(&head, &fields, text.as_bytes());
            let moved = format!("{text}and a body");
            let mut again = FieldList::new();
            let unparked = parked.unpark(moved.as_bytes(), &mut again).expect("the same bytes");
            assert_eq!((unparked, &again), (head, &fields), "{text}");
            let mut none = FieldList::new();
            assert!(parked.unpark(&text.as_bytes()[..9], &mut none).is_none(), "{text}");
        }
    }
}
