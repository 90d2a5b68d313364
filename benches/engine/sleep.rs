//! How late sleeping coroutines are woken: 32,000 at once, whose ends are spread evenly over a second. Ours
//! sleep on the timer in the worker's loop, theirs on the timer thread of `may`. Each run is a process of its
//! own. A woken coroutine sleeps again until all were woken: to free a stack takes many times what a wake
//! does.
//!
//! A stack has two mappings, and `vm.max_map_count` is 65,530 where nobody has raised it: more do not fit.

use std::error::Error;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::load::cpu_seconds;

const SLEEPERS: u64 = 32_000;

/// All ends are in it.
const SPREAD: Duration = Duration::from_secs(1);

/// For all to be started and asleep.
const AHEAD: Duration = Duration::from_secs(3);

/// Runs each timer so many times in turn, and prints a line for each run.
pub(crate) fn compare(runs: usize) -> Result<(), Box<dyn Error>> {
    println!("| timer | median, µs late | p99 | largest | CPU of that second, ms |");
    println!("|---|---|---|---|---|");
    for _ in 0..runs {
        for timer in ["pouco", "may"] {
            let run = Command::new(std::env::current_exe()?).args(["--sleep", timer]).status()?;
            if !run.success() {
                return Err(format!("{timer}: {run}").into());
            }
        }
    }
    Ok(())
}

/// The child's side.
pub(crate) fn run(timer: &str) -> Result<(), Box<dyn Error>> {
    let ours = match timer {
        "pouco" => true,
        "may" => false,
        other => return Err(format!("{other} is no timer").into()),
    };
    pouco::http::configure_coroutines();
    let begin = Instant::now() + AHEAD;
    let lateness: Arc<Vec<AtomicU64>> = Arc::new((0..SLEEPERS).map(|_| AtomicU64::new(u64::MAX)).collect());
    let sleepers: Vec<_> = (0..SLEEPERS)
        .zip(0..)
        .map(|(n, at): (u64, usize)| {
            let lateness = lateness.clone();
            // Neighbours in time are none in the order of their sleeps: the step has no factor in common with
            // the number.
            let end = begin + SPREAD * u32::try_from(n * 7_919 % SLEEPERS).unwrap_or(0) / 32_000;
            may::go!(move || {
                let sleep_until = |end: Instant| match ours {
                    true => pouco::waiting::sleep_until(end),
                    false => may::coroutine::sleep(end.saturating_duration_since(Instant::now())),
                };
                sleep_until(end);
                let late = Instant::now().saturating_duration_since(end);
                let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
                lateness[at].store(micros, Ordering::Relaxed);
                sleep_until(begin + 2 * SPREAD);
            })
        })
        .collect();
    let left = begin.saturating_duration_since(Instant::now());
    if left < AHEAD / 10 {
        return Err("the coroutines took too long to start".into());
    }
    std::thread::sleep(left);
    let before = cpu_seconds(std::process::id())?;
    std::thread::sleep((begin + SPREAD + SPREAD / 10).saturating_duration_since(Instant::now()));
    let cpu_ms = (cpu_seconds(std::process::id())? - before) * 1e3;
    for sleeper in sleepers {
        sleeper.join().map_err(|_| "a sleeper panicked")?;
    }
    let mut late: Vec<u64> = lateness.iter().map(|late| late.load(Ordering::Relaxed)).collect();
    late.sort_unstable();
    let at = |share: usize| late[(late.len() - 1) * share / 100];
    println!("| {timer} | {} | {} | {} | {cpu_ms:.0} |", at(50), at(99), at(100));
    Ok(())
}
