//! A request whose body is still to come, and the guard of its route: it is asked before the client is
//! invited to send.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use super::{Begun, Connection, End, Step};
use crate::http::message::client::Network;
use crate::http::message::fields::{BodyFraming, Field};
use crate::http::message::head::Head;
use crate::http::message::reader::{BodyReader, MAX_SKIPPED_BYTES};
use crate::http::message::request_head::RequestHead;
use crate::http::message::status::Status;
use crate::http::message::writer::Progress;
use crate::http::route::guard::Admission;
use crate::http::route::metrics::Limit;
use crate::http::route::router::Series;
use crate::http::serve::answering::{After, Answering};
use crate::http::serve::call::{FAILED, fail, response_to, told};
use crate::http::serve::rates::Rates;
use crate::http::serve::wire::Wire;

impl Answering {
    /// Answers with 429 where the client has sent more than it may; its body goes past nobody.
    #[cold] // where no rate is set, which is the usual case
    pub(super) fn decline_over_rate(
        &mut self,
        rates: &Rates,
        wire: &Wire<'_>,
        head: &Head<'_>,
        fields: &[Field<'_>],
    ) -> Option<Begun> {
        let network = Network::of(RequestHead::new(head, fields, Some(wire)).client()?);
        if rates.allows(network) {
            return None;
        }
        let (status, router) = (Status::TooManyRequests, &wire.shared.router);
        wire.shared.metrics.hit(Limit::RequestsPerAddress);
        router.count_other(status);
        let invite = head.expects_continue;
        let last = self.begin(wire, head) || !may_be_skipped(head.framing, invite);
        self.meet(wire, fields);
        let mut response = response_to(wire, &mut self.output, self.present.fields(), head, last);
        response.refuse(status);
        let after = if response.closes() { After::Close } else { After::Next };
        let told = told(&response, Series::OTHER);
        self.timing.answered(router, Series::OTHER);
        self.report(wire, Some((head, fields)), told);
        Some(Begun::Declined { head_bytes: head.head_bytes, framing: head.framing, invite, after })
    }

    /// Asks the guard. `None` if the body may come; what was handed over waits for it in [`Answering`].
    #[inline(never)] // a request without a guard goes past it
    pub(super) fn decline(
        &mut self,
        wire: &Wire<'_>,
        head: &Head<'_>,
        fields: &[Field<'_>],
        invite: bool,
    ) -> Option<Begun> {
        // A guard may park, and a connection that has a request is not idle.
        wire.registered.idle.store(false, Ordering::Release);
        let router = &wire.shared.router;
        let last = !may_be_skipped(head.framing, invite) || self.is_last(wire, head, self.requests + 1);
        let answer_at = self.output.len();
        self.meet(wire, fields);
        let named = self.present.fields();
        let mut response = response_to(wire, &mut self.output, named, head, last);
        let seen = RequestHead::new(head, fields, Some(wire));
        let outcome = catch_unwind(AssertUnwindSafe(|| router.admit(&seen, &mut response)));
        let (progress, closes) = (response.progress(), response.closes());
        let told = |series| told(&response, series);
        let (fault, answered) = match (outcome, progress) {
            (Ok(Admission::Unguarded), _) => return None,
            (Ok(Admission::Admitted(pass)), Progress::Unwritten) => {
                self.pass = Some(pass);
                return None;
            }
            (Ok(Admission::Declined(series)), Progress::Written | Progress::Streamed) => {
                (None, (if closes { After::Close } else { After::Next }, told(series)))
            }
            (Ok(Admission::Declined(series)), Progress::Cut) => (None, (After::Cut, told(series))),
            (Ok(_), _) => (Some("has a guard without an answer"), (After::Close, FAILED)),
            (Err(_), _) => (Some("panicked"), (After::Close, FAILED)),
        };
        let (mut after, told) = answered;
        if let Some(fault) = fault {
            after = fail(wire, &mut self.output, answer_at, named, head, progress, fault);
        }
        self.begin(wire, head);
        self.timing.answered(router, told.series);
        self.report(wire, Some((head, fields)), told);
        Some(Begun::Declined { head_bytes: head.head_bytes, framing: head.framing, invite, after })
    }
}

/// A body that will not be read ends the connection, and its client is told so. One that waits for its
/// invitation may come without or not at all: what follows could not be told from it.
fn may_be_skipped(framing: BodyFraming, invite: bool) -> bool {
    match framing {
        BodyFraming::Length(length) => !invite && length <= MAX_SKIPPED_BYTES as u64,
        BodyFraming::Chunked => !invite,
    }
}

impl Connection<'_> {
    /// The guard's answer is in the output: the body goes past nobody, or the connection ends.
    pub(super) fn declined(
        &mut self,
        head_bytes: usize,
        framing: BodyFraming,
        invite: bool,
        mut after: After,
    ) -> Result<Step, End> {
        self.input.consume(head_bytes);
        if let After::Next = after {
            // A client may wait for its answer before it sends the rest.
            self.flush()?;
            let limit = self.shared.limits.body_bytes;
            if !BodyReader::new(&self.wire, &mut self.input, framing, limit, invite).skip_rest() {
                after = After::Close;
            }
        }
        self.answering.timing.end_of_stream(&self.shared.router);
        self.answered(0, after)
    }
}
