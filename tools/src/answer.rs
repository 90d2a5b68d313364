//! Answers, read as strictly as they must be written (RFC 9112).

use std::io;
use std::io::ErrorKind::InvalidData;

/// What no head and no content of an answer in these tests exceeds.
const MAX_HEAD_BYTES: usize = 64 << 10;
const MAX_BODY_BYTES: usize = 256 << 20;

/// One answer, interim ones too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub minor: u8,
    /// As they were written, but for one blank behind the colon, which every recipient expects
    /// (RFC 9110 section 5.6.3), and those at the end.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// Without any blanks around it.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.header(name).map(|value| value.trim_matches([' ', '\t']))
    }

    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.headers.iter().filter(move |(of, _)| of.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    pub fn has_option(&self, name: &str, option: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(','))
            .any(|one| one.trim().eq_ignore_ascii_case(option))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }
}

/// Where the content of an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(usize),
    Chunks,
    Close,
}

fn malformed(what: impl Into<String>) -> io::Error {
    io::Error::new(InvalidData, what.into())
}

/// The head at the beginning of `raw`, with its length; `None` where it is not whole.
pub(crate) fn head(raw: &[u8]) -> io::Result<Option<(Answer, usize)>> {
    let begins = raw.len().min(5);
    if raw[..begins] != b"HTTP/"[..begins] {
        return Err(malformed("bytes follow that belong to no answer, or content where none may be"));
    }
    let Some(length) = find(raw, b"\r\n\r\n") else {
        return if raw.len() > MAX_HEAD_BYTES {
            Err(malformed("an answer's head is too long"))
        } else {
            Ok(None)
        };
    };
    let text = std::str::from_utf8(&raw[..length]).map_err(|_| malformed("an answer's head is no UTF-8"))?;
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let (minor, status) =
        status_line(line).ok_or_else(|| malformed(format!("malformed status line: {line:?}")))?;
    let field = |line: &str| field(line).ok_or_else(|| malformed(format!("malformed field: {line:?}")));
    let headers = lines.map(field).collect::<io::Result<_>>()?;
    Ok(Some((Answer { status, minor, headers, body: Vec::new() }, length + 4)))
}

fn status_line(line: &str) -> Option<(u8, u16)> {
    let (minor, rest) = line.strip_prefix("HTTP/1.")?.split_once(' ')?;
    // The blank after the code is there even where no reason follows.
    let (code, _reason) = rest.split_once(' ')?;
    let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    if !is_code || minor.len() != 1 {
        return None;
    }
    Some((minor.parse().ok()?, code.parse().ok().filter(|status| *status >= 100)?))
}

fn field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) || value.bytes().any(|byte| byte < 32 && byte != b'\t')
    {
        return None;
    }
    let value = value.strip_prefix(' ').unwrap_or(value).trim_end_matches([' ', '\t']);
    Some((name.to_owned(), value.to_owned()))
}

/// How the content of this answer is framed; one to a HEAD request has none, whatever its fields say.
pub(crate) fn framing(answer: &Answer, to_head: bool) -> io::Result<Framing> {
    if to_head || answer.status < 200 || matches!(answer.status, 204 | 304) {
        return Ok(Framing::Length(0));
    }
    if answer.field("transfer-encoding").is_some() {
        return Ok(Framing::Chunks);
    }
    let Some(length) = answer.field("content-length") else { return Ok(Framing::Close) };
    let length = length.parse().ok().filter(|length| *length <= MAX_BODY_BYTES);
    length
        .map(Framing::Length)
        .ok_or_else(|| malformed("an answer's Content-Length is no number, or too large"))
}

/// Takes from `raw` what is whole of the content: how many bytes, and whether that was all.
pub(crate) fn content(
    framing: Framing,
    raw: &[u8],
    closed: bool,
    body: &mut Vec<u8>,
) -> io::Result<(usize, bool)> {
    let length = match framing {
        Framing::Length(length) if raw.len() >= length => length,
        Framing::Close if closed => raw.len(),
        Framing::Chunks => return chunks(raw, body),
        Framing::Length(_) | Framing::Close => return Ok((0, false)),
    };
    body.extend_from_slice(&raw[..length]);
    Ok((length, true))
}

/// Whole chunks, and behind the last one the trailers.
fn chunks(raw: &[u8], body: &mut Vec<u8>) -> io::Result<(usize, bool)> {
    let mut at = 0;
    while let Some(line) = find(&raw[at..], b"\r\n") {
        let size = chunk_size(&raw[at..at + line])?;
        let data = at + line + 2;
        if size == 0 {
            // The line end of the last chunk may be the empty line already.
            let end = find(&raw[data - 2..], b"\r\n\r\n");
            return Ok(end.map_or((at, false), |end| (data - 2 + end + 4, true)));
        }
        let Some(end) = raw.get(data + size..data + size + 2) else { break };
        if end != b"\r\n" {
            return Err(malformed("no line end after a chunk's data in an answer"));
        }
        body.extend_from_slice(&raw[data..data + size]);
        at = data + size + 2;
        if body.len() > MAX_BODY_BYTES {
            return Err(malformed("an answer's chunks are too large"));
        }
    }
    Ok((at, false))
}

fn chunk_size(line: &[u8]) -> io::Result<usize> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let size =
        std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let size =
        size.and_then(|text| usize::from_str_radix(text, 16).ok()).filter(|size| *size <= MAX_BODY_BYTES);
    size.ok_or_else(|| malformed(format!("{:?} is no size of a chunk", line.escape_ascii().to_string())))
}

/// The answers in all that came, and what is wrong with the rest of it. Whether one is to a HEAD request is
/// told by those before it.
pub fn all(raw: &[u8], closed: bool, to_head: impl Fn(&[Answer]) -> bool) -> (Vec<Answer>, Option<String>) {
    let (mut answers, mut rest) = (Vec::new(), raw);
    while !rest.is_empty() {
        match one(rest, closed, to_head(&answers)) {
            Ok((answer, length)) => {
                answers.push(answer);
                rest = &rest[length..];
            }
            Err(fault) => return (answers, Some(fault.to_string())),
        }
    }
    (answers, None)
}

fn one(raw: &[u8], closed: bool, to_head: bool) -> io::Result<(Answer, usize)> {
    let (mut answer, length) = head(raw)?.ok_or_else(|| malformed("an answer's head has no end"))?;
    let framing = framing(&answer, to_head)?;
    let (taken, whole) = content(framing, &raw[length..], closed, &mut answer.body)?;
    match framing {
        _ if whole => Ok((answer, length + taken)),
        Framing::Length(_) => Err(malformed("an answer's content is shorter than its Content-Length")),
        Framing::Chunks => Err(malformed("an answer's chunks have no end")),
        Framing::Close => Err(malformed("the end of an answer's content cannot be told from what follows")),
    }
}

pub fn find(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|window| window == what)
}
