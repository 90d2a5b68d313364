//! The checker must find what is planted: a checker that finds nothing proves nothing.

use std::time::Duration;

use uuid::Uuid;

use crate::harness::Failure;
use crate::harness::check::{Broken, check};
use crate::harness::history::{Attempt, Outcome};
use crate::harness::person::{Person, Stored};

type Scene = (Vec<Attempt>, Vec<Stored>);

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

/// Everything that may happen: acknowledged, duplicates, refused, never sent, unknown and stored, unknown and not.
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
    (attempts, rows)
}

/// What is done to an honest scene, and what must then be found.
type Plant = fn(&mut Scene);
const PLANTED: &[(&str, Broken, Plant)] = &[
    ("a lost row", Broken::Lost, |(_, rows)| {
        rows.remove(0);
    }),
    ("another id", Broken::WrongId, |(_, rows)| rows[0].id = id(99)),
    ("an altered name of a language", Broken::Altered, |(attempts, rows)| {
        attempts.push(answered(22, "rui", 201));
        rows.push(row(22, "rui"));
        if let Some(Some(stack)) = rows.last_mut().map(|row| &mut row.person.stack) {
            stack[1].push('x');
        }
    }),
    ("an altered date", Broken::Altered, |(_, rows)| rows[1].person.nascimento = "2000-01-01".into()),
    ("a nickname acknowledged twice", Broken::AcknowledgedTwice, |(attempts, _)| {
        attempts.push(answered(20, "ana", 201));
    }),
    ("a row twice", Broken::StoredTwice, |(_, rows)| rows.push(row(1, "ana"))),
    ("a nickname twice", Broken::StoredTwice, |(attempts, rows)| {
        attempts.push(answered(20, "ana", 502));
        rows.push(row(20, "ana"));
    }),
    ("a row of nobody", Broken::NeverSent, |(_, rows)| rows.push(row(77, "zeca"))),
    ("a false 503", Broken::RefusedButStored, |(attempts, rows)| {
        attempts.push(answered(20, "rui", 503));
        rows.push(row(20, "rui"));
    }),
    ("a 422 for the own row", Broken::RefusedButStored, |(attempts, rows)| {
        attempts.push(answered(20, "rui", 422));
        rows.push(row(20, "rui"));
    }),
    ("stored without having been sent", Broken::RefusedButStored, |(_, rows)| rows.push(row(9, "nick9"))),
    ("a duplicate of nobody", Broken::FalseDuplicate, |(attempts, _)| {
        attempts.push(answered(20, "rui", 422));
    }),
    ("a duplicate of somebody later", Broken::FalseDuplicate, |(attempts, rows)| {
        attempts.extend([answered(20, "rui", 422), answered(21, "rui", 201)]);
        rows.push(row(21, "rui"));
    }),
    ("a 503 for ever", Broken::NoRetryAfter, |(attempts, _)| {
        if let Outcome::Answered { retry_after, .. } = &mut attempts[2].outcome {
            *retry_after = false;
        }
    }),
    ("a request that hangs", Broken::Hung, |(attempts, _)| attempts[10].outcome = Outcome::Hung),
    ("a 500", Broken::UnexpectedStatus, |(attempts, _)| attempts.push(answered(20, "rui", 500))),
];

/// Plants every violation alone, and looks whether it is found; and whether nothing is found where nothing is.
pub(crate) fn run() -> Result<usize, Failure> {
    let (attempts, rows) = honest();
    if let Some(violation) = check(&attempts, &rows).first() {
        return Err(format!("found in an honest history: {violation}").into());
    }
    for (what, expected, plant) in PLANTED {
        let mut scene = honest();
        plant(&mut scene);
        let found = check(&scene.0, &scene.1);
        if !found.iter().any(|violation| violation.broken == *expected) {
            return Err(format!("{what} is not found; found: {found:?}").into());
        }
    }
    Ok(PLANTED.len())
}
