//! After a kill: each order that somebody was told of, and all stock, as every replica answers them. Rows
//! alone do not show what a server knows that has them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::Result;
use serde::Deserialize;

use crate::contest::Contest;
use crate::load::order_told;
use crate::oracle::inventory::{Order, Shop, merged};
use crate::record::Asked;
use crate::runner::visible::{Client, Door, GIVE_UP, LIMIT, MAX_EXAMPLES, POLL, Seen, at_each, doors};
use crate::stack::Stack;

/// Of one page of the stock: the most that the contest allows.
const PAGE: usize = 100;

/// An order that must be answered.
pub(in crate::runner) struct Sought<'a> {
    pub(in crate::runner) id: i64,
    /// As it is stored.
    pub(in crate::runner) order: &'a Order,
    /// Of its customer.
    pub(in crate::runner) token: &'a str,
}

/// Asks every replica for every one of `orders`, and for the stock of all products.
///
/// # Errors
/// A replica does not serve, the engine cannot be asked where they are, or `stop` was set.
pub(in crate::runner) fn ask(
    contest: &Contest,
    stack: &dyn Stack,
    orders: &[Sought<'_>],
    stored: &Shop,
    stop: &AtomicBool,
) -> Result<Seen> {
    let mut seen = Seen::default();
    let doors = doors(contest, stack.replicas()?, &mut seen.warnings, stop)?;
    let stock = stored.stock.iter().map(|(product, all)| (*product, all.iter().sum())).collect();
    let questions = Questions { orders, stock, stop };
    let found = at_each(&doors, &|door| questions.of(door), stop)?;
    let mut invisible = BTreeSet::new();
    for (door, found) in doors.iter().zip(found) {
        invisible.extend(found.missing.iter().copied());
        questions.tell(&mut seen, door, &found);
        seen.asked.push(Asked {
            replica: door.replica.clone(),
            people: found.asked as u64,
            missing_by_id: found.missing.len() as u64,
            rows: stored.orders.len() as u64,
            wrong_stocks: Some(found.stocks.len() as u64),
            seconds: found.seconds,
            ..Asked::default()
        });
    }
    seen.invisible = invisible.len() as u64;
    Ok(seen)
}

struct Questions<'q> {
    orders: &'q [Sought<'q>],
    stock: BTreeMap<i64, i64>,
    stop: &'q AtomicBool,
}

/// What a door answered.
#[derive(Default)]
struct Found {
    /// For so many orders there was time.
    asked: usize,
    /// Places of orders that were not answered as they are stored.
    missing: Vec<usize>,
    /// Products with another stock, and what was answered; nothing for one that is not in the list.
    stocks: BTreeMap<i64, Option<i64>>,
    seconds: f64,
}

impl Questions<'_> {
    /// In rounds: all, then what was missing, until nothing is or the time is over.
    fn of(&self, door: &Door) -> Found {
        let began = Instant::now();
        // So many that a balancer has all of its replicas answer.
        let mut clients: Vec<Client<'_>> = (0..door.connections).map(|_| door.client()).collect();
        let mut found = Found { missing: (0..self.orders.len()).collect(), ..Found::default() };
        loop {
            let last = began.elapsed() >= LIMIT;
            let goes_on = |_: &usize| began.elapsed() < GIVE_UP && !self.stop.load(Ordering::Relaxed);
            let pending: Vec<usize> = found.missing.iter().copied().take_while(goes_on).collect();
            found.asked = found.asked.max(pending.len());
            let wrong = |place: &usize, clients: &mut Vec<Client<'_>>| {
                !clients.iter_mut().all(|client| self.orders[*place].is_answered(client))
            };
            found.missing = pending.into_iter().filter(|place| wrong(place, &mut clients)).collect();
            found.stocks = clients.iter_mut().flat_map(|client| self.wrong_stocks(client)).collect();
            found.seconds = began.elapsed().as_secs_f64();
            let right = found.missing.is_empty() && found.stocks.is_empty();
            if right || last || self.stop.load(Ordering::Relaxed) {
                return found;
            }
            thread::sleep(POLL);
        }
    }

    /// Any customer may see the stock of all.
    fn wrong_stocks(&self, client: &mut Client<'_>) -> BTreeMap<i64, Option<i64>> {
        let Some(order) = self.orders.first() else { return BTreeMap::new() };
        let answered = stock(client, order.token).unwrap_or_default();
        let all: BTreeSet<i64> = self.stock.keys().chain(answered.keys()).copied().collect();
        // A product without a row has nothing in stock.
        let of = |stock: &BTreeMap<i64, i64>, product: &i64| stock.get(product).copied().unwrap_or_default();
        let other = |product: &i64| of(&answered, product) != of(&self.stock, product);
        all.into_iter().filter(other).map(|product| (product, answered.get(&product).copied())).collect()
    }

    fn tell(&self, seen: &mut Seen, door: &Door, found: &Found) {
        let who = door.name();
        for place in found.missing.iter().take(MAX_EXAMPLES) {
            let id = self.orders[*place].id;
            seen.examples.push(format!("order {id} is stored after the kill, and not answered so: {who}"));
        }
        for (product, answered) in found.stocks.iter().take(MAX_EXAMPLES) {
            let is = |number: Option<i64>| number.map_or("none".to_owned(), |number| number.to_string());
            let (stored, answered) = (is(self.stock.get(product).copied()), is(*answered));
            seen.examples.push(format!(
                "after the kill product {product} has {stored} in stock, and {answered} are answered: {who}"
            ));
        }
        let all = self.orders.len();
        if found.asked < all {
            let (asked, seconds) = (found.asked, GIVE_UP.as_secs());
            seen.warnings
                .push(format!("within {seconds} s only {asked} of {all} orders could be asked for: {who}"));
        }
    }
}

impl Sought<'_> {
    fn is_answered(&self, client: &mut Client<'_>) -> bool {
        let answer = client.get(&format!("/api/v1/orders/{}", self.id), Some(self.token));
        let Some(Ok((id, order))) =
            answer.filter(|answer| answer.status == 200).map(|it| order_told(&it.body))
        else {
            return false;
        };
        (id, order.customer, order.total) == (self.id, self.order.customer, self.order.total)
            && merged(&order.lines) == merged(&self.order.lines)
    }
}

/// All of it, page by page; nothing where a page is not answered.
fn stock(client: &mut Client<'_>, token: &str) -> Option<BTreeMap<i64, i64>> {
    #[derive(Deserialize)]
    struct Row {
        product_id: i64,
        quantity: i64,
    }
    let (mut all, mut skip) = (BTreeMap::new(), 0);
    loop {
        let answer = client.get(&format!("/api/v1/inventory?skip={skip}&limit={PAGE}"), Some(token))?;
        let page: Vec<Row> = serde_json::from_slice(&answer.body).ok().filter(|_| answer.status == 200)?;
        let known = all.len();
        all.extend(page.iter().map(|row| (row.product_id, row.quantity)));
        // One that answers the same page for ever has an end, too.
        if page.len() < PAGE || all.len() == known {
            return Some(all);
        }
        skip += PAGE;
    }
}
