//! Which folders of the cgroup file systems belong to a process: the container's own, and all whose limits
//! apply to it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use procfs::process::MountInfos;
use procfs::{FromRead, ProcessCGroups};

/// Folders below a mount point, one in the other, in which a container is looked for. Engines nest by far
/// fewer.
const MAX_DEPTH: usize = 12;

/// Of the interface, not of the kernel: a hybrid system has both, and each controller is in one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// One controller's folders of a container or process.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) version: Version,
    /// The folder that counts for the whole container.
    pub(super) own: PathBuf,
    /// The folders whose limits apply, from the process up to the mount point.
    pub(super) chain: Vec<PathBuf>,
}

impl Group {
    /// The name by which the kernel knows it: its path in the hierarchy.
    pub(super) fn path(&self) -> String {
        let top = self.chain.last().unwrap_or(&self.own);
        format!("/{}", self.own.strip_prefix(top).unwrap_or(&self.own).display())
    }
}

/// The three controllers that are read.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    pub(super) cpu: Group,
    /// One mount with `cpu` on most systems of version 1, but it need not be.
    pub(super) cpuacct: Group,
    pub(super) memory: Group,
}

/// The folder in which a mount point shows the hierarchy, and what part of the hierarchy it shows.
struct Mount {
    point: PathBuf,
    top: String,
}

impl Groups {
    /// Of the container with this id, wherever the file systems that `root` shows have its folder. The way by
    /// a process's own file is not open to one in a container: that file is then relative to the reader's own
    /// cgroup.
    ///
    /// # Errors
    /// No folder stands for it.
    pub(super) fn of_container(root: &Path, container: &str) -> Result<Self> {
        let mounts = mounts(root)?;
        let group = |controller| group_of_container(&mounts, controller, container);
        Ok(Self { cpu: group("cpu")?, cpuacct: group("cpuacct")?, memory: group("memory")? })
    }

    /// Of `pid` as it is numbered below `root`.
    ///
    /// # Errors
    /// The process is gone, or the container with the id `container` has no cgroup of its own.
    pub(super) fn find(root: &Path, pid: i32, container: Option<&str>) -> Result<Self> {
        let mounts = mounts(root)?;
        let paths = paths(root, pid)?;
        let group = |controller| group(&mounts, &paths, controller, container);
        Ok(Self { cpu: group("cpu")?, cpuacct: group("cpuacct")?, memory: group("memory")? })
    }
}

/// `v1` (the hybrid layout too, whose controllers are on version 1) or `v2`.
///
/// # Errors
/// `proc/self/mountinfo` below `root` cannot be read, or names no cgroup mount.
pub fn layout(root: &Path) -> Result<&'static str> {
    let mounts = mounts(root)?;
    // On a hybrid system version 2 is mounted too, without controllers.
    if mounts.contains_key("memory") {
        Ok("v1")
    } else {
        ensure!(mounts.contains_key(""), "no cgroup file system is mounted");
        Ok("v2")
    }
}

/// Each controller of version 1, and "" for version 2.
fn mounts(root: &Path) -> Result<HashMap<String, Mount>> {
    let mut mounts = HashMap::new();
    for mount in MountInfos::from_file(root.join("proc/self/mountinfo"))? {
        let names = match mount.fs_type.as_str() {
            "cgroup2" => vec![String::new()],
            "cgroup" => mount.super_options.into_keys().collect(),
            _ => continue,
        };
        let point = root.join(mount.mount_point.strip_prefix("/").unwrap_or(&mount.mount_point));
        for name in names {
            // Where something is mounted twice, the first is the system's own.
            let mount = || Mount { point: point.clone(), top: mount.root.clone() };
            mounts.entry(name).or_insert_with(mount);
        }
    }
    Ok(mounts)
}

/// The path of the process in each hierarchy, by controller; "" for version 2.
fn paths(root: &Path, pid: i32) -> Result<HashMap<String, String>> {
    let groups = ProcessCGroups::from_file(root.join(format!("proc/{pid}/cgroup")))
        .with_context(|| format!("process {pid} is not visible from here"))?;
    let mut paths = HashMap::new();
    for group in groups {
        if group.controllers.is_empty() {
            paths.insert(String::new(), group.pathname.clone());
        }
        paths.extend(group.controllers.into_iter().map(|name| (name, group.pathname.clone())));
    }
    Ok(paths)
}

fn group(
    mounts: &HashMap<String, Mount>,
    paths: &HashMap<String, String>,
    controller: &str,
    container: Option<&str>,
) -> Result<Group> {
    // On a hybrid system a process has a path of version 2 too: the line of version 1 wins.
    let key = if paths.contains_key(controller) { controller } else { "" };
    let (Some(path), Some(mount)) = (paths.get(key), mounts.get(key)) else {
        bail!("no cgroup mount with the controller {controller}");
    };
    let shown = Path::new(path).strip_prefix(&mount.top).unwrap_or(Path::new(path));
    let parts: Vec<&str> =
        shown.iter().filter_map(|part| part.to_str()).filter(|part| *part != "/").collect();
    let folder = |depth: usize| mount.point.join(parts[..depth].iter().collect::<PathBuf>());
    let own = match container {
        None => parts.len(),
        // Engines nest differently (a scope, a folder, a `container` below the scope), but all of them put
        // the id into the name of the folder that stands for the container.
        Some(id) => match parts.iter().position(|part| part.contains(id)) {
            Some(index) => index + 1,
            None => {
                bail!(
                    "the container runs in {path}, which is not its own: it is neither limited nor measurable"
                )
            }
        },
    };
    Ok(Group {
        version: if key.is_empty() { Version::V2 } else { Version::V1 },
        own: folder(own),
        chain: (0..=parts.len()).rev().map(folder).collect(),
    })
}

fn group_of_container(mounts: &HashMap<String, Mount>, controller: &str, container: &str) -> Result<Group> {
    let key = if mounts.contains_key(controller) { controller } else { "" };
    let mount =
        mounts.get(key).with_context(|| format!("no cgroup mount with the controller {controller}"))?;
    let own = folder_of(&mount.point, container)
        .with_context(|| format!("no folder below {} stands for the container", mount.point.display()))?;
    let within = |folder: &&Path| folder.starts_with(&mount.point);
    let chain = own.ancestors().take_while(within).map(Path::to_path_buf).collect();
    Ok(Group { version: if key.is_empty() { Version::V2 } else { Version::V1 }, own, chain })
}

/// The outermost folder that stands for the container.
fn folder_of(top: &Path, container: &str) -> Option<PathBuf> {
    let mut level = vec![top.to_path_buf()];
    for _ in 0..MAX_DEPTH {
        let mut below = Vec::new();
        // One that goes away meanwhile holds nothing.
        for entry in level.iter().flat_map(std::fs::read_dir).flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if stands_for(&entry.file_name().to_string_lossy(), container) {
                return Some(entry.path());
            }
            below.push(entry.path());
        }
        level = below;
    }
    None
}

/// `ID`, `docker-ID.scope`, `libpod-ID` and the like; but neither the folder of podman's monitor nor the
/// service by which systemd runs a health check.
fn stands_for(folder: &str, container: &str) -> bool {
    let name = folder.strip_suffix(".scope").unwrap_or(folder);
    let Some(engine) = name.strip_suffix(container) else { return false };
    engine.is_empty() || engine.ends_with('-') && !engine.contains("conmon")
}

#[cfg(test)]
mod tests {
    use super::stands_for;

    #[test]
    fn a_folder_stands_for_a_container_by_its_name() {
        for folder in ["abc123", "libpod-abc123", "libpod-abc123.scope", "docker-abc123.scope"] {
            assert!(stands_for(folder, "abc123"), "{folder}");
        }
        for folder in
            ["libpod-conmon-abc123.scope", "abc123.service", "abc1234", "xabc123", "libpod-abc12", ""]
        {
            assert!(!stands_for(folder, "abc123"), "{folder}");
        }
    }
}
