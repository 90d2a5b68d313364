//! A process and all that descend from it, by `/proc`: their CPU time, even of those that have ended, and
//! resident memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind};

use anyhow::{Context, Result};
use procfs::process::{Process, all_processes};

/// What a tree used.
#[derive(Clone, Debug)]
pub(super) struct TreeUsage {
    /// User and system, since the first process began.
    pub(super) cpu_ns: u64,
    /// Sum of the resident sets.
    pub(super) resident_bytes: u64,
    /// Those that live.
    pub(super) pids: Vec<i32>,
}

/// A process and its descendants. They are known from one [`ProcessTree::refresh`] to the next, so that one
/// whose parent has ended still counts. A process that begins and ends between two of them counts if its
/// parent waited for it.
#[derive(Debug)]
pub(super) struct ProcessTree {
    root: i32,
    /// Whether the root was looked for; later its number may be another process's.
    begun: bool,
    members: BTreeMap<i32, Stat>,
    /// Of members that have ended and that no living member can have waited for.
    ended_ticks: u64,
    /// CPU time never goes back, though a parent that ignores its children's ends does not count them.
    highest_ticks: u64,
}

/// What is used of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) parent: i32,
    /// Of the process itself.
    pub(super) own_ticks: u64,
    /// Of children that have ended and were waited for, and of theirs.
    pub(super) children_ticks: u64,
    /// In ticks since the machine's start: with the id, it names a process forever.
    pub(super) started: u64,
    pub(super) resident_pages: u64,
}

/// When the process began, in ticks since the machine's start: with its number, that names it forever. None
/// if there is no such process, or if it has ended and only waits for its parent to look.
#[must_use]
pub fn alive(pid: i32) -> Option<u64> {
    let stat = Process::new(pid).and_then(|process| process.stat()).ok()?;
    (!matches!(stat.state, 'Z' | 'X')).then_some(stat.starttime)
}

/// A process and all that descend from it now; nothing if it is gone.
#[must_use]
pub fn family(root: i32) -> Vec<i32> {
    ProcessTree::new(root).refresh().map(|usage| usage.pids).unwrap_or_default()
}

impl Stat {
    pub(super) fn of(pid: i32) -> Option<Self> {
        Process::new(pid).and_then(|process| process.stat()).ok().map(Self::from)
    }

    pub(super) fn total_ticks(&self) -> u64 {
        self.own_ticks + self.children_ticks
    }
}

impl From<procfs::process::Stat> for Stat {
    fn from(stat: procfs::process::Stat) -> Self {
        Self {
            parent: stat.ppid,
            own_ticks: stat.utime + stat.stime,
            children_ticks: stat.cutime.unsigned_abs() + stat.cstime.unsigned_abs(),
            started: stat.starttime,
            resident_pages: stat.rss,
        }
    }
}

impl ProcessTree {
    pub(super) fn new(root: i32) -> Self {
        Self { root, begun: false, members: BTreeMap::new(), ended_ticks: 0, highest_ticks: 0 }
    }

    /// Looks again.
    ///
    /// # Errors
    /// All of them have ended. [`ProcessTree::cpu_ns`] is then what was seen last.
    pub(super) fn refresh(&mut self) -> Result<TreeUsage> {
        self.update(&all_stats()?);
        if self.members.is_empty() {
            let gone = Error::new(ErrorKind::NotFound, "all its processes have ended");
            return Err(gone).with_context(|| format!("process {}", self.root));
        }
        let pages = self.members.values().map(|stat| stat.resident_pages).sum::<u64>();
        Ok(TreeUsage {
            cpu_ns: self.cpu_ns(),
            resident_bytes: pages * rustix::param::page_size() as u64,
            pids: self.members.keys().copied().collect(),
        })
    }

    fn update(&mut self, now: &BTreeMap<i32, Stat>) {
        let living = self.living(now);
        for (pid, stat) in &self.members {
            if !living.contains(pid) && !self.has_living_ancestor(*pid, &living) {
                self.ended_ticks += stat.total_ticks();
            }
        }
        self.members = living.iter().filter_map(|pid| Some((*pid, *now.get(pid)?))).collect();
        self.begun = true;
        let ticks = self.members.values().map(Stat::total_ticks).sum::<u64>() + self.ended_ticks;
        self.highest_ticks = self.highest_ticks.max(ticks);
    }

    pub(super) fn cpu_ns(&self) -> u64 {
        ticks_to_ns(self.highest_ticks)
    }

    /// Members that have not ended, and all that descend from them.
    fn living(&self, now: &BTreeMap<i32, Stat>) -> BTreeSet<i32> {
        let same = |pid: &i32, then: &Stat| now.get(pid).is_some_and(|stat| stat.started == then.started);
        let mut living: BTreeSet<i32> =
            self.members.iter().filter(|(pid, then)| same(pid, then)).map(|(pid, _)| *pid).collect();
        if !self.begun && now.contains_key(&self.root) {
            living.insert(self.root);
        }
        let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        for (pid, stat) in now {
            children.entry(stat.parent).or_default().push(*pid);
        }
        let mut open: Vec<i32> = living.iter().copied().collect();
        while let Some(pid) = open.pop() {
            for child in children.get(&pid).into_iter().flatten() {
                if living.insert(*child) {
                    open.push(*child);
                }
            }
        }
        living
    }

    /// A living ancestor of `pid` has counted it once it, or a process between the two, was waited for.
    fn has_living_ancestor(&self, pid: i32, living: &BTreeSet<i32>) -> bool {
        let mut next = self.members.get(&pid);
        // The chain of parents is at most as long as there are members.
        for _ in 0..self.members.len() {
            let Some(stat) = next else { return false };
            if living.contains(&stat.parent) {
                return true;
            }
            next = self.members.get(&stat.parent);
        }
        false
    }
}

pub(super) fn ticks_to_ns(ticks: u64) -> u64 {
    ticks * (1_000_000_000 / rustix::param::clock_ticks_per_second())
}

/// A process that ends while they are read is left out.
fn all_stats() -> Result<BTreeMap<i32, Stat>> {
    let stats = all_processes()?.flatten().filter_map(|process| process.stat().ok());
    Ok(stats.map(|stat| (stat.pid, stat.into())).collect())
}

#[cfg(test)]
mod tests {
    use procfs::FromRead as _;

    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_shifts_no_field() {
        let text = "4711 (a) b (c)) S 12 4711 4711 0 -1 4194560 1500 900 0 0 70 30 5 2 20 0 3 0 86400 1000000 256 \
            18446744073709551615 1 2 3 4 5 0 0 0 0 0 0 0 17 1 0 0 0 0 0 1 2 3 4 5 6 7 0\n";
        let read = |text: &str| procfs::process::Stat::from_read(text.as_bytes()).ok().map(Stat::from);
        let stat =
            Stat { parent: 12, own_ticks: 100, children_ticks: 7, started: 86400, resident_pages: 256 };
        assert_eq!(read(text), Some(stat));
        assert_eq!(read("4711 (cut off) S 12 4711"), None);
    }

    fn stat(parent: i32, own_ticks: u64, children_ticks: u64) -> Stat {
        Stat { parent, own_ticks, children_ticks, started: 1, resident_pages: 1 }
    }

    fn tree(members: &[(i32, Stat)]) -> ProcessTree {
        let mut tree = ProcessTree::new(10);
        tree.update(&members.iter().copied().collect());
        tree
    }

    #[test]
    fn an_orphan_still_belongs_to_the_tree() {
        let mut known = tree(&[(10, stat(1, 5, 0)), (11, stat(10, 7, 0))]);
        let now = BTreeMap::from([(1, stat(0, 900, 900)), (11, stat(1, 9, 0)), (12, stat(11, 1, 0))]);
        known.update(&now);
        assert_eq!(known.members.keys().copied().collect::<Vec<_>>(), [11, 12]);
        // 5 of the one that ended, and nothing of the foreign parent.
        assert_eq!(known.highest_ticks, 15);
    }

    #[test]
    fn a_number_that_is_used_again_is_another_process() {
        let mut known = tree(&[(10, stat(1, 5, 0))]);
        known.update(&BTreeMap::from([(10, Stat { started: 2, ..stat(1, 50, 0) })]));
        assert!(known.members.is_empty());
        assert_eq!(known.highest_ticks, 5);
    }

    #[test]
    fn who_ended_is_counted_once() {
        let mut known = tree(&[(10, stat(1, 5, 0)), (11, stat(10, 7, 0)), (12, stat(11, 3, 0))]);
        assert_eq!(known.highest_ticks, 15);
        // 12 was waited for by 11, and 11 by 10.
        known.update(&BTreeMap::from([(10, stat(1, 6, 10))]));
        assert_eq!(known.highest_ticks, 16);
        known.update(&BTreeMap::new());
        assert_eq!(known.highest_ticks, 16);
    }
}
