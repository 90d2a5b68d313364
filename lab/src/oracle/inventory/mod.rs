//! What a shop must hold after a load, from what it held before and from what was acknowledged in between.
//!
//! - **Stock**, for each product: what there was, and the acknowledged additions, less the acknowledged
//!   removals and the pieces of acknowledged orders, and those of cancelled ones again. A request whose
//!   answer was lost has happened or not: both are right. More than that is **oversold**: somebody was
//!   promised pieces that are still for sale. Less is **vanished**: pieces were taken and nobody has them.
//!   Below zero is oversold too, and never right.
//! - **Orders**: each acknowledged one is stored, once, for its customer, with its lines and prices to the
//!   cent, and a total that is their sum. Nothing else is stored, but for orders whose answer was lost. What
//!   was there before is as it was.
//! - **Refusals**: an order may be refused as short only if there can have been too little.
//! - **At any time**: what a second session saw of the stock while the load ran ([`Looks`]) is not below
//!   zero, not more than there can have been, and one row a product.
//!
//! Rows come as JSON objects, one a line, each with its `kind`; see [`Shop::read`]. What may not enter: how
//! they are fetched, and how a generator sends.

mod judge;
pub mod oracle;
#[cfg(test)]
mod tests;
mod watch;
mod words;

use std::collections::BTreeMap;
use std::io::BufRead;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

pub use self::judge::judge;
pub use self::watch::Looks;
use super::sent::quoted;

/// Far beyond any order of the contest.
const MAX_ROW_BYTES: usize = 1 << 20;

/// A line of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// Its id.
    pub product: i64,
    /// Pieces.
    pub quantity: i64,
    /// What a piece costs, in hundredths.
    pub cents: i64,
}

/// An order as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Whose it is.
    pub customer: i64,
    /// `pending` when it was placed.
    pub status: String,
    /// In hundredths.
    pub total: i64,
    /// As they are stored, in the order of products.
    pub lines: Vec<Line>,
}

/// What a contestant stores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shop {
    /// By product; one with several rows has several quantities.
    pub stock: BTreeMap<i64, Vec<i64>>,
    /// By id; several under one id are several rows.
    pub orders: BTreeMap<i64, Vec<Order>>,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was acknowledged; the id is that of the order, if the answer named one.
    Yes(Option<i64>),
    /// It was refused, for this reason.
    No(Refusal),
    /// There was no answer, or an error of the server: it has happened or not.
    Lost,
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is too little in stock.
    Short,
    /// Anything else.
    Other,
}

impl Answer {
    /// What a status means; `id` is the order's.
    #[must_use]
    pub fn of(status: u16, id: Option<i64>) -> Self {
        match status {
            200..300 => Self::Yes(id),
            400 => Self::No(Refusal::Short),
            300..500 => Self::No(Refusal::Other),
            _ => Self::Lost,
        }
    }
}

/// A request that changes the shop, as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// So many pieces are added; below zero, removed.
    Change {
        /// Of this product.
        product: i64,
        #[allow(missing_docs)]
        pieces: i64,
        #[allow(missing_docs)]
        answer: Answer,
    },
    /// An order is placed.
    Order {
        /// By whom.
        customer: i64,
        /// What was asked for, at the prices of the catalogue.
        lines: Vec<Line>,
        #[allow(missing_docs)]
        answer: Answer,
    },
    /// An order is cancelled, and gives back what it took.
    Cancel {
        /// Which.
        order: i64,
        #[allow(missing_docs)]
        answer: Answer,
    },
    /// A product is deleted, and its stock with it.
    Delete {
        #[allow(missing_docs)]
        product: i64,
        #[allow(missing_docs)]
        answer: Answer,
    },
}

impl Deed {
    /// Somebody was told that there is an order.
    #[must_use]
    pub fn is_acknowledged_order(&self) -> bool {
        matches!(self, Self::Order { answer: Answer::Yes(_), .. })
    }
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Row {
    Stock { product: i64, quantity: i64 },
    Order { id: i64, customer: i64, status: String, total: String, lines: Vec<LineRow> },
}

/// A back end that deletes products may keep lines without one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineRow {
    product: Option<i64>,
    quantity: i64,
    price: String,
}

impl Shop {
    /// Reads rows:
    ///
    /// ```json
    /// {"kind":"stock","product":1,"quantity":10}
    /// {"kind":"order","id":1,"customer":1,"status":"pending","total":"2.46",
    ///  "lines":[{"product":1,"quantity":2,"price":"1.23"}]}
    /// ```
    ///
    /// # Errors
    /// A line is neither of these, or money is not written with two decimals.
    pub fn read(rows: impl BufRead) -> Result<Self> {
        let mut shop = Self::default();
        for (line, number) in rows.lines().zip(1_u64..) {
            let line = line?;
            if !line.trim().is_empty() {
                shop.add(&line).with_context(|| format!("line {number} of the rows"))?;
            }
        }
        Ok(shop)
    }

    fn add(&mut self, line: &str) -> Result<()> {
        ensure!(line.len() < MAX_ROW_BYTES, "a row of {} bytes", line.len());
        let row: Row = serde_json::from_str(line).with_context(|| {
            format!(
                "no row of a stock (product, quantity) or an order (id, customer, status, total, lines): {}",
                quoted(line)
            )
        })?;
        match row {
            Row::Stock { product, quantity } => self.stock.entry(product).or_default().push(quantity),
            Row::Order { id, customer, status, total, lines } => {
                let line = |row: LineRow| {
                    let cents = cents_of(&row.price)?;
                    Ok(Line { product: row.product.unwrap_or_default(), quantity: row.quantity, cents })
                };
                let mut lines = lines.into_iter().map(line).collect::<Result<Vec<_>>>()?;
                lines.sort_unstable();
                let order = Order { customer, status, total: cents_of(&total)?, lines };
                self.orders.entry(id).or_default().push(order);
            }
        }
        Ok(())
    }
}

/// The hundredths in `12.34`: two decimals, no more and no fewer.
fn cents_of(text: &str) -> Result<i64> {
    let parts = || {
        let (whole, decimals) = text.split_once('.')?;
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let digits = whole.strip_prefix('-').unwrap_or(whole);
        let whole_cents: i64 = digits.parse::<i64>().ok().filter(|_| plain(digits))?.checked_mul(100)?;
        let cents = whole_cents
            .checked_add(decimals.parse().ok().filter(|_| plain(decimals) && decimals.len() == 2)?)?;
        Some(if whole.starts_with('-') { -cents } else { cents })
    };
    parts().with_context(|| format!("{} is no amount with two decimals", quoted(text)))
}

/// Lines of one product and one price as one, which is how most store them.
pub(crate) fn merged(lines: &[Line]) -> Vec<Line> {
    let mut pieces: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    for line in lines {
        *pieces.entry((line.product, line.cents)).or_default() += line.quantity;
    }
    pieces.into_iter().map(|((product, cents), quantity)| Line { product, quantity, cents }).collect()
}
