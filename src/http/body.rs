//! Decoding of a chunked body in place (RFC 9112 section 7.1). Chunk extensions are skipped, trailers are dropped.

use super::buffer::Input;
use super::status::Status;
use super::url::hex_digit;

/// Longest line of chunk framing: size, extensions, line end. Extensions have no use here, only abuse.
const MAX_CHUNK_LINE_BYTES: usize = 256;

/// Most bytes of trailer fields, which are read and dropped.
const MAX_TRAILER_BYTES: usize = 4096;

/// Hexadecimal digits of a chunk's size; more could only overflow or be padding.
const MAX_SIZE_DIGITS: usize = 16;

#[derive(Clone, Copy, Debug)]
enum Phase {
    Size,
    Data { left: usize },
    DataEnd,
    Trailer,
}

/// Turns `size CRLF data CRLF …` behind a head into the plain body, as far as its bytes have come.
#[derive(Debug)]
pub(crate) struct ChunkedDecoder {
    phase: Phase,
    decoded: usize,
    trailer_bytes: usize,
    max_body_bytes: usize,
}

impl ChunkedDecoder {
    pub(crate) fn new(max_body_bytes: usize) -> Self {
        Self { phase: Phase::Size, decoded: 0, trailer_bytes: 0, max_body_bytes }
    }

    /// Decodes what stands at `head_bytes` of the input; the framing is removed there, so that the body closes up.
    /// `Some(length)` when the whole body is decoded.
    ///
    /// # Errors
    /// 400 for broken framing, 413 as soon as the sizes announced exceed the limit.
    pub(crate) fn advance(&mut self, input: &mut Input, head_bytes: usize) -> Result<Option<usize>, Status> {
        loop {
            let at = head_bytes + self.decoded;
            let rest = &input.unread()[at..];
            match self.phase {
                Phase::Size => {
                    let Some(line_bytes) = line_length(rest, MAX_CHUNK_LINE_BYTES)? else { return Ok(None) };
                    let size = parse_size(&rest[..line_bytes - 2])?;
                    if size > self.max_body_bytes - self.decoded {
                        return Err(Status::ContentTooLarge);
                    }
                    input.remove(at, line_bytes);
                    self.phase = if size == 0 { Phase::Trailer } else { Phase::Data { left: size } };
                }
                Phase::Data { left } => {
                    let come = rest.len().min(left);
                    self.decoded += come;
                    if come < left {
                        self.phase = Phase::Data { left: left - come };
                        return Ok(None);
                    }
                    self.phase = Phase::DataEnd;
                }
                Phase::DataEnd => {
                    if rest.len() < 2 && b"\r\n".starts_with(rest) {
                        return Ok(None);
                    }
                    if !rest.starts_with(b"\r\n") {
                        return Err(Status::BadRequest);
                    }
                    input.remove(at, 2);
                    self.phase = Phase::Size;
                }
                Phase::Trailer => {
                    let Some(line_bytes) = line_length(rest, MAX_TRAILER_BYTES)? else { return Ok(None) };
                    self.trailer_bytes += line_bytes;
                    if self.trailer_bytes > MAX_TRAILER_BYTES {
                        return Err(Status::HeaderFieldsTooLarge);
                    }
                    if line_bytes > 2 && !is_field_line(&rest[..line_bytes - 2]) {
                        return Err(Status::BadRequest);
                    }
                    input.remove(at, line_bytes);
                    if line_bytes == 2 {
                        return Ok(Some(self.decoded));
                    }
                }
            }
        }
    }
}

/// Length of the line at the start of `bytes` with its CRLF; `None` while the line is incomplete.
fn line_length(bytes: &[u8], most: usize) -> Result<Option<usize>, Status> {
    match memchr::memchr(b'\n', bytes) {
        Some(at) if at == 0 || bytes[at - 1] != b'\r' || at >= most => Err(Status::BadRequest),
        Some(at) => Ok(Some(at + 1)),
        None if bytes.len() >= most => Err(Status::BadRequest),
        None => Ok(None),
    }
}

/// `1*HEXDIG [ chunk-ext ]`; an extension starts with a semicolon, blanks before it are refused.
fn parse_size(line: &[u8]) -> Result<usize, Status> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let extension = &line[digits..];
    let extension_ok = extension.is_empty()
        || (extension.len() > 1
            && extension[0] == b';'
            && extension.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f)));
    if digits == 0 || digits > MAX_SIZE_DIGITS || !extension_ok {
        return Err(Status::BadRequest);
    }
    line[..digits]
        .iter()
        .try_fold(0_usize, |size, byte| size.checked_mul(16)?.checked_add(usize::from(hex_digit(*byte)?)))
        .ok_or(Status::BadRequest)
}

/// `token ":" value` without control characters (RFC 9110 section 5.1).
fn is_field_line(line: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', line) else { return false };
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    colon > 0
        && line[..colon].iter().all(token)
        && line[colon + 1..].iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;

    type BodyAndRest = (Vec<u8>, Vec<u8>);

    fn decode(parts: &[&[u8]], max: usize) -> Result<Option<BodyAndRest>, Status> {
        let mut input = Input::default();
        let mut decoder = ChunkedDecoder::new(max);
        for part in parts {
            input.room(part.len())[..part.len()].copy_from_slice(part);
            input.filled(part.len());
            if let Some(length) = decoder.advance(&mut input, 0)? {
                return Ok(Some((input.unread()[..length].to_vec(), input.unread()[length..].to_vec())));
            }
        }
        Ok(None)
    }

    #[test]
    fn any_split_gives_the_same_body() {
        let stream = b"4;x=y\r\nWiki\r\n5\r\npedia\r\n0\r\nTrailer: dropped\r\n\r\nGET ";
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        let (body, _) = decode(&bytes, 100).unwrap().unwrap();
        assert_eq!(body, b"Wikipedia");
        for at in 0..stream.len() {
            let (first, second) = stream.split_at(at);
            let (body, _) = decode(&[first, second], 100).unwrap().unwrap();
            assert_eq!(body, b"Wikipedia", "split at {at}");
        }
        let (_, rest) = decode(&[stream], 100).unwrap().unwrap();
        assert_eq!(rest, b"GET ", "what follows belongs to the next request");
    }

    #[test]
    fn broken_framing_is_refused() {
        for broken in [
            &b"g\r\n"[..],
            b"\r\n",
            b"4\nWiki",
            b"4 \r\nWiki",
            b"0x4\r\nWiki",
            b"-1\r\n",
            b"4\r\nWikiX\r\n",
            b"4\r\nWiki\n0\r\n",
            b"11111111111111111\r\n",
            b"4;\r\nWiki",
            b"0\r\nno colon\r\n\r\n",
        ] {
            assert_eq!(decode(&[broken], 1000), Err(Status::BadRequest), "{}", broken.escape_ascii());
        }
    }

    #[test]
    fn the_limit_holds_for_the_announced_size() {
        assert_eq!(decode(&[b"65\r\n"], 100), Err(Status::ContentTooLarge));
        assert_eq!(decode(&[b"ffffffffffffffff\r\n"], 100), Err(Status::ContentTooLarge));
        assert_eq!(decode(&[b"3c\r\n", &[b'a'; 60], b"\r\n3c\r\n"], 100), Err(Status::ContentTooLarge));
    }
}
