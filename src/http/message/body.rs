//! Decoding of a chunked body in place (RFC 9112 section 7.1). Chunk extensions are skipped, trailers are
//! dropped.

use super::buffer::Input;
use super::fields::is_token_byte;
use super::status::Status;
use super::url::hex_digit;

/// Longest line of chunk framing: size, extensions, line end. Extensions have no use here, only abuse.
const MAX_CHUNK_LINE_BYTES: usize = 256;

/// Most bytes of chunk extensions in one body, without the limit on which many small ones escape that on
/// bodies (RFC 9112 section 7.1.1).
const MAX_EXTENSION_BYTES: usize = 4096;

/// Most bytes of trailer fields, which are read and dropped.
const MAX_TRAILER_BYTES: usize = 4096;

#[derive(Clone, Copy, Debug)]
enum ChunkPart {
    Size,
    Data { left: usize },
    DataEnd,
    Trailer,
}

/// Turns `size CRLF data CRLF …` behind a head into the plain body, as far as its bytes have come.
#[derive(Debug)]
pub(crate) struct ChunkedDecoder {
    part: ChunkPart,
    decoded: usize,
    extension_bytes: usize,
    trailer_bytes: usize,
    /// How much more the body may come to, without what is decoded and not yet taken.
    max_body_bytes: usize,
}

/// A chunked body that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// Bytes of the plain body, which stands right behind the head.
    pub(crate) body_bytes: usize,
    /// Bytes that the body took with its framing; behind them the next request begins.
    pub(crate) framed_bytes: usize,
}

/// Where one call of [`ChunkedDecoder::advance`] stands in the bytes behind the head.
struct Cursors {
    read: usize,
    /// The end of the plain body; never past `read`.
    write: usize,
}

impl ChunkedDecoder {
    pub(crate) fn new(max_body_bytes: usize) -> Self {
        Self { part: ChunkPart::Size, decoded: 0, extension_bytes: 0, trailer_bytes: 0, max_body_bytes }
    }

    /// Decodes what stands at `head_bytes` of the input, in place. Linear in the bytes, however small the
    /// chunks: each byte of the body moves once, and what follows moves once a call, or not at all where the
    /// body is whole.
    ///
    /// # Errors
    /// 400 for broken framing, 413 as soon as the sizes announced exceed the limit.
    pub(crate) fn advance(
        &mut self,
        input: &mut Input,
        head_bytes: usize,
    ) -> Result<Option<Decoded>, Status> {
        let bytes = &mut input.unread_mut()[head_bytes..];
        let mut at = Cursors { read: self.decoded, write: self.decoded };
        let whole = self.decode(bytes, &mut at)?;
        self.decoded = at.write;
        if whole {
            return Ok(Some(Decoded { body_bytes: at.write, framed_bytes: at.read }));
        }
        input.remove(head_bytes + at.write, at.read - at.write);
        Ok(None)
    }

    /// The plain bytes decoded so far, which stand at `head_bytes` and are now the caller's to consume.
    pub(crate) fn take_decoded(&mut self) -> usize {
        let taken = std::mem::take(&mut self.decoded);
        self.max_body_bytes -= taken;
        taken
    }

    /// `true` when the body is whole, `false` when it needs more bytes.
    fn decode(&mut self, bytes: &mut [u8], at: &mut Cursors) -> Result<bool, Status> {
        loop {
            let rest = &bytes[at.read..];
            match self.part {
                ChunkPart::Size => {
                    let Some(line_bytes) = line_length(rest, MAX_CHUNK_LINE_BYTES)? else { return Ok(false) };
                    let (size, extension_bytes) = parse_size(&rest[..line_bytes - 2])?;
                    self.extension_bytes += extension_bytes;
                    if self.extension_bytes > MAX_EXTENSION_BYTES {
                        return Err(Status::BadRequest);
                    }
                    if size > self.max_body_bytes - at.write {
                        return Err(Status::ContentTooLarge);
                    }
                    at.read += line_bytes;
                    self.part = if size == 0 { ChunkPart::Trailer } else { ChunkPart::Data { left: size } };
                }
                ChunkPart::Data { left } => {
                    let come = rest.len().min(left);
                    bytes.copy_within(at.read..at.read + come, at.write);
                    at.read += come;
                    at.write += come;
                    if come < left {
                        self.part = ChunkPart::Data { left: left - come };
                        return Ok(false);
                    }
                    self.part = ChunkPart::DataEnd;
                }
                ChunkPart::DataEnd => {
                    if rest.len() < 2 && b"\r\n".starts_with(rest) {
                        return Ok(false);
                    }
                    if !rest.starts_with(b"\r\n") {
                        return Err(Status::BadRequest);
                    }
                    at.read += 2;
                    self.part = ChunkPart::Size;
                }
                ChunkPart::Trailer => {
                    let Some(line_bytes) = line_length(rest, MAX_TRAILER_BYTES)? else { return Ok(false) };
                    self.take_trailer(&rest[..line_bytes - 2])?;
                    at.read += line_bytes;
                    if line_bytes == 2 {
                        return Ok(true);
                    }
                }
            }
        }
    }

    /// One line of the trailer section: checked like a field, counted, and dropped (RFC 9112 section 7.1.2).
    fn take_trailer(&mut self, line: &[u8]) -> Result<(), Status> {
        self.trailer_bytes += line.len() + 2;
        if self.trailer_bytes > MAX_TRAILER_BYTES {
            return Err(Status::HeaderFieldsTooLarge);
        }
        if line.is_empty() || is_field_line(line) { Ok(()) } else { Err(Status::BadRequest) }
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

/// `chunk-size [ chunk-ext ]` without its line end: the size, and the bytes of the extensions. Zeros may pad
/// the size (RFC 9112 section 7.1) for as long as its line may be; what does not fit a `usize` is refused.
fn parse_size(line: &[u8]) -> Result<(usize, usize), Status> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits == 0 || !is_extension(&line[digits..]) {
        return Err(Status::BadRequest);
    }
    let size = line[..digits]
        .iter()
        .try_fold(0_usize, |size, byte| size.checked_mul(16)?.checked_add(usize::from(hex_digit(*byte)?)));
    Ok((size.ok_or(Status::BadRequest)?, line.len() - digits))
}

/// `*( BWS ";" BWS name [ BWS "=" BWS value ] )` (RFC 9112 section 7.1.1). Blanks are bad white space, and
/// taken only where the grammar has them: a size with blanks and nothing behind them is refused.
fn is_extension(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some(named) = strip_blanks(rest).strip_prefix(b";").map(strip_blanks) else { return false };
        let Some(after_name) = strip_token(named) else { return false };
        rest = after_name;
        if let Some(valued) = strip_blanks(after_name).strip_prefix(b"=").map(strip_blanks) {
            let after_value =
                if valued.starts_with(b"\"") { strip_quoted(valued) } else { strip_token(valued) };
            let Some(after_value) = after_value else { return false };
            rest = after_value;
        }
    }
    true
}

fn strip_blanks(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &bytes[blanks..]
}

/// What follows the token at the start (RFC 9110 section 5.6.2).
fn strip_token(bytes: &[u8]) -> Option<&[u8]> {
    let length = bytes.iter().take_while(|byte| is_token_byte(**byte)).count();
    (length > 0).then(|| &bytes[length..])
}

/// What follows the quoted string at the start (RFC 9110 section 5.6.4).
fn strip_quoted(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 1;
    loop {
        match *bytes.get(at)? {
            b'"' => return Some(&bytes[at + 1..]),
            b'\\' if is_text_byte(*bytes.get(at + 1)?) => at += 2,
            byte if byte != b'\\' && is_text_byte(byte) => at += 1,
            _ => return None,
        }
    }
}

/// `token ":" value` without control characters (RFC 9110 section 5.1).
fn is_field_line(line: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', line) else { return false };
    colon > 0
        && line[..colon].iter().all(|byte| is_token_byte(*byte))
        && line[colon + 1..].iter().all(|byte| is_text_byte(*byte))
}

/// A tab, or anything that is not a control character.
const fn is_text_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
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
            if let Some(whole) = decoder.advance(&mut input, 0)? {
                let bytes = input.unread();
                return Ok(Some((bytes[..whole.body_bytes].to_vec(), bytes[whole.framed_bytes..].to_vec())));
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
            b"4 ;\r\nWiki",
            b"4;a \r\nWiki",
            b"4;a=\r\nWiki",
            b"4;a=b c\r\nWiki",
            b"4;a[=b\r\nWiki",
            b"4;a=\"b\r\nWiki",
            b"4;a=\"b\"c\r\nWiki",
            b"4;a=\"b\\\"\r\nWiki",
            b"4 a\r\nWiki",
            b"0\r\nno colon\r\n\r\n",
        ] {
            assert_eq!(decode(&[broken], 1000), Err(Status::BadRequest), "{}", broken.escape_ascii());
        }
    }

    #[test]
    fn extensions_of_the_grammar_are_skipped() {
        for line in ["4;a", "4;a=b", "4 ; a = b", "4;a;b=c", "4;a=\"b c\"", "4;a=\"\\\"\";b", "04;a"] {
            let stream = format!("{line}\r\nWiki\r\n0\r\n\r\n");
            let (body, _) = decode(&[stream.as_bytes()], 100).unwrap().unwrap();
            assert_eq!(body, b"Wiki", "{line}");
        }
    }

    #[test]
    fn zeros_pad_a_size_up_to_the_end_of_its_line() {
        let padded = |zeros: usize| {
            let stream = format!("{}4\r\nWiki\r\n0\r\n\r\n", "0".repeat(zeros));
            decode(&[stream.as_bytes()], 100).map(|whole| whole.map(|(body, _)| body))
        };
        for zeros in [1, 15, 16, 17, MAX_CHUNK_LINE_BYTES - 3] {
            assert_eq!(padded(zeros), Ok(Some(b"Wiki".to_vec())), "{zeros}");
        }
        assert_eq!(padded(MAX_CHUNK_LINE_BYTES - 2), Err(Status::BadRequest));
    }

    #[test]
    fn the_limit_holds_for_the_announced_size() {
        assert_eq!(decode(&[b"65\r\n"], 100), Err(Status::ContentTooLarge));
        assert_eq!(decode(&[b"ffffffffffffffff\r\n"], 100), Err(Status::ContentTooLarge));
        assert_eq!(decode(&[b"3c\r\n", &[b'a'; 60], b"\r\n3c\r\n"], 100), Err(Status::ContentTooLarge));
    }
}
