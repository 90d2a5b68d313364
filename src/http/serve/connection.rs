//! One connection: read, parse in place, answer, write; the whole life of its coroutine.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use socket2::Socket;

use super::server::Shared;
use super::stream::BodyReader;
use super::wire::{Broken, Wire};
use crate::http::message::body::{ChunkedDecoder, Decoded};
use crate::http::message::buffer::Input;
use crate::http::message::fields::{BodyFraming, Field, FieldList};
use crate::http::message::head::{self, Head, Scheme};
use crate::http::message::request::{Method, Request};
use crate::http::message::response::{Persistence, Progress, Response};
use crate::http::message::status::Status;
use crate::http::route::latency::Timing;
use crate::http::route::metrics::{Limit, Timeout};
use crate::http::route::router::Series;

/// Answers collected from pipelined requests before they are written out.
const FLUSH_BYTES: usize = 64 * 1024;

/// Why a connection ends, apart from its regular end.
enum End {
    /// Nothing more to say: the client left, a time-out between requests, an error of the socket.
    Close,
    /// The last answer is in the output; the client may still be sending.
    AfterAnswer,
}

impl From<Broken> for End {
    fn from(_: Broken) -> Self {
        Self::Close
    }
}

/// Where the request at the start of the input stands.
enum Phase {
    Head,
    Body { head_bytes: usize, body_bytes: usize },
    Chunked { head_bytes: usize, decoder: ChunkedDecoder },
}

/// Whether the connection goes on after an answer.
#[derive(Clone, Copy)]
enum After {
    Next,
    Close,
    /// The answer is not whole, and nothing that follows could say so.
    Cut,
}

/// What the bytes so far allow.
enum Step {
    /// A request was answered; look for the next.
    Answered,
    NeedBytes,
}

/// What the first look at a request came to.
enum Begun {
    Answered {
        request_bytes: usize,
        after: After,
    },
    NeedsHead,
    NeedsBody {
        phase: Phase,
        invite: bool,
    },
    /// The handler reads the body itself, up to so many bytes.
    Streams {
        head_bytes: usize,
        max_bytes: usize,
    },
    LongTarget(Status),
    LongHead,
    Refused(Status),
}

/// The answering side of a connection, apart from its input so that a request can borrow that meanwhile.
#[derive(Default)]
struct Turn {
    output: Vec<u8>,
    requests: u64,
    timing: Timing,
}

struct Connection<'s> {
    wire: Wire<'s>,
    shared: &'s Shared,
    input: Input,
    turn: Turn,
    phase: Phase,
    /// When the wait for the present phase ends; set by its first wait.
    deadline_ms: Option<u64>,
    /// Bytes known to hold no complete head, so that a slow head is not searched again from its start.
    searched: usize,
    /// Whether the empty line that may stand before a request line has been there.
    skipped_empty_line: bool,
    /// Whether the socket was read once more after the drain had begun.
    looked_again: bool,
}

/// Serves one connection until it ends.
pub(crate) fn run(socket: Socket, shared: &Shared) {
    let wire = match Wire::new(socket, shared) {
        Ok(wire) => wire,
        Err(error) => {
            shared.metrics.open_connections.fetch_sub(1, Ordering::Relaxed);
            return log::warn!("a new connection cannot be watched: {error}");
        }
    };
    let mut connection = Connection {
        wire,
        shared,
        input: Input::default(),
        turn: Turn::default(),
        phase: Phase::Head,
        deadline_ms: None,
        searched: 0,
        skipped_empty_line: false,
        looked_again: false,
    };
    let end = connection.serve();
    connection.return_buffers();
    if let Err(End::AfterAnswer) = end {
        connection.wire.linger();
    }
    connection.wire.close();
}

impl Connection<'_> {
    /// Ends only with an [`End`].
    fn serve(&mut self) -> Result<(), End> {
        loop {
            while let Step::Answered = self.advance()? {
                if self.turn.output.len() >= FLUSH_BYTES {
                    self.flush()?;
                }
            }
            self.flush()?;
            self.fill()?;
        }
    }

    /// Takes the request at the start of the input as far as its bytes go.
    fn advance(&mut self) -> Result<Step, End> {
        match &mut self.phase {
            Phase::Head => self.advance_head(),
            Phase::Body { head_bytes, body_bytes } => {
                let (head_bytes, body_bytes) = (*head_bytes, *body_bytes);
                if body_bytes > self.shared.limits.body_bytes && self.input.len() > head_bytes {
                    return Err(self.reject(Status::ContentTooLarge));
                }
                if self.input.len() < head_bytes.saturating_add(body_bytes) {
                    return Ok(Step::NeedBytes);
                }
                self.answer(head_bytes, Decoded { body_bytes, framed_bytes: body_bytes })
            }
            Phase::Chunked { head_bytes, decoder } => {
                let head_bytes = *head_bytes;
                match decoder.advance(&mut self.input, head_bytes) {
                    Ok(Some(whole)) => self.answer(head_bytes, whole),
                    Ok(None) => Ok(Step::NeedBytes),
                    Err(status) => Err(self.reject_over(Limit::of_chunked_body(status), status)),
                }
            }
        }
    }

    fn advance_head(&mut self) -> Result<Step, End> {
        self.skip_empty_line()?;
        let searched = self.searched;
        let unread = self.input.unread();
        // A head ends with a line; until one more has come there is nothing new to parse.
        if unread.is_empty() || searched > 0 && memchr::memchr(b'\n', &unread[searched..]).is_none() {
            return self.wait_for_head();
        }
        self.begin()
    }

    fn wait_for_head(&mut self) -> Result<Step, End> {
        self.searched = self.input.len();
        if let Some(status) = self.shared.limits.refuse_target(self.input.unread()) {
            return Err(self.reject_over(Some(Limit::Target), status));
        }
        if self.searched >= self.shared.limits.head_bytes {
            return Err(self.reject_long_head());
        }
        Ok(Step::NeedBytes)
    }

    fn reject_long_head(&mut self) -> End {
        let status = head::too_long(self.input.unread(), self.shared.limits.head_bytes);
        self.reject_over(Some(Limit::of_long_head(status)), status)
    }

    /// A minor version of HTTP/1 that we have never heard of is read as 1.1; anything else that is refused stays so.
    #[cold]
    fn reject_or_retry(&mut self, status: Status) -> Result<Step, End> {
        if status == Status::HttpVersionNotSupported && head::lower_minor_version(self.input.unread_mut()) {
            return self.begin();
        }
        Err(self.reject(status))
    }

    /// One empty line before a request line is ignored, as RFC 9112 section 2.2 asks: old clients end a body with it.
    /// A second one is no request line.
    fn skip_empty_line(&mut self) -> Result<(), End> {
        while self.input.unread().starts_with(b"\r\n") {
            if self.skipped_empty_line {
                return Err(self.reject(Status::BadRequest));
            }
            self.skipped_empty_line = true;
            self.searched = 0;
            self.input.consume(2);
        }
        Ok(())
    }

    /// Parses the head; answers if its body is there too, else notes what is missing.
    fn begin(&mut self) -> Result<Step, End> {
        match self.try_to_answer() {
            Begun::Answered { request_bytes, after } => self.answered(request_bytes, after),
            Begun::NeedsHead => self.wait_for_head(),
            Begun::LongTarget(status) => Err(self.reject_over(Some(Limit::Target), status)),
            Begun::LongHead => Err(self.reject_long_head()),
            Begun::Refused(status) => self.reject_or_retry(status),
            Begun::Streams { head_bytes, max_bytes } => self.stream(head_bytes, max_bytes),
            Begun::NeedsBody { phase, invite } => {
                self.phase = phase;
                self.deadline_ms = None;
                if invite {
                    self.turn.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                }
                self.advance()
            }
        }
    }

    fn try_to_answer(&mut self) -> Begun {
        let limits = &self.shared.limits;
        let unread = self.input.unread_mut();
        let come = unread.len();
        // The body has to be parted from the head before that is borrowed; the methods that have one begin with P.
        let parted = if unread.starts_with(b"P") { head::length(unread).unwrap_or(come) } else { come };
        let (head_part, rest) = unread.split_at_mut(parted);
        let mut fields = FieldList::new();
        let head = match head::parse(head_part, &mut fields) {
            Ok(Some(head)) if head.head_bytes <= limits.head_bytes => head,
            Ok(Some(_)) => return Begun::LongHead,
            Ok(None) => return Begun::NeedsHead,
            Err(status) => return Begun::Refused(status),
        };
        let head_bytes = head.head_bytes;
        if let Some(status) = limits.refuse_target(&head_part[..head_bytes]) {
            return Begun::LongTarget(status);
        }
        if fields.len() > limits.header_count {
            return Begun::Refused(Status::HeaderFieldsTooLarge);
        }
        if head.scheme != Scheme::Plain && !self.wire.vouches_for(head.scheme) {
            return Begun::Refused(Status::MisdirectedRequest);
        }
        if head.expects_continue && head.framing != BodyFraming::Length(0) && self.shared.refuses(&head) {
            let after = self.turn.answer_uninvited(&self.wire, &head, &fields);
            return Begun::Answered { request_bytes: head_bytes, after };
        }
        if let Some(max_bytes) = self.shared.router.stream_limit(head.method, head.path) {
            return Begun::Streams { head_bytes, max_bytes };
        }
        // A body that has begun to come needs no invitation (RFC 9110 section 10.1.1).
        let begun = come > head_bytes;
        let invite = head.expects_continue && !begun;
        let phase = match head.framing {
            BodyFraming::Length(length) => match usize::try_from(length) {
                Ok(body_bytes) if body_bytes <= rest.len().min(limits.body_bytes) => {
                    let after = self.turn.answer(&self.wire, &head, &fields, &mut rest[..body_bytes]);
                    return Begun::Answered { request_bytes: head_bytes + body_bytes, after };
                }
                // A body past the limit is refused with its first byte, or where the client asks first. One that is
                // announced and never comes is an incomplete message (RFC 9112 section 6.3): it gets no answer.
                Ok(body_bytes) if body_bytes <= limits.body_bytes || !(begun || invite) => {
                    Phase::Body { head_bytes, body_bytes }
                }
                _ => return Begun::Refused(Status::ContentTooLarge),
            },
            BodyFraming::Chunked => {
                Phase::Chunked { head_bytes, decoder: ChunkedDecoder::new(limits.body_bytes) }
            }
        };
        Begun::NeedsBody { phase, invite }
    }

    /// The body that was waited for is whole: parse the head once more, now that both parts can be borrowed.
    #[inline(never)] // its table of fields is no part of the usual request's stack
    fn answer(&mut self, head_bytes: usize, whole: Decoded) -> Result<Step, End> {
        let (head_part, rest) = self.input.unread_mut().split_at_mut(head_bytes);
        let mut fields = FieldList::new();
        let after = match head::parse(head_part, &mut fields) {
            Ok(Some(head)) => Ok(self.turn.answer(&self.wire, &head, &fields, &mut rest[..whole.body_bytes])),
            // It was parsed before.
            Ok(None) => Err(Status::BadRequest),
            Err(status) => Err(status),
        };
        drop(fields);
        self.turn.timing.end_of_body(&self.shared.router);
        match after {
            Ok(after) => self.answered(head_bytes + whole.framed_bytes, after),
            Err(status) => Err(self.reject(status)),
        }
    }

    /// A request whose handler reads the body. The head is copied, since the body comes through the same buffer.
    #[inline(never)] // as above
    fn stream(&mut self, head_bytes: usize, max_bytes: usize) -> Result<Step, End> {
        // What stands before this answer must not wait for a body that may take long.
        self.flush()?;
        let copy = self.input.unread()[..head_bytes].to_vec();
        let mut fields = FieldList::new();
        let head = match head::parse(&copy, &mut fields) {
            Ok(Some(head)) => head,
            Ok(None) => return Err(self.reject(Status::BadRequest)),
            Err(status) => return Err(self.reject(status)),
        };
        if matches!(head.framing, BodyFraming::Length(length) if length > max_bytes as u64) {
            return Err(self.reject(Status::ContentTooLarge));
        }
        self.input.consume(head_bytes);
        let invite = head.expects_continue && self.input.is_empty();
        let mut body = BodyReader::new(&self.wire, &mut self.input, head.framing, max_bytes, invite);
        let after = self.turn.answer_stream(&self.wire, &head, &fields, &mut body);
        self.turn.timing.end_of_stream(&self.shared.router);
        self.answered(0, after)
    }

    fn answered(&mut self, request_bytes: usize, after: After) -> Result<Step, End> {
        self.input.consume(request_bytes);
        self.phase = Phase::Head;
        self.searched = 0;
        self.skipped_empty_line = false;
        self.deadline_ms = None;
        match after {
            After::Next => Ok(Step::Answered),
            After::Close => Err(self.last_words()),
            After::Cut => {
                self.turn.timing.end(&self.shared.router);
                self.wire.reset_on_close();
                Err(End::Close)
            }
        }
    }

    /// Answers a request that no handler shall see, and ends the connection: its framing is not to be trusted.
    fn reject(&mut self, status: Status) -> End {
        self.reject_over(Limit::of_status(status), status)
    }

    /// As [`Connection::reject`], where the status does not tell which limit was hit.
    fn reject_over(&mut self, limit: Option<Limit>, status: Status) -> End {
        if let Some(limit) = limit {
            self.shared.metrics.hit(limit);
        }
        self.shared.router.count_other(status);
        self.turn.timing.answered(&self.shared.router, Series::OTHER);
        // What answers HEAD has no content, whatever it is (RFC 9110 section 9.3.2).
        let omit_body = self.input.unread().starts_with(b"HEAD ");
        Response::new(&mut self.turn.output, &self.shared.clock, Persistence::Close, omit_body)
            .refuse(status);
        self.last_words()
    }

    fn last_words(&mut self) -> End {
        match self.flush() {
            Ok(()) => End::AfterAnswer,
            Err(end) => end,
        }
    }

    fn flush(&mut self) -> Result<(), End> {
        Ok(self.turn.flush(&self.wire)?)
    }

    /// Reads what has come, or waits for it. While nothing of a request has come the connection holds no buffers.
    fn fill(&mut self) -> Result<(), End> {
        loop {
            if self.wire.may_be_readable() {
                if !self.input.has_storage() {
                    self.shared.buffers.lend(&mut self.input, &mut self.turn.output);
                }
                let wanted = self.shared.limits.buffer_bytes / 2;
                let Some(room) = self.shared.buffers.room(&mut self.input, wanted) else {
                    let status = Status::ServiceUnavailable;
                    return Err(self.reject_over(Some(Limit::RequestBytes), status));
                };
                if let Some(count) = self.wire.read(room)? {
                    if self.input.is_empty() {
                        self.deadline_ms = None;
                    }
                    let of_head = matches!(self.phase, Phase::Head);
                    self.turn.timing.bytes_came(&self.shared.stopwatch, of_head);
                    self.input.filled(count);
                    return Ok(());
                }
            }
            self.wait_for_bytes()?;
        }
    }

    fn wait_for_bytes(&mut self) -> Result<(), End> {
        let limits = &self.shared.limits;
        let idle = self.input.is_empty();
        let (timeout, timeout_ms) = match self.phase {
            Phase::Head if idle => (Timeout::Idle, limits.idle_timeout_ms),
            Phase::Head => (Timeout::Head, limits.head_timeout_ms),
            Phase::Body { .. } | Phase::Chunked { .. } => (Timeout::Body, limits.body_timeout_ms),
        };
        let now_ms = self.shared.clock.now_ms();
        let deadline_ms = *self.deadline_ms.get_or_insert(now_ms + timeout_ms);
        self.wire.registered.idle.store(idle, Ordering::Release);
        // Looked at after `idle` is set: either the drain sees an idle connection, or this sees the drain.
        if idle && self.shared.draining.load(Ordering::Acquire) {
            // What came before the drain began is still answered; only a read tells.
            if std::mem::replace(&mut self.looked_again, true) {
                return Err(End::Close);
            }
            self.wire.suspect_bytes();
            return Ok(());
        }
        if idle {
            self.return_buffers();
            self.wire.expect_request()?;
        }
        match self.wire.wait_until(deadline_ms) {
            Ok(()) => Ok(()),
            Err(_) => {
                self.shared.metrics.timed_out(timeout);
                Err(if idle { End::Close } else { self.reject(Status::RequestTimeout) })
            }
        }
    }

    fn return_buffers(&mut self) {
        self.shared.buffers.give_back(&mut self.input, &mut self.turn.output);
    }
}

impl Turn {
    /// Counts the request, calls its handler, and says whether the connection goes on.
    fn answer(&mut self, wire: &Wire<'_>, head: &Head<'_>, fields: &[Field<'_>], body: &mut [u8]) -> After {
        let last = self.begin(wire, head);
        let mut request = Request::new(head.method, head.path, head.query, fields, body);
        let (after, series) = call(wire, &mut self.output, head, last, |response| {
            answer(wire, head, &mut request, None, response)
        });
        self.timing.answered(&wire.shared.router, series);
        after
    }

    /// The answer to a client that waits for word before it sends its body, and gets the last one. The
    /// connection ends with it, whether or not the body has begun to come: the client need not send a body
    /// that nobody wants, so what comes next may be either (RFC 9110 section 10.1.1).
    #[inline(never)] // no part of the usual request's stack
    fn answer_uninvited(&mut self, wire: &Wire<'_>, head: &Head<'_>, fields: &[Field<'_>]) -> After {
        self.answer(wire, &Head { keep_alive: false, ..*head }, fields, &mut [])
    }

    /// The same for a route that reads its body piece by piece.
    fn answer_stream(
        &mut self,
        wire: &Wire<'_>,
        head: &Head<'_>,
        fields: &[Field<'_>],
        body: &mut BodyReader<'_>,
    ) -> After {
        let last = self.begin(wire, head);
        let mut request = Request::new(head.method, head.path, head.query, fields, &mut []);
        let (after, series) = call(wire, &mut self.output, head, last, |response| {
            let series = answer(wire, head, &mut request, Some(body), response);
            match body.refusal() {
                Err(_) => response.give_up(),
                // What could not be read is the client's fault, not that of a handler that gave up without an answer.
                Ok(Some(status)) if response.is_unwritten() => {
                    if let Some(limit) = Limit::of_chunked_body(status) {
                        wire.shared.metrics.hit(limit);
                    }
                    wire.shared.router.count_other(status);
                    response.close().refuse(status);
                    return Series::OTHER;
                }
                Ok(_) => {}
            }
            series
        });
        self.timing.answered(&wire.shared.router, series);
        // What is left of a cut answer must not follow it: an open chunk looks like the last one.
        if matches!(after, After::Cut) {
            return After::Cut;
        }
        // A client may wait for its answer before it sends what nobody has read.
        if self.flush(wire).is_err() {
            return After::Cut;
        }
        match (after, body.refusal()) {
            (After::Next, Ok(None)) if body.skip_rest() => After::Next,
            _ => After::Close,
        }
    }

    /// Writes the whole output.
    fn flush(&mut self, wire: &Wire<'_>) -> Result<(), Broken> {
        // Also where a streamed answer has left without a rest.
        self.timing.end(&wire.shared.router);
        if !self.output.is_empty() {
            wire.write_all(&self.output)?;
            self.output.clear();
        }
        Ok(())
    }

    /// `true` if the connection ends with this request.
    fn begin(&mut self, wire: &Wire<'_>, head: &Head<'_>) -> bool {
        let shared = wire.shared;
        self.requests += 1;
        wire.answering.set(false);
        wire.registered.idle.store(false, Ordering::Release);
        let spent = self.requests >= shared.limits.requests_per_connection;
        if spent {
            shared.metrics.hit(Limit::RequestsPerConnection);
        }
        !head.keep_alive || spent || shared.draining.load(Ordering::Acquire)
    }
}

/// The route's answer, or that of a WebSocket handshake, which no route sees.
#[inline]
fn answer(
    wire: &Wire<'_>,
    head: &Head<'_>,
    request: &mut Request<'_>,
    body: Option<&mut BodyReader<'_>>,
    response: &mut Response<'_>,
) -> Series {
    let router = &wire.shared.router;
    let Some(status) = head.refused_websocket else { return router.answer(request, body, response) };
    router.count_other(status);
    response.refuse_websocket(status);
    Series::OTHER
}

/// Lets `answer` write the answer, and says what it is counted under. A panic in it, or no answer, is a 500 and ends the
/// connection.
fn call(
    wire: &Wire<'_>,
    output: &mut Vec<u8>,
    head: &Head<'_>,
    last: bool,
    answer: impl FnOnce(&mut Response<'_>) -> Series,
) -> (After, Series) {
    let shared = wire.shared;
    let persistence = match (last, head.http10) {
        (true, _) => Persistence::Close,
        (false, true) => Persistence::KeepAlive,
        (false, false) => Persistence::Implied,
    };
    let answer_at = output.len();
    let omit_body = head.method == Method::Head;
    let mut response = Response::new(output, &shared.clock, persistence, omit_body).over(wire, head.http10);
    let outcome = catch_unwind(AssertUnwindSafe(|| answer(&mut response)));
    let fault = match (&outcome, response.progress()) {
        (Ok(series), Progress::Written | Progress::Streamed) => {
            return (if response.closes() { After::Close } else { After::Next }, *series);
        }
        (Ok(series), Progress::Cut) => return (After::Cut, *series),
        (Ok(_), Progress::Unwritten) => "wrote no answer",
        (Err(_), _) => "panicked",
    };
    shared.metrics.panics.fetch_add(1, Ordering::Relaxed);
    log::error!("the handler of {} {} {fault}", head.method.as_str(), shared.router.template_of(head.path));
    if matches!(response.progress(), Progress::Streamed | Progress::Cut) {
        return (After::Cut, Series::OTHER);
    }
    // What the handler had begun to write is not an answer.
    output.truncate(answer_at);
    shared.router.count_other(Status::InternalServerError);
    Response::new(output, &shared.clock, Persistence::Close, omit_body).refuse(Status::InternalServerError);
    (After::Close, Series::OTHER)
}
