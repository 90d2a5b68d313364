//! A run: a stack, its load, faults, and the verdict at the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::Failure;
use super::audit::{Looked, Truth, audit};
use super::check::{Broken, Violation, check};
use super::fault::{Fault, RECOVERY};
use super::history::{Attempt, History};
use super::load::{Load, Plan};
use super::person::{Stored, stored};
use super::replica::Replica;
use super::stack::{REPLICAS, Setup, Stack};

/// How long a late recovery is waited for, so that the next fault finds a whole stack.
pub(crate) const LATE_RECOVERY: Duration = Duration::from_secs(30);

/// People created between two faults at least.
const WORK: usize = 30;

/// A fault that was done. Times are the history's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Injected {
    pub(crate) fault: Fault,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
    /// From its end to the first 201 of a request that began after it, by replica.
    pub(crate) recovery: [Option<Duration>; REPLICAS],
    /// What of it was Postgres's own start, if it had to start.
    pub(crate) postgres_start: Option<Duration>,
}

/// What a run came to.
pub(crate) struct Verdict {
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) rows: Vec<Stored>,
    pub(crate) faults: Vec<Injected>,
    pub(crate) violations: Vec<Violation>,
    /// What was looked up through each replica.
    pub(crate) looked: Vec<Looked>,
}

pub(crate) struct Run {
    pub(crate) stack: Stack,
    pub(crate) history: Arc<History>,
    /// How the nicknames of people begin whom somebody else than the clients creates.
    pub(crate) others: Option<&'static str>,
    fits: bool,
    load: Load,
    faults: Vec<Injected>,
    violations: Vec<Violation>,
}

impl Run {
    pub(crate) fn start(setup: &Setup, clients: usize, creations_per_s: f64) -> Result<Self, Failure> {
        let stack = Stack::start(setup)?;
        let history = Arc::new(History::new());
        let plan = Plan { targets: stack.targets(), clients, creations_per_s, patience: setup.patience };
        let load = Load::start(&plan, &history)?;
        let (faults, violations, fits) = (Vec::new(), Vec::new(), setup.fits);
        let mut run = Self { stack, history, others: None, fits, load, faults, violations };
        run.wait_for_both(Duration::ZERO, "the start", RECOVERY);
        run.work_on();
        Ok(run)
    }

    /// Lets the load go on until a few dozen more people are created, so that no fault falls into silence.
    pub(crate) fn work_on(&mut self) {
        let successes =
            |attempts: &[Attempt]| attempts.iter().filter(|attempt| attempt.acknowledged().is_some()).count();
        let before = successes(&self.history.attempts());
        let more = |attempts: &[Attempt]| (successes(attempts) >= before + WORK).then_some(());
        if self.history.wait_for(LATE_RECOVERY, more).is_none() {
            self.violate(Broken::SlowRecovery, format!("less than {WORK} creations in {LATE_RECOVERY:?}"));
        }
    }

    /// Does a fault, and waits until creations succeed on both replicas again.
    pub(crate) fn inject(&mut self, fault: Fault) -> Result<Injected, Failure> {
        let (starts, _) = self.stack.postgres.last_start();
        let began = self.history.now();
        fault.inject(&self.stack, &self.history)?;
        let ended = self.history.now();
        let recovery = self.wait_for_both(ended, &fault.to_string(), fault.recovery());
        let (starts_now, start_took) = self.stack.postgres.last_start();
        let postgres_start = (starts_now > starts && !self.stack.is_promoted()).then_some(start_took);
        let injected = Injected { fault, began, ended, recovery, postgres_start };
        self.faults.push(injected);
        self.work_on();
        Ok(injected)
    }

    /// How long after `since` each replica had a success; a violation if that was longer than `allowed`.
    pub(crate) fn wait_for_both(
        &mut self,
        since: Duration,
        what: &str,
        allowed: Duration,
    ) -> [Option<Duration>; REPLICAS] {
        std::array::from_fn(|replica| {
            let took = self.history.wait_for_success(replica, since, LATE_RECOVERY);
            if took.is_none_or(|took| took > allowed) {
                let took = took.map_or("never".into(), |took| format!("after {took:.1?}"));
                self.violate(Broken::SlowRecovery, format!("replica {} after {what}: {took}", replica + 1));
            }
            took
        })
    }

    pub(crate) fn violate(&mut self, broken: Broken, what: String) {
        self.violations.push(Violation { broken, what });
    }

    /// Ends the load, and compares what was said with what is there: in Postgres and through both replicas.
    pub(crate) fn finish(mut self) -> Result<Verdict, Failure> {
        self.load.finish()?;
        let (attempts, tails) = (self.history.attempts(), self.history.lost_tails());
        self.stack.primary().wait_until_ready()?;
        let all = stored(&mut self.stack.primary().client()?)?;
        let read_at = Instant::now();
        let of_others = |row: &Stored| self.others.is_some_and(|start| row.person.apelido.starts_with(start));
        let (others, rows): (Vec<_>, Vec<_>) = all.into_iter().partition(of_others);
        self.violations.extend(check(&attempts, &rows, &tails));
        let truth = Truth::new(&attempts, &rows, others.len(), read_at);
        for wrong in self.history.wrong_reads() {
            let of = wrong.attempt.and_then(|number| attempts.iter().find(|one| one.number == number));
            // What was lost with a tail could not be read, and is lost by right.
            let is_gone = |of: &Attempt| tails.iter().any(|tail| tail.may_hold(of)) && !truth.holds(of);
            if !of.is_some_and(is_gone) {
                self.violations.push(Violation { broken: Broken::WrongRead, what: wrong.what });
            }
        }
        let looked = look(&self.stack, self.fits, &truth, &mut self.violations)?;
        stop(&self.stack, &mut self.violations)?;
        Ok(Verdict { attempts, rows, faults: self.faults, violations: self.violations, looked })
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

/// Stops both replicas, and tells of every process that ended in another way than it was told to.
fn stop(stack: &Stack, violations: &mut Vec<Violation>) -> Result<(), Failure> {
    let nginx = stack.nginx.iter().map(|nginx| &nginx.process);
    for what in stack.replicas.iter().chain(nginx).flat_map(|process| process.deaths()) {
        violations.push(Violation { broken: Broken::Died, what });
    }
    for replica in &stack.replicas {
        replica.hold();
        replica.signal(Signal::TERM)?;
        let exit = replica.wait_until_gone()?;
        if !exit.success() {
            let what = format!("{} was told to stop and ended with {exit}", replica.name());
            violations.push(Violation { broken: Broken::Died, what });
        }
    }
    Ok(())
}
