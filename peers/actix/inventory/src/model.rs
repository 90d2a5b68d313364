//! What is answered, from the rows of Postgres. Columns are in the order of the fields.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::{Error, Row};

use crate::money::Cents;

#[derive(Debug, Serialize)]
pub(crate) struct User {
    id: i64,
    email: String,
    full_name: String,
    is_active: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Product {
    id: i64,
    name: String,
    description: Option<String>,
    price: Cents,
    sku: String,
    owner_id: i64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Item {
    id: i64,
    product_id: i64,
    quantity: i32,
    last_updated: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) customer_id: i64,
    pub(crate) status: String,
    pub(crate) total_amount: Cents,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) items: Vec<Line>,
}

/// So much of a product, called and priced as it was then.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    /// Within the order, from 1 on.
    id: usize,
    order_id: i64,
    pub(crate) product_id: i64,
    name: String,
    quantity: i64,
    unit_price: Cents,
}

/// Something that a row holds.
pub(crate) trait FromRow: Sized {
    fn from_row(row: &Row) -> Result<Self, Error>;
}

impl FromRow for User {
    fn from_row(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.try_get(0)?,
            email: row.try_get(1)?,
            full_name: row.try_get(2)?,
            is_active: row.try_get(3)?,
        })
    }
}

impl FromRow for Product {
    fn from_row(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.try_get(0)?,
            name: row.try_get(1)?,
            description: row.try_get(2)?,
            price: Cents(row.try_get(3)?),
            sku: row.try_get(4)?,
            owner_id: row.try_get(5)?,
        })
    }
}

impl FromRow for Item {
    fn from_row(row: &Row) -> Result<Self, Error> {
        let product_id = row.try_get(0)?;
        Ok(Self { id: product_id, product_id, quantity: row.try_get(1)?, last_updated: row.try_get(2)? })
    }
}

impl Order {
    /// Orders from rows that have a line each, in the order of the orders.
    pub(crate) fn from_rows(rows: &[Row]) -> Result<Vec<Self>, Error> {
        let mut orders: Vec<Self> = Vec::new();
        for row in rows {
            let id = row.try_get(0)?;
            if orders.last().is_none_or(|order| order.id != id) {
                orders.push(Self {
                    id,
                    customer_id: row.try_get(1)?,
                    status: row.try_get(2)?,
                    total_amount: Cents(row.try_get(3)?),
                    created_at: row.try_get(4)?,
                    updated_at: row.try_get(5)?,
                    items: Vec::new(),
                });
            }
            if let Some(Self { items, .. }) = orders.last_mut() {
                items.push(Line {
                    id: items.len() + 1,
                    order_id: id,
                    product_id: row.try_get(6)?,
                    name: row.try_get(7)?,
                    quantity: row.try_get(8)?,
                    unit_price: Cents(row.try_get(9)?),
                });
            }
        }
        Ok(orders)
    }
}
