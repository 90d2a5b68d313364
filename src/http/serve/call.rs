//! The call of a handler, and what becomes of one that panics or does not answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use super::answering::After;
use super::report::Told;
use super::wire::Wire;
use crate::http::message::head::Head;
use crate::http::message::request::Method;
use crate::http::message::response::{Persistence, Response};
use crate::http::message::status::Status;
use crate::http::message::writer::Progress;
use crate::http::route::router::Series;

/// The answer to a request, still to be written.
pub(super) fn response_to<'o>(
    wire: &'o Wire<'o>,
    output: &'o mut Vec<u8>,
    named: &'o str,
    head: &Head<'_>,
    last: bool,
) -> Response<'o> {
    let persistence = match (last, head.http10) {
        (true, _) => Persistence::Close,
        (false, true) => Persistence::KeepAlive,
        (false, false) => Persistence::Implied,
    };
    let omit_body = head.method == Method::Head;
    let shared = wire.shared;
    Response::new(output, &shared.clock.date, persistence, omit_body)
        .over(wire, &shared.draining, head.http10)
        .within(wire.held(), head.method.is_safe())
        .named(named)
}

/// Lets `answer` write the answer, and says what became of it. A panic in it, or no answer, is a 500
/// and ends the connection.
pub(super) fn call(
    wire: &Wire<'_>,
    output: &mut Vec<u8>,
    named: &str,
    head: &Head<'_>,
    last: bool,
    answer: impl FnOnce(&mut Response<'_>) -> Series,
) -> (After, Told) {
    let answer_at = output.len();
    let mut response = response_to(wire, output, named, head, last);
    let outcome = catch_unwind(AssertUnwindSafe(|| answer(&mut response)));
    let fault = match (&outcome, response.progress()) {
        (Ok(series), Progress::Written | Progress::Streamed) => {
            let after = if response.closes() { After::Close } else { After::Next };
            return (after, told(&response, *series));
        }
        (Ok(series), Progress::Cut) => return (After::Cut, told(&response, *series)),
        (Ok(_), Progress::Unwritten) => "wrote no answer",
        (Err(_), _) => "panicked",
    };
    let progress = response.progress();
    let after = fail(wire, output, answer_at, named, head, progress, fault);
    (after, FAILED)
}

/// What is told of an answer that no handler has given.
pub(super) const FAILED: Told =
    Told { status: Status::InternalServerError, series: Series::OTHER, bytes: None };

pub(super) fn told(response: &Response<'_>, series: Series) -> Told {
    Told { status: response.current_status(), series, bytes: response.bytes() }
}

/// Answers for a handler or a guard that did not.
#[cold]
pub(super) fn fail(
    wire: &Wire<'_>,
    output: &mut Vec<u8>,
    answer_at: usize,
    named: &str,
    head: &Head<'_>,
    progress: Progress,
    fault: &str,
) -> After {
    let shared = wire.shared;
    shared.metrics.panics.fetch_add(1, Ordering::Relaxed);
    log::error!("the handler of {} {} {fault}", head.method.as_str(), shared.router.template_of(head.path));
    if matches!(progress, Progress::Streamed | Progress::Cut) {
        return After::Cut;
    }
    // What the handler had begun to write is not an answer.
    output.truncate(answer_at);
    shared.router.count_other(Status::InternalServerError);
    response_to(wire, output, named, head, true).refuse(Status::InternalServerError);
    After::Close
}
