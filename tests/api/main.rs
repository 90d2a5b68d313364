//! Each API over real sockets and a real Postgres.
#![allow(clippy::unwrap_used)]

use pouco_tools::support;

mod bench;
mod bench_access;
mod bench_cache;
mod bench_reads;
mod bench_writes;
mod docs;
mod edge;
mod openapi;
mod people;
mod search;
mod users;
