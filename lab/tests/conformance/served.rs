//! What the tests' servers stand on: a listener on a free port, a thread for each connection, and HTTP/1.1 as
//! the pass speaks it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Lines, with names in small letters.
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
    /// Of the connection, from 0.
    pub(crate) connection: u64,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.headers.iter().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) kind: &'static str,
    pub(crate) body: Vec<u8>,
    /// The connection ends after it, and the answer says so.
    pub(crate) closes: bool,
}

/// Calls `serve` for each connection, which ends with the test's process.
pub(crate) fn listen(serve: impl Fn(TcpStream, u64) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for (stream, number) in listener.incoming().zip(0..) {
            let (stream, serve) = (stream.unwrap(), serve.clone());
            std::thread::spawn(move || serve(stream, number));
        }
    });
    address
}

/// A server that answers each request with what `answer` says; `None` closes the connection.
pub(crate) fn serve(answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> String {
    listen(move |stream, connection| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        while let Some(asked) = read(&mut reader, connection) {
            let Some(reply) = answer(&asked) else { return };
            let location = reply.location.map_or_else(String::new, |path| format!("Location: {path}\r\n"));
            let closes = if reply.closes { "Connection: close\r\n" } else { "" };
            let head = format!(
                "HTTP/1.1 {} X\r\n{location}{closes}Content-Type: {}\r\nContent-Length: {}\r\n\r\n",
                reply.status,
                reply.kind,
                reply.body.len()
            );
            // The client may have what it wants already.
            let written = stream.write_all(&[head.as_bytes(), &reply.body].concat());
            if written.is_err() || reply.closes {
                return;
            }
        }
    })
}

fn read(reader: &mut impl BufRead, connection: u64) -> Option<Asked> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        let line = line.trim_end();
        // The pass sends them in small letters, and others need not.
        let field = line.split_once(": ").filter(|_| !head.is_empty());
        head.push(field.map_or_else(
            || line.to_owned(),
            |(name, value)| format!("{}: {value}", name.to_ascii_lowercase()),
        ));
    }
    let mut words = head[0].split(' ');
    let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { method, target, headers: head.split_off(1), body, connection })
}

/// What stands in a query or a form: `%` and two digits are a byte, `+` a blank.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let pair = [rest.next()?, rest.next()?];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

/// A balancer that gives connections to `addresses` in turn, as bytes.
pub(crate) fn balance(addresses: Vec<String>) -> String {
    listen(move |client, number| {
        let place = usize::try_from(number).unwrap() % addresses.len();
        let server = TcpStream::connect(&addresses[place]).unwrap();
        let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let (mut from_server, mut to_client) = (server, client);
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from_client, &mut to_server);
            let _ = to_server.shutdown(std::net::Shutdown::Write);
        });
        let _ = std::io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(std::net::Shutdown::Write);
    })
}
