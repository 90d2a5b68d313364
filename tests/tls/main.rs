//! TLS to Postgres: the real program against a real Postgres that listens on TCP, with certificates that are
//! made here; and to Redis.
#![allow(clippy::unwrap_used)]

use pouco_tools::support;

mod authority;
mod broken;
mod files;
mod modes;
mod redis;
mod server;
mod serving;
