//! Each API over real sockets and a real Postgres.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod edge;
mod people;
mod search;
mod users;
