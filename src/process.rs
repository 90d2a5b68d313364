//! What the kernel knows of this process (proc(5)): for `/metrics`, and for what a start depends on.

use std::io;
use std::time::{Duration, Instant};

use procfs::process::Process as Entry;
use procfs::{ProcResult, WithCurrentSystemInfo};

use crate::limits;
use crate::metrics::Exposition;
use crate::waiting::aside::Aside;

/// How many mappings the kernel lets a process have (`vm.max_map_count`).
///
/// # Errors
/// If `/proc` is not as expected.
pub fn most_mappings() -> io::Result<u64> {
    procfs::sys::vm::max_map_count().map_err(io::Error::other)
}

/// Whether the process has a controlling terminal, which may go away (credentials(7)).
#[must_use]
pub fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Whether whoever started the process wants it to ignore a signal (nohup(1)).
#[must_use]
pub fn ignores(signal: i32) -> bool {
    let ignored = Entry::myself().and_then(|entry| entry.status()).map(|status| status.sigign);
    // Without /proc nobody can tell.
    ignored.is_ok_and(|ignored| ignored >> (signal - 1) & 1 == 1)
}

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
    /// Reads them off the worker: the kernel takes milliseconds to list ten thousand descriptors, and the
    /// coroutine that asks must not hold up the others. It parks meanwhile.
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
        Self::look().map_err(io::Error::other)
    }

    fn look() -> ProcResult<Self> {
        let entry = Entry::myself()?;
        let stat = entry.stat()?;
        Ok(Self {
            cpu_seconds: seconds(stat.utime + stat.stime),
            resident_bytes: stat.rss_bytes().get(),
            open_fds: entry.fd_count()? as u64,
            start_seconds: seconds(stat.starttime) + seconds_of_boot(procfs::boot_time_secs()?),
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
    ticks as f64 / procfs::ticks_per_second() as f64
}

#[allow(clippy::cast_precision_loss)] // seconds since the epoch
fn seconds_of_boot(seconds: u64) -> f64 {
    seconds as f64
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
