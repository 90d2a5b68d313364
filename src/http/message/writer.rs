//! A body that is larger than any buffer, written piece by piece in the memory of one piece.
//!
//! A write waits for the client up to the write timeout since its last progress, and for as long as the
//! client keeps the least rate; it parks the coroutine and nobody else. What fails here ends the connection.
//! What stands between a piece and the socket is a [`Sink`].

use std::io::{self, Write};

use super::status::Status;

/// What is collected where the output has no room at all. A usual piece fills the output, which does not grow
/// by it.
const LEAST_PIECE_BYTES: usize = 256;

/// Where an answer goes while it is being made.
pub(crate) trait Sink {
    /// A streamed answer begins, which may last for a bounded time if nobody knows its length. What stands
    /// before it in `output` leaves, and does not wait for it.
    fn begin(&self, output: &mut Vec<u8>, has_length: bool) -> Result<(), Broken>;

    /// Sends all of `output`, which ends with a part of the present answer, and waits where the client is
    /// slow. The output is empty then.
    fn send(&self, output: &mut Vec<u8>) -> Result<(), Broken>;

    /// An answer of `answer_bytes` has made `output` grow. `Ok` with the capacity that it may have from now
    /// on; if all outputs together may not hold so much, the status of the answer to send in its place.
    ///
    /// An answer that `spares` leaves a part of the room to others: nothing was changed by its request.
    fn hold(&self, output: &mut Vec<u8>, answer_bytes: usize, spares: bool) -> Result<usize, Status>;
}

/// Why a wait or a transfer ended the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The client left, or the socket failed.
    Gone,
    /// The deadline passed.
    Late,
}

/// How far an answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Unwritten,
    /// It is whole, and all of it is still in the output.
    Written,
    /// It is whole, and has left in parts.
    Streamed,
    /// A part has left, and the rest will not come: only the connection's end can tell the client.
    Cut,
}

/// How a written body says where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WrittenFraming {
    /// By its length, of which so much is left to write.
    Length { left: u64 },
    /// In chunks (RFC 9112 section 7.1).
    Chunked,
    /// By the connection's end, for HTTP/1.0, which has no chunks.
    Close,
}

/// The body of an answer in the making, see [`Response::stream`](crate::http::Response::stream). What is
/// written is collected and sent in pieces; a client that is slow parks the coroutine.
///
/// # Errors
/// Its writes fail with `BrokenPipe` if the client left, `TimedOut` if it reads nothing for the write
/// timeout, is slower than the least rate, or an answer without a length has lasted too long, and `WriteZero`
/// past the length that was announced.
pub struct BodyWriter<'o> {
    out: &'o mut Vec<u8>,
    sink: Option<&'o dyn Sink>,
    framing: WrittenFraming,
    /// Where the open chunk's line begins in `out`.
    chunk_at: Option<usize>,
    progress: &'o mut Progress,
    broken: bool,
}

/// A chunk's line of a fixed width, written before its size is known; leading zeros are part of the grammar.
const CHUNK_LINE: &[u8] = b"00000000\r\n";

/// What ends a chunk, and a chunked body.
const CHUNK_ENDS: &[u8] = b"\r\n0\r\n\r\n";

impl<'o> BodyWriter<'o> {
    /// A writer behind a head that is in `out`; all of the answer is there yet, as `progress` says.
    pub(crate) fn new(
        out: &'o mut Vec<u8>,
        sink: Option<&'o dyn Sink>,
        framing: WrittenFraming,
        progress: &'o mut Progress,
    ) -> Self {
        Self { out, sink, framing, progress, chunk_at: None, broken: false }
    }

    /// Ends the body, of which the handler has `written` all that it wanted.
    pub(crate) fn finish(mut self, written: bool) {
        self.end_chunk();
        if !written || self.broken || matches!(self.framing, WrittenFraming::Length { left: 1.. }) {
            if *self.progress == Progress::Written {
                *self.progress = Progress::Unwritten;
            }
            return;
        }
        if self.framing == WrittenFraming::Chunked {
            self.out.extend_from_slice(b"0\r\n\r\n");
        }
        if *self.progress == Progress::Cut {
            *self.progress = Progress::Streamed;
        }
    }

    fn end_chunk(&mut self) {
        let Some(chunk_at) = self.chunk_at.take() else { return };
        let mut size = self.out.len() - chunk_at - CHUNK_LINE.len();
        for digit in self.out[chunk_at..chunk_at + 8].iter_mut().rev() {
            *digit = b"0123456789abcdef"[size % 16];
            size /= 16;
        }
        self.out.extend_from_slice(b"\r\n");
    }

    fn send(&mut self) -> io::Result<()> {
        self.end_chunk();
        // Without a client's socket, in a test, the answer is only collected.
        let Some(sink) = self.sink else { return Ok(()) };
        // Until the end is written it is a part, whatever becomes of the handler.
        *self.progress = Progress::Cut;
        sink.send(self.out).map_err(|broken| {
            self.broken = true;
            match broken {
                Broken::Gone => io::ErrorKind::BrokenPipe.into(),
                Broken::Late => io::ErrorKind::TimedOut.into(),
            }
        })
    }

    /// Bytes that the output takes without growing, the framing behind them included.
    fn room(&self) -> usize {
        let framing = match (self.framing, self.chunk_at) {
            (WrittenFraming::Chunked, None) => CHUNK_LINE.len() + CHUNK_ENDS.len(),
            (WrittenFraming::Chunked, Some(_)) => CHUNK_ENDS.len(),
            (WrittenFraming::Length { .. } | WrittenFraming::Close, _) => 0,
        };
        self.out.capacity().saturating_sub(self.out.len() + framing)
    }
}

impl Write for BodyWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.room() == 0 && !self.out.is_empty() {
            self.send()?;
        }
        let room = Some(self.room()).filter(|room| *room > 0).unwrap_or(LEAST_PIECE_BYTES);
        let piece = &bytes[..bytes.len().min(room)];
        match &mut self.framing {
            WrittenFraming::Length { left } => match left.checked_sub(piece.len() as u64) {
                Some(less) => *left = less,
                None => {
                    return Err(io::Error::new(io::ErrorKind::WriteZero, "more than the length announced"));
                }
            },
            WrittenFraming::Chunked if self.chunk_at.is_none() && !piece.is_empty() => {
                self.chunk_at = Some(self.out.len());
                self.out.extend_from_slice(CHUNK_LINE);
            }
            WrittenFraming::Chunked | WrittenFraming::Close => {}
        }
        self.out.extend_from_slice(piece);
        if self.room() == 0 {
            self.send()?;
        }
        Ok(piece.len())
    }

    /// Sends what was collected, so that a client can follow an answer that is slow in the making.
    fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() { Ok(()) } else { self.send() }
    }
}
