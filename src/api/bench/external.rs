//! `GET /external`: what it costs to wait for a call to another service. The connection's coroutine sleeps on
//! the timer of the worker's loop, so that 10,000 may wait at once without a thread each.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::http::{Response, sleep_until};

/// Answers after so long, with how long it was, to the microsecond.
pub(super) fn answer(delay: Duration, response: &mut Response<'_>) {
    let begun = Instant::now();
    // Far below the end of the clock.
    sleep_until(begun + delay);
    let took = begun.elapsed();
    response.body_with("application/json", |out| {
        let (millis, micros) = (took.as_millis(), took.subsec_micros() % 1_000);
        // Writing to a Vec does not fail.
        let _ = write!(
            out,
            "{{\"source\":\"timer\",\"latency_ms\":{millis}.{micros:03},\"data\":{{\"status\":\"ok\"}}}}"
        );
    });
}
