//! The events as bytes over real sockets, and viewers who come too many, go, or stand still.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use super::*;

/// For one thing to happen.
const WAIT: Duration = Duration::from_secs(30);

fn key(contestant: &str) -> Key {
    Key { load: Some("01-one".into()), contestant: contestant.into(), round: 1 }
}

/// A page of a campaign of two.
fn live() -> Live {
    let live = Live::start((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let planned = |name| Planned { key: key(name), seconds: 30.0, ended: None };
    let campaign = Campaign { title: "Two <b>".into(), ..Campaign::default() };
    live.teller().tell(Event::Planned(campaign, vec![planned("first"), planned("second")]));
    live
}

fn asked(live: &Live, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(live.address()).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn answer(live: &Live, request: &str) -> String {
    let mut text = String::new();
    asked(live, request).read_to_string(&mut text).unwrap();
    text
}

/// A viewer that reads what comes.
struct Viewer(BufReader<TcpStream>);

impl Viewer {
    fn come(live: &Live) -> Self {
        let mut viewer = Self(BufReader::new(asked(live, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n")));
        let head: Vec<String> =
            std::iter::from_fn(|| Some(viewer.line()).filter(|it| !it.is_empty())).collect();
        assert_eq!(head[0], "HTTP/1.1 200 OK");
        assert!(head.contains(&"Content-Type: text/event-stream".to_owned()), "{head:?}");
        assert_eq!((viewer.line().as_str(), viewer.line().as_str()), ("retry: 1000", ""));
        viewer
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    /// The next event of this name of which `wanted` is so; those before are passed over.
    fn event(&mut self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + WAIT;
        loop {
            assert!(Instant::now() < deadline, "no such {name}");
            if self.line() != format!("event: {name}") {
                continue;
            }
            let data = self.line();
            assert_eq!(self.line(), "", "{data}");
            let value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            if wanted(&value) {
                return value;
            }
        }
    }
}

#[test]
fn a_newcomer_gets_the_state_so_far_and_everybody_what_changes() {
    let live = live();
    let teller = live.teller();
    let mut first = Viewer::come(&live);
    let campaign = first.event("campaign", |it| it["planned"] == 2);
    assert_eq!((&campaign["title"], &campaign["state"]), (&"Two <b>".into(), &"running".into()));
    assert_eq!((&campaign["left_seconds"], &campaign["left_at_least"]), (&60.0.into(), &true.into()));
    assert_eq!(campaign["next"]["contestant"], "first");

    teller.tell(Event::Begins(key("first")));
    teller.tell(Event::Step("its rules\nare kept".into()));
    teller.tell(Event::Tick(Tick { answers: 1_340.0, p99_ms: Some(2.5), ..Tick::default() }));
    let now = first.event("now", |it| it["told"] == true);
    assert_eq!((&now["contestant"], &now["requests_per_second"]), (&"first".into(), &1_340.0.into()));
    assert_eq!((&now["p99_ms"], &now["cpus"]), (&2.5.into(), &Value::Null));
    assert_eq!(first.event("steps", |_| true), serde_json::json!(["its rules are kept"]));
    let ended = Ended { words: "✓ exact".into(), tone: "good", ..Ended::default() };
    teller.tell(Event::Ended(key("first"), ended));
    teller.tell(Event::Begins(key("second")));
    let attempts = first.event("attempts", |it| it["rows"][1]["state"] == "running");
    assert_eq!(attempts["rows"][0]["words"], "✓ exact");

    let mut second = Viewer::come(&live);
    assert_eq!(second.event("campaign", |_| true)["ended"], 1);
    assert_eq!(second.event("attempts", |_| true), attempts);

    drop(live);
    for mut viewer in [first, second] {
        let campaign = viewer.event("campaign", |it| it["state"] == "over");
        assert_eq!((&campaign["ended"], &campaign["planned"]), (&1.into(), &2.into()));
        // What was cut short has not ended, and the stream has.
        let mut rest = String::new();
        viewer.0.read_to_string(&mut rest).unwrap();
        assert!(
            rest.contains(r#""contestant":"second","load":"01-one","round":1,"state":"waiting""#),
            "{rest}"
        );
    }
}

#[test]
fn one_who_stands_still_is_left_and_nobody_notices() {
    let live = live();
    let teller = live.teller();
    let slow = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    slow.set_recv_buffer_size(4_096).unwrap();
    slow.connect(&live.address().into()).unwrap();
    let mut slow = TcpStream::from(slow);
    slow.write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut quick = Viewer::come(&live);
    let viewers = || live.shared.held().viewers;
    let deadline = Instant::now() + WAIT;
    while viewers() < 2 {
        assert!(Instant::now() < deadline, "they have not come");
        thread::yield_now();
    }
    // Frames of which a few fill all buffers between, until it is left.
    let mut number = 0;
    while viewers() == 2 {
        assert!(Instant::now() < deadline, "it is still there");
        number += 1;
        let told = Instant::now();
        for row in 0..400 {
            let key = Key { round: row, ..key("second") };
            let ended = Ended { words: format!("{number} {}", "x".repeat(280)), ..Ended::default() };
            teller.tell(Event::Ended(key, ended));
        }
        assert!(told.elapsed() < Duration::from_secs(1), "the run waits for its viewers");
        teller.tell(Event::Step(format!("step {number}")));
        quick.event("steps", |steps| steps.to_string().contains(&format!("step {number}\"")));
    }
    // At the end it is not waited for either.
    drop(slow);
    let ends = Instant::now();
    drop(live);
    assert!(ends.elapsed() < FAREWELL + Duration::from_secs(2), "{:?}", ends.elapsed());
}

#[test]
fn one_too_many_is_refused_until_somebody_goes() {
    let live = live();
    let mut viewers: Vec<Viewer> = (0..16).map(|_| Viewer::come(&live)).collect();
    let refused = answer(&live, "GET /events HTTP/1.1\r\n\r\n");
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("Retry-After: 5\r\n"), "{refused}");
    let page = answer(&live, "GET / HTTP/1.1\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "a page is there for everybody");
    drop(viewers.pop());
    let deadline = Instant::now() + WAIT;
    // A viewer that has gone is detected when something is sent.
    while live.shared.held().viewers == 16 {
        assert!(Instant::now() < deadline, "a place is still taken");
        live.teller().tell(Event::Step(format!("{:?}", deadline.elapsed())));
        thread::yield_now();
    }
    Viewer::come(&live).event("campaign", |_| true);
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_bad_requests_are_answered() {
    let live = live();
    let page = answer(&live, "GET / HTTP/1.1\r\n\r\n");
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("Content-Security-Policy: default-src 'none'; ") && !head.contains("  "), "{head}");
    assert!(body.contains("new EventSource('events')") && body.contains("prefers-color-scheme: dark"));
    assert!(!body.contains("://") && !body.contains("/* s"), "an address, or a place that is not filled");
    let begins = |request: &str, status: &str| {
        let answer = answer(&live, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        answer
    };
    assert!(begins("HEAD / HTTP/1.1\r\n\r\n", "200").ends_with("\r\n\r\n"));
    begins("GET /favicon.ico HTTP/1.1\r\n\r\n", "404");
    assert!(begins("POST / HTTP/1.1\r\n\r\n", "405").contains("Allow: GET, HEAD\r\n"));
    begins("\x16\x03\x01\r\n\r\n", "400");
}

#[test]
fn an_address_in_use_is_told() {
    let live = live();
    let error = Live::start(live.address()).err().unwrap();
    let error = format!("{error:#}");
    assert!(error.starts_with(&format!("--serve {}: Address already in use", live.address())), "{error}");
}
