//! The engine against `hyper`: what does each accept? Both are asked over TCP, with handmade requests and
//! with mutations of valid ones. Being stricter is allowed only for the reasons listed in `reasons.rs`, each
//! with its RFC section; so is the little that we accept and hyper does not.
#![allow(clippy::unwrap_used)]

mod cases;
mod message;
mod peers;
mod reasons;

use std::collections::BTreeMap;

use cases::{NEXT, Seeded};
use message::Message;
use peers::{Ours, Theirs, Verdict};

const MUTATIONS: usize = 2_000;

/// `POUCO_TEST_SEED` takes another one.
const SEED: u64 = 9112;

/// What became of all comparisons.
#[derive(Default)]
struct Tally {
    alike: usize,
    accepted: usize,
    explained: BTreeMap<&'static str, usize>,
    unexplained: Vec<String>,
}

impl Tally {
    fn compare(&mut self, ours: &Verdict, theirs: &Verdict, stream: &[u8]) {
        let (we, they) = (ours.accepted.len(), theirs.accepted.len());
        let common = we.min(they);
        let bodies_differ =
            ours.accepted[..common].iter().zip(&theirs.accepted).any(|(our, their)| !our.agrees_with(their));
        if we == they && !bodies_differ {
            self.alike += 1;
            self.accepted += usize::from(we > 0);
            return;
        }
        let reason = match bodies_differ {
            true => None,
            false if we < they => disputed(stream, common)
                .and_then(reasons::for_refusing)
                .or_else(|| disputed(stream, common.checked_sub(1)?).and_then(reasons::for_ending)),
            false => disputed(stream, common).and_then(reasons::for_accepting),
        };
        match reason {
            Some(reason) => *self.explained.entry(reason).or_default() += 1,
            None => self
                .unexplained
                .push(format!("{}\n   ours {ours:?}\n   hyper {theirs:?}", stream.escape_ascii())),
        }
    }

    fn show(&self, what: &str) {
        println!("{what}: {} alike, of which {} accepted", self.alike, self.accepted);
        for (reason, count) in &self.explained {
            println!("{count:6} {reason}");
        }
        assert!(
            self.unexplained.is_empty(),
            "{} without a reason:\n{}",
            self.unexplained.len(),
            self.unexplained.join("\n")
        );
    }
}

/// The stream from the first request on that only one has accepted.
fn disputed(mut stream: &[u8], accepted_by_both: usize) -> Option<&[u8]> {
    for _ in 0..accepted_by_both {
        stream = Message::read(stream).rest()?;
    }
    Some(stream)
}

/// Asks both for `request` followed by a plain one, which shows whether they saw the same end.
fn compare(tally: &mut Tally, ours: &Ours, theirs: &Theirs, request: &[u8]) {
    let stream = [request, NEXT].concat();
    tally.compare(&ours.ask(&stream), &theirs.ask(&stream), &stream);
}

#[test]
fn handmade_requests() {
    let (ours, theirs) = (Ours::start(), Theirs::start());
    let mut tally = Tally::default();
    let handmade = cases::handmade();
    assert!(handmade.len() >= 60, "only {} cases", handmade.len());
    for request in &handmade {
        compare(&mut tally, &ours, &theirs, request);
    }
    tally.show("handmade");
    assert!(tally.accepted >= 15, "valid requests are accepted by both");
}

#[test]
fn mutated_requests() {
    let (ours, theirs) = (Ours::start(), Theirs::start());
    let mut tally = Tally::default();
    let seed = std::env::var("POUCO_TEST_SEED").map_or(SEED, |text| text.parse().expect("a number"));
    let mut seeded = Seeded::new(seed);
    for _ in 0..MUTATIONS {
        compare(&mut tally, &ours, &theirs, &seeded.mutation());
    }
    tally.show("mutated");
    assert!(tally.accepted > MUTATIONS / 10, "most mutations must not be plain garbage");
}
