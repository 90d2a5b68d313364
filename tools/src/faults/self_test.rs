//! The checker must find what is planted: a checker that finds nothing proves nothing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use super::Failure;
use super::audit::{Follows, Told, Truth, audit};
use super::check::{Broken, Violation, check};
use super::history::{Attempt, LostTail, Outcome};
use super::person::{Person, Stored};

/// A history, the table at its end, and what a replica has in memory.
#[derive(Default)]
struct Scene {
    attempts: Vec<Attempt>,
    rows: Vec<Stored>,
    tails: Vec<LostTail>,
    memory: Memory,
}

#[derive(Default)]
struct Memory {
    /// Found by search and by id.
    people: Vec<Stored>,
    /// Found by id alone.
    bodies: Vec<Stored>,
    /// People that it says it has, beside those that it has.
    miscounted: usize,
    behind: bool,
}

impl Follows for Memory {
    fn name(&self) -> String {
        "memory".into()
    }

    fn catch_up(&mut self, _since: Instant) -> Result<Option<String>, Failure> {
        Ok(self.behind.then(|| "a lot".into()))
    }

    fn by_id(&mut self, id: Uuid) -> Result<Told, Failure> {
        let known = self.people.iter().chain(&self.bodies).find(|stored| stored.id == id);
        let body = known.map(|stored| shown(stored).to_string().into_bytes());
        Ok(Told { status: if body.is_some() { 200 } else { 404 }, body: body.unwrap_or_default() })
    }

    fn search(&mut self, term: &str) -> Result<Told, Failure> {
        let matches = self.people.iter().filter(|stored| stored.person.apelido.contains(term));
        let body = Value::from(matches.map(shown).collect::<Vec<_>>()).to_string().into_bytes();
        Ok(Told { status: 200, body })
    }

    fn people(&mut self) -> Result<Option<usize>, Failure> {
        Ok(Some(self.people.len() + self.miscounted))
    }
}

fn shown(stored: &Stored) -> Value {
    let mut shown = stored.person.json();
    shown["id"] = json!(stored.id.to_string());
    shown
}

fn id(number: u64) -> Uuid {
    Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0001 + (u128::from(number) << 8))
}

fn answered(number: u64, nick: &str, status: u16) -> Attempt {
    let began = Duration::from_millis(10 * number);
    let outcome =
        Outcome::Answered { status, id: (status == 201).then(|| id(number)), retry_after: status == 503 };
    Attempt { number, nick: nick.into(), target: 0, began, ended: began + Duration::from_millis(5), outcome }
}

fn row(number: u64, nick: &str) -> Stored {
    Stored { id: id(number), person: Person::of_attempt(number, nick) }
}

/// Everything that may happen: acknowledged, duplicates, refused, never sent, unknown and stored, unknown and
/// not.
fn honest() -> Scene {
    let mut attempts = vec![
        answered(1, "ana", 201),
        answered(2, "ana", 422),
        answered(3, "bia", 503),
        answered(4, "bia", 201),
        answered(5, "caio", 502),
        answered(6, "davi", 502),
        answered(7, "davi", 422),
        answered(8, "eva", 201),
    ];
    for (number, outcome) in [(9, Outcome::NotSent), (10, Outcome::Unknown), (11, Outcome::Unknown)] {
        attempts.push(Attempt { outcome, ..answered(number, &format!("nick{number}"), 201) });
    }
    let rows = vec![row(1, "ana"), row(4, "bia"), row(6, "davi"), row(8, "eva"), row(10, "nick10")];
    let memory = Memory { people: rows.clone(), ..Memory::default() };
    Scene { attempts, rows, tails: Vec::new(), memory }
}

/// As [`honest`], with a database that came back without what was done between 0.3 and 0.33 s.
fn honest_with_a_lost_tail() -> Scene {
    let mut scene = honest();
    let at = Duration::from_millis;
    scene.tails = vec![LostTail::new(at(300), at(330), at(350))];
    scene.attempts.extend([
        answered(30, "gil", 201),
        answered(31, "gil", 422),
        answered(32, "hugo", 201),
        answered(40, "gil", 201),
    ]);
    scene.rows.push(row(40, "gil"));
    scene.memory.people.push(row(40, "gil"));
    scene
}

/// What is done to an honest scene, and what must then be found.
type Plant = fn(&mut Scene);
const PLANTED: &[(&str, Broken, Plant)] = &[
    ("a lost row", Broken::Lost, |Scene { rows, .. }| {
        rows.remove(0);
    }),
    ("another id", Broken::WrongId, |Scene { rows, .. }| rows[0].id = id(99)),
    ("an altered name of a language", Broken::Altered, |Scene { attempts, rows, .. }| {
        attempts.push(answered(22, "rui", 201));
        rows.push(row(22, "rui"));
        if let Some(Some(stack)) = rows.last_mut().map(|row| &mut row.person.stack) {
            stack[1].push('x');
        }
    }),
    ("an altered date", Broken::Altered, |Scene { rows, .. }| {
        rows[1].person.nascimento = "2000-01-01".into();
    }),
    ("a nickname acknowledged twice", Broken::AcknowledgedTwice, |Scene { attempts, .. }| {
        attempts.push(answered(20, "ana", 201));
    }),
    ("a row twice", Broken::StoredTwice, |Scene { rows, .. }| rows.push(row(1, "ana"))),
    ("a nickname twice", Broken::StoredTwice, |Scene { attempts, rows, .. }| {
        attempts.push(answered(20, "ana", 502));
        rows.push(row(20, "ana"));
    }),
    ("a row of nobody", Broken::NeverSent, |Scene { rows, .. }| rows.push(row(77, "zeca"))),
    ("a false 503", Broken::RefusedButStored, |Scene { attempts, rows, .. }| {
        attempts.push(answered(20, "rui", 503));
        rows.push(row(20, "rui"));
    }),
    ("a 422 for the own row", Broken::RefusedButStored, |Scene { attempts, rows, .. }| {
        attempts.push(answered(20, "rui", 422));
        rows.push(row(20, "rui"));
    }),
    ("stored without having been sent", Broken::RefusedButStored, |Scene { rows, .. }| {
        rows.push(row(9, "nick9"));
    }),
    ("a duplicate of nobody", Broken::FalseDuplicate, |Scene { attempts, .. }| {
        attempts.push(answered(20, "rui", 422));
    }),
    ("a duplicate of somebody later", Broken::FalseDuplicate, |Scene { attempts, rows, .. }| {
        attempts.extend([answered(20, "rui", 422), answered(21, "rui", 201)]);
        rows.push(row(21, "rui"));
    }),
    ("a 503 for ever", Broken::NoRetryAfter, |Scene { attempts, .. }| {
        if let Outcome::Answered { retry_after, .. } = &mut attempts[2].outcome {
            *retry_after = false;
        }
    }),
    ("a request that hangs", Broken::Hung, |Scene { attempts, .. }| attempts[10].outcome = Outcome::Hung),
    ("a 500", Broken::UnexpectedStatus, |Scene { attempts, .. }| attempts.push(answered(20, "rui", 500))),
];

/// The same for a scene with a lost tail: what is outside of it is no excuse, and what was in it must be
/// forgotten.
const PLANTED_BESIDE_A_TAIL: &[(&str, Broken, Plant)] = &[
    ("a row lost before the tail", Broken::Lost, |Scene { rows, .. }| {
        rows.remove(0);
    }),
    ("a row lost after the tail", Broken::Lost, |Scene { attempts, .. }| {
        attempts.push(answered(41, "ivo", 201));
    }),
    (
        "a nickname acknowledged twice after the tail",
        Broken::AcknowledgedTwice,
        |Scene { attempts, .. }| {
            attempts.push(answered(41, "gil", 201));
        },
    ),
    ("a duplicate of nobody in the tail", Broken::FalseDuplicate, |Scene { attempts, .. }| {
        attempts.push(answered(33, "ivo", 422));
    }),
    ("a nickname taken by somebody lost", Broken::Ghost, |Scene { attempts, .. }| {
        attempts.push(answered(6_000, "hugo", 422));
    }),
    ("somebody lost who has an id", Broken::Ghost, |Scene { memory, .. }| {
        memory.bodies.push(row(32, "hugo"));
    }),
    ("somebody lost who is found", Broken::Ghost, |Scene { memory, .. }| memory.people.push(row(30, "gil"))),
];

/// What is wrong in a memory alone.
const PLANTED_IN_MEMORY: &[(&str, Broken, Plant)] = &[
    ("somebody who is not found", Broken::Invisible, |Scene { memory, .. }| {
        let missed = memory.people.remove(3);
        memory.bodies.push(missed);
    }),
    ("somebody never acknowledged, stored and not found", Broken::Invisible, |Scene { memory, .. }| {
        memory.people.truncate(4);
    }),
    ("somebody too few", Broken::Invisible, |Scene { rows, .. }| rows.push(row(5, "caio"))),
    ("a feed that is behind", Broken::Invisible, |Scene { memory, .. }| memory.behind = true),
    ("somebody whom no table has", Broken::Ghost, |Scene { memory, .. }| {
        memory.people.push(row(11, "nick11"));
    }),
    ("somebody too many", Broken::Ghost, |Scene { memory, .. }| memory.miscounted = 1),
    ("another body", Broken::WrongRead, |Scene { memory, .. }| memory.people[0].person.nome.push('x')),
];

/// Everything that is found in a scene.
fn found(scene: &mut Scene) -> Result<Vec<Violation>, Failure> {
    let mut violations = check(&scene.attempts, &scene.rows, &scene.tails);
    let truth = Truth::new(&scene.attempts, &scene.rows, 0, Instant::now());
    violations.extend(audit(&mut scene.memory, &truth)?.1);
    Ok(violations)
}

/// Plants every violation alone, and looks whether it is found; and whether nothing is found where nothing
/// is.
pub fn run() -> Result<usize, Failure> {
    let mut planted = 0;
    let scenes: [(fn() -> Scene, _); 3] =
        [(honest, PLANTED), (honest_with_a_lost_tail, PLANTED_BESIDE_A_TAIL), (honest, PLANTED_IN_MEMORY)];
    for (honest, plants) in scenes {
        if let Some(violation) = found(&mut honest())?.first() {
            return Err(format!("found in an honest history: {violation}").into());
        }
        for (what, expected, plant) in plants {
            let mut scene = honest();
            plant(&mut scene);
            let found = found(&mut scene)?;
            if !found.iter().any(|violation| violation.broken == *expected) {
                return Err(format!("{what} is not found; found: {found:?}").into());
            }
            planted += 1;
        }
    }
    Ok(planted)
}
