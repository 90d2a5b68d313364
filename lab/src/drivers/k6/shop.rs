//! A shop as its script `k6.js` wants it, and what the script tells the oracle.
//!
//! k6 gives sums of what was sent, and the oracle must know each request that changed the shop: which
//! product, how many, what was answered. So the script writes a line of its console for each:
//! `pouco-deed,KIND,CUSTOMER,STATUS,ORDER,PRODUCT,PIECES,end`, with a product and its pieces for each line of
//! an order.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::console;
use crate::contest::Request;
use crate::load::{BOUGHT, DELIVERED, PAGE};
use crate::oracle::inventory::{Answer, Deed, Line};
use crate::shop::Open;

/// Before each line that is for the oracle.
const MARK: &str = "pouco-deed,";

/// What `k6.js` finds in its plan of a shop.
#[derive(Debug, Serialize)]
pub(super) struct PlannedShop {
    customers: Vec<PlannedCustomer>,
    products: Vec<PlannedProduct>,
    /// Pieces of an order, from the least to the most.
    bought: [i64; 2],
    /// The same of a delivery.
    delivered: [i64; 2],
    /// Products of a page.
    page: usize,
}

#[derive(Debug, Serialize)]
struct PlannedCustomer {
    id: i64,
    email: String,
    password: String,
    token: String,
}

#[derive(Debug, Serialize)]
struct PlannedProduct {
    id: i64,
    cents: i64,
}

impl PlannedShop {
    pub(super) fn new(shop: &Open) -> Self {
        let customers = shop.customers.iter().map(|it| PlannedCustomer {
            id: it.id,
            email: it.email.clone(),
            password: it.password.clone(),
            token: it.token.clone(),
        });
        let products = shop.products.iter().map(|it| PlannedProduct { id: it.id, cents: it.cents });
        Self {
            customers: customers.collect(),
            products: products.collect(),
            bought: [*BOUGHT.start(), *BOUGHT.end()],
            delivered: [*DELIVERED.start(), *DELIVERED.end()],
            page: PAGE,
        }
    }
}

/// What a request is about in a shop, in the script's words.
///
/// # Errors
/// The script does not know it.
pub(super) fn errand(request: &Request) -> Result<&'static str> {
    match request.body.as_deref() {
        Some("order") => Ok("order"),
        Some("basket") => Ok("basket"),
        Some("restock") => Ok("restock"),
        Some("login") => Ok("login"),
        None if request.path.contains("{product_id}") => Ok("look"),
        None if request.path.contains("{skip}") => Ok("browse"),
        _ => anyhow::bail!("k6: request {}: it is nothing that the script does in a shop", request.name),
    }
}

/// Whether the oracle must know of a request.
pub(super) fn changes(request: &Request) -> bool {
    matches!(request.body.as_deref(), Some("order" | "basket" | "restock"))
}

/// What the script has told in `console`, which is whatever k6 has written there.
///
/// # Errors
/// A line is cut short, or is about what is not in the shop.
pub(super) fn deeds(console: &str, shop: &Open) -> Result<Vec<Deed>> {
    let cents: HashMap<i64, i64> = shop.products.iter().map(|product| (product.id, product.cents)).collect();
    console::told(console, MARK, |fields| deed(fields, &cents))
}

fn deed(fields: &[&str], cents: &HashMap<i64, i64>) -> Result<Deed> {
    let [kind, customer, status, order, lines @ ..] = fields else {
        anyhow::bail!("{} fields are no deed", fields.len())
    };
    let id = (!order.is_empty()).then(|| order.parse()).transpose()?;
    let answer = Answer::of(status.parse()?, id);
    let mut drawn = Vec::with_capacity(lines.len() / 2);
    for line in lines.chunks(2) {
        let [product, pieces] = line else { anyhow::bail!("a product has no pieces") };
        let product = product.parse()?;
        let cents = *cents.get(&product).context("no product of the shop")?;
        drawn.push(Line { product, quantity: pieces.parse()?, cents });
    }
    match (*kind, drawn.as_slice()) {
        ("order", [_, ..]) => Ok(Deed::Order { customer: customer.parse()?, lines: drawn, answer }),
        ("restock", [one]) => Ok(Deed::Change { product: one.product, pieces: one.quantity, answer }),
        (other, lines) => anyhow::bail!("{other} of {} products is no deed", lines.len()),
    }
}

/// Each request that was sent must have been told of: a deed that is missing would be a row that nobody asked
/// for.
///
/// # Errors
/// One is missing, or told twice.
pub(super) fn complete(deeds: &[Deed], sent: u64) -> Result<()> {
    let told = deeds.len() as u64;
    ensure!(told == sent, "k6 sent {sent} requests that change the shop, and its script reported {told}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::Product;

    fn shop() -> Open {
        Open {
            customers: Vec::new(),
            products: vec![Product { id: 7, cents: 1_010 }, Product { id: 8, cents: 5 }],
        }
    }

    #[test]
    fn deeds_are_read_whatever_stands_around_them() {
        let console = concat!(
            "time=\"2026-11-29T12:00:00Z\" level=info msg=\"pouco-deed,order,5,201,99,7,2,end\" source=console\n",
            "time=\"2026-11-29T12:00:00Z\" level=warning msg=\"Request Failed\" error=\"EOF\"\n",
            "pouco-deed,restock,5,200,,7,15,end\n",
            "{\"level\":\"info\",\"msg\":\"pouco-deed,order,6,400,,7,3,end\"}\n",
            "pouco-deed,order,6,0,,7,3,end\n",
            "pouco-deed,order,6,201,,7,1,8,2,end\n",
        );
        let line = |product, quantity, cents| Line { product, quantity, cents };
        let order = |customer, quantity, answer| Deed::Order {
            customer,
            lines: vec![line(7, quantity, 1_010)],
            answer,
        };
        let two = vec![line(7, 1, 1_010), line(8, 2, 5)];
        let expected = [
            order(5, 2, Answer::Yes(Some(99))),
            Deed::Change { product: 7, pieces: 15, answer: Answer::Yes(None) },
            order(6, 3, Answer::of(400, None)),
            order(6, 3, Answer::Lost),
            Deed::Order { customer: 6, lines: two, answer: Answer::Yes(None) },
        ];
        let told = deeds(console, &shop()).unwrap();
        assert_eq!(told, expected);
        assert!(complete(&told, 5).is_ok());
        let missing = complete(&told, 6).unwrap_err().to_string();
        assert_eq!(missing, "k6 sent 6 requests that change the shop, and its script reported 5");
    }

    #[test]
    fn what_is_cut_or_unknown_is_an_error_with_its_line() {
        let refused = |line: &str| format!("{:#}", deeds(&format!("{MARK}{line}"), &shop()).unwrap_err());
        assert!(refused("order,5,201,9,7,2").contains("cut short"));
        assert!(refused("order,5,201,9,7,end").contains("no pieces"));
        assert!(refused("order,5,201,9,9,2,end").contains("no product of the shop"));
        assert!(refused("restock,5,200,,7,2,8,1,end").contains("restock of 2 products is no deed"));
        assert!(refused("theft,5,201,9,7,2,end").contains("theft of 1 products is no deed"));
        assert!(refused("order,5,201,9,7,x,end").contains("order,5,201,9,7,x,end"));
    }
}
