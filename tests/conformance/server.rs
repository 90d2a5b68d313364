//! One engine for all cases that run at the same time, with the limits that pouco starts with.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use pouco::http::{Address, Limits, Listener, Method, Router, Server, Status};
use tempfile::TempDir;

use crate::client::Target;

/// It ends with the last case that holds it, and its socket file with it.
pub(crate) struct Running {
    server: Server,
    pub(crate) targets: Vec<Target>,
    /// The marks of the requests that should never have been executed.
    smuggled: Arc<Mutex<HashSet<String>>>,
    _folder: TempDir,
}

static RUNNING: Mutex<Weak<Running>> = Mutex::new(Weak::new());

impl Running {
    pub(crate) fn shared() -> Arc<Self> {
        let mut known = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        known.upgrade().unwrap_or_else(|| {
            let running = Arc::new(Self::start());
            *known = Arc::downgrade(&running);
            running
        })
    }

    pub(crate) fn has_executed(&self, mark: &str) -> bool {
        self.smuggled.lock().unwrap_or_else(PoisonError::into_inner).contains(mark)
    }

    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("pouco-conformance-").tempdir().unwrap();
        let addresses = ["127.0.0.1:0".parse().unwrap(), Address::Unix(folder.path().join("engine.sock"))];
        let listeners: Vec<Listener> =
            addresses.iter().map(|address| Listener::bind(address, 0o600).unwrap()).collect();
        let targets = listeners.iter().map(|listener| match listener.address() {
            Address::Tcp(host_port) => Target::Tcp(host_port.clone()),
            Address::Unix(path) => Target::Unix(path.clone()),
        });
        let targets = targets.collect();
        let smuggled = Arc::new(Mutex::new(HashSet::new()));
        let server = Server::start(listeners, routes(&smuggled), Limits::default()).unwrap();
        Self { server, targets, smuggled, _folder: folder }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.shutdown(Duration::ZERO);
    }
}

fn routes(smuggled: &Arc<Mutex<HashSet<String>>>) -> Router {
    let mut router = Router::new();
    router.route(Method::Get, "/", |_, response| response.text("home"));
    router.route(Method::Get, "/query", |request, response| match request.query_text("q") {
        Ok(Some(value)) => response.text(value),
        _ => response.status(Status::BadRequest).empty(),
    });
    router.route(Method::Post, "/", |request, response| {
        let body = request.body().to_vec();
        response.body("application/octet-stream", &body);
    });
    router.route(Method::Get, "/path/{rest}", |request, response| {
        response.text(request.raw_path_parameter("rest"));
    });
    router.route(Method::Get, "/alive", |_, response| response.text("alive"));
    router.route(Method::Get, "/empty", |_, response| response.status(Status::NoContent).empty());
    for method in [Method::Get, Method::Post] {
        let smuggled = smuggled.clone();
        router.route(method, "/smuggled/{mark}", move |request, response| {
            let mark = request.raw_path_parameter("mark").to_owned();
            smuggled.lock().unwrap_or_else(PoisonError::into_inner).insert(mark);
            response.text("smuggled");
        });
    }
    router
}
