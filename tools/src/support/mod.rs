//! What the tests share: a real Postgres, real replicas as processes, and a client on raw sockets.

pub mod browser;
pub mod engine;
pub mod exposition;
pub mod redis;
pub mod relay;
pub mod replica;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use postgres::types::FromSqlOwned;
use postgres::{Client, NoTls};
use pouco::embedded::Cluster;
use tempfile::TempDir;

pub use crate::client;
pub use crate::client::{Answer, Connection, Target};
pub use engine::Engine;
pub use relay::Relay;
pub use replica::{Log, Replica};

/// One Postgres for all tests of a file that run at the same time; it ends with the last of them.
struct SharedCluster {
    // Stopped before its folder is removed.
    cluster: Option<Cluster>,
    _folder: TempDir,
}

impl Drop for SharedCluster {
    fn drop(&mut self) {
        drop(self.cluster.take());
    }
}

static CLUSTER: Mutex<Weak<SharedCluster>> = Mutex::new(Weak::new());
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// An empty database of its own for one test.
pub struct Database {
    shared: Arc<SharedCluster>,
    name: String,
}

/// A folder that the database's user can reach, whoever runs the tests.
pub fn open_tempdir() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::Builder::new().prefix("pouco-test-").tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Waits until `condition` holds; panics with `what` if it takes longer than anything that does not hang.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while !condition() {
        assert!(Instant::now() < deadline, "still not: {what}");
        // Leaves the core to the server that the condition waits for.
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// The body that creates somebody.
pub fn person(nick: &str) -> String {
    format!(r#"{{"apelido":"{nick}","nome":"Ana","nascimento":"2000-10-01","stack":["Rust"]}}"#)
}

/// Told at the end of its scope that it is enough, also where a test fails.
pub struct RaisedAtEnd<'a>(pub &'a AtomicBool);

impl Drop for RaisedAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl SharedCluster {
    fn start(settings: &[String]) -> Arc<Self> {
        let folder = open_tempdir();
        let cluster = Cluster::start_with(Some(folder.path().join("data")), None, settings)
            .unwrap_or_else(|error| panic!("{error}"));
        Arc::new(Self { cluster: Some(cluster), _folder: folder })
    }
}

impl Database {
    pub fn create() -> Self {
        let shared = {
            let mut known = CLUSTER.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            known.upgrade().unwrap_or_else(|| {
                let shared = SharedCluster::start(&[]);
                *known = Arc::downgrade(&shared);
                shared
            })
        };
        Self::create_in(shared)
    }

    /// In a Postgres of its own, with settings of its own.
    pub fn create_with(settings: &[&str]) -> Self {
        let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
        Self::create_in(SharedCluster::start(&settings))
    }

    fn create_in(shared: Arc<SharedCluster>) -> Self {
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let database = Self { shared, name };
        let mut client = database.cluster().config_of("postgres").connect(NoTls).unwrap();
        client.batch_execute(&format!("CREATE DATABASE {}", database.name)).unwrap();
        database
    }

    fn cluster(&self) -> &Cluster {
        self.shared.cluster.as_ref().unwrap()
    }

    /// The process id of the postmaster.
    pub fn postmaster(&self) -> u32 {
        self.cluster().pid()
    }

    pub fn client(&self) -> Client {
        self.cluster().config_of(&self.name).connect(NoTls).unwrap()
    }

    pub fn config(&self) -> postgres::Config {
        self.cluster().config_of(&self.name)
    }

    /// The value of `DATABASE_URL`.
    pub fn url(&self) -> String {
        format!("host={} user=pouco dbname={}", self.cluster().sockets().display(), self.name)
    }

    /// Runs statements that have no values.
    pub fn execute(&self, sql: &str) {
        self.client().batch_execute(sql).unwrap();
    }

    /// The first column of the only row.
    pub fn value<T: FromSqlOwned>(&self, sql: &str) -> T {
        self.client().query_one(sql, &[]).unwrap().get(0)
    }

    /// What sessions begin with from now on.
    pub fn set(&self, setting: &str) {
        let mut client = self.client();
        // The session that lifts "read only" would be read-only itself.
        client.batch_execute("SET default_transaction_read_only = off").unwrap();
        client.batch_execute(&format!("ALTER DATABASE {} {setting}", self.name)).unwrap();
    }

    pub fn count(&self) -> i64 {
        self.value("SELECT count(*) FROM people")
    }
}
