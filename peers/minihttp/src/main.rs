//! The people contest with may_minihttp and the postgres crate, in their plainest form. This file only wires.

mod database;
mod person;
mod routes;
mod service;

use std::env;
use std::error::Error;

use may_minihttp::HttpServer;

use crate::database::Database;
use crate::service::People;

/// In words of 8 bytes: 128 KB. The 32 KB of the default are few for the JSON parser and a handler on top of
/// it.
const STACK_WORDS: usize = 16 * 1024;

/// Coroutines that are kept for new connections; nginx keeps 64.
const POOL_COROUTINES: usize = 128;

fn main() -> Result<(), Box<dyn Error>> {
    let listen = variable("LISTEN", "127.0.0.1:9101");
    let url = variable("DATABASE_URL", "host=/run/postgresql user=pouco dbname=pouco");
    let connections = variable("DATABASE_CONNECTIONS", "9");
    let connections = connections
        .parse::<usize>()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| format!("DATABASE_CONNECTIONS={connections}: a number from 1 is allowed"))?;

    // The budget gives this process a fraction of one CPU, and two replicas that each pin their first worker
    // would share one.
    may::config().set_workers(1).set_stack_size(STACK_WORDS).set_pool_capacity(POOL_COROUTINES);
    may::config().set_worker_pin(false);

    let database =
        Database::start(&url, connections).map_err(|error| format!("DATABASE_URL={url}: {error}"))?;
    let server = HttpServer(People::new(database)).start(&listen);
    let server = server.map_err(|error| format!("LISTEN={listen}: {error}"))?;
    server.join().map_err(|_| "the listener panicked".into())
}

fn variable(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
