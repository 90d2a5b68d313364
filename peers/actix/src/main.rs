//! The people contest with actix-web, Redis, a queue in memory and deadpool-postgres. This file only wires.

mod cache;
mod config;
mod database;
mod person;
mod queue;
mod rejection;
mod routes;

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use actix_web::{HttpServer, rt};
use tokio::sync::{mpsc, oneshot};

use crate::cache::Cache;
use crate::config::Config;
use crate::database::Database;
use crate::queue::Writer;
use crate::routes::App;

/// Longer than nginx keeps a connection that nobody uses: the other way round a request could meet a closing
/// one.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Answers under way get this long at the end.
const SHUTDOWN_SECONDS: u64 = 10;

#[actix_web::main]
async fn main() -> io::Result<()> {
    let config = Config::from_environment().map_err(io::Error::other)?;
    // The writer's own connections: it runs on this thread, and the requests on the worker's.
    let database = Database::new(&config.database, 1).map_err(io::Error::other)?;
    let cache = Cache::new(&config.redis).map_err(io::Error::other)?;
    database.prepare().await;

    let (queue, entries) = mpsc::channel(queue::CAPACITY);
    let writer = Writer { entries, database, cache, acknowledge: config.acknowledge };
    let (stop, stopped) = oneshot::channel();
    let writer = rt::spawn(writer.run(stopped));

    serve(&config, queue).await?;

    // Nobody asks any more. What was acknowledged and waits is written before the end.
    let _ = stop.send(());
    writer.await.map_err(io::Error::other)
}

/// Serves until SIGTERM or SIGINT.
async fn serve(config: &Config, queue: mpsc::Sender<queue::Entry>) -> io::Result<()> {
    let settings = config.clone();
    let server = HttpServer::new(move || {
        let (settings, queue) = (settings.clone(), queue.clone());
        // Made in the worker's own thread, where the connections then live: no request waits for another
        // thread's wake-up.
        let app = move || std::future::ready(App::new(&settings, queue.clone()));
        actix_web::App::new().data_factory(app).configure(routes::routes)
    })
    // The budget gives this process a fraction of one CPU.
    .workers(1)
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .bind_uds(&config.listen)?;
    // nginx is in the same group and is another user.
    fs::set_permissions(&config.listen, Permissions::from_mode(0o660))?;
    server.run().await
}
