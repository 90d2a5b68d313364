//! What is asked of the shop, each attempt to get it, and what was answered.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::client::{Answer, NoAnswer};
use super::super::history::Attempted;

/// One thing that somebody wants done once, however often it has to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Its idempotency key is made of it.
    pub number: u64,
    /// The user's id.
    pub customer: i64,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Products and quantities in the order in which they are sent; a product may come twice.
    Order(Vec<(i64, i64)>),
    /// Added to the stock by hand, or removed if it is negative.
    Stock { product: i64, by: i64 },
    /// The order of this id.
    Cancel(i64),
}

const KEY: &str = "wish-";

impl Wish {
    pub fn key(&self) -> String {
        format!("{KEY}{}", self.number)
    }

    /// The number of a stored key, which has a `=` before what was sent.
    pub fn number_of(stored: &str) -> Option<u64> {
        stored.strip_prefix('=')?.strip_prefix(KEY)?.parse().ok()
    }

    /// Method, path and body.
    pub fn request(&self) -> (&'static str, String, String) {
        let path = |end: &str| format!("/api/v1{end}");
        match &self.what {
            What::Order(lines) => {
                let line = |&(product, quantity): &(i64, i64)| {
                    // A price of the client's own, which nobody is to believe.
                    json!({"product_id": product, "quantity": quantity, "unit_price": 0.01})
                };
                let items: Vec<Value> = lines.iter().map(line).collect();
                ("POST", path("/orders"), json!({ "items": items }).to_string())
            }
            What::Stock { product, by } => {
                let end = if *by > 0 { "/inventory/add" } else { "/inventory/remove" };
                ("POST", path(end), json!({"product_id": product, "quantity": by.abs()}).to_string())
            }
            What::Cancel(order) => {
                ("PATCH", path(&format!("/orders/{order}")), json!({"status": "cancelled"}).to_string())
            }
        }
    }

    /// What an order wants, each product once, in the order of products.
    pub fn merged(&self) -> Vec<(i64, i64)> {
        let What::Order(lines) = &self.what else { return Vec::new() };
        let mut merged = std::collections::BTreeMap::new();
        for (product, quantity) in lines {
            *merged.entry(*product).or_insert(0) += quantity;
        }
        merged.into_iter().collect()
    }
}

/// A line of an order as it is told or stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub product: i64,
    pub name: Box<str>,
    pub quantity: i64,
    pub cents: i64,
}

/// An order as it is told or stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub id: i64,
    pub customer: i64,
    pub status: Box<str>,
    pub total: i64,
    pub created: Box<str>,
    pub lines: Vec<Line>,
}

impl Order {
    /// Out of an answer; `None` if it is no order.
    pub fn told(json: &Value) -> Option<Self> {
        let line = |(index, line): (usize, &Value)| {
            let names_its_order = line["order_id"] == json["id"] && line["id"].as_u64()? == index as u64 + 1;
            names_its_order.then_some(())?;
            Some(Line {
                product: line["product_id"].as_i64()?,
                name: line["name"].as_str()?.into(),
                quantity: line["quantity"].as_i64()?,
                cents: cents(&line["unit_price"])?,
            })
        };
        Some(Self {
            id: json["id"].as_i64()?,
            customer: json["customer_id"].as_i64()?,
            status: json["status"].as_str()?.into(),
            total: cents(&json["total_amount"])?,
            created: json["created_at"].as_str()?.into(),
            lines: json["items"].as_array()?.iter().enumerate().map(line).collect::<Option<_>>()?,
        })
    }

    /// The same as it was when it was placed.
    pub fn when_placed(&self) -> Self {
        Self { status: "pending".into(), ..self.clone() }
    }

    /// What its lines cost.
    pub fn cost(&self) -> i64 {
        self.lines.iter().map(|line| line.quantity * line.cents).sum()
    }

    pub fn is_cancelled(&self) -> bool {
        &*self.status == "cancelled"
    }
}

/// Money as it stands in JSON. What is here has so few digits that its text is exact.
fn cents(json: &Value) -> Option<i64> {
    format!("{:.2}", json.as_f64()?).replace('.', "").parse().ok()
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub retry_after: bool,
    /// The order that a `Location` names.
    pub location: Option<i64>,
    pub said: Said,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Order(Box<Order>),
    /// Anything else.
    Text(Box<str>),
}

impl Reply {
    pub fn of(answer: &Answer) -> Self {
        let order = || Order::told(&serde_json::from_slice(&answer.body).ok()?);
        let is_order = matches!(answer.status, 200 | 201);
        let said = match is_order.then(order).flatten() {
            Some(order) => Said::Order(order.into()),
            None => Said::Text(String::from_utf8_lossy(&answer.body).into()),
        };
        let location = answer.header("location").and_then(|path| path.strip_prefix("/api/v1/orders/"));
        let location = location.and_then(|order| order.parse().ok());
        Self { status: answer.status, retry_after: answer.header("retry-after").is_some(), location, said }
    }

    pub fn order(&self) -> Option<&Order> {
        match &self.said {
            Said::Order(order) => Some(order),
            Said::Text(_) => None,
        }
    }
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    Answered(Reply),
    /// Nobody listened: nothing was done.
    NotSent,
    /// The connection broke: it may be done or not.
    Broken,
    /// The client went away on purpose: it may be done or not.
    Left,
    /// No answer within the client's patience.
    Hung,
}

impl Came {
    pub fn of(answer: Result<Answer, NoAnswer>) -> Self {
        match answer {
            Ok(answer) => Self::Answered(Reply::of(&answer)),
            Err(NoAnswer::NotSent) => Self::NotSent,
            Err(NoAnswer::Broken) => Self::Broken,
            Err(NoAnswer::Hung) => Self::Hung,
        }
    }
}

/// One attempt to get a wish. Times are the history's.
#[derive(Clone)]
pub struct Try {
    pub wish: Arc<Wish>,
    pub target: usize,
    /// Which replica has the request, if there is nothing between.
    pub replica: Option<usize>,
    pub began: Duration,
    pub ended: Duration,
    pub came: Came,
}

impl Try {
    pub fn reply(&self) -> Option<&Reply> {
        match &self.came {
            Came::Answered(reply) => Some(reply),
            _ => None,
        }
    }

    /// The last word, which stays the same however often the wish is repeated.
    pub fn last_word(&self) -> Option<&Reply> {
        let is_last = |status: u16| match self.wish.what {
            What::Order(_) => matches!(status, 201 | 400),
            What::Stock { .. } => matches!(status, 200 | 400),
            What::Cancel(_) => matches!(status, 200 | 409),
        };
        self.reply().filter(|reply| is_last(reply.status))
    }

    /// Whether the client was told for certain that nothing was done.
    pub fn is_refused(&self) -> bool {
        self.came == Came::NotSent || self.status() == Some(503)
    }
}

impl fmt::Debug for Try {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wish, target, began, ended, came, .. } = self;
        let Wish { number, customer, what } = &**wish;
        write!(f, "wish {number} of {customer}, {what:?}, at {target}, {began:.3?} to {ended:.3?}: {came:?}")
    }
}

impl Attempted for Try {
    const NAME: &'static str = "requests";
    const COLUMNS: &'static str = "wish\tcustomer\twhat\ttarget\tbegan_ms\ttook_ms\toutcome\torder";

    fn began(&self) -> Duration {
        self.began
    }

    fn ended(&self) -> Duration {
        self.ended
    }

    fn status(&self) -> Option<u16> {
        self.reply().map(|reply| reply.status)
    }

    /// 502 and 504 are nginx's.
    fn is_unknown(&self) -> bool {
        matches!(self.came, Came::Broken | Came::Left | Came::Hung)
            || matches!(self.status(), Some(502 | 504))
    }

    /// A refusal for want of stock is done, too: it is kept under its key.
    fn is_done(&self) -> bool {
        self.last_word().is_some()
    }

    fn is_done_by(&self, replica: usize) -> bool {
        self.is_done() && self.replica == Some(replica)
    }

    fn word(&self) -> String {
        let what = match &self.wish.what {
            What::Order(_) => "order",
            What::Stock { by: 0.., .. } => "add",
            What::Stock { .. } => "remove",
            What::Cancel(_) => "cancel",
        };
        match &self.came {
            Came::Answered(reply) => format!("{what} {}", reply.status),
            Came::NotSent => format!("{what} not sent"),
            Came::Broken => format!("{what} cut"),
            Came::Left => format!("{what} left"),
            Came::Hung => format!("{what} hung"),
        }
    }

    fn line(&self) -> String {
        let (began, took) = (self.began.as_millis(), (self.ended - self.began).as_millis());
        let what = match &self.wish.what {
            What::Order(_) => {
                let line = |(product, quantity)| format!("{product}x{quantity}");
                self.wish.merged().into_iter().map(line).collect::<Vec<_>>().join(",")
            }
            What::Stock { product, by } => format!("{product}x{by:+}"),
            What::Cancel(order) => order.to_string(),
        };
        let order =
            self.reply().and_then(Reply::order).map_or_else(String::new, |order| order.id.to_string());
        let (wish, target) = (&self.wish, self.target);
        let word = self.word();
        format!("{}\t{}\t{what}\t{target}\t{began}\t{took}\t{word}\t{order}", wish.number, wish.customer)
    }
}
