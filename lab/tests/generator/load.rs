//! The native generator against a real server on a port of its own.

use std::collections::{BTreeMap, HashSet};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::load_support::{
    Reply, Server, constant, create_then_look_up, errors, id, line_of, lines, payloads, people, plan,
    request, run, search, stored,
};
use pouco_lab::contest::Phase;
use pouco_lab::load::{Connections, Ended, Ending, PLATEAU_RAMP_SECONDS, Rule};

#[test]
fn every_user_of_the_phases_comes_and_every_answer_is_counted() {
    let server = Server::start(people);
    let phases = vec![
        Phase { from: 50.0, to: 50.0, seconds: 0.5, randomized: false },
        Phase { from: 40.0, to: 40.0, seconds: 0.5, randomized: true },
        Phase { from: 20.0, to: 180.0, seconds: 1.0, randomized: false },
    ];
    let mut plan = plan(server.address, vec![create_then_look_up(phases), search(constant(30.0, 2.0))]);
    plan.scale = 2.0;
    let began = Instant::now();
    let outcome = run(&plan);
    let took = began.elapsed().as_secs_f64();
    let figures = &outcome.figures;
    assert_eq!(outcome.ended, Ended::Whole);
    assert_eq!(figures.errors.len(), 0, "{:?}", figures.errors);
    let count = |name: &str| figures.requests[name].count;
    assert_eq!((count("creation"), count("lookup"), count("search")), (290, 290, 120));
    assert_eq!((figures.users_asked, figures.users_started), (410, 410));
    assert_eq!(figures.total.statuses, BTreeMap::from([(200, 410), (201, 290)]));
    assert_eq!(server.opened(), 410, "a connection a user");
    let sum = |value: fn(&pouco_lab::record::Second) -> u64| outcome.series.iter().map(value).sum::<u64>();
    assert_eq!(sum(|second| second.started), 410);
    assert_eq!(sum(|second| second.answers), 700);
    let asked: f64 = outcome.series.iter().map(|second| second.asked).sum();
    assert!((asked - 410.0).abs() < 0.01, "{asked}");
    assert!((1.9..=took).contains(&figures.seconds), "{} of {took}", figures.seconds);
    assert!(figures.total.p50_ms.unwrap() <= figures.total.p99_ms.unwrap());
    let mut numbers: Vec<u64> = outcome.creations.iter().map(|creation| creation.payload).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..290).collect::<Vec<_>>());
    for creation in &outcome.creations {
        let id = (0x4000_8000_u128 << 48) + u128::from(creation.payload);
        assert_eq!((creation.status, creation.id), (201, Some(id)));
    }
    assert_eq!((outcome.payloads_used, outcome.terms_used, outcome.given_up), (290, 120, 0));
    assert!(outcome.generator.cpu_seconds > 0.0);
}

#[test]
fn requests_are_what_the_contest_says() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let server = Server::start(move |asked| {
        log.lock().unwrap().push((
            asked.method.clone(),
            asked.target.clone(),
            asked.headers.clone(),
            asked.body.clone(),
        ));
        people(asked)
    });
    let mut plan =
        plan(server.address, vec![create_then_look_up(constant(10.0, 0.1)), search(constant(40.0, 0.1))]);
    plan.terms = lines(&["São Paulo & %", "😀+/", "plain"]);
    plan.term_offset = 1;
    assert_eq!(run(&plan).figures.total.failed, 0);
    let seen = seen.lock().unwrap();
    let targets: Vec<&str> =
        seen.iter().map(|(_, target, ..)| target.as_str()).filter(|target| target.contains('?')).collect();
    assert_eq!(
        targets,
        [
            "/pessoas?t=%F0%9F%98%80%2B%2F",
            "/pessoas?t=plain",
            "/pessoas?t=S%C3%A3o%20Paulo%20%26%20%25",
            "/pessoas?t=%F0%9F%98%80%2B%2F"
        ]
    );
    let (_, target, headers, body) = seen.iter().find(|(method, ..)| method == "POST").unwrap();
    assert_eq!((target.as_str(), body.as_str()), ("/pessoas", crate::load_support::person(0).as_str()));
    let length = body.len();
    let host = server.address;
    assert_eq!(
        headers,
        &format!(
            "host: {host}\r\nuser-agent: a test\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n"
        )
    );
    assert!(
        seen.iter().any(|(method, target, ..)| method == "GET" && target == &format!("/pessoas/{}", id(0)))
    );
}

#[test]
fn answers_in_chunks_and_up_to_the_connections_end_are_read() {
    let server = Server::start(|asked| {
        if asked.method == "POST" {
            // Until the end: the look-up needs a connection of its own.
            let reply = people(asked);
            let head = String::from_utf8(reply.bytes).unwrap().replace("content-length: 0\r\n", "");
            return Reply::raw(&format!("{head}created"), true);
        }
        let id = asked.target.rsplit('/').next().unwrap();
        let body = stored(id, line_of(id));
        let (one, two) = body.split_at(20);
        let length = two.len();
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n";
        Reply::raw(&format!("{head}\r\n14\r\n{one}\r\n{length:x}\r\n{two}\r\n0\r\n\r\n"), false)
    });
    let outcome = run(&plan(server.address, vec![create_then_look_up(constant(100.0, 0.5))]));
    assert_eq!(outcome.figures.errors.len(), 0, "{:?}", outcome.figures.errors);
    assert_eq!(outcome.figures.requests["lookup"].count, 50);
    assert_eq!(server.opened(), 100);
}

#[test]
fn large_answers_come_in_many_pieces() {
    let person = format!(r#"{{"id":"1","nome":"{}"}}"#, "x".repeat(20_000));
    let body = format!("[{}]", vec![person; 50].join(","));
    let server = Server::start(move |_| Reply::new("200 OK", "", &body));
    let outcome = run(&plan(server.address, vec![search(constant(20.0, 0.5))]));
    assert_eq!(
        (outcome.figures.total.count, outcome.figures.total.failed),
        (10, 0),
        "{:?}",
        outcome.figures.errors
    );
}

#[test]
fn wrong_answers_are_failures_with_their_reason() {
    let wrong = |line: usize| match line {
        0 => Reply::new("200 OK", "", &stored(&id(0), 1)),
        1 => Reply::new("200 OK", "", &stored(&id(2), 1)),
        2 => Reply::new("404 Not Found", "", ""),
        3 => Reply::new("200 OK", "", "oops"),
        4 => Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}", true),
        line => Reply::new("200 OK", "", &stored(&id(line), line)),
    };
    let server = Server::start(move |asked| match asked.target.as_str() {
        "/pessoas?t=51" => {
            let people = vec!["{}"; 51].join(",");
            Reply::new("200 OK", "", &format!("[{people}]"))
        }
        "/pessoas?t=no" => Reply::new("200 OK", "", "{}"),
        target if target.starts_with("/pessoas/") => wrong(line_of(&target["/pessoas/".len()..])),
        _ => people(asked),
    });
    let mut plan =
        plan(server.address, vec![create_then_look_up(constant(60.0, 0.1)), search(constant(30.0, 0.1))]);
    plan.terms = lines(&["51", "no", "yes"]);
    let outcome = run(&plan);
    for message in [
        "lookup: the body's apelido is not what was sent",
        "lookup: the body's id is not the last segment of the location",
        "lookup: status 404, allowed are [200]",
        "lookup: the body is no person in JSON",
        "lookup: closed before the whole answer",
        "search: the body has more than 50 people",
        "search: the body is no array in JSON",
    ] {
        assert_eq!(errors(&outcome, message), 1, "{message}: {:?}", outcome.figures.errors);
    }
    let failed = |name: &str| outcome.figures.requests[name].failed;
    assert_eq!((failed("creation"), failed("lookup"), failed("search")), (0, 5, 2));
    assert_eq!(outcome.figures.total.failed, 7);
    assert_eq!(outcome.series.iter().map(|second| second.failed).sum::<u64>(), 7);
}

#[test]
fn a_chain_ends_where_there_is_no_location() {
    let server = Server::start(|asked| {
        let line: usize = asked.body.split('"').nth(3).map_or(0, |nick| nick[4..].parse().unwrap());
        match (asked.method.as_str(), line) {
            ("POST", 0) => Reply::new("201 Created", "", ""),
            ("POST", 1) => Reply::new("422 Unprocessable Content", "", ""),
            ("POST", 2) => Reply::new("500 Internal Server Error", "", ""),
            _ => people(asked),
        }
    });
    let outcome = run(&plan(server.address, vec![create_then_look_up(constant(40.0, 0.1))]));
    assert_eq!(outcome.figures.requests["lookup"].count, 1);
    assert_eq!(outcome.figures.requests["creation"].failed, 2);
    assert_eq!(errors(&outcome, "creation: 201 without a Location that is a path"), 1);
    assert_eq!(errors(&outcome, "creation: status 500, allowed are [201, 400, 422]"), 1);
    let statuses: HashSet<(u64, u16)> =
        outcome.creations.iter().map(|creation| (creation.payload, creation.status)).collect();
    assert_eq!(statuses, HashSet::from([(0, 201), (1, 422), (2, 500), (3, 201)]));
}

#[test]
fn an_answer_that_does_not_come_in_time_is_a_failure() {
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock().unwrap();
    let handler_gate = Arc::clone(&gate);
    let server = Server::start(move |asked| {
        if asked.body.contains("nick1\"") {
            drop(handler_gate.lock());
        }
        people(asked)
    });
    let mut plan = plan(server.address, vec![create_then_look_up(constant(10.0, 0.3))]);
    plan.load.timeout_seconds = 2.0;
    let outcome = run(&plan);
    drop(closed);
    assert_eq!(errors(&outcome, "creation: timed out after 2 s"), 1, "{:?}", outcome.figures.errors);
    assert_eq!(outcome.figures.total.failed, 1);
    assert_eq!(outcome.figures.requests["creation"].statuses, BTreeMap::from([(0, 1), (201, 2)]));
    assert!(outcome.figures.total.max_ms.unwrap() >= 1990.0);
    let late = outcome.creations.iter().find(|creation| creation.payload == 1).unwrap();
    assert_eq!((late.status, late.id), (0, None));
}

#[test]
fn a_server_that_is_not_there_is_a_failure() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let outcome = run(&plan(address, vec![search(constant(50.0, 0.2))]));
    assert_eq!(errors(&outcome, "search: connection refused"), 10, "{:?}", outcome.figures.errors);
    assert_eq!((outcome.figures.total.count, outcome.figures.total.failed), (10, 10));
    assert_eq!(outcome.figures.total.statuses, BTreeMap::from([(0, 10)]));
}

#[test]
fn connections_that_end_without_an_answer_are_failures() {
    let server = Server::start(|_| Reply::raw("", true));
    let outcome = run(&plan(server.address, vec![create_then_look_up(constant(50.0, 0.2))]));
    assert_eq!(
        errors(&outcome, "creation: closed before the whole answer"),
        10,
        "{:?}",
        outcome.figures.errors
    );
    assert!(outcome.creations.iter().all(|creation| creation.status == 0));

    // Closed with the request unread: a reset.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut byte = [0];
            let _ = stream.peek(&mut byte);
        }
    });
    let outcome = run(&plan(address, vec![search(constant(50.0, 0.2))]));
    assert_eq!(errors(&outcome, "search: connection reset"), 10, "{:?}", outcome.figures.errors);
}

/// One request in a stalled server hides nothing: those that should have started meanwhile have the wait in
/// their times.
#[test]
fn a_stall_is_in_the_times_of_all_who_came_in_it() {
    let (busy, most, served) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    let seen = Arc::clone(&most);
    let server = Server::start(move |asked| {
        seen.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        if served.fetch_add(1, Ordering::SeqCst) == 50 {
            std::thread::sleep(Duration::from_millis(500)); // the stall itself, not a wait for anything
        }
        busy.fetch_sub(1, Ordering::SeqCst);
        people(asked)
    });
    let mut plan = plan(server.address, vec![search(constant(200.0, 1.0))]);
    plan.connections = Connections::KeptAlive { connections: 1 };
    let outcome = run(&plan);
    let total = &outcome.figures.total;
    assert_eq!((total.count, total.failed), (200, 0));
    assert_eq!(most.load(Ordering::SeqCst), 1, "requests at the server at once");
    // Half of all users came in the stall and waited for 250 ms on average.
    assert!(total.p75_ms.unwrap() >= 150.0, "{:?}", total.p75_ms);
    assert!(total.p99_ms.unwrap() >= 450.0, "{:?}", total.p99_ms);
}

#[test]
fn kept_connections_are_shared_and_opened_again_when_the_server_ends_them() {
    let counts = Mutex::new(BTreeMap::<usize, usize>::new());
    let server = Server::start(move |asked| {
        let mut counts = counts.lock().unwrap();
        let count = counts.entry(asked.connection).or_default();
        *count += 1;
        let mut reply = people(asked);
        if *count == 20 {
            let text = String::from_utf8(reply.bytes).unwrap();
            reply = Reply::raw(&text.replacen("\r\n", "\r\nConnection: close\r\n", 1), true);
        }
        reply
    });
    let mut plan = plan(server.address, vec![create_then_look_up(constant(200.0, 1.0))]);
    plan.connections = Connections::KeptAlive { connections: 4 };
    let outcome = run(&plan);
    assert_eq!(
        (outcome.figures.total.count, outcome.figures.total.failed),
        (400, 0),
        "{:?}",
        outcome.figures.errors
    );
    assert!((20..=24).contains(&server.opened()), "{}", server.opened());
}

#[test]
fn connections_that_are_finished_in_order_work_as_well() {
    let server = Server::start(people);
    let mut plan = plan(server.address, vec![create_then_look_up(constant(100.0, 0.5))]);
    plan.ending = Ending::Finish;
    let outcome = run(&plan);
    assert_eq!(
        (outcome.figures.total.count, outcome.figures.total.failed),
        (100, 0),
        "{:?}",
        outcome.figures.errors
    );
}

#[test]
fn a_load_can_be_stopped() {
    let server = Server::start(people);
    let stop = AtomicBool::new(false);
    let mut seconds = Vec::new();
    let outcome = pouco_lab::load::run(
        &plan(server.address, vec![create_then_look_up(constant(50.0, 60.0))]),
        &stop,
        &mut |snapshot| {
            seconds.push((snapshot.second, snapshot.started));
            stop.store(true, Ordering::Relaxed);
        },
    );
    let outcome = outcome.unwrap();
    assert_eq!(outcome.ended, Ended::Stopped);
    assert_eq!(seconds[0].0, 0);
    // Of the 3,000 of the whole load.
    let started = outcome.figures.users_started;
    assert!((1..1_500).contains(&started), "{started}");
    assert_eq!(outcome.figures.total.failed, 0);
    assert_eq!(outcome.creations.len() as u64, outcome.payloads_used);
}

#[test]
fn what_was_under_way_at_a_stop_is_no_failure_and_still_a_creation() {
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock().unwrap();
    let handler_gate = Arc::clone(&gate);
    let server = Server::start(move |asked| {
        drop(handler_gate.lock());
        people(asked)
    });
    let stop = AtomicBool::new(false);
    let plan = plan(server.address, vec![create_then_look_up(constant(10.0, 30.0))]);
    let outcome = pouco_lab::load::run(&plan, &stop, &mut |_| stop.store(true, Ordering::Relaxed)).unwrap();
    drop(closed);
    assert_eq!((outcome.figures.total.count, outcome.ended), (0, Ended::Stopped));
    assert!(outcome.given_up >= 10);
    assert_eq!(outcome.creations.len() as u64, outcome.given_up);
    assert!(outcome.creations.iter().all(|creation| creation.status == 0));
}

#[test]
fn a_plateau_leaves_its_rise_out_and_is_a_step() {
    let server = Server::start(people);
    let ramp = vec![Phase { from: 1.0, to: 10.0, seconds: 100.0, randomized: false }];
    let mut plan = plan(server.address, vec![create_then_look_up(ramp)]);
    plan.payload_offset = 990;
    let rule = Rule { failed: 0, p99_ms: 5_000.0 };
    let outcome = run(&plan.plateau(2.0, 1, rule));
    // The mean rate of the rise is half of 20 a second.
    assert_eq!(outcome.creations.len(), 10 * PLATEAU_RAMP_SECONDS as usize + 20);
    let mut numbers: Vec<u64> = outcome.creations.iter().map(|creation| creation.payload).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (990..990 + numbers.len() as u64).collect::<Vec<_>>());
    assert_eq!(outcome.figures.requests["creation"].count, 20);
    assert_eq!(outcome.figures.users_asked, 20);
    assert_eq!(outcome.series[0].second, 0);
    assert_eq!(outcome.series.iter().map(|second| second.started).sum::<u64>(), 20);
    assert_eq!(outcome.warnings, ["50 of 60 payloads were sent before: the file has 1000 lines"]);
    let step = outcome.step(2.0, rule, 1.5);
    assert!(step.passed, "{step:?}");
    assert!((1.0..45.0).contains(&step.requests_per_second), "{step:?}");
}

#[test]
fn a_step_ends_as_soon_as_its_rule_is_broken() {
    let server = Server::start(|_| Reply::new("503 Service Unavailable", "", ""));
    let rule = Rule::FIND_LIMIT;
    let outcome = run(&plan(server.address, vec![search(constant(50.0, 1.0))]).plateau(1.0, 100, rule));
    assert_eq!(outcome.ended, Ended::RuleBroken);
    // Of the 5,000 of the whole plateau.
    assert!(outcome.figures.users_started < 2_500, "{}", outcome.figures.users_started);
    assert!(!outcome.step(1.0, rule, 0.0).passed);
}

#[test]
fn plans_that_are_none_are_refused_with_the_reason() {
    let address = "127.0.0.1:1".parse().unwrap();
    let refused = |change: &dyn Fn(&mut pouco_lab::load::Plan)| {
        let mut plan = plan(address, vec![create_then_look_up(constant(1.0, 0.1))]);
        change(&mut plan);
        let error = pouco_lab::load::run(&plan, &AtomicBool::new(false), &mut |_| {}).unwrap_err();
        format!("{error:#}")
    };
    assert!(refused(&|plan| plan.scale = 0.0).contains("scale"));
    assert!(refused(&|plan| plan.payloads = payloads(0)).contains("payloads"));
    assert!(refused(&|plan| plan.load.timeout_seconds = 0.0).contains("timeout_seconds"));
    assert!(
        refused(&|plan| plan.connections = Connections::KeptAlive { connections: 0 }).contains("connections")
    );
    assert!(refused(&|plan| plan.load.headers[0].1 = "a\r\nb: c".into()).contains("user-agent"));
    let other = request("x", "GET", "/{id}", &[200]);
    assert!(refused(&|plan| plan.load.scenarios[0].requests[1] = other.clone()).contains("{id}"));
}
