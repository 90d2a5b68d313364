//! What Postgres has at the end.

use std::collections::{BTreeMap, HashMap};

use postgres::Client;

use super::wish::{Line, Order};

/// A stored order, and the key that it was placed under.
#[derive(Clone, Debug)]
pub struct Stored {
    pub order: Order,
    pub key: Option<Box<str>>,
}

/// All orders, by their ids.
const ORDERS: &str = "
    SELECT o.id, o.customer_id, o.status, o.total_cents,
           to_char(o.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS') ||
           CASE WHEN date_part('microsecond', o.created_at)::int % 1000000 = 0 THEN ''
                ELSE to_char(o.created_at, '.US') END || 'Z',
           kept.key
    FROM inventory.orders AS o LEFT JOIN inventory.idempotency_keys AS kept
         ON kept.user_id = o.customer_id AND kept.request = o.request
    ORDER BY o.id";

const LINES: &str = "
    SELECT order_id, product_id, name, quantity, unit_price_cents
    FROM inventory.order_lines ORDER BY order_id, line";

const STOCK: &str = "SELECT product_id, quantity FROM inventory.stock";

/// Every order with its lines, and every product's stock, at one moment.
pub fn stored(client: &mut Client) -> Result<(Vec<Stored>, BTreeMap<i64, i64>), postgres::Error> {
    let mut moment =
        client.build_transaction().isolation_level(postgres::IsolationLevel::RepeatableRead).start()?;
    let mut lines: HashMap<i64, Vec<Line>> = HashMap::new();
    for row in moment.query(LINES, &[])? {
        let (name, quantity) = (row.try_get::<_, &str>(2)?.into(), row.try_get(3)?);
        let line = Line { product: row.try_get(1)?, name, quantity, cents: row.try_get(4)? };
        lines.entry(row.try_get(0)?).or_default().push(line);
    }
    let mut orders = Vec::new();
    for row in moment.query(ORDERS, &[])? {
        let id = row.try_get(0)?;
        let order = Order {
            id,
            customer: row.try_get(1)?,
            status: row.try_get::<_, &str>(2)?.into(),
            total: row.try_get(3)?,
            created: row.try_get::<_, &str>(4)?.into(),
            lines: lines.remove(&id).unwrap_or_default(),
        };
        let key = row.try_get::<_, Option<&str>>(5)?.map(Into::into);
        orders.push(Stored { order, key });
    }
    let stock = moment.query(STOCK, &[])?;
    let stock = stock.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, _>>()?;
    Ok((orders, stock))
}
