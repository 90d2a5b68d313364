use super::super::Ending;
use super::*;
use crate::contest::{Contest, Load, Phase, Request};
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
        share: None,
    };
    let phases = vec![Phase { from: 1000.0, to: 1000.0, seconds: 1.0, randomized: false }];
    let scenarios = vec![Scenario { name: "search".into(), phases, clients: None, requests: vec![request] }];
    Plan {
        load: Load { seed: 1, timeout_seconds: 1.0, scenarios, ..Load::default() },
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
        oracle: None,
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

/// So that a server which answers ten clients once has shown whether it lists and stores.
#[test]
fn a_mix_is_exact_in_each_deck_and_begins_with_a_list_and_a_creation() {
    let contest = Contest::load(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), "scenarios");
    let contest = contest.unwrap().with_load(Some("08-concurrent-mixed")).unwrap();
    let plan = Plan::new(&contest, 1.0, Lines::default().into(), Lines::default().into()).unwrap();
    let mut engine = Engine::new(&plan).unwrap();
    let user = engine.users.insert(User::new(0, 0, 0, true));
    let mut dealt = |count: usize| -> Vec<String> {
        let name = |engine: &Engine<'_>| engine.chains[0].requests[engine.users[user].step].name.clone();
        (0..count)
            .map(|_| {
                engine.deal(user);
                name(&engine)
            })
            .collect()
    };
    let mut first = dealt(10);
    for name in ["list", "creation"] {
        assert!(first.iter().any(|dealt| dealt == name), "{name}: {first:?}");
    }
    first.extend(dealt(10));
    for all in [first, dealt(20)] {
        let count = |name: &str| all.iter().filter(|dealt| *dealt == name).count();
        let counts = ["health", "echo", "list", "creation", "external", "protected"].map(count);
        assert_eq!(counts, [1, 3, 8, 2, 3, 3], "{all:?}");
    }
}
