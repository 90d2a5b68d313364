//! A message, read and written: heads, fields, bodies, targets, statuses, JSON, and the errors that become an
//! answer.
//!
//! What may not enter: routes, sockets, timeouts, the server. Where a message meets its socket stand two
//! traits: [`writer::Sink`] takes the pieces of an answer, [`reader::Source`] brings those of a body.

pub(in crate::http) mod body;
pub(in crate::http) mod buffer;
pub(in crate::http) mod client;
pub(in crate::http) mod conditional;
pub(in crate::http) mod date;
pub(in crate::http) mod fields;
pub(in crate::http) mod head;
pub(crate) mod json;
pub(in crate::http) mod parameter;
pub(in crate::http) mod parked;
pub(in crate::http) mod reader;
pub(in crate::http) mod rejection;
pub(in crate::http) mod request;
pub(in crate::http) mod request_head;
pub(in crate::http) mod response;
pub(in crate::http) mod scan;
pub(in crate::http) mod status;
pub mod url;
pub(in crate::http) mod writer;
