//! The native generator with the load of the contest `users`, against servers that answer its data rightly
//! and wrongly.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::load_support::{Asked, Reply, Server, constant, errors, request, run};
use pouco_lab::contest::Scenario;
use pouco_lab::lines::Lines;
use pouco_lab::load::{Connections, Outcome, Plan};
use pouco_lab::oracle::{self, users};

fn scenario(name: &str, path: &str, accept: u16, rate: f64) -> Scenario {
    let requests = vec![request(name, "GET", path, &[accept])];
    Scenario { name: name.into(), phases: constant(rate, 1.0), clients: None, requests }
}

fn plan(server: &Server) -> Plan {
    let (rows, ids) = users::feeds();
    let scenarios = vec![
        scenario("user", "/users/{user_id}", 200, 90.0),
        scenario("unknown", "/users/{unknown_id}", 404, 10.0),
        scenario("list", "/users?limit=50&offset={offset}", 200, 20.0),
    ];
    Plan {
        payloads: Arc::new(rows),
        terms: Arc::new(ids),
        oracle: oracle::named("users"),
        connections: Connections::KeptAlive { connections: 4 },
        ..crate::load_support::plan(server.address, scenarios)
    }
}

fn page(rows: &Lines, offset: u64, limit: u64, total: u64) -> String {
    let items: Vec<String> = (offset..(offset + limit).min(rows.count() as u64))
        .map(|place| String::from_utf8(rows.get(place).to_vec()).unwrap())
        .collect();
    format!(r#"{{"items":[{}],"limit":{limit},"offset":{offset},"total":{total}}}"#, items.join(","))
}

/// What an honest server answers.
fn answer(asked: &Asked, rows: &Lines, ids: &Lines) -> Reply {
    if let Some(query) = asked.target.strip_prefix("/users?limit=50&offset=") {
        return Reply::new("200 OK", "", &page(rows, query.parse().unwrap(), 50, rows.count() as u64));
    }
    let id = asked.target.strip_prefix("/users/").unwrap();
    let place = (0..ids.count() as u64).find(|place| ids.get(*place) == id.as_bytes());
    match place {
        Some(place) => Reply::new("200 OK", "", std::str::from_utf8(rows.get(place)).unwrap()),
        None => Reply::new("404 Not Found", "", r#"{"error":"not_found"}"#),
    }
}

/// The load against a server whose answer `change` may replace.
fn loaded(change: impl Fn(&Asked, &Lines) -> Option<Reply> + Send + Sync + 'static) -> Outcome {
    let (rows, ids) = users::feeds();
    let server =
        Server::start(move |asked| change(asked, &rows).unwrap_or_else(|| answer(asked, &rows, &ids)));
    let outcome = run(&plan(&server));
    assert!(server.opened() <= 4, "{}", server.opened());
    assert_eq!(outcome.figures.total.count, 120);
    outcome
}

#[test]
fn right_answers_are_no_failure_and_what_is_asked_is_spread_over_the_data() {
    let asked: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let outcome = loaded(move |asked, _| {
        seen.lock().unwrap().insert(asked.target.clone());
        None
    });
    assert_eq!(outcome.figures.total.failed, 0, "{:?}", outcome.figures.errors);
    assert_eq!(outcome.figures.requests["unknown"].statuses[&404], 10);
    assert!(outcome.creations.is_empty());
    // 120 draws of thousands: hardly any twice.
    assert!(asked.lock().unwrap().len() >= 115, "{:?}", asked.lock().unwrap());
}

#[test]
fn wrong_answers_are_failures_by_their_kind() {
    let somebody = loaded(|asked, rows| {
        let by_id = asked.target.starts_with("/users/");
        by_id.then(|| Reply::new("200 OK", "", std::str::from_utf8(rows.get(0)).unwrap()))
    });
    let message = "user: the body's id is not the one that was asked for";
    assert!(errors(&somebody, message) >= 85, "{:?}", somebody.figures.errors);
    assert_eq!(errors(&somebody, "unknown: status 200, allowed are [404]"), 10);
    let stale = loaded(|asked, rows| {
        let offset = asked.target.strip_prefix("/users?limit=50&offset=")?.parse().unwrap();
        Some(Reply::new("200 OK", "", &page(rows, offset, 50, 9_999)))
    });
    assert_eq!(errors(&stale, "list: the list's total is not the number of rows"), 20);
    let shifted = loaded(|asked, rows| {
        let offset: u64 = asked.target.strip_prefix("/users?limit=50&offset=")?.parse().unwrap();
        let (from, to) = (format!("\"offset\":{}", offset / 2), format!("\"offset\":{offset}"));
        let body = page(rows, offset / 2, 50, rows.count() as u64).replace(&from, &to);
        Some(Reply::new("200 OK", "", &body))
    });
    assert!(errors(&shifted, "list: an item of the list is not the row at its place") >= 19);
    let stored: BTreeSet<String> = users::seeded().into_iter().map(|user| user.id).collect();
    let silent = loaded(move |asked, _| {
        let unknown = asked.target.strip_prefix("/users/").filter(|id| !stored.contains(*id));
        unknown.map(|_| Reply::new("404 Not Found", "", "{}"))
    });
    assert_eq!(errors(&silent, "unknown: the body's error is not not_found"), 10);
}

#[test]
fn data_that_do_not_suffice_are_said_before_the_first_request() {
    let server = Server::start(|asked| answer(asked, &Lines::default(), &Lines::default()));
    let mut plan = plan(&server);
    plan.payloads = Arc::new([&b"{}"[..]; 10].into_iter().collect());
    plan.terms = Arc::new([&b"id"[..]; 10].into_iter().collect());
    let stop = std::sync::atomic::AtomicBool::new(false);
    let error = format!("{:#}", pouco_lab::load::run(&plan, &stop, &mut |_| {}).unwrap_err());
    assert!(error.contains("request list: 10 rows of data and 10 ids are not enough"), "{error}");
}
