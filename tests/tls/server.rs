//! A Postgres that listens on TCP, and whose TLS comes and goes.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use postgres::{Client, NoTls};
use pouco::embedded::Cluster;
use tempfile::TempDir;

use crate::authority::{Authority, Identity, Validity, give, write};
use crate::support::replica::{command, run};
use crate::support::{eventually, open_tempdir};

/// Who may sign in how.
const RULES: &str = "
    local      all  all            trust
    hostssl    all  tls_only       127.0.0.1/32  trust
    hostnossl  all  plain_only     127.0.0.1/32  trust
    host       all  either         127.0.0.1/32  trust
    hostssl    all  by_certificate 127.0.0.1/32  cert
    host       all  by_password    127.0.0.1/32  scram-sha-256
    host       all  by_any         127.0.0.1/32  scram-sha-256
";

pub(crate) const PASSWORD: &str = "S3cret:W\\ord";

pub(crate) struct Server {
    // Stopped before its folder is removed.
    cluster: Option<Cluster>,
    pub(crate) folder: TempDir,
    pub(crate) port: u16,
    pub(crate) authority: Authority,
    /// The file with the authority's certificate.
    pub(crate) root: PathBuf,
}

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.cluster.take());
    }
}

impl Server {
    /// One with TLS and a certificate for `localhost`, for all tests that run at the same time.
    pub(crate) fn shared() -> Arc<Self> {
        let mut known = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::without_tls());
            server.present(&server.authority.server(&["localhost"], Validity::Now));
            *known = Arc::downgrade(&server);
            server
        })
    }

    pub(crate) fn without_tls() -> Self {
        let folder = open_tempdir();
        let rules = write(folder.path(), "hba.conf", RULES, 0o644);
        let authority = Authority::new("the authority");
        let root = write(folder.path(), "root.pem", &authority.certificate, 0o644);
        let (cluster, port) = start(folder.path(), &rules);
        let server = Self { cluster: Some(cluster), folder, port, authority, root };
        let migrated = run(command().env("DATABASE_URL", server.local()).arg("migrate"));
        assert_eq!(migrated.0, Some(0), "{migrated:?}");
        server
            .client()
            .batch_execute(&format!(
                "CREATE ROLE tls_only LOGIN SUPERUSER; CREATE ROLE plain_only LOGIN SUPERUSER;
             CREATE ROLE either LOGIN SUPERUSER; CREATE ROLE by_certificate LOGIN SUPERUSER;
             CREATE ROLE by_password LOGIN SUPERUSER PASSWORD '{PASSWORD}'"
            ))
            .unwrap();
        server
    }

    fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().unwrap()
    }

    /// From now on its new sessions may have TLS, with this certificate.
    pub(crate) fn present(&self, identity: &Identity) {
        let owner = std::fs::metadata(self.cluster().sockets()).unwrap().uid();
        // A name for each: the server is known to have read the new one when it names it.
        let name = format!("server-{}", fastrand::u64(..));
        let certificate = write(self.folder.path(), &format!("{name}.pem"), &identity.certificate, 0o644);
        let key = write(self.folder.path(), &format!("{name}.key"), &identity.key, 0o600);
        give(&key, owner);
        let set = |name: &str, value: &str| {
            self.client().batch_execute(&format!("ALTER SYSTEM SET {name} = '{value}'")).unwrap();
        };
        set("ssl_cert_file", certificate.to_str().unwrap());
        set("ssl_key_file", key.to_str().unwrap());
        set("ssl_ca_file", self.root.to_str().unwrap());
        set("ssl", "on");
        self.client().batch_execute("SELECT pg_reload_conf()").unwrap();
        eventually("the certificate is shown", || {
            self.shows("ssl_cert_file") == certificate.to_str().unwrap()
        });
    }

    fn shows(&self, setting: &str) -> String {
        self.client().query_one("SELECT current_setting($1)", &[&setting]).unwrap().get(0)
    }

    /// As its superuser, over its Unix socket.
    pub(crate) fn client(&self) -> Client {
        self.cluster().config().connect(NoTls).unwrap()
    }

    /// `DATABASE_URL` over its Unix socket.
    pub(crate) fn local(&self) -> String {
        format!("host={} port={} user=pouco dbname=pouco", self.cluster().sockets().display(), self.port)
    }

    /// `DATABASE_URL` over TCP as a host of this name.
    pub(crate) fn url_as(&self, host: &str, user: &str, options: &str) -> String {
        let port = self.port;
        format!("host={host} hostaddr=127.0.0.1 port={port} user={user} dbname=pouco {options}")
    }

    pub(crate) fn url(&self, user: &str, options: &str) -> String {
        self.url_as("localhost", user, options)
    }

    /// What Postgres has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.cluster().folder().join("postgres.log")).unwrap()
    }
}

/// On a free port; another process may have it by then.
fn start(folder: &Path, rules: &Path) -> (Cluster, u16) {
    let mut last = None;
    for _ in 0..5 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
            format!("hba_file={}", rules.display()),
        ];
        match Cluster::start_with(Some(folder.join("data")), None, &settings) {
            Ok(cluster) => return (cluster, port),
            Err(error) => last = Some(error),
        }
    }
    panic!("{}", last.unwrap())
}

/// How `pouco count people` ends: its code, and its line.
pub(crate) fn count(url: &str) -> (Option<i32>, String) {
    let (code, out, err) = run(command().env("DATABASE_URL", url).args(["count", "people"]));
    assert!(!err.contains("S3cret") && !out.contains("S3cret"), "{err}");
    (code, if code == Some(0) { out } else { err })
}

/// It works.
pub(crate) fn counts(url: &str) {
    let (code, said) = count(url);
    assert!(code == Some(0) && said.trim().parse::<u64>().is_ok(), "{url}: {code:?} {said}");
}

/// It ends with one line that names the setting, with what is wrong.
pub(crate) fn refuses(url: &str, why: &str) {
    let (code, said) = count(url);
    assert!(code == Some(2) && said.contains(why), "{url}: {code:?} {said}, and not {why}");
    assert!(said.starts_with("pouco: DATABASE_URL") && said.trim_end().lines().count() == 1, "{said}");
}
