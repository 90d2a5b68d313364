//! Where a run takes place and with which tools: what a reader needs to judge or repeat it.
//!
//! What may not enter: the name of the host or of a user.

mod tools;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use procfs::{CpuInfo, Current as _, Meminfo};

pub use tools::{find_program, run};

use crate::meters;
use crate::record::Machine;

/// Java takes a second where the machine is busy; more than this is a hang.
const VERSION_TIMEOUT: Duration = Duration::from_secs(20);

/// This machine.
///
/// # Errors
/// A file below `/proc` or `/etc` that every Linux has is not readable.
pub fn machine() -> Result<Machine> {
    let uname = rustix::system::uname();
    let architecture = uname.machine().to_string_lossy();
    let cpus = CpuInfo::current()?;
    // Made up to a width with blanks, by some.
    let model = cpus.model_name(0).map(|name| name.split_whitespace().collect::<Vec<_>>().join(" "));
    let cores = std::thread::available_parallelism().context("the number of cores")?.get();
    Ok(Machine {
        cpu_model: model.unwrap_or_else(|| architecture.into_owned()),
        cores: u32::try_from(cores).context("the number of cores")?,
        memory_bytes: Meminfo::current()?.mem_total,
        kernel: uname.release().to_string_lossy().into_owned(),
        os: std::fs::read_to_string("/etc/os-release")
            .ok()
            .and_then(|text| pretty_name(&text))
            .unwrap_or_else(|| uname.sysname().to_string_lossy().into_owned()),
        cgroups: meters::layout(Path::new("/")).map_or_else(|_| "none".to_owned(), str::to_owned),
    })
}

/// Versions of the tools that are here, by name, the lab's own among them. What is not here is absent.
#[must_use]
pub fn versions(gatling_home: Option<&Path>) -> BTreeMap<String, String> {
    let asked: [(&str, &[&str]); 7] = [
        ("podman", &["--version"]),
        ("podman-compose", &["--version"]),
        ("docker", &["version", "--format", "{{.Server.Version}}"]),
        ("runc", &["--version"]),
        ("java", &["-version"]),
        ("k6", &["version"]),
        ("python3", &["--version"]),
    ];
    let mut versions = BTreeMap::from([("pouco-lab".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
    for (tool, arguments) in asked {
        let text = run(tool, arguments, VERSION_TIMEOUT).ok();
        if let Some(version) = text.and_then(|text| version_in(&text)) {
            versions.insert(tool.to_owned(), version);
        }
    }
    if let Some(version) = gatling_home.and_then(gatling_version) {
        versions.insert("gatling".to_owned(), version);
    }
    versions
}

/// Of the installation in `home`, from the name of its jar.
#[must_use]
pub fn gatling_version(home: &Path) -> Option<String> {
    std::fs::read_dir(home.join("lib")).ok()?.flatten().find_map(|entry| {
        let name = entry.file_name();
        let version = name.to_str()?.strip_prefix("gatling-app-")?.strip_suffix(".jar")?;
        Some(version.to_owned())
    })
}

/// The first of [`gatling_places`] that has it.
#[must_use]
pub fn gatling_home() -> Option<PathBuf> {
    gatling_places().into_iter().find(|home| home.join("bin/gatling.sh").is_file())
}

/// Where Gatling is looked for: in `GATLING_HOME` where that is set, otherwise where this repository's own
/// scripts put it.
#[must_use]
pub fn gatling_places() -> Vec<PathBuf> {
    let set = std::env::var_os("GATLING_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let user = std::env::var_os("HOME").map(PathBuf::from);
    let of_user = [".cache/pouco-ci/gatling-3.9.5", "bin/gatling-3.9.5"];
    let of_user = of_user.iter().filter_map(|place| Some(user.as_ref()?.join(place)));
    set.clone().into_iter().chain(of_user.filter(|_| set.is_none())).collect()
}

/// The first word that begins with a digit and has a point in it: every tool puts its version into other
/// words.
#[must_use]
pub fn version_in(text: &str) -> Option<String> {
    let mut words = text.split(|c: char| c.is_whitespace() || matches!(c, '"' | ',' | '(' | ')'));
    let version = words.find_map(|word| {
        let word = word.strip_prefix('v').unwrap_or(word);
        (word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.')).then_some(word)
    })?;
    Some(version.to_owned())
}

fn pretty_name(os_release: &str) -> Option<String> {
    let value = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_tools_say() {
        let said = [
            ("podman version 4.3.1", "4.3.1"),
            ("podman-compose version 1.6.0\npodman version 4.3.1", "1.6.0"),
            ("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime", "17.0.15"),
            ("k6 v1.3.0 (go1.24.4, linux/amd64)", "1.3.0"),
            ("runc version 1.1.5+ds1\ncommit: 1.1.5", "1.1.5+ds1"),
            ("28.2.2\n", "28.2.2"),
        ];
        for (text, version) in said {
            assert_eq!(version_in(text).as_deref(), Some(version), "{text}");
        }
        assert_eq!(version_in("Cannot connect to the daemon"), None);
    }

    #[test]
    fn the_system_s_name_is_read_from_its_file() {
        assert_eq!(pretty_name("NAME=\"X\"\nPRETTY_NAME=\"Debian 13\"\n").as_deref(), Some("Debian 13"));
    }

    #[test]
    fn this_machine_is_described() {
        let machine = machine().unwrap();
        assert!(!machine.cpu_model.is_empty() && !machine.os.is_empty());
        assert!(machine.cores > 0 && machine.memory_bytes > 64 << 20);
        assert!(machine.kernel.starts_with(|c: char| c.is_ascii_digit()), "{}", machine.kernel);
    }

    #[test]
    fn only_tools_that_are_here_have_a_version() {
        let versions = versions(None);
        assert_eq!(versions["pouco-lab"], env!("CARGO_PKG_VERSION"));
        for (tool, version) in versions.iter().filter(|(tool, _)| *tool != "pouco-lab") {
            assert!(find_program(tool).is_some(), "{tool} {version}");
        }
        // Where it is here, it says its version.
        assert_eq!(find_program("python3").is_some(), versions.contains_key("python3"));
    }

    #[test]
    fn gatling_s_version_is_that_of_its_jar() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(gatling_version(home.path()), None);
        std::fs::create_dir(home.path().join("lib")).unwrap();
        std::fs::write(home.path().join("lib/gatling-core-3.9.4.jar"), "").unwrap();
        std::fs::write(home.path().join("lib/gatling-app-3.9.5.jar"), "").unwrap();
        assert_eq!(gatling_version(home.path()).as_deref(), Some("3.9.5"));
    }
}
