//! Idempotency keys: a request with the key of an earlier one of the same user is not done again, it is
//! answered as that one was (draft-ietf-httpapi-idempotency-key-header). Whatever is done under a key is
//! committed with it.
//!
//! Race window: of two requests with one key that come to the same replica, the later is a 409 while the
//! first is under way. On two replicas the later one's statement waits for the first one's commit, and then
//! finds its answer.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::orders::Order;
use crate::http::{Rejection, Request, Response, Status};
use crate::store::Session;

/// Bytes of a key that a client may send.
const LONGEST: usize = 255;

/// Of the two headers with this name the second would be ignored, so there must be one.
const HEADER: &str = "idempotency-key";

/// Rows that one statement of the sweep deletes.
const SWEPT_ROWS: i64 = 1_000;

const SWEEP: &str = "
    DELETE FROM inventory.idempotency_keys WHERE (user_id, key) IN (
        SELECT user_id, key FROM inventory.idempotency_keys
        WHERE created_at < now() - interval '24 hours' ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED)";

/// What a request is known by, in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) user: i64,
    /// `=` and what the client sent; or `~` and the request's number where it sent none, but the answer has
    /// to be found again after a lost connection.
    pub(super) text: Box<str>,
    /// Of the route and the body.
    pub(super) fingerprint: [u8; 32],
}

/// An answer that can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: Status,
    /// JSON.
    pub(super) body: Vec<u8>,
    /// The order that was placed, if one was.
    pub(super) order: Option<i64>,
}

impl Answer {
    pub(super) fn refused(rejection: &Rejection) -> Self {
        let mut body = Vec::with_capacity(64);
        rejection.write(&mut body);
        Self { status: rejection.status, body, order: None }
    }

    /// Of an order, when it was placed.
    pub(super) fn placed(order: Order) -> Self {
        Self { status: Status::Created, order: Some(order.id), body: order.when_placed().body() }
    }

    /// The status, as the table has it.
    pub(super) fn code(&self) -> i16 {
        self.status.code().cast_signed()
    }

    pub(super) fn send(&self, response: &mut Response<'_>) {
        if let Some(order) = self.order {
            response.header("location", format_args!("/api/v1/orders/{order}"));
        }
        response.status(self.status).json(&self.body);
    }
}

/// What became of an earlier request with the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Earlier {
    Answered(Answer),
    /// It was another request.
    Differs,
}

impl Earlier {
    /// What a row of the table says to a request with this fingerprint.
    pub(super) fn of(fingerprint: &[u8; 32], stored: &[u8], status: i16, body: &[u8]) -> Self {
        let status = Status::of(status.cast_unsigned()).filter(|_| stored == fingerprint);
        let answer = |status| Answer { status, body: body.to_vec(), order: None };
        status.map_or(Self::Differs, |status| Self::Answered(answer(status)))
    }
}

pub(super) const DIFFERS: Rejection =
    Rejection::of_field(Status::UnprocessableContent, "was used for another request", "Idempotency-Key");

/// The keys of requests that are under way on this replica.
#[derive(Default)]
pub(super) struct UnderWay(Mutex<HashSet<(i64, Box<str>)>>);

/// A key that is under way until this is dropped.
pub(super) struct Claim {
    pub(super) key: Key,
    all: Arc<UnderWay>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.all.0.lock().remove(&(self.key.user, self.key.text.clone()));
    }
}

impl UnderWay {
    /// The key of a request, if it has one. Asked before the body is parsed, which changes it.
    ///
    /// # Errors
    /// 422 for what is not a key, 409 for one that is under way.
    pub(super) fn claim(
        self: &Arc<Self>,
        user: i64,
        route: &str,
        request: &mut Request<'_>,
    ) -> Result<Option<Claim>, Rejection> {
        const BAD: Rejection = Rejection::of_field(
            Status::UnprocessableContent,
            "expected one key of 1 to 255 visible ASCII characters",
            "Idempotency-Key",
        );
        let head = request.head();
        let mut lines = head.header_lines(HEADER);
        let Some(line) = lines.next() else { return Ok(None) };
        let is_key = (1..=LONGEST).contains(&line.len()) && line.iter().all(u8::is_ascii_graphic);
        if !is_key || lines.next().is_some() {
            return Err(BAD);
        }
        let text = std::str::from_utf8(line).map_err(|_| BAD)?;
        let text: Box<str> = ["=", text].concat().into();
        let fingerprint = fingerprint(route, request.body());
        if !self.0.lock().insert((user, text.clone())) {
            let error = "a request with this key is under way";
            return Err(Rejection::of_field(Status::Conflict, error, "Idempotency-Key"));
        }
        Ok(Some(Claim { key: Key { user, text, fingerprint }, all: self.clone() }))
    }
}

impl Key {
    /// Of a request without one.
    pub(super) fn own(user: i64, request: Uuid) -> Self {
        Self { user, text: format!("~{request}").into(), fingerprint: [0; 32] }
    }

    /// Whether no client knows it.
    pub(super) fn is_own(&self) -> bool {
        self.text.starts_with('~')
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.text.len()
    }
}

fn fingerprint(route: &str, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(route);
    hash.update([0]);
    hash.update(body);
    hash.finalize().into()
}

/// Deletes the keys that are older than a day; whether that was all.
pub(super) fn sweep(session: &mut Session) -> Result<bool, postgres::Error> {
    Ok(session.execute(SWEEP, &[&SWEPT_ROWS])? < SWEPT_ROWS.unsigned_abs())
}
