//! The answer, written straight into the connection's output buffer.

use std::fmt::{Display, Write as _};
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::date::Date;
use super::fields::is_token_byte;
use super::status::Status;
use super::writer::{BodyWriter, Progress, Sink, WrittenFraming};

/// Digits kept for a length that is known only after the body is written. Most bodies have so many; another
/// one moves by the difference, since one blank stands before a length and no zero pads it (RFC 9110 section
/// 5.6.3).
const LENGTH_DIGITS: usize = 3;

/// What stands between the content type and the body: the length's digits, the line's end and the empty line.
const LENGTH_LINE: &[u8] = b"\r\ncontent-length: 000\r\n\r\n";
const LINE_ENDS: usize = b"\r\n\r\n".len();

/// The fields that frame an answer; a second one of a name would let two recipients frame it in two ways.
const OWN_FIELDS: [&str; 4] = ["connection", "content-length", "date", "transfer-encoding"];

/// Seconds after which a client that was refused for want of room may try again.
pub const RETRY_AFTER_S: u32 = 1;

/// Room for a head without further fields; one look at the capacity in place of one for every part.
const USUAL_HEAD_BYTES: usize = 256;

/// An answer in the making: a status and header fields, then one of the `body` methods.
pub struct Response<'o> {
    out: &'o mut Vec<u8>,
    date: &'o Date,
    /// Further header fields, kept until the head is written. Empty, and then without memory, for most
    /// answers.
    fields: Vec<u8>,
    status: Status,
    persistence: Persistence,
    /// A HEAD request gets the fields of its GET, and no body (RFC 9110 section 9.3.2).
    omit_body: bool,
    /// Where the answer is sent while it is being made; without one it is only collected.
    sink: Option<&'o dyn Sink>,
    /// Raised where every connection ends with its present answer.
    ending: Option<&'o AtomicBool>,
    /// Whether the client speaks HTTP/1.0, which knows no chunks.
    http10: bool,
    progress: Progress,
    /// The capacity of the output past which its growth must be held in the account.
    most_bytes: usize,
    /// Whether the request has changed nothing, so that it may be refused when it is answered already.
    safe: bool,
    /// Where the answer begins in the output.
    answer_at: usize,
    /// Field lines of the request's name, which every answer to it has.
    named: &'o str,
}

/// What the `Connection` field has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// HTTP/1.1 and open: nothing to say.
    Implied,
    /// HTTP/1.0 and kept open.
    KeepAlive,
    Close,
}

impl<'o> Response<'o> {
    pub(crate) fn new(
        out: &'o mut Vec<u8>,
        date: &'o Date,
        persistence: Persistence,
        omit_body: bool,
    ) -> Self {
        Self {
            out,
            date,
            fields: Vec::new(),
            status: Status::Ok,
            persistence,
            omit_body,
            sink: None,
            ending: None,
            http10: false,
            progress: Progress::Unwritten,
            most_bytes: usize::MAX,
            safe: true,
            answer_at: 0,
            named: "",
        }
    }

    /// Lets [`Response::stream`] send, and the answer say that it is the last one where `ending` is raised.
    pub(crate) fn over(mut self, sink: &'o dyn Sink, ending: &'o AtomicBool, http10: bool) -> Self {
        self.sink = Some(sink);
        self.ending = Some(ending);
        self.http10 = http10;
        self
    }

    /// Lets the output grow past so many bytes only as far as the sink can hold it. The answer to a `safe`
    /// request (RFC 9110 section 9.2.1) is the first to find no room.
    pub(crate) fn within(mut self, most_bytes: usize, safe: bool) -> Self {
        self.most_bytes = most_bytes;
        self.safe = safe;
        self
    }

    /// Gives these field lines to whatever the answer becomes.
    pub(crate) fn named(mut self, lines: &'o str) -> Self {
        self.named = lines;
        self
    }

    /// Sets the status; it is 200 unless this is called.
    pub fn status(&mut self, status: Status) -> &mut Self {
        self.status = status;
        self
    }

    /// Ends the connection with this answer, and says so in it.
    pub fn close(&mut self) -> &mut Self {
        self.persistence = Persistence::Close;
        self
    }

    /// Adds a header field. Control characters in the value are replaced by `?`, so that no value ends its
    /// line. The fields that frame the answer are the engine's own: `Content-Length`, `Transfer-Encoding`,
    /// `Connection` and `Date`.
    ///
    /// # Panics
    /// If the name is not a token (RFC 9110 section 5.1), or one of these: the client then gets a 500.
    pub fn header(&mut self, name: &str, value: impl Display) -> &mut Self {
        assert!(!name.is_empty() && name.bytes().all(is_token_byte), "{name:?} is no field name");
        assert!(!OWN_FIELDS.iter().any(|own| name.eq_ignore_ascii_case(own)), "{name} is the engine's own");
        self.fields.extend_from_slice(name.as_bytes());
        self.fields.extend_from_slice(b": ");
        let value_start = self.fields.len();
        let _ = write!(self.fields, "{value}");
        for byte in &mut self.fields[value_start..] {
            if byte.is_ascii_control() && *byte != b'\t' {
                *byte = b'?';
            }
        }
        self.fields.extend_from_slice(b"\r\n");
        self
    }

    /// Ends the answer with a body that is there already.
    pub fn body(&mut self, content_type: &'static str, body: &[u8]) {
        if !self.status.has_content() {
            return self.empty();
        }
        self.head();
        self.out.extend_from_slice(b"content-type: ");
        self.out.extend_from_slice(content_type.as_bytes());
        self.out.extend_from_slice(b"\r\ncontent-length: ");
        self.out.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
        self.out.extend_from_slice(b"\r\n\r\n");
        if !self.omit_body {
            self.out.extend_from_slice(body);
        }
        self.hold();
    }

    /// Ends the answer with a JSON body that is there already.
    pub fn json(&mut self, body: &[u8]) {
        self.body("application/json", body);
    }

    /// Ends the answer with `value` as JSON, written straight into the output.
    ///
    /// A value that cannot be written (a map whose keys are no strings, a `Serialize` that fails) is a 500
    /// without the header fields that were set, and a line in the log; the client never sees a part of it.
    pub fn json_of(&mut self, value: &(impl Serialize + ?Sized)) {
        let mut written = Ok(());
        self.body_with("application/json", |out| written = serde_json::to_writer(out, value));
        if let Err(error) = written {
            log::error!("an answer cannot be written as JSON: {error}");
            self.replace(Status::InternalServerError);
        }
    }

    /// Ends the answer with a plain-text body.
    pub fn text(&mut self, body: impl Display) {
        self.body_with("text/plain; charset=utf-8", |out| {
            let _ = write!(out, "{body}");
        });
    }

    /// Ends the answer without a body.
    pub fn empty(&mut self) {
        self.head();
        if self.status.has_content() {
            self.out.extend_from_slice(b"content-length: 0\r\n");
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// Ends the answer with a body that `write` appends to the output buffer.
    pub fn body_with(&mut self, content_type: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.status.has_content() {
            return self.empty();
        }
        self.head();
        self.out.extend_from_slice(b"content-type: ");
        self.out.extend_from_slice(content_type.as_bytes());
        self.out.extend_from_slice(LENGTH_LINE);
        let body_at = self.out.len();
        write(self.out);
        let body_bytes = self.out.len() - body_at;
        if self.omit_body {
            self.out.truncate(body_at);
        }
        write_length(self.out, body_at - LINE_ENDS, body_bytes);
        self.hold();
    }

    /// Ends the answer with a body of any size that `write` produces piece by piece: with `Content-Length`
    /// where its `length` in bytes is known, otherwise chunked (RFC 9112 section 7.1), and for HTTP/1.0 ended
    /// by the connection's end. For HEAD `write` is not called.
    ///
    /// If `write` fails, or writes less than the length, the answer becomes a 500 while nothing of it has
    /// been sent; after that the connection is cut, so that the client does not take the part for the whole.
    pub fn stream(
        &mut self,
        content_type: &'static str,
        length: Option<u64>,
        write: impl FnOnce(&mut BodyWriter<'_>) -> io::Result<()>,
    ) {
        if !self.status.has_content() {
            return self.empty();
        }
        let framing = match length {
            Some(left) => WrittenFraming::Length { left },
            None if self.http10 => WrittenFraming::Close,
            None => WrittenFraming::Chunked,
        };
        if framing == WrittenFraming::Close {
            self.close();
        }
        if let Some(sink) = self.sink
            && !self.omit_body
            && sink.begin(self.out, length.is_some()).is_err()
        {
            return self.give_up();
        }
        self.head();
        let _ = write!(self.out, "content-type: {content_type}\r\n");
        match framing {
            WrittenFraming::Length { left } => {
                let _ = write!(self.out, "content-length: {left}\r\n");
            }
            WrittenFraming::Chunked => self.out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
            WrittenFraming::Close => {}
        }
        self.out.extend_from_slice(b"\r\n");
        if self.omit_body {
            return;
        }
        let mut body = BodyWriter::new(self.out, self.sink, framing, &mut self.progress);
        let written = write(&mut body);
        body.finish(written.is_ok());
        if let Err(error) = written {
            log::warn!("a streamed answer was not completed: {error}");
        }
        if self.is_unwritten() {
            self.out.truncate(self.answer_at);
        }
    }

    /// A look at the output of an answer that is whole: if it has grown, the growth is held, or another
    /// answer takes the place of this one.
    fn hold(&mut self) {
        if self.out.capacity() > self.most_bytes
            && let Some(sink) = self.sink
        {
            self.hold_growth(sink);
        }
    }

    #[cold]
    #[inline(never)]
    fn hold_growth(&mut self, sink: &dyn Sink) {
        let answer_bytes = self.out.len() - self.answer_at;
        match sink.hold(self.out, answer_bytes, self.safe) {
            Ok(most_bytes) => self.most_bytes = most_bytes,
            Err(status) => self.replace(status),
        }
    }

    /// Puts an error of the engine in the place of an answer of which nothing has left.
    fn replace(&mut self, status: Status) {
        self.out.truncate(self.answer_at);
        self.out.shrink_to(self.most_bytes);
        self.fields.clear();
        self.progress = Progress::Unwritten;
        self.refuse(status);
    }

    /// Leaves a client without an answer that is gone, or does not take the answers before.
    pub(crate) fn give_up(&mut self) {
        self.progress = Progress::Cut;
    }

    /// Ends the answer with an error of the engine itself.
    pub(crate) fn refuse(&mut self, status: Status) {
        if matches!(status, Status::ServiceUnavailable | Status::TooManyRequests) {
            self.header("retry-after", RETRY_AFTER_S);
        }
        self.status(status).json(engine_error_body(status).as_bytes());
    }

    /// Ends the answer to a WebSocket handshake: a 404, or a 426 with what a 426 must say (RFC 6455 section
    /// 4.4, RFC 9110 sections 7.8 and 15.5.22).
    pub(crate) fn refuse_websocket(&mut self, status: Status) {
        if status == Status::UpgradeRequired {
            self.fields.extend_from_slice(
                b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n",
            );
        }
        self.refuse(status);
    }

    /// Whether the connection ends with this answer.
    pub(crate) fn closes(&self) -> bool {
        self.persistence == Persistence::Close
    }

    pub(crate) fn is_unwritten(&self) -> bool {
        self.progress == Progress::Unwritten
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress
    }

    pub(crate) fn current_status(&self) -> Status {
        self.status
    }

    /// Bytes of the answer, if all of it is in the output.
    pub(crate) fn bytes(&self) -> Option<usize> {
        (self.progress == Progress::Written).then(|| self.out.len() - self.answer_at)
    }

    fn head(&mut self) {
        // Two would be taken for those of two requests.
        assert!(self.progress == Progress::Unwritten, "a request has one answer");
        self.progress = Progress::Written;
        self.answer_at = self.out.len();
        // A drain that began while the handler waited: the client learns it with this answer, as with any
        // other last one.
        if self.ending.is_some_and(|ending| ending.load(Ordering::Acquire)) {
            self.close();
        }
        self.out.reserve(USUAL_HEAD_BYTES);
        match self.status {
            // A copy of a length known here is a few moves; of another, a call.
            Status::Ok => self.out.extend_from_slice(Status::Ok.line()),
            other => self.out.extend_from_slice(other.line()),
        }
        self.date.write_field(self.out);
        match self.persistence {
            Persistence::Implied => {}
            Persistence::KeepAlive => self.out.extend_from_slice(b"connection: keep-alive\r\n"),
            Persistence::Close => self.out.extend_from_slice(b"connection: close\r\n"),
        }
        if !self.fields.is_empty() {
            self.out.extend_from_slice(&self.fields);
        }
        if !self.named.is_empty() {
            self.out.extend_from_slice(self.named.as_bytes());
        }
    }
}

/// Writes a length over the [`LENGTH_DIGITS`] that end at `end`. What follows moves where it needs more or
/// less.
fn write_length(out: &mut Vec<u8>, end: usize, length: usize) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(length).as_bytes();
    let start = end - LENGTH_DIGITS;
    if digits.len() == LENGTH_DIGITS {
        out[start..end].copy_from_slice(digits);
    } else {
        move_behind(out, end, start + digits.len());
        out[start..start + digits.len()].copy_from_slice(digits);
    }
}

/// Moves all that stands behind `from` to `to`.
fn move_behind(out: &mut Vec<u8>, from: usize, to: usize) {
    let end = out.len();
    if to > from {
        out.resize(end + to - from, 0);
    }
    out.copy_within(from..end, to);
    out.truncate(end + to - from);
}

/// The body of an error of the engine itself, the same form as the APIs' errors.
fn engine_error_body(status: Status) -> String {
    let mut body = String::new();
    let _ = write!(body, "{{\"error\":\"{}\"}}", status.reason().to_ascii_lowercase());
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(omit_body: bool, build: impl FnOnce(&mut Response<'_>)) -> String {
        let mut out = Vec::new();
        let date = Date::now();
        build(&mut Response::new(&mut out, &date, Persistence::Implied, omit_body));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_body_has_its_length() {
        let text = answer(false, |response| response.json(b"{\"a\":1}"));
        assert!(text.starts_with("HTTP/1.1 200 OK\r\ndate: "), "{text}");
        assert!(text.contains("content-length: 7\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\n{\"a\":1}"), "{text}");
    }

    #[test]
    fn head_keeps_the_length_and_drops_the_body() {
        let text = answer(true, |response| response.text(12_345));
        assert!(text.contains("content-length: 5\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\n"), "{text}");
    }

    #[test]
    fn a_length_has_one_blank_and_its_own_digits() {
        for length in [0, 9, 10, 99, 100, 999, 1_000, 9_999, 10_000, 123_456] {
            let body: String = ('a'..='z').cycle().take(length).collect();
            let end = format!("\r\ncontent-length: {length}\r\n\r\n");
            for omit_body in [false, true] {
                let known = answer(omit_body, |response| response.json(body.as_bytes()));
                let found = answer(omit_body, |response| response.text(&body));
                let end = if omit_body { end.clone() } else { format!("{end}{body}") };
                assert!(known.ends_with(&end) && found.ends_with(&end), "{length}");
            }
        }
    }

    #[test]
    fn a_value_is_written_as_json() {
        let text = answer(false, |response| response.json_of(&("é\"", Some(1), [true])));
        assert!(text.contains("content-type: application/json\r\n"), "{text}");
        assert!(text.contains("content-length: 17\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\n[\"é\\\"\",1,[true]]"), "{text}");
    }

    #[test]
    fn a_value_that_cannot_be_written_leaves_nothing_but_a_500() {
        let broken = std::collections::BTreeMap::from([((1, 2), "a key that is no string")]);
        let mut out = b"the answer before".to_vec();
        let date = Date::now();
        let mut response = Response::new(&mut out, &date, Persistence::Implied, false);
        response.status(Status::Created).header("location", "/a").json_of(&[broken]);
        assert_eq!(
            (response.current_status(), response.progress()),
            (Status::InternalServerError, Progress::Written)
        );
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("the answer beforeHTTP/1.1 500 Internal Server Error\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\n{\"error\":\"internal server error\"}"), "{text}");
        assert!(!text.contains("location") && text.matches("HTTP/1.1").count() == 1, "{text}");
    }

    #[test]
    fn some_statuses_have_no_content() {
        for status in [Status::NoContent, Status::NotModified] {
            let text = answer(false, |response| response.status(status).text("dropped"));
            assert!(text.ends_with("\r\n\r\n") && !text.contains("content-"), "{text}");
        }
    }

    #[test]
    #[should_panic = "is no field name"]
    fn a_name_cannot_end_its_line() {
        answer(false, |response| response.header("x: y\r\nz", "").empty());
    }

    #[test]
    fn a_value_cannot_end_its_line() {
        let text = answer(false, |response| {
            response.header("location", "/a\r\nx: y").empty();
        });
        assert!(text.contains("location: /a??x: y\r\n"), "{text}");
    }
}
