//! What the lab's meter sees of running containers and processes, and what it costs.
//!
//! ```text
//! cargo run --release -p pouco-lab --example meter -- SECONDS NAME=PID[:CONTAINER_ID] …
//! ```

use std::time::Duration;

use anyhow::{Context, Result};
use pouco_lab::meters::{Cgroup, Database, Meter, Target};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments
        .next()
        .context("usage: meter SECONDS NAME=PID[:CONTAINER_ID] …")?
        .parse()
        .context("SECONDS")?;
    let targets = arguments.map(|argument| target(&argument)).collect::<Result<Vec<_>>>()?;
    for target in &targets {
        let mut cgroup = Cgroup::open(target)?;
        println!("{}: {:?}, {} processes", target.service, cgroup.limits()?, cgroup.pids()?.len());
    }
    let database = Database { service: "postgres".into(), user: "pouco".into() };
    let meter = Meter::start(targets, Some(database))?;
    std::thread::sleep(Duration::from_secs(seconds));
    let report = meter.stop()?;
    for (service, usage) in &report.resources.services {
        println!("{service}: {usage:?}");
    }
    println!("total: {:?}", report.resources.total);
    println!("connections: {:?}, notes: {:?}", report.database_connections_peak, report.notes);
    println!("points: {}, the last {:?}", report.series.len(), report.series.last());
    println!("the meter took {:.3} CPU s in {seconds} s", report.own_cpu_seconds);
    Ok(())
}

fn target(argument: &str) -> Result<Target> {
    let (service, process) = argument.split_once('=').context("NAME=PID[:CONTAINER_ID]")?;
    let (pid, id) = process.split_once(':').map_or((process, None), |(pid, id)| (pid, Some(id)));
    Ok(Target {
        service: service.to_owned(),
        role: None,
        pid: pid.parse().with_context(|| argument.to_owned())?,
        container_id: id.map(str::to_owned),
        root: "/".into(),
    })
}
