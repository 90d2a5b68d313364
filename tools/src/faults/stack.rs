//! The stack under test: Postgres, two replicas on Unix sockets as in docker-compose.yml, and what is put
//! between them.

use std::fs::{File, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::client::Client;
use super::hostile::Tally;
use super::nginx::{self, Nginx};
use super::postgres::Postgres;
use super::proxy::Proxy;
use super::standby::{self, Mode};
use super::supervisor::Supervised;
use super::{Failure, promised};

/// How many replicas there are.
pub const REPLICAS: usize = 2;

/// What people may take of a replica's memory if nothing else is said.
const CACHE_BYTES: f64 = 64.0 * 1024.0 * 1024.0;

/// How long the first start may take.
const START_PATIENCE: Duration = promised(60_000);

/// What the clients do, as far as the stack has to know.
#[derive(Debug)]
pub struct Subject {
    /// The table that is written to, as SQL names it.
    pub table: &'static str,
    /// What needs no rights and answers once a replica serves: its path, and its status.
    pub answers: (&'static str, u16),
    /// What a replica answers without Postgres.
    pub in_memory: (&'static str, u16),
}

const PEOPLE: Subject = Subject {
    table: "people",
    answers: ("/contagem-pessoas", 200),
    in_memory: ("/pessoas?t=bystander", 200),
};

/// What to start.
pub struct Setup {
    /// The real server.
    pub program: PathBuf,
    pub subject: &'static Subject,
    /// Settings of both replicas, beside those of a stack.
    pub settings: Vec<(&'static str, String)>,
    /// Other variables of the replicas' environment.
    pub environment: Vec<(&'static str, String)>,
    /// A shell's words before the program, such as a limit.
    pub before: Option<String>,
    /// Whether everybody has room in the replicas' memory.
    pub fits: bool,
    /// With a proxy between each replica and Postgres.
    pub proxied: bool,
    /// With a second way past that proxy: `DATABASE_URL` then names two hosts.
    pub second_way: bool,
    /// With a standby, which is the second host in `DATABASE_URL`.
    pub standby: Option<Mode>,
    /// How long a client waits for an answer before it says that something hangs: above the longest fault
    /// with the recovery after it, and above what nginx waits.
    pub patience: Duration,
    /// With nginx in front, if there is one.
    pub nginx: bool,
    /// Where Postgres keeps its data, if not beside the sockets.
    pub data: Option<PathBuf>,
    /// The file system of that, if it can be stalled.
    pub volume: Option<PathBuf>,
}

impl Setup {
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            subject: &PEOPLE,
            settings: Vec::new(),
            environment: Vec::new(),
            before: None,
            fits: true,
            proxied: false,
            second_way: false,
            standby: None,
            patience: promised(20_000),
            nginx: false,
            data: None,
            volume: None,
        }
    }

    pub fn set(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.settings.push((name, value.to_string()));
        self
    }

    fn index_bytes(&self) -> f64 {
        let given = self.settings.iter().find(|(name, _)| *name == "POUCO_CACHE_BYTES");
        given.and_then(|(_, bytes)| bytes.parse().ok()).unwrap_or(CACHE_BYTES)
    }
}

/// Everything that runs. Fields are dropped, and so ended, from the front to the back.
pub struct Stack {
    pub nginx: Option<Nginx>,
    pub replicas: Vec<Supervised>,
    pub proxies: Vec<Proxy>,
    /// The primary at the start.
    pub postgres: Postgres,
    pub standby: Option<(Mode, Postgres)>,
    pub subject: &'static Subject,
    promoted: AtomicBool,
    /// See [`Setup::volume`].
    pub volume: Option<PathBuf>,
    /// What hostile clients have met.
    pub hostile: Mutex<Tally>,
    /// Bytes that each replica's index may take.
    pub index_bytes: f64,
    /// The first primary's data.
    pub data: PathBuf,
    folder: TempDir,
}

impl Stack {
    /// Returns when both replicas answer.
    pub fn start(setup: &Setup) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("pouco-faults-").tempdir()?;
        // Postgres's user must get through to its own folder.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let data = setup.data.clone().unwrap_or_else(|| folder.path().join("data"));
        let settings = setup.standby.map(|_| standby::settings()).unwrap_or_default();
        let postgres = Postgres::start_with(&data, &settings)?;
        let start_standby =
            |mode| Ok((mode, standby::start(&postgres, &folder.path().join("standby"), mode)?));
        let standby = setup.standby.map(start_standby).transpose().map_err(|error: Failure| error)?;
        let mut proxies = Vec::new();
        let mut replicas = Vec::new();
        for index in 0..REPLICAS {
            let mut hosts = vec![postgres.sockets()];
            if setup.proxied {
                let host = folder.path().join(format!("database{}", index + 1));
                proxies.push(Proxy::start(&host, &postgres.sockets(), setup.subject.table)?);
                hosts.insert(0, host);
                hosts.truncate(1 + usize::from(setup.second_way));
            }
            hosts.extend(standby.iter().map(|(_, standby)| standby.sockets()));
            replicas.push(replica(setup, folder.path(), index, &hosts)?);
        }
        let nginx = match nginx::find().filter(|_| setup.nginx) {
            Some(program) => Some(Nginx::start(&program, folder.path())?),
            None => None,
        };
        let (promoted, data) = (AtomicBool::new(false), standby::data(&postgres)?);
        let stack = Self {
            nginx,
            replicas,
            proxies,
            postgres,
            standby,
            subject: setup.subject,
            promoted,
            volume: setup.volume.clone(),
            hostile: Mutex::default(),
            index_bytes: setup.index_bytes(),
            data,
            folder,
        };
        stack.wait_until_ready()?;
        Ok(stack)
    }

    /// The server that takes writes now.
    pub fn primary(&self) -> &Postgres {
        match &self.standby {
            Some((_, standby)) if self.is_promoted() => standby,
            _ => &self.postgres,
        }
    }

    pub fn is_promoted(&self) -> bool {
        self.promoted.load(Ordering::Acquire)
    }

    /// The standby is the primary from now on.
    pub fn note_promotion(&self) {
        self.promoted.store(true, Ordering::Release);
    }

    /// The public socket of a replica.
    pub fn api(&self, replica: usize) -> PathBuf {
        self.folder.path().join(format!("api{}.sock", replica + 1))
    }

    /// Its public TCP address, which is another one after each of its starts.
    pub fn tcp(&self, replica: usize) -> Result<SocketAddr, Failure> {
        let said = std::fs::read_to_string(greeting(self.folder.path(), replica))?;
        let address =
            said.lines().find_map(|line| line.trim().strip_prefix("API:")?.trim().strip_prefix("http://"));
        Ok(address.ok_or("the replica has not said where it listens")?.parse()?)
    }

    /// Its socket for operators.
    pub fn admin(&self, replica: usize) -> PathBuf {
        self.folder.path().join(format!("api{}-admin.sock", replica + 1))
    }

    /// Where clients go: to nginx, or to each replica.
    pub fn targets(&self) -> Vec<PathBuf> {
        match &self.nginx {
            Some(nginx) => vec![nginx.socket.clone()],
            None => (0..REPLICAS).map(|index| self.api(index)).collect(),
        }
    }

    /// What the replicas have logged.
    pub fn logs(&self) -> String {
        let read = |index| std::fs::read_to_string(log(self.folder.path(), index)).unwrap_or_default();
        (0..REPLICAS).map(read).collect()
    }

    fn wait_until_ready(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + START_PATIENCE;
        let sockets = (0..REPLICAS).map(|index| self.api(index)).chain(self.targets());
        for socket in sockets {
            let (path, status) = self.subject.answers;
            let answers = || Client::new(&socket, START_PATIENCE).get(path);
            while !answers().is_ok_and(|answer| answer.status == status) {
                if Instant::now() > deadline {
                    return Err(format!("{} does not answer:\n{}", socket.display(), self.logs()).into());
                }
                std::thread::park_timeout(Duration::from_millis(5));
            }
        }
        Ok(())
    }
}

fn log(folder: &Path, replica: usize) -> PathBuf {
    folder.join(format!("api{}.log", replica + 1))
}

/// What a replica says once it serves.
fn greeting(folder: &Path, replica: usize) -> PathBuf {
    folder.join(format!("api{}.out", replica + 1))
}

fn replica(setup: &Setup, folder: &Path, index: usize, hosts: &[PathBuf]) -> Result<Supervised, Failure> {
    let number = (index + 1).to_string();
    let hosts: Vec<String> = hosts.iter().map(|host| host.display().to_string()).collect();
    let socket = |end: &str| format!("unix:{}/api{number}{end}.sock", folder.display());
    let mut variables = vec![
        ("POUCO_REPLICA", number.clone()),
        // TCP is for those who are hostile, and for whoever stands beside.
        ("POUCO_LISTEN", format!("{},tcp:127.0.0.1:0", socket(""))),
        ("POUCO_ADMIN_LISTEN", socket("-admin")),
        ("POUCO_PUSH_LISTEN", socket("-push")),
        ("DATABASE_URL", format!("host={} user=pouco dbname=pouco", hosts.join(","))),
    ];
    variables.extend(setup.settings.iter().chain(&setup.environment).cloned());
    let (program, before, log) = (setup.program.clone(), setup.before.clone(), log(folder, index));
    let greeting = greeting(folder, index);
    let make = move || {
        let mut command = match &before {
            None => Command::new(&program),
            Some(before) => {
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(format!("{before}; exec \"$0\"")).arg(&program);
                shell
            }
        };
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("POUCO_") {
                command.env_remove(name);
            }
        }
        command.envs(variables.iter().map(|(name, value)| (*name, value)));
        command
            .stdin(Stdio::null())
            .stdout(File::create(&greeting).map_or_else(|_| Stdio::null(), Stdio::from));
        if let Ok(log) = File::options().create(true).append(true).open(&log) {
            command.stderr(log);
        }
        command
    };
    Supervised::start(&format!("api{number}"), make)
}
