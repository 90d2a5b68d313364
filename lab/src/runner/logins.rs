//! What a login costs, measured alone, so that a report can show what a load took without its logins.
//!
//! bcrypt is slow on purpose: a login takes as much CPU as some hundred other requests, and as much in any
//! language. So customers log in one after the other before the load, while nothing else is asked, and what
//! the kernel has counted for the contestant's cgroups meanwhile, less what they use when nothing is asked at
//! all, is divided by their number. A login is meant whole, with its request and its query: what is taken off
//! a load is logins, and not an estimate of a hash.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::Entrant;
use super::attempt::metered;
use crate::contestant::Role;
use crate::meters::MeterReport;
use crate::record::Logins;
use crate::shop::{self, Open};
use crate::stack::Stack;

/// Enough that a counter in steps of 10 ms is a hundredth of what they cost.
const LOGINS: usize = 20;
/// In which nothing is asked.
const REST: Duration = Duration::from_secs(2);
const STOP_CHECK: Duration = Duration::from_millis(50);

/// Lets the customers of `open` log in at `address`.
///
/// # Errors
/// The contestant cannot be measured, or does not let somebody in; or `stop` was set.
pub fn measure(
    address: &str,
    open: &Open,
    stack: &dyn Stack,
    entrant: &Entrant,
    stop: &AtomicBool,
) -> Result<Logins> {
    let at_rest = over(stack, entrant, &|| {
        let begun = Instant::now();
        while begun.elapsed() < REST {
            ensure!(!stop.load(Ordering::Relaxed), "interrupted");
            std::thread::sleep(STOP_CHECK);
        }
        Ok(())
    })?;
    let busy = over(stack, entrant, &|| {
        for customer in open.customers.iter().cycle().take(LOGINS) {
            ensure!(!stop.load(Ordering::Relaxed), "interrupted");
            shop::log_in(address, &customer.email, &customer.password)?;
        }
        Ok(())
    })?;
    let one = |of: fn(&Used) -> f64| {
        let idle = of(&at_rest) * busy.seconds / at_rest.seconds;
        ((of(&busy) - idle) / LOGINS as f64).max(0.0)
    };
    Ok(Logins {
        measured: LOGINS as u64,
        cpu_seconds: one(|used| used.all),
        api_cpu_seconds: one(|used| used.api),
        in_load: 0,
    })
}

/// CPU seconds, and how long that took.
struct Used {
    all: f64,
    api: f64,
    seconds: f64,
}

fn over(stack: &dyn Stack, entrant: &Entrant, work: &dyn Fn() -> Result<()>) -> Result<Used> {
    let meter = metered(stack, entrant)?;
    let begun = Instant::now();
    work()?;
    let seconds = begun.elapsed().as_secs_f64();
    let MeterReport { resources, .. } = meter.stop()?;
    let of_api = resources.services.values().filter(|usage| usage.role == Some(Role::Api));
    let api = of_api.map(|usage| usage.cpu_seconds).sum();
    Ok(Used { all: resources.total.cpu_seconds, api, seconds })
}
