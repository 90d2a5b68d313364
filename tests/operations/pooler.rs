//! PgBouncer before Postgres: its session mode serves, its transaction mode is refused with a line.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::support::replica::{command, run};
use crate::support::{Database, Replica, eventually, open_tempdir};

const ANA: &str = r#"{"apelido":"ana","nome":"Ana","nascimento":"2000-10-01","stack":null}"#;
const PORT: u16 = 6432;
const NOBODY: u32 = 65_534;

/// A pooler on a Unix socket, between this and a test's database.
struct Pooler {
    child: Child,
    folder: TempDir,
    database: Database,
}

impl Pooler {
    /// `None` where there is none, which is said; with `CI=true` that is a failure.
    fn start(mode: &str) -> Option<Self> {
        let places = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"];
        let Some(program) = places.iter().find(|path| Path::new(path).exists()) else {
            let skipped = "SKIPPED: there is no pgbouncer";
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{skipped}");
            eprintln!("{skipped}");
            return None;
        };
        let (database, folder) = (Database::create(), open_tempdir());
        let url = database.url();
        let host = url.split_whitespace().find_map(|pair| pair.strip_prefix("host=")).unwrap();
        let here = folder.path().display();
        let config = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={host} port=5432 user=pouco\n[pgbouncer]\npool_mode = {mode}\nauth_type = any\n\
             listen_port = {PORT}\nunix_socket_dir = {here}\nlogfile = {here}/log\n"
        );
        fs::write(&config, text).unwrap();
        fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
        let mut pooler = Command::new(program);
        if rustix::process::geteuid().is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
            pooler.args(["-u", "nobody"]);
        }
        pooler.arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Self { child: pooler.spawn().unwrap(), folder, database };
        eventually("it listens", || started.folder.path().join(format!(".s.PGSQL.{PORT}")).exists());
        Some(started)
    }

    fn url(&self) -> String {
        let url = self.database.url();
        let name = url.rsplit_once("dbname=").unwrap().1;
        format!("host={} port={PORT} user=pouco dbname={name}", self.folder.path().display())
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // Fails only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn transaction_mode_is_refused_with_a_line() {
    let Some(pooler) = Pooler::start("transaction") else { return };
    let started = || run(command().env("DATABASE_URL", pooler.url()).env("POUCO_APIS", "people"));
    // With tables that are not there yet, and with those that are.
    for _ in 0..2 {
        let (code, out, err) = started();
        assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
        let last = err.lines().last().unwrap();
        assert!(last.starts_with("pouco: DATABASE_URL: a pooler shares connections"), "{err}");
        let own = pooler.database.url();
        let migrated = run(command().env("DATABASE_URL", own).env("POUCO_APIS", "people").arg("migrate"));
        assert_eq!(migrated.0, Some(0), "{migrated:?}");
    }
}

#[test]
fn session_mode_serves() {
    let Some(pooler) = Pooler::start("session") else { return };
    let start = || {
        let mut serve = command();
        Replica::spawn(serve.env("DATABASE_URL", pooler.url()).env("POUCO_APIS", "people"))
    };
    let first = start();
    assert_eq!(first.post("/pessoas", ANA).status, 201);
    assert!(first.stop().success());
    // The backends of the first one are given to the second, without its marks.
    let second = start();
    assert_eq!(second.get("/contagem-pessoas").text(), "1");
    assert!(second.stop().success());
}
