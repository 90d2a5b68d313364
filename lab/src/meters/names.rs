//! Which containers run, and what they are called, without asking an engine: podman starts one monitor for
//! each, with the container's id and name among its arguments. Docker keeps names to itself.

use std::path::Path;

use anyhow::Result;
use procfs::process::all_processes_with_root;

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
    // A process that ends while they are read is left out.
    let processes = all_processes_with_root(root.join("proc"))?.flatten();
    let mut found: Vec<Named> = processes.filter_map(|process| monitored(&process.cmdline().ok()?)).collect();
    found.sort();
    // A monitor of `podman exec` names its container as well.
    found.dedup();
    Ok(found)
}

/// The container that a process watches over, if it is such a monitor.
fn monitored(command_line: &[String]) -> Option<Named> {
    let (program, words) = command_line.split_first()?;
    if Path::new(program).file_name()? != "conmon" {
        return None;
    }
    let after = |short: &str, long: &str| {
        let option = words.iter().position(|word| word == short || word == long)?;
        words.get(option + 1).cloned()
    };
    Some(Named { name: after("-n", "--name")?, id: after("-c", "--cid")? })
}

#[cfg(test)]
mod tests {
    use super::{Named, monitored};

    #[test]
    fn a_monitor_is_known_by_its_program_and_says_name_and_id() {
        let monitored = |line: &str| monitored(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let line =
            "/usr/bin/conmon --api-version 1 -c abc -u abc -r /usr/sbin/runc -n pouco-api1 --exit-dir /run";
        let expected = Named { name: "pouco-api1".into(), id: "abc".into() };
        assert_eq!(monitored(line), Some(expected));
        assert_eq!(monitored("/usr/bin/conman -c abc -n pouco-api1"), None);
        assert_eq!(monitored("conmon -c abc -n"), None);
        assert_eq!(monitored(""), None);
    }
}
