//! A standby of a running Postgres, made from a copy of its data: the fetched binaries have no
//! `pg_basebackup`.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::postgres::Postgres;
use super::{Failure, promised};

/// What the primary and its standby need beside the usual settings. They are the same, so that each can be
/// the other.
const SETTINGS: &[&str] = &[
    "wal_level=replica",
    "max_wal_senders=4",
    // The standby begins with WAL that is as old as its copy.
    "wal_keep_size=256MB",
    // A receiver that lost its primary asks for it again soon.
    "wal_retrieve_retry_interval=100ms",
];

/// How long something between primary and standby may take.
const PATIENCE: Duration = promised(30_000);

/// What is never copied: the server's own state, and WAL, which comes from the primary.
const LEFT_OUT: &[&str] = &["postmaster.pid", "postmaster.opts", "pg_wal", "pg_replslot", "pg_stat_tmp"];

/// When a commit is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// When the standby has its WAL on disk.
    Synchronous,
    /// When the primary has.
    Asynchronous,
}

/// The settings of both servers.
pub fn settings() -> Vec<String> {
    SETTINGS.iter().map(|setting| (*setting).to_owned()).collect()
}

/// Starts a standby of `primary` in `folder` and returns when WAL comes to it.
pub fn start(primary: &Postgres, folder: &Path, mode: Mode) -> Result<Postgres, Failure> {
    copy_running(primary, folder)?;
    let standby = Postgres::start_with(folder, &settings())?;
    if mode == Mode::Synchronous {
        let mut client = primary.client()?;
        client.batch_execute("ALTER SYSTEM SET synchronous_standby_names = '*'")?;
        client.batch_execute("SELECT pg_reload_conf()")?;
    }
    wait_until_streaming(primary, mode)?;
    Ok(standby)
}

/// Waits until the standby gets the primary's WAL, in this mode.
pub fn wait_until_streaming(primary: &Postgres, mode: Mode) -> Result<(), Failure> {
    let state = match mode {
        Mode::Synchronous => "sync",
        Mode::Asynchronous => "async",
    };
    let sql = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = $1";
    let mut client = primary.client()?;
    eventually("the standby follows", || Ok(client.query_one(sql, &[&state])?.get::<_, i64>(0) > 0))
}

/// Takes the primary's WAL away from the standby, for good.
pub fn cut_off(standby: &Postgres) -> Result<(), Failure> {
    let mut client = standby.client()?;
    client.batch_execute("ALTER SYSTEM SET primary_conninfo = ''")?;
    client.batch_execute("SELECT pg_reload_conf()")?;
    let sql = "SELECT count(*) FROM pg_stat_wal_receiver";
    eventually("the standby is cut off", || Ok(client.query_one(sql, &[])?.get::<_, i64>(0) == 0))
}

/// Returns when the standby writes.
pub fn promote(standby: &Postgres) -> Result<(), Failure> {
    let mut client = standby.client()?;
    let promoted: bool = client.query_one("SELECT pg_promote(true, 30)", &[])?.get(0);
    if promoted { Ok(()) } else { Err("the standby cannot be promoted".into()) }
}

/// Where a running server keeps its data.
pub fn data(postgres: &Postgres) -> Result<PathBuf, Failure> {
    let shown: String = postgres.client()?.query_one("SHOW data_directory", &[])?.get(0);
    Ok(shown.into())
}

/// Makes the server whose data are in `folder` one that only reads, from its next start on.
pub fn fence(data: &Path) -> Result<(), Failure> {
    Ok(write_beside(data, "standby.signal", "")?)
}

/// A copy that `postgres` began: a file that changes meanwhile is put right by WAL.
fn copy_running(primary: &Postgres, folder: &Path) -> Result<(), Failure> {
    let from = data(primary)?;
    let around = from.parent().ok_or("the data folder has no folder around it")?;
    let to = folder.join(from.file_name().ok_or("the data folder has no name")?);
    make_folder_like(around, folder)?;
    let mut client = primary.client()?;
    client.execute("SELECT pg_backup_start('standby', true)", &[])?;
    copy(&from, &to, LEFT_OUT)?;
    let label: String = client.query_one("SELECT labelfile FROM pg_backup_stop(false)", &[])?.get(0);
    for left_out in ["pg_wal", "pg_replslot", "pg_stat_tmp"] {
        make_folder_like(&from, &to.join(left_out))?;
    }
    write_beside(&to, "backup_label", &label)?;
    write_beside(&to, "standby.signal", "")?;
    let host = primary.sockets();
    let own = format!("primary_conninfo = 'host={} user=pouco application_name=standby'\n", host.display());
    Ok(write_beside(&to, "postgresql.auto.conf", &own)?)
}

/// Copies a folder with its owners and rights. What vanishes meanwhile is not missed.
pub fn copy(from: &Path, to: &Path, left_out: &[&str]) -> io::Result<()> {
    make_folder_like(from, to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, to) = (entry.file_name(), to.join(entry.file_name()));
        if left_out.iter().any(|one| name == *one) {
            continue;
        }
        let copied = match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &to, &[]),
            false => fs::copy(entry.path(), &to).and_then(|_| own_like(&entry.path(), &to)),
        };
        match copied {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn make_folder_like(like: &Path, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, fs::metadata(like)?.permissions())?;
    own_like(like, folder)
}

/// A file that belongs to whom the folder belongs to.
fn write_beside(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    fs::write(folder.join(name), text)?;
    own_like(folder, &folder.join(name))
}

fn own_like(like: &Path, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let like = fs::metadata(like)?;
    chown(path, Some(like.uid()), Some(like.gid()))
}

fn eventually(what: &str, mut reached: impl FnMut() -> Result<bool, Failure>) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    while !reached()? {
        if Instant::now() > deadline {
            return Err(format!("still not: {what}").into());
        }
        thread::park_timeout(Duration::from_millis(5));
    }
    Ok(())
}
