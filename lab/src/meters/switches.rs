//! Context switches of all threads of some processes, between a first look and a last one.
//!
//! The kernel counts them by thread and forgets them with it. So all threads are read once a second, and what
//! a thread that is gone had when it was seen last is kept: of a thread at most its last second is missed,
//! and all of one that lived shorter. The two lines are found here: `procfs` reads all sixty of each thread,
//! which would be paid alongside the load.

use std::collections::HashMap;
use std::path::Path;

/// Voluntary and involuntary.
pub(super) type Pair = (u64, u64);

/// Counts since the first [`Switches::look`].
#[derive(Debug, Default)]
pub(super) struct Switches {
    threads: HashMap<i32, Thread>,
    ended: Pair,
    begun: bool,
}

#[derive(Debug)]
struct Thread {
    base: Pair,
    last: Pair,
}

impl Thread {
    fn counted(&self) -> Pair {
        (self.last.0 - self.base.0, self.last.1 - self.base.1)
    }
}

impl Switches {
    /// Reads all threads of `pids` below `proc_folder`.
    pub(super) fn look(&mut self, proc_folder: &Path, pids: &[i32]) {
        let mut now = HashMap::new();
        for pid in pids {
            threads_of(&proc_folder.join(format!("{pid}/task")), &mut now);
        }
        self.add(now);
    }

    fn add(&mut self, now: HashMap<i32, Pair>) {
        let mut known = std::mem::take(&mut self.threads);
        for (id, value) in now {
            let former = known.remove(&id);
            let thread = match former {
                Some(thread) if thread.last.0 <= value.0 && thread.last.1 <= value.1 => {
                    Thread { base: thread.base, last: value }
                }
                // The number is another thread's now.
                Some(thread) => {
                    self.end(&thread);
                    Thread { base: (0, 0), last: value }
                }
                None if self.begun => Thread { base: (0, 0), last: value },
                None => Thread { base: value, last: value },
            };
            self.threads.insert(id, thread);
        }
        for thread in known.values() {
            self.end(thread);
        }
        self.begun = true;
    }

    fn end(&mut self, thread: &Thread) {
        let (voluntary, involuntary) = thread.counted();
        self.ended.0 += voluntary;
        self.ended.1 += involuntary;
    }

    /// Absent if no thread was ever seen.
    pub(super) fn total(&self) -> Option<Pair> {
        if self.threads.is_empty() && self.ended == (0, 0) {
            return None;
        }
        Some(self.threads.values().map(Thread::counted).fold(self.ended, |a, b| (a.0 + b.0, a.1 + b.1)))
    }
}

/// A thread that ends while they are read is left out.
fn threads_of(folder: &Path, found: &mut HashMap<i32, Pair>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let status = std::fs::read_to_string(entry.path().join("status")).ok();
        if let Some((id, pair)) = id.zip(status.and_then(|status| parse(&status))) {
            found.insert(id, pair);
        }
    }
}

fn parse(status: &str) -> Option<Pair> {
    // They are the last lines.
    let number = |name: &str| {
        status.lines().rev().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
    };
    Some((number("voluntary_ctxt_switches:")?, number("nonvoluntary_ctxt_switches:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_thread_had_before_the_first_look_does_not_count() {
        let mut switches = Switches::default();
        switches.add(HashMap::from([(1, (100, 10))]));
        assert_eq!(switches.total(), Some((0, 0)));
        switches.add(HashMap::from([(1, (105, 12)), (2, (3, 1))]));
        assert_eq!(switches.total(), Some((8, 3)));
    }

    #[test]
    fn a_thread_that_ended_keeps_what_was_seen_of_it() {
        let mut switches = Switches::default();
        switches.add(HashMap::from([(1, (100, 10))]));
        switches.add(HashMap::from([(1, (150, 15))]));
        switches.add(HashMap::new());
        assert_eq!(switches.total(), Some((50, 5)));
        // Its number comes again, and with less than it had.
        switches.add(HashMap::from([(1, (160, 2))]));
        switches.add(HashMap::from([(1, (4, 3))]));
        assert_eq!(switches.total(), Some((214, 10)));
    }

    #[test]
    fn a_status_without_the_two_lines_is_no_count() {
        let status = "Name:\tpostgres\nvoluntary_ctxt_switches:\t31\nnonvoluntary_ctxt_switches:\t4\n";
        assert_eq!(parse(status), Some((31, 4)));
        assert_eq!(parse("Name:\tpostgres\n"), None);
    }
}
