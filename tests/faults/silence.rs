//! A Postgres, or a way to it, that accepts connections and says nothing.

use std::time::Duration;

use crate::harness::fault::Fault;
use crate::harness::promised;
use crate::harness::replica::Replica;
use crate::harness::run::Run;
use crate::{SILENCE, finish, impatient, sessions, start, within};

/// A silent statement, 3 s in which a second session asks the same server, 5 s to sign in there, and then the
/// other host.
const LEAVING: Duration = promised(10_000);

/// How soon operators are told.
const TELLING: Duration = promised(6_000);

fn be_silent(run: &Run, silent: bool) {
    run.stack.proxies.iter().for_each(|proxy| proxy.be_silent(silent));
}

#[test]
fn a_silent_way_is_left_for_the_next_host() {
    let mut setup = impatient();
    (setup.proxied, setup.second_way) = (true, true);
    let mut run = start(&setup);
    be_silent(&run, true);
    let silent = run.history.now();
    let took = run.wait_for_both(silent, "the first way fell silent", LEAVING);
    println!("silent way: left after {took:.1?}");
    run.work_on();
    be_silent(&run, false);
    finish("silent way", run);
}

#[test]
fn a_silent_database_is_told_of_and_comes_back() {
    let mut setup = impatient();
    setup.proxied = true;
    let mut run = start(&setup);
    be_silent(&run, true);
    for index in 0..2 {
        let mut replica = Replica::of(&run.stack, index, true);
        let told = within(TELLING, || {
            let (status, body) = replica.told_operators("/readyz").ok()?;
            (status == 503).then_some(body)
        });
        let told = told.expect("/readyz says that all is well");
        assert!(serde_json::from_str::<serde_json::Value>(&told).is_ok(), "{told}");
        println!("silent database: {told}");
        // It is nobody's fault here, and another replica would do no better.
        assert_eq!(replica.told_operators("/readyz?traffic").unwrap().0, 200);
    }
    be_silent(&run, false);
    run.inject(Fault::Silence(0, SILENCE * 5)).unwrap();
    run.inject(Fault::Silence(1, SILENCE * 5)).unwrap();
    for index in 0..2 {
        let mut replica = Replica::of(&run.stack, index, true);
        let told =
            within(TELLING, || replica.told_operators("/readyz").ok().filter(|(status, _)| *status == 200));
        assert!(told.is_some(), "/readyz does not say that all is well again");
    }
    finish("silent database", run);
}

#[test]
fn a_database_that_stands_still_for_many_silences_goes_on_as_before() {
    let mut run = start(&impatient());
    let usual = sessions(&run);
    run.inject(Fault::PausePostgres(SILENCE * 20)).unwrap();
    // What was given up meanwhile ends by itself.
    let back = within(TELLING, || (sessions(&run) <= usual).then_some(()));
    assert!(back.is_some(), "{} sessions, {usual} usually", sessions(&run));
    finish("Postgres paused for long", run);
}
