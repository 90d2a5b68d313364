//! `meters`: a thread waits for the signal that ends it, the other one answers.

use std::net::TcpListener;
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use pouco_lab::cli::Meters;
use pouco_lab::exporter::{Exporter, serve};
use pouco_lab::{meters, view};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

pub(crate) fn run(options: &Meters) -> Result<bool> {
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
