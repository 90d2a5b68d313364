//! A body that is larger than any buffer, read piece by piece in the memory of one piece.
//!
//! A read waits for the client up to the body timeout since its last progress, and for as long as the client
//! keeps the least rate; it parks the coroutine and nobody else. What fails here ends the connection. What
//! stands between a read and the socket is a [`Source`].

use std::io::{self, Read};

use super::body::ChunkedDecoder;
use super::buffer::Input;
use super::fields::BodyFraming;
use super::status::Status;
use super::writer::Broken;

/// Where the rest of a body comes from.
pub(crate) trait Source {
    /// Asks a client that waits for that to send its body.
    fn invite(&self) -> Result<(), ReadFailure>;

    /// Appends what has come to `input`, and waits for it up to `deadline_ms`.
    fn read_more(&self, input: &mut Input, deadline_ms: u64) -> Result<(), ReadFailure>;

    /// The deadline of a wait that begins now.
    fn deadline_ms(&self) -> u64;
}

/// Why there is no more of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadFailure {
    /// The client left.
    Gone,
    /// A part of the answer has left before the client was asked for its body.
    Uninvited,
    Refused(Status),
}

/// Bytes that a handler left unread and that are read and dropped, so that the connection can go on.
pub(in crate::http) const MAX_SKIPPED_BYTES: usize = 256 * 1024;

/// The body of a request to a route that was added with
/// [`Router::route_stream`](crate::http::Router::route_stream), decoded from chunks where it is chunked. The
/// first read of a client that waits for it sends `100 Continue` (RFC 9110 section 10.1.1), and fails where a
/// part of the answer has left before: the client was never asked for its body.
///
/// # Errors
/// Its reads fail with `TimedOut` if the client pauses for longer than the body timeout, is slower than the
/// least rate, or has sent chunks for too long, `UnexpectedEof` if it leaves, `InvalidData` if the chunked
/// coding is broken, and `FileTooLarge` past the route's limit. A handler should return them (`?`): where it
/// has not answered, the engine answers with 408, 400 or 413.
pub struct BodyReader<'c> {
    source: &'c dyn Source,
    input: &'c mut Input,
    coding: Coding,
    invite: bool,
    failure: Option<ReadFailure>,
    /// When all of it must be there; without one, each wait has the body timeout for itself.
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

impl<'c> BodyReader<'c> {
    /// The body that follows in `input`. A length must have been held against the limit before.
    pub(crate) fn new(
        source: &'c dyn Source,
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
        Self { source, input, coding, invite, failure: None, deadline_ms: None }
    }

    /// The status to answer with if the body could not be read to where the handler wanted; `Err` if nobody
    /// is there to read it.
    pub(crate) fn refusal(&self) -> Result<Option<Status>, Broken> {
        match self.failure {
            None => Ok(None),
            Some(ReadFailure::Refused(status)) => Ok(Some(status)),
            // The status is never sent: an answer is on its way.
            Some(ReadFailure::Uninvited) => Ok(Some(Status::BadRequest)),
            Some(ReadFailure::Gone) => Err(Broken::Gone),
        }
    }

    /// Reads and drops what the handler has left. `false` if that is too much, or was never invited: the
    /// connection must then end with the answer (RFC 9112 section 9.3).
    #[inline(never)] // its scrap is no part of a handler's stack
    pub(crate) fn skip_rest(&mut self) -> bool {
        if self.invite && !matches!(self.coding, Coding::Done | Coding::Length { left: 0 }) {
            return false;
        }
        self.deadline_ms = Some(self.source.deadline_ms());
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
        let source = self.source;
        if std::mem::take(&mut self.invite) {
            source.invite().map_err(|failure| self.fail(failure))?;
        }
        let deadline_ms = self.deadline_ms.unwrap_or_else(|| source.deadline_ms());
        source.read_more(self.input, deadline_ms).map_err(|failure| self.fail(failure))
    }

    fn fail(&mut self, failure: ReadFailure) -> io::Error {
        self.failure = Some(failure);
        match failure {
            ReadFailure::Gone => {
                io::Error::new(io::ErrorKind::UnexpectedEof, "the client left before the body's end")
            }
            ReadFailure::Uninvited => {
                io::Error::new(io::ErrorKind::NotConnected, "the client was never asked for its body")
            }
            ReadFailure::Refused(status) => {
                let kind = match status {
                    Status::RequestTimeout => io::ErrorKind::TimedOut,
                    Status::ServiceUnavailable => io::ErrorKind::OutOfMemory,
                    Status::ContentTooLarge => io::ErrorKind::FileTooLarge,
                    _ => io::ErrorKind::InvalidData,
                };
                io::Error::new(kind, status.reason())
            }
        }
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
                Err(status) => return Err(self.fail(ReadFailure::Refused(status))),
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
