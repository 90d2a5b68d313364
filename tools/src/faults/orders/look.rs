//! What the replicas tell at the end: the answers of keys, and every order by its id and on its customer's
//! pages.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use serde_json::Value;

use super::super::Failure;
use super::super::audit::Looked;
use super::super::check::{Broken, Violation};
use super::super::client::Client;
use super::super::stack::{REPLICAS, Stack};
use super::asker::{Asker, Common};
use super::shop::Shop;
use super::stored::Stored;
use super::wish::{Order, Try, What, Wish};

/// One wish in so many is repeated at the end, through each replica.
const REPEATED_EACH: u64 = 20;

/// Who does that at the same time: alone each would wait for a commit of its own.
const AT_ONCE: usize = 32;

/// Orders on a page.
const PAGE: usize = 100;

/// Asks again for what was answered, which goes into the history, and says how often through each replica.
pub fn repeat(common: &Arc<Common>, tries: &[Try]) -> usize {
    let mut answered: BTreeMap<u64, &Arc<Wish>> = BTreeMap::new();
    for one in tries.iter().filter(|one| one.last_word().is_some()) {
        if !matches!(one.wish.what, What::Cancel(_)) && one.wish.number.is_multiple_of(REPEATED_EACH) {
            answered.insert(one.wish.number, &one.wish);
        }
    }
    let wishes: Vec<&Arc<Wish>> = answered.into_values().collect();
    let part = wishes.len().div_ceil(AT_ONCE).max(1);
    for replica in 0..REPLICAS {
        thread::scope(|scope| {
            for part in wishes.chunks(part) {
                scope.spawn(move || part.iter().for_each(|wish| ask_again(common, wish, replica)));
            }
        });
    }
    wishes.len()
}

fn ask_again(common: &Arc<Common>, wish: &Arc<Wish>, replica: usize) {
    let shop = &common.shop;
    let target = shop.targets.iter().position(|target| target.replica == Some(replica));
    let customer = shop.customers.iter().position(|customer| customer.id == wish.customer);
    let seed = wish.number;
    Asker::new(common, customer.unwrap_or_default(), target.unwrap_or_default(), seed).ask(wish, false);
}

/// Looks up all orders through both replicas.
pub fn through_all(
    stack: &Stack,
    shop: &Shop,
    rows: &[Stored],
    violations: &mut Vec<Violation>,
) -> Result<Vec<Looked>, Failure> {
    let found: Vec<_> = thread::scope(|scope| {
        let all: Vec<_> = (0..REPLICAS)
            .map(|index| {
                let looked = Looked { name: format!("replica {}", index + 1), ..Looked::default() };
                let client = Client::new(&stack.api(index), shop.patience);
                let mut look = Look { shop, client, looked, violations: Vec::new() };
                scope.spawn(move || look.at_all(rows).map(|()| (look.looked, look.violations)))
            })
            .collect();
        all.into_iter().map(|one| one.join()).collect()
    });
    let mut looked = Vec::new();
    for one in found {
        let (one, broken) = one.map_err(|_| "a look at the orders panicked")??;
        looked.push(one);
        violations.extend(broken);
    }
    Ok(looked)
}

/// A look at all orders through one replica.
struct Look<'s> {
    shop: &'s Shop,
    client: Client,
    looked: Looked,
    violations: Vec<Violation>,
}

impl Look<'_> {
    fn at_all(&mut self, rows: &[Stored]) -> Result<(), Failure> {
        for customer in &self.shop.customers {
            let own: Vec<&Order> =
                rows.iter().map(|row| &row.order).filter(|order| order.customer == customer.id).collect();
            for order in &own {
                let told = self.get(&customer.authorization, &format!("/api/v1/orders/{}", order.id))?;
                self.looked.by_id += 1;
                self.compare(order, Order::told(&told).as_ref());
            }
            self.pages(&customer.authorization, &own)?;
        }
        Ok(())
    }

    /// All pages of a customer are all orders, in the order of their ids.
    fn pages(&mut self, authorization: &str, own: &[&Order]) -> Result<(), Failure> {
        let (mut told, mut after): (Vec<Order>, i64) = (Vec::new(), 0);
        loop {
            let page = self.get(authorization, &format!("/api/v1/orders?limit={PAGE}&after={after}"))?;
            let orders: Option<Vec<Order>> =
                page.as_array().and_then(|page| page.iter().map(Order::told).collect());
            let Some(orders) = orders else {
                self.violate(Broken::WrongRead, &format!("no page of orders after {after}: {page}"));
                return Ok(());
            };
            let is_last = orders.len() < PAGE;
            told.extend(orders);
            match told.last() {
                // A page that does not go on would be asked for ever.
                Some(last) if !is_last && last.id > after => after = last.id,
                _ => break,
            }
        }
        self.looked.by_search += told.len();
        let mut pages = told.iter();
        for order in own {
            self.compare(order, pages.next());
        }
        for ghost in pages {
            self.violate(Broken::Ghost, &format!("{ghost:?} is on a page and not in Postgres"));
        }
        Ok(())
    }

    fn compare(&mut self, order: &Order, told: Option<&Order>) {
        match told {
            Some(told) if told == order => {}
            None => self.violate(Broken::Invisible, &format!("{order:?}")),
            Some(told) => self.violate(Broken::WrongRead, &format!("{told:?} is {order:?} in Postgres")),
        }
    }

    fn violate(&mut self, broken: Broken, what: &str) {
        self.looked.violate(broken, what, &mut self.violations);
    }

    fn get(&mut self, authorization: &str, path: &str) -> Result<Value, Failure> {
        let answer = self.client.ask("GET", path, authorization, "");
        let answer = answer.map_err(|error| format!("{}, {path}: {error:?}", self.looked.name))?;
        Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
    }
}
