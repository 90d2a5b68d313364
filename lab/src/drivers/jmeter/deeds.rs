//! What the plan has done to a shop, out of its samples: for the oracle.
//!
//! The plan says in variables what it has asked for; see `jtl.rs`. What an order costs is the catalogue's
//! price at that moment, and each product is one thread's: so it is what this thread made it, or changed it
//! to. Only where the answer to a change was lost, the order's own answer has to say.

use std::collections::HashMap;

use super::jtl::Sample;
use crate::oracle::inventory::{Answer, Deed, Line};

/// Behind the whole number of a price that is made, and of one that it is changed to, in the plan.
pub(super) const MADE_CENTS: i64 = 99;
pub(super) const CHANGED_CENTS: i64 = 49;

/// Of one user, in all threads.
#[derive(Debug)]
pub(super) struct Deeds {
    customer: i64,
    /// What each thread's product costs, in hundredths, where that is known.
    prices: HashMap<String, Option<i64>>,
    all: Vec<Deed>,
}

impl Deeds {
    pub(super) fn new(customer: i64) -> Self {
        Self { customer, prices: HashMap::new(), all: Vec::new() }
    }

    /// Threads of the same name are others from now on.
    pub(super) fn next_step(&mut self) {
        self.prices.clear();
    }

    pub(super) fn all(self) -> Vec<Deed> {
        self.all
    }

    pub(super) fn take(&mut self, sample: &Sample<'_>) {
        let answer = Answer::of(sample.status(), None);
        let price = |cents| sample.number("price").map(|whole| whole * 100 + cents);
        match (sample.label, answer) {
            ("create product", _) => self.costs(sample, price(MADE_CENTS)),
            ("update product", Answer::Yes(_)) => self.costs(sample, price(CHANGED_CENTS)),
            ("update product", Answer::Lost) => self.costs(sample, None),
            _ => {}
        }
        // A product that could not be made has no id.
        let Some(product) = sample.number("product") else { return };
        let change = |pieces: Option<i64>| pieces.map(|pieces| Deed::Change { product, pieces, answer });
        let deed = match sample.label {
            "add stock" => change(sample.number("added")),
            "remove stock" => change(sample.number("removed").map(|pieces| -pieces)),
            "create order" => self.order(sample, product),
            "delete product" => Some(Deed::Delete { product, answer }),
            _ => None,
        };
        self.all.extend(deed);
    }

    fn order(&self, sample: &Sample<'_>, product: i64) -> Option<Deed> {
        let known = self.prices.get(sample.thread).copied().flatten();
        let cents = known.or_else(|| cents_of(sample.text("charged"))).unwrap_or_default();
        let line = Line { product, quantity: sample.number("ordered")?, cents };
        let answer = Answer::of(sample.status(), sample.number("order"));
        Some(Deed::Order { customer: self.customer, lines: vec![line], answer })
    }

    fn costs(&mut self, sample: &Sample<'_>, cents: Option<i64>) {
        self.prices.insert(sample.thread.to_owned(), cents);
    }
}

/// Hundredths of a number as JSON has it.
fn cents_of(text: &str) -> Option<i64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if decimals.len() > 2 || !digits(whole) || !digits(decimals) {
        return None;
    }
    Some(whole.parse::<i64>().ok()?.checked_mul(100)? + format!("{decimals:0<2}").parse::<i64>().ok()?)
}
