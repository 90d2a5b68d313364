//! Clients that order at a bounded rate, the product in demand and random baskets, repeat themselves, change
//! their minds, and look at what they have ordered; and one that keeps the shop in stock.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::Failure;
use super::super::client::Answer;
use super::super::run::Pace;
use super::asker::{Asker, Common};
use super::shop::DEMANDED;
use super::wish::{Order, Reply, What, Wish};

/// So many clients of ten go to one of the replicas themselves, and the others to the balancer.
const DIRECT_OF_TEN: usize = 2;

/// A client needs little: 500 of them have room in 128 MB.
const STACK_BYTES: usize = 256 * 1024;

/// Of four orders three are for the product in demand ...
const DEMANDED_OF_FOUR: u32 = 3;
/// ... and want up to so much of it.
const MOST_DEMANDED: i64 = 9;

/// The others are baskets of up to so many products, up to so much of each.
const MOST_PRODUCTS: usize = 5;
const MOST_OF_EACH: i64 = 3;

/// One order in so many: its client does not listen to the first answer; repeats the order when it has been
/// answered; cancels it; reads it; reads a page.
const LEFT_EACH: u64 = 24;
const REPEATED_EACH: u64 = 16;
const CANCELLED_EACH: u64 = 12;
const READ_EACH: u64 = 4;
const PAGE_EACH: u64 = 32;

/// How often the stock is looked at, and how long the product in demand stays sold out.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
const SOLD_OUT: Duration = Duration::from_secs(2);

/// The product in demand is sold out when there is less of it, and refilled in so many parts.
const LITTLE: i64 = 3;
const PARTS: i64 = 5;

/// Of the others so much is added when there is less than that.
const REFILL: i64 = 400;
const LOW: i64 = 200;

pub struct Load {
    common: Arc<Common>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Load {
    /// Fills the shop, and lets the clients in.
    pub fn start(common: Arc<Common>, pace: Pace) -> Result<Self, Failure> {
        let mut keeper = Asker::new(&common, 0, 0, 0);
        let first: Vec<(i64, i64)> = common.shop.first_stock().collect();
        for (product, by) in first {
            let wish = keeper.wish(What::Stock { product, by });
            let added = keeper.pursue(&wish, false).is_some_and(|reply| reply.status == 200);
            added.then_some(()).ok_or("the shop cannot be filled")?;
        }
        let mut load = Self { common, threads: Vec::new() };
        load.spawn("keeper", move || keep(&mut keeper))?;
        for index in 0..pace.clients {
            let mut client = Asker::new(&load.common, index, target(&load.common, index), index as u64 + 1);
            let interval = Duration::from_secs_f64(pace.clients as f64 / pace.per_s);
            // Not all at the same moment.
            let first = interval.mul_f64(index as f64 / pace.clients as f64);
            load.spawn("client", move || order_until_stopped(&mut client, interval, first))?;
        }
        Ok(load)
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
        let thread = thread::Builder::new().name(name.into()).stack_size(STACK_BYTES);
        self.threads.push(thread.spawn(work)?);
        Ok(())
    }

    /// Lets every client get the answer that it waits for.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.common.stop();
        let ends: Vec<bool> = self.threads.drain(..).map(|thread| thread.join().is_ok()).collect();
        if ends.contains(&false) { Err("a client panicked".into()) } else { Ok(()) }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.common.stop();
    }
}

/// Where a client goes first.
fn target(common: &Common, index: usize) -> usize {
    let targets = &common.shop.targets;
    let direct = index % 10 < DIRECT_OF_TEN || targets[0].replica.is_some();
    let replicas: Vec<usize> =
        (0..targets.len()).filter(|target| targets[*target].replica.is_some()).collect();
    if direct { replicas[index % replicas.len()] } else { 0 }
}

fn order_until_stopped(client: &mut Asker, interval: Duration, first: Duration) {
    let (home, mut due) = (client.target, Instant::now() + first);
    loop {
        client.common.sleep(due.saturating_duration_since(Instant::now()));
        if client.common.is_stopped() {
            return;
        }
        // What was missed during an outage is not made up for, and every client keeps its own beat.
        while due <= Instant::now() {
            due += interval;
        }
        // A broken connection has led it elsewhere.
        while client.target != home {
            client.turn();
        }
        let lines = basket(client);
        let wish = client.wish(What::Order(lines));
        let leaves = wish.number.is_multiple_of(LEFT_EACH);
        if let Some(reply) = client.pursue(&wish, leaves) {
            afterwards(client, &wish, &reply);
        }
    }
}

/// What is ordered, in any order.
fn basket(client: &mut Asker) -> Vec<(i64, i64)> {
    let (shop, random) = (&client.common.shop, &mut client.random);
    if random.u32(..4) < DEMANDED_OF_FOUR {
        return vec![(shop.demanded().id, random.i64(1..=MOST_DEMANDED))];
    }
    let mut products: Vec<i64> = shop.products.iter().map(|product| product.id).collect();
    random.shuffle(&mut products);
    products.truncate(random.usize(1..=MOST_PRODUCTS));
    let mut lines: Vec<(i64, i64)> =
        products.into_iter().map(|product| (product, random.i64(1..=MOST_OF_EACH))).collect();
    if random.u32(..8) == 0 {
        // The same product again.
        lines.push((lines[0].0, 1));
    }
    lines
}

/// What a client does with an order that has its answer.
fn afterwards(client: &mut Asker, wish: &Arc<Wish>, reply: &Reply) {
    if wish.number % REPEATED_EACH == 5 {
        client.turn();
        client.ask(wish, false);
    }
    let Some(order) = reply.order() else { return };
    if wish.number % READ_EACH == 1 {
        client.turn();
        let path = format!("/api/v1/orders/{}", order.id);
        if let Some(answer) = client.read("order", &path) {
            compare(client, &path, &answer, Some(order), |json| Some(json.clone()));
        }
    }
    if wish.number % PAGE_EACH == 3 {
        client.turn();
        let path = format!("/api/v1/orders?after={}&limit=5", order.id - 1);
        if let Some(answer) = client.read("orders", &path) {
            compare(client, &path, &answer, Some(order), |json| json.get(0).cloned());
        }
    }
    if wish.number % CANCELLED_EACH == 7 {
        let cancel = client.wish(What::Cancel(order.id));
        if client.pursue(&cancel, false).is_some() {
            // Twice is too often.
            client.ask(&cancel, false);
        }
    }
}

/// The order that a read tells must be the one that was acknowledged, by whichever replica.
fn compare(
    client: &Asker,
    path: &str,
    answer: &Answer,
    order: Option<&Order>,
    pick: impl Fn(&Value) -> Option<Value>,
) {
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let told = pick(&json).as_ref().and_then(Order::told);
    if answer.status != 200 || told.as_ref() != order {
        let body = String::from_utf8_lossy(&answer.body);
        client
            .common
            .history
            .record_wrong_read(None, format!("{path}: {} {body}, not {order:?}", answer.status));
    }
}

/// Adds to the stock, and now and then removes something, until the end.
fn keep(keeper: &mut Asker) {
    let (demanded, mut sold_out) = (keeper.common.shop.demanded().id, None);
    while !keeper.common.is_stopped() {
        keeper.common.sleep(LOOK_INTERVAL);
        keeper.turn();
        let Some(stock) = read_stock(keeper) else { continue };
        let left = stock.iter().find(|(product, _)| *product == demanded).map_or(0, |(_, left)| *left);
        let since = (left < LITTLE).then(|| *sold_out.get_or_insert_with(Instant::now));
        match since {
            None => sold_out = None,
            Some(since) if since.elapsed() >= SOLD_OUT => {
                (0..PARTS).for_each(|_| change(keeper, demanded, DEMANDED / PARTS));
            }
            Some(_) => {}
        }
        for (index, (product, left)) in stock.into_iter().enumerate().skip(1) {
            if left < LOW && !keeper.common.shop.is_scarce(index) {
                change(keeper, product, REFILL);
            } else if keeper.random.u32(..200) == 0 {
                // More than there is of what is scarce: refused.
                change(keeper, product, -100);
            }
        }
    }
}

fn change(keeper: &mut Asker, product: i64, by: i64) {
    let wish = keeper.wish(What::Stock { product, by });
    let leaves = wish.number.is_multiple_of(LEFT_EACH);
    keeper.pursue(&wish, leaves);
}

/// All of it, in the order of the products. `None` if it cannot be read now.
fn read_stock(keeper: &mut Asker) -> Option<Vec<(i64, i64)>> {
    let path = "/api/v1/inventory";
    let answer = keeper.read("stock", path)?;
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let item = |item: &Value| Some((item["product_id"].as_i64()?, item["quantity"].as_i64()?));
    let stock: Option<Vec<(i64, i64)>> = json.as_array().and_then(|all| all.iter().map(item).collect());
    let products = || keeper.common.shop.products.iter().map(|product| product.id);
    let right = stock.filter(|stock| {
        stock.iter().map(|(product, _)| *product).eq(products()) && stock.iter().all(|(_, left)| *left >= 0)
    });
    if right.is_none() {
        let body = String::from_utf8_lossy(&answer.body);
        keeper.common.history.record_wrong_read(None, format!("{path}: {} {body}", answer.status));
    }
    right
}
