//! What proves a run's figures, for keeping: command, commit, counts, percentiles, the monitor's samples
//! (packed) and summary, and the machine. Not simulation.log and not Gatling's report, which are tens of
//! megabytes, and no picture.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{machine, write_file};
use crate::view::{self, Output};

const KEPT: [&str; 4] = ["run.json", "counts.json", "percentiles.json", "percentiles.txt"];
const OF_MONITOR: [(&str, &str); 2] = [("summary.json", "resources.json"), ("summary.txt", "resources.txt")];

pub(super) fn archive(run: &Path, destination: &Path) -> Result<()> {
    let name = run.display();
    let command = fs::read(run.join("run.json"));
    let command = command.ok().with_context(|| {
        format!("{name} has no run.json: it is no run of run-test.sh, or was stopped at its start")
    })?;
    if !run.join("counts.json").is_file() {
        view::say(&format!(
            "WARNING: {name} has no counts.json: run count.sh while the database holds this run"
        ));
    }
    let there = fs::read(destination.join("run.json"));
    ensure!(
        there.is_err() || there.is_ok_and(|there| there == command),
        "{} holds another run already",
        destination.display()
    );
    fs::create_dir_all(destination).with_context(|| destination.display().to_string())?;
    let monitor = run.join("monitor");
    let mut copied: Vec<_> = KEPT.map(|name| (run.join(name), name)).into();
    copied.extend(OF_MONITOR.map(|(from, to)| (monitor.join(from), to)));
    for (from, to) in copied.iter().filter(|(from, _)| from.is_file()) {
        fs::copy(from, destination.join(to)).with_context(|| from.display().to_string())?;
    }
    if monitor.join("monitor.csv").is_file() {
        let file = File::create(destination.join("monitor.csv.gz"))?;
        let mut packed = GzEncoder::new(file, Compression::best());
        std::io::copy(&mut File::open(monitor.join("monitor.csv"))?, &mut packed)?;
        packed.finish()?;
    }
    write_file(&destination.join("machine.txt"), &machine::described()?)?;
    writeln!(Output, "archived {name} in {}", destination.display())?;
    Ok(())
}
