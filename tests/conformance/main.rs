//! Conformance with RFC 9110, RFC 9112 and their neighbours: raw bytes in, statuses and the fate of the
//! connection out.
//!
//! Each case is a line of a table and a test of its own, named by the section that it comes from, and runs on
//! TCP and on a Unix socket. Behind every request that must end its connection comes one more, which must
//! never be executed.
#![allow(clippy::unwrap_used)]

use pouco_tools::support::{client, engine};

#[macro_use]
mod case;
mod server;

mod answers;
mod chunked;
mod codings;
mod connection;
mod dashboard;
mod fields;
mod hosts;
mod lengths;
mod limits;
mod methods;
mod request_line;
mod smuggling;
mod targets;
mod upgrades;
mod versions;

/// The rows that each table covers, and how many cases it has.
const TABLES: &[(&[&str], usize)] = &[
    answers::TABLE,
    chunked::TABLE,
    codings::TABLE,
    connection::TABLE,
    fields::TABLE,
    hosts::TABLE,
    lengths::TABLE,
    limits::TABLE,
    methods::TABLE,
    request_line::TABLE,
    smuggling::TABLE,
    targets::TABLE,
    upgrades::TABLE,
    versions::TABLE,
];
