//! Postgres: the statements, each prepared once a connection.

use std::time::Duration;

use deadpool_postgres::{
    Client, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, NoTls};
use uuid::Uuid;

use crate::user::{Page, User};

const FETCH: &str =
    "SELECT id, email, full_name, age, country_code, is_active, created_at FROM users WHERE id = $1";

const PAGE: &str = "SELECT id, email, full_name, age, country_code, is_active, created_at
    FROM users ORDER BY id LIMIT $1 OFFSET $2";

const TOTAL: &str = "SELECT count(*) FROM users";

/// A request waits this long for a connection, and a connection is tried this long.
const WAIT: Duration = Duration::from_secs(30);

/// Between two attempts to reach a database that is not there.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

#[derive(Clone)]
pub(crate) struct Database {
    pool: Pool,
}

impl Database {
    pub(crate) fn new(config: &Config, connections: usize) -> Result<Self, String> {
        // Fast: a connection is known to be closed without a question to Postgres before each use.
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config.clone(), NoTls, manager_config);
        let timeouts = Timeouts { wait: Some(WAIT), create: Some(WAIT), recycle: Some(WAIT) };
        let pool =
            Pool::builder(manager).max_size(connections).timeouts(timeouts).runtime(Runtime::Tokio1).build();
        Ok(Self { pool: pool.map_err(|error| format!("the pool of connections: {error}"))? })
    }

    /// Opens `connections`, as soon as Postgres is there. The pool closes none that works, so they stay.
    pub(crate) async fn warm_up(self, connections: usize) {
        let mut open = Vec::with_capacity(connections);
        while open.len() < connections {
            match self.client().await {
                Ok(client) => open.push(client),
                Err(error) => {
                    eprintln!("the connections wait for Postgres: {error:?}");
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    pub(crate) async fn fetch(&self, id: Uuid) -> Result<Option<User>, PoolError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(FETCH).await?;
        let row = client.query_opt(&statement, &[&id]).await?;
        Ok(row.as_ref().map(User::from_row).transpose()?)
    }

    pub(crate) async fn page(&self, limit: i64, offset: i64) -> Result<Page, PoolError> {
        let client = self.client().await?;
        let page = client.prepare_cached(PAGE).await?;
        let total = client.prepare_cached(TOTAL).await?;
        // Asked at once, both go to Postgres in one message, and the answers come back in one.
        let bounds: [&(dyn ToSql + Sync); 2] = [&limit, &offset];
        let (rows, total) = tokio::try_join!(client.query(&page, &bounds), client.query_one(&total, &[]))?;
        let items = rows.iter().map(User::from_row).collect::<Result<_, _>>()?;
        Ok(Page { items, limit, offset, total: total.try_get(0)? })
    }

    async fn client(&self) -> Result<Client, PoolError> {
        self.pool.get().await
    }
}
