//! The statements of products.

use postgres::Row;
use uuid::Uuid;

use super::super::money::Cents;
use super::super::paging::{Page, page};
use super::{Change, NewProduct, Product};
use crate::cache::Body;
use crate::store::{Session, Transaction, Undo};

macro_rules! columns {
    () => {
        "id, name, description, price_cents, sku, owner_id"
    };
}

/// One statement, so that there is no product without its stock.
const INSERT: &str = concat!(
    "WITH product AS (
         INSERT INTO inventory.products (request, owner_id, sku, name, description, price_cents)
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING ",
    columns!(),
    "), stock AS (INSERT INTO inventory.stock (product_id, quantity) SELECT id, 0 FROM product)
     SELECT ",
    columns!(),
    " FROM product"
);

const OF_REQUEST: &str = concat!("SELECT ", columns!(), " FROM inventory.products WHERE request = $1");

const OF_IDS: &str =
    concat!("SELECT ", columns!(), " FROM inventory.products WHERE id = ANY($1) AND archived_at IS NULL");

const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM inventory.products WHERE archived_at IS NULL AND id > ",
    page!("id")
);

/// What is null stays as it is; the description has a flag, since null is a description too.
const UPDATE: &str = concat!(
    "UPDATE inventory.products
     SET name = coalesce($2, name), sku = coalesce($3, sku), price_cents = coalesce($4, price_cents),
         description = CASE WHEN $5 THEN $6 ELSE description END
     WHERE id = $1 AND archived_at IS NULL RETURNING ",
    columns!()
);

/// The stock's row goes first: a transaction that takes stock holds it, and finds no archived product after
/// it.
const ARCHIVE: &str = concat!(
    "WITH gone AS (DELETE FROM inventory.stock WHERE product_id = $1 RETURNING product_id)
     UPDATE inventory.products SET archived_at = now() FROM gone
     WHERE id = gone.product_id AND archived_at IS NULL RETURNING ",
    columns!()
);

const ARCHIVED: &str =
    concat!("SELECT ", columns!(), " FROM inventory.products WHERE id = $1 AND archived_at IS NOT NULL");

fn body(row: &Row) -> Result<Body, postgres::Error> {
    let mut out = Vec::with_capacity(160);
    product(row)?.write(&mut out);
    Ok(out.into())
}

fn product(row: &Row) -> Result<Product<'_>, postgres::Error> {
    Ok(Product {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        description: row.try_get(2)?,
        price: Cents(row.try_get(3)?),
        sku: row.try_get(4)?,
        owner: row.try_get(5)?,
    })
}

fn only(rows: &[Row]) -> Result<Option<Body>, postgres::Error> {
    rows.first().map(body).transpose()
}

pub(super) fn insert<E>(
    transaction: &mut Transaction<'_>,
    request: Uuid,
    owner: i64,
    new: &NewProduct,
) -> Result<Option<Body>, Undo<E>> {
    let (sku, name, description) = (&*new.sku, &*new.name, new.description.as_deref());
    let rows = transaction.query_last(INSERT, &[&request, &owner, sku, name, &description, &new.price.0])?;
    Ok(only(&rows)?)
}

pub(super) fn of_request(session: &mut Session, request: Uuid) -> Result<Option<Body>, postgres::Error> {
    only(&session.query(OF_REQUEST, &[&request])?)
}

/// The products that are offered, as they are answered.
pub(in crate::api::inventory) fn of_ids(
    session: &mut Session,
    ids: &[i64],
) -> Result<Vec<(i64, Body)>, postgres::Error> {
    let rows = session.query(OF_IDS, &[&ids])?;
    rows.iter().map(|row| Ok((row.try_get(0)?, body(row)?))).collect()
}

/// A page, as it is answered.
pub(super) fn page(session: &mut Session, page: Page) -> Result<Vec<u8>, postgres::Error> {
    let rows = session.query(PAGE, &[&page.after, &page.skip, &page.limit])?;
    let mut out = Vec::with_capacity(2 + 160 * rows.len());
    out.push(b'[');
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        product(row)?.write(&mut out);
    }
    out.push(b']');
    Ok(out)
}

pub(super) fn update<E>(
    transaction: &mut Transaction<'_>,
    id: i64,
    change: &Change,
) -> Result<Option<Body>, Undo<E>> {
    let name = change.name.as_deref();
    let sku = change.sku.as_deref();
    let price = change.price.map(|price| price.0);
    let (describes, description) = (change.description.is_some(), change.description());
    let rows = transaction.query_last(UPDATE, &[&id, &name, &sku, &price, &describes, &description])?;
    Ok(only(&rows)?)
}

pub(super) fn archive<E>(transaction: &mut Transaction<'_>, id: i64) -> Result<Option<Body>, Undo<E>> {
    let rows = transaction.query_last(ARCHIVE, &[&id])?;
    Ok(only(&rows)?)
}

pub(super) fn archived(session: &mut Session, id: i64) -> Result<Option<Body>, postgres::Error> {
    only(&session.query(ARCHIVED, &[&id])?)
}
