//! `pouco-lab meters`, and `pouco-meters`, which is nothing else: a thread waits for the signal that ends it,
//! the other one answers.

use std::net::TcpListener;
use std::path::PathBuf;
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{Exporter, serve};
use crate::{meters, view};

/// Options of `meters`.
#[derive(Debug, Args)]
pub struct Serving {
    /// Where to answer; port 0 takes a free one
    #[arg(long, value_name = "tcp:ADDRESS:PORT", default_value = "tcp:127.0.0.1:9101")]
    pub listen: String,
    /// Only containers whose names begin with NAME and a hyphen or an underscore, as compose names those of a
    /// project
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
    /// A recorded file tree in place of this machine's
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// Serves until it is told to end.
///
/// # Errors
/// An option makes no sense, the address is taken, or there is no cgroup to read.
pub fn run(options: &Serving) -> Result<bool> {
    let address = options
        .listen
        .strip_prefix("tcp:")
        .ok_or_else(|| anyhow!("--listen {}: tcp:ADDRESS:PORT is allowed", options.listen))?;
    if let Some(project) = &options.project {
        ensure!(!project.is_empty(), "--project: a name is missing");
    }
    let layout = meters::layout(&options.root)?;
    let listener = TcpListener::bind(address).with_context(|| options.listen.clone())?;
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    // Nobody's data is in its hands: a scrape that is cut is made again.
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            std::process::exit(0);
        }
    });
    let mut exporter = Exporter::new(options.root.clone(), options.project.clone());
    // What can be read of the containers is seen here once, and not only when somebody asks.
    let text = exporter.text()?;
    let count = text.lines().filter(|line| line.starts_with("container_last_seen{")).count();
    view::say(&format!(
        "meters: http://{}/metrics, cgroups {layout}, {count} containers now",
        listener.local_addr()?
    ));
    serve(&listener, &mut || exporter.text())
}
