//! Loads of a shop, against tiny ones: customers who begin again, errands whose answers are checked, and
//! deeds from which the oracle finds out who oversells.

use std::sync::Arc;

use pouco_lab::contest::{Contest, Scenario};
use pouco_lab::load::{Outcome, Plan};
use pouco_lab::oracle;
use pouco_lab::oracle::inventory::{Answer, Deed, judge};
use pouco_lab::record::Stored;
use pouco_lab::shop::{Opening, open};

use super::tiny_shop::{Faults, served};
use crate::load_support::{constant, errors, request, run};

const PIECES: i64 = 4_000;

/// The load of `scenarios` against a shop of one customer and one product, and what the oracle says.
fn loaded(faults: Faults, scenarios: Vec<Scenario>) -> (Outcome, Stored) {
    let (server, shop) = served(faults);
    let opening = Opening { customers: 1, products: 1, pieces: PIECES };
    let open = open(&server.address.to_string(), opening).unwrap();
    let before = shop.lock().unwrap().stored.clone();
    let plan = Plan {
        shop: Some(Arc::new(open)),
        oracle: oracle::named("inventory"),
        ..crate::load_support::plan(server.address, scenarios)
    };
    let outcome = run(&plan);
    let stored = judge(&before, &outcome.deeds, &shop.lock().unwrap().stored);
    (outcome, stored)
}

fn order() -> pouco_lab::contest::Request {
    let mut order = request("order", "POST", "/api/v1/orders", &[201, 400]);
    order.body = Some("order".into());
    order
}

fn sale(clients: u32) -> Vec<Scenario> {
    let requests = vec![order()];
    vec![Scenario { name: "sale".into(), phases: constant(0.0, 1.0), clients: Some(clients), requests }]
}

#[test]
fn clients_begin_again_until_the_sale_is_over() {
    let (outcome, stored) = loaded(Faults::default(), sale(20));
    assert_eq!(
        (outcome.figures.users_started, outcome.figures.total.failed),
        (20, 0),
        "{:?}",
        outcome.figures.errors
    );
    assert!(outcome.figures.total.count > 100, "{}", outcome.figures.total.count);
    assert_eq!(outcome.deeds.len() as u64, outcome.figures.total.count);
    assert!(stored.exact(), "{:?}", stored.examples);
    let pieces = stored.stock.unwrap();
    assert_eq!((pieces.products, pieces.exact), (1, 1));
}

#[test]
fn who_oversells_or_forgets_is_found_out() {
    let (outcome, stored) = loaded(Faults { oversells: true, ..Faults::default() }, sale(20));
    assert_eq!(outcome.figures.total.failed, 0, "no answer tells");
    assert!(stored.stock.unwrap().oversold > 0 && stored.lost == 0, "{stored:?}");
    let (_, stored) = loaded(Faults { forgets: true, ..Faults::default() }, sale(20));
    assert!(stored.lost > 0 && stored.stock.unwrap().oversold == 0, "{stored:?}");
}

#[test]
fn a_wrong_answer_is_a_failure_and_the_client_goes_on() {
    let (outcome, stored) = loaded(Faults { is_cheap: true, ..Faults::default() }, sale(20));
    assert!(errors(&outcome, "order: the order's total is not the sum of its lines") > 1);
    assert!(stored.foreign + stored.lost + stored.altered > 0, "{stored:?}");
    let (outcome, stored) = loaded(Faults { fails_at: Some(10), ..Faults::default() }, sale(20));
    assert!(outcome.figures.total.failed > 1 && outcome.figures.total.count > 30);
    assert!(stored.exact(), "what was answered with an error may have happened or not: {stored:?}");
    assert!(outcome.deeds.iter().any(|deed| matches!(deed, Deed::Order { answer: Answer::Lost, .. })));
}

#[test]
fn a_mix_looks_buys_restocks_and_logs_in() {
    let mut restock = request("restock", "POST", "/api/v1/inventory/add", &[200]);
    restock.body = Some("restock".into());
    let mut login = request("login", "POST", "/api/v1/auth/login", &[200]);
    login.body = Some("login".into());
    let look = request("look", "GET", "/api/v1/products/{product_id}", &[200]);
    let scenario = |request: pouco_lab::contest::Request, rate| Scenario {
        name: request.name.clone(),
        phases: constant(rate, 1.0),
        clients: None,
        requests: vec![request],
    };
    let mix =
        vec![scenario(look, 80.0), scenario(order(), 40.0), scenario(restock, 10.0), scenario(login, 4.0)];
    let (outcome, stored) = loaded(Faults::default(), mix);
    assert_eq!(
        (outcome.figures.total.count, outcome.figures.total.failed),
        (134, 0),
        "{:?}",
        outcome.figures.errors
    );
    assert_eq!(outcome.deeds.len(), 50, "orders and deliveries");
    assert!(stored.exact() && stored.acknowledged == 40, "{stored:?}");
}

#[test]
fn the_contest_has_a_sale_and_a_mix() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("contests/inventory");
    let contest = Contest::read(&folder).unwrap();
    assert_eq!(contest.load_name.as_deref(), Some("mix"));
    let rate = |name: &str| {
        let scenario = contest.load.scenarios.iter().find(|scenario| scenario.name == name).unwrap();
        scenario.phases.last().unwrap().to
    };
    let browse = rate("product") + rate("page of products");
    let shares = [browse, rate("order"), rate("delivery"), rate("login")].map(|of| of / 4.0);
    for (share, expected) in shares.iter().zip([75.0, 20.0, 4.9, 0.1]) {
        assert!((share - expected).abs() < 1e-9, "{shares:?}");
    }
    let sale = contest.clone().with_load(Some("flash-sale")).unwrap();
    assert_eq!((sale.load.scenarios[0].clients, sale.load.shop.unwrap().products), (Some(500), 1));
    let error = contest.with_load(Some("rush")).unwrap_err().to_string();
    assert_eq!(error, "no load `rush`; there are: flash-sale, mix, plan, short, steps");
}
