//! Reads one HTTP/1.1 answer, wherever the pieces end: a body of a stated length, in chunks, or up to the
//! connection's end.
//!
//! An answer that comes in one piece, as nearly all do, is read where it lies and copied nowhere. What may
//! not enter: whether the answer is the one that was wanted.

use std::ops::Range;

/// A larger answer is a failure: nothing in a contest has a reason to be.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// A larger head is a failure.
const MAX_HEAD_BYTES: usize = 64 << 10;
const MAX_HEADERS: usize = 64;
/// A buffer larger than this is given back after its answer.
const KEPT_BYTES: usize = 64 << 10;

/// Why an answer is none.
pub(super) type Malformed = &'static str;

/// An answer that is there to its end.
#[derive(Debug)]
pub(super) struct Whole<'a> {
    pub(super) status: u16,
    pub(super) location: Option<&'a [u8]>,
    /// Its `X-Cache-Status`.
    pub(super) cache: Option<&'a [u8]>,
    /// It has a `Retry-After`.
    pub(super) retry_after: bool,
    pub(super) body: &'a [u8],
    /// The connection takes no further request.
    pub(super) close: bool,
}

/// The answer that a connection is about to give.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Everything that came, if the first piece was not all.
    held: Vec<u8>,
    state: State,
}

#[derive(Debug, Default)]
struct State {
    /// Where the answer begins, behind those with a status below 200.
    begin: usize,
    head: Option<Head>,
    /// Where the next chunk begins.
    chunk: usize,
    /// The chunks' content.
    decoded: Vec<u8>,
    /// Where the body lies, once it is whole; for chunks, the end of the last.
    body: Range<usize>,
}

#[derive(Debug)]
struct Head {
    status: u16,
    location: Option<Range<usize>>,
    cache: Option<Range<usize>>,
    retry_after: bool,
    framing: Framing,
    body_at: usize,
    close: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

impl Answer {
    /// Takes what was read; `ended` if the connection has. `bodiless` for an answer to `HEAD`.
    ///
    /// # Errors
    /// It is no answer, or not a whole one, or bytes follow that nobody asked for.
    pub(super) fn feed<'a>(
        &'a mut self,
        input: &'a [u8],
        ended: bool,
        bodiless: bool,
    ) -> Result<Option<Whole<'a>>, Malformed> {
        let fresh = self.held.is_empty();
        if !fresh {
            self.held.extend_from_slice(input);
        }
        let data = if fresh { input } else { &self.held };
        if !self.state.advance(data, ended, bodiless)? {
            if data.len() > MAX_ANSWER_BYTES {
                return Err("an answer of more than 16 MB");
            }
            if fresh {
                self.held.extend_from_slice(input);
            }
            return Ok(None);
        }
        let data = if fresh { input } else { &self.held };
        let Some(head) = &self.state.head else { return Ok(None) };
        if self.state.body.end != data.len() {
            return Err("bytes after the answer");
        }
        let body = match head.framing {
            Framing::Chunked => &self.state.decoded,
            _ => &data[self.state.body.clone()],
        };
        let part = |range: &Option<Range<usize>>| range.clone().map(|range| &data[range]);
        let (location, cache) = (part(&head.location), part(&head.cache));
        let (status, retry_after) = (head.status, head.retry_after);
        Ok(Some(Whole { status, location, cache, retry_after, body, close: head.close || ended }))
    }

    /// Makes ready for the next answer.
    pub(super) fn reset(&mut self) {
        self.held.clear();
        self.held.shrink_to(KEPT_BYTES);
        self.state.decoded.clear();
        self.state.decoded.shrink_to(KEPT_BYTES);
        self.state = State { decoded: std::mem::take(&mut self.state.decoded), ..State::default() };
    }
}

impl State {
    /// Whether the answer is whole.
    fn advance(&mut self, data: &[u8], ended: bool, bodiless: bool) -> Result<bool, Malformed> {
        while self.head.is_none() {
            let Some(head) = read_head(data, self.begin, bodiless)? else {
                return if ended { Err("closed before the whole answer") } else { Ok(false) };
            };
            self.chunk = head.body_at;
            if (100..200).contains(&head.status) {
                self.begin = head.body_at;
            } else {
                self.head = Some(head);
            }
        }
        let Some(head) = &self.head else { return Ok(false) };
        let at = head.body_at;
        let end = match head.framing {
            Framing::Length(length) => at.saturating_add(length),
            Framing::UntilClose if ended => data.len(),
            Framing::UntilClose => return Ok(false),
            Framing::Chunked => self.chunks(data)?.unwrap_or(usize::MAX),
        };
        if end <= data.len() {
            self.body = at..end;
            return Ok(true);
        }
        if ended { Err("closed before the whole answer") } else { Ok(false) }
    }

    /// Decodes the chunks that are there; the end of the answer if the last is among them.
    fn chunks(&mut self, data: &[u8]) -> Result<Option<usize>, Malformed> {
        loop {
            let rest = &data[self.chunk..];
            let (line, size) = match httparse::parse_chunk_size(rest) {
                Ok(httparse::Status::Complete(found)) => found,
                Ok(httparse::Status::Partial) => return Ok(None),
                Err(_) => return Err("a chunk without a size"),
            };
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            if size > MAX_ANSWER_BYTES {
                return Err("an answer of more than 16 MB");
            }
            if size == 0 {
                return self.trailers(&rest[line..], self.chunk + line);
            }
            let Some(chunk) = rest.get(line..line + size + 2) else { return Ok(None) };
            if !chunk.ends_with(b"\r\n") {
                return Err("a chunk longer than its size");
            }
            self.decoded.extend_from_slice(&chunk[..size]);
            self.chunk += line + size + 2;
        }
    }

    fn trailers(&self, rest: &[u8], at: usize) -> Result<Option<usize>, Malformed> {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        match httparse::parse_headers(rest, &mut headers) {
            Ok(httparse::Status::Complete((length, _))) => Ok(Some(at + length)),
            Ok(httparse::Status::Partial) => Ok(None),
            Err(_) => Err("no end after the last chunk"),
        }
    }
}

fn read_head(data: &[u8], begin: usize, bodiless: bool) -> Result<Option<Head>, Malformed> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut answer = httparse::Response::new(&mut headers);
    let rest = &data[begin..];
    let length = match answer.parse(rest) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if rest.len() > MAX_HEAD_BYTES => {
            return Err("a head of more than 64 KB");
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err("no HTTP answer"),
    };
    let status = answer.code.unwrap_or_default();
    let body_at = begin + length;
    let mut head = Head {
        status,
        location: None,
        cache: None,
        retry_after: false,
        framing: Framing::UntilClose,
        body_at,
        close: answer.version == Some(0),
    };
    for header in answer.headers.iter() {
        head.take(header, data)?;
    }
    if bodiless || (100..200).contains(&status) || status == 204 || status == 304 {
        head.framing = Framing::Length(0);
    }
    head.close |= head.framing == Framing::UntilClose;
    Ok(Some(head))
}

impl Head {
    fn take(&mut self, header: &httparse::Header<'_>, data: &[u8]) -> Result<(), Malformed> {
        if header.name.eq_ignore_ascii_case("content-length") {
            let length = number(header.value).ok_or("a content-length that is no number")?;
            match self.framing {
                Framing::Length(other) if other != length => return Err("two lengths"),
                Framing::Chunked => {}
                _ => self.framing = Framing::Length(length),
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            if !header.value.eq_ignore_ascii_case(b"chunked") {
                return Err("a transfer-encoding other than chunked");
            }
            self.framing = Framing::Chunked;
        } else if header.name.eq_ignore_ascii_case("connection") {
            let mut options = header.value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
            self.close |= options.any(|option| option.eq_ignore_ascii_case(b"close"));
        } else if header.name.eq_ignore_ascii_case("location") {
            self.location = Some(place(header.value, data));
        } else if header.name.eq_ignore_ascii_case("x-cache-status") {
            self.cache = Some(place(header.value, data));
        }
        self.retry_after |= header.name.eq_ignore_ascii_case("retry-after");
        Ok(())
    }
}

/// Where `part` of `data` lies in it.
fn place(part: &[u8], data: &[u8]) -> Range<usize> {
    let from = part.as_ptr().addr() - data.as_ptr().addr();
    from..from + part.len()
}

fn number(text: &[u8]) -> Option<usize> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Owned = (u16, Option<String>, String, bool);

    /// The answer, from pieces of `size` bytes and then the connection's end if `ended`.
    fn read(text: &str, size: usize, ended: bool) -> Result<Option<Owned>, Malformed> {
        let mut answer = Answer::default();
        let own = |whole: Whole<'_>| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (whole.status, whole.location.map(text), text(whole.body), whole.close)
        };
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        for (index, piece) in pieces.iter().enumerate() {
            if let Some(whole) = answer.feed(piece, false, false)?.map(own) {
                assert_eq!(index + 1, pieces.len(), "whole before its end");
                return Ok(Some(whole));
            }
        }
        if ended { Ok(answer.feed(b"", true, false)?.map(own)) } else { Ok(None) }
    }

    fn in_all_pieces(text: &str, ended: bool, expected: &Owned) {
        for size in 1..=text.len() {
            let got = read(text, size, ended);
            assert_eq!(got, Ok(Some(expected.clone())), "in pieces of {size} bytes");
        }
    }

    #[test]
    fn a_stated_length() {
        let text = "HTTP/1.1 201 Created\r\nLocation: /pessoas/1\r\ncontent-length: 2\r\n\r\nok";
        in_all_pieces(text, false, &(201, Some("/pessoas/1".into()), "ok".into(), false));
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: foo, Close\r\n\r\n";
        in_all_pieces(text, false, &(200, None, String::new(), true));
    }

    #[test]
    fn what_a_cache_says() {
        for size in [7, 200] {
            let mut answer = Answer::default();
            let text = b"HTTP/1.1 200 OK\r\nx-cache-status: HIT\r\ncontent-length: 2\r\n\r\nok";
            let said = text.chunks(size).find_map(|piece| {
                answer.feed(piece, false, false).unwrap().map(|whole| whole.cache.map(<[u8]>::to_vec))
            });
            assert_eq!(said, Some(Some(b"HIT".to_vec())));
        }
        let mut answer = Answer::default();
        let without = answer.feed(b"HTTP/1.1 204 No Content\r\n\r\n", false, false).unwrap().unwrap();
        assert_eq!(without.cache, None);
    }

    #[test]
    fn chunks_with_extensions_and_trailers() {
        let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nx: y\r\n\r\n";
        in_all_pieces(text, false, &(200, None, "abc0123456789".into(), false));
    }

    #[test]
    fn until_the_connection_ends() {
        let text = "HTTP/1.1 200 OK\r\n\r\nall of it";
        in_all_pieces(text, true, &(200, None, "all of it".into(), true));
        assert_eq!(read(text, 3, false), Ok(None));
    }

    #[test]
    fn an_interim_answer_is_passed_over() {
        let text = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
        in_all_pieces(text, false, &(204, None, String::new(), false));
    }

    #[test]
    fn what_is_no_whole_answer_is_said() {
        let refused = |text: &str| read(text, text.len(), true).unwrap_err();
        assert_eq!(refused("SSH-2.0-x\r\n"), "no HTTP answer");
        assert_eq!(
            refused("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"),
            "closed before the whole answer"
        );
        assert_eq!(refused("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcdef"), "bytes after the answer");
        assert_eq!(
            refused("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"),
            "a content-length that is no number"
        );
        assert_eq!(
            refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"),
            "a chunk longer than its size"
        );
        assert_eq!(
            refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
            "closed before the whole answer"
        );
        assert_eq!(
            refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
            "a transfer-encoding other than chunked"
        );
        assert_eq!(Answer::default().feed(b"", true, false).unwrap_err(), "closed before the whole answer");
    }

    #[test]
    fn a_connection_gives_one_answer_after_the_other() {
        let mut answer = Answer::default();
        assert!(answer.feed(b"HTTP/1.1 200 OK\r\ncontent-le", false, false).unwrap().is_none());
        assert_eq!(answer.feed(b"ngth: 1\r\n\r\na", false, false).unwrap().unwrap().body, b"a");
        answer.reset();
        let next = answer
            .feed(b"HTTP/1.1 404 Not Found\r\ncontent-length: 1\r\n\r\nb", false, false)
            .unwrap()
            .unwrap();
        assert_eq!((next.status, next.body), (404, &b"b"[..]));
    }
}
