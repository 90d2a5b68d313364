//! From a request to its handler: the table of routes, guards, and what is counted and timed by route.
//!
//! What may not enter: sockets, the server.

pub(in crate::http) mod error;
pub(in crate::http) mod guard;
pub(in crate::http) mod latency;
pub(in crate::http) mod metrics;
pub(in crate::http) mod router;
pub(in crate::http) mod scope;
