//! The contestants, each the plainest server that answers `GET /hello` and `POST /post`, one thread, in a
//! child process.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pouco::api::edge::{Layer, Settings};
use pouco::cache::expiring;
use pouco::http::{Address, Limits, Listener, Method, Router, Server};
use pouco::waiting::Janitor;
use pouco_tools::client::Target;

pub(crate) const HELLO: &str = "Hello, World!";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contestant {
    Pouco,
    /// Ours as another commit has it: the benchmark's program from there, which `POUCO_BENCH_BEFORE` names.
    PoucoBefore,
    /// Ours, counting and timing nothing.
    PoucoWithoutMetrics,
    /// Ours with the edge API, asked for a page that is in the process's cache.
    PoucoEdgeHit,
    MayMinihttp,
    Axum,
    Nginx,
}

impl Contestant {
    pub(crate) const OTHERS: [Contestant; 6] = [
        Contestant::PoucoBefore,
        Contestant::PoucoWithoutMetrics,
        Contestant::PoucoEdgeHit,
        Contestant::MayMinihttp,
        Contestant::Axum,
        Contestant::Nginx,
    ];

    /// Whether it is another engine, and not ours with something left out or added, which is measured only
    /// where it is named.
    pub(crate) fn is_peer(self) -> bool {
        !matches!(self, Self::PoucoBefore | Self::PoucoWithoutMetrics | Self::PoucoEdgeHit)
    }

    /// What a GET asks for.
    fn path(self) -> &'static str {
        if self == Self::PoucoEdgeHit { "/memory/static-text" } else { "/hello" }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pouco => "pouco",
            Self::PoucoBefore => "pouco-before",
            Self::PoucoWithoutMetrics => "pouco-without-metrics",
            Self::PoucoEdgeHit => "pouco-edge-hit",
            Self::MayMinihttp => "may_minihttp",
            Self::Axum => "axum",
            Self::Nginx => "nginx",
        }
    }
}

/// A server that is ready, as a child process.
pub(crate) struct Running {
    child: Child,
    /// `tcp:HOST:PORT` or `unix:/PATH`.
    pub(crate) target: Target,
    /// What a GET asks it for.
    pub(crate) path: &'static str,
    folder: tempfile::TempDir,
}

impl Running {
    pub(crate) fn start(contestant: Contestant, unix: bool, apart: bool) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let address = if unix {
            format!("unix:{}", folder.path().join("socket").display())
        } else {
            format!("tcp:127.0.0.1:{}", free_port()?)
        };
        if contestant == Contestant::MayMinihttp && unix {
            return Err("TCP only".into());
        }
        let mut command = match contestant {
            Contestant::Nginx => nginx_command(folder.path(), &address)?,
            Contestant::PoucoBefore => {
                let program =
                    std::env::var_os("POUCO_BENCH_BEFORE").ok_or("POUCO_BENCH_BEFORE is not set")?;
                let mut command = Command::new(program);
                command.args(["--serve", Contestant::Pouco.name(), &address]);
                command
            }
            _ => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["--serve", contestant.name(), &address]);
                command
            }
        };
        // A child inherits the core of its parent, and so do its threads.
        if apart {
            crate::load::pin_to(0)?;
        }
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut running = Self { child, target: address.parse()?, path: contestant.path(), folder };
        crate::load::pin_to(1)?;
        running.wait_until_ready(contestant)?;
        Ok(running)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Our servers say a word when they listen; nginx is asked until it answers.
    fn wait_until_ready(&mut self, contestant: Contestant) -> Result<(), Box<dyn Error>> {
        if contestant != Contestant::Nginx {
            let stdout = self.child.stdout.take().ok_or("no output")?;
            let mut word = String::new();
            BufReader::new(stdout).read_line(&mut word)?;
            return if word == "ready\n" { Ok(()) } else { Err(format!("said {word:?}").into()) };
        }
        for _ in 0..200 {
            if self.target.try_connect().is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("nginx ended: {status}, see {}", self.folder.path().display()).into());
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Err("nginx does not listen".into())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn nginx_command(folder: &Path, address: &str) -> Result<Command, Box<dyn Error>> {
    let program = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"];
    let program = program.iter().map(PathBuf::from).find(|path| path.is_file()).ok_or("not installed")?;
    let listen = address.strip_prefix("tcp:").unwrap_or(address);
    let folder_text = folder.display();
    let config = format!(
        "daemon off; master_process off; worker_processes 1; error_log {folder_text}/error.log crit;
         pid {folder_text}/pid; worker_rlimit_nofile 8192;
         events {{ worker_connections 4096; multi_accept on; }}
         http {{
             access_log off; keepalive_requests 1000000000; server_tokens off; default_type text/plain;
             client_body_temp_path {folder_text}/b; proxy_temp_path {folder_text}/p;
             fastcgi_temp_path {folder_text}/f; uwsgi_temp_path {folder_text}/u; scgi_temp_path {folder_text}/s;
             server {{
                 listen {listen};
                 location /hello {{ return 200 \"{HELLO}\"; }}
                 location /post {{ return 200 \"ok\"; }}
             }}
         }}"
    );
    let path = folder.join("nginx.conf");
    std::fs::write(&path, config)?;
    let mut command = Command::new(program);
    command.arg("-e").arg(folder.join("early.log")).arg("-c").arg(path).arg("-p").arg(folder);
    Ok(command)
}

/// The child's side: serves until it is killed.
pub(crate) fn serve(contestant: &str, address: &str) -> Result<(), Box<dyn Error>> {
    match contestant {
        "pouco" => serve_pouco(&address.parse()?, true),
        "pouco-without-metrics" => serve_pouco(&address.parse()?, false),
        "pouco-edge-hit" => serve_edge(&address.parse()?),
        "may_minihttp" => serve_minihttp(address.strip_prefix("tcp:").unwrap_or(address)),
        "axum" => serve_axum(address),
        other => Err(format!("{other} is no contestant").into()),
    }
}

fn say_ready() -> io::Result<()> {
    io::stdout().write_all(b"ready\n")
}

fn serve_pouco(address: &Address, measured: bool) -> Result<(), Box<dyn Error>> {
    pouco::http::configure_coroutines();
    let mut router = Router::new();
    router.measure(measured);
    router.route(Method::Get, "/hello", |_, response| response.body("text/plain", HELLO.as_bytes()));
    router.route(Method::Post, "/post", |request, response| {
        assert!(!request.body().is_empty());
        response.body("text/plain", b"ok");
    });
    let server = Server::start(vec![Listener::bind(address, 0o600)?], router, Limits::default())?;
    say_ready()?;
    server.wait();
    Ok(())
}

/// An entry that outlives the benchmark: every request but the first is a hit.
fn serve_edge(address: &Address) -> Result<(), Box<dyn Error>> {
    pouco::http::configure_coroutines();
    let janitor = Janitor::start()?;
    let mut router = Router::new();
    let memory = expiring::Limits { bytes: 1 << 20, entries: 100, ttl: Duration::from_secs(86_400) };
    let edge = Settings { plain: Layer::Memory, memory, redis: None, redis_ttl: Duration::ZERO };
    let _api = edge.mount(&janitor, &mut router)?;
    let server = Server::start(vec![Listener::bind(address, 0o600)?], router, Limits::default())?;
    say_ready()?;
    server.wait();
    Ok(())
}

#[derive(Clone)]
struct Minihttp;

impl may_minihttp::HttpService for Minihttp {
    fn call(
        &mut self,
        request: may_minihttp::Request<'_, '_, '_>,
        response: &mut may_minihttp::Response<'_>,
    ) -> io::Result<()> {
        response.header("Content-Type: text/plain");
        if request.path() == "/hello" {
            response.body(HELLO);
        } else {
            let mut body = request.body();
            let length = body.fill_buf()?.len();
            body.consume(length);
            assert!(length > 0);
            response.body("ok");
        }
        Ok(())
    }
}

fn serve_minihttp(address: &str) -> Result<(), Box<dyn Error>> {
    pouco::http::configure_coroutines();
    let server = may_minihttp::HttpServer(Minihttp).start(address)?;
    say_ready()?;
    server.join().map_err(|_| "the server panicked")?;
    Ok(())
}

fn serve_axum(address: &str) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let app = axum::Router::new().route("/hello", axum::routing::get(async || HELLO)).route(
        "/post",
        axum::routing::post(async |body: axum::body::Bytes| {
            assert!(!body.is_empty());
            "ok"
        }),
    );
    runtime.block_on(async {
        if let Some(path) = address.strip_prefix("unix:") {
            let listener = tokio::net::UnixListener::bind(path)?;
            say_ready()?;
            axum::serve(listener, app).await?;
        } else {
            let listener =
                tokio::net::TcpListener::bind(address.strip_prefix("tcp:").unwrap_or(address)).await?;
            let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
                // As every other contestant: answers leave at once.
                let _ = stream.set_nodelay(true);
            });
            say_ready()?;
            axum::serve(listener, app).await?;
        }
        Ok(())
    })
}
