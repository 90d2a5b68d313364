//! Postgres: every request is one statement, prepared once a connection.

use std::time::Duration;

use actix_web::http::StatusCode;
use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime, Timeouts};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, NoTls, Row};

use crate::input::{Change, NewProduct, Page, Quantity, Registration, Wanted};
use crate::model::{FromRow, Item, Order, Product, User};
use crate::rejection::Rejection;
use crate::sql;

/// A request waits this long for a connection, and a connection is tried this long. Below the balancer's 60
/// s, so that a late answer is ours.
const WAIT: Duration = Duration::from_secs(50);

/// Between two attempts to reach a database that is not there.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

const NO_PRODUCT: Rejection = Rejection::new(StatusCode::NOT_FOUND, "no such product");
const NO_STOCK: Rejection = Rejection::of_field(StatusCode::NOT_FOUND, "no such product", "product_id");
const SHORT: Rejection = Rejection::of_field(StatusCode::BAD_REQUEST, "there is less in stock", "quantity");
const NO_ORDER: Rejection = Rejection::new(StatusCode::NOT_FOUND, "no such order");
const SOMEBODY_ELSES: Rejection = Rejection::new(StatusCode::FORBIDDEN, "the order is another customer's");

#[derive(Clone)]
pub(crate) struct Database {
    pool: Pool,
}

/// What Postgres refuses for what was asked has an answer of its own; any other error is a 503.
fn refused(error: PoolError) -> Rejection {
    let PoolError::Backend(backend) = &error else { return Rejection::unavailable(error) };
    let Some(said) = backend.as_db_error() else { return Rejection::unavailable(error) };
    match (said.code(), said.constraint()) {
        (&SqlState::UNIQUE_VIOLATION, Some("users_email")) => {
            Rejection::of_field(StatusCode::CONFLICT, "is taken", "email")
        }
        (&SqlState::UNIQUE_VIOLATION, Some("products_sku")) => {
            Rejection::of_field(StatusCode::CONFLICT, "another product has it", "sku")
        }
        (&SqlState::NUMERIC_VALUE_OUT_OF_RANGE, _) => {
            Rejection::new(StatusCode::UNPROCESSABLE_ENTITY, "the number is too large")
        }
        (&SqlState::FOREIGN_KEY_VIOLATION, _) => {
            Rejection::new(StatusCode::UNAUTHORIZED, "the account is gone")
        }
        _ => Rejection::unavailable(error),
    }
}

fn unreadable(error: tokio_postgres::Error) -> Rejection {
    refused(error.into())
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

    /// Makes what is missing, as soon as Postgres is there.
    pub(crate) async fn prepare(&self) {
        while let Err(error) = self.make_schema().await {
            eprintln!("the schema waits for Postgres: {error:?}");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn make_schema(&self) -> Result<(), PoolError> {
        Ok(self.pool.get().await?.batch_execute(sql::SCHEMA).await?)
    }

    async fn rows(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Rejection> {
        let rows = async {
            let client = self.pool.get().await?;
            let statement = client.prepare_cached(sql).await?;
            Ok(client.query(&statement, values).await?)
        };
        rows.await.map_err(refused)
    }

    async fn all<T: FromRow>(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<T>, Rejection> {
        let rows = self.rows(sql, values).await?;
        rows.iter().map(T::from_row).collect::<Result<_, _>>().map_err(unreadable)
    }

    async fn one<T: FromRow>(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
        missing: Rejection,
    ) -> Result<T, Rejection> {
        let rows = self.rows(sql, values).await?;
        T::from_row(rows.first().ok_or(missing)?).map_err(unreadable)
    }

    pub(crate) async fn add_user(&self, new: &Registration, hash: &str) -> Result<User, Rejection> {
        let taken = Rejection::of_field(StatusCode::CONFLICT, "is taken", "email");
        self.one(sql::INSERT_USER, &[&new.email, &hash, &new.full_name], taken).await
    }

    /// Id and hash of the password.
    pub(crate) async fn password(&self, email: &str) -> Result<Option<(i64, String)>, Rejection> {
        let rows = self.rows(sql::PASSWORD, &[&email]).await?;
        let read = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.first().map(read).transpose().map_err(unreadable)
    }

    pub(crate) async fn add_product(&self, owner: i64, new: &NewProduct) -> Result<Product, Rejection> {
        let values: [&(dyn ToSql + Sync); 5] = [&new.name, &new.description, &new.price.0, &new.sku, &owner];
        self.one(sql::INSERT_PRODUCT, &values, NO_PRODUCT).await
    }

    pub(crate) async fn products(&self, page: &Page) -> Result<Vec<Product>, Rejection> {
        self.all(sql::PRODUCTS, &[&page.after, &page.skip, &page.limit]).await
    }

    pub(crate) async fn product(&self, id: i64) -> Result<Product, Rejection> {
        self.one(sql::PRODUCT, &[&id], NO_PRODUCT).await
    }

    pub(crate) async fn change_product(&self, id: i64, change: &Change) -> Result<Product, Rejection> {
        let price = change.price.map(|price| price.0);
        let description = change.description.as_ref().and_then(Option::as_ref);
        let values: [&(dyn ToSql + Sync); 6] =
            [&id, &change.name, &price, &change.sku, &change.description.is_some(), &description];
        self.one(sql::UPDATE_PRODUCT, &values, NO_PRODUCT).await
    }

    pub(crate) async fn archive_product(&self, id: i64) -> Result<Product, Rejection> {
        self.one(sql::ARCHIVE_PRODUCT, &[&id], NO_PRODUCT).await
    }

    pub(crate) async fn stock(&self, page: &Page) -> Result<Vec<Item>, Rejection> {
        self.all(sql::STOCK, &[&page.after, &page.skip, &page.limit]).await
    }

    pub(crate) async fn add_stock(&self, by: &Quantity) -> Result<Item, Rejection> {
        self.one(sql::ADD_STOCK, &[&by.product_id, &by.quantity], NO_STOCK).await
    }

    /// Asks a second time only where nothing was removed: why.
    pub(crate) async fn remove_stock(&self, by: &Quantity) -> Result<Item, Rejection> {
        let removed = self.one(sql::REMOVE_STOCK, &[&by.product_id, &by.quantity], SHORT).await;
        if removed.as_ref().is_err_and(|rejection| *rejection == SHORT) {
            let rows = self.rows(sql::IS_THERE, &[&by.product_id]).await?;
            if !rows[0].try_get::<_, bool>(0).map_err(unreadable)? {
                return Err(NO_STOCK);
            }
        }
        removed
    }

    /// Takes all of the stock and writes the order, in one statement, or does nothing and says why.
    pub(crate) async fn place_order(&self, customer: i64, wanted: &Wanted) -> Result<Order, Rejection> {
        let values: [&(dyn ToSql + Sync); 3] = [&customer, &wanted.products, &wanted.quantities];
        let rows = self.rows(sql::PLACE_ORDER, &values).await?;
        let mut short = None;
        for row in &rows {
            let (product, quantity): (i64, i64) =
                (row.try_get(6).map_err(unreadable)?, row.try_get(8).map_err(unreadable)?);
            match row.try_get::<_, Option<i32>>(10).map_err(unreadable)? {
                None => {
                    let error = format!("there is no product {product}");
                    let missing = Rejection::of_field(StatusCode::NOT_FOUND, "", "items");
                    return Err(Rejection { error: error.into(), ..missing });
                }
                Some(present) if i64::from(present) < quantity && short.is_none() => {
                    let error = format!("product {product} has {present} in stock");
                    let less = Rejection::of_field(StatusCode::BAD_REQUEST, "", "items");
                    short = Some(Rejection { error: error.into(), ..less });
                }
                Some(_) => {}
            }
        }
        if let Some(short) = short {
            return Err(short);
        }
        Order::from_rows(&rows).map_err(unreadable)?.pop().ok_or(NO_ORDER)
    }

    pub(crate) async fn orders(&self, customer: i64, page: &Page) -> Result<Vec<Order>, Rejection> {
        let rows = self.rows(sql::ORDERS, &[&customer, &page.after, &page.skip, &page.limit]).await?;
        Order::from_rows(&rows).map_err(unreadable)
    }

    pub(crate) async fn order(&self, customer: i64, id: i64) -> Result<Order, Rejection> {
        let rows = self.rows(sql::ORDER, &[&id]).await?;
        let order = Order::from_rows(&rows).map_err(unreadable)?.pop().ok_or(NO_ORDER)?;
        if order.customer_id == customer { Ok(order) } else { Err(SOMEBODY_ELSES) }
    }
}
