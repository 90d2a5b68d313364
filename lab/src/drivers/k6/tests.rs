//! The recorded summary is of a real run of k6 1.3.0: 5 s at scale 0.5, in which first the replicas and then
//! nginx were killed.
//!
//! Where a run is tested, a shell script takes k6's place: that tests how a tool is started and ended, and no
//! more.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::*;
use crate::contest::Contest;
use crate::drivers::Creations;
use crate::drivers::testing::write_program;

const SUMMARY: &str = include_str!("../../../tests/recorded/k6/summary.json");

/// Without what is this machine's: its limit of open files.
fn findings(outcome: &Outcome) -> Vec<&String> {
    outcome.generator.bottleneck.iter().filter(|finding| !finding.contains("files may be open")).collect()
}

fn people() -> Contest {
    Contest::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), "people").unwrap()
}

fn recorded_arrivals() -> Arrivals {
    Arrivals::new(&people(), 0.5, Some(5)).unwrap()
}

/// A k6 that is `script`; it finds what it needs of its plan in `$summary` and `$address`.
fn stand_in(folder: &Path, script: &str) -> K6 {
    let path = folder.join("k6");
    fs::write(folder.join("recorded"), SUMMARY).unwrap();
    let finding = r#"#!/bin/sh
set -eu
home=$(dirname "$0")
summary=$(printf %s "$POUCO_PLAN" | sed 's/.*"summary":"\([^"]*\)".*/\1/')
"#;
    write_program(&path, &format!("{finding}{script}"));
    K6::find(Some(&path)).unwrap()
}

fn drive(driver: &K6, folder: &Path, stop: &AtomicBool) -> Result<Outcome> {
    drive_at(driver, &people(), 0.5, folder, stop)
}

fn drive_at(driver: &K6, contest: &Contest, scale: f64, folder: &Path, stop: &AtomicBool) -> Result<Outcome> {
    let job = Job {
        contest,
        top: folder,
        scale,
        seed: 7,
        payloads: &folder.join("payloads.tsv"),
        terms: &folder.join("terms.tsv"),
        folder,
        seconds: Some(5),
        shop: None,
    };
    driver.run(&job, stop, &mut |_| {})
}

#[test]
fn a_summary_becomes_figures() {
    let folder = tempfile::tempdir().unwrap();
    let driver = stand_in(folder.path(), "cp \"$home/recorded\" \"$summary\"");
    let outcome = drive(&driver, folder.path(), &AtomicBool::new(false)).unwrap();
    assert!(!outcome.interrupted);
    let figures = &outcome.figures;
    assert_eq!((figures.users_asked, figures.users_started), (577, 572));
    assert_eq!((figures.total.count, figures.total.failed), (755, 305));
    let creation = &figures.requests["creation"];
    assert_eq!(creation.count, 455);
    assert_eq!(creation.statuses.values().sum::<u64>(), creation.count);
    assert_eq!(creation.statuses[&201], 183);
    assert_eq!(outcome.creations, Creations::Counted { sent: 455, acknowledged: 183, failed: 245 });
    assert_eq!((figures.errors[0].message.as_str(), figures.errors[0].count), ("creation: no answer", 167));
    let lookup = &figures.requests["lookup"];
    assert!((lookup.p50_ms.unwrap() - 0.344_409).abs() < 1e-6 && lookup.p50_ms < lookup.max_ms);
    assert_eq!(findings(&outcome), [""; 0]);
    assert!(outcome.series.is_empty(), "nobody answered at the REST interface");
    let again = drive(&driver, folder.path(), &AtomicBool::new(false)).unwrap_err();
    assert!(again.to_string().contains("is there already"), "{again}");
}

#[test]
fn dropped_users_and_unknown_statuses_are_told() {
    let mut recorded: serde_json::Value = serde_json::from_str(SUMMARY).unwrap();
    let metrics = recorded["metrics"].as_object_mut().unwrap();
    metrics
        .insert("dropped_iterations".into(), serde_json::json!({ "values": { "count": 9.0, "rate": 1.0 } }));
    metrics["pouco_statuses{request:search,status:other}"]["values"]["count"] = 5.into();
    let summary = Summary::parse(&recorded.to_string()).unwrap();
    assert_eq!(summary.dropped(), 9);
    let names: [(&str, &[u16]); 1] = [("search", &[200])];
    let statuses = [0, 200, 503].into();
    let figures = summary.figures(&names, &statuses, &recorded_arrivals()).unwrap();
    assert!(figures.errors.iter().any(|error| error.message == "search: another status" && error.count == 5));
    let unknown: [(&str, &[u16]); 1] = [("nothing", &[200])];
    let error = summary.figures(&unknown, &statuses, &recorded_arrivals()).unwrap_err().to_string();
    assert!(error.contains("pouco_duration{request:nothing}"), "{error}");
    assert!(Summary::parse("{}").is_err());
}

#[test]
fn a_threshold_that_is_crossed_is_a_result() {
    let folder = tempfile::tempdir().unwrap();
    let driver = stand_in(folder.path(), "cp \"$home/recorded\" \"$summary\"; exit 99");
    let outcome = drive(&driver, folder.path(), &AtomicBool::new(false)).unwrap();
    assert_eq!(outcome.figures.users_started, 572);
}

#[test]
fn clients_of_scenarios_are_judged_by_what_their_script_tells() {
    let folder = tempfile::tempdir().unwrap();
    let counts = [
        ("pouco_users", 10),
        ("pouco_duration", 2),
        ("pouco_duration{request:creation}", 2),
        ("pouco_sent{request:creation}", 2),
        ("pouco_statuses{request:creation,status:201}", 2),
        ("pouco_right", 1),
        ("pouco_wrong", 1),
    ];
    let metrics: serde_json::Map<_, _> = counts
        .into_iter()
        .map(|(name, count)| (name.to_owned(), serde_json::json!({ "values": { "count": count } })))
        .collect();
    let told = serde_json::json!({
        "metrics": metrics,
        "state": { "testRunDurationMs": 2_000.0 },
        "root_group": { "checks": [{ "name": "the user has an id", "fails": 1 }] },
    });
    fs::write(folder.path().join("told"), told.to_string()).unwrap();
    let script = r#"cp "$home/told" "$summary"
while [ "$1" != --console-output ]; do shift; done
echo 'level=info msg="pouco-made,0,201,1001,end" source=console' >"$2"
echo 'level=info msg="pouco-made,1,201,,end" source=console' >>"$2""#;
    let driver = stand_in(folder.path(), script);
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let contest = Contest::load(&top, "scenarios").unwrap().with_load(Some("04-db-write")).unwrap();
    let never = AtomicBool::new(false);
    let outcome = drive_at(&driver, &contest, 1.0, folder.path(), &never).unwrap();
    let Creations::Each(each) = outcome.creations else { panic!("{:?}", outcome.creations) };
    let each: Vec<_> = each.iter().map(|it| (it.payload, it.status, it.id)).collect();
    assert_eq!(each, [(0, 201, Some(1_001)), (1, 201, None)]);
    let answers = outcome.answers.unwrap();
    assert_eq!((answers.checked, answers.wrong), (2, 1));
    assert_eq!(outcome.figures.errors[0].message, "does not hold: the user has an id");
    // One of which nobody was told would be a row that nobody asked for.
    fs::remove_file(folder.path().join("k6-summary.json")).unwrap();
    let driver = stand_in(folder.path(), &script[..script.rfind('\n').unwrap()]);
    let error = drive_at(&driver, &contest, 1.0, folder.path(), &never).unwrap_err().to_string();
    assert_eq!(error, "k6 sent 2 creations, and its script reported 1");
}

#[test]
fn an_interrupted_k6_still_says_what_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let script =
        "trap 'cp \"$home/recorded\" \"$summary\"; exit 105' TERM\n: >\"$home/ready\"\nsleep 600 & wait";
    let driver = stand_in(folder.path(), script);
    let ready = folder.path().join("ready");
    let stop = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            // A signal that came before the trap would end the shell.
            let deadline = Instant::now() + Duration::from_secs(60);
            while !ready.exists() && Instant::now() < deadline {
                std::thread::yield_now();
            }
            stop.store(true, Ordering::Relaxed);
        });
        drive(&driver, folder.path(), &stop)
    });
    let outcome = outcome.unwrap();
    assert!(outcome.interrupted);
    assert_eq!(outcome.figures.users_started, 572);
}

#[test]
fn a_k6_that_fails_is_no_outcome() {
    let error = |script: &str| {
        let folder = tempfile::tempdir().unwrap();
        let driver = stand_in(folder.path(), script);
        format!("{:#}", drive(&driver, folder.path(), &AtomicBool::new(false)).unwrap_err())
    };
    assert!(error("echo no such option; exit 255").contains("no such option"));
    assert!(error("exit 0").contains("exit status: 0"), "and no summary");
    assert!(error("exit 99").contains("exit status: 99"), "and no summary");
    assert!(error("cp \"$home/recorded\" \"$summary\"; exit 105").contains("105"), "nobody asked for that");
    assert!(error("echo '{}' >\"$summary\"").contains("not a summary of k6's"));
    let nobody = K6::find(Some(Path::new("/nonexistent/k6"))).unwrap_err().to_string();
    assert!(nobody.contains("go install go.k6.io/k6@v1.3.0"), "{nobody}");
    let folder = tempfile::tempdir().unwrap();
    let early =
        drive(&stand_in(folder.path(), "sleep 600"), folder.path(), &AtomicBool::new(true)).unwrap_err();
    assert_eq!(early.to_string(), "k6 was stopped before the first user");
}

#[test]
fn the_version_is_the_second_word() {
    let folder = tempfile::tempdir().unwrap();
    let printed = "case $1 in version) echo 'k6 v1.3.0 (go1.24.6, linux/amd64)' ;; esac";
    let path = folder.path().join("k6");
    write_program(&path, &format!("#!/bin/sh\n{printed}\n"));
    assert_eq!(K6::find(Some(&path)).unwrap().version().unwrap(), "1.3.0");
}

/// Answers as k6 1.3.0 did, in its own words, until it is asked for a metric that is no longer in `samples`.
fn rest_interface(samples: &'static [(&'static str, &'static str)]) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let mut request = String::new();
            let mut lines = BufReader::new(&stream);
            lines.read_line(&mut request).unwrap();
            // All of it: a close with unread bytes would be a reset.
            let mut rest = String::new();
            while lines.read_line(&mut rest).unwrap() > 2 {
                rest.clear();
            }
            let sample = samples.iter().find(|(name, _)| request.contains(&format!("/{name} ")));
            let (status, body) = match sample {
                Some((name, sample)) => (
                    "200 OK",
                    format!(
                        r#"{{"data":{{"type":"metrics","id":"{name}","attributes":{{"type":"counter","contains":"default","tainted":null,"sample":{sample}}}}}}}"#
                    ),
                ),
                None => (
                    "404 Not Found",
                    r#"{"errors":[{"status":"404","title":"Not Found","detail":"No metric with that ID was found"}]}"#
                        .to_owned(),
                ),
            };
            let length = body.len();
            write!(&stream, "HTTP/1.0 {status}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
        }
    });
    address
}

#[test]
fn sums_come_from_the_rest_interface() {
    let silent = rest_interface(&[("pouco_users", r#"{"count":33,"rate":10.2}"#)]);
    let mut live = Live::default();
    assert_eq!(live.ask(silent, &recorded_arrivals()), None, "the load has not begun");
    let told = rest_interface(&[
        ("pouco_begun_at_ms", r#"{"value":1795253811086}"#),
        ("pouco_users", r#"{"count":33,"rate":10.2}"#),
        ("pouco_answers", r#"{"count":40,"rate":12.1}"#),
    ]);
    let snapshot = live.ask(told, &recorded_arrivals()).unwrap();
    assert_eq!(
        (snapshot.started, snapshot.answers, snapshot.failed),
        (33, 40, 0),
        "no failure has no sample"
    );
    assert_eq!(live.begun, Some(1_795_253_811.086));
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    assert_eq!(live.ask(closed, &recorded_arrivals()), None);
}

#[test]
fn seconds_lie_between_two_sums() {
    let sums = |at, started, failed| Sums { at, started, answers: 2 * started, failed };
    let asked = [sums(100.4, 4, 0), sums(101.4, 14, 0), sums(102.4, 24, 10)];
    let series = summary::series(100.0, &asked, &recorded_arrivals());
    let started: Vec<u64> = series.iter().map(|second| second.started).collect();
    assert_eq!(started, [10, 10, 4]);
    let whole = |of: fn(&Second) -> u64| series.iter().map(of).sum::<u64>();
    assert_eq!((whole(|second| second.answers), whole(|second| second.failed)), (48, 10));
    assert!((series[0].asked - 3.0).abs() < 1e-9);
    assert!(summary::series(100.0, &[], &recorded_arrivals()).is_empty());
}

#[test]
fn settings_of_the_users_own_do_not_reach_it() {
    let driver = K6 { how: How::Program(PathBuf::from("/k6")) };
    let rest = SocketAddr::from((Ipv4Addr::LOCALHOST, 5));
    let command = driver.command(Path::new("/s.js"), "{}", rest, &[], Path::new("/out")).unwrap();
    let arguments: Vec<&str> = command.get_args().map(|argument| argument.to_str().unwrap()).collect();
    let expected = "run --quiet --no-color --no-usage-report --address 127.0.0.1:5 /s.js";
    assert_eq!(arguments.join(" "), expected);
    assert!(
        command
            .get_envs()
            .any(|(name, value)| name == "POUCO_PLAN" && value.is_some_and(|plan| plan == "{}"))
    );
    let names = ["HOME", "K6", "K6_VUS", "K6_OUT", "POUCO_K6_"].map(std::ffi::OsString::from);
    assert_eq!(settings_of_k6(names.into_iter()).collect::<Vec<_>>(), ["K6_VUS", "K6_OUT"]);
}

#[test]
fn what_scripts_share_is_where_they_import_it_from() {
    let contests = Path::new(env!("CARGO_MANIFEST_DIR")).join("contests");
    for name in ["people", "users", "edge", "inventory", "scenarios"] {
        let script = contests.join(name).join("k6.js");
        assert_eq!(common(&script), contests.join(COMMON));
        let text = fs::read_to_string(&script).unwrap();
        assert!(text.contains(&format!("from '../{COMMON}'")), "{name}");
    }
    let shared = fs::read_to_string(contests.join(COMMON)).unwrap();
    assert!(shared.contains("export function handleSummary"), "{COMMON}");
}

/// They run by themselves, and know what the contest's file says only by heart.
#[test]
fn each_scenario_has_a_script_of_its_own_with_the_contests_tasks() {
    let contest = Contest::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), "scenarios").unwrap();
    let shared = fs::read_to_string(contest.folder.join("k6-basic.js")).unwrap();
    assert!(shared.contains("vus: Number(__ENV.VUS || 10)") && shared.contains("|| '30s'"));
    for (name, load) in contest.loads.iter().filter(|(_, load)| !load.optional) {
        let script = fs::read_to_string(contest.folder.join(format!("basic/{name}.js"))).unwrap();
        assert!(script.contains("export { options } from '../k6-basic.js'"), "{name}");
        assert!(
            (load.scenarios[0].clients, load.scenarios[0].phases[0].seconds) == (Some(10), 30.0),
            "{name}"
        );
        for request in &load.scenarios[0].requests {
            let sent = format!("method: '{}',\n    path: '{}',", request.method, request.path);
            assert!(shared.replace("\n      ", "\n    ").contains(&sent), "{name}: {sent}");
        }
    }
    let (_, mix) = shared.split_once("const mix = [").unwrap();
    let of_script: Vec<u32> = mix
        .lines()
        .map_while(|line| if line == "];" { None } else { Some(line) })
        .filter_map(|line| line.trim().strip_prefix('[')?.split_once(',')?.0.parse().ok())
        .collect();
    let of_contest = &contest.loads["08-concurrent-mixed"].scenarios[0].requests;
    let of_contest: Vec<u32> = of_contest.iter().filter_map(|request| request.share).collect();
    assert_eq!((of_script, of_contest.iter().sum::<u32>()), (of_contest.clone(), 100));
}

#[test]
fn pages_are_counted_by_the_word_of_their_cache() {
    let mut recorded: serde_json::Value = serde_json::from_str(SUMMARY).unwrap();
    let metrics = recorded["metrics"].as_object_mut().unwrap();
    let mut put = |name: &str, value: &str, number: f64| {
        metrics.insert(name.into(), serde_json::json!({ "values": { value: number } }));
    };
    put("pouco_pages", "count", 12.0);
    put("pouco_pages{cache:HIT}", "count", 11.0);
    put("pouco_pages{cache:MISS}", "count", 1.0);
    put("pouco_pages{cache:STALE}", "count", 0.0);
    put("pouco_wrong", "count", 3.0);
    put("pouco_age_ms", "max", 9_500.0);
    let answers = Summary::parse(&recorded.to_string()).unwrap().answers(&["HIT", "MISS", "STALE"]);
    assert_eq!((answers.checked, answers.wrong), (15, 3));
    let by_cache: Vec<_> = answers.by_cache.iter().map(|(word, count)| (word.as_str(), *count)).collect();
    assert_eq!(by_cache, [("HIT", 11), ("MISS", 1)]);
    assert_eq!(answers.oldest_seconds, Some(9.5));
    assert_eq!(Summary::parse(SUMMARY).unwrap().answers(&["HIT"]), crate::record::Answers::default());
}

/// A summary of a shop: one order whose answer was wrong, one that had none, and a delivery.
fn summary_of_a_shop() -> String {
    let mut recorded: serde_json::Value = serde_json::from_str(SUMMARY).unwrap();
    let checks = serde_json::json!([{ "name": "order: the total is the sum", "passes": 1, "fails": 1 }]);
    recorded["root_group"]["checks"] = checks;
    let metrics = recorded["metrics"].as_object_mut().unwrap();
    let creation = metrics["pouco_duration{request:creation}"].clone();
    for name in ["product", "page of products", "order", "delivery", "login"] {
        metrics.insert(format!("pouco_duration{{request:{name}}}"), creation.clone());
    }
    for (name, sent) in [("order", 2), ("delivery", 1), ("login", 7)] {
        let count = serde_json::json!({ "values": { "count": sent } });
        metrics.insert(format!("pouco_sent{{request:{name}}}"), count);
    }
    recorded.to_string()
}

/// The contest's mix by a k6 whose script has told `console`.
fn drive_in_a_shop(console: &str) -> Result<Outcome> {
    let folder = tempfile::tempdir().unwrap();
    let told = "cp \"$home/of-a-shop\" \"$summary\"\nfor last; do :; done\ncp \"$home/told\" \"$last\"";
    let driver = stand_in(folder.path(), told);
    fs::write(folder.path().join("of-a-shop"), summary_of_a_shop()).unwrap();
    fs::write(folder.path().join("told"), console).unwrap();
    let contest = Contest::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), "inventory").unwrap();
    let shop = std::sync::Arc::new(crate::shop::Open {
        customers: Vec::new(),
        products: vec![crate::shop::Product { id: 7, cents: 1_010 }],
    });
    let none = folder.path().join("none");
    let job = Job {
        contest: &contest,
        top: folder.path(),
        scale: 1.0,
        seed: 7,
        payloads: &none,
        terms: &none,
        folder: folder.path(),
        seconds: None,
        shop: Some(&shop),
    };
    driver.run(&job, &AtomicBool::new(false), &mut |_| {})
}

#[test]
fn a_shops_script_tells_the_oracle_and_what_does_not_hold_is_a_finding() {
    let order = "msg=\"pouco-deed,order,5,201,99,7,2,end\"\n";
    let others = "msg=\"pouco-deed,order,5,0,,7,1,end\"\nmsg=\"pouco-deed,restock,5,200,,7,4,end\"\n";
    let outcome = drive_in_a_shop(&format!("{order}{others}")).unwrap();
    assert_eq!(outcome.deeds.len(), 3);
    assert_eq!(outcome.deeds.iter().filter(|deed| deed.is_acknowledged_order()).count(), 1);
    assert_eq!(outcome.creations, Creations::Counted { sent: 0, acknowledged: 0, failed: 0 });
    let found = "does not hold: order: the total is the sum";
    let errors = &outcome.figures.errors;
    assert!(errors.iter().any(|error| error.message == found && error.count == 1), "{errors:?}");
    let silent = format!("{:#}", drive_in_a_shop(others).unwrap_err());
    assert!(
        silent.contains("k6 sent 3 requests that change the shop, and its script reported 2"),
        "{silent}"
    );
}
