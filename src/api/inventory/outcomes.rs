//! What became of orders, counted.

use crate::http::Status;
use crate::instruments::Counter;
use crate::metrics::Exposition;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Placed,
    /// A product was short.
    Short,
    /// A product was none.
    NoProduct,
    /// Answered as an earlier request with the same key, an order or a change of the stock.
    Again,
    /// Refused for another reason.
    Refused,
}

const ALL: [(Outcome, &str); 5] = [
    (Outcome::Placed, "placed"),
    (Outcome::Short, "short"),
    (Outcome::NoProduct, "no_product"),
    (Outcome::Again, "again"),
    (Outcome::Refused, "refused"),
];

impl Outcome {
    pub(super) fn of_refusal(status: Status) -> Self {
        match status {
            Status::BadRequest => Self::Short,
            Status::NotFound => Self::NoProduct,
            _ => Self::Refused,
        }
    }
}

/// Counted by the handlers alone, which all run on one thread.
#[derive(Default)]
pub(super) struct Outcomes([Counter; ALL.len()]);

impl Outcomes {
    pub(super) fn count(&self, outcome: Outcome) {
        self.0[outcome as usize].add(1);
    }

    pub(super) fn expose(&self, exposition: &mut Exposition) {
        let help = "Orders by outcome. A short one had a product with too little stock.";
        for (outcome, name) in ALL {
            let count = self.0[outcome as usize].get();
            exposition.sample("pouco_inventory_orders_total", help, &[("outcome", name)], count);
        }
    }
}
