//! Whether a contestant can have the contest's address for itself. If somebody else listens there, the load
//! would reach a stack that is none of ours, and write into real data.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// A stack that was just taken down may need a moment to let go of it.
const LIMIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// # Errors
/// Somebody listens at `address`; the error names it.
pub(super) fn free(address: &str) -> Result<()> {
    let all: Vec<SocketAddr> = address.to_socket_addrs().with_context(|| address.to_owned())?.collect();
    let deadline = Instant::now() + LIMIT;
    while all.iter().any(taken) {
        ensure!(
            Instant::now() < deadline,
            "{address}: something else listens on this port, and the load would go there: stop it first"
        );
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// An engine may forward a port without listening on it, and what listens may be too busy to accept: so both
/// are tried.
fn taken(address: &SocketAddr) -> bool {
    TcpStream::connect_timeout(address, CONNECT_LIMIT).is_ok()
        || TcpListener::bind(address).is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_taken_for_as_long_as_somebody_listens() {
        for listens_on in ["127.0.0.1:0", "0.0.0.0:0"] {
            let listener = TcpListener::bind(listens_on).expect("a free port");
            let port = listener.local_addr().expect("an address").port();
            let address = format!("127.0.0.1:{port}");
            let error = format!("{:#}", free(&address).expect_err("it is taken"));
            assert!(error.contains(&address), "{error}");
            drop(listener);
            free(&address).expect("nobody listens any more");
        }
    }
}
