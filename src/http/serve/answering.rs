//! The answering side of a connection: from a request to the answer in the output, and out of it.

use std::sync::atomic::Ordering;

use super::call::call;
use super::report::Present;
use super::wire::Wire;
use crate::http::message::fields::Field;
use crate::http::message::head::Head;
use crate::http::message::reader::BodyReader;
use crate::http::message::request::Request;
use crate::http::message::request_head::RequestHead;
use crate::http::message::response::Response;
use crate::http::message::writer::Broken;
use crate::http::route::guard::Pass;
use crate::http::route::latency::Timing;
use crate::http::route::metrics::Limit;
use crate::http::route::router::{Arrival, Series};

/// Whether the connection goes on after an answer.
#[derive(Clone, Copy)]
pub(crate) enum After {
    Next,
    Close,
    /// The answer is not whole, and nothing that follows could say so.
    Cut,
}

/// The answering side of a connection, apart from its input so that a request can borrow that meanwhile.
#[derive(Default)]
pub(crate) struct Answering {
    pub(crate) output: Vec<u8>,
    pub(super) requests: u64,
    pub(crate) timing: Timing,
    /// What the guard of the present request has handed over, until its body is there.
    pub(super) pass: Option<Pass>,
    pub(super) present: Present,
}

impl Answering {
    /// Counts the request, calls its handler, and says whether the connection goes on.
    pub(crate) fn answer(
        &mut self,
        wire: &Wire<'_>,
        head: &Head<'_>,
        fields: &[Field<'_>],
        body: &mut [u8],
    ) -> After {
        let last = self.begin(wire, head);
        self.meet(wire, fields);
        let mut request = Request::new(RequestHead::new(head, fields, Some(wire)), body);
        let arrival = self.pass.take().map_or(Arrival::Whole, Arrival::Admitted);
        let named = self.present.fields();
        let (after, told) = call(wire, &mut self.output, named, head, last, |response| {
            answer(wire, head, &mut request, arrival, response)
        });
        self.timing.answered(&wire.shared.router, told.series);
        self.report(wire, Some((head, fields)), told);
        // What found no room in the account does not wait for the next answers.
        if self.output.capacity() > wire.held() && self.flush(wire).is_err() {
            return After::Cut;
        }
        after
    }

    /// The answer to a client that waits for word before it sends its body, and gets the last one. The
    /// connection ends with it, whether or not the body has begun to come: the client need not send a body
    /// that nobody wants, so what comes next may be either (RFC 9110 section 10.1.1).
    #[inline(never)] // no part of the usual request's stack
    pub(crate) fn answer_uninvited(
        &mut self,
        wire: &Wire<'_>,
        head: &Head<'_>,
        fields: &[Field<'_>],
    ) -> After {
        self.answer(wire, &Head { keep_alive: false, ..*head }, fields, &mut [])
    }

    /// The same for a route that reads its body piece by piece.
    pub(crate) fn answer_stream(
        &mut self,
        wire: &Wire<'_>,
        head: &Head<'_>,
        fields: &[Field<'_>],
        body: &mut BodyReader<'_>,
    ) -> After {
        let last = self.begin(wire, head);
        self.meet(wire, fields);
        wire.expect_body(head.framing);
        let mut request = Request::new(RequestHead::new(head, fields, Some(wire)), &mut []);
        let named = self.present.fields();
        let (after, told) = call(wire, &mut self.output, named, head, last, |response| {
            let series = answer(wire, head, &mut request, Arrival::Stream(body), response);
            match body.refusal() {
                Err(_) => response.give_up(),
                // What could not be read is the client's fault, not that of a handler that gave up without an
                // answer.
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
        self.timing.answered(&wire.shared.router, told.series);
        self.report(wire, Some((head, fields)), told);
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
    pub(crate) fn flush(&mut self, wire: &Wire<'_>) -> Result<(), Broken> {
        // Also where a streamed answer has left without a rest.
        self.timing.end(&wire.shared.router);
        if !self.output.is_empty() {
            wire.write_out(&mut self.output)?;
        }
        Ok(())
    }

    /// `true` if the connection ends with this request.
    pub(super) fn begin(&mut self, wire: &Wire<'_>, head: &Head<'_>) -> bool {
        let shared = wire.shared;
        self.requests += 1;
        wire.answering.set(false);
        wire.registered.idle.store(false, Ordering::Release);
        if self.requests >= shared.limits.requests_per_connection {
            shared.metrics.hit(Limit::RequestsPerConnection);
        }
        self.is_last(wire, head, self.requests)
    }

    /// Whether the connection ends with this request, which is the one of this number.
    pub(super) fn is_last(&self, wire: &Wire<'_>, head: &Head<'_>, number: u64) -> bool {
        let shared = wire.shared;
        !head.keep_alive
            || number >= shared.limits.requests_per_connection
            || shared.draining.load(Ordering::Acquire)
            || wire.registered.is_leaving()
    }
}

/// The route's answer, or that of a WebSocket handshake, which no route sees.
#[inline]
fn answer(
    wire: &Wire<'_>,
    head: &Head<'_>,
    request: &mut Request<'_>,
    arrival: Arrival<'_, '_>,
    response: &mut Response<'_>,
) -> Series {
    let router = &wire.shared.router;
    let Some(status) = head.refused_websocket else { return router.answer(request, arrival, response) };
    router.count_other(status);
    response.refuse_websocket(status);
    Series::OTHER
}
