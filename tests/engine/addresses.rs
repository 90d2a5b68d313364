//! What one client may have, told by its address, and who leaves when another one needs a place.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::support::client::request_text;
use crate::support::{Answer, Connection, Engine, Target, eventually};
use pouco::http::{Limit, Limits, Method, Router};

const ANA: &str = "127.0.0.2";
const BOB: &str = "127.0.0.3";

/// More than the sweeper's interval, which is how exactly the engine knows who has waited longest.
const LATER: Duration = Duration::from_millis(1_500);

fn start(limits: Limits) -> Engine {
    let mut router = Router::new();
    router.route(Method::Get, "/hello", |_, response| response.text("hello"));
    router.route(Method::Post, "/hello", |request, response| response.text(request.body().len()));
    Engine::start(router, limits)
}

fn served(connection: &mut Connection) {
    assert_eq!(connection.request("GET", "/hello", "").text(), "hello");
}

/// Served, and no longer idle: the first byte of a second request has come with the first one.
fn busy(mut connection: Connection) -> Connection {
    connection.send(format!("{}G", request_text("GET", "/hello", "")));
    assert_eq!(connection.answer().text(), "hello");
    connection
}

fn assert_limited(connection: &mut Connection) {
    let answer = connection.answer();
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(connection.is_closed());
}

fn open(engine: &Engine) -> u64 {
    engine.server.metrics().open_connections.load(Ordering::Relaxed)
}

fn evicted(engine: &Engine) -> u64 {
    engine.server.metrics().evicted.load(Ordering::Relaxed)
}

#[test]
fn an_address_has_its_part_and_the_others_have_theirs() {
    let engine = start(Limits { connections_per_address: 3, ..Limits::default() });
    let [tcp, unix] = [&engine.targets[0], &engine.targets[1]];
    let mut anas: Vec<Connection> = (0..3).map(|_| busy(tcp.connect_from(ANA))).collect();
    for refused in 1..=5 {
        assert_limited(&mut tcp.connect_from(ANA));
        assert_eq!(engine.hits(Limit::ConnectionsPerAddress), refused);
    }
    let _bobs: Vec<Connection> = (0..3).map(|_| busy(tcp.connect_from(BOB))).collect();
    let _nobodys: Vec<Connection> = (0..10).map(|_| busy(unix.connect())).collect();
    drop(anas.pop());
    eventually("a place of hers is free", || {
        let mut connection = tcp.connect_from(ANA);
        connection.try_send(request_text("GET", "/hello", "")).is_ok() && connection.answer().status == 200
    });
    assert_limited(&mut {
        busy(tcp.connect_from(ANA));
        tcp.connect_from(BOB)
    });
    assert_eq!((engine.hits(Limit::Connections), evicted(&engine)), (0, 0));
}

#[test]
fn without_a_bound_an_address_has_all() {
    let engine = start(Limits { connections: 8, connections_per_address: 0, ..Limits::default() });
    let _all: Vec<Connection> = (0..8).map(|_| busy(engine.targets[0].connect_from(ANA))).collect();
    assert_eq!(engine.targets[0].connect_from(ANA).answer().status, 503);
    assert_eq!(engine.hits(Limit::Connections), 1);
}

/// Three are open, and the second one has waited longest.
#[test]
fn the_connection_that_is_idle_the_longest_makes_room() {
    for target in 0..2 {
        let engine = start(Limits { connections: 3, connections_per_address: 0, ..Limits::default() });
        let target = &engine.targets[target];
        let mut held: Vec<Connection> = (0..3).map(|_| target.connect()).collect();
        held.iter_mut().for_each(served);
        use_for_a_while(&mut held, &[0, 2]);
        let mut fourth = target.connect();
        served(&mut fourth);
        assert!(held[1].is_closed());
        eventually("it has left", || open(&engine) == 3);
        use_for_a_while(&mut held, &[2]);
        served(&mut fourth);
        let mut fifth = target.connect();
        served(&mut fifth);
        assert!(held[0].is_closed());
        served(&mut held[2]);
        served(&mut fourth);
        assert_eq!((engine.hits(Limit::Connections), evicted(&engine)), (0, 2));
    }
}

fn use_for_a_while(connections: &mut [Connection], used: &[usize]) {
    let begun = Instant::now();
    while begun.elapsed() < LATER {
        used.iter().for_each(|at| served(&mut connections[*at]));
    }
}

/// The others wait for longer, and stay.
#[test]
fn past_its_part_an_address_gives_up_an_idle_connection_of_its_own() {
    let engine = start(Limits { connections_per_address: 2, ..Limits::default() });
    let tcp = &engine.targets[0];
    let mut bobs: Vec<Connection> = (0..2).map(|_| tcp.connect_from(BOB)).collect();
    bobs.iter_mut().for_each(served);
    let (mut first, second) = (tcp.connect_from(ANA), busy(tcp.connect_from(ANA)));
    served(&mut first);
    let mut third = tcp.connect_from(ANA);
    served(&mut third);
    assert!(first.is_closed());
    eventually("it has left", || open(&engine) == 4);
    let mut fourth = busy(tcp.connect_from(ANA));
    assert!(third.is_closed());
    assert_limited(&mut tcp.connect_from(ANA));
    bobs.iter_mut().for_each(served);
    fourth.send(&request_text("GET", "/hello", "")[1..]);
    assert_eq!(fourth.answer().text(), "hello");
    drop(second);
    assert_eq!((engine.hits(Limit::ConnectionsPerAddress), evicted(&engine)), (1, 2));
}

/// A client that has sent a part of a request is not idle, however long it says nothing.
#[test]
fn who_has_begun_a_request_is_not_sent_away() {
    let engine = start(Limits { connections: 2, connections_per_address: 0, ..Limits::default() });
    for target in &engine.targets {
        let before = engine.hits(Limit::Connections);
        let mut begun = [busy(target.connect()), busy(target.connect())];
        assert_eq!(target.connect().answer().status, 503);
        assert_eq!(engine.hits(Limit::Connections), before + 1);
        for connection in &mut begun {
            connection.send(&request_text("GET", "/hello", "")[1..]);
            assert_eq!(connection.answer().text(), "hello");
        }
        drop(begun);
        eventually("they have left", || open(&engine) == 0);
    }
    assert_eq!(evicted(&engine), 0);
}

/// A request may come while its connection is told to leave: it has a whole answer or none, and the count is
/// right.
#[test]
fn a_request_that_meets_the_eviction_is_served_or_not_read() {
    const ROUNDS: usize = 300;
    let engine = start(Limits { connections: 1, connections_per_address: 0, ..Limits::default() });
    for target in &engine.targets {
        let (mut last_words, mut silent) = (0, 0);
        let mut old = target.connect();
        served(&mut old);
        for _ in 0..ROUNDS {
            let (answer, new) = std::thread::scope(|scope| {
                let asking = scope.spawn(|| {
                    old.try_send(request_text("GET", "/hello", ""))
                        .ok()
                        .and_then(|()| old.try_answer_to("GET"))
                });
                let mut new = target.connect();
                let _ = new.try_send(request_text("GET", "/hello", ""));
                let answer = new.answer();
                (asking.join().unwrap(), (answer.status == 200).then_some(new))
            });
            match &answer {
                Some(answer) => assert_eq!((answer.status, answer.text()), (200, "hello")),
                None => silent += 1,
            }
            last_words += usize::from(answer.is_some_and(|it| it.header("connection") == Some("close")));
            let Some(new) = new else { continue };
            old = new;
            eventually("one is left", || open(&engine) == 1);
        }
        println!("{target:?}: {silent} without an answer, {last_words} with the last one");
        drop(old);
        eventually("all have left", || open(&engine) == 0);
    }
    assert!(evicted(&engine) > 0);
}

/// As many of one address as it may have, each idle, and then as many again: each takes the place of the
/// oldest.
#[test]
fn many_idle_connections_of_one_address_are_replaced_one_by_one() {
    const EACH: usize = 600;
    let engine = start(Limits { connections_per_address: EACH, ..Limits::default() });
    let tcp = &engine.targets[0];
    let mut bob = tcp.connect_from(BOB);
    served(&mut bob);
    let mut held: Vec<Connection> = Vec::new();
    for _ in 0..2 * EACH {
        let mut connection = tcp.connect_from(ANA);
        served(&mut connection);
        held.push(connection);
    }
    eventually("the first ones have left", || open(&engine) == EACH as u64 + 1);
    assert_eq!((evicted(&engine), engine.hits(Limit::ConnectionsPerAddress)), (EACH as u64, 0));
    served(&mut bob);
    drop(held);
    eventually("all but one have left", || open(&engine) == 1);
}

fn limited(rate: u32, burst: u32) -> Engine {
    let (rate, burst) = (rate, burst);
    let limits = Limits {
        requests_per_second_per_address: rate,
        request_burst_per_address: burst,
        ..Limits::default()
    };
    start(limits)
}

/// Asks until it is told to wait, since on a busy machine a second may be over before: the refusal, and how
/// many were served.
fn until_limited(mut ask: impl FnMut() -> Answer) -> (Answer, usize) {
    let (mut refused, mut served) = (None, 0);
    eventually("it is told to wait", || {
        let answer = ask();
        served += usize::from(answer.status == 200);
        refused = (answer.status == 429).then_some(answer);
        refused.is_some()
    });
    (refused.unwrap(), served)
}

#[test]
fn past_its_rate_an_address_is_told_to_wait_and_its_connection_goes_on() {
    let engine = limited(1, 3);
    let tcp = &engine.targets[0];
    let mut ana = tcp.connect_from(ANA);
    let (refused, served_before) = until_limited(|| ana.request("GET", "/hello", ""));
    assert!(served_before >= 3, "{served_before}");
    assert_eq!((refused.header("retry-after"), refused.header("connection")), (Some("1"), None));
    // The body goes past, and what is behind it is a request again.
    let (refused, _) = until_limited(|| ana.request("POST", "/hello", "a body"));
    assert_eq!(refused.header("connection"), None);
    // Another connection of hers.
    until_limited(|| tcp.connect_from(ANA).request("GET", "/nothing", ""));
    let (refused, _) = until_limited(|| {
        let mut uninvited = tcp.connect_from(ANA);
        uninvited
            .send("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
        uninvited.answer()
    });
    assert_eq!(refused.header("connection"), Some("close"));
    assert_eq!(engine.hits(Limit::RequestsPerAddress), 4);
    served(&mut tcp.connect_from(BOB));
    eventually("a second is over", || ana.request("GET", "/hello", "").status == 200);
}

/// A balancer sends the requests of many over one connection, and says whose each is.
#[test]
fn behind_a_trusted_hop_the_rate_is_that_of_each_client() {
    let engine = limited(1, 2);
    let mut hop = engine.targets[1].connect();
    let mut ask = |client: &str| {
        hop.send(format!("GET /hello HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {client}\r\n\r\n"));
        hop.answer()
    };
    assert!(until_limited(|| ask("192.0.2.1")).1 >= 2);
    assert_eq!(ask("192.0.2.2").status, 200);
    let mut hosts = 1_u16..;
    assert!(until_limited(|| ask(&format!("2001:db8::{:x}", hosts.next().unwrap()))).1 >= 2);
    assert_eq!(ask("2001:db8:0:1::1").status, 200);
    assert_eq!(["unknown"; 4].map(|client| ask(client).status), [200; 4], "nobody says whose they are");
    // Over TCP the field is anybody's word.
    let over_tcp = |number: u16| {
        let mut connection = engine.targets[0].connect_from(ANA);
        let client = format!("X-Forwarded-For: 192.0.2.{}", number % 256);
        connection.send(format!("GET /hello HTTP/1.1\r\nHost: a\r\n{client}\r\n\r\n"));
        connection.answer()
    };
    assert!(until_limited(|| over_tcp(hosts.next().unwrap())).1 >= 2);
}

#[test]
fn a_flood_of_one_address_leaves_the_others_their_places() {
    let engine = start(Limits { connections: 20, connections_per_address: 10, ..Limits::default() });
    let tcp = &engine.targets[0];
    let mut bob = tcp.connect_from(BOB);
    served(&mut bob);
    // Longer than anybody of the flood waits.
    let mut flood: Vec<Connection> = (0..100).map(|_| tcp.connect_from(ANA)).collect();
    served(&mut bob);
    let mut carol = tcp.connect_from("127.0.0.4");
    served(&mut carol);
    served(&mut bob);
    eventually("no more than its part is open", || open(&engine) <= 12);
    flood.clear();
    assert_eq!(engine.hits(Limit::Connections), 0);
}

#[test]
fn the_default_bounds_one_address_to_half() {
    let limits = Limits::default();
    assert_eq!(limits.connections_per_address * 2, limits.connections);
    assert_eq!(limits.requests_per_second_per_address, 0);
    let target: Target = start(limits).targets[0].clone();
    assert!(matches!(target, Target::Tcp(_)));
}
