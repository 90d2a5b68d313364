//! A whole stream of requests through the engine itself, over Unix sockets: read in large pieces or in small
//! ones, it is answered alike. Two servers, alike but for the size of their buffers, make every split without
//! depending on time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use pouco::http::{Address, Limits, Listener, Method, Router, Server, Status};

/// Stands for the answer to a refused request.
const REFUSED: &str = "refused";

/// Longer than any answer takes, unless the connection hangs.
const TIMEOUT: Duration = Duration::from_secs(10);

struct Running {
    _server: Server,
    socket: PathBuf,
}

/// Read buffers of 8 KiB, and of 16 bytes.
static SERVERS: LazyLock<[Running; 2]> = LazyLock::new(|| [start(8192), start(16)]);

/// Panics where the two servers answer differently.
pub fn check(stream: &[u8]) {
    let [large, small] = &*SERVERS;
    let whole = comparable(&ask(large, stream));
    let mut split = comparable(&ask(small, stream));
    if super::canary(|| whole.matches("HTTP/1.1 404").count() > 1) {
        split.pop();
    }
    // A fault in the line that is still being sent may be seen with the line's end, which does not come here.
    if !stream.ends_with(b"\n") && (without_refusal(&split) == without_refusal(&whole)) {
        return;
    }
    assert_eq!(split, whole, "to {}", stream.escape_ascii());
}

fn routes() -> Router {
    let mut router = Router::new();
    router.route(Method::Get, "/a/{name}", |request, response| {
        let name = request.raw_path_parameter("name");
        response.text(name);
    });
    router.route(Method::Get, "/q", |request, response| match request.query_text("t") {
        Ok(Some(text)) => response.text(&text),
        _ => response.status(Status::BadRequest).text("t"),
    });
    router.route(Method::Post, "/echo", |request, response| {
        let body = request.body().to_vec();
        response.status(Status::Created).body("application/octet-stream", &body);
    });
    // Its answer is one, however the body came.
    router.route_stream(Method::Put, "/sum", 2048, |_, body, response| {
        #[allow(clippy::unbuffered_bytes, reason = "byte by byte is the hardest way to read a body")]
        let sum: io::Result<u64> = body.bytes().map(|byte| byte.map(u64::from)).sum();
        if let Ok(sum) = sum {
            response.text(sum);
        }
    });
    router
}

fn start(buffer_bytes: usize) -> Running {
    // Kept: a fuzzer does not end by returning.
    let socket = tempfile::tempdir().expect("a folder").keep().join("engine.sock");
    let listener = Listener::bind(&Address::Unix(socket.clone()), 0o600).expect("a socket");
    let limits = Limits { buffer_bytes, head_bytes: 1024, body_bytes: 1024, ..Limits::default() };
    Running { _server: Server::start(vec![listener], routes(), limits).expect("a server"), socket }
}

/// All that the server answers to the stream and the end of sending.
fn ask(server: &Running, stream: &[u8]) -> Vec<u8> {
    let mut client = UnixStream::connect(&server.socket).expect("a connection");
    client.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    // The server may have refused the beginning and closed already: its answer can be read nevertheless.
    if client.write_all(stream).is_ok() {
        let _ = client.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    match client.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error}: the connection hangs after {}", stream.escape_ascii()),
    }
    answer
}

/// The answers without what depends on the time or on the size of the pieces: `Date`, the invitation to send
/// a body that has come already, and of a refused request all but that it was refused, since which of its
/// faults is seen first depends on how much of it has come.
///
/// Bodies are treated alike; both servers send the same ones.
fn comparable(answers: &[u8]) -> String {
    let text = String::from_utf8_lossy(answers).replace("HTTP/1.1 100 Continue\r\n\r\n", "");
    let lines = text.split_inclusive("\r\n").filter(|line| !line.starts_with("date: "));
    let mut text: String = lines.collect();
    let last = text.rfind("HTTP/1.1 ").map(|at| (at, &text[at..]));
    if let Some((at, answer)) = last
        && answer[9..].starts_with(['4', '5'])
        && answer.contains("\r\nconnection: close\r\n")
    {
        text.truncate(at);
        text.push_str(REFUSED);
    }
    text
}

fn without_refusal(answers: &str) -> &str {
    answers.strip_suffix(REFUSED).unwrap_or(answers)
}
