//! One product in demand: orders a second by group commit, against the same statements with one commit an
//! order.
//! `cargo bench --bench orders -- [--rounds N] [--seconds S] [--clients N]`
//!
//! Both are the whole server on the same Postgres, apart in a setting alone: how many orders one transaction
//! may have. They take turns, round by round, so that a slow moment of the machine meets both. Each client
//! orders one piece, waits for the answer, and orders again; clients that do not fill two batches would
//! measure the wait for company. At the end the stock must be what the orders have left.
#![allow(missing_docs)]

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use pouco_tools::bench::shop::Shop;
use pouco_tools::bench::{options, soon, stats};
use pouco_tools::client::Target;
use serde_json::json;

/// So much that it does not run out.
const STOCK: i64 = 2_000_000_000;

/// The two that are compared: their names, and their settings.
const VARIANTS: [(&str, &[(&str, &str)]); 2] = [
    ("group commit", &[("POUCO_BCRYPT_COST", "4")]),
    (
        "a commit an order",
        &[("POUCO_BCRYPT_COST", "4"), ("POUCO_COMMIT_BATCH_ROWS", "1"), ("POUCO_COMMIT_LINGER_MS", "0")],
    ),
];

/// What one of them has done.
struct Seller {
    name: &'static str,
    shop: Shop,
    placed: u64,
    /// Orders a second, of each round.
    rates: Vec<f64>,
    /// Of each order, in all rounds.
    took_ms: Vec<f64>,
}

impl Seller {
    fn open(name: &'static str, settings: &[(&str, &str)]) -> Result<Self, Box<dyn Error>> {
        let shop = Shop::open(settings, STOCK)?;
        Ok(Self { name, shop, placed: 0, rates: Vec::new(), took_ms: Vec::new() })
    }

    fn round(&mut self, clients: usize, time: Duration) -> Result<(), Box<dyn Error>> {
        let order = json!({"items": [{"product_id": self.shop.product, "quantity": 1}]});
        let request = self.shop.post("/orders", &order);
        let (target, begun) = (&self.shop.replica.api, Instant::now());
        let took: Result<Vec<Vec<f64>>, String> = thread::scope(|scope| {
            let place = || place_until(target, &request, begun + time).map_err(|error| error.to_string());
            let all: Vec<_> = (0..clients).map(|_| scope.spawn(place)).collect();
            all.into_iter().map(|one| one.join().map_err(|_| "a client panicked".to_owned())?).collect()
        });
        let took: Vec<f64> = took?.into_iter().flatten().collect();
        self.placed += took.len() as u64;
        #[allow(clippy::cast_precision_loss)] // a count of some thousands
        self.rates.push(took.len() as f64 / begun.elapsed().as_secs_f64());
        self.took_ms.extend(took);
        Ok(())
    }

    /// What was acknowledged is what is stored and what the stock lacks.
    fn check(&self) -> Result<(), Box<dyn Error>> {
        let sql = "SELECT (SELECT count(*) FROM inventory.orders), quantity FROM inventory.stock WHERE product_id = $1";
        let row = self.shop.database.client().query_one(sql, &[&self.shop.product])?;
        let (stored, left): (i64, i64) = (row.get(0), row.get(1));
        if u64::try_from(stored) != Ok(self.placed) || STOCK - left != stored {
            let placed = self.placed;
            return Err(format!("{}: {placed} acknowledged, {stored} stored, {left} left", self.name).into());
        }
        Ok(())
    }
}

/// How long each order took, in milliseconds.
fn place_until(target: &Target, request: &str, end: Instant) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut connection = target.try_connect()?;
    let mut took = Vec::new();
    while Instant::now() < end {
        let begun = Instant::now();
        let answer = connection.exchange(request, soon())?;
        if answer.status != 201 {
            return Err(format!("{}: {}", answer.status, answer.text()).into());
        }
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(took)
}

fn main() -> Result<(), Box<dyn Error>> {
    let rounds = options::option("--rounds", 3.0)?;
    let seconds = Duration::from_secs_f64(options::option("--seconds", 10.0)?);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a count that somebody has typed
    let clients = options::option("--clients", 256.0)? as usize;
    let mut sellers: Vec<Seller> =
        VARIANTS.iter().map(|(name, settings)| Seller::open(name, settings)).collect::<Result<_, _>>()?;
    let mut round = 0.0;
    while round < rounds {
        for seller in &mut sellers {
            seller.round(clients, seconds)?;
        }
        round += 1.0;
    }
    println!("{clients} clients, one product, {rounds} rounds of {seconds:?}, in turn\n");
    println!("| | orders/s, each round | median | p50 ms | p99 ms | max ms |\n|---|---|---|---|---|---|");
    let mut medians = Vec::new();
    for seller in &mut sellers {
        seller.check()?;
        let rates: Vec<String> = seller.rates.iter().map(|rate| format!("{rate:.0}")).collect();
        let median = stats::median(&seller.rates);
        seller.took_ms.sort_by(f64::total_cmp);
        let at = |percent| stats::percentile(&seller.took_ms, percent);
        let (name, rates) = (seller.name, rates.join(", "));
        println!("| {name} | {rates} | {median:.0} | {:.1} | {:.1} | {:.1} |", at(50), at(99), at(100));
        medians.push(median);
    }
    println!("\n{:.1} times the orders", medians[0] / medians[1]);
    Ok(())
}
