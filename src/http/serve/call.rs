//! The call of a handler, and what becomes of one that panics or does not answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use super::answering::After;
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
}

/// Lets `answer` write the answer, and says what it is counted under. A panic in it, or no answer, is a 500
/// and ends the connection.
pub(super) fn call(
    wire: &Wire<'_>,
    output: &mut Vec<u8>,
    head: &Head<'_>,
    last: bool,
    answer: impl FnOnce(&mut Response<'_>) -> Series,
) -> (After, Series) {
    let answer_at = output.len();
    let mut response = response_to(wire, output, head, last);
    let outcome = catch_unwind(AssertUnwindSafe(|| answer(&mut response)));
    let fault = match (&outcome, response.progress()) {
        (Ok(series), Progress::Written | Progress::Streamed) => {
            return (if response.closes() { After::Close } else { After::Next }, *series);
        }
        (Ok(series), Progress::Cut) => return (After::Cut, *series),
        (Ok(_), Progress::Unwritten) => "wrote no answer",
        (Err(_), _) => "panicked",
    };
    let progress = response.progress();
    (fail(wire, output, answer_at, head, progress, fault), Series::OTHER)
}

/// Answers for a handler or a guard that did not.
#[cold]
pub(super) fn fail(
    wire: &Wire<'_>,
    output: &mut Vec<u8>,
    answer_at: usize,
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
    response_to(wire, output, head, true).refuse(Status::InternalServerError);
    After::Close
}
