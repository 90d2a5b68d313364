//! What the checks judge, as it is on this machine.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use procfs::{Current as _, LoadAverage, Meminfo};
use rustix::process::{Resource, getrlimit};
use serde_json::Value;

use super::{Kernel, Settings};
use crate::machine::{self, find_program, gatling_version, run, version_in};

/// An engine that has just been installed, or whose storage is large, takes its time.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(30);
const VERSION_TIMEOUT: Duration = Duration::from_secs(20);

/// Those that the Dockerfiles of this repository stand on (see `deploy/base-images.sh`).
const BASE_IMAGES: [&str; 2] =
    ["docker.io/library/debian:trixie-slim", "docker.io/library/rust:1.95-slim-trixie"];

/// A program that is here. The version is absent where it did not say one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// How it is called.
    pub name: String,
    /// As it says itself.
    pub version: Option<String>,
}

/// What runs containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// With `podman-compose`.
    Podman,
    /// With `docker compose`.
    Docker,
}

/// A container engine that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Which.
    pub kind: EngineKind,
    /// Of the engine.
    pub version: String,
    /// Runs without root.
    pub rootless: bool,
    /// What starts the containers: `runc`, `crun`.
    pub runtime: String,
    /// Controllers that it can set limits with; absent where it does not say.
    pub controllers: Option<Vec<String>>,
    /// Where images and volumes are.
    pub storage: Option<PathBuf>,
}

/// Gatling, or where it was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gatling {
    /// The installation's folder and version.
    pub found: Option<(PathBuf, Option<String>)>,
    /// Where it was looked for.
    pub places: Vec<PathBuf>,
}

/// All that the checks judge.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The first engine that answers, or why none does.
    pub engine: Result<Engine, String>,
    /// Its compose tool.
    pub compose: Option<Tool>,
    /// `v1` or `v2`, or why it is not known.
    pub cgroups: Result<String, String>,
    /// Images that are not there; absent where there is no engine to ask.
    pub missing_images: Option<Vec<String>>,
    /// Why the port cannot be bound; absent where it can.
    pub port_taken: Option<String>,
    /// Files that may be open, at most; absent where there is no limit.
    pub open_files: Option<u64>,
    /// Gatling.
    pub gatling: Gatling,
    /// For Gatling.
    pub java: Option<Tool>,
    /// For the third kind of generator.
    pub k6: Option<Tool>,
    /// For pictures of the report.
    pub chromium: Option<Tool>,
    /// Bytes that are free, by what is stored there.
    pub free_bytes: Vec<(&'static str, u64)>,
    /// That may be used here.
    pub cores: u32,
    /// Of the machine.
    pub memory_bytes: u64,
    /// Of that, what can be had without swapping.
    pub available_bytes: u64,
    /// Of the last minute.
    pub load_average: f64,
    /// Settings of the kernel.
    pub kernel: Kernel,
}

impl Facts {
    /// Asks the machine. It takes a few seconds.
    ///
    /// # Errors
    /// A file that every Linux has cannot be read.
    pub fn gather(settings: &Settings) -> Result<Self> {
        let machine = machine::machine()?;
        let engine = engine();
        Ok(Self {
            compose: engine.as_ref().ok().and_then(|engine| compose(engine.kind)),
            cgroups: crate::meters::layout(Path::new("/"))
                .map(str::to_owned)
                .map_err(|error| format!("{error:#}")),
            missing_images: engine.as_ref().ok().map(|engine| missing_images(engine.kind)),
            port_taken: port_taken(settings.port),
            open_files: getrlimit(Resource::Nofile).maximum,
            gatling: gatling(settings.gatling_home.clone()),
            java: tool("java", &["-version"]),
            k6: tool("k6", &["version"]),
            chromium: ["chromium", "chromium-browser", "google-chrome"]
                .iter()
                .find_map(|name| tool(name, &["--version"])),
            free_bytes: free_bytes(engine.as_ref().ok(), settings),
            cores: machine.cores,
            memory_bytes: machine.memory_bytes,
            available_bytes: Meminfo::current()?.mem_available.context("/proc/meminfo: no MemAvailable")?,
            load_average: LoadAverage::current()?.one.into(),
            kernel: Kernel::read(Path::new("/proc/sys")),
            engine,
        })
    }
}

fn tool(name: &str, arguments: &[&str]) -> Option<Tool> {
    find_program(name)?;
    let version = run(name, arguments, VERSION_TIMEOUT).ok().and_then(|text| version_in(&text));
    Some(Tool { name: name.to_owned(), version })
}

/// podman before docker, as in the scripts of the stress test; `CONTAINER_ENGINE` overrides.
fn engine() -> Result<Engine, String> {
    let chosen = std::env::var("CONTAINER_ENGINE").ok().filter(|name| !name.is_empty());
    let names = chosen.as_deref().map_or(vec!["podman", "docker"], |name| vec![name]);
    let mut reasons = Vec::new();
    for name in names {
        let kind = if name.contains("docker") { EngineKind::Docker } else { EngineKind::Podman };
        let format = if kind == EngineKind::Podman { "json" } else { "{{json .}}" };
        if find_program(name).is_none() {
            reasons.push(format!("no {name}"));
            continue;
        }
        match run(name, &["info", "--format", format], ENGINE_TIMEOUT) {
            Ok(text) => match parse_engine(kind, &text) {
                Some(engine) => return Ok(engine),
                None => reasons.push(format!("{name} info: not understood")),
            },
            Err(error) => reasons.push(format!("{error:#}")),
        }
    }
    Err(reasons.join("; "))
}

/// What `podman info` or `docker info` say as JSON, perhaps with warnings behind it.
fn parse_engine(kind: EngineKind, text: &str) -> Option<Engine> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let info = values.next()?.ok()?;
    let text = |pointer: &str| Some(info.pointer(pointer)?.as_str()?.to_owned());
    let words = |pointer: &str| -> Option<Vec<String>> {
        let items = info.pointer(pointer)?.as_array()?;
        Some(items.iter().filter_map(|item| Some(item.as_str()?.to_owned())).collect())
    };
    Some(match kind {
        EngineKind::Podman => Engine {
            kind,
            version: text("/version/Version")?,
            rootless: info.pointer("/host/security/rootless")?.as_bool()?,
            runtime: text("/host/ociRuntime/name").unwrap_or_default(),
            controllers: words("/host/cgroupControllers"),
            storage: text("/store/graphRoot").map(PathBuf::from),
        },
        EngineKind::Docker => Engine {
            kind,
            // Empty where only the client is here.
            version: text("/ServerVersion").filter(|version| !version.is_empty())?,
            rootless: words("/SecurityOptions")?.iter().any(|option| option.contains("rootless")),
            runtime: text("/DefaultRuntime").unwrap_or_default(),
            controllers: docker_controllers(&info),
            storage: text("/DockerRootDir").map(PathBuf::from),
        },
    })
}

/// docker says of each kind of limit whether it can be set.
fn docker_controllers(info: &Value) -> Option<Vec<String>> {
    let flags = [("/CpuCfsQuota", "cpu"), ("/MemoryLimit", "memory")];
    let mut controllers = Vec::new();
    for (pointer, name) in flags {
        if info.pointer(pointer)?.as_bool()? {
            controllers.push(name.to_owned());
        }
    }
    Some(controllers)
}

fn compose(kind: EngineKind) -> Option<Tool> {
    match kind {
        EngineKind::Podman => tool("podman-compose", &["--version"]),
        EngineKind::Docker => run("docker", &["compose", "version"], VERSION_TIMEOUT)
            .ok()
            .map(|text| Tool { name: "docker compose".to_owned(), version: version_in(&text) }),
    }
}

fn missing_images(kind: EngineKind) -> Vec<String> {
    let engine = if kind == EngineKind::Podman { "podman" } else { "docker" };
    let missing = |image: &&str| run(engine, &["image", "inspect", image], ENGINE_TIMEOUT).is_err();
    BASE_IMAGES.iter().filter(|image| missing(image)).map(|image| (*image).to_owned()).collect()
}

fn port_taken(port: u16) -> Option<String> {
    match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) {
        Ok(_) => None,
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            Some("another program listens on it".to_owned())
        }
        Err(error) => Some(error.to_string()),
    }
}

fn gatling(given: Option<PathBuf>) -> Gatling {
    let places = given.map_or_else(machine::gatling_places, |home| vec![home]);
    let home = places.iter().find(|home| home.join("bin/gatling.sh").is_file()).cloned();
    Gatling { found: home.map(|home| (home.clone(), gatling_version(&home))), places }
}

fn free_bytes(engine: Option<&Engine>, settings: &Settings) -> Vec<(&'static str, u64)> {
    let storage = engine.and_then(|engine| engine.storage.clone());
    let folders = [("images and volumes", storage), ("results", Some(settings.top.clone()))];
    folders
        .into_iter()
        .filter_map(|(what, folder)| {
            let disk = rustix::fs::statvfs(folder?).ok()?;
            Some((what, disk.f_bavail * disk.f_frsize))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podman_is_understood() {
        let text = r#"{"host": {"cgroupControllers": ["cpu", "memory"], "ociRuntime": {"name": "runc"},
            "security": {"rootless": true}}, "store": {"graphRoot": "/storage"}, "version": {"Version": "4.3.1"}}
            time="now" level=warning msg="something""#;
        let engine = parse_engine(EngineKind::Podman, text).unwrap();
        assert_eq!((engine.version.as_str(), engine.runtime.as_str()), ("4.3.1", "runc"));
        assert!(engine.rootless);
        assert_eq!(engine.controllers.unwrap(), ["cpu", "memory"]);
        assert_eq!(engine.storage.unwrap(), Path::new("/storage"));
        assert_eq!(parse_engine(EngineKind::Podman, "Error: no"), None);
    }

    #[test]
    fn docker_is_understood_and_a_client_without_an_engine_is_none() {
        let text = r#"{"ServerVersion": "28.2.2", "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"],
            "CpuCfsQuota": false, "MemoryLimit": true, "DefaultRuntime": "runc", "DockerRootDir": "/docker"}"#;
        let engine = parse_engine(EngineKind::Docker, text).unwrap();
        assert!(engine.rootless);
        assert_eq!(engine.controllers.unwrap(), ["memory"]);
        let client = r#"{"ServerVersion": "", "SecurityOptions": null, "ServerErrors": ["cannot connect"]}"#;
        assert_eq!(parse_engine(EngineKind::Docker, client), None);
    }

    #[test]
    fn a_port_is_taken_while_someone_listens_on_it() {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(port_taken(port).unwrap().contains("another program"));
    }

    #[test]
    fn gatling_is_found_where_it_is_said_to_be() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(gatling(Some(home.path().into())).found, None);
        std::fs::create_dir_all(home.path().join("bin")).unwrap();
        std::fs::write(home.path().join("bin/gatling.sh"), "").unwrap();
        assert_eq!(gatling(Some(home.path().into())).found, Some((home.path().into(), None)));
    }
}
