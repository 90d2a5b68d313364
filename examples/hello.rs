//! A server of your own: `cargo run --release --example hello`, then `curl localhost:8080/hello/ana`.

use pouco::http::{Address, Limits, Listener, Method, Router, Server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut router = Router::new();
    router.route(Method::Get, "/hello/{name}", |request, response| {
        response.text(format_args!("hello {}\n", request.parameter()));
    });
    let address: Address = "tcp:127.0.0.1:8080".parse()?;
    let server = Server::start(vec![Listener::bind(&address, 0o660)?], router, Limits::default())?;
    server.wait();
    Ok(())
}
