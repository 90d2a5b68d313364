//! k6 in a container of its own, for a machine that has an engine and no k6: the same version, script and
//! plan.
//!
//! It is on the host's network, as the contestants' balancers are, and reads and writes the host's files
//! under their own names. Its CPU is that of the process in the container, as the host's `/proc` shows it;
//! what it uses between the last sample and its end, less than a second, is missed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Resource};

use crate::command;
use crate::stack::compose::find_program;
use crate::view;

/// With k6's version, which `deploy/k6.Dockerfile` has too.
const IMAGE: &str = "localhost/pouco-lab-k6:1.3.0";
/// The first build compiles k6.
const BUILD_LIMIT: Duration = Duration::from_secs(1_800);
/// A question to the engine.
const ASK_LIMIT: Duration = Duration::from_secs(30);

/// An engine that has the image.
#[derive(Clone, Debug)]
pub(super) struct Container {
    engine: PathBuf,
    /// Of the container: one for each process of the lab.
    name: String,
}

impl Container {
    pub(super) fn find(top: &Path) -> Result<Self> {
        let engine = PathBuf::from(find_program()?);
        let is_there = Command::new(&engine).args(["image", "inspect", IMAGE]).output();
        if !is_there.is_ok_and(|output| output.status.success()) {
            view::say("pouco-lab: building the image of k6, which takes minutes");
            let folder = top.join("deploy");
            let mut build = Command::new(&engine);
            build.args(["build", "--tag", IMAGE, "--file"]).arg(folder.join("k6.Dockerfile")).arg(&folder);
            command::output(&mut build, BUILD_LIMIT).context("the image of k6")?;
        }
        Ok(Self { engine, name: format!("pouco-lab-k6-{}", std::process::id()) })
    }

    /// Starts the container; k6's own arguments follow. It finds `files` and `folder` where they are here,
    /// and may write the latter.
    pub(super) fn command(&self, files: &[&Path], folder: &Path) -> Result<Command> {
        let mut command = Command::new(&self.engine);
        command.args(["run", "--rm", "--name", &self.name, "--network", "host", "--env", "POUCO_PLAN"]);
        command.args(["--cap-drop", "all", "--read-only", "--security-opt", "label=disable"]);
        command.args(limits());
        if self.engine.ends_with("docker") {
            // Root of a docker container is root here too, and its files would be root's; podman's is who
            // calls it.
            let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
            command.args(["--user", &format!("{user}:{group}")]);
        }
        for file in files {
            command.arg("--volume").arg(mount(file, ":ro")?);
        }
        command.arg("--volume").arg(mount(folder, "")?).arg(IMAGE);
        Ok(command)
    }

    pub(super) fn versioned(&self) -> Command {
        let mut command = Command::new(&self.engine);
        command.args(["run", "--rm", "--network", "none"]).args(limits()).args([IMAGE, "version"]);
        command
    }

    /// The process group of k6, which leads its own; none before it runs.
    pub(super) fn group(&self) -> Option<Pid> {
        let mut ask = Command::new(&self.engine);
        ask.args(["container", "inspect", "--format", "{{.State.Pid}}", &self.name]);
        command::unstopped(&mut ask, ASK_LIMIT).ok()?.trim().parse().ok().and_then(Pid::from_raw)
    }

    /// Whatever is left of it. Nothing, as a rule.
    pub(super) fn remove(&self) {
        let mut remove = Command::new(&self.engine);
        let _ = command::unstopped(remove.args(["rm", "--force", &self.name]), ASK_LIMIT);
    }
}

/// Of every container: what an engine sets by itself may be more than it is allowed to where it runs.
fn limits() -> Vec<String> {
    let files = rustix::process::getrlimit(Resource::Nofile).maximum;
    let files = files.map(|most| format!("nofile={most}:{most}"));
    let all = std::iter::once("nproc=4096:4096".to_owned()).chain(files);
    all.flat_map(|limit| ["--ulimit".to_owned(), limit]).collect()
}

/// The same name on both sides.
fn mount(path: &Path, options: &str) -> Result<OsString> {
    let path = std::path::absolute(path)?.into_os_string();
    let mut mount = path.clone();
    mount.push(":");
    mount.push(path);
    mount.push(options);
    Ok(mount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_keep_their_names_and_the_folder_alone_can_be_written() {
        let container = Container { engine: PathBuf::from("/usr/bin/podman"), name: "k6-7".into() };
        let command =
            container.command(&[Path::new("/a/ids"), Path::new("/b/k6.js")], Path::new("/out")).unwrap();
        let words: Vec<&str> = command.get_args().map(|word| word.to_str().unwrap()).collect();
        let words = words.join(" ");
        assert!(words.starts_with("run --rm --name k6-7 --network host --env POUCO_PLAN "), "{words}");
        let mounts =
            format!("--volume /a/ids:/a/ids:ro --volume /b/k6.js:/b/k6.js:ro --volume /out:/out {IMAGE}");
        assert!(words.ends_with(&mounts), "{words}");
        assert!(!words.contains("--user"), "{words}");
        let limited = |command: &Command| {
            limits().iter().all(|limit| command.get_args().any(|word| word == limit.as_str()))
        };
        assert!(limited(&command) && limited(&container.versioned()), "{words}");
        let docker = Container { engine: PathBuf::from("docker"), ..container };
        let command = docker.command(&[], Path::new("/out")).unwrap();
        assert!(command.get_args().any(|word| word == "--user"));
    }

    #[test]
    fn the_image_is_of_the_version_in_its_file() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/k6.Dockerfile");
        let text = std::fs::read_to_string(file).unwrap();
        let version = IMAGE.rsplit(':').next().unwrap();
        assert!(text.contains(&format!("go.k6.io/k6@v{version}")), "{version}");
    }
}
