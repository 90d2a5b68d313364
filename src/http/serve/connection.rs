//! One connection: read, parse in place, answer, write; the whole life of its coroutine.

mod guard;

use std::sync::atomic::Ordering;

use socket2::Socket;

use super::answering::{After, Answering};
use super::proxy;
use super::report::Told;
use super::server::Shared;
use super::wire::{Arrival, Wire};
use crate::http::message::body::{ChunkedDecoder, Decoded};
use crate::http::message::buffer::Input;
use crate::http::message::client::Network;
use crate::http::message::fields::{BodyFraming, FieldList};
use crate::http::message::head::{self, Scheme};
use crate::http::message::parked::ParkedHead;
use crate::http::message::reader::BodyReader;
use crate::http::message::response::{Persistence, Response};
use crate::http::message::status::Status;
use crate::http::message::writer::Broken;
use crate::http::route::metrics::{Limit, Timeout};
use crate::http::route::router::Series;
use crate::limits;

/// Answers collected from pipelined requests before they are written out.
const FLUSH_BYTES: usize = 64 * 1024;

/// Why a connection ends, apart from its regular end.
enum End {
    /// Nothing more to say: the client left, a timeout between requests, an error of the socket.
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
enum Awaited {
    /// The header of a trusted hop, which says who the client is, comes before everything else.
    Proxy,
    Head,
    Body {
        head: Box<ParkedHead>,
        body_bytes: usize,
    },
    Chunked {
        head: Box<ParkedHead>,
        decoder: ChunkedDecoder,
    },
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
        awaited: Awaited,
        invite: bool,
    },
    /// The handler reads the body itself, up to so many bytes.
    Streams {
        head: Box<ParkedHead>,
        max_bytes: usize,
    },
    /// The guard of its route has answered, and the body is still to come.
    Declined {
        head_bytes: usize,
        framing: BodyFraming,
        invite: bool,
        after: After,
    },
    LongTarget(Status),
    LongHead,
    Refused(Status),
}

struct Connection<'s> {
    wire: Wire<'s>,
    shared: &'s Shared,
    input: Input,
    answering: Answering,
    awaited: Awaited,
    /// When the wait for it ends; set by its first wait.
    deadline_ms: Option<u64>,
    /// Bytes known to hold no complete head, so that a slow head is not searched again from its start.
    searched: usize,
    /// Whether the empty line that may stand before a request line has been there.
    skipped_empty_line: bool,
    /// Whether the socket was read once more after the drain had begun.
    looked_again: bool,
}

/// Serves one connection until it ends.
pub(crate) fn run(socket: Socket, arrival: Arrival, network: Option<Network>, shared: &Shared) {
    let awaited = if arrival.is_proxied() { Awaited::Proxy } else { Awaited::Head };
    let wire = match Wire::new(socket, arrival, network, shared) {
        Ok(wire) => wire,
        Err(error) => {
            shared.dismiss(network);
            return log::warn!("a new connection cannot be watched: {error}");
        }
    };
    let mut connection = Connection {
        wire,
        shared,
        input: Input::default(),
        answering: Answering::default(),
        awaited,
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
            // Most requests come alone: there is nothing behind them to look at.
            while !self.input.is_empty() && matches!(self.advance()?, Step::Answered) {
                self.wire.note_work(1);
                if self.answering.output.len() >= FLUSH_BYTES || self.wire.has_worked_enough() {
                    self.flush()?;
                    self.wire.be_fair();
                }
            }
            self.flush()?;
            self.wire.be_fair();
            self.fill()?;
        }
    }

    /// Takes the request at the start of the input as far as its bytes go.
    fn advance(&mut self) -> Result<Step, End> {
        match &mut self.awaited {
            Awaited::Head => self.advance_head(),
            Awaited::Proxy => self.advance_proxy(),
            Awaited::Body { head, body_bytes } => {
                let (head_bytes, body_bytes) = (head.head_bytes(), *body_bytes);
                if body_bytes > self.shared.limits.body_bytes && self.input.len() > head_bytes {
                    return Err(self.reject(Status::ContentTooLarge));
                }
                if self.input.len() < head_bytes.saturating_add(body_bytes) {
                    return Ok(Step::NeedBytes);
                }
                self.answer(Decoded { body_bytes, framed_bytes: body_bytes })
            }
            Awaited::Chunked { head, decoder } => match decoder.advance(&mut self.input, head.head_bytes()) {
                Ok(Some(whole)) => self.answer(whole),
                Ok(None) => Ok(Step::NeedBytes),
                Err(status) => Err(self.reject_over(Limit::of_chunked_body(status), status)),
            },
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

    #[cold]
    fn advance_proxy(&mut self) -> Result<Step, End> {
        match proxy::parse(self.input.unread()) {
            Ok(None) => Ok(Step::NeedBytes),
            Ok(Some(header)) => {
                self.input.consume(header.bytes);
                self.awaited = Awaited::Head;
                self.deadline_ms = None;
                if let Some(client) = header.client
                    && let Err(limit) = self.wire.name_client(client)
                {
                    return Err(self.reject_over(Some(limit), Status::TooManyRequests));
                }
                self.advance_head()
            }
            Err(proxy::Malformed) => {
                self.shared.metrics.proxy_failures.fetch_add(1, Ordering::Relaxed);
                Err(End::Close)
            }
        }
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

    /// A minor version of HTTP/1 that we have never heard of is read as 1.1; anything else that is refused
    /// stays so.
    #[cold]
    fn reject_or_retry(&mut self, status: Status) -> Result<Step, End> {
        if status == Status::HttpVersionNotSupported && head::lower_minor_version(self.input.unread_mut()) {
            return self.begin();
        }
        Err(self.reject(status))
    }

    /// One empty line before a request line is ignored, as RFC 9112 section 2.2 asks: old clients end a body
    /// with it. A second one is not a request line.
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

    /// Parses the head; answers if its body is there too, otherwise notes what is missing.
    fn begin(&mut self) -> Result<Step, End> {
        match self.try_to_answer() {
            Begun::Answered { request_bytes, after } => self.answered(request_bytes, after),
            Begun::NeedsHead => self.wait_for_head(),
            Begun::LongTarget(status) => Err(self.reject_over(Some(Limit::Target), status)),
            Begun::LongHead => Err(self.reject_long_head()),
            Begun::Refused(status) => self.reject_or_retry(status),
            Begun::Streams { head, max_bytes } => self.stream(&head, max_bytes),
            Begun::Declined { head_bytes, framing, invite, after } => {
                self.declined(head_bytes, framing, invite, after)
            }
            Begun::NeedsBody { awaited, invite } => {
                self.awaited = awaited;
                self.deadline_ms = None;
                if invite {
                    self.answering.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                }
                self.advance()
            }
        }
    }

    fn try_to_answer(&mut self) -> Begun {
        let limits = &self.shared.limits;
        let unread = self.input.unread_mut();
        let come = unread.len();
        // The body must be split from the head before that is borrowed; the methods that have one begin
        // with P.
        let boundary = if unread.starts_with(b"P") { head::length(unread).unwrap_or(come) } else { come };
        let (head_part, rest) = unread.split_at_mut(boundary);
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
        if let Some(rates) = &self.shared.rates
            && let Some(declined) = self.answering.decline_over_rate(rates, &self.wire, &head, &fields)
        {
            return declined;
        }
        if head.expects_continue && head.framing != BodyFraming::Length(0) && self.shared.refuses(&head) {
            let after = self.answering.answer_uninvited(&self.wire, &head, &fields);
            return Begun::Answered { request_bytes: head_bytes, after };
        }
        if let Some(max_bytes) = self.shared.router.stream_limit(head.method, head.path) {
            return Begun::Streams { head: ParkedHead::new(&head, &fields, head_part), max_bytes };
        }
        // A body that has begun to come needs no invitation (RFC 9110 section 10.1.1).
        let begun = come > head_bytes;
        let invite = head.expects_continue && !begun;
        let park = || ParkedHead::new(&head, &fields, head_part);
        let awaited = match head.framing {
            BodyFraming::Length(length) => match usize::try_from(length) {
                Ok(body_bytes) if body_bytes <= rest.len().min(limits.body_bytes) => {
                    let after = self.answering.answer(&self.wire, &head, &fields, &mut rest[..body_bytes]);
                    return Begun::Answered { request_bytes: head_bytes + body_bytes, after };
                }
                // A body past the limit is refused with its first byte, or where the client asks first. One
                // that is announced and never comes is an incomplete message (RFC 9112 section 6.3): it gets
                // no answer.
                Ok(body_bytes) if body_bytes <= limits.body_bytes || !(begun || invite) => {
                    Awaited::Body { head: park(), body_bytes }
                }
                _ => return Begun::Refused(Status::ContentTooLarge),
            },
            BodyFraming::Chunked => {
                Awaited::Chunked { head: park(), decoder: ChunkedDecoder::new(limits.body_bytes) }
            }
        };
        if self.shared.router.has_guards()
            && let Some(declined) = self.answering.decline(&self.wire, &head, &fields, invite)
        {
            return declined;
        }
        Begun::NeedsBody { awaited, invite }
    }

    /// The body that was waited for is whole.
    #[inline(never)] // its table of fields is no part of the usual request's stack
    fn answer(&mut self, whole: Decoded) -> Result<Step, End> {
        let awaited = std::mem::replace(&mut self.awaited, Awaited::Head);
        let (Awaited::Body { head: parked, .. } | Awaited::Chunked { head: parked, .. }) = awaited else {
            return self.advance_head();
        };
        let (head_part, rest) = self.input.unread_mut().split_at_mut(parked.head_bytes());
        let mut fields = FieldList::new();
        let after = parked
            .unpark(head_part, &mut fields)
            .map(|head| self.answering.answer(&self.wire, &head, &fields, &mut rest[..whole.body_bytes]));
        drop(fields);
        self.answering.timing.end_of_body(&self.shared.router);
        match after {
            Some(after) => self.answered(parked.head_bytes() + whole.framed_bytes, after),
            None => Err(self.reject(Status::InternalServerError)),
        }
    }

    /// A request whose handler reads the body. The head is copied, since the body comes through the same
    /// buffer.
    #[inline(never)] // as above
    fn stream(&mut self, parked: &ParkedHead, max_bytes: usize) -> Result<Step, End> {
        // What stands before this answer must not wait for a body that may take long.
        self.flush()?;
        if matches!(parked.framing(), BodyFraming::Length(length) if length > max_bytes as u64) {
            return Err(self.reject(Status::ContentTooLarge));
        }
        let copy = self.input.unread()[..parked.head_bytes()].to_vec();
        let mut fields = FieldList::new();
        let Some(head) = parked.unpark(&copy, &mut fields) else {
            return Err(self.reject(Status::InternalServerError));
        };
        self.input.consume(parked.head_bytes());
        let invite = parked.expects_continue() && self.input.is_empty();
        let mut body = BodyReader::new(&self.wire, &mut self.input, parked.framing(), max_bytes, invite);
        let after = self.answering.answer_stream(&self.wire, &head, &fields, &mut body);
        self.answering.timing.end_of_stream(&self.shared.router);
        self.answered(0, after)
    }

    fn answered(&mut self, request_bytes: usize, after: After) -> Result<Step, End> {
        self.input.consume(request_bytes);
        self.awaited = Awaited::Head;
        self.searched = 0;
        self.skipped_empty_line = false;
        self.deadline_ms = None;
        match after {
            After::Next => Ok(Step::Answered),
            After::Close => Err(self.last_words()),
            After::Cut => {
                self.answering.timing.end(&self.shared.router);
                self.wire.reset_on_close();
                Err(End::Close)
            }
        }
    }

    /// Answers a request that no handler may see, and ends the connection: its framing is not to be trusted.
    fn reject(&mut self, status: Status) -> End {
        self.reject_over(Limit::of_status(status), status)
    }

    /// As [`Connection::reject`], where the status does not tell which limit was hit.
    fn reject_over(&mut self, limit: Option<Limit>, status: Status) -> End {
        if let Some(limit) = limit {
            self.shared.metrics.hit(limit);
        }
        self.shared.router.count_other(status);
        // A connection that has last words to say is not idle.
        self.wire.registered.idle.store(false, Ordering::Release);
        self.answering.timing.answered(&self.shared.router, Series::OTHER);
        // Nobody has read its fields, unless a guard was asked.
        self.answering.meet(&self.wire, &[]);
        // What answers HEAD has no content, whatever it is (RFC 9110 section 9.3.2).
        let omit_body = self.input.unread().starts_with(b"HEAD ");
        let named = self.answering.present.fields();
        let mut response =
            Response::new(&mut self.answering.output, &self.shared.clock.date, Persistence::Close, omit_body)
                .named(named);
        response.refuse(status);
        let told = Told { status, series: Series::OTHER, bytes: response.bytes() };
        self.answering.report(&self.wire, None, told);
        self.last_words()
    }

    fn last_words(&mut self) -> End {
        match self.flush() {
            Ok(()) => End::AfterAnswer,
            Err(end) => end,
        }
    }

    fn flush(&mut self) -> Result<(), End> {
        Ok(self.answering.flush(&self.wire)?)
    }

    /// Reads what has come, or waits for it. While nothing of a request has come the connection holds no
    /// buffers.
    fn fill(&mut self) -> Result<(), End> {
        loop {
            if self.wire.may_be_readable() {
                if !self.input.has_storage() {
                    self.shared.buffers.lend(&mut self.input, &mut self.answering.output);
                }
                let wanted = self.shared.limits.buffer_bytes / 2;
                let Some(room) = self.shared.buffers.room(&mut self.input, wanted) else {
                    let status = Status::ServiceUnavailable;
                    return Err(self.reject_over(Some(Limit::RequestBytes), status));
                };
                if let Some(count) = self.wire.read(room)? {
                    let is_proxy = matches!(self.awaited, Awaited::Proxy);
                    if self.input.is_empty() && !is_proxy {
                        self.deadline_ms = None;
                    }
                    let of_head = is_proxy || matches!(self.awaited, Awaited::Head);
                    self.answering.timing.bytes_came(&self.shared.stopwatch, of_head);
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
        let (timeout, timeout_ms) = match self.awaited {
            Awaited::Head if idle => (Timeout::Idle, limits.idle_timeout_ms),
            Awaited::Head | Awaited::Proxy => (Timeout::Head, limits.head_timeout_ms),
            Awaited::Body { .. } | Awaited::Chunked { .. } => (Timeout::Body, limits.body_timeout_ms),
        };
        let now_ms = self.shared.clock.now_ms();
        let deadline_ms = *self.deadline_ms.get_or_insert(now_ms + timeout_ms);
        self.wire.registered.idle.store(idle, Ordering::Release);
        // Looked at after `idle` is set: either the drain sees an idle connection, or this sees the drain.
        if idle && self.shared.draining.load(Ordering::Acquire) && !self.awaits_first_request() {
            // What came before the drain began is still answered; only a read tells.
            if std::mem::replace(&mut self.looked_again, true) {
                return Err(End::Close);
            }
            self.wire.suspect_bytes();
            return Ok(());
        }
        if idle && self.wire.registered.is_leaving() {
            return Err(End::Close);
        }
        if idle {
            self.return_buffers();
            self.wire.expect_request()?;
        }
        match self.wire.wait_until(deadline_ms) {
            Ok(()) => Ok(()),
            Err(_) => {
                self.shared.metrics.timed_out(timeout);
                // A hop that begins without its header speaks no HTTP so far.
                let silent = idle || matches!(self.awaited, Awaited::Proxy);
                Err(if silent { End::Close } else { self.reject(Status::RequestTimeout) })
            }
        }
    }

    /// A client that has just connected has sent a request, or is about to: a drain waits for it, though not
    /// for long. It looks again at each idle connection by itself.
    fn awaits_first_request(&self) -> bool {
        let since_ms = self.shared.draining_since_ms.load(Ordering::Relaxed);
        self.answering.requests == 0 && self.shared.clock.now_ms() < since_ms + limits::DRAIN_FIRST_REQUEST_MS
    }

    fn return_buffers(&mut self) {
        self.wire.let_go(&mut self.answering.output);
        self.shared.buffers.give_back(&mut self.input, &mut self.answering.output);
    }
}
