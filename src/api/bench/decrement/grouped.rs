//! Decrements by group commit. All that wait are one statement, which changes each product once and commits:
//! a product in demand costs one lock and one commit a batch, and not one a decrement.
//!
//! Where a product is short, or is none, that statement changes nothing. Then, in one transaction, the rows
//! are locked, each decrement is served in its turn, or not, and what was taken is written.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use postgres::error::SqlState;

use super::Outcome;
use crate::store::{Batch, Session, Transaction};

/// All or nothing: where a product is missing from the rows the division ends the statement. It is a line in
/// Postgres's log, and is met only where something is sold out.
const TAKE_ALL: &str = "
    WITH taken AS (
        UPDATE bench.products AS product
        SET quantity = product.quantity - wanted.quantity, version = version + 1
        FROM unnest($1::bigint[], $2::bigint[]) AS wanted (id, quantity)
        WHERE product.id = wanted.id AND product.quantity >= wanted.quantity
        RETURNING product.id, product.quantity)
    SELECT id, quantity, 1 / (count(*) OVER () = cardinality($1))::int FROM taken";

/// One row after the other, in the order of the products: no two batches wait for each other.
const LOCK: &str = "
    SELECT product.id, product.quantity FROM unnest($1::bigint[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT id, quantity FROM bench.products WHERE products.id = wanted.id FOR UPDATE) AS product";

const WRITE: &str = "
    UPDATE bench.products AS product SET quantity = counted.quantity, version = version + 1
    FROM unnest($1::bigint[], $2::bigint[]) AS counted (id, quantity) WHERE product.id = counted.id";

/// A decrement that waits for its commit.
pub(in crate::api::bench) struct Wanted {
    pub(super) product: i64,
    pub(super) quantity: i64,
}

/// The kind of items.
pub(in crate::api::bench) struct Decrements;

impl Batch for Decrements {
    type Item = Wanted;
    type Answer = Outcome;

    const NAME: &'static str = "decrements";

    /// A decrement alone is one statement, and so are many.
    const LINGERS_ALONE: bool = false;

    /// Whatever the order of the items, products are taken in theirs. Items are served as they came.
    fn order(_: &Wanted, _: &Wanted) -> Ordering {
        Ordering::Equal
    }

    fn bytes(_: &Wanted) -> usize {
        size_of::<Wanted>()
    }

    fn label(wanted: &Wanted) -> String {
        format!("a decrement of product {}", wanted.product)
    }

    fn place(session: &mut Session, items: &[&Wanted]) -> Result<Vec<Outcome>, postgres::Error> {
        let mut totals = BTreeMap::new();
        for item in items {
            let total: &mut i64 = totals.entry(item.product).or_default();
            // There are never so many, so that nothing is taken.
            *total = total.saturating_add(item.quantity);
        }
        match take_all(session, &totals)? {
            Some(left) => Ok(shared_out(items, left)),
            None => session.transaction(|transaction| take_in_turn(transaction, &totals, items)),
        }
    }

    /// A decrement leaves no trace by which it could be found.
    fn settled(_: &mut Session, items: &[&Wanted]) -> Result<Vec<Option<Outcome>>, postgres::Error> {
        Ok(vec![Some(Outcome::Unknown); items.len()])
    }

    /// What Postgres would refuse of these numbers is less than there is.
    fn unstorable() -> Outcome {
        Outcome::Short
    }
}

/// What is left of each product after the whole batch; `None` if not everybody can have what is wanted, and
/// then nothing is changed.
fn take_all(
    session: &mut Session,
    totals: &BTreeMap<i64, i64>,
) -> Result<Option<BTreeMap<i64, i64>>, postgres::Error> {
    let products: Vec<i64> = totals.keys().copied().collect();
    let quantities: Vec<i64> = totals.values().copied().collect();
    match session.query(TAKE_ALL, &[&products, &quantities]) {
        Ok(rows) if rows.is_empty() => Ok(None),
        Ok(rows) => {
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, _>>().map(Some)
        }
        Err(error) if error.code() == Some(&SqlState::DIVISION_BY_ZERO) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Each is told what is left after it, in the order in which they came.
fn shared_out(items: &[&Wanted], mut left: BTreeMap<i64, i64>) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = items
        .iter()
        .rev()
        .map(|item| match left.get_mut(&item.product) {
            Some(left) => {
                let after = *left;
                *left += item.quantity;
                Outcome::Left(after)
            }
            None => Outcome::Missing,
        })
        .collect();
    outcomes.reverse();
    outcomes
}

fn take_in_turn(
    transaction: &mut Transaction<'_>,
    totals: &BTreeMap<i64, i64>,
    items: &[&Wanted],
) -> Result<Vec<Outcome>, postgres::Error> {
    let products: Vec<i64> = totals.keys().copied().collect();
    let locked = transaction.query(LOCK, &[&products])?;
    let locked = locked.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    let mut left: BTreeMap<i64, i64> = locked.collect::<Result<_, postgres::Error>>()?;
    let mut changed = BTreeMap::new();
    let outcomes: Vec<Outcome> = items
        .iter()
        .map(|item| match left.get_mut(&item.product) {
            None => Outcome::Missing,
            Some(left) if *left < item.quantity => Outcome::Short,
            Some(left) => {
                *left -= item.quantity;
                changed.insert(item.product, *left);
                Outcome::Left(*left)
            }
        })
        .collect();
    if !changed.is_empty() {
        let products: Vec<i64> = changed.keys().copied().collect();
        let quantities: Vec<i64> = changed.values().copied().collect();
        transaction.execute(WRITE, &[&products, &quantities])?;
    }
    Ok(outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_a_batch_is_told_what_is_left_after_it() {
        let items = [(1, 3), (2, 1), (1, 2), (3, 1)].map(|(product, quantity)| Wanted { product, quantity });
        let items: Vec<&Wanted> = items.iter().collect();
        let left = BTreeMap::from([(1, 5), (2, 0)]);
        let expected = [Outcome::Left(7), Outcome::Left(0), Outcome::Left(5), Outcome::Missing];
        assert_eq!(shared_out(&items, left), expected);
    }
}
