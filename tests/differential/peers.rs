//! The two servers, and how they are asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use pouco::http::{Address, Limits, Listener, Method, Router, Server};
use pouco_tools::client::Target;

/// A request that a server took for a valid one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// The body it saw, where a handler echoes it.
    body: Option<Vec<u8>>,
}

impl Accepted {
    /// Whether both saw the same body, as far as both say what they saw.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        self.body.is_none() || other.body.is_none() || self.body == other.body
    }
}

/// The requests of one connection that were accepted, up to its end or to one that was refused.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) accepted: Vec<Accepted>,
    /// The status of what was refused; `None` if the connection ended without one.
    #[allow(dead_code)] // shown where a test fails
    refused: Option<u16>,
}

pub(crate) struct Ours {
    server: Server,
    address: SocketAddr,
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.server.shutdown(Duration::ZERO);
    }
}

impl Ours {
    pub(crate) fn start() -> Self {
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), 0o600).unwrap();
        let Address::Tcp(address) = listener.address() else { unreachable!() };
        let address = address.parse().unwrap();
        let mut router = Router::new();
        for method in [Method::Get, Method::Post] {
            router.route(method, "/echo", |request, response| {
                let body = request.body().to_vec();
                response.header("x-echo", 1).body("application/octet-stream", &body);
            });
        }
        Self { server: Server::start(vec![listener], router, Limits::default()).unwrap(), address }
    }

    pub(crate) fn ask(&self, stream: &[u8]) -> Verdict {
        // The router's own refusals are of valid requests.
        ask(self.address, stream, |status| status < 400 || matches!(status, 404 | 405))
    }
}

pub(crate) struct Theirs {
    address: SocketAddr,
}

impl Theirs {
    /// On a thread of its own, which ends with the test's process.
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
            runtime.block_on(async {
                serve(tokio::net::TcpListener::from_std(listener).unwrap()).await;
            });
        });
        Self { address }
    }

    pub(crate) fn ask(&self, stream: &[u8]) -> Verdict {
        ask(self.address, stream, |status| status < 400)
    }
}

/// One connection at a time: a test asks one at a time too.
async fn serve(listener: tokio::net::TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        // `half_close`: the end of what the client sends is not the end of what it wants to read.
        let mut http = hyper::server::conn::http1::Builder::new();
        let served = http.half_close(true).serve_connection(TokioIo::new(stream), service_fn(echo));
        // An error is a request that it refuses; the client sees that.
        let _ = served.await;
    }
}

async fn echo(request: hyper::Request<Incoming>) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let echoes = request.uri().path() == "/echo"
        && matches!(*request.method(), hyper::Method::GET | hyper::Method::POST);
    let Ok(body) = request.into_body().collect().await else {
        let refused = hyper::Response::builder().status(400).body(Full::default());
        return Ok(refused.unwrap());
    };
    let mut response = hyper::Response::new(Full::new(if echoes { body.to_bytes() } else { Bytes::new() }));
    if echoes {
        response.headers_mut().insert("x-echo", HeaderValue::from_static("1"));
    }
    Ok(response)
}

fn ask(address: SocketAddr, stream: &[u8], accepts: impl Fn(u16) -> bool) -> Verdict {
    let mut connection = Target::Tcp(address.to_string()).connect();
    connection.send(stream);
    connection.half_close();
    let to_head = stream.trim_ascii_start().starts_with(b"HEAD ");
    let mut accepted: Vec<Accepted> = Vec::new();
    // The first one has no body if it is to HEAD.
    while let Some(answer) =
        connection.try_answer_to(if to_head && accepted.is_empty() { "HEAD" } else { "" })
    {
        match answer.status {
            ..200 => {}
            status if !accepts(status) => return Verdict { accepted, refused: Some(status) },
            _ => accepted.push(Accepted { body: answer.header("x-echo").map(|_| answer.body.clone()) }),
        }
    }
    Verdict { accepted, refused: None }
}
