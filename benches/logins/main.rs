//! Lookups of a product alongside logins, each of which costs a hash of 60 ms or so: none, 5 a second, 50 a
//! second.
//! `cargo bench --bench logins -- [--seconds S] [--rounds N]`
//!
//! One client looks the product up, a hundred times a second; the logins come at their rate, whether earlier
//! ones are answered or not. The three take turns, round by round.
#![allow(missing_docs)]

use std::error::Error;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use pouco_tools::bench::shop::Shop;
use pouco_tools::bench::{options, soon, stats};
use pouco_tools::client::Target;

const LOOK_UPS_PER_S: f64 = 100.0;
const LOGINS_PER_S: [f64; 3] = [0.0, 5.0, 50.0];
/// Of logins; each waits for its answer before its next turn.
const CLIENTS: usize = 16;

/// What was measured at one rate of logins.
#[derive(Default)]
struct Measured {
    look_ups_ms: Vec<f64>,
    answered: usize,
    /// How long refusals took, with a 503.
    refused_ms: Vec<f64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = options::option("--seconds", 20.0)?;
    let rounds = options::option("--rounds", 3.0)?;
    let shop = Shop::open(&[], 1)?;
    let mut all: Vec<Measured> = LOGINS_PER_S.iter().map(|_| Measured::default()).collect();
    let mut round = 0.0;
    while round < rounds {
        for (rate, measured) in LOGINS_PER_S.iter().zip(&mut all) {
            measure(&shop, *rate, seconds, measured)?;
        }
        round += 1.0;
    }
    println!("{rounds} rounds of {seconds} s each, in turn\n");
    println!(
        "| logins/s | lookups | p50 ms | p99 ms | times p99 without | logged in | refused | slowest refusal ms |\n\
         |---|---|---|---|---|---|---|---|"
    );
    let mut without = None;
    for (rate, measured) in LOGINS_PER_S.iter().zip(&mut all) {
        measured.look_ups_ms.sort_by(f64::total_cmp);
        measured.refused_ms.sort_by(f64::total_cmp);
        let at = |percent| stats::percentile(&measured.look_ups_ms, percent);
        let (count, p50, p99) = (measured.look_ups_ms.len(), at(50), at(99));
        let times = p99 / *without.get_or_insert(p99);
        let (answered, refused) = (measured.answered, measured.refused_ms.len());
        let slowest = measured.refused_ms.last().copied().unwrap_or(0.0);
        println!(
            "| {rate} | {count} | {p50:.2} | {p99:.2} | {times:.2} | {answered} | {refused} | {slowest:.1} |"
        );
    }
    Ok(())
}

fn measure(shop: &Shop, rate: f64, seconds: f64, measured: &mut Measured) -> Result<(), Box<dyn Error>> {
    let (target, look_up) = (&shop.replica.api, shop.get(&format!("/products/{}", shop.product)));
    let (login, begun) = (shop.login(), Instant::now());
    let logins = Mutex::new((0.0, Measured::default()));
    thread::scope(|scope| -> Result<(), String> {
        let log_in = || {
            log_in_until(target, &login, rate, (begun, seconds), &logins).map_err(|error| error.to_string())
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(log_in)).collect();
        let looked = paced(begun, seconds, || {
            let mut connection = target.try_connect()?;
            Ok(move || Ok(connection.exchange(&look_up, soon())?.status))
        });
        measured.look_ups_ms.extend(looked.map_err(|error| error.to_string())?);
        clients.into_iter().try_for_each(|one| one.join().map_err(|_| "a client panicked".to_owned())?)
    })?;
    let (_, logins) = logins.into_inner()?;
    measured.answered += logins.answered;
    measured.refused_ms.extend(logins.refused_ms);
    Ok(())
}

/// How long each lookup took, from when it was due.
fn paced<A: FnMut() -> Result<u16, Box<dyn Error>>>(
    begun: Instant,
    seconds: f64,
    open: impl FnOnce() -> Result<A, Box<dyn Error>>,
) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut ask = open()?;
    let (mut took, mut number) = (Vec::new(), 0.0);
    while number < seconds * LOOK_UPS_PER_S {
        let due = begun + Duration::from_secs_f64(number / LOOK_UPS_PER_S);
        // The pace is what is measured: there is nothing to await.
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let status = ask()?;
        if status != 200 {
            return Err(format!("a lookup was answered with {status}").into());
        }
        took.push(due.elapsed().as_secs_f64() * 1e3);
        number += 1.0;
    }
    Ok(took)
}

/// Takes the next turn of all, as long as there is one.
fn log_in_until(
    target: &Target,
    login: &str,
    rate: f64,
    (begun, seconds): (Instant, f64),
    logins: &Mutex<(f64, Measured)>,
) -> Result<(), Box<dyn Error>> {
    let mut connection = target.try_connect()?;
    loop {
        let turn = {
            let mut logins = logins.lock().map_err(|_| "a client panicked")?;
            if logins.0 >= seconds * rate {
                return Ok(());
            }
            logins.0 += 1.0;
            logins.0 - 1.0
        };
        let due = begun + Duration::from_secs_f64(turn / rate);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let sent = Instant::now();
        let status = connection.exchange(login, soon())?.status;
        let mut logins = logins.lock().map_err(|_| "a client panicked")?;
        match status {
            200 => logins.1.answered += 1,
            503 => logins.1.refused_ms.push(sent.elapsed().as_secs_f64() * 1e3),
            status => return Err(format!("a login was answered with {status}").into()),
        }
    }
}
