//! HTTP/1.1 on `may` sockets, TCP and Unix: the engine.
//!
//! One coroutine per connection reads into its own buffer, parses in place, calls the handler of the matching
//! route and writes all pipelined answers with one system call. RFC 9110 and RFC 9112 are followed to the
//! letter, since nothing stands between this room and an unfriendly client when a replica is exposed.
//!
//! What may not enter: any API, any database, any cache. The engine knows bytes, routes, JSON and timeouts.
//!
//! # A server
//!
//! A [`Router`] of handlers, a [`Listener`] for each [`Address`], [`Limits`], and a [`Server`] that puts them
//! together:
//!
//! ```no_run
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! use pouco::http::{Address, Limits, Listener, Method, Rejection, Router, Server, Status};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Sum {
//!     terms: Vec<i64>,
//! }
//!
//! #[derive(Serialize)]
//! struct Total {
//!     total: i64,
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut router = Router::new();
//!     // curl localhost:8080/square/12
//!     router.route(Method::Get, "/square/{number}", |request, response| {
//!         let number: i32 = request.path_parameter("number")?;
//!         response.text(i64::from(number).pow(2));
//!         Ok::<_, Rejection>(())
//!     });
//!     // curl localhost:8080/sums?limit=100 -d '{"terms":[1,2,3]}'
//!     router.route(Method::Post, "/sums", |request, response| {
//!         let limit: Option<i64> = request.query_parameter("limit")?;
//!         let sum: Sum = request.json()?;
//!         let total = sum.terms.iter().fold(0_i64, |total, term| total.saturating_add(*term));
//!         if limit.is_some_and(|limit| total > limit) {
//!             return Err(Rejection::of_field(Status::UnprocessableContent, "add up to too much", "terms"));
//!         }
//!         response.json_of(&Total { total });
//!         Ok(())
//!     });
//!     // curl localhost:8080/hits
//!     let hits = AtomicU64::new(0);
//!     router.route(Method::Get, "/hits", move |_, response| {
//!         response.text(hits.fetch_add(1, Ordering::Relaxed) + 1);
//!     });
//!     let address: Address = "tcp:127.0.0.1:8080".parse()?;
//!     let server = Server::start(vec![Listener::bind(&address, 0o660)?], router, Limits::default())?;
//!     server.wait();
//!     Ok(())
//! }
//! ```
//!
//! `examples/entry.rs` is a whole small application: creation, lookup, search, and an orderly end.
//!
//! # Routes and parameters
//!
//! [`Router::route`] takes a method, a template and a handler. What a handler sees of the [`Request`] lies in
//! the connection's buffer; it is parsed when it is asked for.
//!
//! | in the template or the query | asked for with | gives |
//! |---|---|---|
//! | `/users/{id}` | [`path_parameter::<u64>("id")`](RequestHead::path_parameter) | the value, or a 400 |
//! | `/files/{*rest}` | [`path_parameter::<String>("rest")`](RequestHead::path_parameter) | the rest of the path, decoded |
//! | either | [`raw_path_parameter("rest")`](RequestHead::raw_path_parameter) | the same as it was sent |
//! | `?limit=10` | [`query_parameter::<u16>("limit")`](RequestHead::query_parameter) | `None` if it is absent, the value, or a 400 |
//! | `?tag=a&tag=b` | [`query_parameters::<String>("tag")`](RequestHead::query_parameters) | each value, or a 400 |
//! | `?t=ana` | [`query_text("t")`](RequestHead::query_text) | the decoded text, borrowed where it can be |
//!
//! Any type with [`FromStr`](std::str::FromStr) will do, those of an application too. In a query `+` is a
//! blank, in a path it is not. What is to be looked at by other rules is there as it was sent:
//! [`path`](RequestHead::path), [`query`](RequestHead::query), [`header`](RequestHead::header) and
//! [`header_lines`](RequestHead::header_lines) for the first and for all lines of a name,
//! [`headers`](RequestHead::headers) for all of them, [`Request::body`]. The host that a request is meant for
//! is its [`authority`](RequestHead::authority), and who sent it its [`client`](RequestHead::client), by the
//! word of [`TrustedHops`] where there are some.
//!
//! HEAD is answered by the route of GET, without the body. A path without any route is a 404, a method
//! without a route a 405 with `Allow`, and OPTIONS is answered from the table of routes.
//!
//! # The routes of an API
//!
//! [`Router::scope`] is for the routes of one API: it has a name, and a state that its handlers share. They
//! are functions of the state, the request and the response. [`Scope::nest`] puts routes below a prefix,
//! [`Scope::slash`] says whether `/things/` is `/things`, and [`Scope::guard`] puts a guard before handlers:
//! a function of the state and the [`RequestHead`] that runs before the body is read or asked for. Its result
//! goes to the handler, its error is the answer, and then no body is asked for:
//!
//! ```
//! use std::sync::Arc;
//!
//! use pouco::http::{Method, Rejection, Request, RequestHead, Response, Router, Slash, Status};
//!
//! struct Notes {
//!     token: String,
//! }
//!
//! /// Who sent a request; what the guard hands over.
//! struct Author(&'static str);
//!
//! impl Notes {
//!     fn author(&self, head: &RequestHead<'_>) -> Result<Author, Rejection> {
//!         let token = head.header("authorization").and_then(|value| value.strip_prefix(b"Bearer "));
//!         match token {
//!             Some(token) if token == self.token.as_bytes() => Ok(Author("ana")),
//!             _ => Err(Rejection::new(Status::Unauthorized, "who are you?")),
//!         }
//!     }
//!
//!     fn list(&self, _: &mut Request<'_>, response: &mut Response<'_>) {
//!         response.json(b"[]");
//!     }
//!
//!     fn put(&self, author: &Author, request: &mut Request<'_>, response: &mut Response<'_>) {
//!         response.text(format_args!("{} wrote {} bytes", author.0, request.body().len()));
//!     }
//! }
//!
//! let mut router = Router::new();
//! let mut scope = router.scope("notes", Arc::new(Notes { token: "secret".into() }));
//! let mut notes = scope.nest("/api/v1");
//! notes.slash(Slash::Either).route(Method::Get, "/notes", Notes::list);
//! notes.guard(Notes::author).route(Method::Put, "/notes/{id}", Notes::put);
//! assert_eq!(router.check(), Ok(()));
//! ```
//!
//! Two routes of one method and path clash. [`Router::check`] and [`Server::start`] say so with both of them
//! and the names of their scopes ([`RouteError`]).
//!
//! # Answers
//!
//! A handler sets status and header fields of the [`Response`], and ends it with one of
//! [`Response::json_of`], [`Response::json`], [`Response::text`], [`Response::body`],
//! [`Response::body_with`], [`Response::stream`] or [`Response::empty`]. It returns `()`, or a
//! `Result<(), E>` whose error writes the answer in its place ([`IntoAnswer`]), so that `?` works. All errors
//! of the engine turn into a [`Rejection`], which is `{"error":"…","field":"…"}` with a status:
//!
//! | error | status | body |
//! |---|---|---|
//! | [`ParameterError`] | 400 | `{"error":"is malformed","field":"limit"}` |
//! | [`JsonError`] of [`Request::json`] | 400 | ``{"error":"the body has another form: missing field `terms`"}`` |
//! | [`JsonError`] of [`Request::valid_json`] | 422 | `{"error":"is missing","field":"lines[1].price"}` |
//! | [`Rejection`] | its own | its own, with `Retry-After` if it is to be tried again |
//!
//! # JSON
//!
//! [`Request::json`] parses the body in place into any type with `Deserialize`; its texts may be borrowed
//! from the body, which is scratch afterwards. [`Request::valid_json`] does so too, and names the member that
//! is wrong: for APIs that tell invalid bodies (422) from malformed ones (400). Nesting is bounded by
//! [`JSON_DEPTH`](crate::limits::JSON_DEPTH) before anything recurses. [`Response::json_of`] writes any type
//! with `Serialize` straight into the output; what cannot be written is a 500, and the client never sees a
//! part of it. Both are for the traits of `serde` 1, which an application names in its own manifest, with the
//! feature `derive`.
//!
//! # Conditional requests
//!
//! [`RequestHead::precondition`] holds `If-Match`, `If-None-Match`, `If-Modified-Since` and
//! `If-Unmodified-Since` against the [`Validators`] of what is there now, in the order of RFC 9110 section
//! 13.2.2. Its error is a 304 or a 412; [`Response::validators`] sends `ETag` and `Last-Modified`.
//!
//! # Large bodies
//!
//! [`Router::route_stream`] adds a route whose handler reads the body itself from a [`BodyReader`], up to a
//! bound of the route's own; [`Response::stream`] writes an answer of any size piece by piece. Neither holds
//! more than a piece, and a slow client parks its own coroutine only:
//!
//! ```no_run
//! # use std::io::{self, Read};
//! # use pouco::http::{Method, Router};
//! # let mut router = Router::new();
//! // curl -T big.iso localhost:8080/lines
//! router.route_stream(Method::Put, "/lines", 1 << 30, |_, body, response| {
//!     let (mut piece, mut lines) = (vec![0; 8 * 1024], 0);
//!     loop {
//!         // What cannot be read is answered by the engine: 408, 400 or 413.
//!         let count = body.read(&mut piece)?;
//!         if count == 0 {
//!             break;
//!         }
//!         lines += piece[..count].iter().filter(|byte| **byte == b'\n').count();
//!     }
//!     response.text(lines);
//!     Ok::<_, io::Error>(())
//! });
//! router.route(Method::Get, "/zeros", |_, response| {
//!     response.stream("application/octet-stream", Some(1 << 30), |out| {
//!         io::copy(&mut io::repeat(0).take(1 << 30), out).map(drop)
//!     });
//! });
//! ```
//!
//! # What a handler may do
//!
//! It runs on the coroutine of its connection. It may park (`may::sync`) or [`sleep`]: others are served
//! meanwhile. What computes for more than a fraction of a millisecond takes [`Turns`] between slices of its
//! work; `may::coroutine::yield_now` is not enough, since the worker looks at its sockets only when nobody is
//! left to run. It must not block the thread: what blocks is for [`Aside`](crate::waiting::aside::Aside),
//! which has threads for it. A lock of `std` is fine where it is held for microseconds and never over a wait.
//!
//! The stack is small ([`COROUTINE_STACK_BYTES`](crate::limits::COROUTINE_STACK_BYTES)), and a guard page
//! behind it ends the process: large things and deep recursion belong elsewhere. One thread runs all
//! coroutines ([`configure_coroutines`]); coroutines of your own that begin before the server need that call
//! first.
//!
//! # Limits
//!
//! Everything has a bound ([`Limits`]); its default is in [`crate::limits`]. What a client sees of one:
//!
//! | past | the client gets |
//! |---|---|
//! | [`head_bytes`](Limits::head_bytes) | 431, or 414 if the target alone is too long |
//! | [`body_bytes`](Limits::body_bytes) | 413, before the body is read |
//! | [`head_timeout_ms`](Limits::head_timeout_ms), [`body_timeout_ms`](Limits::body_timeout_ms) | 408 |
//! | [`idle_timeout_ms`](Limits::idle_timeout_ms), [`write_timeout_ms`](Limits::write_timeout_ms) | a close |
//! | [`connections`](Limits::connections) | 503 with `Retry-After`, and a close; an idle one leaves before that |
//! | [`connections_per_address`](Limits::connections_per_address) | the same with 429 |
//! | [`requests_per_second_per_address`](Limits::requests_per_second_per_address) | 429 with `Retry-After` |
//! | [`request_bytes`](Limits::request_bytes) | 503 with `Retry-After`, and a close |
//! | [`answer_bytes`](Limits::answer_bytes) | 503 with `Retry-After`, and no close; 500 [below](#large-answers) |
//! | [`min_bytes_per_s`](Limits::min_bytes_per_s) and [`rate_grace_ms`](Limits::rate_grace_ms) | 408 for a streamed body, a cut answer |
//! | [`stream_timeout_ms`](Limits::stream_timeout_ms), without a length | 408 for a streamed body, a cut answer |
//! | [`requests_per_connection`](Limits::requests_per_connection) | its answer, with `Connection: close` |
//!
//! # Large answers
//!
//! An answer is made in memory as a whole, unless it is streamed, and stays there until its client has taken
//! it; what has left is given back meanwhile. All of them together have
//! [`answer_bytes`](Limits::answer_bytes) past a first buffer each. An answer that finds no room is dropped,
//! and a 503 takes its place. That would be wrong of a request that has changed something, so an eighth of
//! the room is for those alone (POST, PUT, PATCH, DELETE); where that is full too they get a 500, which does
//! not say that nothing was done. So does an answer that is larger than all of the room, since to come back
//! would not help: it has to be streamed, or the room made larger. What fits a buffer of the first size
//! always finds room.
//!
//! A client that takes its answer at less than [`min_bytes_per_s`](Limits::min_bytes_per_s) is cut, so an
//! answer of N bytes waits for it for [`rate_grace_ms`](Limits::rate_grace_ms) and N / rate at most. The time
//! in which a handler makes a streamed answer is its own and does not count. While more than half of the room
//! is taken, more is asked of those who hold it: up to eight times the rate, and an eighth of the grace.
//!
//! # Errors
//!
//! A request that breaks a rule of HTTP is answered with the status that RFC 9110 names, `{"error":"…"}` and
//! `Connection: close`; no handler sees it, since its framing is not to be trusted. A handler that panics or
//! writes no answer is a 500, a line in the log and the end of that connection; what it had begun to write is
//! dropped, and the process goes on. [`Server::metrics`] counts all of this, [`Router::counts`] the answers
//! of each route by status, and [`Router::seconds`] how long they took.
//!
//! # The end
//!
//! [`Server::shutdown`] stops accepting, lets the requests that have begun finish, says `Connection: close`
//! with their answers and waits for them up to a grace period. Nothing listens to signals by itself. In a
//! test, on any free port:
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//! use std::time::Duration;
//!
//! use pouco::http::{Address, Limits, Listener, Method, Router, Server};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut router = Router::new();
//! router.route(Method::Get, "/ping", |_, response| response.text("pong"));
//! let listener = Listener::bind(&"tcp:127.0.0.1:0".parse()?, 0o660)?;
//! let Address::Tcp(host_port) = listener.address().clone() else { unreachable!("a TCP address") };
//! let server = Server::start(vec![listener], router, Limits::default())?;
//!
//! let mut client = TcpStream::connect(host_port)?;
//! client.write_all(b"GET /ping HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer)?;
//! assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\npong"), "{answer}");
//!
//! assert!(server.shutdown(Duration::from_secs(10)), "every request has ended");
//! # Ok(())
//! # }
//! ```

#[cfg(any(feature = "fuzzing", debug_assertions))]
#[doc(hidden)]
pub mod fuzzing;
mod message;
mod route;
mod serve;

pub use message::client::{Network, TrustedHops};
pub use message::conditional::{EntityTag, Precondition, Validators};
pub(crate) use message::json;
pub use message::json::JsonError;
pub use message::parameter::ParameterError;
pub use message::reader::BodyReader;
pub use message::rejection::{IntoAnswer, Rejection};
pub use message::request::{Method, Request};
pub use message::request_head::{Remote, RequestHead};
pub use message::response::{RETRY_AFTER_S, Response};
pub use message::status::Status;
pub use message::url;
pub use message::writer::BodyWriter;
pub use route::error::{RouteError, RouteName};
pub use route::guard::Guard;
pub use route::metrics::{Limit, Metrics, Timeout};
pub use route::router::{RouteCount, RouteSeconds, RouteTotal, Router, Tally};
pub use route::scope::{APP, GuardedScope, Scope, Slash};
pub use serve::listener::{Address, AddressError, BACKLOG, Listener};
pub use serve::report::{Access, Details, Reporting};
pub use serve::server::{Limits, Server};

pub use crate::waiting::turn::{Turn, Turns};
pub use crate::waiting::{configure_coroutines, sleep, sleep_until};
