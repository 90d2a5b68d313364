//! The users contest with actix-web and deadpool-postgres. This file only wires.

mod config;
mod database;
mod rejection;
mod routes;
mod user;

use std::io;
use std::time::Duration;

use actix_web::{App, HttpServer, rt};

use crate::config::Config;
use crate::database::Database;

/// Of a connection that nobody uses.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Connections that wait to be accepted.
const BACKLOG: u32 = 4096;

/// Answers under way get this long at the end.
const SHUTDOWN_SECONDS: u64 = 10;

#[actix_web::main]
async fn main() -> io::Result<()> {
    let config = Config::from_environment().map_err(io::Error::other)?;
    let (listen, workers) = (config.listen.clone(), config.workers);
    let server = HttpServer::new(move || {
        let config = config.clone();
        // Made in the worker's own thread, where the connections then live: no request waits for another
        // thread's wake-up.
        let database = move || {
            let config = config.clone();
            async move {
                let database = Database::new(&config.database, config.pool_most())?;
                rt::spawn(database.clone().warm_up(config.pool_least()));
                Ok::<_, String>(database)
            }
        };
        App::new().data_factory(database).configure(routes::routes)
    });
    server
        .workers(workers)
        .backlog(BACKLOG)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .bind(listen)?
        .run()
        .await
}
