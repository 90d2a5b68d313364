//! A run: a stack, its load, faults, and the verdict at the end.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;

use super::Failure;
use super::check::{Broken, Violation, check};
use super::fault::Fault;
use super::history::{Attempt, History};
use super::load::{Load, Plan, client};
use super::person::{Stored, stored};
use super::stack::{REPLICAS, Setup, Stack};

/// Every fault is recovered from in this time after its end.
pub(crate) const RECOVERY: Duration = Duration::from_secs(5);

/// How long a late recovery is waited for, so that the next fault finds a whole stack.
const LATE_RECOVERY: Duration = Duration::from_secs(30);

/// People created between two faults at least.
const WORK: usize = 30;

/// Searches of the final look, beside the look-up of every person.
const FINAL_SEARCHES: usize = 50;

/// How soon a replica's feed must know everything once all is quiet.
const FEED_PATIENCE: Duration = Duration::from_secs(5);

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
}

pub(crate) struct Run {
    pub(crate) stack: Stack,
    pub(crate) history: Arc<History>,
    load: Load,
    faults: Vec<Injected>,
    violations: Vec<Violation>,
}

impl Run {
    pub(crate) fn start(setup: &Setup, clients: usize, creations_per_s: f64) -> Result<Self, Failure> {
        let stack = Stack::start(setup)?;
        let history = Arc::new(History::new());
        // Above the longest pause with the recovery after it, and above what nginx waits.
        let patience = Duration::from_secs(20);
        let plan = Plan { targets: stack.targets(), clients, creations_per_s, patience };
        let load = Load::start(&plan, &history)?;
        let mut run = Self { stack, history, load, faults: Vec::new(), violations: Vec::new() };
        run.wait_for_both(Duration::ZERO, "the start");
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
        fault.inject(&self.stack)?;
        let ended = self.history.now();
        let recovery = self.wait_for_both(ended, &fault.to_string());
        let (starts_now, start_took) = self.stack.postgres.last_start();
        let postgres_start = (starts_now > starts).then_some(start_took);
        let injected = Injected { fault, began, ended, recovery, postgres_start };
        self.faults.push(injected);
        self.work_on();
        Ok(injected)
    }

    /// How long after `since` each replica had a success, or a violation.
    pub(crate) fn wait_for_both(&mut self, since: Duration, what: &str) -> [Option<Duration>; REPLICAS] {
        std::array::from_fn(|replica| {
            let took = self.history.wait_for_success(replica, since, LATE_RECOVERY);
            if took.is_none_or(|took| took > RECOVERY) {
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
        let attempts = self.history.attempts();
        self.stack.postgres.wait_until_ready()?;
        let rows = stored(&mut self.stack.postgres.client()?)?;
        self.violations.extend(check(&attempts, &rows));
        for what in self.history.wrong_reads() {
            self.violations.push(Violation { broken: Broken::WrongRead, what });
        }
        let mut wrong = Vec::new();
        for replica in 0..REPLICAS {
            look_at_all(&self.stack, replica, &attempts, rows.len(), &mut wrong)?;
        }
        self.violations.extend(wrong.into_iter().map(|what| Violation { broken: Broken::WrongRead, what }));
        let nginx = self.stack.nginx.iter().map(|nginx| &nginx.process);
        let deaths: Vec<String> =
            self.stack.replicas.iter().chain(nginx).flat_map(|process| process.deaths()).collect();
        for what in deaths {
            self.violations.push(Violation { broken: Broken::Died, what });
        }
        for replica in &self.stack.replicas {
            replica.hold();
            replica.signal(Signal::TERM)?;
            let exit = replica.wait_until_gone()?;
            if !exit.success() {
                let what = format!("{} was told to stop and ended with {exit}", replica.name());
                self.violations.push(Violation { broken: Broken::Died, what });
            }
        }
        Ok(Verdict { attempts, rows, faults: self.faults, violations: self.violations })
    }
}

/// Every acknowledged person by its id, some by a search, and the count.
fn look_at_all(
    stack: &Stack,
    replica: usize,
    attempts: &[Attempt],
    rows: usize,
    wrong: &mut Vec<String>,
) -> Result<(), Failure> {
    let name = format!("replica {}", replica + 1);
    let mut client = client(&stack.api(replica));
    let mut get =
        |path: &str| client.get(path).map_err(|error| Failure::from(format!("{name}, {path}: {error:?}")));
    let acknowledged: Vec<_> =
        attempts.iter().filter_map(|attempt| Some((attempt, attempt.acknowledged()?))).collect();
    for (attempt, id) in &acknowledged {
        let answer = get(&format!("/pessoas/{id}"))?;
        if answer.status != 200 || !attempt.person().is_in(&answer.body, *id) {
            let body = String::from_utf8_lossy(&answer.body);
            wrong.push(format!("{name}: {attempt:?} by its id: {} {body}", answer.status));
        }
    }
    let count = get("/contagem-pessoas")?;
    if count.body != rows.to_string().as_bytes() {
        let told = String::from_utf8_lossy(&count.body);
        wrong.push(format!("{name} counts {told}, Postgres has {rows}"));
    }
    let deadline = std::time::Instant::now() + FEED_PATIENCE;
    let step = (acknowledged.len() / FINAL_SEARCHES).max(1);
    for (attempt, id) in acknowledged.iter().rev().step_by(step) {
        // The feed may need a moment for the newest.
        loop {
            let answer = get(&format!("/pessoas?t={}", attempt.nick))?;
            if String::from_utf8_lossy(&answer.body).contains(&id.to_string()) {
                break;
            }
            if std::time::Instant::now() > deadline {
                wrong.push(format!("{name}: {attempt:?} is not found by a search ({})", answer.status));
                break;
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
    Ok(())
}
