//! Orders by 500 clients, one product in demand and random baskets, under every kind of fault that ends a
//! process, a session or a connection. The ten minutes are
//! `cargo run --release -p pouco-tools --bin faults -- orders`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::finish;
use crate::harness::fault::Fault;
use crate::harness::history::Attempted;
use crate::harness::nginx;
use crate::harness::orders::shop::DEMANDED;
use crate::harness::orders::wish::{Came, Try, What};
use crate::harness::orders::{Orders, setup};
use crate::harness::proxy::Cut;
use crate::harness::run::{Pace, Run, Verdict};

/// The other tests want their share of the machine.
const PACE: Pace = Pace { clients: 500, per_s: 150.0 };

/// How long faults are done, at least.
const FAULTS: Duration = Duration::from_secs(40);

/// Between a recovery and the next fault.
const QUIET: Duration = Duration::from_millis(500);

const SEED: u64 = 20;

/// Each kind, in a random order.
fn faults(random: &mut fastrand::Rng) -> Vec<Fault> {
    let mut down = || Duration::from_millis(random.u64(0..1_000));
    let mut faults = vec![
        Fault::KillReplica(0, down()),
        Fault::KillReplica(1, down()),
        Fault::KillReplicas(down()),
        Fault::StopReplica(1),
        Fault::PauseReplica(0, down()),
        Fault::KillPostgres(down()),
        Fault::KillPostgresQuietly(down()),
        Fault::KillPostmaster(Duration::ZERO),
        Fault::StopPostgresAtOnce(down()),
        Fault::PausePostgres(down()),
        Fault::EndBackends(Duration::from_millis(1_000)),
        Fault::Silence(1, down()),
        Fault::CutConnection(0, Cut::Before),
        Fault::CutConnection(1, Cut::During),
        Fault::CutConnection(0, Cut::After),
        Fault::CutConnection(1, Cut::After),
    ];
    if nginx::find().is_some() {
        faults.push(Fault::KillNginx(down()));
    }
    random.shuffle(&mut faults);
    faults
}

#[test]
fn exactly_what_was_acknowledged_is_ordered() {
    let mut setup = setup(env!("CARGO_BIN_EXE_pouco").into());
    (setup.proxied, setup.nginx) = (true, nginx::find().is_some());
    setup.patience = Duration::from_secs(30);
    let mut run = Run::<Orders>::of(&setup, PACE).unwrap();
    let mut random = fastrand::Rng::with_seed(SEED);
    let since = run.history.now();
    for all in std::iter::repeat_with(|| faults(&mut random)) {
        for fault in all {
            std::thread::sleep(QUIET);
            run.inject(fault).unwrap();
        }
        if run.history.now() - since > FAULTS {
            break;
        }
    }
    let verdict = finish("orders", run);
    everything_has_happened(&verdict);
    sold_out_and_refilled(&verdict);
}

/// The product in demand was sold out, and more of it was ordered than there was at first.
fn sold_out_and_refilled(verdict: &Verdict<Orders>) {
    let demanded =
        verdict.attempts.iter().flat_map(|one| one.wish.merged()).map(|(product, _)| product).min();
    let alone = |one: &&Try| one.wish.merged().iter().map(|(product, _)| *product).eq(demanded);
    let told = |status| verdict.attempts.iter().filter(alone).filter(move |one| one.status() == Some(status));
    // Each order once, however often it was answered.
    let wishes: BTreeMap<u64, i64> =
        told(201).flat_map(|one| Some((one.wish.number, one.wish.merged().first()?.1))).collect();
    let ordered: i64 = wishes.values().sum();
    assert!(told(400).next().is_some() && ordered > DEMANDED, "{ordered} ordered");
}

/// What a run has not seen it cannot have proven.
fn everything_has_happened(verdict: &Verdict<Orders>) {
    let counts = verdict.attempts.iter().fold(BTreeMap::new(), |mut counts, attempt| {
        *counts.entry(attempt.word()).or_insert(0) += 1;
        counts
    });
    println!("orders: {counts:?}");
    let seen = |what: &str, is_it: fn(&Try) -> bool| {
        assert!(verdict.attempts.iter().any(is_it), "not seen: {what}, in {counts:?}");
    };
    seen("a basket placed", |one| one.wish.merged().len() > 1 && one.status() == Some(201));
    seen("a basket refused", |one| one.wish.merged().len() > 1 && one.status() == Some(400));
    seen("an addition", |one| matches!(one.wish.what, What::Stock { .. }) && one.status() == Some(200));
    seen("a cancelled order", |one| matches!(one.wish.what, What::Cancel(_)) && one.status() == Some(200));
    seen("an answer that nobody heard", |one| one.came == Came::Left);
    seen("a connection that was cut", |one| one.came == Came::Broken || one.status() == Some(502));
}
