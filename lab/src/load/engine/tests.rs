use super::super::{Checks, Ending};
use super::*;
use crate::contest::{Load, Phase, Request};
use crate::lines::Lines;

/// A search for a thousand users in one second.
fn plan() -> Plan {
    let request = Request {
        name: "search".into(),
        method: "GET".into(),
        path: "/".into(),
        body: None,
        accept: vec![200],
        pause_ms: None,
    };
    let phases = vec![Phase { from: 1000.0, to: 1000.0, seconds: 1.0, randomized: false }];
    let scenarios = vec![Scenario { name: "search".into(), phases, clients: None, requests: vec![request] }];
    Plan {
        load: Load {
            seed: 1,
            headers: Vec::new(),
            timeout_seconds: 1.0,
            kept_connections: None,
            shop: None,
            scenarios,
        },
        host: "a".into(),
        target: ([127, 0, 0, 1], 1).into(),
        scale: 1.0,
        seed: 1,
        shop: None,
        payloads: Lines::default().into(),
        payload_offset: 0,
        terms: Lines::default().into(),
        term_offset: 0,
        connections: Connections::PerUser,
        ending: Ending::Reset,
        checks: Checks::None,
        warm_up_seconds: 0,
        rule: None,
    }
}

#[test]
fn users_of_the_turn_that_was_cut_short_are_not_missing() {
    let plan = plan();
    let mut engine = Engine::new(&plan).unwrap();
    assert_eq!(engine.users_asked(SECOND / 20), 0);
    assert_eq!(engine.users_asked(6 * SECOND / 10), 500);
}
