//! What Postgres has used.

use std::error::Error;
use std::fs;
use std::time::Duration;

/// CPU microseconds of the postmaster and its children, from the first field of `schedstat`, in nanoseconds.
pub fn cpu_us(postmaster: u32) -> Result<f64, Box<dyn Error>> {
    let mut total = Duration::ZERO;
    for entry in fs::read_dir("/proc")? {
        let folder = entry?.path();
        // Processes that end meanwhile, and what is not a process.
        let Ok(stat) = fs::read_to_string(folder.join("stat")) else { continue };
        let Some((pid, rest)) = stat.split_once(' ') else { continue };
        let parent = rest.rsplit(") ").next().and_then(|fields| fields.split(' ').nth(1));
        if pid != postmaster.to_string() && parent != Some(&postmaster.to_string()) {
            continue;
        }
        let Ok(text) = fs::read_to_string(folder.join("schedstat")) else { continue };
        total += Duration::from_nanos(text.split(' ').next().unwrap_or_default().parse()?);
    }
    Ok(total.as_secs_f64() * 1e6)
}
