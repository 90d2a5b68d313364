//! What is encrypted, over a session's socket. It waits as the socket does: what cannot be read or sent now
//! is pending, and the session's owner waits by [`DatabaseSocket::block`] or [`DatabaseSocket::park`].

use std::future::{Ready, ready};
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConnection;
use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::super::socket::{DatabaseSocket, Pipe};

/// A socket with TLS on it.
pub(in crate::store) struct Secured {
    socket: Arc<DatabaseSocket>,
    tls: Box<ClientConnection>,
}

/// The socket, for the library.
pub(super) struct Wire<'l>(pub(super) &'l DatabaseSocket);

impl Read for Wire<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.read(room)?.ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)?.ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Secured {
    /// After the handshake.
    pub(super) fn new(socket: Arc<DatabaseSocket>, tls: Box<ClientConnection>) -> Self {
        Self { socket, tls }
    }

    /// Sends what is encrypted already. `false` if there is no room.
    fn send(&mut self) -> io::Result<bool> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Wire(&self.socket)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Takes what has come. `false` if there is nothing.
    fn receive(&mut self) -> io::Result<bool> {
        match self.tls.read_tls(&mut Wire(&self.socket)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        let taken = self.tls.process_new_packets();
        taken.map(|_| true).map_err(|error| {
            // What is wrong is told to the other side, if it still hears.
            let _ = self.send();
            io::Error::new(io::ErrorKind::InvalidData, error)
        })
    }
}

/// Without a farewell Postgres logs that a client was lost.
impl Drop for Secured {
    fn drop(&mut self) {
        self.tls.send_close_notify();
        let mut farewell = Vec::new();
        while self.tls.wants_write() && self.tls.write_tls(&mut farewell).is_ok() {}
        self.socket.say_farewell(&farewell);
    }
}

impl AsyncRead for Secured {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match this.tls.reader().read(room.initialize_unfilled()) {
                Ok(count) => {
                    room.advance(count);
                    return Poll::Ready(Ok(()));
                }
                // An end without a farewell is an end: every message says how long it is.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Poll::Ready(Ok(())),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Poll::Ready(Err(error)),
                Err(_) => {}
            }
            if !this.receive()? {
                return Poll::Pending;
            }
        }
    }
}

impl AsyncWrite for Secured {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // What is encrypted and not sent is bounded by the library.
        let mut taken = this.tls.writer().write(bytes)?;
        let sent = this.send()?;
        if taken == 0 && sent {
            taken = this.tls.writer().write(bytes)?;
            this.send()?;
        }
        if taken == 0 && !bytes.is_empty() { Poll::Pending } else { Poll::Ready(Ok(taken)) }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.get_mut().send()? { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.tls.send_close_notify();
        Pin::new(this).poll_flush(context)
    }
}

impl TlsStream for Secured {
    /// The hash of the server's certificate, by the hash of its own signature, but no weaker one than SHA-256
    /// (RFC 5929, section 4.1). None where the signature has no such hash, as that of Ed25519.
    fn channel_binding(&self) -> ChannelBinding {
        let certificate = self.tls.peer_certificates().and_then(<[_]>::first);
        match certificate.and_then(|it| end_point(it)) {
            Some(hash) => ChannelBinding::tls_server_end_point(hash),
            None => ChannelBinding::none(),
        }
    }
}

fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let parsed = Certificate::from_der(certificate).ok()?;
    match parsed.signature_algorithm().oid.to_string().as_str() {
        // MD5, SHA-1 and SHA-256 with RSA; SHA-1 and SHA-256 with ECDSA.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => Some(Sha256::digest(certificate).to_vec()),
        // SHA-384, SHA-512.
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Some(Sha384::digest(certificate).to_vec()),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Some(Sha512::digest(certificate).to_vec()),
        _ => None,
    }
}

/// Gives the client library what is encrypted already, or nothing for plain text.
pub(in crate::store) struct Prepared(pub(in crate::store) Option<Secured>);

impl TlsConnect<Pipe> for Prepared {
    type Stream = Secured;
    type Error = io::Error;
    type Future = Ready<io::Result<Secured>>;

    fn connect(self, _: Pipe) -> Self::Future {
        ready(self.0.ok_or_else(|| io::Error::other("TLS was not agreed on")))
    }
}
