//! People: created, contested and looked up, and all of them looked for at the end.

use std::sync::Arc;
use std::time::Instant;

use super::audit::{Looked, Truth, audit};
use super::check::{Broken, Violation, check};
use super::history::{Attempt, History};
use super::hostile::PREFIX;
use super::load::{Load, Plan};
use super::person::{Stored, stored};
use super::replica::Replica;
use super::run::{Pace, Started, Workload};
use super::stack::{REPLICAS, Setup, Stack};
use super::{Failure, lock};

pub struct People {
    fits: bool,
    load: Load,
}

impl Workload for People {
    type Attempt = Attempt;
    type Row = Stored;
    const IS_PEOPLE: bool = true;

    fn start(stack: &Stack, setup: &Setup, pace: Pace) -> Result<Started<Self>, Failure> {
        let history = Arc::new(History::start());
        let Pace { clients, per_s: creations_per_s } = pace;
        let plan = Plan { targets: stack.targets(), clients, creations_per_s, patience: setup.patience };
        let load = Load::start(&plan, &history)?;
        Ok((Self { fits: setup.fits, load }, history))
    }

    fn finish(
        self,
        stack: &Stack,
        history: &History,
        violations: &mut Vec<Violation>,
    ) -> Result<(Vec<Stored>, Vec<Looked>), Failure> {
        self.load.finish()?;
        let (attempts, tails) = (history.attempts(), history.lost_tails());
        stack.primary().wait_until_ready()?;
        let all = stored(&mut stack.primary().client()?)?;
        let read_at = Instant::now();
        let is_hostile = |row: &Stored| row.person.apelido.starts_with(PREFIX);
        let (others, rows): (Vec<_>, Vec<_>) = all.into_iter().partition(is_hostile);
        let created = lock(&stack.hostile).created;
        if (others.len() as u64) < created {
            let what = format!("{created} of hostile clients were acknowledged, {} are there", others.len());
            violations.push(Violation { broken: Broken::Lost, what });
        }
        violations.extend(check(&attempts, &rows, &tails));
        let truth = Truth::new(&attempts, &rows, others.len(), read_at);
        for wrong in history.wrong_reads() {
            let of = wrong.attempt.and_then(|number| attempts.iter().find(|one| one.number == number));
            // What was lost with a tail could not be read, and is lost by right.
            let is_gone = |of: &Attempt| tails.iter().any(|tail| tail.may_hold(of)) && !truth.holds(of);
            if !of.is_some_and(is_gone) {
                violations.push(Violation { broken: Broken::WrongRead, what: wrong.what });
            }
        }
        let looked = look(stack, self.fits, &truth, violations)?;
        Ok((rows, looked))
    }

    fn told(looked: &Looked) -> String {
        let Looked { by_id, by_search, taken, .. } = looked;
        format!("{by_id} by id, {by_search} by search, {taken} lost ones created again")
    }
}

/// Everybody through every replica. What must be gone is created again at the end: that changes the table.
fn look(
    stack: &Stack,
    fits: bool,
    truth: &Truth<'_>,
    violations: &mut Vec<Violation>,
) -> Result<Vec<Looked>, Failure> {
    let mut looked = Vec::new();
    for index in 0..REPLICAS {
        let mut replica = Replica::of(stack, index, fits);
        let (mut seen, found) = audit(&mut replica, truth)?;
        violations.extend(found);
        let count = replica.get("/contagem-pessoas")?.body;
        if count != truth.count().to_string().as_bytes() {
            let what = format!("counts {}, Postgres has {}", String::from_utf8_lossy(&count), truth.count());
            seen.violate(Broken::WrongRead, &what, violations);
        }
        looked.push(seen);
    }
    for (place, gone) in truth.free_again().into_iter().enumerate() {
        // Each nickname by one replica: afterwards it is truly taken.
        let (index, seen) = (place % REPLICAS, &mut looked[place % REPLICAS]);
        let status = Replica::of(stack, index, fits).post(&gone.person().json().to_string())?;
        seen.taken += 1;
        match status {
            201 => {}
            422 => seen.violate(Broken::Ghost, &format!("{} is taken by nobody", gone.nick), violations),
            _ => seen.violate(Broken::UnexpectedStatus, &format!("{status}: {gone:?}"), violations),
        }
    }
    Ok(looked)
}
