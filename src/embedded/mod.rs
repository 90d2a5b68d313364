//! A real Postgres for `cargo run` and for the tests: found or fetched, initialised once, started as a child
//! process.
//!
//! It listens on a Unix socket in a folder that only its user can enter, so nothing is guarded by a password
//! and nothing is open on the network. Postgres refuses to run as root; for root it runs as `nobody`.
//!
//! What may not enter: anything that a replica in a container needs. The images are built without this room.

mod binaries;
mod process;

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use postgres::{Config, NoTls};

use crate::store::Chain;
use process::Postmaster;

/// The database and its owner.
const NAME: &str = "pouco";

/// Major version of the data folder's format.
const MAJOR: u32 = 17;

/// The user that Postgres runs as when we are root: `nobody`, the same number on every Linux in use.
const NOBODY: u32 = 65_534;

/// The longest path of a socket that the kernel takes, less the name that Postgres gives to it.
const MAX_SOCKET_FOLDER_BYTES: usize = 85;

/// How long Postgres may take to answer; recovery after a crash counts in.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Why there is no embedded Postgres. Each text is the one line that a user sees.
#[derive(Debug)]
pub enum EmbeddedError {
    /// Another process uses the data folder.
    InUse(PathBuf),
    /// A folder that is there already is somebody else's: whose, and whose it would have to be.
    NotOurs(PathBuf, u32, u32),
    /// There are no binaries and none could be fetched.
    NoBinaries(String),
    /// The file system.
    Io(String, io::Error),
    /// `initdb` or `postgres` failed, with the last of what it said.
    Failed(String),
}

impl fmt::Display for EmbeddedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(folder) => write!(
                f,
                "the data folder {} is in use by another pouco; stop it, or set POUCO_DATA_DIR to another folder",
                folder.display()
            ),
            Self::NotOurs(folder, owner, wanted) => write!(
                f,
                "the folder {} is there already and belongs to user {owner}, not to user {wanted}, who runs \
                 Postgres; it stays as it is: set POUCO_DATA_DIR to a folder that does not exist yet",
                folder.display()
            ),
            Self::NoBinaries(why) => write!(
                f,
                "no Postgres: {why}; try again online, or use one that runs: DATABASE_URL=postgres://user@host/database"
            ),
            Self::Io(what, error) => write!(f, "{what}: {error}"),
            Self::Failed(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for EmbeddedError {}

/// A running Postgres with an empty or earlier filled database `pouco`.
pub struct Cluster {
    postmaster: Postmaster,
    folder: PathBuf,
    sockets: PathBuf,
    /// `None`: the usual one.
    port: Option<u16>,
    // Held for the life of the cluster; the kernel frees it at any death.
    _lock: File,
}

/// The user who runs Postgres, and where its files go.
struct Owner {
    root: bool,
}

impl Owner {
    fn current() -> Self {
        Self { root: rustix::process::geteuid().is_root() }
    }

    fn uid(&self) -> Option<u32> {
        self.root.then_some(NOBODY)
    }

    /// `POUCO_DATA_DIR` if nothing else is said.
    fn data_home(&self) -> Result<PathBuf, EmbeddedError> {
        if self.root {
            Ok(PathBuf::from("/var/lib/pouco"))
        } else {
            home_folder("XDG_DATA_HOME", ".local/share")
        }
    }

    /// Where fetched binaries are kept. Root's home is closed to `nobody`, so it cannot be there.
    fn cache_home(&self) -> Result<PathBuf, EmbeddedError> {
        if self.root {
            Ok(PathBuf::from("/var/cache/pouco"))
        } else {
            home_folder("XDG_CACHE_HOME", ".cache")
        }
    }

    /// Makes a folder that the database's user owns and nobody else enters. One that is there already stays
    /// as it is if that user owns it. Another one is ours only if we own it and nothing is in it: whatever
    /// else it is, somebody needs it as it is.
    fn own_folder(&self, folder: &Path) -> Result<(), EmbeddedError> {
        let io = |error| EmbeddedError::Io(format!("cannot make {}", folder.display()), error);
        let ours = rustix::process::geteuid().as_raw();
        let wanted = self.uid().unwrap_or(ours);
        match fs::metadata(folder) {
            Ok(known) if known.uid() == wanted => return Ok(()),
            Ok(known) => {
                let is_empty = fs::read_dir(folder).map_err(io)?.next().is_none();
                if known.uid() != ours || !is_empty {
                    return Err(EmbeddedError::NotOurs(folder.to_owned(), known.uid(), wanted));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder).map_err(io)?;
            }
            Err(error) => return Err(io(error)),
        }
        let make = || {
            if let Some(uid) = self.uid() {
                chown(folder, Some(uid), Some(uid))?;
            }
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        };
        make().map_err(io)
    }
}

fn home_folder(variable: &str, below_home: &str) -> Result<PathBuf, EmbeddedError> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable)
        .or_else(|| absolute("HOME").map(|home| home.join(below_home)))
        .map(|base| base.join("pouco"))
        .ok_or_else(|| {
            EmbeddedError::Failed(format!("neither {variable} nor HOME is set; set POUCO_DATA_DIR"))
        })
}

impl Cluster {
    /// Starts Postgres in `data_dir` (or the place that suits the user) with the binaries in `bin_dir` (or an
    /// installed Postgres 17, or one that is fetched). Blocks until it answers.
    ///
    /// # Errors
    /// See [`EmbeddedError`].
    pub fn start(data_dir: Option<PathBuf>, bin_dir: Option<PathBuf>) -> Result<Self, EmbeddedError> {
        Self::start_with(data_dir, bin_dir, &[])
    }

    /// As [`Cluster::start`], with settings (`name=value`) that come after the usual ones and so replace
    /// them: a server that another one follows, or that follows another one (its data folder then has a
    /// `standby.signal`).
    ///
    /// # Errors
    /// See [`EmbeddedError`].
    pub fn start_with(
        data_dir: Option<PathBuf>,
        bin_dir: Option<PathBuf>,
        settings: &[String],
    ) -> Result<Self, EmbeddedError> {
        let owner = Owner::current();
        let folder = match data_dir {
            Some(folder) => std::path::absolute(&folder)
                .map_err(|error| EmbeddedError::Io(format!("the folder {}", folder.display()), error))?,
            None => owner.data_home()?,
        };
        owner.own_folder(&folder)?;
        let lock = lock(&folder)?;
        let bin = match bin_dir {
            Some(bin) => bin,
            None => binaries::find_or_fetch(&owner.cache_home()?)?,
        };
        let sockets = socket_folder(&owner, &folder)?;
        let data = initialise(&owner, &folder, &bin)?;
        process::wait_for_orphan(&data)?;
        let log = folder.join("postgres.log");
        let postmaster = Postmaster::spawn(&bin, &data, &sockets, &log, owner.uid(), settings)?;
        let port = settings.iter().rev().find_map(|setting| setting.strip_prefix("port=")?.parse().ok());
        let cluster = Self { postmaster, folder, sockets, port, _lock: lock };
        cluster.wait_until_ready()?;
        cluster.create_database()?;
        Ok(cluster)
    }

    /// How to reach the database `pouco`.
    #[must_use]
    pub fn config(&self) -> Config {
        self.config_of(NAME)
    }

    /// How to reach another database of the same cluster.
    #[must_use]
    pub fn config_of(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host_path(&self.sockets).user(NAME).dbname(database).connect_timeout(Duration::from_secs(5));
        if let Some(port) = self.port {
            config.port(port);
        }
        config
    }

    /// The folder with data, log and lock.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the Unix socket, as `psql -h` takes it.
    #[must_use]
    pub fn sockets(&self) -> &Path {
        &self.sockets
    }

    /// The process id of the postmaster.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.postmaster.pid()
    }

    /// What Postgres said last, if it ends by itself within `patience`.
    #[must_use]
    pub fn ended(&self, patience: Duration) -> Option<String> {
        self.postmaster.ended(patience)
    }

    /// Stops Postgres: open sessions are ended, everything is written out. Dropping does the same.
    pub fn stop(self) {
        drop(self);
    }

    fn wait_until_ready(&self) -> Result<(), EmbeddedError> {
        let deadline = std::time::Instant::now() + START_TIMEOUT;
        loop {
            let error = match self.config_of("postgres").connect(NoTls) {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if let Some(said) = self.postmaster.ended(Duration::from_millis(20)) {
                return Err(EmbeddedError::Failed(format!("Postgres did not start: {said}")));
            }
            if std::time::Instant::now() > deadline {
                let error = Chain(&error);
                return Err(EmbeddedError::Failed(format!("Postgres does not answer: {error}")));
            }
        }
    }

    fn create_database(&self) -> Result<(), EmbeddedError> {
        let create = || {
            let mut client = self.config_of("postgres").connect(NoTls)?;
            let known = client.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&NAME])?;
            if known.is_none() {
                client.batch_execute(&format!("CREATE DATABASE {NAME}"))?;
            }
            Ok(())
        };
        create().map_err(|error: postgres::Error| {
            EmbeddedError::Failed(format!("cannot make the database: {}", Chain(&error)))
        })
    }
}

fn lock(folder: &Path) -> Result<File, EmbeddedError> {
    let path = folder.join("lock");
    let failed = |error| EmbeddedError::Io(format!("cannot open {}", path.display()), error);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EmbeddedError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// `run` in the data folder, or a folder of its own where that path is too long for a socket.
fn socket_folder(owner: &Owner, folder: &Path) -> Result<PathBuf, EmbeddedError> {
    let inside = folder.join("run");
    let sockets = if inside.as_os_str().len() <= MAX_SOCKET_FOLDER_BYTES {
        inside
    } else {
        std::env::temp_dir().join(format!("pouco-{}", std::process::id()))
    };
    owner.own_folder(&sockets)?;
    Ok(sockets)
}

/// Runs `initdb` at the first start, next to the final place: a kill in the middle leaves nothing that looks
/// complete.
fn initialise(owner: &Owner, folder: &Path, bin: &Path) -> Result<PathBuf, EmbeddedError> {
    let data = folder.join(format!("postgres-{MAJOR}"));
    if data.join("PG_VERSION").exists() {
        return Ok(data);
    }
    let unfinished = folder.join(format!("postgres-{MAJOR}.unfinished"));
    let io = |error| EmbeddedError::Io(format!("cannot prepare {}", unfinished.display()), error);
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(io)?;
    }
    let mut command = Command::new(bin.join("initdb"));
    command.arg("-D").arg(&unfinished).args(["--username", NAME, "--auth", "trust", "--encoding", "UTF8"]);
    command.args([
        "--locale",
        "C",
        "--locale-provider",
        "builtin",
        "--builtin-locale",
        "C.UTF-8",
        "--no-instructions",
    ]);
    process::run_as(&mut command, owner.uid(), folder);
    let output = command.output().map_err(|error| EmbeddedError::Io("cannot run initdb".into(), error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(EmbeddedError::Failed(format!("initdb failed: {}", process::last_lines(&said))));
    }
    fs::rename(&unfinished, &data).map_err(io)?;
    Ok(data)
}
