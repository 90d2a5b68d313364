//! `multipart/form-data` (RFC 7578, RFC 2046 section 5.1) read piece by piece: the parts of a body of any
//! size in the memory of one piece. What a part contains is handed on as it comes, and kept nowhere.
//!
//! Bounded are the boundary, the head of a part and how many parts there are; how many bytes there are in all
//! is the reader's own bound.

use std::io::{self, Read};

use memchr::memmem;

/// Bytes of a boundary (RFC 2046 section 5.1.1).
const BOUNDARY_BYTES: usize = 70;
/// Bytes of a part's head, with the empty line behind it.
const HEAD_BYTES: usize = 4 * 1024;
/// Parts of a form.
const PARTS: usize = 64;
/// Bytes that are read at once.
const PIECE_BYTES: usize = 8 * 1024;

/// Why a form cannot be read.
#[derive(Debug)]
pub(super) enum FormError {
    /// It is none, and what is wrong with it.
    Malformed(&'static str),
    /// One of the bounds.
    TooLarge(&'static str),
    /// There is no more of the body; the reader knows why.
    Body(io::Error),
}

impl From<io::Error> for FormError {
    fn from(error: io::Error) -> Self {
        Self::Body(error)
    }
}

/// What the head of a part says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) filename: Option<String>,
    pub(super) content_type: Option<String>,
}

/// A form that is being read.
pub(super) struct Form<R> {
    body: R,
    /// What was read; what is before `at` is done with.
    buffer: Vec<u8>,
    at: usize,
    /// What stands before each part, and behind the last one.
    delimiter: Vec<u8>,
    /// Whether a delimiter is still to come.
    inside: bool,
    parts: usize,
}

/// The boundary that a `Content-Type` names; `None` if it is not that of a form. The type is compared without
/// case, as is the name of the parameter (RFC 9110 section 8.3.1).
pub(super) fn boundary(content_type: &[u8]) -> Option<Vec<u8>> {
    let (kind, parameters) = split_at_byte(content_type, b';');
    if !kind.trim_ascii().eq_ignore_ascii_case(b"multipart/form-data") {
        return None;
    }
    parameter(parameters, b"boundary").filter(|boundary| {
        let fits = (1..=BOUNDARY_BYTES).contains(&boundary.len());
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(byte);
        fits && boundary.iter().all(allowed) && !boundary.ends_with(b" ")
    })
}

impl<R: Read> Form<R> {
    pub(super) fn new(boundary: &[u8], body: R) -> Self {
        let delimiter = [b"\r\n--", boundary].concat();
        // As if the line before the first delimiter had ended: what is before that is nobody's.
        Self { body, buffer: b"\r\n".to_vec(), at: 0, delimiter, inside: true, parts: 0 }
    }

    /// The head of the next part; `None` behind the last one. What is left of the part before is skipped.
    pub(super) fn next_part(&mut self) -> Result<Option<Part>, FormError> {
        if self.inside {
            self.content(|_| ())?;
        }
        self.parts += 1;
        if self.parts > PARTS {
            return Err(FormError::TooLarge("a form has at most 64 parts"));
        }
        self.need(2)?;
        if self.rest().starts_with(b"--") {
            return Ok(None);
        }
        // Blanks may follow a delimiter on its line.
        let line = self.head_until(b"\r\n")?;
        if !line.trim_ascii().is_empty() {
            return Err(FormError::Malformed("a boundary does not end its line"));
        }
        // The line's own end is left: a head may be empty.
        let head = self.head_until(b"\r\n\r\n")?;
        let part = read_head(&head)?;
        self.at += b"\r\n\r\n".len();
        self.inside = true;
        Ok(Some(part))
    }

    /// Hands on what the part contains, up to the next delimiter, and returns how many bytes that were.
    pub(super) fn content(&mut self, mut take: impl FnMut(&[u8])) -> Result<u64, FormError> {
        let mut bytes = 0;
        loop {
            let rest = &self.buffer[self.at..];
            let found = memmem::find(rest, &self.delimiter);
            // What could be the beginning of a delimiter has to wait for what follows.
            let content = found.unwrap_or((rest.len() + 1).saturating_sub(self.delimiter.len()));
            take(&rest[..content]);
            bytes += content as u64;
            self.at += content;
            if found.is_some() {
                self.at += self.delimiter.len();
                self.inside = false;
                return Ok(bytes);
            }
            self.read_more()?;
        }
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// What is before `end`, which is left.
    fn head_until(&mut self, end: &[u8]) -> Result<Vec<u8>, FormError> {
        loop {
            if let Some(length) = memmem::find(self.rest(), end) {
                let head = self.rest()[..length].to_vec();
                self.at += length;
                return Ok(head);
            }
            if self.rest().len() > HEAD_BYTES {
                return Err(FormError::TooLarge("the head of a part has at most 4096 bytes"));
            }
            self.read_more()?;
        }
    }

    fn need(&mut self, bytes: usize) -> Result<(), FormError> {
        while self.rest().len() < bytes {
            self.read_more()?;
        }
        Ok(())
    }

    /// Appends a piece. The body must not end here.
    fn read_more(&mut self) -> Result<(), FormError> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let length = self.buffer.len();
        self.buffer.resize(length + PIECE_BYTES, 0);
        let read = self.body.read(&mut self.buffer[length..]);
        self.buffer.truncate(length + read.as_ref().copied().unwrap_or(0));
        match read? {
            0 => Err(FormError::Malformed("the form has no end")),
            _ => Ok(()),
        }
    }
}

/// The fields of a part's head, each behind a line's end.
fn read_head(head: &[u8]) -> Result<Part, FormError> {
    const BROKEN: FormError = FormError::Malformed("the head of a part is broken");
    let mut part = Part::default();
    let mut named = false;
    for line in lines(head) {
        let (name, value) = split_at_byte(line, b':');
        if name.eq_ignore_ascii_case(b"content-disposition") {
            let (kind, parameters) = split_at_byte(value, b';');
            if named || !kind.trim_ascii().eq_ignore_ascii_case(b"form-data") {
                return Err(BROKEN);
            }
            part.name = text(parameter(parameters, b"name").ok_or(BROKEN)?)?;
            part.filename = parameter(parameters, b"filename").map(text).transpose()?;
            named = true;
        } else if name.eq_ignore_ascii_case(b"content-type") {
            part.content_type = Some(text(value.trim_ascii().to_vec())?);
        }
    }
    // Every part has a name (RFC 7578 section 4.2).
    if named { Ok(part) } else { Err(BROKEN) }
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = head;
    std::iter::from_fn(move || {
        rest = rest.strip_prefix(b"\r\n")?;
        let end = memmem::find(rest, b"\r\n").unwrap_or(rest.len());
        let (line, behind) = rest.split_at(end);
        rest = behind;
        Some(line)
    })
}

fn text(bytes: Vec<u8>) -> Result<String, FormError> {
    String::from_utf8(bytes).map_err(|_| FormError::Malformed("the head of a part is not UTF-8"))
}

/// The value of a parameter, without its quotes. In those a backslash stands for a quote or for another
/// backslash, and otherwise for itself, as in the paths that some clients send.
fn parameter(parameters: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut rest = parameters;
    while !rest.is_empty() {
        let (key, behind) = split_at_byte(rest, b'=');
        let (value, behind) = parameter_value(behind)?;
        if key.trim_ascii().eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = behind;
    }
    None
}

/// A value, and what follows the semicolon behind it; `None` if it is broken.
fn parameter_value(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let Some(quoted) = bytes.trim_ascii_start().strip_prefix(b"\"") else {
        let (value, behind) = split_at_byte(bytes, b';');
        return Some((value.trim_ascii().to_vec(), behind));
    };
    let mut value = Vec::new();
    let mut at = 0;
    loop {
        match (quoted.get(at)?, quoted.get(at + 1)) {
            (b'"', _) => break,
            (b'\\', Some(escaped @ (b'"' | b'\\'))) => {
                value.push(*escaped);
                at += 2;
            }
            (byte, _) => {
                value.push(*byte);
                at += 1;
            }
        }
    }
    let (between, behind) = split_at_byte(&quoted[at + 1..], b';');
    between.trim_ascii().is_empty().then_some((value, behind))
}

/// What is before the first such byte, and what is behind it.
fn split_at_byte(bytes: &[u8], byte: u8) -> (&[u8], &[u8]) {
    match memchr::memchr(byte, bytes) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}

#[cfg(test)]
mod tests;
