//! The engine in the test's own process, with routes of the test's own.

use std::time::Duration;

use pouco::http::{Address, Limit, Limits, Listener, Router, Server, Timeout, TrustedHops};
use tempfile::TempDir;

use crate::client::Target;

/// A server on a TCP and on a Unix socket. It ends with the test.
pub struct Engine {
    pub server: Server,
    pub targets: Vec<Target>,
    _folder: TempDir,
}

impl Engine {
    pub fn start(router: Router, limits: Limits) -> Self {
        Self::start_behind(router, limits, &TrustedHops::default(), false)
    }

    pub fn start_behind(router: Router, limits: Limits, hops: &TrustedHops, proxy_protocol: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("pouco-engine-").tempdir().unwrap();
        let addresses = ["127.0.0.1:0".parse().unwrap(), Address::Unix(folder.path().join("engine.sock"))];
        let bind = |address| Listener::bind(address, 0o600).unwrap().behind(hops.clone(), proxy_protocol);
        let listeners: Vec<Listener> = addresses.iter().map(bind).collect();
        let targets = listeners.iter().map(|listener| match listener.address() {
            Address::Tcp(host_port) => Target::Tcp(host_port.clone()),
            Address::Unix(path) => Target::Unix(path.clone()),
        });
        let targets = targets.collect();
        let server = Server::start(listeners, router, limits).unwrap();
        Self { server, targets, _folder: folder }
    }

    pub fn hits(&self, limit: Limit) -> u64 {
        self.server.metrics().limit_hits(limit)
    }

    pub fn timeouts(&self, timeout: Timeout) -> u64 {
        self.server.metrics().timeouts(timeout)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.server.shutdown(Duration::ZERO);
    }
}
