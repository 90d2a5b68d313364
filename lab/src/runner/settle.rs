//! Waiting for what a contestant does by itself: until it serves, until it has nothing more to do, until its
//! rows stay.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::contest::Contest;
use crate::http;
use crate::meters::{Meter, SeriesPoint};
use crate::stack::Stack;

/// A first start makes a database and may compile, migrate and warm up.
const READY_LIMIT: Duration = Duration::from_secs(120);
/// A contestant that serves does so for so many checks in a row: with two replicas, that is both.
const READY_IN_A_ROW: u32 = 4;
/// So far apart, because a balancer may give all requests of some tens of milliseconds to one of them (nginx
/// counts its turns for each of its workers): four of them are spread over more than two turns of 50 ms, and
/// no two turns of one replica hold them all.
const READY_GAP: Duration = Duration::from_millis(70);
/// Between two checks.
const POLL: Duration = Duration::from_millis(50);
/// After a load a contestant may go on writing for this long.
const IDLE_LIMIT: Duration = Duration::from_secs(120);
/// It has nothing to do if it uses less than this, over [`IDLE_SECONDS`], or as many looks.
const IDLE_CPUS: f64 = 0.1;
const IDLE_SECONDS: u32 = 2;
/// What a meter that looks for rest before a load leaves between two looks: nothing waits to be written then.
pub const SHORT_LOOK: Duration = Duration::from_millis(500);
/// The number of rows must stay the same for so long.
const STABLE: Duration = Duration::from_secs(2);
const STABLE_LIMIT: Duration = Duration::from_secs(60);
/// Warnings for the verdict.
const STILL_BUSY: &str = "it was still at work when the wait for its rest was given up, 120 s after the load: its CPU, memory and rows are not all";
const STILL_WRITING: &str =
    "its rows still changed when the wait for them was given up, after 60 s: what is lost may yet come";

/// Waits until the contestant answers 200.
///
/// # Errors
/// It does not within two minutes; or `stop` was set.
pub fn ready(contest: &Contest, stop: &AtomicBool) -> Result<()> {
    serves(contest.address(), contest.ready_path(), READY_IN_A_ROW, stop)
}

/// Waits until what listens at `address` answers 200 to a GET of `path`, so many times in a row.
///
/// # Errors
/// As for [`ready`].
pub fn serves(address: &str, path: &str, times: u32, stop: &AtomicBool) -> Result<()> {
    let started = Instant::now();
    let mut in_a_row = 0;
    let mut last = String::from("nothing was asked yet");
    while in_a_row < times {
        ensure!(!stop.load(Ordering::Relaxed), "interrupted");
        if started.elapsed() > READY_LIMIT {
            bail!("{address}{path} is not served within {} s: {last}", READY_LIMIT.as_secs());
        }
        match http::get(address, path) {
            Ok(answer) if answer.status == 200 => {
                in_a_row += 1;
                if in_a_row < times {
                    std::thread::sleep(READY_GAP);
                }
                continue;
            }
            Ok(answer) => last = format!("status {}", answer.status),
            Err(error) => last = format!("{error:#}"),
        }
        in_a_row = 0;
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// Waits until its database answers: a contestant that connects when it first needs to may serve before.
///
/// # Errors
/// It does not within two minutes; or `stop` was set.
pub fn database_answers(stack: &dyn Stack, stop: &AtomicBool) -> Result<()> {
    let started = Instant::now();
    while let Err(error) = stack.sql("SELECT 1") {
        ensure!(!stop.load(Ordering::Relaxed), "interrupted");
        ensure!(
            started.elapsed() < READY_LIMIT,
            "its database does not answer within {} s: {error:#}",
            READY_LIMIT.as_secs()
        );
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// Waits for the first answer 200 after a kill, and returns how long that took, or nothing where none came.
#[must_use]
pub fn first_answer(contest: &Contest, stop: &AtomicBool) -> Option<Duration> {
    let started = Instant::now();
    while started.elapsed() < READY_LIMIT && !stop.load(Ordering::Relaxed) {
        if http::get(contest.address(), contest.ready_path()).is_ok_and(|answer| answer.status == 200) {
            return Some(started.elapsed());
        }
        std::thread::sleep(POLL);
    }
    None
}

/// How a wait for rest ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rest {
    /// How long the contestant was still at work, less the seconds in which its rest is seen.
    pub after: Duration,
    /// Why it is none: the wait was given up.
    pub warning: Option<&'static str>,
}

/// Waits until the contestant has nothing more to do, seen from its CPU, which costs it nothing.
///
/// # Errors
/// `stop` was set.
pub fn idle(meter: &Meter, stop: &AtomicBool) -> Result<Rest> {
    idle_within(meter, IDLE_LIMIT, stop)
}

/// As [`idle`], for at most `limit`.
///
/// # Errors
/// `stop` was set.
pub fn idle_within(meter: &Meter, limit: Duration, stop: &AtomicBool) -> Result<Rest> {
    idle_by(&|| meter.latest(), limit, stop)
}

fn idle_by(latest: &dyn Fn() -> Option<SeriesPoint>, limit: Duration, stop: &AtomicBool) -> Result<Rest> {
    let started = Instant::now();
    let (mut quiet, mut seen) = (0, None);
    while quiet < IDLE_SECONDS {
        ensure!(!stop.load(Ordering::Relaxed), "interrupted");
        if started.elapsed() > limit {
            return Ok(Rest { after: started.elapsed(), warning: Some(STILL_BUSY) });
        }
        std::thread::sleep(POLL);
        let Some(latest) = latest().filter(|latest| Some(latest.second) != seen) else { continue };
        // The first one is of a second that was partly the load's.
        quiet = if seen.is_some() && latest.cpus < IDLE_CPUS { quiet + 1 } else { 0 };
        seen = Some(latest.second);
    }
    // A Ctrl-C at the very end of the wait too: what comes after it would be cut short.
    ensure!(!stop.load(Ordering::Relaxed), "interrupted");
    let seeing = Duration::from_secs(u64::from(IDLE_SECONDS));
    Ok(Rest { after: started.elapsed().saturating_sub(seeing), warning: None })
}

/// Waits until `SELECT count(*)` over the rows stays the same. Returns a warning where they did not within a
/// minute.
///
/// # Errors
/// The database cannot be asked, or `stop` was set.
pub fn rows_stay(stack: &dyn Stack, rows: &str, stop: &AtomicBool) -> Result<Option<&'static str>> {
    Stay::begin(stack, rows)?.wait(stack, stop)
}

/// A count of rows, and how long it has been the same.
pub struct Stay {
    query: String,
    last: String,
    since: Instant,
}

impl Stay {
    /// Counts for the first time.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub fn begin(stack: &dyn Stack, rows: &str) -> Result<Self> {
        let query = format!("SELECT count(*) FROM ({rows}) AS rows");
        let since = Instant::now();
        Ok(Self { last: stack.sql(&query)?, query, since })
    }

    /// Waits until it has been the same for long enough. What was done since it began counts as waiting.
    ///
    /// # Errors
    /// As for [`rows_stay`].
    pub fn wait(mut self, stack: &dyn Stack, stop: &AtomicBool) -> Result<Option<&'static str>> {
        let started = Instant::now();
        loop {
            ensure!(!stop.load(Ordering::Relaxed), "interrupted");
            let asked = Instant::now();
            let now = stack.sql(&self.query)?;
            if now != self.last {
                (self.last, self.since) = (now, asked);
            } else if asked.duration_since(self.since) >= STABLE {
                break;
            }
            if started.elapsed() > STABLE_LIMIT {
                return Ok(Some(STILL_WRITING));
            }
            std::thread::sleep(POLL * 5);
        }
        ensure!(!stop.load(Ordering::Relaxed), "interrupted");
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A meter whose every look is a second later, with these cores in use and at last none.
    fn looks(cpus: &[f64]) -> impl Fn() -> Option<SeriesPoint> {
        let looked = Cell::new(0_u32);
        move || {
            let second = looked.replace(looked.get() + 1);
            let cpus = cpus.get(second as usize).copied().unwrap_or(0.0);
            Some(SeriesPoint { second: f64::from(second), cpus, memory_bytes: 0 })
        }
    }

    #[test]
    fn rest_is_two_quiet_seconds_and_a_stop_or_a_limit_is_none() {
        let never = AtomicBool::new(false);
        let rest = idle_by(&looks(&[1.0, 0.0, 1.0]), IDLE_LIMIT, &never).unwrap();
        assert_eq!(rest, Rest { after: Duration::ZERO, warning: None }, "five looks of 50 ms");
        let rest = idle_by(&|| None, Duration::ZERO, &never).unwrap();
        assert_eq!(rest.warning, Some(STILL_BUSY));
        let error = idle_by(&looks(&[]), IDLE_LIMIT, &AtomicBool::new(true)).unwrap_err();
        assert_eq!(error.to_string(), "interrupted");
        // Set while the last look is taken.
        let stop = AtomicBool::new(false);
        let quiet = looks(&[]);
        let look = || {
            let point = quiet();
            stop.store(point.is_some_and(|point| point.second >= 2.0), Ordering::Relaxed);
            point
        };
        assert!(idle_by(&look, IDLE_LIMIT, &stop).is_err());
    }
}
