use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::*;

/// Longer than everything that has a bound here, and shorter than a wait without one.
const BOUND: Duration = Duration::from_secs(10);

fn start(address: &str) -> (Shared<&'static str>, Arc<Janitor>) {
    let (address, timeout) = (address.parse().unwrap(), Duration::from_millis(100));
    let settings = RedisSettings { address, timeout, login: None, authorities: None };
    let janitor = Janitor::start().unwrap();
    (Shared::start(Some(&settings), Duration::from_secs(60), &janitor).unwrap(), janitor)
}

fn source(shared: &Shared<&'static str>) -> Source {
    shared.get_or_compute("key", || Ok(Arc::from(*b"x"))).unwrap().source
}

fn until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < BOUND, "it does not happen");
        thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn addresses_are_read_and_written() {
    let tcp = |host: &str, port| Ok(RedisAddress::Tcp(host.into(), port));
    assert_eq!("redis".parse(), tcp("redis", 6379));
    assert_eq!("10.0.0.1:7000".parse(), tcp("10.0.0.1", 7000));
    assert_eq!("::1".parse(), tcp("::1", 6379));
    assert_eq!("[::1]:7000".parse(), tcp("::1", 7000));
    assert_eq!("unix:/run/r.sock".parse(), Ok(RedisAddress::Unix("/run/r.sock".into())));
    assert_eq!("redis://redis:7000/".parse(), tcp("redis", 7000));
    assert_eq!("rediss://redis".parse(), Ok(RedisAddress::Tls("redis".into(), 6379)));
    for text in ["redis:6379", "10.0.0.1:7000", "[::1]:7000", "unix:/run/r.sock", "rediss://[::1]:7000"] {
        assert_eq!(text.parse::<RedisAddress>().unwrap().to_string(), text);
    }
    for wrong in [
        "",
        ":6379",
        "redis:",
        "redis:many",
        "redis:70000",
        "unix:r.sock",
        "a b",
        "http://a",
        "redis://a/1",
        "rediss://",
        "p@h",
        "rediss://u:p@h",
    ] {
        assert!(wrong.parse::<RedisAddress>().is_err(), "{wrong}");
    }
}

#[test]
fn without_redis_every_value_is_computed() {
    let janitor = Janitor::start().unwrap();
    let shared: Shared<&str> = Shared::start(None, Duration::from_secs(60), &janitor).unwrap();
    for _ in 0..2 {
        let served = shared.get_or_compute("key", || Ok(Arc::from(*b"x"))).unwrap();
        assert_eq!((&*served.value, served.source), (&b"x"[..], Source::Bypass));
    }
    assert_eq!(shared.get_or_compute("key", || Err("no")), Err("no"));
    let counts = shared.counts();
    assert_eq!((counts.hits, counts.misses, counts.remote), (0, 3, RemoteCounts::default()));
    shared.stop();
}

#[test]
fn where_nobody_listens_every_value_is_computed_at_once() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (shared, _janitor) = start(&free.to_string());
    until(|| shared.counts().remote.failures > 0);
    let begun = Instant::now();
    (0..1_000).for_each(|_| assert_eq!(source(&shared), Source::Bypass));
    assert!(begun.elapsed() < BOUND, "a thousand lookups took {:?}", begun.elapsed());
    let counts = shared.counts();
    assert_eq!((counts.misses, counts.remote.bypassed, counts.remote.up), (1_000, 1_000, false));
    shared.stop();
}

/// Says PONG to every client while `greets` is set, and nothing to anything else: a Redis that has stopped in
/// the middle.
fn serve_greetings(listener: &TcpListener, greets: &Arc<AtomicBool>) {
    for stream in listener.incoming() {
        let (mut stream, greets): (TcpStream, _) = (stream.unwrap(), greets.clone());
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count) = stream.read(&mut chunk)
                && count > 0
            {
                let pinged = chunk[..count].windows(4).any(|window| window == b"PING");
                if pinged && greets.load(Ordering::SeqCst) {
                    stream.write_all(b"+PONG\r\n").unwrap();
                }
            }
        });
    }
}

#[test]
fn one_that_stops_answering_costs_one_time_out_and_is_asked_again_later() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let greets = Arc::new(AtomicBool::new(true));
    let greeting = greets.clone();
    thread::spawn(move || serve_greetings(&listener, &greeting));
    let (shared, _janitor) = start(&address);
    until(|| shared.counts().remote.up);
    greets.store(false, Ordering::SeqCst);
    let begun = Instant::now();
    assert_eq!(source(&shared), Source::Bypass);
    let waited = begun.elapsed();
    assert!((Duration::from_millis(90)..BOUND).contains(&waited), "{waited:?}");
    // From now on nobody waits.
    (0..100).for_each(|_| assert_eq!(source(&shared), Source::Bypass));
    let counts = shared.counts().remote;
    assert_eq!((counts.up, counts.commands, counts.bypassed, counts.failures >= 1), (false, 1, 100, true));
    greets.store(true, Ordering::SeqCst);
    until(|| shared.counts().remote.up);
    shared.stop();
}

/// A thread that hangs where no timeout of a socket helps is answered for by the janitor.
#[test]
fn a_wait_that_nobody_answers_is_ended_by_the_janitor() {
    let (reply, waiter) = crate::waiting::reply::channel::<remote::Answer>();
    let deadlines = crate::waiting::Deadlines::default();
    let now = Instant::now();
    deadlines.add(now, reply.slot());
    assert_eq!(deadlines.expire(now), 1);
    assert!(matches!(waiter.wait(), Some(remote::Answer::Away)));
    drop(reply);
}
