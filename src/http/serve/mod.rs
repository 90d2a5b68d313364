//! The server: listeners, connections, timeouts, the drain. It knows messages and routes; neither knows it.
//!
//! What may not enter: what a head or a body means, which handler is called.

pub(in crate::http) mod answering;
mod backlog;
pub(in crate::http) mod call;
pub(in crate::http) mod clock;
pub(in crate::http) mod connection;
mod exposition;
pub(in crate::http) mod listener;
mod proxy;
mod rates;
pub(in crate::http) mod registry;
pub(in crate::http) mod report;
pub(in crate::http) mod server;
pub(in crate::http) mod wire;
