//! A series that ends before its time: by Ctrl-C, or since nothing can be written any more. What was done is
//! kept, what was started is gone, and what happened is said.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use postgres::NoTls;
use pouco::embedded::Cluster;
use pouco_lab::record::{Record, Status};
use socket2::Socket;
use tempfile::TempDir;

use crate::started::Started;
use crate::{database, scenarios};

/// A database, a folder, and a run that is not started yet.
struct Series {
    cluster: Cluster,
    _data: TempDir,
    folder: TempDir,
    /// Its port is the contestant's too.
    reserved: Socket,
    lab: Command,
}

impl Series {
    fn of(arguments: &[&str]) -> Self {
        let (cluster, data) = database();
        let folder = tempfile::tempdir().unwrap();
        let (reserved, lab) = scenarios::lab(folder.path(), &cluster, arguments);
        Self { cluster, _data: data, folder, reserved, lab }
    }

    fn out(&self, load: &str) -> std::path::PathBuf {
        self.folder.path().join("out").join(load)
    }

    fn record(&self, load: &str) -> Record {
        pouco_lab::runner::read(&self.out(load)).unwrap().unwrap()
    }

    /// From now on its record is written to a full disk.
    fn fill_disk(&self, load: &str) {
        fs::create_dir_all(self.out(load)).unwrap();
        symlink(Path::new("/dev/full"), self.out(load).join("record.json.unfinished")).unwrap();
    }

    /// Nobody serves, and nobody has the database open.
    fn nothing_is_left(self) {
        let port = self.reserved.local_addr().unwrap().as_socket().unwrap().port();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(), "somebody serves");
        let mut client = self.cluster.config_of("postgres").connect(NoTls).unwrap();
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'tiny'";
        let count: i64 = client.query_one(sessions, &[]).unwrap().get(0);
        assert_eq!(count, 0, "sessions are left");
        drop(client);
        self.cluster.stop();
    }
}

#[test]
fn ctrl_c_in_the_midst_of_a_load_keeps_the_loads_before_it_and_leaves_nothing_running() {
    let mut series = Series::of(&["--only", "01,06", "--contestant", "honest"]);
    let mut run = Started::new(&mut series.lab);
    for _ in ["01", "06"] {
        run.until("its data are stored anew");
    }
    // The second load has begun.
    run.until("answers ");
    run.interrupt();
    let (code, said) = run.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("pouco-lab: stopping and removing what was started."), "{said}");
    let done = series.record("01-lightweight");
    assert_eq!(done.attempts.len(), 1, "{said}");
    assert_eq!(done.attempts[0].verdict.status, Status::Valid, "{said}");
    let cut = series.record("06-middleware-chain");
    assert!(cut.attempts.is_empty() && cut.ended_at.is_some(), "{cut:?}");
    let table = fs::read_to_string(series.folder.path().join("out/series.md")).unwrap();
    assert!(table.contains("| 01-lightweight | 1. ") && !table.contains('✗'), "{table}");
    series.nothing_is_left();
}

#[test]
fn a_disk_that_is_full_in_the_midst_is_one_line_and_what_was_written_before_is_kept() {
    let mut series = Series::of(&["--only", "01", "--contestant", "honest,liar"]);
    let mut run = Started::new(&mut series.lab);
    run.until("[liar 1] first start");
    let written = fs::read(series.out("01-lightweight").join("record.json")).unwrap();
    series.fill_disk("01-lightweight");
    let (code, said) = run.end();
    assert_eq!(code, Some(2), "{said}");
    let line = said.lines().last().unwrap();
    let told = "01-lightweight/record.json cannot be written, and stays as it was: No space left on device";
    assert!(line.starts_with("pouco-lab: ") && line.contains(told), "{line}");
    assert_eq!(fs::read(series.out("01-lightweight").join("record.json")).unwrap(), written);
    let record = series.record("01-lightweight");
    assert_eq!((record.attempts.len(), record.attempts[0].contestant.as_str()), (1, "honest"));
    assert!(!series.out("01-lightweight").join("record.json.unfinished").exists(), "it is in the way");
    series.nothing_is_left();
}

#[test]
fn on_a_full_disk_nothing_is_started() {
    let mut series = Series::of(&["--only", "01", "--contestant", "honest"]);
    series.fill_disk("01-lightweight");
    let (code, said) = Started::new(&mut series.lab).end();
    assert_eq!((code, said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.contains("record.json cannot be written") && said.contains("No space left"), "{said}");
    series.nothing_is_left();
}
