//! The checker of orders must find what is planted, too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::Failure;
use super::check::{Broken, Violation};
use super::orders::check::{Scene, check};
use super::orders::shop::Product;
use super::orders::stored::Stored;
use super::orders::watch::Readings;
use super::orders::wish::{Came, Line, Order, Reply, Said, Try, What, Wish};

/// A history, what Postgres has at its end, and what was read meanwhile.
struct Play {
    products: Vec<Product>,
    tries: Vec<Try>,
    stored: Vec<Stored>,
    stock: BTreeMap<i64, i64>,
    readings: Readings,
}

const CUSTOMER: i64 = 7;
const TEA: i64 = 1;
const CUP: i64 = 2;

fn wish(number: u64, what: What) -> Arc<Wish> {
    Arc::new(Wish { number, customer: CUSTOMER, what })
}

/// Wish `number` is an order of so much of each.
fn order_of(number: u64, lines: &[(i64, i64)]) -> Arc<Wish> {
    wish(number, What::Order(lines.to_vec()))
}

fn said(status: u16, said: Said) -> Came {
    let location = match &said {
        Said::Order(order) if status == 201 => Some(order.id),
        Said::Order(_) | Said::Text(_) => None,
    };
    Came::Answered(Reply { status, retry_after: status == 503, location, said })
}

fn text(status: u16, text: &str) -> Came {
    said(status, Said::Text(text.into()))
}

fn refused(status: u16) -> Came {
    text(status, "{\"error\":\"not now\"}")
}

fn short(product: i64, left: i64) -> Came {
    text(400, &json!({"error": format!("product {product} has {left} in stock")}).to_string())
}

/// The order that a wish becomes.
fn placed(wish: &Wish, id: i64) -> Order {
    let line = |(product, quantity)| Line {
        product,
        name: format!("Product {product}").into(),
        quantity,
        cents: 100 + product,
    };
    let mut order = Order {
        id,
        customer: wish.customer,
        status: "pending".into(),
        total: 0,
        created: "2026-01-02T03:04:05Z".into(),
        lines: wish.merged().into_iter().map(line).collect(),
    };
    order.total = order.cost();
    order
}

fn answered(wish: &Wish, id: i64) -> Came {
    said(201, Said::Order(placed(wish, id).into()))
}

impl Play {
    fn ask_each(&mut self, wish: &Arc<Wish>, came: impl IntoIterator<Item = Came>) {
        came.into_iter().for_each(|came| self.ask(wish, came));
    }

    fn ask(&mut self, wish: &Arc<Wish>, came: Came) {
        let began = Duration::from_millis(10 * self.tries.len() as u64);
        let (wish, ended) = (wish.clone(), began + Duration::from_millis(5));
        self.tries.push(Try { wish, target: 0, replica: Some(0), began, ended, came });
    }

    fn store(&mut self, wish: &Wish, id: i64) {
        let order = placed(wish, id);
        for line in &order.lines {
            *self.stock.entry(line.product).or_default() -= line.quantity;
        }
        self.stored.push(Stored { order, key: Some(format!("={}", wish.key()).into()) });
    }

    fn add(&mut self, number: u64, product: i64, by: i64) {
        let wish = wish(number, What::Stock { product, by });
        let left = self.stock.entry(product).or_default();
        *left += by;
        let told = json!({"id": product, "product_id": product, "quantity": *left}).to_string();
        self.ask(&wish, text(200, &told));
    }

    /// The answer of the first attempt of a wish.
    fn answer_to(&mut self, number: u64) -> Option<&mut Reply> {
        let first = self.tries.iter_mut().find(|one| one.wish.number == number)?;
        match &mut first.came {
            Came::Answered(reply) => Some(reply),
            _ => None,
        }
    }
}

/// Everything that may happen, each in its own way.
fn honest() -> Play {
    let product = |id| Product { id, name: format!("Product {id}"), cents: 100 + id };
    let mut play = Play {
        products: [TEA, CUP].map(product).into(),
        tries: Vec::new(),
        stored: Vec::new(),
        stock: BTreeMap::new(),
        readings: Readings::default(),
    };
    play.add(0, TEA, 100);
    play.add(1, CUP, 10);
    play.add(2, TEA, -5);
    // Answered, and answered again.
    let two = order_of(10, &[(CUP, 1), (TEA, 2), (CUP, 1)]);
    play.ask_each(&two, [answered(&two, 1), answered(&two, 1)]);
    play.store(&two, 1);
    // Short, and still short when it is repeated.
    let much = order_of(11, &[(CUP, 20)]);
    play.ask_each(&much, [short(CUP, 8), short(CUP, 8)]);
    // Refused and given up; refused and then done; not heard of, under way, and then done.
    play.ask(&order_of(12, &[(TEA, 1)]), refused(503));
    let late = order_of(13, &[(TEA, 3)]);
    play.ask_each(&late, [refused(503), Came::NotSent, answered(&late, 3)]);
    play.store(&late, 3);
    let lost = order_of(14, &[(TEA, 4)]);
    play.ask_each(&lost, [Came::Left, refused(409), refused(502), answered(&lost, 2)]);
    play.store(&lost, 2);
    // Cancelled once, and cancelled although the answer was lost.
    for (number, order, first) in [(15, 3, None), (16, 2, Some(Came::Broken))] {
        let cancel = wish(number, What::Cancel(order));
        let taken = play.stored.iter_mut().find(|stored| stored.order.id == order);
        let taken = taken.map(|stored| {
            stored.order.status = "cancelled".into();
            stored.order.clone()
        });
        for line in taken.iter().flat_map(|order| &order.lines) {
            *play.stock.entry(line.product).or_default() += line.quantity;
        }
        match (first, taken) {
            (None, Some(order)) => play.ask(&cancel, said(200, Said::Order(order.into()))),
            (first, _) => first.into_iter().for_each(|first| play.ask(&cancel, first)),
        }
        play.ask(&cancel, refused(409));
    }
    play.readings.note(TEA, 89);
    play.readings.note(CUP, 0);
    play
}

/// What is done to an honest play, and what must then be found.
type Plant = fn(&mut Play);
const PLANTED: &[(&str, Broken, Plant)] = &[
    ("a lost order", Broken::Lost, |play| {
        play.stored.remove(0);
    }),
    ("an order twice under one key", Broken::StoredTwice, |play| play.store(&order_of(10, &[(TEA, 2)]), 9)),
    ("a second order without a key", Broken::NeverSent, |play| {
        play.store(&order_of(10, &[(CUP, 2), (TEA, 2)]), 9);
        play.stored[3].key = None;
    }),
    ("an order of nobody", Broken::NeverSent, |play| play.store(&order_of(99, &[(TEA, 1)]), 9)),
    ("an order of another customer", Broken::NeverSent, |play| play.stored[0].order.customer += 1),
    ("another id", Broken::WrongId, |play| play.stored[0].order.id = 99),
    ("another Location", Broken::WrongId, |play| {
        if let Some(reply) = play.answer_to(10) {
            reply.location = None;
        }
    }),
    ("a wrong total", Broken::WrongTotal, |play| play.stored[0].order.total += 1),
    ("a wrong total in an answer", Broken::WrongTotal, |play| {
        if let Some(Reply { said: Said::Order(order), .. }) = play.answer_to(10) {
            order.total -= 1;
        }
    }),
    ("the client's own price", Broken::Altered, |play| play.stored[0].order.lines[0].cents = 1),
    ("another quantity", Broken::Altered, |play| play.stored[0].order.lines[1].quantity = 1),
    ("half an order", Broken::Altered, |play| {
        play.stored[0].order.lines.pop();
    }),
    ("stock that does not add up", Broken::WrongStock, |play| {
        play.stock.insert(TEA, 92);
    }),
    ("an acknowledged addition that is lost", Broken::WrongStock, |play| {
        play.stock.entry(CUP).and_modify(|left| *left -= 8);
    }),
    ("an addition that was refused and done", Broken::WrongStock, |play| {
        play.ask(&wish(20, What::Stock { product: TEA, by: 50 }), refused(503));
        play.stock.entry(TEA).and_modify(|left| *left += 50);
    }),
    ("a product without stock", Broken::WrongStock, |play| {
        play.stock.remove(&CUP);
    }),
    ("a negative reading", Broken::BelowZero, |play| play.readings.note(TEA, -1)),
    ("negative stock at the end", Broken::BelowZero, |play| {
        play.stock.insert(TEA, -1);
    }),
    ("negative stock in an answer", Broken::BelowZero, |play| {
        play.ask(&order_of(20, &[(TEA, 1)]), short(TEA, -1));
    }),
    ("stored and told that it is short", Broken::RefusedButStored, |play| {
        play.store(&order_of(11, &[(CUP, 20)]), 9);
    }),
    ("stored and told that it is not", Broken::RefusedButStored, |play| {
        play.store(&order_of(12, &[(TEA, 1)]), 9);
    }),
    ("short of what is there", Broken::FalseRefusal, |play| {
        play.ask(&order_of(20, &[(TEA, 1)]), short(TEA, 1));
    }),
    ("under way when nobody has asked", Broken::FalseRefusal, |play| {
        let wish = order_of(20, &[(TEA, 1)]);
        play.ask_each(&wish, [refused(409), short(TEA, 0)]);
    }),
    ("a key with two answers", Broken::OtherAnswer, |play| {
        let wish = order_of(10, &[(CUP, 1), (TEA, 2), (CUP, 1)]);
        play.ask(&wish, short(CUP, 1));
    }),
    ("a key with two orders", Broken::OtherAnswer, |play| {
        let wish = order_of(10, &[(CUP, 1), (TEA, 2), (CUP, 1)]);
        play.ask(&wish, answered(&wish, 9));
    }),
    ("a key that two additions have", Broken::OtherAnswer, |play| {
        play.ask(&wish(0, What::Stock { product: TEA, by: 100 }), text(200, "{\"quantity\":200}"));
    }),
    ("cancelled twice", Broken::AcknowledgedTwice, |play| {
        let order = play.stored[1].order.clone();
        play.ask(&wish(15, What::Cancel(3)), said(200, Said::Order(order.into())));
    }),
    ("cancelled before anybody asked", Broken::FalseRefusal, |play| {
        play.ask(&wish(20, What::Cancel(1)), refused(409));
    }),
    ("acknowledged as cancelled and pending", Broken::Lost, |play| {
        play.stored[1].order.status = "pending".into();
    }),
    ("cancelled and told that it is not", Broken::RefusedButStored, |play| {
        play.ask(&wish(20, What::Cancel(1)), refused(503));
        play.stored[0].order.status = "cancelled".into();
    }),
    ("cancelled by nobody", Broken::Altered, |play| play.stored[0].order.status = "cancelled".into()),
    ("a 503 for ever", Broken::NoRetryAfter, |play| {
        if let Some(reply) = play.answer_to(12) {
            reply.retry_after = false;
        }
    }),
    ("a request that hangs", Broken::Hung, |play| play.ask(&order_of(20, &[(TEA, 1)]), Came::Hung)),
    ("a wish that is never answered", Broken::Hung, |play| {
        play.ask(&order_of(20, &[(TEA, 1)]), Came::Broken);
    }),
    ("a deadlock", Broken::UnexpectedStatus, |play| play.ask(&order_of(20, &[(TEA, 1)]), refused(500))),
    ("another 400", Broken::UnexpectedStatus, |play| play.ask(&order_of(20, &[(TEA, 1)]), refused(400))),
    ("no order in a 201", Broken::WrongRead, |play| {
        play.ask(&order_of(20, &[(TEA, 1)]), text(201, "{}"));
    }),
];

fn found(play: &Play) -> Vec<Violation> {
    let Play { products, tries, stored, stock, readings } = play;
    check(&Scene { products, tries, stored, stock, readings })
}

/// Plants every violation alone, which must be found; and nothing must be found where nothing is.
pub fn run() -> Result<usize, Failure> {
    if let Some(violation) = found(&honest()).first() {
        return Err(format!("found in an honest history of orders: {violation}").into());
    }
    for (what, expected, plant) in PLANTED {
        let mut play = honest();
        plant(&mut play);
        let found = found(&play);
        if !found.iter().any(|violation| violation.broken == *expected) {
            return Err(format!("{what} is not found; found: {found:?}").into());
        }
    }
    Ok(PLANTED.len())
}
