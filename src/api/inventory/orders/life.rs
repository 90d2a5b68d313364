//! An order's life after it was placed: pending, confirmed, shipped, delivered; or cancelled, which gives its
//! stock back.
//!
//! The order's row is locked first, then the stock's in the order of the products. Whoever places orders
//! locks stock alone, so no two transactions wait for each other.

use postgres::Row;
use uuid::Uuid;

use super::model::Step;
use crate::store::{Session, Transaction, Undo};

const LOCK: &str = "SELECT status FROM inventory.orders WHERE customer_id = $1 AND id = $2 FOR UPDATE";

const IS_THERE: &str = "SELECT FROM inventory.orders WHERE id = $1";

const LOCK_STOCK: &str = "
    SELECT FROM inventory.stock
    WHERE product_id IN (SELECT product_id FROM inventory.order_lines WHERE customer_id = $1 AND order_id = $2)
    ORDER BY product_id FOR UPDATE";

/// An archived product has no stock to give back to.
const GIVE_BACK: &str = "
    UPDATE inventory.stock SET quantity = stock.quantity + line.quantity, last_updated = now()
    FROM inventory.order_lines AS line
    WHERE line.customer_id = $1 AND line.order_id = $2 AND stock.product_id = line.product_id";

const TAKE_STEP: &str = "
    WITH step AS (
        INSERT INTO inventory.order_steps (customer_id, order_id, status, request) VALUES ($1, $2, $3, $4))
    UPDATE inventory.orders SET status = $3, updated_at = now() WHERE customer_id = $1 AND id = $2";

const TAKEN: &str = "
    SELECT FROM inventory.order_steps
    WHERE customer_id = $1 AND order_id = $2 AND status = $3 AND request = $4";

/// Why a step is not taken.
pub(super) enum Refused {
    Nothing,
    SomebodyElses,
    /// Where the order is, from where there is no such step.
    From(Step),
}

/// A step that somebody wants an order to take.
#[derive(Clone, Copy)]
pub(super) struct Wish {
    pub(super) customer: i64,
    pub(super) order: i64,
    pub(super) step: Step,
    /// Chosen by us, to find the step by.
    pub(super) request: Uuid,
}

pub(super) fn take(transaction: &mut Transaction<'_>, wish: Wish) -> Result<(), Undo<Refused>> {
    let Wish { customer, order, step, request } = wish;
    let rows = transaction.query(LOCK, &[&customer, &order])?;
    let Some(status) = rows.first().map(|row: &Row| row.try_get::<_, &str>(0)).transpose()? else {
        let nothing = transaction.query(IS_THERE, &[&order])?.is_empty();
        return Err(Undo::Because(if nothing { Refused::Nothing } else { Refused::SomebodyElses }));
    };
    let from = Step::of(status).unwrap_or(Step::Cancelled);
    if !from.may_become(step) {
        return Err(Undo::Because(Refused::From(from)));
    }
    if step == Step::Cancelled {
        transaction.query(LOCK_STOCK, &[&customer, &order])?;
        transaction.execute(GIVE_BACK, &[&customer, &order])?;
    }
    transaction.execute_last(TAKE_STEP, &[&customer, &order, &step.name(), &request]).map(drop)
}

/// Whether this wish was fulfilled.
pub(super) fn settled(session: &mut Session, wish: Wish) -> Result<Option<()>, postgres::Error> {
    let Wish { customer, order, step, request } = wish;
    let rows = session.query(TAKEN, &[&customer, &order, &step.name(), &request])?;
    Ok(rows.first().map(drop))
}
