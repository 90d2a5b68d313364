//! Which containers run, and what they are called, without asking an engine: podman starts one monitor for each, with the
//! container's id and name among its arguments. Docker keeps names to itself.

use std::path::Path;

use anyhow::{Context, Result};

/// A running container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// As the user or compose called it.
    pub name: String,
    /// As the engine and its cgroup are called.
    pub id: String,
}

/// All that run under podman below `root`, by name.
///
/// # Errors
/// There is no `proc` to read.
pub fn containers(root: &Path) -> Result<Vec<Named>> {
    let proc = root.join("proc");
    let entries = std::fs::read_dir(&proc).with_context(|| proc.display().to_string())?;
    // A process that ends while they are read is left out.
    let processes =
        entries.flatten().filter(|entry| entry.file_name().to_string_lossy().parse::<i32>().is_ok());
    let command_lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let mut found: Vec<Named> = command_lines.filter_map(|line| monitored(&line)).collect();
    found.sort();
    // A monitor of `podman exec` names its container as well.
    found.dedup();
    Ok(found)
}

/// The container that a process watches over, if it is such a monitor.
fn monitored(command_line: &[u8]) -> Option<Named> {
    let mut words = command_line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let program = words.next()?;
    if Path::new(program.as_ref()).file_name()? != "conmon" {
        return None;
    }
    let words: Vec<_> = words.collect();
    let after = |short: &str, long: &str| {
        let option = words.iter().position(|word| word == short || word == long)?;
        words.get(option + 1).map(ToString::to_string)
    };
    Some(Named { name: after("-n", "--name")?, id: after("-c", "--cid")? })
}

#[cfg(test)]
mod tests {
    use super::{Named, monitored};

    #[test]
    fn a_monitor_is_known_by_its_program_and_says_name_and_id() {
        let line = b"/usr/bin/conmon\0--api-version\x001\0-c\0abc\0-u\0abc\0-r\0/usr/sbin/runc\0-n\0pouco-api1\0--exit-dir\0/run\0";
        let expected = Named { name: "pouco-api1".into(), id: "abc".into() };
        assert_eq!(monitored(line), Some(expected));
        assert_eq!(monitored(b"/usr/bin/conman\0-c\0abc\0-n\0pouco-api1\0"), None);
        assert_eq!(monitored(b"conmon\0-c\0abc\0-n"), None);
        assert_eq!(monitored(b""), None);
    }
}
