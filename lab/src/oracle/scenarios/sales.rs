//! Stock that is sold piece by piece, by several at once. What is left must be what was there less what was
//! acknowledged: an update that was lost leaves more. Most clients want one product, and the last product has
//! a few pieces only, so that refusals must come.

use serde::Deserialize;
use serde_json::Value;

use super::answers::{Asked, Given};
use super::{must, read};
use crate::record::Proven;

const PRODUCTS: usize = 10;
/// What the data have of each product, and what the load's `before` leaves of the last one.
const PIECES: u64 = 1_000_000;
const FEW: u64 = 5;
/// Of so many decrements one is of another product than the first.
const OTHERS: u64 = 4;

/// All pieces, by product.
pub(super) const QUERY: &str = "SELECT json_object_agg(id, quantity) FROM {schema}products";

/// How pieces are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decrement {
    /// At once.
    pub quantity: u64,
    /// No update is lost by it.
    pub exact: bool,
    /// It may give up, and say so, after some tries.
    pub gives_up: bool,
}

impl Decrement {
    /// By the last part of its path.
    pub(super) fn new(how: &str, quantity: u64) -> Self {
        Self { quantity, exact: how != "no-lock", gives_up: matches!(how, "optimistic" | "serializable") }
    }
}

/// What became of decrements, by product.
#[derive(Clone, Debug, Default)]
pub(super) struct Sales {
    products: [Sale; PRODUCTS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Sale {
    /// Pieces that were asked for.
    sent: u64,
    /// Of these, acknowledged.
    sold: u64,
    /// Of these, not to be had, or given up.
    refused: u64,
    gave_up: u64,
}

impl Sales {
    /// The product of the request of this number, and the pieces of it that were sold by now.
    pub(super) fn ask(&mut self, how: Decrement, number: u64) -> (u64, u64) {
        // Whichever client it is, so that no two of them go round in step.
        let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let other = random.is_multiple_of(OTHERS);
        let place = if other { 1 + (random / OTHERS) % (PRODUCTS as u64 - 1) } else { 0 };
        let sale = self.of(place + 1);
        sale.sent += how.quantity;
        (place + 1, sale.sold)
    }

    fn of(&mut self, product: u64) -> &mut Sale {
        let place = usize::try_from(product).unwrap_or(PRODUCTS).clamp(1, PRODUCTS) - 1;
        &mut self.products[place]
    }

    pub(super) fn judge(
        &mut self,
        how: Decrement,
        asked: Asked,
        given: &Given<'_>,
    ) -> Result<(), &'static str> {
        let there = if asked.place == PRODUCTS as u64 { FEW } else { PIECES };
        let sale = self.of(asked.place);
        if given.status == 409 {
            sale.refused += how.quantity;
            if given.retry_after && how.gives_up {
                sale.gave_up += 1;
                return Ok(());
            }
            return must(sale.sent > there, "refused, though there was enough");
        }
        sale.sold += how.quantity;
        let sold: Sold = read(given.body, "the body is nothing sold in JSON")?;
        must(sold.product_id == asked.place, "the product is not the one that was asked for")?;
        must(sold.quantity >= 0, "less than nothing is left")?;
        let most = there.saturating_sub(asked.earlier + how.quantity);
        let right = !how.exact || sold.quantity.unsigned_abs() <= most;
        must(right, "more is left than can be: an update was lost")
    }

    /// What `after` says of `before` and of what was acknowledged. Where updates are known to be lost, they
    /// are counted, and not wrong.
    pub(super) fn prove(&self, before: &Value, after: &Value, known_to_lose: bool) -> Vec<Proven> {
        let (mut lost, mut vanished, mut below) = (0, 0, 0);
        for (number, sale) in (1..).zip(&self.products) {
            let left = |at: &Value| at[number.to_string().as_str()].as_i64().unwrap_or_default();
            let unknown = sale.sent - sale.sold - sale.refused;
            // Far from the ends of their ranges.
            let (sold, unknown) = (sale.sold.cast_signed(), unknown.cast_signed());
            let must_be = left(before) - sold;
            lost += (left(after) - must_be).max(0).unsigned_abs();
            vanished += (must_be - unknown - left(after)).max(0).unsigned_abs();
            below += u64::from(left(after) < 0);
        }
        let sum = |of: fn(&Sale) -> u64| self.products.iter().map(of).sum::<u64>();
        let sold = sum(|sale| sale.sold);
        let (refused, gave_up) = (sum(|sale| sale.refused), sum(|sale| sale.gave_up));
        let of_all = format!("{sold} pieces were acknowledged, {refused} refused, {gave_up} times given up");
        let proven =
            |what: &str, count, wrong| Proven { what: what.to_owned(), count, wrong, found: of_all.clone() };
        vec![
            proven("lost updates", lost, if known_to_lose { 0 } else { lost }),
            proven("pieces gone that nobody was sold", vanished, vanished),
            proven("products below zero", below, below),
            proven("loads without a sale", u64::from(sold == 0), u64::from(sold == 0)),
        ]
    }
}

#[derive(Deserialize)]
struct Sold {
    product_id: u64,
    quantity: i64,
}
