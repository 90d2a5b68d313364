//! How the contestants of the lab's own contests listen: a thread a connection, an answer a request.
//!
//! Each of them is a test by form alone, so that the test's program can start itself as a server. It is
//! ignored, and ends by a signal.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use socket2::{Domain, Socket, Type};

/// What a request asks for, and its body.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authorization: String,
    pub(crate) body: Vec<u8>,
}

/// A status, fields of the head with their ends of line, and a body.
pub(crate) type Reply = (u16, String, String);

/// What the lab says to whom it starts.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

/// That are open.
static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);

/// How many clients there are now.
pub(crate) fn connections() -> usize {
    CONNECTIONS.load(Ordering::Relaxed)
}

/// Serves at the contest's port, and at a socket of its own where it is told of one.
pub(crate) fn serve(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
    let answer = Arc::new(answer);
    if let Ok(path) = std::env::var("TINY_SOCKET") {
        // What a process that was killed has left.
        let _ = std::fs::remove_file(&path);
        let socket = UnixListener::bind(path).unwrap();
        let answer = Arc::clone(&answer);
        thread::spawn(move || socket.incoming().flatten().for_each(|stream| spawn(stream, &answer)));
    }
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_port(true).unwrap();
    let port: u16 = variable("POUCO_LAB_PORT").parse().unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()).unwrap();
    socket.listen(1024).unwrap();
    TcpListener::from(socket).incoming().flatten().for_each(|stream| spawn(stream, &answer));
}

/// A client that goes away ends its own thread only.
fn spawn<A>(stream: impl Read + Write + Send + 'static, answer: &Arc<A>)
where
    A: Fn(&Request) -> Reply + Send + Sync + 'static,
{
    let answer = Arc::clone(answer);
    thread::spawn(move || connection(stream, &*answer));
}

fn connection(mut stream: impl Read + Write, answer: &dyn Fn(&Request) -> Reply) -> io::Result<()> {
    CONNECTIONS.fetch_add(1, Ordering::Relaxed);
    let ended = answers(&mut stream, answer);
    CONNECTIONS.fetch_sub(1, Ordering::Relaxed);
    ended
}

fn answers(stream: &mut (impl Read + Write), answer: &dyn Fn(&Request) -> Reply) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(request) = read(stream, &mut buffer)? {
        let (status, fields, body) = answer(&request);
        let head = format!("HTTP/1.1 {status} x\r\n{fields}content-length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    }
    Ok(())
}

/// One request, or none where the client has closed. What comes after it stays in the buffer.
fn read(stream: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let mut piece = [0; 4096];
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut parsed = httparse::Request::new(&mut headers);
        let status = parsed.parse(buffer).map_err(io::Error::other)?;
        if let httparse::Status::Complete(head) = status {
            let field = |name| {
                let field = parsed.headers.iter().find(|it| it.name.eq_ignore_ascii_case(name));
                field.map(|it| String::from_utf8_lossy(it.value).into_owned()).unwrap_or_default()
            };
            let length = field("content-length").parse().unwrap_or(0);
            if buffer.len() >= head + length {
                let request = Request {
                    method: parsed.method.unwrap_or_default().to_owned(),
                    path: parsed.path.unwrap_or_default().to_owned(),
                    authorization: field("authorization"),
                    body: buffer[head..head + length].to_vec(),
                };
                buffer.drain(..head + length);
                return Ok(Some(request));
            }
        }
        let n = stream.read(&mut piece)?;
        if n == 0 {
            return Ok(None);
        }
        buffer.extend_from_slice(&piece[..n]);
    }
}
