//! A server of your own: `cargo run --release --example hello`, then `curl localhost:8080/hello/ana/3`.

use pouco::http::{Address, Limits, Listener, Method, ParameterError, Router, Server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut router = Router::new();
    router.route(Method::Get, "/hello/{name}/{times}", |request, response| {
        let name: String = request.path_parameter("name")?;
        let times: u8 = request.path_parameter("times")?; // "x" or 256: a 400 that names the field
        response.text(format!("hello {name}\n").repeat(times.into()));
        Ok::<_, ParameterError>(())
    });
    let address: Address = "tcp:127.0.0.1:8080".parse()?;
    let server = Server::start(vec![Listener::bind(&address, 0o660)?], router, Limits::default())?;
    server.wait();
    Ok(())
}
