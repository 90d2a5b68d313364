//! What the kernel knows of this process (proc(5)), for `/metrics`.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use rustix::param::{clock_ticks_per_second, page_size};

use crate::limits;
use crate::metrics::Exposition;
use crate::waiting::aside::Aside;

/// Where the fields of `/proc/self/stat` stand behind the name, which may hold blanks: two less than proc(5) numbers them,
/// and counted from 0.
const UTIME: usize = 14 - 3;
const STIME: usize = 15 - 3;
const STARTTIME: usize = 22 - 3;

/// The figures that Prometheus's own client libraries have for a process.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// CPU time of all threads, user and system.
    pub cpu_seconds: f64,
    /// Pages in RAM.
    pub resident_bytes: u64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// When it began, since the Unix epoch.
    pub start_seconds: f64,
}

impl Process {
    /// Reads them off the worker: the kernel takes milliseconds to list ten thousand descriptors, and the coroutine
    /// that asks must not hold up the others. It parks meanwhile.
    ///
    /// # Errors
    /// If there is no thread to be had in time, or `/proc` is not as expected.
    pub fn read_aside(aside: &Aside) -> io::Result<Self> {
        let deadline = Instant::now() + Duration::from_millis(limits::PROCESS_DEADLINE_MS);
        aside.run(deadline, Self::read).map_err(io::Error::other)?
    }

    /// Reads them; blocks for as long as the kernel takes.
    ///
    /// # Errors
    /// If `/proc` is not as expected.
    pub fn read() -> io::Result<Self> {
        let stat = fs::read_to_string("/proc/self/stat")?;
        let fields: Vec<&str> =
            stat.rsplit_once(") ").ok_or_else(|| unexpected("stat"))?.1.split(' ').collect();
        let boot = fs::read_to_string("/proc/stat")?;
        let boot = boot.lines().find_map(|line| line.strip_prefix("btime "));
        let pages = fs::read_to_string("/proc/self/statm")?;
        // The look itself opens one.
        let open_fds = (fs::read_dir("/proc/self/fd")?.count() as u64).saturating_sub(1);
        Ok(Self {
            cpu_seconds: seconds(number(fields.get(UTIME))? + number(fields.get(STIME))?),
            resident_bytes: number(pages.split(' ').nth(1).as_ref())? * page_size() as u64,
            open_fds,
            start_seconds: seconds(number(fields.get(STARTTIME))?) + seconds_of_boot(number(boot.as_ref())?),
        })
    }

    /// Writes them down.
    pub fn expose(&self, exposition: &mut Exposition) {
        let help = "CPU time of user and system.";
        exposition.sample("process_cpu_seconds_total", help, &[], self.cpu_seconds);
        let help = "Memory in RAM, shared pages too.";
        exposition.sample("process_resident_memory_bytes", help, &[], self.resident_bytes);
        exposition.sample("process_open_fds", "Open file descriptors.", &[], self.open_fds);
        let help = "Start of the process since the Unix epoch.";
        exposition.sample("process_start_time_seconds", help, &[], self.start_seconds);
    }
}

#[allow(clippy::cast_precision_loss)] // ticks of any uptime
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / clock_ticks_per_second() as f64
}

#[allow(clippy::cast_precision_loss)] // seconds since the epoch
fn seconds_of_boot(seconds: u64) -> f64 {
    seconds as f64
}

fn number(field: Option<&&str>) -> io::Result<u64> {
    field.and_then(|text| text.trim().parse().ok()).ok_or_else(|| unexpected("a number"))
}

fn unexpected(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("/proc has no {what} where it should"))
}

#[cfg(test)]
mod tests {
    use super::Process;
    use std::time::{Duration, Instant, SystemTime};

    #[test]
    fn the_kernel_s_figures_are_those_of_this_process() {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(50) {
            std::hint::black_box(begun);
        }
        let before = Process::read().unwrap();
        assert!(before.cpu_seconds >= 0.03, "{before:?}");
        assert!(before.resident_bytes > 1 << 20, "{before:?}");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((now - before.start_seconds).abs() < 600.0, "{before:?}, and now is {now}");
        let files: Vec<_> = (0..50).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        let after = Process::read().unwrap();
        // Other tests open and close some meanwhile.
        assert!(after.open_fds >= before.open_fds + files.len() as u64 - 25, "{before:?}, {after:?}");
    }
}
