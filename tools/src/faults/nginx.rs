//! The repository's own nginx.conf on an nginx of this machine, with the container's paths replaced.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Failure;
use super::supervisor::Supervised;

/// The balancer and the socket on which it listens.
pub struct Nginx {
    pub process: Supervised,
    pub socket: PathBuf,
}

/// nginx, if this machine has one.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Not on every plain user's path.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join("nginx")).find(|program| program.is_file())
}

impl Nginx {
    /// `folder` holds the replicas' sockets and gets nginx's own files.
    pub fn start(program: &Path, folder: &Path) -> Result<Self, Failure> {
        let (own, socket) = (folder.join("nginx"), folder.join("front.sock"));
        std::fs::create_dir_all(&own)?;
        let config = own.join("nginx.conf");
        std::fs::write(&config, adapted(folder, &own, &socket)?)?;
        let (program, log, left_over) = (program.to_owned(), own.join("log"), socket.clone());
        let operators = own.join("operators.sock");
        let make = move || {
            // A killed nginx leaves its sockets behind, and would not listen on a path that exists.
            for path in [&left_over, &operators] {
                let _ = std::fs::remove_file(path);
            }
            let mut command = Command::new(&program);
            command.arg("-c").arg(&config).args(["-g", "daemon off;"]).stdin(Stdio::null());
            if let Ok(log) = File::options().create(true).append(true).open(&log) {
                command.stderr(log);
            }
            command
        };
        Ok(Self { process: Supervised::start("nginx", make)?, socket })
    }
}

fn adapted(folder: &Path, own: &Path, socket: &Path) -> Result<String, Failure> {
    let mut text = include_str!("../../../nginx.conf").to_owned();
    let replaced = [
        ("/run/pouco/", format!("{}/", folder.display())),
        ("/tmp/", format!("{}/", own.display())),
        ("listen 9999", format!("listen unix:{}", socket.display())),
        ("listen 127.0.0.1:9998", format!("listen unix:{}/operators.sock", own.display())),
    ];
    // The folder itself may lie below one of the paths that are replaced: each is replaced once, by way of a
    // mark.
    for (index, (from, _)) in replaced.iter().enumerate() {
        if !text.contains(from) {
            return Err(format!("nginx.conf has no `{from}` any more").into());
        }
        text = text.replace(from, &format!("\0{index}\0"));
    }
    for (index, (_, to)) in replaced.iter().enumerate() {
        text = text.replace(&format!("\0{index}\0"), to);
    }
    // Its worker would become another user, who may not use the replicas' sockets.
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    Ok(format!("{user}{text}"))
}
