//! A run: a stack, its load, faults, and the verdict at the end.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;

use super::audit::Looked;
use super::check::{Broken, Violation};
use super::fault::{Fault, RECOVERY, SHORT_RECOVERY};
use super::history::{Attempted, History};
use super::measure::{Measured, Watch, judge};
use super::people::People;
use super::stack::{REPLICAS, Setup, Stack};
use super::{Failure, promised};

/// How long a late recovery is waited for, so that the next fault finds a whole stack.
pub const LATE_RECOVERY: Duration = promised(30_000);

/// Requests done between two faults at least.
const WORK: usize = 30;

/// Clients at the same time, and what they try a second together.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub clients: usize,
    pub per_s: f64,
}

/// Clients at work, and what becomes of their requests.
pub type Started<W> = (W, Arc<History<<W as Workload>::Attempt>>);

/// What clients do to a stack, and how it is judged.
pub trait Workload: Sized {
    type Attempt: Attempted;
    /// What Postgres has of it at the end.
    type Row;
    /// Whether hostile clients can create people and search for them.
    const IS_PEOPLE: bool;

    /// Starts the clients.
    fn start(stack: &Stack, setup: &Setup, pace: Pace) -> Result<Started<Self>, Failure>;

    /// Ends the clients, and compares what was said with what is there, in Postgres and through both
    /// replicas.
    fn finish(
        self,
        stack: &Stack,
        history: &History<Self::Attempt>,
        violations: &mut Vec<Violation>,
    ) -> Result<(Vec<Self::Row>, Vec<Looked>), Failure>;

    /// What was looked up through a replica, for people to read.
    fn told(looked: &Looked) -> String;
}

/// A fault that was done. Times are the history's.
#[derive(Clone, Copy, Debug)]
pub struct Injected {
    pub fault: Fault,
    pub began: Duration,
    pub ended: Duration,
    /// From its end to the first success of a request that began after it, by replica.
    pub recovery: [Option<Duration>; REPLICAS],
    /// What of it was Postgres's own start, if it had to start.
    pub postgres_start: Option<Duration>,
}

impl Injected {
    /// How soon after its end requests had to succeed on both replicas again. A slow disk may take Postgres
    /// longer to recover than a replica has; from then on a replica's own part is as short as ever.
    pub fn allowed(&self) -> Duration {
        let own = self.postgres_start.unwrap_or_default() + SHORT_RECOVERY;
        self.fault.recovery().max(own)
    }
}

/// What a run came to.
pub struct Verdict<W: Workload = People> {
    pub attempts: Vec<W::Attempt>,
    pub rows: Vec<W::Row>,
    pub faults: Vec<Injected>,
    /// What some of them cost the others.
    pub measured: Vec<Measured>,
    pub violations: Vec<Violation>,
    /// What was looked up through each replica.
    pub looked: Vec<Looked>,
}

pub struct Run<W: Workload = People> {
    pub work: W,
    pub stack: Stack,
    pub history: Arc<History<W::Attempt>>,
    faults: Vec<Injected>,
    measured: Vec<Measured>,
    violations: Vec<Violation>,
}

impl Run {
    /// People.
    pub fn start(setup: &Setup, clients: usize, creations_per_s: f64) -> Result<Self, Failure> {
        Self::of(setup, Pace { clients, per_s: creations_per_s })
    }
}

impl<W: Workload> Run<W> {
    pub fn of(setup: &Setup, pace: Pace) -> Result<Self, Failure> {
        let stack = Stack::start(setup)?;
        let (work, history) = W::start(&stack, setup, pace)?;
        let (faults, measured, violations) = Default::default();
        let mut run = Self { work, stack, history, faults, measured, violations };
        run.wait_for_both(Duration::ZERO, "the start", RECOVERY);
        run.work_on();
        Ok(run)
    }

    /// Lets the load go on until a few dozen more requests are done, so that no fault falls into silence.
    pub fn work_on(&mut self) {
        let before = self.history.count();
        let more = |attempts: &[W::Attempt]| {
            (attempts[before..].iter().filter(|attempt| attempt.is_done()).count() >= WORK).then_some(())
        };
        if self.history.wait_for(LATE_RECOVERY, more).is_none() {
            let what = format!("less than {WORK} {} in {LATE_RECOVERY:?}", W::Attempt::NAME);
            self.violate(Broken::SlowRecovery, what);
        }
    }

    /// Does a fault, and waits until requests succeed on both replicas again.
    pub fn inject(&mut self, fault: Fault) -> Result<Injected, Failure> {
        let (starts, _) = self.stack.postgres.last_start();
        let watched = fault.watched();
        let watch =
            watched.map(|(replica, _)| Watch::start(&self.stack, replica, &self.history)).transpose()?;
        let began = self.history.now();
        fault.inject(&self.stack, &self.history)?;
        let ended = self.history.now();
        let recovery = self.successes_since(ended);
        let postgres_start = self.postgres_start_after(starts)?;
        let injected = Injected { fault, began, ended, recovery, postgres_start };
        self.judge(recovery, &fault.to_string(), injected.allowed());
        self.faults.push(injected);
        if let (Some(watch), Some((_, promise))) = (watch, watched) {
            let what = (fault.to_string(), promise);
            let measured = watch.finish(&self.stack, &self.history, what, ended - began)?;
            self.violations.extend(judge(&measured));
            self.measured.push(measured);
        }
        self.work_on();
        Ok(injected)
    }

    /// How long after `since` each replica had a success; a violation if that was longer than `allowed`.
    pub fn wait_for_both(
        &mut self,
        since: Duration,
        what: &str,
        allowed: Duration,
    ) -> [Option<Duration>; REPLICAS] {
        let recovery = self.successes_since(since);
        self.judge(recovery, what, allowed);
        recovery
    }

    fn successes_since(&self, since: Duration) -> [Option<Duration>; REPLICAS] {
        std::array::from_fn(|replica| self.history.wait_for_success(replica, since, LATE_RECOVERY))
    }

    fn judge(&mut self, recovery: [Option<Duration>; REPLICAS], what: &str, allowed: Duration) {
        for (replica, took) in recovery.into_iter().enumerate() {
            if took.is_none_or(|took| took > allowed) {
                let took = took.map_or("never".into(), |took| format!("after {took:.1?} of {allowed:.1?}"));
                self.violate(Broken::SlowRecovery, format!("replica {} after {what}: {took}", replica + 1));
            }
        }
    }

    /// How long Postgres took to start, if it has started since it had done so `starts` times.
    fn postgres_start_after(&self, starts: u32) -> Result<Option<Duration>, Failure> {
        if self.stack.is_promoted() {
            return Ok(None);
        }
        self.stack.postgres.wait_until_ready()?;
        let (starts_now, took) = self.stack.postgres.last_start();
        Ok((starts_now > starts).then_some(took))
    }

    /// What faults have cost the others so far.
    pub fn measured(&self) -> &[Measured] {
        &self.measured
    }

    pub fn violate(&mut self, broken: Broken, what: String) {
        self.violations.push(Violation { broken, what });
    }

    /// Ends the load, and judges.
    pub fn finish(mut self) -> Result<Verdict<W>, Failure> {
        let (rows, looked) = self.work.finish(&self.stack, &self.history, &mut self.violations)?;
        stop(&self.stack, &mut self.violations)?;
        let attempts = self.history.attempts();
        let Self { faults, measured, violations, .. } = self;
        Ok(Verdict { attempts, rows, faults, measured, violations, looked })
    }
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
