//! The stock as it was seen while a load ran: whatever holds at any time must have held in each look.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::{Answer, Deed, Shop};
use crate::oracle::sent::MAX_EXAMPLES_OF_A_KIND;
use crate::record::{Stored, Watched};

/// All looks at the stock during a load. Of each product the extremes are kept, and when they were first
/// seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Looks {
    count: u64,
    last_at: f64,
    longest_gap: f64,
    products: BTreeMap<i64, Extremes>,
}

/// A number, and the second of the load in which it was first seen.
type Sighting = (i64, f64);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Extremes {
    /// Of any of its rows.
    least: Sighting,
    /// Of all its rows together.
    most: Sighting,
    rows: Sighting,
}

impl Looks {
    /// A query with one row and one column that gives all of `stock`, a query for products and quantities, as
    /// [`Looks::add`] reads it.
    #[must_use]
    pub fn query(stock: &str) -> String {
        format!(
            "SELECT string_agg(product || ':' || quantity, ' ') FROM ({stock}) AS stock (product, quantity)"
        )
    }

    /// A look at `second` of the load, which found `PRODUCT:QUANTITY PRODUCT:QUANTITY …`.
    ///
    /// # Errors
    /// It is something else.
    pub fn add(&mut self, line: &str, second: f64) -> Result<()> {
        let mut rows: BTreeMap<i64, (i64, i64, i64)> = BTreeMap::new();
        for pair in line.split_ascii_whitespace() {
            let numbers = || {
                let (product, quantity) = pair.split_once(':')?;
                Some((product.parse().ok()?, quantity.parse().ok()?))
            };
            let (product, quantity): (i64, i64) =
                numbers().with_context(|| format!("`{pair}` is no product with its quantity"))?;
            let (least, sum, count) = rows.entry(product).or_insert((quantity, 0, 0));
            (*least, *sum, *count) = (quantity.min(*least), *sum + quantity, *count + 1);
        }
        for (product, (least, sum, count)) in rows {
            let seen = Extremes { least: (least, second), most: (sum, second), rows: (count, second) };
            let known = self.products.entry(product).or_insert(seen);
            if least < known.least.0 {
                known.least = seen.least;
            }
            if sum > known.most.0 {
                known.most = seen.most;
            }
            if count > known.rows.0 {
                known.rows = seen.rows;
            }
        }
        if self.count > 0 {
            self.longest_gap = self.longest_gap.max(second - self.last_at);
        }
        (self.count, self.last_at) = (self.count + 1, second);
        Ok(())
    }

    /// How often somebody looked.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Puts into `stored` what was wrong at some time; the rest is as in [`super::judge`].
    pub fn judge(&self, before: &Shop, deeds: &[Deed], after: &Shop, stored: &mut Stored) {
        let most = most(before, deeds, after);
        let mut watched =
            Watched { looks: self.count, longest_gap_seconds: self.longest_gap, ..Watched::default() };
        let mut said = Vec::new();
        for (product, seen) in &self.products {
            let allowed = most.get(product).copied().unwrap_or_default();
            let (least, sum, rows) = (seen.least, seen.most, seen.rows);
            let kinds = [
                (&mut watched.below_zero, least.0 < 0, format!("{} in stock", least.0), least.1),
                (
                    &mut watched.above,
                    sum.0 > allowed,
                    format!("{} in stock, and there never were more than {allowed}", sum.0),
                    sum.1,
                ),
                (&mut watched.doubled, rows.0 > 1, format!("{} rows of stock", rows.0), rows.1),
            ];
            for (count, _, what, at) in kinds.into_iter().filter(|(_, wrong, ..)| *wrong) {
                *count += 1;
                if *count <= MAX_EXAMPLES_OF_A_KIND as u64 {
                    said.push(format!("product {product} had {what}: seen {at:.1} s after the load began"));
                }
            }
        }
        stored.watched = Some(watched);
        // What only a look at the right moment can tell comes before what the rows tell at any time.
        stored.examples.splice(..0, said);
    }
}

/// As many pieces of each product as there can have been at some time: nothing was taken before all was
/// added.
fn most(before: &Shop, deeds: &[Deed], after: &Shop) -> BTreeMap<i64, i64> {
    let mut most: BTreeMap<i64, i64> =
        before.stock.iter().map(|(product, all)| (*product, all.iter().sum())).collect();
    for deed in deeds {
        match deed {
            Deed::Change { product, pieces, answer: Answer::Yes(_) | Answer::Lost } => {
                *most.entry(*product).or_default() += (*pieces).max(0);
            }
            Deed::Cancel { order, answer: Answer::Yes(_) | Answer::Lost } => {
                for line in after.orders.get(order).into_iter().flatten().flat_map(|order| &order.lines) {
                    *most.entry(line.product).or_default() += line.quantity;
                }
            }
            _ => {}
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::inventory::{Line, Order};

    const YES: Answer = Answer::Yes(None);

    fn judged(looks: &[&str], deeds: &[Deed]) -> (Watched, Vec<String>) {
        let mut all = Looks::default();
        for (number, look) in looks.iter().enumerate() {
            all.add(look, number as f64 / 2.0).unwrap();
        }
        let order = Order {
            customer: 1,
            status: "cancelled".into(),
            total: 2,
            lines: vec![Line { product: 8, quantity: 2, cents: 1 }],
        };
        let before = Shop { stock: [(7, vec![10]), (8, vec![5])].into(), orders: [(1, vec![order])].into() };
        let mut stored = Stored { examples: vec!["another".into()], ..Stored::default() };
        all.judge(&before, deeds, &before, &mut stored);
        (stored.watched.unwrap(), stored.examples)
    }

    #[test]
    fn what_holds_in_each_look_is_right() {
        let change = |pieces, answer| Deed::Change { product: 7, pieces, answer };
        let deeds = [
            change(3, YES),
            change(2, Answer::Lost),
            change(-9, YES),
            Deed::Cancel { order: 1, answer: YES },
            change(100, Answer::No(super::super::Refusal::Other)),
        ];
        let (watched, said) = judged(&["7:10 8:5", "", "8:7 7:15", "7:0 8:0"], &deeds);
        assert_eq!((watched.looks, watched.wrong()), (4, 0), "{said:?}");
        assert_eq!((watched.longest_gap_seconds, said.len()), (0.5, 1));
        let (watched, said) = judged(&["8:8 7:16"], &deeds);
        assert_eq!(watched.above, 2, "{said:?}");
    }

    #[test]
    fn what_is_wrong_for_a_moment_is_named_with_the_moment() {
        let (watched, said) = judged(&["7:10", "7:-1", "7:-3 9:0", "7:-3", "7:5 7:5", "7:10"], &[]);
        assert_eq!((watched.below_zero, watched.above, watched.doubled, watched.wrong()), (1, 0, 1, 2));
        assert_eq!(
            said,
            [
                "product 7 had -3 in stock: seen 1.0 s after the load began",
                "product 7 had 2 rows of stock: seen 2.0 s after the load began",
                "another"
            ]
        );
        let (watched, said) = judged(&["7:11"], &[]);
        assert_eq!((watched.above, watched.wrong()), (1, 1));
        assert!(
            said[0].starts_with("product 7 had 11 in stock, and there never were more than 10"),
            "{said:?}"
        );
        // One row of two may be below zero though their sum is not.
        assert_eq!(judged(&["7:-1 7:5"], &[]).0.below_zero, 1);
    }

    #[test]
    fn an_answer_that_is_no_stock_is_an_error() {
        for line in ["7", "7:", "7:1.5", "ERROR: x", "7:1 8"] {
            assert!(Looks::default().add(line, 0.0).is_err(), "{line}");
        }
    }
}
