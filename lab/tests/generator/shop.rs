//! What the lab does with a shop beside its loads: the cost of a login, the search for its limit, and k6.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pouco_lab::contest::Contest;
use pouco_lab::contestant::Role;
use pouco_lab::drivers::{Driver, Job, K6};
use pouco_lab::oracle::inventory::judge;
use pouco_lab::record::{Capacity, Stored};
use pouco_lab::runner::{capacity, logins};
use pouco_lab::shop::{self, Open, Opening};
use pouco_lab::view::View;

use super::capacity::{bounded, copy, entrant, search, top};
use super::tiny_shop::{Faults, Recorded, TinyShop, served};
use crate::load_support::Server;

/// A recorded tree whose CPU counter goes on.
struct Tree {
    root: PathBuf,
    used_ns: Mutex<u64>,
}

impl Tree {
    fn new(root: PathBuf) -> Self {
        copy(&bounded(), &root);
        let tree = Self { root, used_ns: Mutex::new(0) };
        tree.use_up(Duration::ZERO);
        tree
    }

    fn use_up(&self, more: Duration) {
        let mut used_ns = self.used_ns.lock().unwrap();
        *used_ns += u64::try_from(more.as_nanos()).unwrap();
        let counter = self.root.join("sys/fs/cgroup/cpu,cpuacct/lab/tiny/cpuacct.usage");
        let unfinished = counter.with_extension("new");
        fs::write(&unfinished, used_ns.to_string()).unwrap();
        fs::rename(&unfinished, &counter).unwrap();
    }
}

#[test]
fn a_login_costs_what_it_adds_to_a_stack_at_rest() {
    let folder = tempfile::tempdir().unwrap();
    let api = Arc::new(Tree::new(folder.path().join("api")));
    let database = Arc::new(Tree::new(folder.path().join("database")));
    let (of_api, of_database) = (Arc::clone(&api), Arc::clone(&database));
    let refuses = Arc::new(AtomicBool::new(false));
    let (shop, refusing) = (Mutex::new(TinyShop::default()), Arc::clone(&refuses));
    let server = Server::start(move |asked| {
        if asked.target == "/api/v1/auth/login" {
            of_api.use_up(Duration::from_millis(50));
            of_database.use_up(Duration::from_millis(2));
            // Long enough that the API's idle work meanwhile would show.
            std::thread::sleep(Duration::from_millis(30));
            if refusing.load(Ordering::SeqCst) {
                return crate::load_support::Reply::new("401 Unauthorized", "", "{}");
            }
        }
        shop.lock().unwrap().answer(asked)
    });
    let address = server.address.to_string();
    let open = shop::open(&address, Opening { customers: 3, products: 1, pieces: 1 }).unwrap();
    // At rest it uses half a core: in 30 ms nearly as much as a third of a login.
    let (over, idle) = (Arc::new(AtomicBool::new(false)), Arc::clone(&api));
    let ended = Arc::clone(&over);
    let at_rest = std::thread::spawn(move || {
        let mut last = std::time::Instant::now();
        while !ended.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
            let now = std::time::Instant::now();
            idle.use_up((now - last) / 2);
            last = now;
        }
    });
    let stack = Recorded {
        shop: Arc::default(),
        services: vec![
            ("api", Role::Api, api.root.clone()),
            ("postgres", Role::Database, database.root.clone()),
        ],
    };
    let stop = AtomicBool::new(false);
    let measured = logins::measure(&address, &open, &stack, &entrant(), &stop);
    refuses.store(true, Ordering::SeqCst);
    let refused = logins::measure(&address, &open, &stack, &entrant(), &stop);
    over.store(true, Ordering::SeqCst);
    at_rest.join().unwrap();

    let measured = measured.unwrap();
    assert_eq!((measured.measured, measured.in_load), (20, 0));
    // Without the rest taken off it would be 65 ms at least.
    assert!((0.045..0.058).contains(&measured.api_cpu_seconds), "{measured:?}");
    let of_database = measured.cpu_seconds - measured.api_cpu_seconds;
    assert!((of_database - 0.002).abs() < 1e-6, "{measured:?}");
    let refused = format!("{:#}", refused.unwrap_err());
    assert!(refused.contains("/api/v1/auth/login: status 401"), "{refused}");
}

const CONTEST: &str = r#"
title = "A tiny shop"
url = "http://{address}"
oracle = "inventory"
ready_path = "/healthz"
conformance = "none.toml"

[budget]
cpus = 1.0
memory_bytes = 600_000_000
database_connections = 20

[load]
seed = 1
timeout_seconds = 5.0
kept_connections = 4
shop = { customers = 2, products = 3, pieces = 1000 }

[[load.scenario]]
name = "order"
phases = [{ from = 4000.0, to = 4000.0, seconds = 1.0 }]

[[load.scenario.request]]
name = "order"
method = "POST"
path = "/api/v1/orders"
body = "order"
accept = [200, 201, 400]
"#;

/// A search that begins with the smallest scale, which no step passes, and so ends with it.
fn searched(faults: Faults) -> Capacity {
    let (server, shop) = served(Faults { fails_at: Some(25), ..faults });
    let folder = tempfile::tempdir().unwrap();
    let tiny = folder.path().join("tiny-shop");
    fs::create_dir(&tiny).unwrap();
    let filled = CONTEST.replace("{address}", &server.address.to_string());
    fs::write(tiny.join("contest.toml"), filled).unwrap();
    let settings = search(Contest::read(&tiny).unwrap(), &folder, 0.01);
    let mut stack = Recorded { shop, services: vec![("api", Role::Api, bounded())] };
    let stop = AtomicBool::new(false);
    capacity::search_on(&mut stack, &settings, &entrant(), &stop, &mut View::default())
}

#[test]
fn a_search_in_a_shop_ends_with_its_stock() {
    let (honest, oversells) = std::thread::scope(|scope| {
        let honest = scope.spawn(|| searched(Faults::default()));
        let oversells = scope.spawn(|| searched(Faults { oversells: true, ..Faults::default() }));
        (honest.join().unwrap(), oversells.join().unwrap())
    });
    for found in [&honest, &oversells] {
        assert!(found.steps.len() == 2 && found.steps.iter().all(|step| !step.passed), "{found:?}");
        assert_eq!(found.lost, Some(0), "{found:?}");
    }
    assert!(honest.steps[1].acknowledged_before >= 30, "{honest:?}");
    // Orders that were under way when a step broke, and those with an error, have happened or not.
    assert_eq!(honest.reasons, [""; 0]);
    assert_eq!(oversells.reasons.len(), 1, "{oversells:?}");
    assert!(oversells.reasons[0].contains("stock or orders are wrong"), "{:?}", oversells.reasons);
    assert!(oversells.reasons[0].contains("pieces oversold"), "{:?}", oversells.reasons);
}

/// The contest's mix with k6 against a tiny shop, what k6 found, and what the oracle says of it.
fn mixed(faults: Faults) -> (Vec<String>, Stored) {
    let (server, shop) = served(faults);
    let mut contest = Contest::read(&top().join("contests/inventory")).unwrap();
    contest.url = format!("http://{}", server.address);
    let opening = Opening { customers: 1, products: 30, pieces: 20 };
    let open: Arc<Open> = Arc::new(shop::open(contest.address(), opening).unwrap());
    let before = shop.lock().unwrap().stored.clone();
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("none");
    let job = Job {
        contest: &contest,
        top: &top(),
        scale: 0.5,
        seed: 1,
        payloads: &none,
        terms: &none,
        folder: folder.path(),
        seconds: Some(5),
        shop: Some(&open),
    };
    let outcome =
        K6::find(None).unwrap().run(&job, &AtomicBool::new(false), &mut |_| {}).unwrap_or_else(|error| {
            let printed = fs::read_to_string(folder.path().join("k6.out")).unwrap_or_default();
            panic!("{error:#}\n{printed}")
        });
    let stored = judge(&before, &outcome.deeds, &shop.lock().unwrap().stored);
    let requests = &outcome.figures.requests;
    assert!(requests["order"].count > 20 && requests["page of products"].count > 20, "{requests:?}");
    (outcome.figures.errors.into_iter().map(|error| error.message).collect(), stored)
}

#[test]
#[ignore = "needs k6: in PATH, or where K6 says"]
fn k6_checks_what_a_shop_answers_and_tells_the_oracle() {
    let (found, stored) = mixed(Faults::default());
    assert_eq!(found, [""; 0]);
    assert!(stored.exact() && stored.acknowledged > 20, "{stored:?}");
    let (found, stored) = mixed(Faults { oversells: true, ..Faults::default() });
    assert_eq!(found, [""; 0], "no answer tells");
    assert!(stored.stock.unwrap().oversold > 0 && stored.lost == 0, "{stored:?}");
    let (found, stored) = mixed(Faults { is_cheap: true, ..Faults::default() });
    let said = "does not hold: order: the total is the sum of the lines";
    assert!(found.iter().any(|message| message == said), "{found:?}");
    assert!(!stored.exact(), "{stored:?}");
}
