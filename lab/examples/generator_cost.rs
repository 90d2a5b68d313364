//! What the native generator costs a request: CPU time of its thread, the kernel's part included.
//!
//! ```text
//! cargo run --release -p pouco-lab --example generator_cost -- ADDRESS:PORT [REQUESTS_A_SECOND] [SECONDS] [reset|finish|KEPT]
//! ```
//!
//! The server answers `POST /pessoas` with 201 and the `Location` `/pessoas/1`, `GET /pessoas/1` with a fixed
//! person, `GET /pessoas?t=` with `[]` and `GET /pessoas` with 400: see `lab/examples/generator_cost.conf`
//! for nginx. The scenarios are those of the contest `people`, at their peak, scaled to the rate asked for.
//! All bodies that are sent are that one person, so every check is made and passes.

use std::net::ToSocketAddrs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use pouco_lab::contest::Contest;
use pouco_lab::lines::Lines;
use pouco_lab::load::{Connections, Ending, PLATEAU_RAMP_SECONDS, Plan, Rule, run};

/// The person of `generator_cost.conf`, of the contest's mean size.
const PERSON: &str = concat!(
    r#"{"apelido":"QmZkLwTbXcRvNyPd","nome":"a name of about fifty letters as the contest has","#,
    r#""nascimento":"1987-06-05","stack":["C","C#","C++","Clojure","COBOL","Dart","Elixir","Erlang","F#","Go","Haskell","Java"]}"#
);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument =
        |index: usize, other: &str| arguments.get(index).cloned().unwrap_or_else(|| other.to_owned());
    let address = arguments.first().context("the address of a server: ADDRESS:PORT")?;
    let rate: f64 = argument(1, "10000").parse().context("requests a second: a number")?;
    let seconds: u32 = argument(2, "15").parse().context("seconds: a whole number")?;
    let terms: Vec<String> = (0..10_000).map(|index| format!("term number {index}")).collect();
    let payloads = Arc::new(Lines::from_iter([PERSON.as_bytes()]));

    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the repository")?;
    let contest = Contest::load(top, "people")?;
    let mut plan =
        Plan::new(&contest, 1.0, payloads, Arc::new(terms.iter().map(String::as_bytes).collect()))?;
    plan.target = address.to_socket_addrs()?.next().context("an address")?;
    match argument(3, "reset").as_str() {
        "reset" => plan.ending = Ending::Reset,
        "finish" => plan.ending = Ending::Finish,
        kept => {
            let connections = kept.parse().context("reset, finish, or a number of kept connections")?;
            plan.connections = Connections::KeptAlive { connections };
        }
    }
    let peak: f64 = plan.load.scenarios.iter().map(peak_requests).sum();
    let plan = plan.plateau(rate / peak, seconds, Rule { failed: u64::MAX, p99_ms: f64::MAX });
    let outcome = run(&plan, &AtomicBool::new(false), &mut |now| {
        println!(
            "{:3} s  asked {:7.0} users  started {:6}  answers {:6}  p99 {:8.3} ms  failed {}  in flight {}  cores {:.2}",
            now.second,
            now.asked,
            now.started,
            now.answers,
            now.p99_ms.unwrap_or(f64::NAN),
            now.failed,
            now.in_flight,
            now.cpus
        );
    })?;

    let whole = &outcome.figures;
    // The CPU time is of the rise too, in which half as many requests were sent a second.
    let share = f64::from(PLATEAU_RAMP_SECONDS) / 2.0 / f64::from(seconds);
    let requests = whole.total.statuses.values().sum::<u64>() as f64 * (1.0 + share);
    println!("{whole:#?}");
    println!("answers a second: {:.0}", outcome.answers_per_second);
    println!("warned of: {:?}", outcome.generator.bottleneck);
    println!(
        "CPU: {:.2} s for {requests:.0} requests: {:.1} µs a request; memory {:.1} MB",
        outcome.generator.cpu_seconds,
        outcome.generator.cpu_seconds / requests * 1e6,
        outcome.generator.memory_bytes.unwrap_or_default() as f64 / 1e6
    );
    Ok(())
}

fn peak_requests(scenario: &pouco_lab::contest::Scenario) -> f64 {
    scenario.phases.last().map_or(0.0, |phase| phase.to) * scenario.requests.len() as f64
}
