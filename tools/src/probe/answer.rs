//! Answers, read as strictly as they must be written.

use super::wire::Seen;

/// One answer, interim ones too.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub minor: u8,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn has_option(&self, name: &str, option: &str) -> bool {
        let values = self.fields.iter().filter(|(of, _)| of.eq_ignore_ascii_case(name));
        values.flat_map(|(_, value)| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(option))
    }
}

/// Reads `seen.raw` into answers and faults.
pub fn parse(seen: &mut Seen, head_at: Option<usize>) {
    let raw = std::mem::take(&mut seen.raw);
    let mut rest = &raw[..];
    while !rest.is_empty() {
        let is_head = head_at == Some(seen.answers.len());
        match one(rest, is_head, seen.closed) {
            Ok((answer, length)) => {
                seen.faults.extend(faults(&answer));
                seen.answers.push(answer);
                rest = &rest[length..];
            }
            Err(fault) => {
                seen.faults.push(fault);
                break;
            }
        }
    }
    seen.raw = raw;
}

fn one(raw: &[u8], is_head: bool, closed: bool) -> Result<(Answer, usize), String> {
    if !raw.starts_with(b"HTTP/") {
        return Err("bytes follow that belong to no answer, or content where none may be".to_owned());
    }
    let head_length = find(raw, b"\r\n\r\n").ok_or("an answer's head has no end")?;
    let head = std::str::from_utf8(&raw[..head_length]).map_err(|_| "an answer's head is no UTF-8")?;
    let mut lines = head.split("\r\n");
    let mut answer = Answer::default();
    (answer.minor, answer.status) =
        status_line(lines.next().unwrap_or_default()).ok_or("an answer's status line is malformed")?;
    for line in lines {
        answer.fields.push(field(line).ok_or_else(|| format!("malformed field in an answer: {line:?}"))?);
    }
    let start = head_length + 4;
    let length = content(&mut answer, &raw[start..], is_head, closed)?;
    Ok((answer, start + length))
}

/// The number of bytes that the content takes up on the wire.
fn content(answer: &mut Answer, raw: &[u8], is_head: bool, closed: bool) -> Result<usize, String> {
    if is_head || answer.status < 200 || matches!(answer.status, 204 | 304) {
        return Ok(0);
    }
    if answer.field("transfer-encoding").is_some() {
        return chunks(answer, raw);
    }
    let Some(length) = answer.field("content-length") else {
        answer.body = raw.to_vec();
        let end = "the end of an answer's content cannot be told from what follows";
        return if closed { Ok(raw.len()) } else { Err(end.to_owned()) };
    };
    let length: usize = length.parse().map_err(|_| "an answer's Content-Length is no number")?;
    answer.body = raw.get(..length).ok_or("an answer's content is shorter than its Content-Length")?.to_vec();
    Ok(length)
}

fn chunks(answer: &mut Answer, raw: &[u8]) -> Result<usize, String> {
    const SHORT: &str = "an answer's chunks have no end";
    let mut at = 0;
    loop {
        let line = find(&raw[at..], b"\r\n").ok_or(SHORT)?;
        let text = std::str::from_utf8(&raw[at..at + line]).map_err(|_| "a chunk's size is no text")?;
        let size = usize::from_str_radix(text.split(';').next().unwrap_or_default(), 16)
            .map_err(|_| format!("{text:?} is no size of a chunk"))?;
        at += line + 2;
        if size == 0 {
            break;
        }
        answer.body.extend(raw.get(at..at + size).ok_or(SHORT)?);
        at += size;
        if raw.get(at..at + 2) != Some(b"\r\n") {
            return Err("no line end after a chunk's data in an answer".to_owned());
        }
        at += 2;
    }
    loop {
        let line = find(&raw[at..], b"\r\n").ok_or(SHORT)?;
        at += line + 2;
        if line == 0 {
            return Ok(at);
        }
    }
}

fn status_line(line: &str) -> Option<(u8, u16)> {
    let rest = line.strip_prefix("HTTP/1.")?;
    let (minor, rest) = rest.split_once(' ')?;
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
    Some((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
}

/// What every answer owes, whatever it answers.
fn faults(answer: &Answer) -> Vec<String> {
    let mut faults = Vec::new();
    let status = answer.status;
    let count = |name: &str| answer.fields.iter().filter(|(of, _)| of.eq_ignore_ascii_case(name)).count();
    if answer.minor != 1 {
        faults.push(format!("{status} says HTTP/1.{} (9110 6.2)", answer.minor));
    }
    match answer.field("date") {
        None if (200..500).contains(&status) => faults.push(format!("{status} without Date (9110 6.6.1)")),
        Some(date) if !is_date(date) => faults.push(format!("Date {date:?} (9110 5.6.7)")),
        _ => {}
    }
    if count("date") > 1 || count("content-length") > 1 {
        faults.push(format!("{status} has a field twice (9110 5.3)"));
    }
    if (status < 200 || status == 204) && count("content-length") + count("transfer-encoding") > 0 {
        faults.push(format!("{status} announces content (9110 8.6, 9112 6.1)"));
    }
    if count("content-length") > 0 && count("transfer-encoding") > 0 {
        faults.push(format!("{status} has two lengths (9112 6.2)"));
    }
    if status == 405 && count("allow") == 0 {
        faults.push("405 without Allow (9110 15.5.6)".to_owned());
    }
    if matches!(status, 101 | 426) && count("upgrade") == 0 {
        faults.push(format!("{status} without Upgrade (9110 7.8)"));
    }
    faults
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, the only form that may be sent.
fn is_date(text: &str) -> bool {
    const SHAPE: &[u8; 29] = b"aaa, 00 aaa 0000 00:00:00 GMT";
    let fits = |(byte, shape): (u8, &u8)| match shape {
        b'a' => byte.is_ascii_alphabetic(),
        b'0' => byte.is_ascii_digit(),
        other => byte == *other,
    };
    text.len() == SHAPE.len() && text.bytes().zip(SHAPE).all(fits)
}

pub fn find(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|window| window == what)
}
