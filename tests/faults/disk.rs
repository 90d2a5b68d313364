//! A full disk: Postgres's data on a small file system that is filled and freed again.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::TempDir;

use crate::harness::check::Broken;
use crate::harness::fault::RECOVERY;
use crate::harness::load::client;
use crate::harness::promised;
use crate::harness::run::Run;
use crate::{finish, setup, start};

/// Room for a new cluster with its write-ahead log, and then some.
const DISK: &std::ffi::CStr = c"size=192m,mode=0755";

/// A file system of its own in memory; unmounted with this value.
struct Disk(TempDir);

impl Disk {
    /// `None` without the right to mount.
    fn mount() -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("pouco-disk-").tempdir().unwrap();
        match mount("tmpfs", folder.path(), "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, DISK) {
            Ok(()) => Some(Self(folder)),
            Err(error) => {
                crate::skipped(&format!("the test of a full disk needs the right to mount a tmpfs: {error}"));
                None
            }
        }
    }

    fn ballast(&self) -> PathBuf {
        self.0.path().join("ballast")
    }

    /// Takes every free byte.
    fn fill(&self) {
        let mut ballast = File::options().create(true).append(true).open(self.ballast()).unwrap();
        for bytes in [1 << 20, 4_096, 1] {
            let chunk = vec![0; bytes];
            let error = std::iter::repeat_with(|| ballast.write_all(&chunk)).find_map(Result::err).unwrap();
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        }
    }

    fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: what a test that failed left open goes with its process.
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

#[test]
fn while_the_disk_is_full_creations_are_refused_and_reads_go_on() {
    let Some(disk) = Disk::mount() else { return };
    let mut setup = setup();
    setup.data = Some(disk.0.path().join("data"));
    let mut run = start(&setup);

    // The log has room and the tables have not: statements fail, Postgres lives.
    disk.fill();
    wait_for_refusals(&run);
    for replica in 0..2 {
        let mut client = client(&run.stack.api(replica));
        let known = run.history.attempts().iter().find_map(|attempt| attempt.acknowledged()).unwrap();
        assert_eq!(client.get(&format!("/pessoas/{known}")).unwrap().status, 200);
        assert_eq!(client.get("/pessoas?t=unique").unwrap().status, 200);
        assert_eq!(client.get("/contagem-pessoas").unwrap().status, 200);
    }
    freed(&mut run, &disk, "the disk was full");

    // No room for the log either: Postgres panics, and may not even recover before there is room again.
    disk.fill();
    let (starts, _) = run.stack.postgres.last_start();
    if let Ok(mut postgres) = run.stack.postgres.client() {
        // It is the switch that needs a new file of the log, so it need not return.
        let _ = postgres.execute("SELECT pg_switch_wal()", &[]);
    }
    wait_for_refusals(&run);
    let failed = run.stack.postgres.said();
    assert!(!failed.is_empty(), "Postgres has found room for its log");
    println!("disk full: Postgres ended or did not start {} times", failed.len());
    freed(&mut run, &disk, "the log was full");
    assert!(run.stack.postgres.last_start().0 > starts);
    finish("disk full", run);
    drop(disk);
}

/// Creations on both replicas get a 503, and some more after it.
fn wait_for_refusals(run: &Run) {
    let since = run.history.now();
    let refused = run.history.wait_for(promised(20_000), |attempts| {
        let refused = |target| {
            let late = attempts.iter().filter(|attempt| attempt.began >= since && attempt.target == target);
            late.filter(|attempt| attempt.status() == Some(503)).count()
        };
        (refused(0) > 5 && refused(1) > 5).then_some(())
    });
    assert!(refused.is_some(), "nobody was refused");
}

fn freed(run: &mut Run, disk: &Disk, what: &str) {
    disk.free();
    let freed = run.history.now();
    let took = run.wait_for_both(freed, what, RECOVERY);
    println!("disk full: {what}: recovered after {took:.0?}");
    if took.contains(&None) {
        run.violate(Broken::Other, format!("{what}: {:?}", run.stack.postgres.said()));
    }
    run.work_on();
}
