//! Orders: what is asked for, what is stored, and how it is answered.

use std::io::Write;

use serde::Deserialize;
use time::OffsetDateTime;

use super::super::money::Cents;
use crate::dates::{Fraction, write_moment};
use crate::http::json::write_string;
use crate::http::{Rejection, Status};

/// Lines of an order as it comes.
const MOST_LINES: usize = 100;

/// The body of `POST /orders`. A price of the client's is taken note of by nobody.
#[derive(Deserialize)]
pub(super) struct Asked {
    status: Option<String>,
    items: Vec<AskedLine>,
}

#[derive(Deserialize)]
struct AskedLine {
    product_id: i64,
    quantity: i32,
    #[serde(default, rename = "unit_price")]
    _unit_price: Option<f64>,
}

/// So much of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) product: i64,
    pub(super) quantity: i64,
}

impl Asked {
    /// What is wanted, each product once, in the order of the products.
    ///
    /// # Errors
    /// 422 with the member.
    pub(super) fn wanted(&self) -> Result<Box<[Wanted]>, Rejection> {
        let invalid = |field: String, error: &'static str| Rejection {
            field: Some(field.into()),
            ..Rejection::new(Status::UnprocessableContent, error)
        };
        if self.status.as_deref().is_some_and(|status| status != "pending") {
            return Err(invalid("status".into(), "a new order is pending"));
        }
        if !(1..=MOST_LINES).contains(&self.items.len()) {
            return Err(invalid("items".into(), "expected 1 to 100 lines"));
        }
        let mut wanted: Vec<Wanted> = Vec::with_capacity(self.items.len());
        for (index, line) in self.items.iter().enumerate() {
            if line.quantity < 1 {
                let error = "expected a whole number from 1 to 2147483647";
                return Err(invalid(format!("items[{index}].quantity"), error));
            }
            if line.product_id < 1 {
                return Err(invalid(
                    format!("items[{index}].product_id"),
                    "expected a positive whole number",
                ));
            }
            wanted.push(Wanted { product: line.product_id, quantity: line.quantity.into() });
        }
        wanted.sort_unstable_by_key(|line| line.product);
        wanted.dedup_by(|next, kept| {
            let same = next.product == kept.product;
            kept.quantity += if same { next.quantity } else { 0 };
            same
        });
        Ok(wanted.into())
    }
}

/// The steps of an order's life.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Step {
    Pending,
    Confirmed,
    Shipped,
    Delivered,
    Cancelled,
}

impl Step {
    const ALL: [(Self, &str); 5] = [
        (Self::Pending, "pending"),
        (Self::Confirmed, "confirmed"),
        (Self::Shipped, "shipped"),
        (Self::Delivered, "delivered"),
        (Self::Cancelled, "cancelled"),
    ];

    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(step, _)| *step == self).map_or("", |(_, name)| name)
    }

    /// As the table has it; what it does not know has no next step.
    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(step, _)| *step)
    }

    /// Whether an order may go from this step to the next. What is on its way is no longer cancelled.
    pub(super) fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Pending, Self::Confirmed | Self::Cancelled)
                | (Self::Confirmed, Self::Shipped | Self::Cancelled)
                | (Self::Shipped, Self::Delivered)
        )
    }
}

/// A line of a stored order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OrderLine {
    pub(super) product: i64,
    /// As the product was called then.
    pub(super) name: String,
    pub(super) quantity: i64,
    /// As the product cost then.
    pub(super) unit_price: Cents,
}

impl OrderLine {
    /// `None` if no number of ours holds it.
    pub(super) fn cents(&self) -> Option<i64> {
        self.quantity.checked_mul(self.unit_price.0)
    }
}

/// A stored order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api::inventory) struct Order {
    pub(in crate::api::inventory) id: i64,
    pub(super) customer: i64,
    pub(super) status: Step,
    pub(super) total: Cents,
    pub(super) created: OffsetDateTime,
    pub(super) updated: OffsetDateTime,
    pub(super) lines: Vec<OrderLine>,
}

impl Order {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        // Writing to a Vec does not fail.
        let (id, customer, status) = (self.id, self.customer, self.status.name());
        let _ =
            write!(out, "{{\"id\":{id},\"customer_id\":{customer},\"status\":\"{status}\",\"total_amount\":");
        self.total.write(out);
        for (name, moment) in [("created_at", self.created), ("updated_at", self.updated)] {
            let _ = write!(out, ",\"{name}\":\"");
            write_moment(out, moment, Fraction::MicrosecondsIfAny);
            out.push(b'"');
        }
        out.extend_from_slice(b",\"items\":[");
        for (index, line) in self.lines.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let _ = write!(out, "{{\"id\":{},\"order_id\":{id},\"product_id\":{}", index + 1, line.product);
            out.extend_from_slice(b",\"name\":");
            write_string(out, &line.name);
            let _ = write!(out, ",\"quantity\":{},\"unit_price\":", line.quantity);
            line.unit_price.write(out);
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }

    pub(in crate::api::inventory) fn body(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(192 + 96 * self.lines.len());
        self.write(&mut out);
        out
    }

    /// What it was answered when it was placed, whatever has become of it since.
    pub(in crate::api::inventory) fn when_placed(mut self) -> Self {
        (self.status, self.updated) = (Step::Pending, self.created);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(lines: &[(i64, i32)]) -> Asked {
        let line = |&(product_id, quantity)| AskedLine { product_id, quantity, _unit_price: None };
        Asked { status: None, items: lines.iter().map(line).collect() }
    }

    #[test]
    fn a_product_that_is_named_twice_is_wanted_once() {
        let wanted = asked(&[(7, 2), (3, 1), (7, i32::MAX)]).wanted().unwrap();
        let seven = Wanted { product: 7, quantity: i64::from(i32::MAX) + 2 };
        assert_eq!(*wanted, [Wanted { product: 3, quantity: 1 }, seven]);
    }

    #[test]
    fn an_order_that_is_none_says_where() {
        let field = |asked: &Asked| asked.wanted().unwrap_err().field.unwrap();
        assert_eq!(field(&asked(&[])), "items");
        assert_eq!(field(&asked(&[(1, 1); 101])), "items");
        assert_eq!(field(&asked(&[(1, 1), (2, 0)])), "items[1].quantity");
        assert_eq!(field(&asked(&[(1, -1)])), "items[0].quantity");
        assert_eq!(field(&asked(&[(0, 1)])), "items[0].product_id");
        assert_eq!(field(&Asked { status: Some("shipped".into()), ..asked(&[(1, 1)]) }), "status");
    }

    #[test]
    fn an_order_goes_forward_and_is_cancelled_before_it_is_shipped() {
        let allowed = Step::ALL.iter().flat_map(|(from, name)| {
            let next = Step::ALL.iter().filter(|(next, _)| from.may_become(*next));
            next.map(move |(_, next)| format!("{name} {next}"))
        });
        let steps = ["pending confirmed", "pending cancelled", "confirmed shipped", "confirmed cancelled"];
        assert!(allowed.eq(steps.into_iter().chain(["shipped delivered"])));
        for (step, name) in Step::ALL {
            assert_eq!((step.name(), Step::of(name)), (name, Some(step)));
        }
    }
}
