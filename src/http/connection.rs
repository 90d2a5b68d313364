//! One connection: read, parse in place, answer, write; the whole life of its coroutine.
//!
//! There is no timer per request. Before each wait the connection writes down when the wait must end; the sweeper wakes
//! whoever is past that time, and the woken connection looks at the clock itself.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use may::io::{CoIo, WaitIo};
use socket2::Socket;

use super::body::{ChunkedDecoder, Decoded};
use super::buffer::Input;
use super::fields::BodyFraming;
use super::head::{self, FieldSlots, Head, MAX_HEADER_FIELDS};
use super::metrics::{Limit, Timeout};
use super::request::{Method, Request};
use super::response::{Persistence, Response, engine_error_body};
use super::server::{Registered, Shared, announce_close};
use super::status::Status;

/// Answers collected from pipelined requests before they are written out.
const FLUSH_BYTES: usize = 64 * 1024;

/// Bytes of a refused request that are read and dropped, so that the client reads our answer before a reset.
const LINGER_BYTES: usize = 256 * 1024;

/// How long a closing connection waits for the client's end.
const LINGER_MS: u64 = 2_000;

/// A descriptor that somebody else owns and closes, for the event loop.
///
/// `CoIo` closes what it holds *before* it takes it from epoll; the number may then belong to another connection
/// already, which would lose its events. Holding only the number, and closing the socket after, avoids that.
#[derive(Debug)]
pub(crate) struct FdRef(pub(crate) RawFd);

impl AsRawFd for FdRef {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

/// Why a connection ends, apart from its regular end.
enum End {
    /// Nothing more to say: the client left, a time-out between requests, an error of the socket.
    Close,
    /// The last answer is in the output; the client may still be sending.
    AfterAnswer,
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
}

/// What the bytes so far allow.
enum Step {
    /// A request was answered; look for the next.
    Answered,
    NeedBytes,
}

/// The answering side of a connection, apart from its input so that a request can borrow that meanwhile.
#[derive(Default)]
struct Turn {
    output: Vec<u8>,
    requests: u64,
}

struct Connection<'s> {
    // Order matters: `io` leaves epoll before `socket` closes the descriptor.
    io: CoIo<FdRef>,
    socket: Socket,
    shared: &'s Shared,
    registered: Arc<Registered>,
    input: Input,
    turn: Turn,
    phase: Phase,
    /// When the wait for the present phase ends; set by its first wait.
    deadline_ms: Option<u64>,
    /// Bytes known to hold no complete head, so that a slow head is not searched again from its start.
    searched: usize,
    /// Whether the empty line that may stand before a request line has been there.
    skipped_empty_line: bool,
}

/// Serves one connection until it ends.
pub(crate) fn run(socket: Socket, shared: &Shared) {
    let io = match CoIo::new(FdRef(socket.as_raw_fd())) {
        Ok(io) => io,
        Err(error) => {
            shared.metrics.open_connections.fetch_sub(1, Ordering::Relaxed);
            return log::warn!("a new connection cannot be watched: {error}");
        }
    };
    let (key, registered) = shared.register(io.waker());
    let mut connection = Connection {
        io,
        socket,
        shared,
        registered,
        input: Input::default(),
        turn: Turn::default(),
        phase: Phase::Head,
        deadline_ms: None,
        searched: 0,
        skipped_empty_line: false,
    };
    if let Err(End::AfterAnswer) = connection.serve() {
        connection.close_gently();
    }
    shared.buffers.return_input(&mut connection.input);
    shared.buffers.give_back(std::mem::take(&mut connection.turn.output));
    drop(connection);
    shared.leave(key);
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
        if self.input.is_empty() {
            return Ok(Step::NeedBytes);
        }
        let limit = self.shared.limits.head_bytes;
        // The line end that completes a head may have begun in the bytes searched before.
        let fresh = &self.input.unread()[self.searched.saturating_sub(3)..];
        if self.searched > 0 && memchr::memchr(b'\n', fresh).is_none() {
            return self.wait_for_head(limit);
        }
        match head::complete_length(self.input.unread()) {
            Ok(Some(head_bytes)) if head_bytes <= limit => self.begin(head_bytes),
            Ok(Some(_)) => Err(self.reject_long_head(limit)),
            Ok(None) => self.wait_for_head(limit),
            Err(status) => self.reject_or_retry(status),
        }
    }

    fn wait_for_head(&mut self, limit: usize) -> Result<Step, End> {
        self.searched = self.input.len();
        if let Some(status) = self.shared.limits.refuse_target(self.input.unread()) {
            return Err(self.reject_over(Some(Limit::Target), status));
        }
        if self.input.len() >= limit {
            return Err(self.reject_long_head(limit));
        }
        Ok(Step::NeedBytes)
    }

    fn reject_long_head(&mut self, limit: usize) -> End {
        let status = head::too_long(self.input.unread(), limit);
        self.reject_over(Some(Limit::of_long_head(status)), status)
    }

    /// A minor version of HTTP/1 that we have never heard of is read as 1.1; anything else that is refused stays so.
    #[cold]
    fn reject_or_retry(&mut self, status: Status) -> Result<Step, End> {
        if status == Status::HttpVersionNotSupported && head::lower_minor_version(self.input.unread_mut()) {
            return self.advance_head();
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

    /// A head is complete: answer if its body is there too, else note what is missing.
    fn begin(&mut self, head_bytes: usize) -> Result<Step, End> {
        if let Some(status) = self.shared.limits.refuse_target(&self.input.unread()[..head_bytes]) {
            return Err(self.reject_over(Some(Limit::Target), status));
        }
        let limit = self.shared.limits.body_bytes;
        let (head_part, rest) = self.input.unread_mut().split_at_mut(head_bytes);
        let mut slots: FieldSlots<'_> = [const { MaybeUninit::uninit() }; MAX_HEADER_FIELDS];
        let head = match head::parse(head_part, &mut slots) {
            Ok(head) if head.fields.len() > self.shared.limits.header_count => {
                return Err(self.reject(Status::HeaderFieldsTooLarge));
            }
            Ok(head) => head,
            Err(status) => return self.reject_or_retry(status),
        };
        // A body that has begun to come needs no invitation (RFC 9110 section 10.1.1).
        let invite = head.expects_continue && rest.is_empty();
        match head.framing {
            BodyFraming::Length(length) => match usize::try_from(length) {
                Ok(body_bytes) if body_bytes <= rest.len().min(limit) => {
                    let after =
                        self.turn.answer(self.shared, &self.registered, head, &mut rest[..body_bytes]);
                    return self.answered(head_bytes + body_bytes, after);
                }
                // A body past the limit is refused with its first byte, or where the client asks first. One that is
                // announced and never comes is an incomplete message (RFC 9112 section 6.3): it gets no answer.
                Ok(body_bytes) if body_bytes <= limit || (rest.is_empty() && !invite) => {
                    self.phase = Phase::Body { head_bytes, body_bytes };
                }
                _ => return Err(self.reject(Status::ContentTooLarge)),
            },
            BodyFraming::Chunked => {
                self.phase = Phase::Chunked { head_bytes, decoder: ChunkedDecoder::new(limit) };
            }
        }
        self.deadline_ms = None;
        if invite {
            self.turn.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        self.advance()
    }

    /// The body that was waited for is whole: parse the head once more, now that both parts can be borrowed.
    fn answer(&mut self, head_bytes: usize, whole: Decoded) -> Result<Step, End> {
        let (head_part, rest) = self.input.unread_mut().split_at_mut(head_bytes);
        let mut slots: FieldSlots<'_> = [const { MaybeUninit::uninit() }; MAX_HEADER_FIELDS];
        let head = match head::parse(head_part, &mut slots) {
            Ok(head) => head,
            Err(status) => return Err(self.reject(status)),
        };
        let after = self.turn.answer(self.shared, &self.registered, head, &mut rest[..whole.body_bytes]);
        self.answered(head_bytes + whole.framed_bytes, after)
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
        let mut response =
            Response::new(&mut self.turn.output, &self.shared.clock, Persistence::Close, false);
        response.status(status).json(engine_error_body(status).as_bytes());
        self.last_words()
    }

    fn last_words(&mut self) -> End {
        match self.flush() {
            Ok(()) => End::AfterAnswer,
            Err(end) => end,
        }
    }

    /// Writes the whole output. Where the client is slow it waits, up to the write time-out without any progress.
    fn flush(&mut self) -> Result<(), End> {
        let mut written = 0;
        let mut deadline_ms = None;
        while written < self.turn.output.len() {
            match (&self.socket).write(&self.turn.output[written..]) {
                Ok(0) => return Err(End::Close),
                Ok(count) => {
                    written += count;
                    deadline_ms = None;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let limit_ms = self.shared.limits.write_timeout_ms;
                    let deadline = *deadline_ms.get_or_insert_with(|| self.shared.clock.now_ms() + limit_ms);
                    self.wait_until(deadline)
                        .inspect_err(|_| self.shared.metrics.timed_out(Timeout::Write))?;
                }
                Err(_) => return Err(End::Close),
            }
        }
        self.turn.output.clear();
        Ok(())
    }

    /// Reads what has come, or waits for it. While nothing of a request has come the connection holds no buffers.
    fn fill(&mut self) -> Result<(), End> {
        loop {
            if !self.input.has_storage() {
                self.input = self.shared.buffers.lend_input();
            }
            let wanted = self.shared.limits.buffer_bytes / 2;
            match (&self.socket).read(self.input.room(wanted)) {
                Ok(0) => return Err(End::Close),
                Ok(count) => {
                    if self.input.is_empty() {
                        self.deadline_ms = None;
                    }
                    self.input.filled(count);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait_for_bytes()?,
                Err(_) => return Err(End::Close),
            }
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
        self.registered.idle.store(idle, Ordering::Release);
        if idle {
            self.shared.buffers.return_input(&mut self.input);
            self.shared.buffers.give_back(std::mem::take(&mut self.turn.output));
            // Looked at after `idle` is set: either the drain sees an idle connection, or this sees the drain.
            if self.shared.draining.load(Ordering::Acquire) {
                return Err(End::Close);
            }
        }
        let waited = self.wait_until(deadline_ms).inspect_err(|_| self.shared.metrics.timed_out(timeout));
        if waited.is_err() && !idle {
            return Err(self.reject(Status::RequestTimeout));
        }
        waited
    }

    /// Waits for the socket, for the sweeper or for the drain; the caller tries again and finds out which it was.
    ///
    /// Race window: a wake between the store of the deadline and the wait leaves its flag, and the wait returns at once.
    fn wait_until(&self, deadline_ms: u64) -> Result<(), End> {
        if self.shared.clock.now_ms() >= deadline_ms {
            return Err(End::Close);
        }
        self.registered.deadline_ms.store(deadline_ms, Ordering::Relaxed);
        self.io.wait_io();
        self.registered.deadline_ms.store(u64::MAX, Ordering::Relaxed);
        Ok(())
    }

    /// Closes so that the client can read the last answer: a close with unread bytes would send a reset, and the reset
    /// may reach the client before it has read (RFC 9112 section 9.6).
    fn close_gently(&mut self) {
        if self.socket.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let deadline_ms = self.shared.clock.now_ms() + LINGER_MS;
        let mut scrap = [0; 4096];
        let mut dropped = 0;
        while dropped < LINGER_BYTES {
            match (&self.socket).read(&mut scrap) {
                Ok(0) => return,
                Ok(count) => dropped += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.wait_until(deadline_ms).is_err() {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    }
}

impl Turn {
    /// Counts the request, calls its handler, and says whether the connection goes on.
    fn answer(&mut self, shared: &Shared, registered: &Registered, head: Head<'_>, body: &mut [u8]) -> After {
        self.requests += 1;
        registered.idle.store(false, Ordering::Release);
        let spent = self.requests >= shared.limits.requests_per_connection;
        if spent {
            shared.metrics.hit(Limit::RequestsPerConnection);
        }
        let last = !head.keep_alive || spent || shared.draining.load(Ordering::Acquire);
        if self.output.capacity() == 0 {
            self.output = shared.buffers.lend_output();
        }
        let answer_at = self.output.len();
        let panicked = call(shared, &mut self.output, head, body, last);
        // A drain that began while the handler waited: the client learns it with this answer, as with any other last one.
        if !last && !panicked && shared.draining.load(Ordering::Acquire) {
            announce_close(&mut self.output, answer_at);
            return After::Close;
        }
        if last || panicked { After::Close } else { After::Next }
    }
}

/// Routes one request to its handler. `true` if the handler panicked: the connection then ends with its 500.
fn call(shared: &Shared, output: &mut Vec<u8>, head: Head<'_>, body: &mut [u8], last: bool) -> bool {
    let persistence = match (last, head.http10) {
        (true, _) => Persistence::Close,
        (false, true) => Persistence::KeepAlive,
        (false, false) => Persistence::Implied,
    };
    let (method, path, answer_at) = (head.method, head.path, output.len());
    let omit_body = method == Method::Head;
    let mut request = Request { method, path, query: head.query, headers: head.fields, body, parameter: "" };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut response = Response::new(output, &shared.clock, persistence, omit_body);
        shared.router.answer(&mut request, &mut response);
        response.is_sent()
    }));
    if let Ok(true) = outcome {
        return false;
    }
    // What the handler had begun to write is not an answer.
    output.truncate(answer_at);
    shared.metrics.panics.fetch_add(1, Ordering::Relaxed);
    shared.router.count_other(Status::InternalServerError);
    let fault = if outcome.is_ok() { "wrote no answer" } else { "panicked" };
    log::error!("the handler of {} {} {fault}", method.as_str(), shared.router.template_of(path));
    let mut response = Response::new(output, &shared.clock, Persistence::Close, omit_body);
    response
        .status(Status::InternalServerError)
        .json(engine_error_body(Status::InternalServerError).as_bytes());
    true
}
