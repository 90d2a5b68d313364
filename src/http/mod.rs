//! HTTP/1.1 on `may` sockets, TCP and Unix: the engine.
//!
//! One coroutine per connection reads into its own buffer, parses in place, calls the handler of the matching route
//! and writes all pipelined answers with one system call. RFC 9110 and RFC 9112 are followed to the letter, since
//! nothing stands between this room and an unfriendly client when a replica is exposed.
//!
//! What may not enter: any API, any database, any cache. The engine knows bytes, routes and time-outs.

mod body;
mod buffer;
mod clock;
mod connection;
mod fields;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod listener;
mod metrics;
mod request;
mod response;
mod router;
mod server;
mod status;
pub mod url;

pub use listener::{Address, Listener};
pub use metrics::{Limit, Metrics, Timeout};
pub use request::{Method, Request};
pub use response::Response;
pub use router::{Handler, RouteCount, Router};
pub use server::{Limits, Server};
pub use status::Status;
