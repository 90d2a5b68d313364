//! `/metrics` of a real replica: the format by its rules, the figures by what was done, the names by
//! `docs/metrics.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::client::request_text;
use crate::support::exposition::{Family, Sample, parse};
use crate::support::{Database, Engine, Replica, Target, eventually, person};
use pouco::http::{Limits, Method, Router};
use pouco::limits;

fn scrape(replica: &Replica) -> Vec<Family> {
    let answer = replica.admin.get("/metrics");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    parse(answer.text()).unwrap_or_else(|error| panic!("{error}"))
}

/// The samples of `name` that have these labels.
fn samples(families: &[Family], name: &str, labels: &[(&str, &str)]) -> Vec<Sample> {
    let fits = |sample: &&Sample| {
        sample.name == name && labels.iter().all(|(label, value)| sample.label(label) == Some(value))
    };
    families.iter().flat_map(|family| &family.samples).filter(fits).cloned().collect()
}

/// The value of the only sample with these labels.
fn value(families: &[Family], name: &str, labels: &[(&str, &str)]) -> f64 {
    let found = samples(families, name, labels);
    assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
    found[0].value
}

/// Every kind of answer that the API has.
fn use_all(replica: &Replica) {
    let created = replica.post("/pessoas", &person("ana"));
    assert_eq!(created.status, 201);
    assert_eq!(replica.post("/pessoas", &person("ana")).status, 422);
    assert_eq!(replica.post("/pessoas", "{").status, 400);
    assert_eq!(replica.get(created.header("location").unwrap()).status, 200);
    assert_eq!(replica.get("/pessoas/00000000-0000-0000-0000-000000000000").status, 404);
    assert_eq!(replica.get("/pessoas?t=ana").status, 200);
    assert_eq!(replica.get("/pessoas").status, 400);
    assert_eq!(replica.get("/contagem-pessoas").status, 200);
    assert_eq!(replica.get("/nowhere").status, 404);
    assert_eq!(replica.api.ask("GET / HTTP/1.1\r\nno field\r\n\r\n").status, 400);
}

#[test]
fn the_figures_are_those_of_what_was_done() {
    let database = Database::create();
    let replica = Replica::start(&database);
    eventually("searches are answered from memory", || {
        value(&scrape(&replica), "pouco_search_index_complete", &[]) == 1.0
    });
    let before = scrape(&replica);
    let queued = value(&before, "pouco_commit_queue_duration_seconds_count", &[("table", "people")]);
    assert_eq!(queued, 0.0);
    use_all(&replica);
    let families = scrape(&replica);
    let of = |name: &str, labels: &[(&str, &str)]| value(&families, name, labels);

    let creations = [("route", "/pessoas"), ("method", "POST")];
    assert_eq!(of("http_request_duration_seconds_count", &creations), 3.0);
    let other = [("route", "other"), ("method", "other")];
    assert_eq!(of("http_request_duration_seconds_count", &other), 2.0);
    // Each is counted once, and timed once.
    let counted: f64 = samples(&families, "http_requests_total", &[]).iter().map(|one| one.value).sum();
    let timed = samples(&families, "http_request_duration_seconds_count", &[]);
    assert_eq!((counted, timed.iter().map(|one| one.value).sum::<f64>()), (10.0, 10.0));
    // By path the same are summed whatever the status, and those of routes that nobody asked are there as
    // zeros.
    let by_path = |path: &str, method: &str| of("http_total_requests", &[("path", path), ("method", method)]);
    assert_eq!(
        [by_path("/pessoas", "POST"), by_path("/pessoas", "GET"), by_path("other", "other")],
        [3.0, 2.0, 2.0]
    );
    let of_each: f64 = samples(&families, "http_total_requests", &[]).iter().map(|one| one.value).sum();
    assert_eq!(of_each, counted);
    assert_eq!(value(&before, "http_total_requests", &[("path", "/contagem-pessoas")]), 0.0);
    // The creation that was stored waited at least for the linger.
    assert!(of("http_request_duration_seconds_sum", &creations) > 0.003, "{timed:?}");

    let people = [("table", "people")];
    for name in ["batch_rows", "duration_seconds", "queue_duration_seconds"] {
        assert_eq!(of(&format!("pouco_commit_{name}_count"), &people), 1.0, "{name}");
    }
    assert_eq!(of("pouco_commit_batch_rows_sum", &people), 1.0);
    assert!(of("pouco_commit_queue_duration_seconds_sum", &people) >= 0.003);
    assert!((0.000_05..10.0).contains(&of("pouco_commit_duration_seconds_sum", &people)));
    assert!((0.0..10.0).contains(&of("pouco_feed_lag_seconds", &[("feed", "people")])));

    let asked = |cache: &str| {
        let labels = [("cache", cache)];
        (of("pouco_cache_hits_total", &labels), of("pouco_cache_misses_total", &labels))
    };
    assert_eq!(
        [asked("people"), asked("nicknames"), asked("searches")],
        [(1.0, 1.0), (1.0, 1.0), (1.0, 0.0)]
    );
    // A cache that is off has its series too, or a dashboard's panels would be empty for a setting.
    assert_eq!([asked("users"), asked("edge_redis")], [(0.0, 0.0); 2]);
    assert_eq!([of("pouco_cache_bytes", &[("cache", "users")]), of("pouco_redis_up", &[])], [0.0; 2]);
    // Bounds stand beside what they bound, so that a rule can divide one by the other.
    assert_eq!(of("pouco_connections_limit", &[]), limits::CONNECTIONS as f64);
    assert_eq!(of("pouco_request_buffer_limit_bytes", &[]), limits::REQUEST_BYTES as f64);
    assert_eq!(of("pouco_answer_buffer_limit_bytes", &[]), limits::ANSWER_BYTES as f64);
    assert_eq!(of("pouco_reads_waiting_limit", &[]), limits::READ_QUEUE as f64);
    assert_eq!(of("pouco_commit_waiting_limit_rows", &people), limits::COMMIT_QUEUE_ROWS as f64);
    assert_eq!(of("pouco_commit_waiting_limit_bytes", &people), limits::COMMIT_QUEUE_BYTES as f64);
    assert_eq!(of("pouco_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
    // The kernel counts in ticks of 10 ms, and a replica may not have used one so far.
    eventually("a tick of CPU time", || value(&scrape(&replica), "process_cpu_seconds_total", &[]) > 0.0);
    assert!(of("process_resident_memory_bytes", &[]) > 1e6);
    assert!(of("process_open_fds", &[]) > 5.0);
}

/// A pipelined batch is timed whole, and each route of it under its own name; a body and a stream that come
/// late do not make what follows them late.
#[test]
fn a_request_is_timed_from_its_own_head() {
    // More than the machine's other work takes.
    const LATE: Duration = Duration::from_secs(5);
    let mut router = Router::new();
    router.route(Method::Get, "/fast", |_, response| response.text("x"));
    router.route(Method::Post, "/body", |request, response| response.text(request.body().len()));
    router.route_stream(Method::Post, "/stream", 1 << 20, |_, body, response| {
        let count = std::io::copy(body, &mut std::io::sink())?;
        response.text(count);
        Ok::<_, std::io::Error>(())
    });
    let engine = Engine::start(router, Limits::default());
    let fast = request_text("GET", "/fast", "");
    let mut begun = Vec::new();
    for target in &engine.targets {
        // One read brings all of them, and one write takes their answers.
        let mixed = format!("{fast}{}{fast}{fast}", request_text("POST", "/body", "x"));
        let mut connection = target.connect();
        connection.send(mixed);
        for text in ["x", "1", "x", "x"] {
            assert_eq!(connection.answer().text(), text);
        }
        for path in ["/body", "/stream"] {
            let mut connection = target.connect();
            connection
                .send(format!("{fast}{fast}POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx"));
            for _ in 0..2 {
                assert_eq!(connection.answer().text(), "x");
            }
            begun.push(connection);
        }
    }
    // The answers are read, so the server waits for the bodies.
    thread::sleep(LATE);
    for connection in &mut begun {
        connection.send(format!("y{fast}"));
        assert_eq!(connection.answer().text(), "2");
        assert_eq!(connection.answer().text(), "x");
    }
    let of = |route: &str| {
        engine
            .server
            .router()
            .seconds()
            .find(|timed| timed.route == route)
            .map(|timed| timed.seconds)
            .unwrap()
    };
    assert_eq!([of("/fast").count, of("/body").count, of("/stream").count], [18, 4, 2]);
    assert!(of("/fast").sum < LATE.as_secs_f64(), "{:?}", of("/fast"));
    for late in [of("/body"), of("/stream")] {
        assert!(late.sum > 1.8 * LATE.as_secs_f64(), "{late:?}");
    }
}

#[test]
fn an_engine_that_does_not_measure_counts_nothing() {
    let mut router = Router::new();
    router.measure(false).route(Method::Get, "/fast", |_, response| response.text("x"));
    let engine = Engine::start(router, Limits::default());
    for target in &engine.targets {
        assert_eq!(target.get("/fast").status, 200);
        assert_eq!(target.get("/nowhere").status, 404);
    }
    assert_eq!(engine.server.router().counts().count(), 0);
    assert!(engine.server.router().seconds().all(|timed| timed.seconds.count == 0));
}

/// Sends what no two clients would think of, and more methods and paths than any table should have.
fn send_nonsense(target: &Target, requests: usize) {
    let mut random = fastrand::Rng::with_seed(5);
    for number in 0..requests {
        let word: String = (0..random.usize(1..30)).map(|_| random.alphanumeric()).collect();
        let unknown = word.to_uppercase();
        let method = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", &unknown][number % 7];
        let path = [format!("/{word}"), format!("/pessoas/{word}"), format!("/pessoas/{word}/{word}")];
        let request = request_text(method, &path[number / 7 % 3], "");
        let mut connection = target.connect();
        connection.send(request);
        let answer = connection.answer_to(if method == "HEAD" { "HEAD" } else { "GET" });
        assert!([204, 404, 405, 501].contains(&answer.status), "{method} {}: {}", path[0], answer.status);
    }
}

#[test]
fn no_client_can_make_a_series() {
    let database = Database::create();
    // Of one API, so that the bound below says what one costs; the labels are made alike for all.
    let replica = Replica::start_with(&database, &[("POUCO_APIS", "people")]);
    let series = || -> BTreeSet<_> {
        let samples = scrape(&replica).into_iter().flat_map(|family| family.samples);
        samples.map(|sample| (sample.name, sample.labels)).collect()
    };
    use_all(&replica);
    send_nonsense(&replica.api, 42);
    let before = series();
    send_nonsense(&replica.api, 600);
    assert_eq!(series().difference(&before).collect::<Vec<_>>(), Vec::<&(_, _)>::new());
    let routes: BTreeSet<String> = before
        .iter()
        .flat_map(|(_, labels)| labels)
        .filter(|(name, _)| name == "route" || name == "path")
        .map(|(_, value)| value.clone())
        .collect();
    let front =
        ["/", "/api/v1/openapi.json", "/docs", "/docs/page.css", "/docs/page.js", "/healthz", "/metrics"];
    let own = ["/contagem-pessoas", "/pessoas", "/pessoas/{id}", "other"];
    let expected: BTreeSet<String> = front.iter().chain(&own).map(|path| (*path).to_owned()).collect();
    assert_eq!(routes, expected);
    // Buckets by route, a third of them for what every replica shows, and what a scrape may have at most.
    assert!(before.len() < 495, "{} series", before.len());
}

#[test]
fn a_scrape_while_requests_are_answered_is_consistent() {
    let database = Database::create();
    let replica = Replica::start(&database);
    let (api, ended) = (replica.api.clone(), Arc::new(AtomicBool::new(false)));
    let seen = ended.clone();
    let client = thread::spawn(move || {
        let mut connection = api.connect();
        while !seen.load(Ordering::Relaxed) {
            connection.send(request_text("GET", "/nowhere", "").repeat(50));
            (0..50).for_each(|_| drop(connection.answer()));
        }
    });
    let mut last: BTreeMap<(String, Vec<(String, String)>), f64> = BTreeMap::new();
    // A number of scrapes and not a time: a busy machine is slow.
    for _ in 0..10 {
        for family in scrape(&replica).into_iter().filter(|family| family.kind != "gauge") {
            for sample in family.samples {
                let before = last.insert((sample.name.clone(), sample.labels.clone()), sample.value);
                assert!(before.unwrap_or(0.0) <= sample.value, "{sample:?} was {before:?}");
            }
        }
    }
    ended.store(true, Ordering::Relaxed);
    client.join().unwrap();
    assert!(value(&scrape(&replica), "http_requests_total", &[("route", "other")]) > 0.0);
}

/// A row of the document: name, type, labels, unit.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>, String)> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let plain = |cell: &str| cell.trim_matches('`').to_owned();
        let labels = cells[3].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert!(!cells[5].is_empty(), "no meaning: {row}");
        (plain(cells[1]), (plain(cells[2]), labels, plain(cells[4])))
    })
    .collect()
}

#[test]
fn the_document_lists_what_a_replica_has_and_nothing_else() {
    let database = Database::create();
    let replica = Replica::start(&database);
    use_all(&replica);
    let live: BTreeMap<_, _> = scrape(&replica)
        .into_iter()
        .map(|family| {
            let labels = family.samples.iter().flat_map(|sample| &sample.labels);
            let labels: BTreeSet<String> =
                labels.map(|(name, _)| name.clone()).filter(|name| name != "le").collect();
            (family.name, (family.kind, labels))
        })
        .collect();
    let documented = documented();
    for (name, (kind, labels, unit)) in &documented {
        let found =
            live.get(name).unwrap_or_else(|| panic!("docs/metrics.md names {name}, which is not there"));
        assert_eq!(&(kind.clone(), labels.clone()), found, "{name}");
        let base = name.trim_end_matches("_total");
        for suffix in ["seconds", "bytes", "rows"] {
            assert_eq!(base.ends_with(suffix), unit == suffix, "{name} in {unit}");
        }
    }
    for name in live.keys() {
        assert!(documented.contains_key(name), "docs/metrics.md lacks {name}");
    }
}

#[test]
fn the_reader_of_the_format_refuses_what_is_wrong() {
    let good =
        "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1\"} 3\na_total{x=\"\\\"\\\\\\n\"} 4\n";
    let families = parse(good).unwrap();
    assert_eq!(families[0].samples[1].label("x"), Some("\"\\\n"));
    let histogram = "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n";
    assert_eq!(parse(histogram).unwrap()[0].samples.len(), 4);
    let wrong = [
        (good, "} 4\n", "} 4"),
        (good, "a_total{x=\"1\"}", "a_total{x=\"\\\"\\\\\\n\"}"),
        (good, "a_total{x=\"1\"}", "b_total{x=\"1\"}"),
        (good, "a_total{x=\"1\"}", "a_total{x=\"1\",x=\"2\"}"),
        (good, "{x=\"1\"}", "{x=\"\\t\"}"),
        (good, "{x=\"1\"}", "{1x=\"1\"}"),
        (good, "} 3", "} three"),
        (good, "} 3", "} -3"),
        (good, "counter", "gauge"),
        (good, "# TYPE a_total counter\n", ""),
        (good, "} 4\n", "} 4\n# HELP b B.\n# TYPE b gauge\nb 1\n# HELP a_total A.\n"),
        (histogram, "le=\"1\"} 1", "le=\"1\"} 3"),
        (histogram, "h_count 2", "h_count 3"),
        (histogram, "h_sum 3\n", ""),
        (histogram, "h_bucket{le=\"+Inf\"} 2\n", ""),
        (histogram, "{le=\"1\"}", ""),
    ];
    for (text, right, broken) in wrong {
        let text = text.replacen(right, broken, 1);
        assert!(parse(&text).is_err(), "{text}");
    }
}
