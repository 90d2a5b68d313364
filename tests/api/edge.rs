//! The edge API over real sockets: every route behind every cache, what each says of itself, and what is
//! computed once. What needs a Redis or an nginx is in `tests/stack/edge.sh`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::request_text;
use crate::support::exposition::parse;
use crate::support::replica::command;
use crate::support::{Answer, Database, Engine, Log, Replica, Target, eventually};
use pouco::cache::Source;
use pouco::cache::expiring::{Expiring, Limits};
use pouco::http::{Limits as HttpLimits, Method, Router};

const CLIENTS: usize = 500;
const PREFIXES: [&str; 4] = ["", "/memory", "/nginx", "/redis"];
const PAGES: [(&str, &str); 4] = [
    ("/", "text/html; charset=utf-8"),
    ("/static-text", "text/plain; charset=utf-8"),
    ("/time", "text/plain; charset=utf-8"),
    ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
];

/// A replica that serves this API, and the database that it waits for. Nothing expires unless that is said.
fn start(settings: &[(&str, &str)]) -> (Replica, Database) {
    let database = Database::create();
    let own = [("POUCO_APIS", "edge"), ("POUCO_EDGE_CACHE_TTL_MS", "3600000")];
    (Replica::start_with(&database, &[&own, settings].concat()), database)
}

fn cache_status(answer: &Answer) -> &str {
    answer.header("x-cache-status").unwrap_or_else(|| panic!("no X-Cache-Status: {answer:?}"))
}

fn computed(replica: &Replica, cache: &str, page: &str) -> u64 {
    replica.metric(&format!("pouco_edge_computed_total{{cache=\"{cache}\",page=\"{page}\"}}"))
}

/// What the first and the second request of a path are told without nginx and without Redis.
fn expected(prefix: &str, page: &str) -> [&'static str; 2] {
    match (prefix, page) {
        // The other name of what `/…` has just put there.
        ("/memory", "/" | "/static-text" | "/time") => ["HIT", "HIT"],
        ("/memory", _) => ["MISS", "HIT"],
        ("", "/metrics") | ("/nginx" | "/redis", _) => ["BYPASS", "BYPASS"],
        _ => ["MISS", "HIT"],
    }
}

#[test]
fn every_page_is_behind_every_cache() {
    let (replica, _database) = start(&[]);
    for prefix in PREFIXES {
        for (page, content_type) in PAGES {
            let path = format!("{prefix}{page}");
            for status in expected(prefix, page) {
                let answer = replica.get(&path);
                assert_eq!((answer.status, cache_status(&answer)), (200, status), "{path}");
                assert_eq!(answer.header("content-type"), Some(content_type), "{path}");
                assert!(!answer.body.is_empty(), "{path}");
            }
        }
    }
    assert_eq!(replica.get("/static-text").body, replica.get("/redis/static-text").body);
    for nowhere in ["/memory", "/nginx", "/redis", "/memory/nothing", "/redis/time/", "/nginx/static-text/x"]
    {
        assert_eq!(replica.get(nowhere).status, 404, "{nowhere}");
    }
}

#[test]
fn pages_without_a_prefix_are_kept_where_it_is_told() {
    for (keeper, told) in [("memory", ["MISS", "HIT"]), ("nginx", ["BYPASS"; 2]), ("redis", ["BYPASS"; 2])] {
        let settings = [("POUCO_APIS", "edge"), ("POUCO_EDGE_CACHE", keeper)];
        let replica = Replica::spawn(command().envs(settings));
        for status in told {
            assert_eq!(cache_status(&replica.get("/time")), status, "{keeper}");
        }
        let times = told.iter().filter(|status| **status != "HIT").count();
        assert_eq!(computed(&replica, keeper, "time"), times as u64, "{keeper}");
        assert_eq!(cache_status(&replica.get("/memory/")), "MISS", "the others are what they were");
    }
}

#[test]
fn alone_it_needs_no_database() {
    // Without an address the program would start a Postgres of its own.
    let replica = Replica::spawn(command().env("POUCO_APIS", "edge"));
    assert_eq!(replica.get("/time").status, 200);
    assert_eq!(replica.admin.get("/readyz").status, 200);
    assert_eq!(replica.metric("pouco_database_connections"), 0);
}

#[test]
fn head_is_get_without_the_body_and_other_methods_are_refused() {
    let (replica, _database) = start(&[]);
    for prefix in PREFIXES {
        for (page, _) in PAGES {
            let path = format!("{prefix}{page}");
            let mut connection = replica.api.connect();
            let head = connection.request("HEAD", &path, "");
            assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
            assert!(["HIT", "MISS", "BYPASS"].contains(&cache_status(&head)), "{path}");
            // The connection is at the right place: nothing of a body was sent.
            let get = connection.request("GET", &path, "");
            if page == "/static-text" {
                assert_eq!(get.header("content-length"), head.header("content-length"));
            }
            let post = connection.request("POST", &path, "x");
            assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD, OPTIONS")), "{path}");
        }
    }
}

#[test]
fn a_page_in_memory_is_the_same_until_its_time_is_over() {
    let (replica, _database) = start(&[("POUCO_EDGE_CACHE_TTL_MS", "300")]);
    let begun = Instant::now();
    let first = replica.get("/time");
    let again = replica.get("/memory/time");
    // A slow machine may have taken longer than an entry lives.
    if begun.elapsed() < Duration::from_millis(250) {
        assert_eq!((cache_status(&again), &again.body), ("HIT", &first.body));
    }
    eventually("another time is shown", || replica.get("/time").body != first.body);
    assert!(begun.elapsed() >= Duration::from_millis(290), "{:?}", begun.elapsed());
    // What nobody asks for again leaves by itself.
    eventually("the entry is swept", || replica.metric("pouco_cache_entries{cache=\"edge_memory\"}") == 0);
    assert_eq!(replica.metric("pouco_cache_bytes{cache=\"edge_memory\"}"), 0);
    assert!(replica.metric("pouco_cache_expired_total{cache=\"edge_memory\"}") >= 1);
}

#[test]
fn the_public_counters_are_those_of_known_paths_and_nothing_else() {
    let (replica, _database) = start(&[]);
    for _ in 0..3 {
        assert_eq!(replica.get("/static-text?by=nobody").status, 200);
    }
    assert_eq!(replica.get("/nowhere").status, 404);
    assert_eq!(replica.post("/time", "x").status, 405);
    replica.api.connect().request("HEAD", "/redis/time", "");
    let answer = replica.get("/metrics");
    // The name is given from outside; a counter's would end in `_total`, and the strict reader asks for that.
    let text = answer.text().replace("http_total_requests", "http_requests_total");
    let families = parse(&text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        families.iter().map(|family| family.name.as_str()).collect::<Vec<_>>(),
        ["http_requests_total"]
    );
    let counts: BTreeMap<_, _> = families[0]
        .samples
        .iter()
        .map(|sample| ((sample.label("path").unwrap(), sample.label("method").unwrap()), sample.value))
        .collect();
    assert_eq!(counts[&("/static-text", "GET")], 3.0);
    assert_eq!(counts[&("/metrics", "GET")], 1.0);
    // A HEAD is counted with its GET, as the router does.
    assert_eq!(counts[&("/redis/time", "GET")], 1.0);
    assert_eq!((counts.len(), counts.values().sum::<f64>()), (16, 5.0));
    let again = replica.get("/metrics");
    assert!(again.text().contains("http_total_requests{path=\"/metrics\",method=\"GET\"} 2\n"), "{again:?}");
}

#[test]
fn the_caches_count_what_they_do() {
    let (replica, _database) = start(&[]);
    for path in
        ["/time", "/memory/time", "/time", "/static-text", "/redis/time", "/nginx/time", "/nginx/time"]
    {
        assert_eq!(replica.get(path).status, 200);
    }
    let of = |name: &str, cache: &str| replica.metric(&format!("pouco_cache_{name}{{cache=\"{cache}\"}}"));
    assert_eq!([of("hits_total", "edge_memory"), of("misses_total", "edge_memory")], [2, 2]);
    assert_eq!([of("hits_total", "edge_redis"), of("misses_total", "edge_redis")], [0, 1]);
    assert_eq!(of("entries", "edge_memory"), 2);
    assert!((200..2_000).contains(&of("bytes", "edge_memory")), "{}", of("bytes", "edge_memory"));
    let times = ["memory", "redis", "nginx", "none"].map(|cache| computed(&replica, cache, "time"));
    assert_eq!(times, [1, 1, 2, 0]);
    assert_eq!(replica.metric("pouco_redis_up "), 0);
}

/// What a replica logs at `level` while a page is asked for twice.
fn log_at(level: &str, database: &Database) -> String {
    let mut command = command();
    command.env("DATABASE_URL", database.url()).env("POUCO_APIS", "edge").env("POUCO_LOG", level);
    let log = Log::of(&mut command);
    let replica = Replica::spawn_with(&mut command);
    (0..2).for_each(|_| assert_eq!(replica.get("/time").status, 200));
    assert!(replica.stop().success());
    log.text()
}

#[test]
fn hits_are_logged_with_the_time_left_for_those_who_ask() {
    let database = Database::create();
    let text = log_at("debug", &database);
    let line =
        |start: &str| text.lines().find(|line| line.contains(start)).unwrap_or_else(|| panic!("{text}"));
    assert!(line("MISS /time").ends_with("MISS /time"));
    let left = line("HIT /time, ").rsplit_once(", ").unwrap().1.strip_suffix(" s left").unwrap();
    assert!((0.0..=10.0).contains(&left.parse::<f64>().unwrap()), "{left}");
    assert!(!log_at("info", &database).contains("/time"));
}

#[test]
fn a_redis_that_is_not_there_is_said_once_and_costs_nothing() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (replica, _database) = start(&[("REDIS_HOST", &free)]);
    eventually("Redis was tried", || replica.metric("pouco_redis_failures_total") > 0);
    let failures = replica.metric("pouco_redis_failures_total");
    let mut connection = replica.api.connect();
    for _ in 0..200 {
        let answer = connection.request("GET", "/redis/time", "");
        assert_eq!((answer.status, cache_status(&answer)), (200, "BYPASS"));
    }
    // It is looked for now and then, and not by each of them.
    let failures = replica.metric("pouco_redis_failures_total") - failures;
    assert!(failures < 100, "{failures}");
    assert_eq!(replica.metric("pouco_redis_bypassed_total"), 200);
    assert!(replica.stop().success());
}

/// All requests are sent before the first answer is read.
fn ask_together(target: &Target, path: &str) -> Vec<Answer> {
    let mut connections: Vec<_> = (0..CLIENTS).map(|_| target.connect()).collect();
    connections.iter_mut().for_each(|connection| connection.send(request_text("GET", path, "")));
    connections.iter_mut().map(|connection| connection.answer()).collect()
}

#[test]
fn a_cold_page_under_500_clients_is_computed_once() {
    let (replica, _database) = start(&[]);
    let answers = ask_together(&replica.api, "/time");
    let missed = answers.iter().filter(|answer| cache_status(answer) == "MISS").count();
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body));
    assert_eq!((missed, computed(&replica, "memory", "time")), (1, 1));
}

/// As above, with a computation that takes until everybody else waits for it, as one does that asks a
/// database.
#[test]
fn a_slow_cold_key_under_500_clients_is_computed_once() {
    type Cache = Expiring<String, Arc<[u8]>, Infallible>;
    let limits = Limits { bytes: 1 << 20, entries: 100, ttl: Duration::from_secs(600) };
    let cache: Arc<Cache> = Expiring::new(limits);
    let computed = Arc::new(AtomicUsize::new(0));
    let (asked, counted) = (cache, computed.clone());
    let mut router = Router::new();
    router.route(Method::Get, "/slow", move |request, response| {
        let Ok(served) = asked.get_or_compute(request.path(), || {
            counted.fetch_add(1, Ordering::SeqCst);
            // On a thread, as everything that blocks; the coroutine parks for it.
            let (done, waiting) = may::sync::mpsc::channel();
            let watched = asked.clone();
            thread::spawn(move || {
                eventually("the others wait", || watched.counts().coalesced == CLIENTS as u64 - 1);
                done.send(Arc::from(*b"slow")).unwrap();
            });
            Ok(waiting.recv().unwrap())
        });
        let how = match served.source {
            Source::Miss => "miss",
            Source::Coalesced => "coalesced",
            Source::Hit { .. } | Source::Bypass => "other",
        };
        response.header("how", how).body("text/plain", &served.value);
    });
    let engine = Engine::start(router, HttpLimits::default());
    let answers = ask_together(&engine.targets[0], "/slow");
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.text() == "slow"));
    let how = |word| answers.iter().filter(|answer| answer.header("how") == Some(word)).count();
    assert_eq!((how("miss"), how("coalesced")), (1, CLIENTS - 1));
    assert_eq!(computed.load(Ordering::SeqCst), 1);
    assert_eq!(engine.targets[1].get("/slow").header("how"), Some("other"), "and kept");
}
