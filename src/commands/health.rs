//! `pouco health`: asks a running replica whether it is healthy.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use pouco::config::{Config, Listen};
use pouco::http::Address;

use super::Failure;

/// How long it waits for the answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// One request to the admin address. No HTTP client is needed to read a status line.
pub(super) fn run(config: &Config) -> Result<(), Failure> {
    let address = config.admin_listen.first().ok_or_else(|| "POUCO_ADMIN_LISTEN is off".to_owned())?;
    let answer = match address {
        Listen::At(Address::Tcp(host_port)) => TcpStream::connect(host_port.replace("0.0.0.0", "127.0.0.1"))
            .and_then(|stream| {
                stream.set_read_timeout(Some(TIMEOUT))?;
                ask(stream)
            }),
        Listen::Systemd(name) => {
            let why = format!("the sockets `{name}` are systemd's: name the address in POUCO_ADMIN_LISTEN");
            return Err(Failure::from(why));
        }
        Listen::At(Address::Unix(path)) => UnixStream::connect(path).and_then(|stream| {
            stream.set_read_timeout(Some(TIMEOUT))?;
            ask(stream)
        }),
    };
    let answer = answer.map_err(|error| format!("{address} does not answer: {error}"))?;
    match answer.starts_with("HTTP/1.1 200 ") {
        true => Ok(()),
        false => Err(Failure::from(format!(
            "{address} is not healthy: {}",
            answer.lines().next().unwrap_or_default()
        ))),
    }
}

fn ask(mut stream: impl Read + Write) -> io::Result<String> {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: pouco\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
