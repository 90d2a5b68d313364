//! The statements of orders. How stock is taken is decided here and in [`super::batch`] alone: on one
//! Postgres all rows of a batch are locked at once, in the order of their products, and written at once.
//! Spread over several servers, where rows of several shards cannot be locked by one statement, it would be
//! an UPDATE a product in the same order, under the same condition.

use std::collections::HashMap;

use postgres::Row;
use uuid::Uuid;

use super::super::keys::{Answer, Earlier, Key};
use super::super::money::{Cents, LARGEST_CENTS};
use super::super::paging::Page;
use super::model::{Order, OrderLine, Step, Wanted};
use crate::store::{Session, Transaction};

/// One row after the other, in the order of the products. Each is looked up by its key: a planner that may
/// choose reads small tables from end to end, for every order again.
const LOCK_STOCK: &str = "
    SELECT wanted.id, stock.quantity, product.price_cents, product.name
    FROM unnest($1::bigint[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT price_cents, name FROM inventory.products
        WHERE products.id = wanted.id AND archived_at IS NULL OFFSET 0) AS product
    CROSS JOIN LATERAL (
        SELECT quantity FROM inventory.stock WHERE stock.product_id = wanted.id FOR UPDATE) AS stock";

/// Those that are returned are new, or as good as new. Behind the stock's locks, and in one order: no two
/// batches wait for each other.
const CLAIM_KEYS: &str = "
    INSERT INTO inventory.idempotency_keys AS kept (user_id, key, fingerprint, request)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::uuid[])
        AS new (user_id, key, fingerprint, request)
    ORDER BY user_id, key COLLATE \"C\"
    ON CONFLICT (user_id, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, request = excluded.request, status = NULL, body = NULL,
        created_at = now()
    WHERE kept.created_at < now() - interval '24 hours'
    RETURNING request";

const KEPT: &str = "
    SELECT kept.user_id, kept.key, kept.fingerprint, kept.request, kept.status, kept.body
    FROM unnest($1::bigint[], $2::text[]) AS asked (user_id, key)
    JOIN inventory.idempotency_keys AS kept
        ON kept.user_id = asked.user_id AND kept.key = asked.key COLLATE \"C\"";

const KEEP_REFUSED: &str = "
    UPDATE inventory.idempotency_keys AS kept SET status = refused.status, body = refused.body
    FROM unnest($1::bigint[], $2::text[], $3::smallint[], $4::bytea[]) AS refused (user_id, key, status, body)
    WHERE kept.user_id = refused.user_id AND kept.key = refused.key COLLATE \"C\"";

/// One row for each order that was written, and how many rows of stock were changed. The condition holds,
/// since the rows are locked; should it not, the number is too low.
const WRITE: &str = "
    WITH taken AS (
        UPDATE inventory.stock SET quantity = stock.quantity - taken.quantity, last_updated = now()
        FROM unnest($1::bigint[], $2::bigint[]) AS taken (product_id, quantity)
        WHERE stock.product_id = taken.product_id AND stock.product_id = ANY($1)
            AND stock.quantity >= taken.quantity
        RETURNING stock.product_id),
    placed AS (
        INSERT INTO inventory.orders (customer_id, request, total_cents)
        SELECT * FROM unnest($3::bigint[], $4::uuid[], $5::bigint[])
        RETURNING customer_id, id, request, created_at),
    lines AS (
        INSERT INTO inventory.order_lines
            (customer_id, order_id, line, product_id, name, quantity, unit_price_cents)
        SELECT placed.customer_id, placed.id, line.line, line.product_id, line.name, line.quantity, line.price
        FROM unnest($6::uuid[], $7::smallint[], $8::bigint[], $9::text[], $10::bigint[], $11::bigint[])
            AS line (request, line, product_id, name, quantity, price)
        JOIN placed ON placed.request = line.request)
    SELECT id, request, created_at, (SELECT count(*) FROM taken) FROM placed";

/// An order that is alone and has no key, in one statement. No row if a product is short or is none, or the
/// total is too large: the long way says which. What is left is counted from what was read behind the lock,
/// since an UPDATE makes its new row, and looks at its CHECK, of the row as the statement's snapshot has it.
const PLACE_ALONE: &str = "
    WITH locked AS (
        SELECT wanted.line::smallint, wanted.product_id, stock.quantity AS present, wanted.quantity, product.name,
               product.price_cents AS price
        FROM unnest($3::bigint[], $4::bigint[]) WITH ORDINALITY AS wanted (product_id, quantity, line)
        CROSS JOIN LATERAL (
            SELECT price_cents, name FROM inventory.products
            WHERE products.id = wanted.product_id AND archived_at IS NULL OFFSET 0) AS product
        CROSS JOIN LATERAL (
            SELECT quantity FROM inventory.stock WHERE stock.product_id = wanted.product_id FOR UPDATE) AS stock),
    whole AS (
        SELECT sum(price::numeric * quantity)::bigint AS total FROM locked
        HAVING count(*) = cardinality($3) AND bool_and(present >= quantity)
            AND sum(price::numeric * quantity) <= $5::bigint),
    taken AS (
        UPDATE inventory.stock SET quantity = locked.present - locked.quantity, last_updated = now()
        FROM locked, whole WHERE stock.product_id = locked.product_id AND stock.product_id = ANY($3)),
    placed AS (
        INSERT INTO inventory.orders (customer_id, request, total_cents)
        SELECT $1, $2, total FROM whole
        RETURNING customer_id, id, created_at, total_cents),
    lines AS (
        INSERT INTO inventory.order_lines
            (customer_id, order_id, line, product_id, name, quantity, unit_price_cents)
        SELECT placed.customer_id, placed.id, line, product_id, name, quantity, price FROM placed, locked)
    SELECT placed.id, placed.created_at, placed.total_cents, product_id, name, quantity, price
    FROM placed, locked ORDER BY line";

macro_rules! orders {
    ($which:literal) => {
        concat!(
            "SELECT o.id, o.customer_id, o.status, o.total_cents, o.created_at, o.updated_at, o.request,
                    line.product_id, line.name, line.quantity, line.unit_price_cents
             FROM ",
            $which,
            " AS o JOIN inventory.order_lines AS line ON line.customer_id = o.customer_id AND line.order_id = o.id
             ORDER BY o.customer_id, o.id, line.line"
        )
    };
}

const OF_REQUESTS: &str = orders!(
    "(SELECT placed.* FROM unnest($1::bigint[], $2::uuid[]) AS asked (customer_id, request)
      JOIN inventory.orders AS placed
      ON placed.customer_id = asked.customer_id AND placed.request = asked.request)"
);

const PAGE: &str = orders!(
    "(SELECT * FROM inventory.orders WHERE customer_id = $1 AND id > $2 ORDER BY id OFFSET $3 LIMIT $4)"
);

const ONE: &str = orders!("(SELECT * FROM inventory.orders WHERE customer_id = $1 AND id = $2)");

const IS_THERE: &str = "SELECT FROM inventory.orders WHERE id = $1";

/// A product of a batch, whose row of stock is locked.
pub(super) struct Offered {
    pub(super) left: i64,
    pub(super) price: Cents,
    pub(super) name: String,
}

pub(super) fn lock_stock(
    transaction: &mut Transaction<'_>,
    products: &[i64],
) -> Result<HashMap<i64, Offered>, postgres::Error> {
    let rows = transaction.query(LOCK_STOCK, &[&products])?;
    let read = |row: &Row| {
        let (left, price) = (row.try_get(1)?, Cents(row.try_get(2)?));
        Ok((row.try_get(0)?, Offered { left, price, name: row.try_get(3)? }))
    };
    rows.iter().map(read).collect()
}

/// Claims the keys of so many requests, and says what became of the earlier ones of those that are not new.
pub(super) fn claim_keys(
    transaction: &mut Transaction<'_>,
    keyed: &[(&Key, Uuid)],
) -> Result<HashMap<Uuid, Earlier>, postgres::Error> {
    let users: Vec<i64> = keyed.iter().map(|(key, _)| key.user).collect();
    let texts: Vec<&str> = keyed.iter().map(|(key, _)| &*key.text).collect();
    let prints: Vec<&[u8]> = keyed.iter().map(|(key, _)| key.fingerprint.as_slice()).collect();
    let requests: Vec<Uuid> = keyed.iter().map(|(_, request)| *request).collect();
    let rows = transaction.query(CLAIM_KEYS, &[&users, &texts, &prints, &requests])?;
    let new: Vec<Uuid> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let known: Vec<_> = keyed.iter().filter(|(_, request)| !new.contains(request)).collect();
    if known.is_empty() {
        return Ok(HashMap::new());
    }
    let users: Vec<i64> = known.iter().map(|(key, _)| key.user).collect();
    let texts: Vec<&str> = known.iter().map(|(key, _)| &*key.text).collect();
    let kept = transaction.query(KEPT, &[&users, &texts])?;
    let placed: Vec<Uuid> = kept.iter().map(|row| row.try_get(3)).collect::<Result<_, _>>()?;
    let placed = of_requests(|sql, values| transaction.query(sql, values), &users_of(&kept)?, &placed)?;
    known.into_iter().map(|&(key, request)| Ok((request, earlier(key, &kept, &placed)?))).collect()
}

fn users_of(kept: &[Row]) -> Result<Vec<i64>, postgres::Error> {
    kept.iter().map(|row| row.try_get(0)).collect()
}

/// What the table says of a key. A key without an order and without an answer is of no request of ours.
fn earlier(key: &Key, kept: &[Row], placed: &HashMap<Uuid, Order>) -> Result<Earlier, postgres::Error> {
    for row in kept {
        let (user, text, stored): (i64, &str, &[u8]) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        if (user, text) != (key.user, &*key.text) {
            continue;
        }
        let status: Option<i16> = row.try_get(4)?;
        if let Some(status) = status {
            return Ok(Earlier::of(&key.fingerprint, stored, status, row.try_get(5)?));
        }
        let order = placed.get(&row.try_get(3)?).filter(|_| stored == key.fingerprint);
        return Ok(order.map_or(Earlier::Differs, |order| Earlier::Answered(Answer::placed(order.clone()))));
    }
    Ok(Earlier::Differs)
}

/// Keeps the answers of keys that were claimed in this transaction and whose orders are refused.
pub(super) fn keep_refused(
    transaction: &mut Transaction<'_>,
    refused: &[(&Key, &Answer)],
) -> Result<(), postgres::Error> {
    let users: Vec<i64> = refused.iter().map(|(key, _)| key.user).collect();
    let texts: Vec<&str> = refused.iter().map(|(key, _)| &*key.text).collect();
    let statuses: Vec<i16> = refused.iter().map(|(_, answer)| answer.code()).collect();
    let bodies: Vec<&[u8]> = refused.iter().map(|(_, answer)| answer.body.as_slice()).collect();
    transaction.execute(KEEP_REFUSED, &[&users, &texts, &statuses, &bodies]).map(drop)
}

/// Takes `taken` from the stock and writes the orders; their ids and dates are those that they get here.
pub(super) fn write(
    transaction: &mut Transaction<'_>,
    taken: &[(i64, i64)],
    orders: &mut [(Uuid, Order)],
) -> Result<(), postgres::Error> {
    let (products, quantities): (Vec<i64>, Vec<i64>) = taken.iter().copied().unzip();
    let customers: Vec<i64> = orders.iter().map(|(_, order)| order.customer).collect();
    let requests: Vec<Uuid> = orders.iter().map(|(request, _)| *request).collect();
    let totals: Vec<i64> = orders.iter().map(|(_, order)| order.total.0).collect();
    let lines = || {
        orders
            .iter()
            .flat_map(|(request, order)| (1_i16..).zip(&order.lines).map(move |line| (*request, line)))
    };
    let of: Vec<Uuid> = lines().map(|(request, _)| request).collect();
    let numbers: Vec<i16> = lines().map(|(_, (number, _))| number).collect();
    let line_products: Vec<i64> = lines().map(|(_, (_, line))| line.product).collect();
    let names: Vec<&str> = lines().map(|(_, (_, line))| line.name.as_str()).collect();
    let line_quantities: Vec<i64> = lines().map(|(_, (_, line))| line.quantity).collect();
    let prices: Vec<i64> = lines().map(|(_, (_, line))| line.unit_price.0).collect();
    let rows = transaction.query(
        WRITE,
        &[
            &products,
            &quantities,
            &customers,
            &requests,
            &totals,
            &of,
            &numbers,
            &line_products,
            &names,
            &line_quantities,
            &prices,
        ],
    )?;
    for row in &rows {
        let changed: i64 = row.try_get(3)?;
        assert!(usize::try_from(changed) == Ok(taken.len()), "a locked row of stock was not as it was read");
        let request: Uuid = row.try_get(1)?;
        if let Some((_, order)) = orders.iter_mut().find(|(of, _)| *of == request) {
            order.id = row.try_get(0)?;
            order.created = row.try_get(2)?;
            order.updated = order.created;
        }
    }
    assert_eq!(rows.len(), orders.len(), "each order is written");
    Ok(())
}

/// Places an order that is alone; `None` if it cannot be, and then nothing is changed.
pub(super) fn place_alone(
    session: &mut Session,
    customer: i64,
    request: Uuid,
    wanted: &[Wanted],
) -> Result<Option<Order>, postgres::Error> {
    let (products, quantities): (Vec<i64>, Vec<i64>) =
        wanted.iter().map(|line| (line.product, line.quantity)).unzip();
    let rows = session.query(PLACE_ALONE, &[&customer, &request, &products, &quantities, &LARGEST_CENTS])?;
    let Some(first) = rows.first() else { return Ok(None) };
    let line = |row: &Row| {
        let (product, name) = (row.try_get(3)?, row.try_get(4)?);
        Ok(OrderLine { product, name, quantity: row.try_get(5)?, unit_price: Cents(row.try_get(6)?) })
    };
    let created = first.try_get(1)?;
    Ok(Some(Order {
        id: first.try_get(0)?,
        customer,
        status: Step::Pending,
        total: Cents(first.try_get(2)?),
        created,
        updated: created,
        lines: rows.iter().map(line).collect::<Result<_, postgres::Error>>()?,
    }))
}

type Values<'v> = &'v [&'v (dyn postgres::types::ToSql + Sync)];

/// The orders that these requests have placed.
pub(super) fn of_requests(
    ask: impl FnOnce(&'static str, Values<'_>) -> Result<Vec<Row>, postgres::Error>,
    customers: &[i64],
    requests: &[Uuid],
) -> Result<HashMap<Uuid, Order>, postgres::Error> {
    let rows = ask(OF_REQUESTS, &[&customers, &requests])?;
    Ok(read(&rows)?.into_iter().collect())
}

/// A customer's orders.
pub(super) fn page(session: &mut Session, customer: i64, page: Page) -> Result<Vec<Order>, postgres::Error> {
    let rows = session.query(PAGE, &[&customer, &page.after, &page.skip, &page.limit])?;
    Ok(read(&rows)?.into_iter().map(|(_, order)| order).collect())
}

/// What there is under an id.
pub(super) enum Found {
    Own(Order),
    SomebodyElses,
    Nothing,
}

pub(super) fn find(session: &mut Session, customer: i64, id: i64) -> Result<Found, postgres::Error> {
    let rows = session.query(ONE, &[&customer, &id])?;
    if let Some((_, order)) = read(&rows)?.pop() {
        return Ok(Found::Own(order));
    }
    Ok(match session.query(IS_THERE, &[&id])?.is_empty() {
        true => Found::Nothing,
        false => Found::SomebodyElses,
    })
}

/// Orders with their lines, of rows that have one line each, in order. Each with its request.
fn read(rows: &[Row]) -> Result<Vec<(Uuid, Order)>, postgres::Error> {
    let mut orders: Vec<(Uuid, Order)> = Vec::new();
    for row in rows {
        let id: i64 = row.try_get(0)?;
        let customer: i64 = row.try_get(1)?;
        let line = OrderLine {
            product: row.try_get(7)?,
            name: row.try_get(8)?,
            quantity: row.try_get(9)?,
            unit_price: Cents(row.try_get(10)?),
        };
        match orders.last_mut() {
            Some((_, order)) if (order.customer, order.id) == (customer, id) => order.lines.push(line),
            _ => {
                let order = Order {
                    id,
                    customer,
                    // The table's CHECK has the same names.
                    status: Step::of(row.try_get(2)?).unwrap_or(Step::Pending),
                    total: Cents(row.try_get(3)?),
                    created: row.try_get(4)?,
                    updated: row.try_get(5)?,
                    lines: vec![line],
                };
                orders.push((row.try_get(6)?, order));
            }
        }
    }
    Ok(orders)
}
