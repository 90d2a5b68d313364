//! Bodies that are larger than any buffer: read and written piece by piece, in the memory of one piece.
//!
//! A read waits for the client up to the body time-out, a write up to the write time-out, each since the last progress;
//! both park the coroutine and nobody else. What fails here ends the connection.

use std::io::{self, Read, Write};

use super::wire::{Broken, Wire};
use crate::http::message::body::ChunkedDecoder;
use crate::http::message::buffer::Input;
use crate::http::message::fields::BodyFraming;
use crate::http::message::response::Progress;
use crate::http::message::status::Status;
use crate::http::route::metrics::{Limit, Timeout};

/// Bytes of a written body that are collected before they are sent.
const PIECE_BYTES: usize = 16 * 1024;

/// Bytes that a handler left unread and that are read and dropped, so that the connection can go on.
const MAX_SKIPPED_BYTES: usize = 256 * 1024;

/// The body of a request to a route that was added with [`Router::route_stream`](crate::http::Router::route_stream), decoded from
/// chunks where it is chunked. The first read of a client that waits for it sends `100 Continue` (RFC 9110 section 10.1.1),
/// and fails where a part of the answer has left before: the client was never asked for its body.
///
/// # Errors
/// Its reads fail with `TimedOut` if the client pauses for longer than the body time-out, `UnexpectedEof` if it leaves,
/// `InvalidData` if the chunked coding is broken, and `FileTooLarge` past the route's limit. A handler should return them
/// (`?`): where it has not answered, the engine answers with 408, 400 or 413.
pub struct BodyReader<'c> {
    wire: &'c Wire<'c>,
    input: &'c mut Input,
    coding: Coding,
    invite: bool,
    failure: Option<Failure>,
    /// When all of it must be there; without one, each wait has the body time-out for itself.
    deadline_ms: Option<u64>,
}

/// What is left of the body.
enum Coding {
    Length {
        left: u64,
    },
    Chunked {
        decoder: ChunkedDecoder,
        /// Plain bytes at the start of the input.
        ready: usize,
        /// Bytes of framing behind them, once the last chunk is there.
        end: Option<usize>,
    },
    Done,
}

#[derive(Clone, Copy)]
enum Failure {
    /// The client left.
    Gone,
    Refused(Status),
}

impl<'c> BodyReader<'c> {
    /// The body that follows in `input`. A length must have been held against the limit before.
    pub(crate) fn new(
        wire: &'c Wire<'c>,
        input: &'c mut Input,
        framing: BodyFraming,
        max_bytes: usize,
        invite: bool,
    ) -> Self {
        let coding = match framing {
            BodyFraming::Length(left) => Coding::Length { left },
            BodyFraming::Chunked => {
                Coding::Chunked { decoder: ChunkedDecoder::new(max_bytes), ready: 0, end: None }
            }
        };
        Self { wire, input, coding, invite, failure: None, deadline_ms: None }
    }

    /// The status to answer with if the body could not be read to where the handler wanted; `Err` if nobody is there to
    /// read it.
    pub(crate) fn refusal(&self) -> Result<Option<Status>, Broken> {
        match self.failure {
            None => Ok(None),
            Some(Failure::Refused(status)) => Ok(Some(status)),
            Some(Failure::Gone) => Err(Broken::Gone),
        }
    }

    /// Reads and drops what the handler has left. `false` if that is too much, or was never invited: the connection must
    /// then end with the answer (RFC 9112 section 9.3).
    #[inline(never)] // its scrap is no part of a handler's stack
    pub(crate) fn skip_rest(&mut self) -> bool {
        if self.invite && !matches!(self.coding, Coding::Done | Coding::Length { left: 0 }) {
            return false;
        }
        self.deadline_ms = Some(self.deadline_from_now());
        let mut scrap = [0; 2048];
        let mut skipped = 0;
        while skipped <= MAX_SKIPPED_BYTES {
            match self.read(&mut scrap) {
                Ok(0) => return true,
                Ok(count) => skipped += count,
                Err(_) => return false,
            }
        }
        false
    }

    fn take(&mut self, count: usize, into: &mut [u8]) -> usize {
        let count = count.min(into.len()).min(self.input.len());
        into[..count].copy_from_slice(&self.input.unread()[..count]);
        self.input.consume(count);
        count
    }

    /// Waits until more has come.
    fn fill(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.invite) {
            if self.wire.answering.get() {
                // The status is never sent: an answer is on its way.
                return Err(self.fail(Status::BadRequest, io::ErrorKind::NotConnected));
            }
            // Who does not take this takes no status either.
            let invited = self.wire.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
            invited.map_err(|_| self.fail_broken(Broken::Gone))?;
        }
        let deadline_ms = self.deadline_ms.unwrap_or_else(|| self.deadline_from_now());
        loop {
            if self.wire.may_be_readable() {
                let wanted = self.wire.shared.limits.buffer_bytes / 2;
                let Some(room) = self.wire.shared.buffers.room(self.input, wanted) else {
                    self.wire.shared.metrics.hit(Limit::RequestBytes);
                    return Err(self.fail(Status::ServiceUnavailable, io::ErrorKind::OutOfMemory));
                };
                let come = self.wire.read(room).map_err(|broken| self.fail_broken(broken))?;
                if let Some(count) = come {
                    self.input.filled(count);
                    return Ok(());
                }
            }
            if let Err(broken) = self.wire.wait_until(deadline_ms) {
                self.wire.shared.metrics.timed_out(Timeout::Body);
                return Err(self.fail_broken(broken));
            }
        }
    }

    fn deadline_from_now(&self) -> u64 {
        self.wire.shared.clock.now_ms() + self.wire.shared.limits.body_timeout_ms
    }

    fn fail_broken(&mut self, broken: Broken) -> io::Error {
        match broken {
            Broken::Gone => {
                self.failure = Some(Failure::Gone);
                io::Error::new(io::ErrorKind::UnexpectedEof, "the client left before the body's end")
            }
            Broken::Late => self.fail(Status::RequestTimeout, io::ErrorKind::TimedOut),
        }
    }

    fn fail(&mut self, status: Status, kind: io::ErrorKind) -> io::Error {
        self.failure = Some(Failure::Refused(status));
        io::Error::new(kind, status.reason())
    }

    /// Decodes until there are plain bytes, or the end.
    fn decode(&mut self) -> io::Result<()> {
        while let Coding::Chunked { decoder, ready, end } = &mut self.coding {
            match decoder.advance(self.input, 0) {
                Ok(Some(whole)) => {
                    *ready = whole.body_bytes;
                    *end = Some(whole.framed_bytes - whole.body_bytes);
                    return Ok(());
                }
                Ok(None) => {
                    *ready = decoder.take_decoded();
                    if *ready > 0 {
                        return Ok(());
                    }
                    self.fill()?;
                }
                Err(Status::ContentTooLarge) => {
                    return Err(self.fail(Status::ContentTooLarge, io::ErrorKind::FileTooLarge));
                }
                Err(status) => return Err(self.fail(status, io::ErrorKind::InvalidData)),
            }
        }
        Ok(())
    }
}

impl Read for BodyReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        if self.failure.is_some() {
            return Err(io::Error::other("the body cannot be read any further"));
        }
        loop {
            match &mut self.coding {
                Coding::Done | Coding::Length { left: 0 } => return Ok(0),
                Coding::Length { .. } if self.input.is_empty() => self.fill()?,
                Coding::Length { left } => {
                    let most = usize::try_from(*left).unwrap_or(usize::MAX);
                    let count = self.take(most, into);
                    if let Coding::Length { left } = &mut self.coding {
                        *left -= count as u64;
                    }
                    return Ok(count);
                }
                Coding::Chunked { ready: 1.., .. } => {
                    let Coding::Chunked { ready, .. } = self.coding else { return Ok(0) };
                    let count = self.take(ready, into);
                    if let Coding::Chunked { ready, .. } = &mut self.coding {
                        *ready -= count;
                    }
                    return Ok(count);
                }
                Coding::Chunked { end: Some(framing), .. } => {
                    self.input.consume(*framing);
                    self.coding = Coding::Done;
                }
                Coding::Chunked { .. } => self.decode()?,
            }
        }
    }
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

/// The body of an answer in the making, see [`Response::stream`](crate::http::Response::stream). What is written is collected and sent
/// in pieces; a client that is slow parks the coroutine.
///
/// # Errors
/// Its writes fail with `BrokenPipe` if the client left, `TimedOut` if it reads nothing for the write time-out, and
/// `WriteZero` past the length that was announced.
pub struct BodyWriter<'o> {
    out: &'o mut Vec<u8>,
    wire: Option<&'o Wire<'o>>,
    framing: WrittenFraming,
    /// Where the open chunk's line begins in `out`.
    chunk_at: Option<usize>,
    progress: &'o mut Progress,
    broken: bool,
}

/// A chunk's line of a fixed width, written before its size is known; leading zeros are part of the grammar.
const CHUNK_LINE: &[u8] = b"00000000\r\n";

impl<'o> BodyWriter<'o> {
    /// A writer behind a head that is in `out`; all of the answer is there yet, as `progress` says.
    pub(crate) fn new(
        out: &'o mut Vec<u8>,
        wire: Option<&'o Wire<'o>>,
        framing: WrittenFraming,
        progress: &'o mut Progress,
    ) -> Self {
        Self { out, wire, framing, progress, chunk_at: None, broken: false }
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
        let Some(wire) = self.wire else { return Ok(()) };
        // Until the end is written it is a part, whatever becomes of the handler.
        *self.progress = Progress::Cut;
        wire.answering.set(true);
        match wire.write_all(self.out) {
            Ok(()) => {
                self.out.clear();
                Ok(())
            }
            Err(broken) => {
                self.broken = true;
                let kind = match broken {
                    Broken::Gone => io::ErrorKind::BrokenPipe,
                    Broken::Late => io::ErrorKind::TimedOut,
                };
                Err(kind.into())
            }
        }
    }
}

impl Write for BodyWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let piece = &bytes[..bytes.len().min(PIECE_BYTES)];
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
        if self.out.len() >= PIECE_BYTES {
            self.send()?;
        }
        Ok(piece.len())
    }

    /// Sends what was collected, so that a client can follow an answer that is slow in the making.
    fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() { Ok(()) } else { self.send() }
    }
}
