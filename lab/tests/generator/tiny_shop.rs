//! A shop for the lab's own tests: all that a load asks of one, in memory, and what is wrong with it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use pouco_lab::contestant::Role;
use pouco_lab::meters::Target;
use pouco_lab::oracle::inventory::{Line, Order, Shop};
use pouco_lab::stack::Stack;

use super::capacity::said_by_a_database;
use crate::load_support::{Asked, Reply, Server};

/// Products of a page.
const PAGE: usize = 20;

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Every tenth order takes nothing from the stock.
    pub(crate) oversells: bool,
    /// Every tenth order costs a cent, as its answer says.
    pub(crate) is_cheap: bool,
    /// Every tenth order is acknowledged and nowhere.
    pub(crate) forgets: bool,
    /// Each order of this number, and of its multiples, is answered with an error and not done.
    pub(crate) fails_at: Option<usize>,
}

#[derive(Default)]
pub(crate) struct TinyShop {
    faults: Faults,
    pub(crate) stored: Shop,
    users: i64,
    /// By their ids less one.
    cents: Vec<i64>,
    orders: usize,
}

fn text<'a>(body: &'a str, name: &str) -> &'a str {
    let rest = body.split(&format!("\"{name}\":")).nth(1).unwrap();
    rest.split([',', '}']).next().unwrap()
}

fn number(body: &str, name: &str) -> i64 {
    text(body, name).parse().unwrap()
}

fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn ok(body: &str) -> Reply {
    Reply::new("200 OK", "", body)
}

impl TinyShop {
    pub(crate) fn new(faults: Faults) -> Self {
        Self { faults, ..Self::default() }
    }

    pub(crate) fn answer(&mut self, asked: &Asked) -> Reply {
        let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
        let is_open = path.starts_with("/api/v1/auth/") || !path.starts_with("/api/");
        assert!(is_open || asked.headers.contains(": Bearer a.b."), "{path}: {}", asked.headers);
        match (asked.method.as_str(), path.trim_start_matches("/api/v1")) {
            ("POST", "/auth/register") => {
                self.users += 1;
                ok(&format!(r#"{{"id":{}}}"#, self.users))
            }
            // Whoever logs in again is the same user to this shop: the last one.
            ("POST", "/auth/login") => {
                assert!(asked.body.ends_with("%40example.com&password=correct+horse"), "{}", asked.body);
                ok(&format!(r#"{{"access_token":"a.b.{}"}}"#, self.users))
            }
            ("POST", "/products") => {
                self.cents.push(text(&asked.body, "price").replace('.', "").parse().unwrap());
                ok(&format!(r#"{{"id":{}}}"#, self.cents.len()))
            }
            ("GET", "/products") => {
                let skip: usize = query.split("skip=").nth(1).unwrap().parse().unwrap();
                let ids = (1..=self.cents.len()).skip(skip).take(PAGE);
                let all: Vec<String> = ids.map(|id| self.product(id)).collect();
                ok(&format!("[{}]", all.join(",")))
            }
            ("POST", "/inventory/add") => {
                let (product, quantity) =
                    (number(&asked.body, "product_id"), number(&asked.body, "quantity"));
                let left = &mut self.stored.stock.entry(product).or_insert_with(|| vec![0])[0];
                *left += quantity;
                ok(&format!(r#"{{"product_id":{product},"quantity":{left}}}"#))
            }
            ("POST", "/orders") => self.order(asked),
            ("GET", path) if path.starts_with("/products/") => {
                ok(&self.product(path.rsplit('/').next().unwrap().parse().unwrap()))
            }
            _ => ok(""),
        }
    }

    fn product(&self, id: usize) -> String {
        format!(r#"{{"id":{id},"price":{}}}"#, money(self.cents[id - 1]))
    }

    fn order(&mut self, asked: &Asked) -> Reply {
        self.orders += 1;
        let tenth = self.orders.is_multiple_of(10);
        if self.faults.fails_at.is_some_and(|at| self.orders.is_multiple_of(at)) {
            return Reply::new("500 Internal Server Error", "", "{}");
        }
        let customer: i64 =
            asked.headers.split("Bearer a.b.").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        let (product, quantity) = (number(&asked.body, "product_id"), number(&asked.body, "quantity"));
        let left = &mut self.stored.stock.get_mut(&product).unwrap()[0];
        if *left < quantity {
            return Reply::new("400 Bad Request", "", "{}");
        }
        *left -= if tenth && self.faults.oversells { 0 } else { quantity };
        let own = self.cents[usize::try_from(product).unwrap() - 1];
        let cents = if tenth && self.faults.is_cheap { 1 } else { own };
        let (id, total) = (i64::try_from(self.orders).unwrap(), quantity * cents);
        let lines = vec![Line { product, quantity, cents }];
        let order = Order { customer, status: "pending".to_owned(), total, lines };
        if !(tenth && self.faults.forgets) {
            self.stored.orders.insert(id, vec![order]);
        }
        let line =
            format!(r#"{{"product_id":{product},"quantity":{quantity},"unit_price":{}}}"#, money(cents));
        let order = format!(
            r#"{{"id":{id},"customer_id":{customer},"total_amount":{},"items":[{line}]}}"#,
            money(total)
        );
        Reply::new("201 Created", "", &order)
    }

    /// As the lab reads it from a database.
    fn rows(&self) -> String {
        let mut rows = String::new();
        for (product, quantities) in &self.stored.stock {
            let quantity = quantities[0];
            writeln!(rows, r#"{{"kind":"stock","product":{product},"quantity":{quantity}}}"#).unwrap();
        }
        for (id, orders) in &self.stored.orders {
            let Order { customer, status, total, lines } = &orders[0];
            let Line { product, quantity, cents } = lines[0];
            let (total, price) = (money(*total), money(cents));
            writeln!(
                rows,
                r#"{{"kind":"order","id":{id},"customer":{customer},"status":"{status}","total":"{total}","lines":[{{"product":{product},"quantity":{quantity},"price":"{price}"}}]}}"#
            )
            .unwrap();
        }
        rows
    }
}

/// One that is served, and what is known of it behind the counter.
pub(crate) fn served(faults: Faults) -> (Server, Arc<Mutex<TinyShop>>) {
    let shop = Arc::new(Mutex::new(TinyShop::new(faults)));
    let shared = Arc::clone(&shop);
    (Server::start(move |asked| shared.lock().unwrap().answer(asked)), shop)
}

/// What the shop runs in: measured as recorded trees say, and with the shop's own rows.
pub(crate) struct Recorded {
    pub(crate) shop: Arc<Mutex<TinyShop>>,
    /// Services with their trees.
    pub(crate) services: Vec<(&'static str, Role, PathBuf)>,
}

impl Stack for Recorded {
    fn up(&mut self) -> Result<()> {
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        Ok(())
    }

    fn targets(&self) -> Result<Vec<Target>> {
        let target = |(service, role, root): &(&str, Role, PathBuf)| Target {
            service: (*service).to_owned(),
            role: Some(*role),
            pid: 1,
            container_id: None,
            root: root.clone(),
        };
        Ok(self.services.iter().map(target).collect())
    }

    fn sql(&self, statement: &str) -> Result<String> {
        Ok(said_by_a_database(statement))
    }

    fn rows(&self, _: &str) -> Result<String> {
        Ok(self.shop.lock().unwrap().rows())
    }

    fn down(&mut self) -> Result<()> {
        Ok(())
    }
}
