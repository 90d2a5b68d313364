//! Whether a replica should get requests, and why not.
//!
//! A leaf: rooms say what they lack, `app` asks them, and an answer is written from it. There are two
//! questions. An operator asks whether all is well. A balancer asks whether another replica would do better,
//! and so about this replica's own faults alone: while Postgres is away none would, and what memory can
//! answer goes on.

use std::time::Duration;

use serde_json::{Value, json};

use crate::limits;
use crate::waiting::life::Stuck;

/// What stands against a replica.
#[derive(Debug, Default)]
pub struct Readiness {
    reasons: Vec<Reason>,
}

#[derive(Debug)]
struct Reason {
    part: &'static str,
    what: &'static str,
    /// How old something is that may not be so old.
    age: Option<Duration>,
    own: bool,
}

impl Readiness {
    /// A fault of this replica's own.
    pub fn own(&mut self, part: &'static str, what: &'static str) {
        self.reasons.push(Reason { part, what, age: None, own: true });
    }

    /// Something that this replica waits for.
    pub fn outside(&mut self, part: &'static str, what: &'static str) {
        self.reasons.push(Reason { part, what, age: None, own: false });
    }

    /// Something that must not be older than [`limits::READY_AGE_MS`].
    pub fn age(&mut self, part: &'static str, what: &'static str, age: Duration) {
        if age > Duration::from_millis(limits::READY_AGE_MS) {
            self.reasons.push(Reason { part, what, age: Some(age), own: false });
        }
    }

    /// Leaves only what is this replica's own fault.
    pub fn keep_own(&mut self) {
        self.reasons.retain(|reason| reason.own);
    }

    /// Whether nothing stands against it.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.reasons.is_empty()
    }

    /// `{"status":"ready"}`, or `{"status":"not ready","reasons":[{"part","reason","age_ms"?,"limit_ms"?}]}`.
    #[must_use]
    pub fn json(&self) -> String {
        if self.is_ready() {
            return json!({ "status": "ready" }).to_string();
        }
        let reasons: Vec<Value> = self.reasons.iter().map(Reason::json).collect();
        json!({ "status": "not ready", "reasons": reasons }).to_string()
    }
}

/// What `/healthz` says of the parts that do not get on: `{"status":"ok"}`, or
/// `{"status":"failing","parts":[{"part","silent_ms","limit_ms"?,"panics"?}]}`.
#[must_use]
pub fn health(stuck: &[Stuck]) -> String {
    if stuck.is_empty() {
        return json!({ "status": "ok" }).to_string();
    }
    let parts = stuck.iter().map(|one| {
        let mut value = json!({ "part": one.part, "silent_ms": millis(one.silent) });
        if let Some(bound) = one.bound {
            value["limit_ms"] = json!(millis(bound));
        }
        if one.failing {
            value["panics"] = json!("again and again");
        }
        value
    });
    json!({ "status": "failing", "parts": parts.collect::<Vec<_>>() }).to_string()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Reason {
    fn json(&self) -> Value {
        let mut value = json!({ "part": self.part, "reason": self.what });
        if let Some(age) = self.age {
            value["age_ms"] = json!(millis(age));
            value["limit_ms"] = json!(limits::READY_AGE_MS);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_young_enough_is_no_reason() {
        let mut readiness = Readiness::default();
        readiness.age("feed", "the feed's last poll is old", Duration::from_millis(limits::READY_AGE_MS));
        assert!(readiness.is_ready());
        assert_eq!(readiness.json(), r#"{"status":"ready"}"#);
    }

    #[test]
    fn a_part_that_does_not_get_on_is_named() {
        assert_eq!(health(&[]), r#"{"status":"ok"}"#);
        let silent = Duration::from_millis(7_000);
        let bound = Some(limits::LOOP_SILENCE);
        let stuck = Stuck { part: "pouco-sweeper".into(), silent, bound, failing: false };
        assert_eq!(
            health(&[stuck]),
            r#"{"parts":[{"limit_ms":5000,"part":"pouco-sweeper","silent_ms":7000}],"status":"failing"}"#
        );
    }

    #[test]
    fn a_balancer_hears_only_of_own_faults() {
        let mut readiness = Readiness::default();
        readiness.age("feed", "old", Duration::from_millis(2_500));
        readiness.own("feed", "dead");
        assert_eq!(
            readiness.json(),
            r#"{"reasons":[{"age_ms":2500,"limit_ms":1600,"part":"feed","reason":"old"},{"part":"feed","reason":"dead"}],"status":"not ready"}"#
        );
        readiness.keep_own();
        assert_eq!(readiness.json(), r#"{"reasons":[{"part":"feed","reason":"dead"}],"status":"not ready"}"#);
    }
}
