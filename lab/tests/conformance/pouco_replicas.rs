//! The pass over two replicas of pouco with a real Postgres, behind a balancer, in this process.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pouco::api::Selection;
use pouco::app::{App, Bound};
use pouco::config::Config;
use pouco::embedded::Cluster;
use pouco::http::Address;
use pouco::store::Connector;
use pouco_lab::contest::Contest;
use pouco_lab::contestant::Contestant;
use pouco_lab::lines::Lines;
use pouco_lab::load::{self, Plan};
use pouco_lab::oracle::inventory::{self, Shop};
use pouco_lab::oracle::{Creation, Creations, Excluded, id_of_location, judge, rows_from_json_lines};
use pouco_lab::shop::{self, Opening};

use crate::served::balance;
use crate::{failures, pass};

const INVENTORY: &[(&str, &str)] = &[
    ("POUCO_APIS", "inventory"),
    ("POUCO_BCRYPT_COST", "4"),
    ("POUCO_JWT_SECRET", "a secret of the tests, long enough"),
];

struct Replicas {
    // Stopped before the database is.
    apps: Vec<App>,
    addresses: Vec<String>,
    cluster: Option<Cluster>,
    _folder: tempfile::TempDir,
}

impl Replicas {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(more: &[(&'static str, &'static str)]) -> Self {
        use std::os::unix::fs::PermissionsExt;
        // The database's user must reach it, whoever runs the tests.
        let folder = tempfile::Builder::new().prefix("pouco-lab-").tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let cluster = Cluster::start(Some(folder.path().join("data")), None)
            .unwrap_or_else(|error| panic!("no Postgres: {error}"));
        pouco::http::configure_coroutines();
        let (mut apps, mut addresses) = (Vec::new(), Vec::new());
        for replica in ["0", "1"] {
            let settings = [
                ("POUCO_LISTEN", "tcp:127.0.0.1:0"),
                ("POUCO_ADMIN_LISTEN", "off"),
                ("POUCO_REPLICA", replica),
            ];
            let values = settings.into_iter().chain(more.iter().copied()).collect();
            let config = Config::read(&values).unwrap();
            let apis = Selection::read(&values).unwrap();
            let bound = Bound::new(&config).unwrap();
            let Some(Address::Tcp(address)) = bound.addresses().next() else { panic!("no TCP address") };
            addresses.push(address.clone());
            apps.push(App::start(config, apis, Connector::new(cluster.config()), bound).unwrap());
        }
        Self { apps, addresses, cluster: Some(cluster), _folder: folder }
    }

    /// As the lab asks for them: by the contestant's own query.
    fn rows(&self, peer: &str) -> String {
        let peer = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers").join(peer);
        let query = Contestant::read(&peer).unwrap().rows().unwrap().rows.clone();
        let mut client = self.cluster.as_ref().unwrap().config().connect(postgres::NoTls).unwrap();
        let messages = client.simple_query(&query).unwrap();
        let rows = messages.iter().filter_map(|message| match message {
            postgres::SimpleQueryMessage::Row(row) => Some(format!("{}\n", row.get(0).unwrap())),
            _ => None,
        });
        rows.collect()
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        for app in self.apps.drain(..) {
            app.stop();
        }
        drop(self.cluster.take());
    }
}

#[test]
fn pouco_keeps_every_rule_and_every_row() {
    let replicas = Replicas::start();
    let address = balance(replicas.addresses.clone());
    // Twice: the second pass meets the rows of the first one.
    let mut excluded = Excluded::default();
    for seed in [1, 2] {
        let pass = pass(&address, seed);
        excluded.add(&pass.unique, pass.sent.iter().map(Vec::as_slice));
        assert_eq!(failures(&pass), [""; 0], "{:#?}", pass.conformance.failures);
        assert!(pass.warnings.is_empty(), "{:#?}", pass.warnings);
    }
    // What the passes left is theirs, down to the last row.
    let payloads: Lines = [&b"{}"[..]].into_iter().collect();
    let rows = replicas.rows("pouco");
    let count = rows.lines().count() as u64;
    assert!(count > 150, "{count}");
    let rows = rows_from_json_lines(rows.as_bytes());
    let stored = judge(&Creations::Each(Vec::new()), &payloads, rows, &excluded, &[], Some(count)).unwrap();
    assert_eq!((stored.rows, stored.foreign, stored.counted), (0, 0, Some(0)), "{stored:#?}");
}

#[test]
fn pouco_keeps_every_rule_of_the_inventory() {
    let replicas = Replicas::start_with(INVENTORY);
    let address = balance(replicas.addresses.clone());
    // The second pass meets what the first one left.
    for seed in [1, 2] {
        let pass = crate::pass_of("inventory", &address, seed);
        assert_eq!(failures(&pass), [""; 0], "{:#?}", pass.conformance.failures);
        assert!(pass.warnings.is_empty(), "{:#?}", pass.warnings);
    }
}

/// Both loads of the contest in little, and what is stored then.
#[test]
fn pouco_keeps_its_stock_to_the_piece() {
    let replicas = Replicas::start_with(INVENTORY);
    let address = balance(replicas.addresses.clone());
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("contests/inventory");
    for name in ["flash-sale", "mix"] {
        let mut contest = Contest::read(&folder).unwrap().with_load(Some(name)).unwrap();
        contest.url = format!("http://{address}");
        for scenario in &mut contest.load.scenarios {
            scenario.clients = scenario.clients.map(|_| 32);
            scenario.phases.truncate(1);
            scenario.phases[0].seconds = 2.0;
        }
        // Few enough pieces that they are sold out.
        let opening = Opening { customers: 3, products: 1, pieces: 50 };
        let open = shop::open(&address, opening).unwrap();
        let rows = || Shop::read(replicas.rows("pouco/inventory").as_bytes()).unwrap();
        let before = rows();
        let mut plan = Plan::new(&contest, 1.0, <_>::default(), <_>::default()).unwrap();
        plan.shop = Some(Arc::new(open));
        let outcome = load::run(&plan, &AtomicBool::new(false), &mut |_| {}).unwrap();
        let stored = inventory::judge(&before, &outcome.deeds, &rows());
        assert_eq!(outcome.figures.total.failed, 0, "{name}: {:?}", outcome.figures.errors);
        assert!(stored.exact() && stored.acknowledged > 10, "{name}: {stored:#?}");
        let refused = outcome.figures.requests["order"].statuses.get(&400).copied().unwrap_or(0);
        assert!(refused > 0 || name == "mix", "{name}: nobody was too late");
    }
}

/// Creates the payloads over the API, as a generator would, and says what came.
fn create(address: &str, payloads: &Lines) -> Vec<Creation> {
    let answer = |number: u64| {
        let body = payloads.get(number);
        let head = format!(
            "POST /pessoas HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let mut headers = answer.lines().filter_map(|line| line.split_once(": "));
        let location = headers.find(|(name, _)| name.eq_ignore_ascii_case("location"));
        Creation {
            payload: number,
            status: answer[9..12].parse().unwrap(),
            id: location.and_then(|(_, value)| id_of_location(value)),
        }
    };
    (0..payloads.count() as u64).map(answer).collect()
}

/// The hard payloads of both oracles, but for what the rules leave open: pouco must judge them alike, and its
/// rows are compared field by field.
#[test]
fn pouco_and_the_oracle_agree_on_every_hard_payload() {
    let list = include_str!("../../../stress-test/tests/payloads.jsonl");
    let hard = list.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    // Most have one nick, which could be stored once only.
    let own_nick = |(number, hard): (usize, serde_json::Value)| {
        let text = hard["payload"].as_str().filter(|_| hard["open"].is_null())?;
        Some(text.replace("\"apelido\": \"ana\"", &format!("\"apelido\": \"ana{number}\"")))
    };
    let payloads: Vec<String> = hard.enumerate().filter_map(own_nick).collect();
    let payloads: Lines = payloads.iter().map(String::as_bytes).collect();
    let replicas = Replicas::start();
    let creations = create(&balance(replicas.addresses.clone()), &payloads);
    assert!(creations.iter().all(|creation| matches!(creation.status, 201 | 400 | 422)), "{creations:?}");
    let rows = replicas.rows("pouco");
    let rows = rows_from_json_lines(rows.as_bytes());
    let stored =
        judge(&Creations::Each(creations), &payloads, rows, &Excluded::default(), &[], None).unwrap();
    assert!(stored.exact() && stored.rows > 30, "{stored:#?}");
}
