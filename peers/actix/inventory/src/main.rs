//! The inventory contest with actix-web and deadpool-postgres. This file only wires.

mod accounts;
mod config;
mod database;
mod input;
mod model;
mod money;
mod rejection;
mod routes;
mod sql;

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use actix_web::middleware::NormalizePath;
use actix_web::web::Data;
use actix_web::{App, HttpServer};

use crate::accounts::Accounts;
use crate::config::Config;
use crate::database::Database;

/// Longer than nginx keeps a connection that nobody uses: the other way round a request could meet a closing
/// one.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Connections that wait to be accepted.
const BACKLOG: u32 = 4096;

/// Answers under way get this long at the end.
const SHUTDOWN_SECONDS: u64 = 10;

#[actix_web::main]
async fn main() -> io::Result<()> {
    let config = Config::from_environment().map_err(io::Error::other)?;
    Database::new(&config.database, 1).map_err(io::Error::other)?.prepare().await;
    let accounts = Accounts::new(&config.secret, config.bcrypt_cost).map_err(io::Error::other)?;
    let accounts = Data::new(accounts);
    let listen = config.listen.clone();
    let server = HttpServer::new(move || {
        let config = config.clone();
        // Made in the worker's own thread, where the connections then live: no request waits for another
        // thread's wake-up.
        let database = move || std::future::ready(Database::new(&config.database, config.connections));
        App::new()
            .wrap(NormalizePath::trim())
            .data_factory(database)
            .app_data(accounts.clone())
            .configure(routes::routes)
    })
    // The budget gives this process a part of one CPU.
    .workers(1)
    .backlog(BACKLOG)
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .bind_uds(&listen)?;
    // nginx is in the same group and is another user.
    fs::set_permissions(&listen, Permissions::from_mode(0o660))?;
    server.run().await
}
