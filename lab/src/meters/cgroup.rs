//! CPU, memory and limits of one target, from its cgroup or, for a plain process, from `/proc`.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::hierarchy::{Groups, Version};
use super::processes::ProcessTree;
use super::{Limits, Target, limits, read_text};

/// The process's id in a recorded tree of a plain process.
const RECORDED_PID: i32 = 1;

/// Counters and gauges of one target at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// User and system, since the cgroup or process began.
    pub cpu_ns: u64,
    /// Waited for the next period of the CPU quota; absent for a plain process.
    pub throttled_ns: Option<u64>,
    /// With page cache; for a plain process, the resident sets of it and its descendants.
    pub memory_bytes: u64,
    /// Page cache that the kernel takes back first, at no cost to the container.
    pub inactive_file_bytes: u64,
    /// The kernel's own peak of `memory_bytes`; Linux before 5.19 has none in version 2.
    pub peak_bytes: Option<u64>,
    /// Processes that the kernel killed because the container had no memory left; absent for a plain process,
    /// and in version 1 before Linux 4.13.
    pub oom_kills: Option<u64>,
}

/// Periods of the CPU quota, since the cgroup began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periods {
    /// In which something ran.
    pub all: u64,
    /// In which something had to wait for the next one.
    pub throttled: u64,
}

impl Sample {
    /// Without the page cache that the kernel takes back first.
    #[must_use]
    pub fn working_bytes(&self) -> u64 {
        self.memory_bytes.saturating_sub(self.inactive_file_bytes)
    }
}

/// Where the figures of one target are.
#[derive(Debug)]
pub struct Cgroup {
    /// Absent for a plain process on this machine: its cgroup is not its own.
    groups: Option<Groups>,
    /// Only for a plain process.
    process: Option<ProcessTree>,
    /// Open from the reset on: version 2 forgets a reset together with the descriptor through which it was
    /// made.
    peak: Option<File>,
    proc_folder: PathBuf,
}

impl Cgroup {
    /// Finds the target's cgroup.
    ///
    /// # Errors
    /// The process is gone, or the container has no cgroup of its own and so is neither limited nor
    /// measurable.
    pub fn open(target: &Target) -> Result<Self> {
        let opened = match &target.container_id {
            Some(id) => Groups::find(&target.root, target.pid, Some(id)).map(|groups| Self {
                groups: Some(groups),
                process: None,
                peak: None,
                proc_folder: target.root.join("proc"),
            }),
            None => Self::of_process(target),
        };
        opened.with_context(|| target.service.clone())
    }

    /// Finds the cgroup of a container by its id alone, in the file systems that `root` shows.
    ///
    /// # Errors
    /// No cgroup stands for it.
    pub fn of_container(root: &Path, id: &str) -> Result<Self> {
        let groups = Some(Groups::of_container(root, id)?);
        Ok(Self { groups, process: None, peak: None, proc_folder: root.join("proc") })
    }

    /// Its path in the hierarchy of the memory controller; none for a plain process.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        self.groups.as_ref().map(|groups| groups.memory.path())
    }

    /// How often the quota began again, and how often it was used up; absent for a plain process, and where
    /// nothing is limited.
    #[must_use]
    pub fn periods(&self) -> Option<Periods> {
        let stat = std::fs::read_to_string(self.groups.as_ref()?.cpu.own.join("cpu.stat")).ok()?;
        Some(Periods { all: field(&stat, "nr_periods")?, throttled: field(&stat, "nr_throttled")? })
    }

    fn of_process(target: &Target) -> Result<Self> {
        let groups =
            if target.is_live() { None } else { Some(Groups::find(&target.root, RECORDED_PID, None)?) };
        // A recorded tree says what is limited; the process itself runs here.
        let process = Some(ProcessTree::new(target.pid));
        Ok(Self { groups, process, peak: None, proc_folder: PathBuf::from("/proc") })
    }

    /// What the kernel enforces: the least limit on the way from the process up to the mount. None for a
    /// plain process.
    ///
    /// # Errors
    /// A file of the cgroup is not as the kernel documents it.
    pub fn limits(&self) -> Result<Limits> {
        self.groups.as_ref().map_or(Ok(Limits::default()), limits::found)
    }

    /// Reads all figures.
    ///
    /// # Errors
    /// The container or process has ended, or the controllers are not delegated.
    pub fn sample(&mut self) -> Result<Sample> {
        if self.process.is_none() {
            let groups = self.groups.as_ref().context("no cgroup")?;
            let (cpu_ns, throttled_ns) = cpu(groups)?;
            let (memory_bytes, inactive_file_bytes) = memory(groups)?;
            let (peak_bytes, oom_kills) = (self.read_peak(), self.oom_kills());
            return Ok(Sample {
                cpu_ns,
                throttled_ns,
                memory_bytes,
                inactive_file_bytes,
                peak_bytes,
                oom_kills,
            });
        }
        let recorded_cpu = self.groups.as_ref().and_then(|groups| present(cpu(groups))).transpose()?;
        let recorded_memory = self.groups.as_ref().and_then(|groups| present(memory(groups))).transpose()?;
        let (peak_bytes, oom_kills) = (self.read_peak(), self.oom_kills());
        let process = self.process.as_mut().context("no cgroup and no process")?;
        // A recorded tree may hold limits alone; what it lacks is the process's own.
        let ((cpu_ns, throttled_ns), (memory_bytes, inactive_file_bytes)) =
            match (recorded_cpu, recorded_memory) {
                (Some(cpu), Some(memory)) => (cpu, memory),
                (cpu, memory) => {
                    let used = process.refresh()?;
                    (cpu.unwrap_or((used.cpu_ns, None)), memory.unwrap_or((used.resident_bytes, 0)))
                }
            };
        Ok(Sample { cpu_ns, throttled_ns, memory_bytes, inactive_file_bytes, peak_bytes, oom_kills })
    }

    /// A container outlives the end of one of its processes, so this is the only place where that shows.
    fn oom_kills(&self) -> Option<u64> {
        let memory = &self.groups.as_ref()?.memory;
        let file = memory.own.join(match memory.version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        });
        field(&std::fs::read_to_string(file).ok()?, "oom_kill")
    }

    /// Lets the raw peak begin again. False where the kernel cannot: without the right to write, and in
    /// version 2 before Linux 6.12.
    pub fn reset_peak(&mut self) -> bool {
        let Some(file) = self.peak_file() else { return false };
        let Ok(file) = OpenOptions::new().read(true).write(true).open(file) else { return false };
        // Version 1 wants a 0; version 2 takes any text, for this descriptor alone.
        let reset = file.write_all_at(b"0", 0).is_ok();
        self.peak = reset.then_some(file);
        reset
    }

    fn peak_file(&self) -> Option<PathBuf> {
        let memory = &self.groups.as_ref()?.memory;
        Some(memory.own.join(match memory.version {
            Version::V1 => "memory.max_usage_in_bytes",
            Version::V2 => "memory.peak",
        }))
    }

    fn read_peak(&self) -> Option<u64> {
        let held = self.peak.as_ref().and_then(|file| {
            let mut bytes = [0; 32];
            let length = file.read_at(&mut bytes, 0).ok()?;
            parse_number(std::str::from_utf8(&bytes[..length]).ok()?)
        });
        // A container that was started again has a new file, which begins from its own start.
        held.or_else(|| parse_number(&std::fs::read_to_string(self.peak_file()?).ok()?))
    }

    /// All processes in it, those in folders below its own too; for a plain process, it and its descendants.
    ///
    /// # Errors
    /// It has ended.
    pub fn pids(&mut self) -> Result<Vec<i32>> {
        if let Some(process) = &mut self.process {
            return Ok(process.refresh()?.pids);
        }
        let groups = self.groups.as_ref().context("no cgroup")?;
        let mut pids = Vec::new();
        collect_pids(&groups.memory.own, &mut pids)?;
        Ok(pids)
    }

    /// Where the processes of [`Cgroup::pids`] are found.
    pub(super) fn proc_folder(&self) -> &Path {
        &self.proc_folder
    }
}

/// What a recorded tree lacks is not an error: the process is asked instead.
fn present<T>(read: Result<T>) -> Option<Result<T>> {
    match read {
        Err(error) if is_gone(&error) => None,
        other => Some(other),
    }
}

/// The file is not there (any more). A file that is open when its cgroup is removed answers with ENODEV.
pub(super) fn is_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| {
        error.kind() == ErrorKind::NotFound
            || error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error())
    })
}

/// CPU and throttled time in ns.
fn cpu(groups: &Groups) -> Result<(u64, Option<u64>)> {
    let file = groups.cpu.own.join("cpu.stat");
    let stat = read_text(&file)?;
    Ok(match groups.cpu.version {
        Version::V1 => {
            let usage = groups.cpuacct.own.join("cpuacct.usage");
            let cpu_ns = parse_number(&read_text(&usage)?)
                .with_context(|| format!("{}: no number", usage.display()))?;
            (cpu_ns, field(&stat, "throttled_time"))
        }
        Version::V2 => {
            let used =
                field(&stat, "usage_usec").with_context(|| format!("{}: no usage_usec", file.display()))?;
            (used * 1000, field(&stat, "throttled_usec").map(|usec| usec * 1000))
        }
    })
}

/// Usage, and what of it is inactive page cache.
fn memory(groups: &Groups) -> Result<(u64, u64)> {
    let (usage, inactive) = match groups.memory.version {
        // The plain `inactive_file` of version 1 is that of the one folder, without those below it.
        Version::V1 => ("memory.usage_in_bytes", "total_inactive_file"),
        Version::V2 => ("memory.current", "inactive_file"),
    };
    let own = &groups.memory.own;
    let usage_file = own.join(usage);
    let usage = parse_number(&read_text(&usage_file)?)
        .with_context(|| format!("{}: no number", usage_file.display()))?;
    let stat = own.join("memory.stat");
    let inactive =
        field(&read_text(&stat)?, inactive).with_context(|| format!("{}: no {inactive}", stat.display()))?;
    Ok((usage, inactive))
}

fn parse_number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| parse_number(line.strip_prefix(name)?.strip_prefix(' ')?))
}

fn collect_pids(folder: &Path, pids: &mut Vec<i32>) -> Result<()> {
    // A process of a namespace that is not visible from here shows as 0.
    pids.extend(
        read_text(&folder.join("cgroup.procs"))?
            .lines()
            .filter_map(|line| line.parse::<i32>().ok())
            .filter(|pid| *pid > 0),
    );
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry.with_context(|| folder.display().to_string())?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            // A folder that goes away meanwhile, or a threaded one, has no processes to tell of.
            let _ = collect_pids(&entry.path(), pids);
        }
    }
    Ok(())
}
