//! Asks a server for TLS, and agrees on it. Blocks: by threads alone.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use postgres::Config;
use rustls::ClientConnection;

use super::certificates::PROTOCOL;
use super::stream::{Secured, Wire};
use super::{Security, TlsError, Way, Why, nameless, place, server_name};
use crate::database_url::Mode;
use crate::store::socket::DatabaseSocket;

/// "Do you speak TLS?" (Postgres manual, section 54.7).
const REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Encrypts a socket to the host of this index on which nothing was said yet. `None`: it stays in plain text.
///
/// # Errors
/// It cannot be encrypted, as it has to be; then the socket is of no more use.
pub(in crate::store) fn secure(
    security: &Security,
    config: &Config,
    host: usize,
    way: Way,
    socket: &Arc<DatabaseSocket>,
    deadline: Instant,
) -> Result<Option<Secured>, TlsError> {
    let failed = |why| security.failure(&place(config, host), why);
    let must = match way {
        Way::Plain => return Ok(None),
        Way::IfOffered => false,
        Way::Always => true,
    };
    let name = match server_name(config, host) {
        Some(name) => name,
        None if security.wanted.mode == Mode::VerifyFull => return Err(failed(Why::Name)),
        None => nameless(),
    };
    let certificates = security.certificates.current().map_err(|why| failed(Why::Files(why)))?;
    let direct = security.wanted.direct;
    if !direct && !is_offered(socket, deadline).map_err(failed)? {
        return if must { Err(failed(Why::Refused)) } else { Ok(None) };
    }
    let mut tls = ClientConnection::new(certificates, name).map_err(|error| failed(Why::Handshake(error)))?;
    agree(&mut tls, socket, deadline).map_err(failed)?;
    // A server that is asked nothing before shows this way that it is Postgres (manual, section 54.2.11).
    if direct && tls.alpn_protocol() != Some(PROTOCOL) {
        return Err(failed(Why::NotDirect));
    }
    Ok(Some(Secured::new(socket.clone(), Box::new(tls))))
}

/// Nothing but the answer is read: what a stranger may have sent with it is not taken for Postgres's.
fn is_offered(socket: &DatabaseSocket, deadline: Instant) -> Result<bool, Why> {
    let mut rest = &REQUEST[..];
    while !rest.is_empty() {
        match socket.write(rest).map_err(Why::Unanswered)? {
            Some(count) => rest = &rest[count..],
            None => socket.wait_until(deadline),
        }
    }
    let mut answer = [0];
    loop {
        match socket.read(&mut answer).map_err(Why::Unanswered)? {
            Some(0) => return Err(Why::Unanswered(io::ErrorKind::UnexpectedEof.into())),
            Some(_) => break,
            None => socket.wait_until(deadline),
        }
    }
    match answer[0] {
        b'S' => Ok(true),
        b'N' => Ok(false),
        // It has no process for us; what it says of that may be anybody's word.
        b'E' => Err(Why::Unanswered(io::Error::other("the server answers with an error"))),
        other => Err(Why::NoAnswer(other)),
    }
}

fn agree(tls: &mut ClientConnection, socket: &DatabaseSocket, deadline: Instant) -> Result<(), Why> {
    while tls.is_handshaking() || tls.wants_write() {
        let done = if tls.wants_write() {
            tls.write_tls(&mut Wire(socket)).map(drop)
        } else {
            match tls.read_tls(&mut Wire(socket)) {
                Ok(0) => return Err(Why::Socket(io::ErrorKind::UnexpectedEof.into())),
                read => read.map(drop),
            }
        };
        match done {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                socket.wait_until(deadline);
                continue;
            }
            Err(error) => return Err(Why::Socket(error)),
        }
        if let Err(error) = tls.process_new_packets() {
            // What is wrong is told to the other side, if it still hears.
            let _ = tls.write_tls(&mut Wire(socket));
            return Err(Why::Handshake(error));
        }
    }
    Ok(())
}
