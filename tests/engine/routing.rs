//! Scopes: one state for all handlers of an API, prefixes, slashes at the end, and clashes found at the
//! start.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::Engine;
use pouco::http::{
    Limits, Method, Rejection, Remote, Request, Response, RouteError, Router, Server, Slash, Status,
};

#[derive(Default)]
struct Shelf {
    books: AtomicU64,
}

impl Shelf {
    fn add(&self, _: &mut Request<'_>, response: &mut Response<'_>) {
        self.books.fetch_add(1, Ordering::Relaxed);
        response.status(Status::Created).empty();
    }

    fn count(&self, _: &mut Request<'_>, response: &mut Response<'_>) {
        response.text(self.books.load(Ordering::Relaxed));
    }

    fn book(&self, request: &mut Request<'_>, response: &mut Response<'_>) -> Result<(), Rejection> {
        let id: u64 = request.path_parameter("id")?;
        if id >= self.books.load(Ordering::Relaxed) {
            return Err(Rejection::new(Status::NotFound, "no such book"));
        }
        response.text(id);
        Ok(())
    }
}

fn shelf(router: &mut Router, name: &'static str, prefix: &str, slash: Slash) {
    let mut scope = router.scope(name, Arc::new(Shelf::default()));
    scope
        .nest(prefix)
        .slash(slash)
        .route(Method::Get, "", |_, _, response| response.text("the prefix"))
        .route(Method::Post, "/books", Shelf::add)
        .route(Method::Get, "/books", Shelf::count)
        .route(Method::Get, "/books/{id}", Shelf::book)
        .route(Method::Get, "/files/{*rest}", |_, request, response| {
            response.text(request.raw_path_parameter("rest"));
        });
}

#[test]
fn handlers_of_one_scope_share_its_state_and_no_others() {
    let mut router = Router::new();
    shelf(&mut router, "one", "/one", Slash::Exact);
    shelf(&mut router, "two", "/api/v1/two", Slash::Exact);
    let engine = Engine::start(router, Limits::default());
    let target = &engine.targets[0];
    assert_eq!(target.post("/one/books", "").status, 201);
    assert_eq!(target.get("/one/books").text(), "1");
    assert_eq!(target.get("/one/books/0").text(), "0");
    assert_eq!(target.get("/api/v1/two/books").text(), "0");
    assert_eq!(target.get("/api/v1/two/books/0").status, 404);
    assert_eq!(target.get("/api/v1/two").text(), "the prefix");
    assert_eq!(target.get("/books").status, 404);
    let counts: Vec<_> = engine.server.router().counts().map(|count| (count.route, count.count)).collect();
    assert!(counts.contains(&("/one/books/{id}", 1)), "counted with the prefix: {counts:?}");
}

#[test]
fn a_slash_at_the_end_is_another_path_unless_the_scope_says_otherwise() {
    let mut router = Router::new();
    shelf(&mut router, "exact", "/exact", Slash::Exact);
    shelf(&mut router, "either", "/either", Slash::Either);
    let engine = Engine::start(router, Limits::default());
    for target in &engine.targets {
        let mut connection = target.connect();
        let mut status = |method: &str, path: &str| connection.request(method, path, "").status;
        assert_eq!((status("GET", "/exact/books"), status("GET", "/exact/books/")), (200, 404));
        assert_eq!((status("GET", "/exact"), status("GET", "/exact/")), (200, 404));
        assert_eq!((status("GET", "/either/books"), status("GET", "/either/books/")), (200, 200));
        assert_eq!((status("GET", "/either"), status("GET", "/either/?a")), (200, 200));
        assert_eq!((status("POST", "/either/books/"), status("GET", "/either/books/0/")), (201, 200));
        assert_eq!(status("GET", "/either/books//"), 404, "one slash and no more");
        assert_eq!(connection.request("GET", "/either/files/a/", "").text(), "a/");
        let refused = connection.request("PUT", "/either/books/", "");
        assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD, POST, OPTIONS")));
    }
    let counts = engine.server.router().counts();
    let lists = counts.filter(|count| count.route == "/either/books" && count.method == "GET");
    assert_eq!(lists.map(|count| count.count).sum::<u64>(), 4, "both are one route");
}

#[test]
fn a_clash_of_routes_is_found_at_the_start() {
    let mut router = Router::new();
    shelf(&mut router, "one", "/shelf", Slash::Exact);
    shelf(&mut router, "two", "/shelf", Slash::Exact);
    let Err(error) = Server::start(Vec::new(), router, Limits::default()) else { panic!("it was started") };
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "the route GET /shelf of two clashes with GET /shelf of one");
    let typed = error.get_ref().and_then(|error| error.downcast_ref::<RouteError>());
    let Some(RouteError::Clash { first, second }) = typed else { panic!("{typed:?}") };
    assert_eq!((first.scope, second.scope), ("one", "two"));
}

fn see(router: &mut Router) {
    router.route(Method::Get, "/seen", |request, response| {
        let remote = match request.remote() {
            Remote::Unix => "unix",
            Remote::Tcp(address) if address.ip().is_loopback() => "loopback",
            Remote::Tcp(_) | Remote::Unknown => "elsewhere",
        };
        let tags: Vec<_> = request.header_lines("x-tag").map(String::from_utf8_lossy).collect();
        let names: Vec<_> = request.headers().map(|(name, _)| name).collect();
        let authority = request.authority();
        response.text(format_args!("{remote} {authority:?} {tags:?} {names:?}"));
    });
}

#[test]
fn a_handler_sees_the_whole_head() {
    let mut router = Router::new();
    see(&mut router);
    let engine = Engine::start(router, Limits::default());
    for (target, remote) in engine.targets.iter().zip(["loopback", "unix"]) {
        let mut connection = target.connect();
        let fields = "Host: one\r\nX-Tag: a\r\nOther: b\r\nx-tag: c";
        connection.send(format!("GET /seen HTTP/1.1\r\n{fields}\r\n\r\n"));
        let expected =
            format!("{remote} Some(\"one\") [\"a\", \"c\"] [\"Host\", \"X-Tag\", \"Other\", \"x-tag\"]");
        assert_eq!(connection.answer().text(), expected);
        connection.send("GET http://two:81/seen HTTP/1.1\r\nHost: one\r\n\r\n");
        assert_eq!(connection.answer().text(), format!("{remote} Some(\"two:81\") [] [\"Host\"]"));
    }
}
