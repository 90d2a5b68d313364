//! Waiting for what a contestant does by itself: until it serves, until it has nothing more to do, until its rows stay.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::contest::Contest;
use crate::http;
use crate::meters::Meter;
use crate::stack::Stack;

/// A first start makes a database and may compile, migrate and warm up.
const READY_LIMIT: Duration = Duration::from_secs(120);
/// A contestant that serves does so for so many checks in a row: with two replicas, that is both.
const READY_IN_A_ROW: u32 = 4;
/// Between two checks.
const POLL: Duration = Duration::from_millis(50);
/// After a load a contestant may go on writing for this long.
const IDLE_LIMIT: Duration = Duration::from_secs(120);
/// It has nothing to do if it uses less than this, over [`IDLE_SECONDS`].
const IDLE_CPUS: f64 = 0.1;
const IDLE_SECONDS: u32 = 2;
/// The number of rows must stay the same for so long.
const STABLE: Duration = Duration::from_secs(2);
const STABLE_LIMIT: Duration = Duration::from_secs(60);

/// Waits until the contestant answers 200.
///
/// # Errors
/// It does not within two minutes; or `stop` was set.
pub fn ready(contest: &Contest, stop: &AtomicBool) -> Result<()> {
    let started = Instant::now();
    let mut in_a_row = 0;
    let mut last = String::from("nothing was asked yet");
    while in_a_row < READY_IN_A_ROW {
        ensure!(!stop.load(Ordering::Relaxed), "interrupted");
        if started.elapsed() > READY_LIMIT {
            bail!(
                "{}{} is not served within {} s: {last}",
                contest.url,
                contest.count_path,
                READY_LIMIT.as_secs()
            );
        }
        match http::get(contest.address(), &contest.count_path) {
            Ok(answer) if answer.status == 200 => {
                in_a_row += 1;
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

/// Waits for the first answer 200 after a kill, and returns how long that took, or nothing where none came.
#[must_use]
pub fn first_answer(contest: &Contest, stop: &AtomicBool) -> Option<Duration> {
    let started = Instant::now();
    while started.elapsed() < READY_LIMIT && !stop.load(Ordering::Relaxed) {
        if http::get(contest.address(), &contest.count_path).is_ok_and(|answer| answer.status == 200) {
            return Some(started.elapsed());
        }
        std::thread::sleep(POLL);
    }
    None
}

/// Waits until the contestant has nothing more to do, seen from its CPU, which costs it nothing.
#[must_use]
pub fn idle(meter: &Meter, stop: &AtomicBool) -> Duration {
    let started = Instant::now();
    let _ = idle_within(meter, IDLE_LIMIT, stop);
    started.elapsed()
}

/// As [`idle`], for at most `limit`; nothing if it is at work even then.
#[must_use]
pub fn idle_within(meter: &Meter, limit: Duration, stop: &AtomicBool) -> Option<Duration> {
    let started = Instant::now();
    let (mut quiet, mut seen) = (0, None);
    while started.elapsed() < limit && quiet < IDLE_SECONDS && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(POLL);
        let Some(latest) = meter.latest().filter(|latest| Some(latest.second) != seen) else { continue };
        // The first one is of a second that was partly the load's.
        quiet = if seen.is_some() && latest.cpus < IDLE_CPUS { quiet + 1 } else { 0 };
        seen = Some(latest.second);
    }
    (quiet == IDLE_SECONDS).then(|| started.elapsed())
}

/// Waits until `SELECT count(*)` over the rows stays the same.
///
/// # Errors
/// The database cannot be asked.
pub fn rows_stay(stack: &dyn Stack, rows: &str, stop: &AtomicBool) -> Result<()> {
    let count = format!("SELECT count(*) FROM ({rows}) AS rows");
    let started = Instant::now();
    let mut last = stack.sql(&count)?;
    let mut since = Instant::now();
    while since.elapsed() < STABLE && started.elapsed() < STABLE_LIMIT && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(POLL * 5);
        let now = stack.sql(&count)?;
        if now != last {
            last = now;
            since = Instant::now();
        }
    }
    Ok(())
}
